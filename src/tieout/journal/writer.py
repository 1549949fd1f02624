"""Writing: frames to the end of the last segment, and the sync that makes them durable.

The order of a commit: apply, frame, sync, then receipts and reads. `append` only copies a frame
into the page cache; `sync` returns when everything appended before it is on the disk. One thread
may append while another syncs. A new segment is begun only after the one before it was synced, so
at most one file has frames that are not durable.

A failure to write or to sync is final (JournalFailed, also for every later call). It is never tried
again: after a failed sync the kernel may have dropped the pages, and a second sync would succeed
without them.
"""

import os
import threading
from pathlib import Path
from typing import Final

from tieout.journal.disk import SYSTEM_DISK, Disk
from tieout.journal.errors import JournalFailed
from tieout.journal.frame import Buffer, EncodedFrame
from tieout.journal.limits import ALLOCATE_BYTES, SEGMENT_BYTES
from tieout.journal.segment import SEGMENT_HEADER_BYTES, Point, segment_header, segment_name

_MOST_BUFFERS: Final = 512
"""Buffers of one call: below IOV_MAX everywhere."""


class SegmentWriter:
    """The end of the journal. `append` from one thread at a time, `sync` from any."""

    def __init__(
        self,
        folder: Path,
        ledger_id: bytes,
        point: Point,
        segment_bytes: int = SEGMENT_BYTES,
        disk: Disk = SYSTEM_DISK,
    ) -> None:
        """Nothing is opened until `resume` or `append`."""
        self._folder = folder
        self._ledger_id = ledger_id
        self._segment_bytes = segment_bytes
        self._disk = disk
        self._fd = -1
        self._end = 0
        self._allocated = 0
        self._dropped = 0
        self.drops_behind = False
        """Whether the system need not keep in memory what was synced (`Journal.drop_behind`)."""
        self._sealing = threading.Lock()
        self._failure: JournalFailed | None = None
        self.point = point
        self.durable = point
        self.first_height = 0

    def resume(self, path: Path, end: int) -> None:
        """Go on in an existing segment whose good frames end at byte `end`."""
        self.first_height = int(path.stem)
        self._fd = self._disk.open(path, os.O_RDWR)
        self._end = self._allocated = end
        self._disk.truncate(self._fd, end)
        # What was read back after a crash may still be in memory only, and so may its name be.
        self._disk.sync(self._fd)
        self._disk.sync_folder(self._folder)

    def append(self, frame: EncodedFrame, point: Point) -> int:
        """Write a frame after which `point` holds; the byte of the segment where it begins."""
        self.raise_failure()
        try:
            if self._fd < 0 or (
                self._end >= self._segment_bytes and self._end > SEGMENT_HEADER_BYTES
            ):
                self._begin_segment()
            offset = self._end
            self._write(frame.buffers, frame.header.frame_bytes)
        except OSError as error:
            raise self._failed("the journal cannot be written", error) from error
        self.point = point
        return offset

    def sync(self) -> Point:
        """Make everything appended so far durable; the point up to which it is."""
        self.raise_failure()
        with self._sealing:
            point = self.point
            if point != self.durable:
                end = self._end
                try:
                    self._disk.sync_data(self._fd)
                    self._drop(end)
                except OSError as error:
                    raise self._failed("the journal cannot be synced", error) from error
                self.durable = point
        return point

    def close(self) -> None:
        """Give back the space that was asked for ahead, and close. Does not sync frames."""
        if self._fd >= 0:
            if self._failure is None:
                self._disk.truncate(self._fd, self._end)
                self._disk.sync(self._fd)
            self._disk.close(self._fd)
            self._fd = -1

    @property
    def has_failed(self) -> bool:
        """Whether writing or syncing failed, ever."""
        return self._failure is not None

    def raise_failure(self) -> None:
        """Raise JournalFailed once the journal has failed."""
        if self._failure is not None:
            raise JournalFailed("the journal has failed before") from self._failure

    def _begin_segment(self) -> None:
        """Seal the last segment, if there is one, and begin the next."""
        if self._fd >= 0:
            self.sync()
        with self._sealing:
            self.close()
            header = segment_header(self._ledger_id, self.point)
            self.first_height = self.point.height + 1
            path = self._folder / segment_name(self.first_height)
            self._fd = self._disk.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            self._end = self._allocated = self._dropped = 0
            self._write([header], len(header))
            self._disk.sync(self._fd)
            self._disk.sync_folder(self._folder)

    def _write(self, buffers: list[Buffer], size: int) -> None:
        self._reserve(self._end + size)
        at = self._end
        for first in range(0, len(buffers), _MOST_BUFFERS):
            group = buffers[first : first + _MOST_BUFFERS]
            wanted = sum(map(len, group))
            written = self._disk.write(self._fd, group, at)
            if written < wanted:
                rest = memoryview(b"".join(group))[written:]
                while rest:
                    count = self._disk.write(self._fd, [rest], at + written)
                    rest, written = rest[count:], written + count
            at += wanted
        self._end = at

    def _reserve(self, end: int) -> None:
        """Ask for space ahead; where the disk has none, only the writing itself fails."""
        if end > self._allocated:
            try:
                size = max(ALLOCATE_BYTES, end - self._allocated)
                self._disk.allocate(self._fd, self._allocated, size)
            except OSError:
                self._allocated = end
            else:
                self._allocated += size

    def _drop(self, end: int) -> None:
        """Let the system forget synced pages up to `end`, where that was asked for."""
        if self.drops_behind:
            self._disk.forget(self._fd, self._dropped, end - self._dropped)
            self._dropped = end

    def _failed(self, what: str, error: OSError) -> JournalFailed:
        self._failure = JournalFailed(what, error)
        return self._failure
