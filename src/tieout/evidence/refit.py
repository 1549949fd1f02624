"""Recorded rows, laid out as another version of their agreement has them.

The problem: a version that is only being thought of adds fields, leaves some out, or counts more
decimals; what is recorded has the layout of the version under which it was published. The model:
roles and fields are the same when their names are. A value is taken over exactly or not at all:
numbers to another number of decimals as long as none is lost, codes and texts as long as they fit.
What no recorded row has, and what does not fit, is blank. The row is then read by the new version
like any other (R-ROW-1), so nothing stands in it that could not have been published.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import structs

from tieout.agreement.model import NUMBERS, Agreement, Field, FieldType
from tieout.reference.values import Row, RowReader, Value, amount_of, pack_values
from tieout.wire.limits import MAX_ABS_NUMBER
from tieout.wire.operations import MoveValue
from tieout.wire.rows import PREFIX_BYTES

_PRESENCE_AT, _PRESENCE_END = 44, 52
"""Where the presence bits stand in a row (docs/formats/batch.md)."""
_TEXTS = (FieldType.CODE, FieldType.TEXT)


@dataclass(slots=True)
class Refit:
    """From one recorded version of an agreement to another one.

    `unfit` counts, by field of the new version, the values that it cannot state.
    """

    old: Agreement
    new: Agreement
    unfit: Counter[int] = field(default_factory=Counter)
    _reader: RowReader = field(init=False)
    _roles: tuple[int | None, ...] = field(init=False)
    _sources: tuple[int | None, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._reader = RowReader(self.new)
        self._roles = tuple(
            self.new.roles.index(name) if name in self.new.roles else None
            for name in self.old.roles
        )
        places = {each.name: f for f, each in enumerate(self.old.fields)}
        self._sources = tuple(
            f if f is not None and _is_akin(self.old.fields[f], each) else None
            for each in self.new.fields
            for f in (places.get(each.name),)
        )

    def role(self, role: int) -> int | None:
        """The role of that name in the new version, None when it has none."""
        return self._roles[role]

    def row(self, image: bytes, row: Row, role: int) -> Row | None:
        """A well-formed row of a recorded role (its bytes, and as it was read) in the new layout.

        None when the new version does not have the role.
        """
        taken = self.role(role)
        if taken is None:
            return None
        values: dict[int, Value] = {}
        for f, source in enumerate(self._sources):
            recorded = None if source is None else amount_of(row.record.values[source])
            if recorded is None or taken not in self.new.fields[f].roles:
                continue
            value = self.value(f, recorded)
            if value is None:
                self.unfit[f] += 1
            else:
                values[f] = value
        presence = sum(1 << f for f in values)
        laid_out = b"".join(
            (
                image[:_PRESENCE_AT],
                presence.to_bytes(_PRESENCE_END - _PRESENCE_AT, "little"),
                image[_PRESENCE_END:PREFIX_BYTES],
                pack_values(self.new, values),
            )
        )
        return self._reader.read(laid_out, taken, row.record.place)

    def value(self, f: int, recorded: int | bytes) -> int | bytes | None:
        """A recorded value as field `f` of the new version states it; None when it cannot."""
        source = self._sources[f]
        if source is None:
            return None
        was, now = self.old.fields[source], self.new.fields[f]
        if isinstance(recorded, bytes):
            return recorded if len(recorded) <= now.length and _is_fit(now, recorded) else None
        if now.type not in NUMBERS:
            return recorded
        number, rest = divmod(recorded * 10**now.scale, 10**was.scale)
        return number if rest == 0 and abs(number) <= MAX_ABS_NUMBER else None

    def values(self, recorded: Mapping[int, Value]) -> dict[int, int | bytes | None] | None:
        """Recorded values by field, as the new version states them; None when it lacks a field."""
        places = {source: f for f, source in enumerate(self._sources) if source is not None}
        if not places.keys() >= recorded.keys():
            return None
        return {
            places[f]: self.value(places[f], amount)
            for f, value in recorded.items()
            if (amount := amount_of(value)) is not None
        }

    def motion(self, body: MoveValue) -> MoveValue | None:
        """A motion as it would be made under the new version; None where it could not."""
        if not 0 <= body.field < len(self.old.fields):
            return None
        places = {source: f for f, source in enumerate(self._sources) if source is not None}
        f = places.get(body.field)
        if f is None:
            return None
        was, now = self.old.layout.columns[body.field], self.new.layout.columns[f]
        fitted = self.value(f, was.value_of(body.value))
        if fitted is None:
            return None
        holder = self.new.fields[f].currency_field
        currency = b""
        if holder is not None:
            currency = body.currency.rstrip(b"\0").ljust(
                self.new.layout.columns[holder].width, b"\0"
            )
        start, width = now.offset - PREFIX_BYTES, now.width
        value = pack_values(self.new, {f: fitted})[start : start + width]
        return structs.replace(body, field=f, value=value, currency=currency)

    def notes(self) -> list[str]:
        """What is taken for what, a line each, with the names of both versions."""
        lines = [_taken_as_is(self._same())] if self._same() else []
        for now, source in zip(self.new.fields, self._sources, strict=True):
            if source is None:
                lines.append(f"{now.name}: {self._why_blank(now)}, blank")
            elif now.name not in self._same():
                was = self.old.fields[source]
                lines.append(f"{now.name}: recorded as {_form(was)}, taken as {_form(now)}")
        names = [each.name for each in self.new.fields]
        gone = [each.name for each in self.old.fields if each.name not in names]
        lines += [f"{name}: left out" for name in gone]
        lines += [f"role {r}: its records are left out" for r in _not_in(self.old, self.new)]
        lines += [f"role {r}: not recorded, silent" for r in _not_in(self.new, self.old)]
        return lines

    def _same(self) -> list[str]:
        return [
            now.name
            for now, source in zip(self.new.fields, self._sources, strict=True)
            if source is not None and _form(self.old.fields[source]) == _form(now)
        ]

    def _why_blank(self, now: Field) -> str:
        names = {each.name: each for each in self.old.fields}
        if now.name not in names:
            return "no recorded row has it"
        return f"recorded as {_form(names[now.name])}, which is no {now.type.value}"


def _is_akin(was: Field, now: Field) -> bool:
    """Whether values of one field can be values of the other."""
    if was.type in NUMBERS:
        return now.type in NUMBERS
    return was.type is now.type or (was.type in _TEXTS and now.type in _TEXTS)


def _is_fit(now: Field, text: bytes) -> bool:
    """Whether a code or text can stand in a field (R-ROW-1)."""
    if now.type is FieldType.TEXT:
        return True
    return text.isascii() and text.decode("ascii").isprintable() and text.strip(b" ") == text


def _form(of: Field) -> str:
    """The type of a field with its decimals or bytes."""
    if of.type in _TEXTS:
        return f"{of.type.value} of {of.length} bytes"
    decimals = f" with {of.scale} decimals" if of.type in NUMBERS and of.scale else ""
    return of.type.value + decimals


def _not_in(one: Agreement, other: Agreement) -> list[str]:
    return [role for role in one.roles if role not in other.roles]


def _taken_as_is(names: list[str]) -> str:
    return f"{', '.join(names)}: taken as recorded"
