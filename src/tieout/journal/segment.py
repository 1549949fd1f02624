"""Segments: the append-only files in which frames stand one after the other.

A segment's header says where in the ledger it begins: after which block, hash, app hash, time and
log size. So each file can be read by itself, and a missing one shows at the next. The name is the
height of its first block. Layout: docs/formats/journal.md.
"""

import hashlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tieout.journal.errors import JournalDamaged
from tieout.journal.frame import (
    END,
    FRAME_HEADER_BYTES,
    HASH_BYTES,
    TRAILER_BYTES,
    Entry,
    FrameError,
    FrameHeader,
    decode_frame,
    parse_frame_header,
)

SEGMENT_MAGIC: Final = b"tieout/segment/1"
SEGMENT_SUFFIX: Final = ".seg"
BASE_TAG: Final = b"tieout/base/1\0"
_HEADER: Final = struct.Struct("<16s32sQ32s32sqQ")
SEGMENT_HEADER_BYTES: Final = _HEADER.size + HASH_BYTES


@dataclass(frozen=True, slots=True)
class Point:
    """A place between two blocks: what holds after block `height`. Height 0: before the first one.

    `time_us` is that block's time, `log_size` the number of leaves so far, `frame_hash` the hash
    that the next frame names.
    """

    height: int
    time_us: int
    log_size: int
    app_hash: bytes
    frame_hash: bytes


ORIGIN: Final = Point(0, 0, 0, bytes(HASH_BYTES), bytes(HASH_BYTES))

_BASE: Final = struct.Struct("<32sQqQ32s")


def base_point(
    ledger_id: bytes, height: int, time_us: int, log_size: int, app_hash: bytes
) -> Point:
    """Where a journal begins whose blocks up to `height` are elsewhere; ORIGIN for height 0.

    The frame hash of that block is not known, as it differs from node to node; a hash of what is
    known stands for it, so that a journal whose first segments were removed is no such journal.
    """
    if height == 0:
        return ORIGIN
    known = _BASE.pack(ledger_id, height, time_us, log_size, app_hash)
    return Point(height, time_us, log_size, app_hash, hashlib.sha256(BASE_TAG + known).digest())


def is_base(ledger_id: bytes, start: Point) -> bool:
    """Whether a journal may begin at this point: the origin, or what `base_point` gives."""
    return start == base_point(
        ledger_id, start.height, start.time_us, start.log_size, start.app_hash
    )


def after(header: FrameHeader, frame_hash: bytes) -> Point:
    """The point after the frame with this header."""
    return Point(header.height, header.time_us, header.log_size, header.app_hash, frame_hash)


def segment_name(first_height: int) -> str:
    """File name of the segment that begins with this block."""
    return f"{first_height:020d}{SEGMENT_SUFFIX}"


def segment_header(ledger_id: bytes, start: Point) -> bytes:
    """The bytes with which a segment begins that goes on from `start`."""
    fields = _HEADER.pack(
        SEGMENT_MAGIC,
        ledger_id,
        start.height + 1,
        start.frame_hash,
        start.app_hash,
        start.time_us,
        start.log_size,
    )
    return fields + hashlib.sha256(fields).digest()


def parse_segment_header(data: bytes, ledger_id: bytes) -> Point | None:
    """Where a segment goes on from; None unless the header is whole, and of this ledger."""
    fields, own_hash = data[: _HEADER.size], data[_HEADER.size : SEGMENT_HEADER_BYTES]
    if len(data) < SEGMENT_HEADER_BYTES or hashlib.sha256(fields).digest() != own_hash:
        return None
    magic, ledger, first, previous, app_hash, time_us, log_size = _HEADER.unpack(fields)
    if magic != SEGMENT_MAGIC or ledger != ledger_id:
        return None
    return Point(first - 1, time_us, log_size, app_hash, previous)


@dataclass(frozen=True, slots=True)
class Located:
    """A frame header and the byte of the segment at which its frame begins."""

    offset: int
    header: FrameHeader

    @property
    def end(self) -> int:
        """The byte behind the frame."""
        return self.offset + self.header.frame_bytes


class Segment:
    """A segment to be read. `start` is the point it goes on from. Safe for concurrent readers."""

    def __init__(self, path: Path, start: Point, fd: int) -> None:
        self.path = path
        self.start = start
        self._fd = fd

    @classmethod
    def open(cls, path: Path, ledger_id: bytes) -> Self | None:
        """Open a file that has a segment's header; None if it has none."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        start = parse_segment_header(os.pread(fd, SEGMENT_HEADER_BYTES, 0), ledger_id)
        if start is None or path.name != segment_name(start.height + 1):
            os.close(fd)
            return None
        return cls(path, start, fd)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def fileno(self) -> int:
        """The descriptor of the file."""
        return self._fd

    @property
    def first_height(self) -> int:
        """The height of the first block, also while there is none."""
        return self.start.height + 1

    def size(self) -> int:
        """Bytes of the file, with space that was asked for ahead."""
        return os.fstat(self._fd).st_size

    def pread(self, count: int, offset: int) -> bytes:
        """Up to `count` bytes at `offset`; fewer only at the end of the file."""
        pieces = []
        while count > 0 and (piece := os.pread(self._fd, count, offset)):
            pieces.append(piece)
            count -= len(piece)
            offset += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def frame_header(self, offset: int) -> FrameHeader | None:
        """The frame header at `offset`; None when there is none that is whole."""
        return parse_frame_header(self.pread(FRAME_HEADER_BYTES, offset))

    def frame_hash(self, located: Located) -> bytes:
        """The hash that stands in a frame; it is not computed anew."""
        return self.pread(HASH_BYTES, located.end - TRAILER_BYTES)

    def walk(self, located: Located | None = None) -> Iterator[Located]:
        """Frame headers in order, from `located` or from the first one, as long as they follow.

        Only headers and the chain of heights and stated hashes are looked at.
        """
        offset, before = SEGMENT_HEADER_BYTES, self.start
        size = self.size()
        if located is not None:
            offset = located.offset
            before = Point(located.header.height - 1, 0, 0, b"", located.header.previous)
        while offset + FRAME_HEADER_BYTES <= size:
            header = self.frame_header(offset)
            if (
                header is None
                or header.height != before.height + 1
                or header.previous != before.frame_hash
                or offset + header.frame_bytes > size
            ):
                return
            found = Located(offset, header)
            yield found
            before = after(header, self.frame_hash(found))
            offset = found.end

    def read(self, located: Located) -> Entry:
        """The block at a place, its hash checked. Raises JournalDamaged."""
        data = memoryview(self.pread(located.header.frame_bytes, located.offset))
        try:
            if len(data) != located.header.frame_bytes:
                raise FrameError("it ends too early")
            # What was located may have changed on the disk since.
            if parse_frame_header(data) != located.header:
                raise FrameError("its header is another one")
            return decode_frame(located.header, data)
        except FrameError as error:
            raise JournalDamaged(
                located.header.height, located.offset, self.path, str(error)
            ) from error

    def last_hash(self) -> bytes:
        """The frame hash at the end of a sealed segment; empty when no frame ends there."""
        size = self.size()
        if size < SEGMENT_HEADER_BYTES + TRAILER_BYTES:
            return self.start.frame_hash if size == SEGMENT_HEADER_BYTES else b""
        trailer = self.pread(TRAILER_BYTES, size - TRAILER_BYTES)
        return trailer[:HASH_BYTES] if trailer.endswith(END) else b""
