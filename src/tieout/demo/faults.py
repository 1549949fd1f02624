"""What goes wrong on the day: every kind of fault, and the breaks that the rules must find for it.

Each fault has a transaction of its own, so that none hides another. For each it is written here,
without asking the rules, which (kind, role, field) must come to stand as a break at some time of
the day, and whether it still stands when every adjustment has been carried out. Suspicions are
not counted: a mismatch whose benchmark is still awaited (R-BENCH-2) says only that two differ.

Controls look like faults and must not be called breaks: a cent within tolerance, the same record
twice, a correction before anybody else spoke, an order that everybody took back.

Times are chosen so that cause and effect are more than one block apart (five minutes), and so that
what must meet a deadline of `fund-subscription.toml` (seller 10, bank 30, registrar 90 minutes
after the first record) meets it, and what must miss it misses it, by more than a block.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np

from tieout.demo.cast import FUNDS, INSTITUTIONS, Role
from tieout.demo.records import Records, presence_bit
from tieout.wire.codes import Action, BreakKind

MINUTE_US: Final = 60_000_000


class FaultKind(StrEnum):
    """Every kind of fault that is seeded; the last four are controls."""

    SMALL_AMOUNT = "wrong amount, small"
    LARGE_AMOUNT = "wrong amount, large"
    SHORT_PAYMENT = "money short of the order"
    WRONG_SHARES = "wrong shares"
    WRONG_FEE = "wrong fee"
    WRONG_CURRENCY = "wrong currency"
    WRONG_FUND = "wrong fund"
    WRONG_TRADE_DATE = "wrong trade date"
    WRONG_SETTLE_DATE = "wrong settlement date"
    THREE_FEES = "three different fees"
    BLANK_FIELD = "blank field"
    MISSING_RECORD = "record missing"
    LATE_RECORD = "record late"
    NO_ORDER = "money without an order"
    SECOND_SELLER = "second seller"
    DUPLICATE = "two records, one revision"
    CHANGED = "changed after match"
    CENT = "a cent apart"
    REPEAT = "same record twice"
    CORRECTION = "corrected at once"
    TAKEN_BACK = "taken back by all"


PER_20_000: Final = {
    FaultKind.SMALL_AMOUNT: 90,
    FaultKind.LARGE_AMOUNT: 24,
    FaultKind.SHORT_PAYMENT: 16,
    FaultKind.WRONG_SHARES: 60,
    FaultKind.WRONG_FEE: 24,
    FaultKind.WRONG_CURRENCY: 10,
    FaultKind.WRONG_FUND: 20,
    FaultKind.WRONG_TRADE_DATE: 24,
    FaultKind.WRONG_SETTLE_DATE: 16,
    FaultKind.THREE_FEES: 8,
    FaultKind.BLANK_FIELD: 18,
    FaultKind.MISSING_RECORD: 30,
    FaultKind.LATE_RECORD: 40,
    FaultKind.NO_ORDER: 8,
    FaultKind.SECOND_SELLER: 8,
    FaultKind.DUPLICATE: 16,
    FaultKind.CHANGED: 24,
    FaultKind.CENT: 40,
    FaultKind.REPEAT: 30,
    FaultKind.CORRECTION: 30,
    FaultKind.TAKEN_BACK: 20,
}
"""How many of each kind on a day of 20,000 transactions: about one order in forty."""

CONTROLS: Final = (
    FaultKind.CENT,
    FaultKind.REPEAT,
    FaultKind.CORRECTION,
    FaultKind.TAKEN_BACK,
)


@dataclass(frozen=True, slots=True, order=True)
class SeededBreak:
    """A break that must be found: `field` is None where it is about the whole record."""

    kind: BreakKind
    role: Role
    field: str | None


@dataclass(frozen=True, slots=True)
class Fault:
    """One seeded fault. `role` is who is at fault, `field` what is wrong (None: the whole record).

    `breaks` must each stand at some time of the day, and no others of this transaction.
    `lasting` are those of them that stand at the end of the day, when all has been adjusted.
    """

    transaction_id: str
    kind: FaultKind
    role: Role
    field: str | None
    breaks: tuple[SeededBreak, ...]
    lasting: tuple[SeededBreak, ...] = ()


class Seeder:
    """Plants the faults into the records of a day; used once.

    `records` holds, for role r and order i, the record at r × transactions + i, and is altered.
    """

    def __init__(self, seed: int, records: Records, transactions: int) -> None:
        self._chance = random.Random(f"faults of day {seed}")
        self._records = records
        self._count = transactions
        self._keep = np.ones(len(records), dtype=np.bool_)
        self._further: list[Records] = []
        self._faults: list[Fault] = []

    def seed_all(self) -> tuple[Records, tuple[Fault, ...]]:
        """The records as published, by time, and the faults, by transaction id."""
        counts = {kind: max(1, per * self._count // 20_000) for kind, per in PER_20_000.items()}
        orders = self._chance.sample(range(self._count), sum(counts.values()))
        for kind, count in counts.items():
            for _ in range(count):
                _PLANTED[kind](self, kind, orders.pop())
        records = np.concatenate([self._records[self._keep], *self._further])
        published = records[np.argsort(records["at_us"], kind="stable")]
        return published, tuple(sorted(self._faults, key=lambda fault: fault.transaction_id))

    # ---- tools

    def _record(self, role: Role, order: int) -> Any:
        """The record of a role for an order; assignments alter it in place."""
        row = role * self._count + order
        return self._records[row]

    def _remove(self, role: Role, order: int) -> None:
        self._keep[role * self._count + order] = False

    def _add(self, role: Role, order: int, minutes: float, revision: int) -> Any:
        """A further record of the role, so many minutes after its first one."""
        row = role * self._count + order
        copy = self._records[row : row + 1].copy()
        copy["at_us"] += int(minutes * MINUTE_US)
        copy["revision"] = revision
        self._further.append(copy)
        return copy[0]

    def _withdraw(self, role: Role, order: int, minutes: float, revision: int) -> Any:
        """A withdrawal by the role, so many minutes after its first record."""
        record = self._add(role, order, minutes, revision)
        record["action"] = Action.WITHDRAW
        record["presence"] = 0
        for field, empty in _EMPTY.items():
            record[field] = empty
        return record

    def _tell(
        self,
        kind: FaultKind,
        order: int,
        role: Role,
        field: str | None = None,
        breaks: Iterable[SeededBreak] = (),
        lasting: Iterable[SeededBreak] = (),
    ) -> None:
        name = self._record(role, order)["id"].decode("ascii")
        self._faults.append(Fault(name, kind, role, field, tuple(breaks), tuple(lasting)))

    def _minutes(self, low: int, high: int) -> float:
        return self._chance.uniform(low, high)

    def _mended(self) -> bool:
        """Whether people mend it during the day: two of three times."""
        return self._chance.random() < 2 / 3

    def _apart(self, amount: int, low_bp: int, high_bp: int) -> int:
        """A difference of so many hundredths of a percent of an amount, up or down."""
        size = max(2, amount * self._chance.randint(low_bp, high_bp) // 10_000)
        return size * self._chance.choice((-1, 1))

    # ---- wrong values; adjusted during the day

    def small_amount(self, kind: FaultKind, order: int) -> None:
        """Digits swapped: within the limit for automatic adjusting."""
        role = self._chance.choice((Role.SELLER, Role.REGISTRAR))
        record = self._record(role, order)
        record["amount"] += min(abs(self._apart(int(record["amount"]), 10, 900)), 150_000)
        self._tell(kind, order, role, "amount", [_mismatch(role, "amount")])

    def large_amount(self, kind: FaultKind, order: int) -> None:
        """A digit too many: beyond every limit, so that persons must approve."""
        role = self._chance.choice((Role.SELLER, Role.REGISTRAR))
        record = self._record(role, order)
        record["amount"] += max(9 * int(record["amount"]), 2_000_000)
        self._tell(kind, order, role, "amount", [_mismatch(role, "amount")])

    def short_payment(self, kind: FaultKind, order: int) -> None:
        """Less money came than was ordered; by the agreement the bank's amount stands."""
        record = self._record(Role.BANK, order)
        record["amount"] -= max(2, int(record["amount"]) // 50)
        wrong = (Role.SELLER, Role.REGISTRAR)
        self._tell(kind, order, Role.BANK, "amount", [_mismatch(role, "amount") for role in wrong])

    def wrong_shares(self, kind: FaultKind, order: int) -> None:
        """Units worked out at another price; by the agreement the registrar's units stand."""
        record = self._record(Role.SELLER, order)
        record["shares"] += self._apart(int(record["shares"]), 50, 800)
        self._tell(kind, order, Role.SELLER, "shares", [_mismatch(Role.SELLER, "shares")])

    def wrong_fee(self, kind: FaultKind, order: int) -> None:
        """A discount that one party forgot."""
        role = self._chance.choice(tuple(Role))
        self._record(role, order)["fee"] += self._chance.randint(100, 9_000)
        self._tell(kind, order, role, "fee", [_mismatch(role, "fee")])

    def wrong_currency(self, kind: FaultKind, order: int) -> None:
        """Right figures in the wrong currency: every amount of money breaks with it (R-MATCH-4)."""
        role = self._chance.choice((Role.SELLER, Role.REGISTRAR))
        record = self._record(role, order)
        record["currency"] = b"USD" if record["currency"] == b"CNY" else b"CNY"
        fields = ("currency", "amount", "fee")
        self._tell(kind, order, role, "currency", [_mismatch(role, field) for field in fields])

    def wrong_fund(self, kind: FaultKind, order: int) -> None:
        """The neighbouring fund of the list."""
        role = self._chance.choice(tuple(Role))
        record = self._record(role, order)
        codes = [fund.code.encode("ascii") for fund in FUNDS]
        record["fund"] = codes[(codes.index(record["fund"]) + 1) % len(codes)]
        self._tell(kind, order, role, "fund", [_mismatch(role, "fund")])

    def wrong_date(self, kind: FaultKind, order: int) -> None:
        """Booked for the day before, or settled a day late."""
        role = self._chance.choice(tuple(Role))
        field = "trade_date" if kind == FaultKind.WRONG_TRADE_DATE else "settle_date"
        self._record(role, order)[field] += -1 if field == "trade_date" else 1
        self._tell(kind, order, role, field, [_mismatch(role, field)])

    # ---- what no rule can decide or mend

    def three_fees(self, kind: FaultKind, order: int) -> None:
        """Three roles, three values: undecided, left to people."""
        self._record(Role.BANK, order)["fee"] += 100
        self._record(Role.REGISTRAR, order)["fee"] += 250
        breaks = [_mismatch(role, "fee") for role in Role]
        self._tell(kind, order, Role.SELLER, "fee", breaks, breaks)

    def blank_field(self, kind: FaultKind, order: int) -> None:
        """A mandatory field left empty; mostly filled in by a later revision."""
        role = self._chance.choice(tuple(Role))
        fields = ["fee", "trade_date", "settle_date"] + (["nav"] if role != Role.BANK else [])
        field = self._chance.choice(fields)
        mended = self._mended()
        if mended:
            self._add(role, order, self._minutes(20, 40), revision=2)
        record = self._record(role, order)
        record[field] = 0
        record["presence"] &= ~np.uint64(presence_bit(field))
        breaks = [SeededBreak(BreakKind.MISSING, role, field)]
        self._tell(kind, order, role, field, breaks, [] if mended else breaks)

    def missing_record(self, kind: FaultKind, order: int) -> None:
        """A role never speaks. Without the seller, the others' records are `unexpected`."""
        role = self._chance.choice(tuple(Role))
        self._remove(role, order)
        breaks = [_whole(BreakKind.MISSING, role)]
        lasting = breaks
        if role == Role.SELLER:
            others = (Role.REGISTRAR, Role.BANK)
            lasting = [_whole(BreakKind.UNEXPECTED, other) for other in others]
            breaks = breaks + lasting
        self._tell(kind, order, role, None, breaks, lasting)

    def late_record(self, kind: FaultKind, order: int) -> None:
        """A role speaks after its deadline; then nothing is broken any more."""
        role = self._chance.choice(tuple(Role))
        first = self._record(Role.BANK if role == Role.SELLER else Role.SELLER, order)
        minutes = _DEADLINE_MINUTES[role] + self._minutes(12, 40)
        self._record(role, order)["at_us"] = first["at_us"] + int(minutes * MINUTE_US)
        self._tell(kind, order, role, None, [_whole(BreakKind.MISSING, role)])

    def no_order(self, kind: FaultKind, order: int) -> None:
        """Money that nobody ordered: first the others are missing, at the cut-off it is known."""
        self._remove(Role.SELLER, order)
        self._remove(Role.REGISTRAR, order)
        lasting = [_whole(BreakKind.UNEXPECTED, Role.BANK)]
        silent = (Role.SELLER, Role.REGISTRAR)
        breaks = [_whole(BreakKind.MISSING, role) for role in silent] + lasting
        self._tell(kind, order, Role.BANK, None, breaks, lasting)

    # ---- records that should not be

    def second_seller(self, kind: FaultKind, order: int) -> None:
        """The bank, entitled to sell too, speaks as the seller of somebody else's order."""
        delay = self._minutes(6, 30)
        mended = self._mended()
        self._add(Role.SELLER, order, delay, revision=1)["party"] = INSTITUTIONS[Role.BANK].number
        if mended:
            withdrawal = self._withdraw(Role.SELLER, order, delay + self._minutes(15, 30), 2)
            withdrawal["party"] = INSTITUTIONS[Role.BANK].number
        breaks = [_whole(BreakKind.UNEXPECTED, Role.SELLER)]
        self._tell(kind, order, Role.SELLER, None, breaks, [] if mended else breaks)

    def duplicate(self, kind: FaultKind, order: int) -> None:
        """The same revision with another amount; mostly cleared up by the next revision."""
        role = self._chance.choice(tuple(Role))
        delay = self._minutes(6, 30)
        mended = self._mended()
        self._add(role, order, delay, revision=1)["amount"] += 5_000
        if mended:
            self._add(role, order, delay + self._minutes(15, 30), revision=2)
        breaks = [_whole(BreakKind.DUPLICATE, role)]
        self._tell(kind, order, role, None, breaks, [] if mended else breaks)

    def changed(self, kind: FaultKind, order: int) -> None:
        """All had tied out, then one role states something else; it is adjusted back."""
        role = self._chance.choice((Role.SELLER, Role.REGISTRAR))
        matched_us = int(self._record(Role.REGISTRAR, order)["at_us"])
        minutes = (matched_us - int(self._record(role, order)["at_us"])) / MINUTE_US
        again = self._add(role, order, minutes + self._minutes(15, 40), revision=2)
        again["amount"] += self._chance.randint(1_000, 90_000)
        breaks = [_whole(BreakKind.CHANGED_AFTER_MATCH, role), _mismatch(role, "amount")]
        self._tell(kind, order, role, "amount", breaks)

    # ---- controls

    def cent(self, kind: FaultKind, order: int) -> None:
        """A cent of rounding: within the tolerance of the amount."""
        role = self._chance.choice((Role.SELLER, Role.REGISTRAR))
        self._record(role, order)["amount"] += self._chance.choice((-1, 1))
        self._tell(kind, order, role, "amount")

    def repeat(self, kind: FaultKind, order: int) -> None:
        """The same record once more."""
        role = self._chance.choice(tuple(Role))
        self._add(role, order, self._minutes(6, 30), revision=1)
        self._tell(kind, order, role)

    def correction(self, kind: FaultKind, order: int) -> None:
        """The seller mistypes and mends it within seconds, before the bank has spoken."""
        self._add(Role.SELLER, order, self._chance.uniform(0.05, 0.25), revision=2)
        self._record(Role.SELLER, order)["amount"] += self._chance.randint(1_000, 90_000)
        self._tell(kind, order, Role.SELLER, "amount")

    def taken_back(self, kind: FaultKind, order: int) -> None:
        """The investor changes his mind before units are booked; seller and bank withdraw."""
        self._remove(Role.REGISTRAR, order)
        self._withdraw(Role.SELLER, order, 20, revision=2)
        bank = self._withdraw(Role.BANK, order, 0, revision=2)
        bank["at_us"] = self._record(Role.SELLER, order)["at_us"] + 22 * MINUTE_US
        self._tell(kind, order, Role.SELLER)


_EMPTY: Final[dict[str, bytes | int]] = {
    **dict.fromkeys(("fund", "currency", "remark"), b""),
    **dict.fromkeys(("amount", "shares", "nav", "fee", "trade_date", "settle_date"), 0),
}
_DEADLINE_MINUTES: Final = {Role.SELLER: 10, Role.REGISTRAR: 90, Role.BANK: 30}

_PLANTED: Final[dict[FaultKind, Callable[[Seeder, FaultKind, int], None]]] = {
    FaultKind.SMALL_AMOUNT: Seeder.small_amount,
    FaultKind.LARGE_AMOUNT: Seeder.large_amount,
    FaultKind.SHORT_PAYMENT: Seeder.short_payment,
    FaultKind.WRONG_SHARES: Seeder.wrong_shares,
    FaultKind.WRONG_FEE: Seeder.wrong_fee,
    FaultKind.WRONG_CURRENCY: Seeder.wrong_currency,
    FaultKind.WRONG_FUND: Seeder.wrong_fund,
    FaultKind.WRONG_TRADE_DATE: Seeder.wrong_date,
    FaultKind.WRONG_SETTLE_DATE: Seeder.wrong_date,
    FaultKind.THREE_FEES: Seeder.three_fees,
    FaultKind.BLANK_FIELD: Seeder.blank_field,
    FaultKind.MISSING_RECORD: Seeder.missing_record,
    FaultKind.LATE_RECORD: Seeder.late_record,
    FaultKind.NO_ORDER: Seeder.no_order,
    FaultKind.SECOND_SELLER: Seeder.second_seller,
    FaultKind.DUPLICATE: Seeder.duplicate,
    FaultKind.CHANGED: Seeder.changed,
    FaultKind.CENT: Seeder.cent,
    FaultKind.REPEAT: Seeder.repeat,
    FaultKind.CORRECTION: Seeder.correction,
    FaultKind.TAKEN_BACK: Seeder.taken_back,
}


def _mismatch(role: Role, field: str) -> SeededBreak:
    return SeededBreak(BreakKind.MISMATCH, role, field)


def _whole(kind: BreakKind, role: Role) -> SeededBreak:
    return SeededBreak(kind, role, None)
