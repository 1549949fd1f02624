"""The chain: the segments of a journal in order, and the blocks in them.

Every block that is read is checked against its frame hash, and every one that is read after
another also against the hash of that one. Where a block stands is remembered for those of this
process; for older ones somebody is asked (`index`), whose answer is believed only when the frame is
there. Safe for concurrent readers beside one thread that adds.
"""

import bisect
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tieout.journal.errors import JournalDamaged, NoSuchBlock
from tieout.journal.frame import Entry
from tieout.journal.segment import ORIGIN, SEGMENT_HEADER_BYTES, Located, Point, Segment


class Kept(NamedTuple):
    """A block, and where it stands."""

    segment: Segment
    located: Located
    entry: Entry


def _nobody_knows(_height: int) -> tuple[int, int] | None:
    return None


class Chain:
    """Segments in order. `durable` is the point up to which blocks may be read."""

    def __init__(self, segments: list[Segment], frames: list[Located], durable: Point) -> None:
        """`frames` are the last ones of the last segment, without a gap up to `durable`."""
        self.durable = durable
        self.whereabouts: Callable[[int], tuple[int, int] | None] = _nobody_knows
        """From a height to (first height of its segment, offset), as far as somebody knows."""
        self._segments = segments
        self._offsets = [frame.offset for frame in frames]
        self._offsets_from = durable.height + 1 - len(frames)
        self._guard = threading.Lock()

    @property
    def segments(self) -> list[Segment]:
        """All segments, the one that is written to last."""
        with self._guard:
            return list(self._segments)

    @property
    def base(self) -> Point:
        """The point after which the first block stands: ORIGIN, unless this copy began later."""
        with self._guard:
            return self._segments[0].start if self._segments else ORIGIN

    def add(self, segment: Segment | None, height: int, offset: int) -> None:
        """Remember where the next block was written; `segment` when it began a new one."""
        with self._guard:
            if segment is not None:
                self._segments.append(segment)
                self._offsets, self._offsets_from = [], height
            self._offsets.append(offset)

    def begin(self, segment: Segment) -> None:
        """Go on in a segment that another process began, and of which no block is known yet."""
        with self._guard:
            is_first = not self._segments
            self._segments.append(segment)
            self._offsets, self._offsets_from = [], segment.first_height
            if is_first:
                self.durable = segment.start

    def close(self) -> None:
        """Close all files."""
        for segment in self._segments:
            segment.close()

    def read(self, height: int) -> Entry:
        """A durable block. Raises NoSuchBlock, JournalDamaged."""
        segment, located = self.locate(height)
        return segment.read(located)

    def blocks(self, first: int, last: int) -> Iterator[Kept]:
        """Durable blocks in order, `last` included, each checked to follow the one before it.

        Raises JournalDamaged at the first that does not fit.
        """
        end = min(last, self.durable.height)
        if first > end:
            return
        segment, located = self.locate(first)
        while True:
            entry = segment.read(located)
            yield Kept(segment, located, entry)
            if entry.block.height == end:
                return
            segment, located = self._next(Kept(segment, located, entry))

    def blocks_of(self, segment: Segment) -> Iterator[Kept]:
        """The durable blocks of one segment in order. Raises JournalDamaged."""
        following = [each for each in self.segments if each.first_height > segment.first_height]
        last = following[0].first_height - 1 if following else self.durable.height
        return self.blocks(segment.first_height, last)

    def locate(self, height: int) -> tuple[Segment, Located]:
        """Where a durable block stands. Raises NoSuchBlock, JournalDamaged."""
        base_height = self.base.height
        if not base_height < height <= self.durable.height:
            raise NoSuchBlock(height, self.durable.height, base_height)
        with self._guard:
            segment = self._segment_of(height)
            is_last = segment is self._segments[-1]
            offset = SEGMENT_HEADER_BYTES if height == segment.first_height else None
            if is_last and height >= self._offsets_from:
                offset = self._offsets[height - self._offsets_from]
        if offset is None:
            first_height, offset = self.whereabouts(height) or (0, None)
            offset = offset if first_height == segment.first_height else None
        header = None if offset is None else segment.frame_header(offset)
        if offset is not None and header is not None and header.height == height:
            return segment, Located(offset, header)
        for located in segment.walk():
            if located.header.height == height:
                return segment, located
        raise JournalDamaged(height, offset or 0, segment.path, "its frame cannot be found")

    def _segment_of(self, height: int) -> Segment:
        firsts = [segment.first_height for segment in self._segments]
        return self._segments[bisect.bisect_right(firsts, height) - 1]

    def _next(self, kept: Kept) -> tuple[Segment, Located]:
        height, offset = kept.entry.block.height + 1, kept.located.end
        with self._guard:
            segment = self._segment_of(height)
        if segment is not kept.segment:
            offset = SEGMENT_HEADER_BYTES
            if segment.start.frame_hash != kept.entry.frame_hash:
                raise JournalDamaged(height, 0, segment.path, "it does not follow the one before")
        header = segment.frame_header(offset)
        if header is None:
            raise JournalDamaged(height, offset, segment.path, "its header is not whole")
        if (header.height, header.previous) != (height, kept.entry.frame_hash):
            reason = "its frame does not follow the one before it"
            raise JournalDamaged(height, offset, segment.path, reason)
        return segment, Located(offset, header)
