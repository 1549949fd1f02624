"""Questions about the adjustments of a state. Nothing here changes one."""

import struct
from dataclasses import dataclass
from typing import Final

from tieout.kernel import layout as at
from tieout.kernel.book import Book, books_of
from tieout.kernel.operations import adjustment_id_of
from tieout.kernel.state import State
from tieout.kernel.words import KEY_BYTES
from tieout.wire.codes import AdjustmentStatus
from tieout.wire.limits import ID_BYTES

_KEY: Final = struct.Struct(f"<{ID_BYTES}sHB")
_ADJUSTMENT: Final = struct.Struct("<QBBBBIQIIII")


@dataclass(frozen=True, slots=True)
class Adjustment:
    """An adjustment.

    `benchmarks` are row bytes at their places; people are party × 65,536 + person.
    """

    agreement: int
    index: int
    id: bytes
    transaction_id: bytes
    originator: int
    stage: int
    serial: int
    role: int
    status: AdjustmentStatus
    approved_at_once: bool
    revision: int
    fields: int
    proposer: int
    approvers: tuple[int, ...]
    benchmarks: bytes


def adjustments(state: State, agreement_name: str) -> list[Adjustment]:
    """All adjustments of an agreement, by book and in the order in which they were proposed."""
    return [
        _adjustment(state, book, i)
        for book in books_of(state.books, agreement_name)
        for i in range(book.adjustment_count)
    ]


def adjustment(state: State, number: int, index_in_book: int) -> Adjustment:
    """One adjustment, by the number of its book and its index there."""
    return _adjustment(state, state.books[number - 1], index_in_book)


def _adjustment(state: State, book: Book, number: int) -> Adjustment:
    size = book.adjustments.image_bytes
    image = book.adjustments.data[number * size : (number + 1) * size].tobytes()
    serial, role, status, at_once, _, revision, fields, proposer, first, second, _ = (
        _ADJUSTMENT.unpack_from(image)
    )
    start = serial * book.slots.image_bytes
    key = book.slots.data[start : start + KEY_BYTES].tobytes()
    transaction_id, originator, stage = _KEY.unpack(key)
    return Adjustment(
        agreement=book.number,
        index=number,
        id=adjustment_id_of(state, book, number),
        transaction_id=transaction_id.rstrip(b"\0"),
        originator=originator,
        stage=stage,
        serial=serial,
        role=role,
        status=AdjustmentStatus(status),
        approved_at_once=bool(at_once),
        revision=revision,
        fields=fields,
        proposer=proposer,
        approvers=tuple(person for person in (first, second) if person),
        benchmarks=image[at.ADJ_VALUES :],
    )
