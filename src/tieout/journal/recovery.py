"""Where a segment ends after whatever happened: cleanly, torn, or damaged.

The problem: after a power cut the last frames may be there wholly, in part, or not at all, and that
is in order, as nobody got a receipt for them. The same bytes missing anywhere else are damage, and
a program that "repairs" damage by cutting throws away what others rely on.

The model. Writing only ever adds to the end, into space that reads as zeros. So what a power cut
leaves unfinished either runs past the end of the file, or has sectors that were never written;
begin and end marks without zero bytes make that visible also in the first and last sector of a
frame, of which a part belongs to its neighbour. A frame that does not fit is *torn* when it shows
this and when nothing behind it proves that it was durable: each frame names the height that was
durable when it was written. Every other frame that does not fit is *damage*.

What cannot be told apart: a durable last frame in which a disk lost a whole sector. It is moved
aside like a torn one, and shows against a checkpoint held elsewhere, as do blocks that were removed
whole.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tieout.journal.errors import JournalDamaged
from tieout.journal.frame import (
    BEGIN,
    FRAME_HEADER_BYTES,
    FrameError,
    check_rows,
    parse_frame_header,
)
from tieout.journal.limits import SECTOR_BYTES
from tieout.journal.segment import SEGMENT_HEADER_BYTES, Located, Point, Segment, after

_SCAN_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Fault:
    """What stands behind the last good frame and does not fit."""

    height: int
    offset: int
    reason: str
    torn: bool


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a segment: the good frames that were walked, the byte behind them, and a fault."""

    frames: list[Located]
    end: int
    point: Point
    fault: Fault | None


def find_tail(segment: Segment, known: Located | None = None, *, is_followed: bool = False) -> Tail:
    """Find the end of the last segment, beginning at the frame of a `known` place, if any.

    Frames that may not have been durable when the writer ended are checked wholly, rows included.
    `is_followed`: a writer lives, and this is asked many times a second: where the next frame would
    begin with zeros nothing is there yet, and the space behind, asked for ahead, is not read.
    """
    tail = _look(segment, known, is_followed=is_followed)
    while tail.fault is not None and not tail.fault.torn:
        # Another process may be writing this very frame: damage looks the same a second time.
        again = _look(segment, known, is_followed=is_followed)
        if again.fault == tail.fault:
            break
        tail = again
    return tail


def _look(segment: Segment, known: Located | None, *, is_followed: bool) -> Tail:
    frames = list(segment.walk(known))
    fault = _first_unsound(segment, frames)
    if fault is not None:
        frames = [frame for frame in frames if frame.header.height < fault.height]
    if known is not None and not frames:
        return _look(segment, None, is_followed=is_followed)
    end, point = SEGMENT_HEADER_BYTES, segment.start
    if frames:
        end, point = frames[-1].end, after(frames[-1].header, segment.frame_hash(frames[-1]))
    if fault is None:
        is_over = is_followed and not any(segment.pread(FRAME_HEADER_BYTES, end))
        fault = None if is_over else _fault_behind(segment, end, point)
    if fault is not None and not fault.torn and frames:
        # What does not follow may be sound, and the one before it changed.
        fault = _unsound(segment, frames[-1]) or fault
    return Tail(frames, end, point, fault)


def is_torn_header(data: bytes) -> bool:
    """Whether a file that begins with `data`, and no segment header, was never wholly written."""
    return len(data) < SEGMENT_HEADER_BYTES or _has_unwritten(data, 0, SEGMENT_HEADER_BYTES)


def used_bytes(segment: Segment) -> int:
    """The byte behind the last one that is not zero."""
    end = segment.size()
    while end > 0:
        start = max(0, end - _SCAN_BYTES)
        written = segment.pread(end - start, start).rstrip(b"\0")
        if written:
            return start + len(written)
        end = start
    return 0


def _first_unsound(segment: Segment, frames: list[Located]) -> Fault | None:
    for frame in frames:
        if frame.header.height > frames[-1].header.synced_height:
            fault = _unsound(segment, frame)
            if fault is not None:
                return fault
    return None


def _unsound(segment: Segment, frame: Located) -> Fault | None:
    try:
        check_rows(segment.read(frame))
    except (JournalDamaged, FrameError) as error:
        reason = error.reason if isinstance(error, JournalDamaged) else str(error)
        torn = _is_torn(segment, frame.offset, frame.end, frame.header.height)
        return Fault(frame.header.height, frame.offset, reason, torn)
    return None


def _fault_behind(segment: Segment, end: int, point: Point) -> Fault | None:
    """What is wrong with the bytes behind the last good frame; None when there is nothing yet."""
    height, used, size = point.height + 1, used_bytes(segment), segment.size()
    if used <= end:
        return None
    header = segment.frame_header(end)
    if header is None:
        reason, frame_end = "its header is not whole", end + FRAME_HEADER_BYTES
    elif end + header.frame_bytes > size:
        reason, frame_end = "it runs past the end of the file", end + header.frame_bytes
    elif (header.height, header.previous) == (height, point.frame_hash):
        # Written while this was looking.
        return None
    else:
        return Fault(height, end, "its frame does not follow the one before it", torn=False)
    return Fault(height, end, reason, _is_torn(segment, end, frame_end, height))


def _is_torn(segment: Segment, start: int, end: int, height: int) -> bool:
    size = segment.size()
    with mmap.mmap(segment.fileno(), 0, access=mmap.ACCESS_READ) as data:
        unfinished = end > size or _has_unwritten(data, start, end)
        return unfinished and not any(
            synced >= height for synced in _synced_heights(data, start + 1)
        )


def _has_unwritten(data: bytes | mmap.mmap, start: int, end: int) -> bool:
    """Whether a sector, or the part of one, within [start, end) is all zeros."""
    for sector in range(start // SECTOR_BYTES * SECTOR_BYTES, end, SECTOR_BYTES):
        piece = data[max(start, sector) : min(end, sector + SECTOR_BYTES)]
        if piece.count(0) == len(piece):
            return True
    return False


def _synced_heights(data: mmap.mmap, start: int) -> Iterator[int]:
    """What whole frame headers behind `start` say was durable when they were written."""
    at = data.find(BEGIN, start)
    while at >= 0:
        header = parse_frame_header(data[at : at + FRAME_HEADER_BYTES])
        if header is not None:
            yield header.synced_height
        at = data.find(BEGIN, at + 1)
