"""A still of a state: what `dump` would have said, read in pieces while blocks go on.

The problem: a large state takes seconds to copy, and no block may wait for that. Written from under
the blocks, it would be a mixture of before and after.

The model: taking a still copies nothing but the control. From then on whoever is about to change
images that the still covers keeps them as they were, each once and only those (`Book.keep`); a
piece is read from the images of now, with what was kept laid over it. So a block pays for what it
changes, and never for the whole. Pieces of a part are read from its beginning on; what was read
need not be kept any more.

A cut-off may judge everything there is. Keeping all of that would be the copy that is avoided here:
then the still is lost, which costs nothing, as a cut-off is a good moment for the next one.

What is not here: threads. Whoever reads sees to it that no block is applied meanwhile.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tieout.kernel import layout as at
from tieout.kernel.book import Book, Images
from tieout.kernel.snapshot import Buffer, SnapshotError, small_parts
from tieout.kernel.state import State

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]

KEPT_AT_ONCE: Final = 16_384
"""More images than a batch or the deadlines of a block change. Kept in memory that is new to the
process, so many take 20 ms; a cut-off that changes more loses the still."""
_SEGMENT_IMAGES: Final = 1 << 12
"""What is kept grows by so many images, so that growing never copies."""


class StillImages:
    """The first `count` images of an array, as they were. Read once, from the beginning on."""

    def __init__(self, images: Images, count: int) -> None:
        self._images = images
        self._count = count
        self._image_bytes = images.image_bytes
        self._read = 0
        self._places: Numbers = np.zeros(count, np.int64)
        """Of each image: 1 + where it is kept; 0 while it is as it was."""
        self._segments: list[Bytes] = []
        self._kept = 0
        self._scratch: Bytes = np.zeros(0, np.uint8)

    @property
    def size(self) -> int:
        """Bytes of all images."""
        return self._count * self._image_bytes

    def keep(self, indices: Numbers) -> bool:
        """Keep images that are about to change; False, and nothing kept, when they are too many."""
        covered = indices[(indices >= self._read) & (indices < self._count)]
        fresh = np.unique(covered[self._places[covered] == 0])
        if len(fresh) > KEPT_AT_ONCE:
            return False
        for start in range(0, len(fresh), _SEGMENT_IMAGES):
            self._keep(fresh[start : start + _SEGMENT_IMAGES])
        return True

    def _keep(self, fresh: Numbers) -> None:
        images = self._images.data[: self.size].reshape(self._count, self._image_bytes)
        while len(fresh):
            segment, row = divmod(self._kept, _SEGMENT_IMAGES)
            if segment == len(self._segments):
                self._segments.append(np.empty((_SEGMENT_IMAGES, self._image_bytes), np.uint8))
            now = fresh[: _SEGMENT_IMAGES - row]
            self._segments[segment][row : row + len(now)] = images[now]
            self._places[now] = np.arange(self._kept + 1, self._kept + 1 + len(now))
            self._kept += len(now)
            fresh = fresh[len(now) :]

    def read(self, start: int, end: int) -> memoryview:
        """Bytes `start` to `end` as they were; good until the next call.

        `start` is where the last piece ended.
        """
        size = self._image_bytes
        first, last = start // size, -(-end // size)
        if self._scratch.size < (last - first) * size:
            self._scratch = np.empty((last - first) * size, np.uint8)
        images = self._scratch[: (last - first) * size].reshape(last - first, size)
        images[:] = self._images.data[first * size : last * size].reshape(last - first, size)
        places = self._places[first:last]
        changed = np.flatnonzero(places)
        kept = places[changed] - 1
        for number in np.unique(kept // _SEGMENT_IMAGES).tolist():
            here = kept // _SEGMENT_IMAGES == number
            images[changed[here]] = self._segments[number][kept[here] % _SEGMENT_IMAGES]
        self._read = end // size
        return self._scratch.data[start - first * size : end - first * size]


class StillBook:
    """The transactions and adjustments of a book, as they were."""

    def __init__(self, still: "Still", book: Book) -> None:
        self.still = still
        self._book = book
        self.slots = StillImages(book.slots, book.count)
        self.adjustments = StillImages(book.adjustments, book.adjustment_count)

    def keep(self, serials: Numbers) -> None:
        """Keep transactions that are about to change, and the adjustments that may with them.

        Of a transaction's adjustments only the latest of each role ever changes. Serials below 0,
        or of transactions that came later, are nothing to keep.
        """
        if self.still.is_lost:
            return
        book = self._book
        known = serials[(serials >= 0) & (serials < book.count)]
        if not self.slots.keep(known):
            self.still.is_lost = True
            return
        size = book.slots.image_bytes
        slots = book.slots.data[: book.count * size].reshape(book.count, size)
        for role in range(len(book.agreement.roles)):
            offset = book.role_offset(role) + at.LATEST
            latest = slots[known, offset : offset + 8].view("<i8")[:, 0]
            if not self.adjustments.keep(latest.astype(np.int64) - 1):
                self.still.is_lost = True
                return


class StillPart:
    """A part of a still: `size` bytes. Pieces are read in order, each once."""

    def __init__(self, still: "Still", images: StillImages) -> None:
        self._still = still
        self._images = images

    @property
    def size(self) -> int:
        """Bytes of the part."""
        return self._images.size

    def read(self, start: int, end: int) -> memoryview:
        """The next piece; good until the next call. Raises SnapshotError when the still is lost."""
        if self._still.is_lost:
            raise SnapshotError("too much changed at once while the snapshot was written")
        return self._images.read(start, end)


class Still:
    """A still of a state; another one can be taken once it is ended, or lost."""

    def __init__(self, state: State) -> None:
        """Raises SnapshotError while another still is open."""
        open_now = [book.still for book in state.books if book.still is not None]
        if not all(kept.still.is_lost for kept in open_now):
            raise SnapshotError("the still before this one is not ended")
        self._books = list(state.books)
        self.is_lost: bool = False
        """Whether so much changed at once that it was given up."""
        self.small: list[tuple[str, Buffer]] = list(small_parts(state))
        """The parts that were copied."""
        self.large: list[tuple[str, StillPart]] = []
        """The parts that are read, in this order."""
        self._kept: list[StillBook] = []
        for book in self._books:
            kept = StillBook(self, book)
            self._kept.append(kept)
            self.large.append((f"adjustments-{book.number}", StillPart(self, kept.adjustments)))
            self.large.append((f"slots-{book.number}", StillPart(self, kept.slots)))
            book.still = kept

    def end(self) -> None:
        """Let blocks keep nothing for this still any more. May be called again."""
        for book, kept in zip(self._books, self._kept, strict=True):
            if book.still is kept:
                book.still = None
