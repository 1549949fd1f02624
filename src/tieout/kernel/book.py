"""A book: the transactions and adjustments under one agreement version, as flat images.

Images stand one after the other in arrays that grow fourfold, and at once to a gigabyte when they
become large, as growing means copying. The system gives memory page by page when it is first
written, so room that is not used costs nothing; large arrays that come zeroed get large pages,
without which looking up a transaction at random would mostly wait for page tables.
What lies behind the last image is always zero for slots, and scratch for adjustments.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tieout.agreement.model import Agreement, BusinessDeadline
from tieout.kernel import index
from tieout.kernel import layout as at
from tieout.kernel.groups import Groups
from tieout.kernel.plan import make_plan
from tieout.merkle.lanes import leaf_hashes
from tieout.merkle.tree import root
from tieout.wire.limits import ID_BYTES

if TYPE_CHECKING:
    from tieout.kernel.still import StillBook

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]
Spread = Callable[[Callable[[list[int]], list[bytes]], Sequence[list[int]]], Iterable[list[bytes]]]
"""How pieces of work that do not depend on each other are done: as the builtin `map` does, one
after the other, or on several cores. It changes no outcome."""

_GROWTH: Final = 4
_SMALL: Final = 1 << 22
_LARGE: Final = 1 << 28
_SYSTEM_PAGE_BYTES: Final = 4096
_GROUP_PAGES: Final = 64
_LANES_FROM: Final = 10
"""From so many pages on, lanes that are partly empty are quicker than one page after the other."""
_FIRST_SLOTS: Final = 64
_FIRST_ADJUSTMENTS: Final = 64


class Images:
    """Images of one size in one growing array, hashed in pages of which only touched ones are new.

    `marks[p]` is 1 when page p was written since its hash was taken.
    """

    def __init__(self, image_bytes: int, room: int) -> None:
        self.image_bytes = image_bytes
        self.data: Bytes = np.zeros(room * image_bytes, np.uint8)
        self.marks: Bytes = np.zeros(_pages(self.data.size), np.uint8)
        self._hashes: list[bytes] = []

    def make_room(self, count: int) -> None:
        """Make room for `count` images in all."""
        needed = count * self.image_bytes
        if needed <= self.data.size:
            return
        grown = zeros_to_grow(needed)
        grown[: self.data.size] = self.data
        self.data = grown
        marks = np.zeros(_pages(grown.size), np.uint8)
        marks[: self.marks.size] = self.marks
        self.marks = marks

    def touch(self, first: int, last: int) -> None:
        """Write to every page of images first to last − 1, which are not in use yet."""
        start, end = first * self.image_bytes, last * self.image_bytes
        self.data[start:end:_SYSTEM_PAGE_BYTES] = 0

    def pages_root(self, count: int, spread: Spread) -> bytes:
        """The root over the pages of the first `count` images (docs/formats/state.md)."""
        size = count * self.image_bytes
        pages = _pages(size)
        touched = np.flatnonzero(self.marks[:pages]).tolist()
        groups = [touched[i : i + _GROUP_PAGES] for i in range(0, len(touched), _GROUP_PAGES)]
        self._hashes += [b""] * (pages - len(self._hashes))
        for group, hashes in zip(groups, spread(partial(self._hashed, size), groups), strict=True):
            for page, page_hash in zip(group, hashes, strict=True):
                self._hashes[page] = page_hash
        self.marks[:pages] = 0
        return root(self._hashes)

    def _hashed(self, size: int, pages: list[int]) -> list[bytes]:
        """The hashes of pages, ascending, of which the last one may be cut at `size`."""
        whole = size // at.PAGE_BYTES
        many = [page for page in pages if page < whole]
        if len(many) < _LANES_FROM:
            return [self._hash(size, page) for page in pages]
        images = self.data[: whole * at.PAGE_BYTES].reshape(whole, at.PAGE_BYTES)
        first, end = many[0], many[-1] + 1
        chosen = images[first:end] if end - first == len(many) else images[many]
        hashes = [page_hash.tobytes() for page_hash in leaf_hashes(chosen)]
        return hashes + [self._hash(size, page) for page in pages[len(many) :]]

    def _hash(self, size: int, page: int) -> bytes:
        start = page * at.PAGE_BYTES
        digest = hashlib.sha256(b"\x00")
        digest.update(self.data.data[start : min(start + at.PAGE_BYTES, size)])
        return digest.digest()

    def replace(self, data: Bytes, size: int) -> None:
        """Take an array from elsewhere: `size` bytes of images, zeros behind them.

        No digest knows of any of their pages yet.
        """
        self.data = data
        self.marks = np.zeros(_pages(data.size), np.uint8)
        self.marks[: _pages(size)] = 1
        self._hashes = []


def zeros_to_grow(needed: int) -> Bytes:
    """An array of zeros with room to grow; with little of it where memory may not be promised."""
    try:
        return np.zeros(_GROWTH * max(needed, _LARGE if needed > _SMALL else 0), np.uint8)
    except MemoryError:
        return np.zeros(needed + needed // 8, np.uint8)


def _pages(size: int) -> int:
    return -(-size // at.PAGE_BYTES)


class Book:
    """One agreement version in force. `holders[i]` are the parties entitled to role i now.

    `plan` and `cursor` are what the compiled loops read and keep; `deadlines` are (role, duration
    µs) of the roles that have one, `asked[i]` how many transactions were asked for the i-th of them
    (R-TIME-1); the first `judged` transactions were judged at a cut-off (R-CUT-1).
    """

    def __init__(
        self,
        number: int,
        agreement: Agreement,
        holders: tuple[tuple[int, ...], ...],
        body: bytes,
    ) -> None:
        self.number = number
        self.agreement = agreement
        self.holders = holders
        self.body = body
        self.body_digest = hashlib.sha256(body).digest()
        self.plan: Numbers = make_plan(number, agreement)
        self.cursor: Numbers = np.zeros(at.CURSOR_WORDS, np.int64)
        self.slots = Images(int(self.plan[at.P_SLOT_BYTES]), _FIRST_SLOTS)
        self.adjustments = Images(int(self.plan[at.P_ADJUSTMENT_BYTES]), _FIRST_ADJUSTMENTS)
        self.table: Numbers = index.empty_table(_FIRST_SLOTS)
        self.deadlines = _deadlines_of(agreement)
        self.asked = [0] * len(self.deadlines)
        self.judged = 0
        self.groups = Groups(agreement) if agreement.groups else None
        self.is_urgent = agreement.is_urgent
        self.touched: list[Numbers] = []
        """What the block has touched so far, perhaps more, where an agreement is urgent."""
        self.still: StillBook | None = None
        """Who keeps what is about to change, while a still of this book is being read."""
        self.make_adjustment_room()

    @property
    def count(self) -> int:
        """How many transactions."""
        return int(self.cursor[at.C_SLOTS])

    @property
    def adjustment_count(self) -> int:
        """How many adjustments."""
        return int(self.cursor[at.C_ADJUSTMENTS])

    def make_room(self, more: int) -> None:
        """Make room for `more` transactions, in slots and index."""
        count = self.count + more
        self.slots.make_room(count)
        if index.needs_room(self.table, count):
            table = index.empty_table(count)
            index.refill(table, self.table)
            self.table = table

    def reserve(self, transactions: int) -> None:
        """Make room for so many transactions in all, and have the system give its memory now."""
        if transactions > self.count:
            self.make_room(transactions - self.count)
            self.slots.touch(self.count, transactions)

    def make_adjustment_room(self) -> None:
        """Make room for what one verdict may propose, with one image of scratch."""
        needed = self.adjustment_count + 2 * int(self.plan[at.P_PROPOSALS]) + 2
        self.adjustments.make_room(needed)

    def keep(self, serials: Numbers) -> None:
        """Must be called before transactions change, in any way, by whoever changes them."""
        if self.still is not None:
            self.still.keep(self._with_stages_behind(serials))
        if self.is_urgent:
            self.touched.append(self._with_stages_behind(serials))

    def _with_stages_behind(self, serials: Numbers) -> Numbers:
        """Transactions with the later stages of theirs, which may change with them (R-STAGE-7)."""
        links = int(self.plan[at.P_LINKS])
        if not links:
            return serials
        found = [serials[(serials >= 0) & (serials < self.count)]]
        while len(found[-1]):
            behind = self.column(links + at.FOLLOWING, "<i8")[found[-1]] - 1
            found.append(behind[behind >= 0])
        return np.concatenate(found)

    def find(self, key: bytes, secret: NDArray[np.uint64]) -> int | None:
        """The serial of the transaction with a key of KEY_BYTES, None when there is none."""
        serial = np.full(1, -1, np.int64)
        padded = np.frombuffer(key.ljust(40, b"\0"), np.uint8)
        hashes = np.zeros(1, np.int64)
        index.hash_keys(padded, 40, secret, hashes)
        slots = self.slots
        index.locate(self.table, slots.data, slots.image_bytes, hashes, padded, 40, serial)
        return None if serial[0] < 0 else int(serial[0])

    def id_of(self, serial: int) -> bytes:
        """The id of a transaction, without padding."""
        start = serial * self.slots.image_bytes
        return self.slots.data[start : start + ID_BYTES].tobytes().rstrip(b"\0")

    def opened_us(self, first: int, last: int) -> Numbers:
        """When transactions first to last − 1 were opened (µs), in rising order; a copy."""
        return self._column(at.OPENED, np.dtype("<i8"), first, last).copy()

    def column(self, offset: int, kind: str) -> NDArray[Any]:
        """One number of every slot; a view, not to be kept across blocks."""
        return self._column(offset, np.dtype(kind), 0, self.count)

    def _column(
        self, offset: int, dtype: np.dtype[np.generic], first: int, last: int
    ) -> NDArray[Any]:
        size = self.slots.image_bytes
        images = self.slots.data[first * size : last * size].reshape(last - first, size)
        return images[:, offset : offset + dtype.itemsize].view(dtype)[:, 0]

    def role_offset(self, role: int) -> int:
        """Where the block of a role begins in a slot."""
        return at.ROLE_BLOCKS + role * int(self.plan[at.P_ROLE_BYTES])


def books_of(books: list[Book], name: str) -> Iterator[Book]:
    """The books of an agreement's versions, oldest first."""
    return (book for book in books if book.agreement.name == name)


def _deadlines_of(agreement: Agreement) -> list[tuple[int, int | BusinessDeadline]]:
    """The roles that are asked, by number, each with a duration or a time of a business day."""
    deadlines: list[tuple[int, int | BusinessDeadline]] = []
    every = zip(agreement.deadlines_us, agreement.business_deadlines, strict=True)
    for role, (duration_us, business) in enumerate(every):
        deadline = duration_us if business is None else business
        if deadline is not None:
            deadlines.append((role, deadline))
    return deadlines
