"""What honest roles state about a few transactions: nothing said twice, nothing malformed.

Values lie a few units apart, so that tolerances are met and missed, or are as large as they get.
"""

from typing import Final, NamedTuple

from tieout.agreement.model import Agreement, Field, FieldType
from tieout.agreement.stages import terms_of
from tieout.testing.agreements import CURRENCIES
from tieout.testing.dice import Dice
from tieout.testing.workbench import START_US, row_bytes
from tieout.wire.codes import Action

LARGEST: Final = (1 << 62) - 1
LAST_REVISION: Final = 3
_OFFSETS: Final = (*[0] * 20, 1, 1, -1, 2, 3, 10, 11, 12, -25, 1_000)
_LARGE: Final = (LARGEST, -LARGEST, LARGEST - 1, 0, -1)
_DAYS: Final = (*[20_000] * 12, 20_001, 20_002, 20_003, 19_999, -719_162, 2_932_896)
_CODES: Final = (*[b"A"] * 8, b"B", b"~", b"A B")
_LOOSE_CODES: Final = (
    *[b"A"] * 6,
    *(b"a", b"B", b"b", b"A.", b".A", b"0A", b"00A", b"7", b"07", b"~", b"0", b"00", b"0-0"),
)
"""What may count as the same."""
_LOOSE_CURRENCIES: Final = (
    *[b"CNY"] * 6,
    b"cny",
    b"156",
    b"EUR",
    b"USD",
    b"usd",
    b"840",
    b"-",
    b"C",
)
_TEXTS: Final = (*[b"x"] * 8, b"y", "\u00fc".encode(), b" x ", b"e\xcc\x81")


class Statement(NamedTuple):
    """A row, and the role that says it."""

    role: int
    row: bytes


def choose_statements(dice: Dice, agreement: Agreement, transaction_count: int) -> list[Statement]:
    """Up to three revisions of each role for some transactions.

    In the order of ids, stages and roles.
    """
    return [
        Statement(role, _choose_row(dice, terms, role, f"T{number}", revision, stage))
        for number in range(transaction_count)
        for stage, terms in enumerate(terms_of(agreement))
        for role in terms.taking_part
        for revision in range(1, 1 + LAST_REVISION)
        if dice.happens(45)
    ]


def _choose_row(
    dice: Dice, agreement: Agreement, role: int, transaction_id: str, revision: int, stage: int
) -> bytes:
    if dice.happens(10):
        action = Action.WITHDRAW
        return row_bytes(agreement, transaction_id, revision, {}, action=action, stage=stage)
    values = {
        f: choose_value(dice, field)
        for f, field in enumerate(agreement.fields)
        if role in field.roles and not dice.happens(4)
    }
    return row_bytes(agreement, transaction_id, revision, values, stage=stage)


def choose_value(dice: Dice, field: Field) -> int | bytes:
    """A value that the field can hold."""
    match field.type:
        case FieldType.CODE if field.codes is not None:
            codes = _LOOSE_CURRENCIES if field.name == "currency" else _LOOSE_CODES
            return dice.pick(codes)[: field.length]
        case FieldType.CODE if field.name == "currency":
            return dice.pick((*["CNY"] * 9, *CURRENCIES)).encode()
        case FieldType.CODE:
            return dice.pick(_CODES)[: field.length].strip()
        case FieldType.TEXT:
            return dice.pick([text for text in _TEXTS if len(text) <= field.length])
        case FieldType.DATE:
            return dice.pick(_DAYS)
        case FieldType.TIME:
            return START_US + dice.pick(_OFFSETS)
        case _:
            return dice.pick(_LARGE) if dice.happens(4) else 100 + dice.pick(_OFFSETS)
