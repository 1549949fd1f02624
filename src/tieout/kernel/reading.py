"""Whole columns of a state, for those who copy it to where others read it.

What `queries` answers about one transaction, this answers about the thousands that a block touched:
which they are, and their images as one structured array. Nothing here changes a state; nothing may
be asked while a block is being applied.
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tieout.kernel import index
from tieout.kernel import layout as at
from tieout.kernel.book import Bytes
from tieout.kernel.state import State
from tieout.wire.limits import ID_BYTES

_SLOT_HEAD: Final = (
    ("id", f"S{ID_BYTES}"),
    ("originator", "<u2"),
    ("stage", "u1"),
    ("status", "u1"),
    ("opened_us", "<i8"),
    ("closed_us", "<i8"),
    ("episode", "<u4"),
    ("alarm", "u1"),
    ("flags", "u1"),
    ("zero", "<u2"),
    ("awaiting", "<u8"),
    ("undecided", "<u8"),
)
_ROLE_HEAD: Final = (
    ("party", "<u2"),
    ("intruder", "<u2"),
    ("flags", "<u2"),
    ("rounds", "<u2"),
    ("revision", "<u4"),
    ("broken_groups", "<u2"),
    ("tied_groups", "<u2"),
    ("adjustment", "<u8"),
    ("presence", "<u8"),
    ("mismatch", "<u8"),
    ("blank", "<u8"),
    ("place", "<u8"),
)


@cache
def slot_dtype(roles: int, values_bytes: int, *, has_links: bool = False) -> np.dtype[np.void]:
    """The slot image as docs/formats/state.md lays it out, its role blocks under `roles`."""
    role = np.dtype([*_ROLE_HEAD, ("values", f"V{values_bytes}")])
    links = [("previous", "<u8"), ("following", "<u8")] if has_links else []
    return np.dtype([*_SLOT_HEAD, ("roles", role, (roles,)), *links])


def slots_of(state: State, number: int, serials: NDArray[np.int64]) -> NDArray[np.void]:
    """The slot images of some transactions of a book, copied, in the order of `serials`."""
    book = state.books[number - 1]
    size = book.slots.image_bytes
    images = book.slots.data[: book.count * size].reshape(book.count, size)
    layout = book.agreement.layout
    has_links = bool(book.agreement.stages)
    dtype = slot_dtype(len(book.agreement.roles), layout.values_bytes, has_links=has_links)
    return images[serials].reshape(-1).view(dtype)


def located(state: State, number: int, rows: Bytes) -> NDArray[np.int64]:
    """The serials in a book of the transactions that rows are about, −1 where it has none.

    `rows` are whole rows of the book's layout, one after the other.
    """
    book = state.books[number - 1]
    row_bytes = book.agreement.layout.row_bytes
    count = len(rows) // row_bytes
    hashes, serials = np.empty(count, np.int64), np.empty(count, np.int64)
    index.hash_keys(rows, row_bytes, state.index_secret, hashes)
    slots = book.slots
    index.locate(book.table, slots.data, slots.image_bytes, hashes, rows, row_bytes, serials)
    return serials


def statuses_of(
    state: State, number: int, serials: NDArray[np.int64] | None = None
) -> NDArray[np.uint8]:
    """The status (`Status`) of some transactions of a book, or of all, by serial; a copy."""
    column = state.books[number - 1].column(at.STATUS, "u1")
    return column.copy() if serials is None else column[serials]
