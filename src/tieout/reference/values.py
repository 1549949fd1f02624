"""Values as the rules compare them, and the rows that state them (R-ROW-1).

A value is an integer (scaled number, day, microsecond), the bytes of a code or text without
padding, or money: an amount with its currency. Money whose currency is a field carries that field's
value with it from here on, so that "the same value" is plain equality everywhere (R-MATCH-4).
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from tieout.agreement.model import Agreement, Field
from tieout.agreement.stages import terms_of
from tieout.wire.codes import Action
from tieout.wire.limits import MAX_ABS_NUMBER
from tieout.wire.rows import PREFIX_BYTES, ColumnKind, RowLayout

FIRST_DAY: Final = -719_162
"""0001-01-01, in days since 1970-01-01."""
LAST_DAY: Final = 2_932_896
"""9999-12-31."""
_PREFIX: Final = "<36sHBBIQ16s"
_A_PREFIX: Final = struct.Struct(_PREFIX)
_FORMATS: Final = {ColumnKind.NUMBER: "q", ColumnKind.DATE: "i", ColumnKind.TIME: "q"}


class Money(NamedTuple):
    """An amount whose currency stands in another field; a blank currency is empty."""

    amount: int
    currency: bytes


Value = int | bytes | Money


def amount_of(value: Value | None) -> int | bytes | None:
    """The value as it stands in its own field, without its currency."""
    return value.amount if isinstance(value, Money) else value


@dataclass(frozen=True, slots=True)
class Record:
    """What a role says: a row's content without its key.

    `values[f]` is None where the presence bit of field f is off. `values_bytes` are the values as
    they stand in the row; `place` is leaf index × 65,536 + row index.
    """

    revision: int
    action: Action
    presence: int
    values: tuple[Value | None, ...]
    values_bytes: bytes
    place: int = 0

    def says_the_same_as(self, other: "Record") -> bool:
        """Whether action, presence and values are the same (R-SAME-1)."""
        return (
            self.action is other.action
            and self.presence == other.presence
            and self.values_bytes == other.values_bytes
        )


@dataclass(frozen=True, slots=True)
class Row:
    """A well-formed row. `transaction_id` has 36 bytes, NUL padded."""

    transaction_id: bytes
    originator: int
    stage: int
    record: Record


class RowReader:
    """Reads the rows of one agreement."""

    def __init__(self, agreement: Agreement) -> None:
        self._fields = agreement.fields
        self._kinds = tuple(column.kind for column in agreement.layout.columns)
        self._row = struct.Struct(_PREFIX + _values_format(agreement.layout))
        self._reported = tuple(_reported(terms) for terms in terms_of(agreement))
        self._in_currency_fields = any(
            field.currency_field is not None for field in agreement.fields
        )

    def read(self, row: bytes, role: int, place: int) -> Row | None:
        """The row of `role`, None when it is not well formed (R-ROW-1)."""
        transaction_id, originator, stage, action, revision, presence, _salt, *stated = (
            self._row.unpack(row)
        )
        if not is_transaction_id(transaction_id):
            return None
        if action not in (Action.STATE, Action.WITHDRAW) or revision < 1:
            return None
        reported = self._reported[stage].get(role) if stage < len(self._reported) else None
        if reported is None or presence & ~reported:  # R-STAGE-2
            return None
        if action == Action.WITHDRAW and presence:
            return None
        values: list[Value | None] = []
        for f, value in enumerate(stated):
            if presence >> f & 1:
                if not _is_value(self._kinds[f], value):
                    return None
                values.append(value if isinstance(value, int) else value.rstrip(b"\0"))
            elif value != 0 if isinstance(value, int) else value.strip(b"\0"):
                return None
            else:
                values.append(None)
        if self._in_currency_fields:
            values = with_currencies(self._fields, values)
        return Row(
            transaction_id,
            originator,
            stage,
            Record(revision, Action(action), presence, tuple(values), row[PREFIX_BYTES:], place),
        )

    def read_values(self, values: bytes, presence: int, role: int) -> Row | None:
        """Values as `role` would state them, in a row of no transaction; None as for `read`."""
        prefix = _A_PREFIX.pack(b"-", 0, 0, Action.STATE, 1, presence, b"")
        return self.read(prefix + values, role, 0)


def with_currencies(fields: tuple[Field, ...], values: list[Value | None]) -> list[Value | None]:
    """The values of one record, money joined with the currency that it states (R-MATCH-4)."""
    joined = list(values)
    for f, field in enumerate(fields):
        amount = values[f]
        if field.currency_field is not None and isinstance(amount, int):
            currency = values[field.currency_field]
            joined[f] = Money(amount, currency if isinstance(currency, bytes) else b"")
    return joined


def is_transaction_id(padded: bytes) -> bool:
    """Whether 36 bytes are an id as R-ROW-1 wants it."""
    text = padded.rstrip(b"\0")
    return _is_text(text) and not text.startswith(b" ") and not text.endswith(b" ")


def _is_value(kind: ColumnKind, value: int | bytes) -> bool:
    """Whether a stated value is one that its type can have (R-ROW-1)."""
    if isinstance(value, int):
        if kind is ColumnKind.DATE:
            return FIRST_DAY <= value <= LAST_DAY
        return -MAX_ABS_NUMBER <= value <= MAX_ABS_NUMBER
    text = value.rstrip(b"\0")
    if kind is ColumnKind.TEXT:
        return _is_text(text)
    return (
        text != b""
        and text.isascii()
        and text.decode("ascii").isprintable()
        and text.strip(b" ") == text
    )


def _is_text(text: bytes) -> bool:
    """Whether this is UTF-8 (RFC 3629), not empty, without control characters."""
    try:
        characters = text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    if text.isascii():
        return text != b"" and characters.isprintable()
    return not any(c < " " or "\x7f" <= c <= "\x9f" for c in characters)


def _reported(terms: Agreement) -> dict[int, int]:
    """The mask of the fields that each role reports which takes part."""
    return {
        role: sum(1 << f for f, field in enumerate(terms.fields) if role in field.roles)
        for role in terms.taking_part
    }


def _values_format(layout: RowLayout) -> str:
    return "".join(_FORMATS.get(column.kind, f"{column.width}s") for column in layout.columns)


def pack_values(agreement: Agreement, values: Mapping[int, Value]) -> bytes:
    """Values by field at their places in a row's values, zero elsewhere."""
    packed = bytearray(agreement.layout.values_bytes)
    columns = agreement.layout.columns
    for f, stated in values.items():
        value = stated.amount if isinstance(stated, Money) else stated
        start, width = columns[f].offset - PREFIX_BYTES, columns[f].width
        packed[start : start + width] = (
            value.to_bytes(width, "little", signed=True)
            if isinstance(value, int)
            else value.ljust(width, b"\0")
        )
    return bytes(packed)
