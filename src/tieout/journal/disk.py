"""The disk: what the journal asks of the operating system when it writes.

The problem: whether a promise survives a power cut is decided here, and cannot be tried out on a
real disk: none of them loses its last writes when asked to.

The model: a port with two implementations. `SYSTEM_DISK` hands every call to the operating system.
The other one is the faulty disk of `tieout.testing.simulator`, which loses and tears what was not
synced. Reading is not part of the port: both keep real files, so what reads them is the same.

What each call promises is what POSIX does: data written is durable after `sync` or `sync_data` of
its file; a name created, renamed or removed is durable after `sync_folder` of its folder. Every
call may raise OSError, also when it has done what it was asked for.
"""

import os
from collections.abc import Sequence
from errno import ENOTSUP
from pathlib import Path
from typing import Final, Protocol

Buffer = bytes | memoryview
_FILE_MODE: Final = 0o666

# macOS has none of them.
_fdatasync = getattr(os, "fdatasync", os.fsync)
_fallocate = getattr(os, "posix_fallocate", None)
_fadvise = getattr(os, "posix_fadvise", None)


class Disk(Protocol):
    """Files to be written, by descriptor. Safe in several threads, as descriptors are."""

    def open(self, path: Path, flags: int) -> int:
        """Open a file for writing, with the flags of `os.open`."""

    def close(self, fd: int) -> None:
        """Close a file; makes nothing durable."""

    def write(self, fd: int, buffers: Sequence[Buffer], offset: int) -> int:
        """Write at `offset`; how many bytes were taken, which may be fewer than were given."""

    def allocate(self, fd: int, offset: int, size: int) -> None:
        """Ask for space ahead; what is not written yet reads as zeros."""

    def truncate(self, fd: int, size: int) -> None:
        """Cut a file to `size` bytes."""

    def sync(self, fd: int) -> None:
        """Make all of a file durable."""

    def sync_data(self, fd: int) -> None:
        """Make durable what is needed to read a file's data."""

    def forget(self, fd: int, offset: int, size: int) -> None:
        """Let the system drop synced bytes from memory."""

    def rename(self, path: Path, target: Path) -> None:
        """Give a file another name, in place of whatever had it."""

    def remove(self, path: Path) -> None:
        """Remove a file if it is there."""

    def sync_folder(self, folder: Path) -> None:
        """Make names that were added, changed or removed in a folder durable."""


class SystemDisk:
    """The operating system's files."""

    def open(self, path: Path, flags: int) -> int:
        """Open a file for writing; other programs do not inherit it."""
        return os.open(path, flags | os.O_CLOEXEC, _FILE_MODE)

    def close(self, fd: int) -> None:
        """Close a file."""
        os.close(fd)

    def write(self, fd: int, buffers: Sequence[Buffer], offset: int) -> int:
        """Write all buffers with one call."""
        return os.pwritev(fd, buffers, offset)

    def allocate(self, fd: int, offset: int, size: int) -> None:
        """Ask for space ahead, where the system can."""
        if _fallocate is None:
            raise OSError(ENOTSUP, "space cannot be asked for ahead")
        _fallocate(fd, offset, size)

    def truncate(self, fd: int, size: int) -> None:
        """Cut a file."""
        os.ftruncate(fd, size)

    def sync(self, fd: int) -> None:
        """Sync data and everything about the file."""
        os.fsync(fd)

    def sync_data(self, fd: int) -> None:
        """Sync data, and the size if it changed."""
        _fdatasync(fd)

    def forget(self, fd: int, offset: int, size: int) -> None:
        """Drop pages, where the system can."""
        if _fadvise is not None:
            _fadvise(fd, offset, size, os.POSIX_FADV_DONTNEED)

    def rename(self, path: Path, target: Path) -> None:
        """Rename at once, or not at all."""
        path.replace(target)

    def remove(self, path: Path) -> None:
        """Remove a name."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Sync the folder itself."""
        fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


SYSTEM_DISK: Final = SystemDisk()
