"""Statements as a party would make them from its own books (R-COMPLETE-1), for tests."""

from collections.abc import Iterable, Sequence

from tieout.agreement.model import Agreement, FieldType
from tieout.merkle.sets import key_hash, said_hash, set_hash
from tieout.wire.codes import Action
from tieout.wire.rows import PREFIX_BYTES
from tieout.wire.statements import StateDay, StatedNumbers, StatedTotal, sum_bytes

_KEY_BYTES = 39
_ACTION_AT = 39
_PRESENCE_AT = 44
_PRESENCE_END = 52


def statement_of(
    agreement: Agreement,
    role: int,
    rows: Iterable[bytes],
    period: tuple[int, int],
    numbers: Sequence[StatedNumbers] = (),
) -> StateDay:
    """The statement of a role whose books hold these rows, one of each transaction.

    `period` is (after, until) in microseconds.
    """
    stated = [row for row in rows if row[_ACTION_AT] == Action.STATE]
    totals: dict[tuple[int, bytes], list[int]] = {}
    for row in stated:
        presence = int.from_bytes(row[_PRESENCE_AT:_PRESENCE_END], "little")
        for f, field in enumerate(agreement.fields):
            if field.type in (FieldType.MONEY, FieldType.QUANTITY) and presence >> f & 1:
                currency = (field.currency or "").encode()
                if field.currency_field is not None:
                    currency = bytes(_cell(agreement, row, field.currency_field)).rstrip(b"\0")
                value = int.from_bytes(_cell(agreement, row, f), "little", signed=True)
                totals.setdefault((f, currency), []).append(value)
    entries = {
        key_hash(row[:_KEY_BYTES]): said_hash(row[_PRESENCE_AT:_PRESENCE_END] + row[PREFIX_BYTES:])
        for row in stated
    }
    return StateDay(
        agreement.name,
        agreement.version,
        role,
        *period,
        len(stated),
        tuple(
            StatedTotal(f, currency, len(values), sum_bytes(sum(values)))
            for (f, currency), values in sorted(totals.items())
        ),
        tuple(numbers),
        set_hash(entries),
    )


def numbers_of(text: str) -> tuple[StatedNumbers, ...]:
    """The numbers that a text such as `0:1-3,5 7:1` stands for, as it says them."""
    return tuple(
        StatedNumbers(int(stream), tuple(_range(each) for each in ranges.split(",")))
        for stream, _, ranges in (word.partition(":") for word in text.split())
    )


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last or first)


def _cell(agreement: Agreement, row: bytes, f: int) -> bytes:
    column = agreement.layout.columns[f]
    return row[column.offset : column.offset + column.width]
