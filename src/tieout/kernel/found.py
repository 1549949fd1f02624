"""Who speaks in an operation, and about which transaction."""

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

from tieout.agreement.limits import MAX_STAGES
from tieout.kernel import layout as at
from tieout.kernel.book import Book, books_of
from tieout.kernel.state import State
from tieout.wire.codes import ItemOutcome
from tieout.wire.limits import ID_BYTES
from tieout.wire.operations import AboutTransaction

_KEY: Final = struct.Struct(f"<{ID_BYTES}sHB")
MAX_ORIGINATOR: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who signed an operation, and its index in the block."""

    party: int
    person: int
    item: int

    @property
    def code(self) -> int:
        """Party × 65,536 + person."""
        return self.party << 16 | self.person


@dataclass(frozen=True, slots=True)
class Found:
    """A transaction in its book, read and written by offsets within its slot."""

    book: Book
    serial: int

    def number(self, offset: int, size: int) -> int:
        """An unsigned number of the slot."""
        start = self.serial * self.book.slots.image_bytes + offset
        return int.from_bytes(self.book.slots.data[start : start + size].tobytes(), "little")

    def bytes_at(self, offset: int, size: int) -> bytes:
        """Bytes of the slot."""
        start = self.serial * self.book.slots.image_bytes + offset
        return self.book.slots.data[start : start + size].tobytes()

    def put(self, offset: int, value: bytes) -> None:
        """Write bytes of the slot."""
        self.book.keep(np.full(1, self.serial, np.int64))
        start = self.serial * self.book.slots.image_bytes + offset
        end = start + len(value)
        self.book.slots.data[start:end] = np.frombuffer(value, np.uint8)
        self.book.slots.marks[start >> at.PAGE_SHIFT] = 1
        self.book.slots.marks[(end - 1) >> at.PAGE_SHIFT] = 1

    def put_byte(self, offset: int, value: int) -> None:
        """Write one byte of the slot."""
        self.put(offset, bytes((value,)))

    def turn_flag(self, role: int, flag: int, *, on: bool) -> None:
        """Turn one flag of a role on or off."""
        offset = self.book.role_offset(role) + at.FLAGS
        flags = self.number(offset, 2)
        self.put(offset, (flags | flag if on else flags & ~flag).to_bytes(2, "little"))

    def is_expired(self, time_us: int) -> bool:
        """Whether it was closed for longer than the agreement keeps it (R-KEEP-1)."""
        closed_us = self.number(at.CLOSED, 8)
        return closed_us != 0 and time_us - closed_us > self.book.agreement.retention_us


def find(state: State, body: AboutTransaction) -> Found | ItemOutcome:
    """The transaction at the stage that is named, else the check that refuses the operation."""
    if body.agreement not in state.newest:
        return ItemOutcome.UNKNOWN_AGREEMENT
    transaction_id = body.transaction_id.encode()
    if len(transaction_id) > ID_BYTES or b"\0" in transaction_id:
        return ItemOutcome.UNKNOWN_TRANSACTION
    if not 0 <= body.originator <= MAX_ORIGINATOR or not 0 <= body.stage < MAX_STAGES:
        return ItemOutcome.UNKNOWN_TRANSACTION
    key = _KEY.pack(transaction_id, body.originator, body.stage)  # R-STAGE-8
    for book in books_of(state.books, body.agreement):
        serial = book.find(key, state.index_secret)
        if serial is not None:
            return Found(book, serial)
    return ItemOutcome.UNKNOWN_TRANSACTION
