"""What goes wrong on the way to a ledger, by name: slips of senders, and damage to rows."""

from collections.abc import Callable
from typing import Any, Final

from tieout.agreement.model import Agreement
from tieout.testing.dice import Dice
from tieout.testing.workbench import LEAVER, NOTARY
from tieout.wire.codes import Purpose
from tieout.wire.rows import PREFIX_BYTES, Column, ColumnKind

Changes = dict[str, Any]

ANY_ITEM: Final[tuple[Callable[[int], Changes], ...]] = (
    lambda _: {"key": LEAVER},
    lambda _: {"ledger_id": bytes(32)},
    lambda _: {"party": 77},
    lambda _: {"party": 0},
    lambda _: {"key": 99},
    lambda _: {"key": NOTARY},
    lambda _: {"purpose": Purpose.CHECKPOINT},
    lambda _: {"purpose": 0},
    lambda time_us: {"valid_until_us": time_us},
    lambda time_us: {"valid_until_us": time_us - 1},
)
"""Changes to what is signed, given the block's time (R-ITEM-1)."""

BATCH: Final[tuple[Changes, ...]] = (
    {"agreement": "unheard-of"},
    {"version": 9},
    {"agreement_hash": bytes(32)},
    {"role": 7},
    {"role": 255},
    {"rows_root": bytes(32)},
)
"""Changes to the header of a batch (R-BATCH-1, and the root of R-ITEM-1)."""

_IDS: Final = (
    b"",
    b" T1",
    b"T1 ",
    b"T\x001",
    b"T\x1f1",
    b"T\x7f1",
    b"T\xc2\x851",
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"T\xc3",
)
_NUMBERS: Final = (1 << 62, -(1 << 62), -(1 << 63), (1 << 63) - 1)
_DAYS: Final = (-719_163, 2_932_897, -(1 << 31), (1 << 31) - 1)
_CODES: Final = (b"", b" A", b"A ", b"\x7f", b"\xc3\xbc", b"A\x00B", b"\x00A", b"\n")
_TEXTS: Final = (b"", b"\x00A", b"A\x00B", b"\x1b", b"\xc2\x80", b"\xe2\x82", b"\x80", b"A\n")


def damage(dice: Dice, agreement: Agreement, row: bytes) -> bytes:
    """A row with something wrong with it; now and then only with something else in it (R-ROW-1)."""
    changed = bytearray(row)
    match dice.below(8):
        case 0:
            changed[:36] = dice.pick(_IDS).ljust(36, b"\0")
        case 1:
            changed[38] = max(1, len(agreement.stages))  # stage
        case 2:
            changed[39] = 1 - changed[39] if dice.happens(50) else 2  # action
        case 3:
            changed[40:44] = bytes(4)  # revision
        case 4:
            changed[44 + dice.below(8)] ^= 1 << dice.below(8)  # presence
        case 5:
            changed[PREFIX_BYTES + dice.below(len(row) - PREFIX_BYTES)] ^= 1 + dice.below(255)
        case 6:
            changed[52 + dice.below(16)] ^= 1  # salt: not wrong at all
        case _:
            column = dice.pick(agreement.layout.columns)
            changed[column.offset : column.offset + column.width] = _bad_value(dice, column)
    return bytes(changed)


def _bad_value(dice: Dice, column: Column) -> bytes:
    match column.kind:
        case ColumnKind.DATE:
            return dice.pick(_DAYS).to_bytes(4, "little", signed=True)
        case ColumnKind.CODE:
            return dice.pick(_CODES)[: column.width].ljust(column.width, b"\0")
        case ColumnKind.TEXT:
            return dice.pick(_TEXTS)[: column.width].ljust(column.width, b"\0")
        case _:
            return dice.pick(_NUMBERS).to_bytes(8, "little", signed=True)
