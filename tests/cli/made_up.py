"""A made-up day from a seed: an agreement and a CSV for each role, close to every edge.

Values lie on tolerances and one unit beyond them, on both sides; records and values are missing,
rows stand twice, with the same values and with others.
"""

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tieout.agreement.model import NUMBERS, Agreement, Field, FieldType
from tieout.agreement.parse import parse_agreement
from tieout.testing.agreements import CURRENCIES, choose_tree, to_toml
from tieout.units.dates import format_date, format_time
from tieout.units.numbers import format_scaled

Choice = TypeVar("Choice")
Record = dict[str, str]

LARGEST = (1 << 62) - 1
DAY_RANGE = (-719162, 2932896)
"""0001-01-01 and 9999-12-31."""
TIME_RANGE = (-62135596800000000, 253402300799999999)
WORDS = ("a", "b", "A", "基", "é", 'q"', "x,y")
CODES = ("1", "2", "Z", ",")


@dataclass(frozen=True)
class Day:
    """An agreement, its text, and the rows of each role in the order of its file."""

    text: str
    agreement: Agreement
    rows: list[list[Record]]

    def write(self, folder: Path) -> dict[str, str]:
        """Write the files; return the file of each role."""
        (folder / "agreement.toml").write_text(self.text, encoding="utf-8")
        names = {}
        for role, rows in enumerate(self.rows):
            name = self.agreement.roles[role]
            columns = [
                "transaction_id",
                *(f.name for f in self.agreement.fields if role in f.roles),
            ]
            with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, columns)
                writer.writeheader()
                writer.writerows(rows)
            names[name] = f"{name}.csv"
        return names


class _Random(random.Random):
    def pick(self, choices: Sequence[Choice]) -> Choice:
        return self.choice(choices)


def made_up_day(seed: int, transactions: int = 0) -> Day:
    """The day of a seed: so many transactions, or at most 25."""
    chance = _Random(seed)
    tree = choose_tree(chance, max_fields=4)
    # What is kept too shortly to be mended has tests of its own.
    tree.pop("retention", None)
    text = to_toml(tree)
    agreement = parse_agreement(text)
    rows: list[list[Record]] = [[] for _ in agreement.roles]
    for number in range(transactions or chance.randrange(1, 26)):
        base = {field.name: _base(chance, field) for field in agreement.fields}
        for role in range(len(agreement.roles)):
            if chance.random() < 0.9:
                record = _record(chance, agreement, role, base)
                rows[role].append({"transaction_id": _id(seed, number), **record})
    for role, stated in enumerate(rows):
        for place in range(len(stated)):
            if chance.random() < 0.06:
                again = stated[place]
                if chance.random() < 0.5:
                    again = _changed(chance, agreement, role, again)
                stated.append(again)
    return Day(text, agreement, rows)


def mended_day(day: Day, seed: int) -> Day:
    """The same day, handed in once more: some rows changed, one gone, one new for each role."""
    chance = _Random(seed)
    rows = []
    for role, stated in enumerate(day.rows):
        first = {row["transaction_id"]: row for row in reversed(stated)}
        names = [*first, f"new-{seed % 3}"]
        if len(first) > 3:
            names.remove(chance.pick(names))
        chance.shuffle(names)
        rows.append(
            [
                first[name]
                if name in first and chance.random() < 0.7
                else _changed(chance, day.agreement, role, {"transaction_id": name})
                for name in names
            ]
        )
    return Day(day.text, day.agreement, rows)


def _changed(chance: _Random, agreement: Agreement, role: int, row: Record) -> Record:
    """A row of the same transaction with other values."""
    base = {field.name: _base(chance, field) for field in agreement.fields}
    return {
        "transaction_id": row["transaction_id"],
        **_record(chance, agreement, role, base),
    }


def _id(seed: int, number: int) -> str:
    """Ids whose order by code point is another one than that of any locale, or of UTF-16."""
    return ("T", "t", "\uff5e", "\U0001f600", "a,", 'b"', "-")[(seed + number) % 7] + str(number)


def _base(chance: _Random, field: Field) -> int | str:
    """A value that the roles state more or less."""
    if field.type is FieldType.CODE:
        return "".join(chance.choices(CODES, k=min(field.length, 2)))
    if field.type is FieldType.TEXT:
        text = chance.pick(WORDS)
        return text if len(text.encode()) <= field.length else "a"
    if field.type is FieldType.DATE:
        return chance.pick([20_000, chance.randrange(20_000, 20_010), *DAY_RANGE])
    if field.type is FieldType.TIME:
        return chance.pick([0, 1_772_000_000_000_000, chance.randrange(10**15), *TIME_RANGE])
    small = chance.randrange(-20, 21)
    large = chance.randrange(-LARGEST, LARGEST + 1)
    return chance.pick([0, small, 100, -33_330, chance.randrange(10**6), large, LARGEST, -LARGEST])


def _record(
    chance: _Random, agreement: Agreement, role: int, base: dict[str, int | str]
) -> dict[str, str]:
    return {
        field.name: _stated(chance, field, base[field.name])
        for field in agreement.fields
        if role in field.roles
    }


def _stated(chance: _Random, field: Field, base: int | str) -> str:
    """What one role states of a field: mostly the base or close to it, sometimes nothing."""
    if chance.random() < 0.08:
        return ""
    is_same = chance.random() < 0.5
    if field.name == "currency":
        return CURRENCIES[0] if chance.random() < 0.7 else chance.pick(CURRENCIES)
    if isinstance(base, str):
        return base if is_same else str(_base(chance, field))
    lowest, highest = -LARGEST, LARGEST
    if field.type is FieldType.DATE:
        lowest, highest = DAY_RANGE
    elif field.type is FieldType.TIME:
        lowest, highest = TIME_RANGE
    steps = 0 if is_same else chance.pick([-1, 1]) * (_edge(chance, field, base))
    value = min(max(base + steps, lowest), highest)
    if field.type is FieldType.DATE:
        return format_date(value)
    return format_time(value) if field.type is FieldType.TIME else format_scaled(value, field.scale)


def _edge(chance: _Random, field: Field, base: int) -> int:
    """How far a value lies from the base: at a limit, or one unit to either side of it."""
    limits = [0, field.drift_after]
    tolerance = field.tolerance
    if tolerance is not None and field.type in NUMBERS:
        if tolerance.absolute is not None:
            limits.append(tolerance.absolute)
        if tolerance.percent_units is not None:
            limits.append(
                abs(base) * tolerance.percent_units // 10 ** (2 + tolerance.percent_scale)
            )
    return max(0, chance.pick(limits) + chance.pick([-1, 0, 1]))
