"""A disk that loses what was not synced, fails when told to, and stops a node in mid-call.

The problem: the journal's promise is about power cuts and failing disks, and real ones cannot be
asked to have any. The model: real files in a folder, so that everything that reads them is the
same, and beside them what would be left if the power went now: the bytes of each file at its last
sync, and the names as of the last sync of their folder. At a power cut every sector of 512 bytes
that was written since is kept or lost, each for itself; so are the size and the later names, these
in the order in which they were made. Nothing is really synced: that makes it quick.

What is not here: bytes that rot, and pages that the system forgets after a failed sync while the
process is still alive: a sync that failed leaves them to be written later, or lost at a power cut.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from errno import EIO, ENOSPC
from pathlib import Path
from typing import Final

from tieout.journal.disk import Buffer
from tieout.journal.limits import SECTOR_BYTES
from tieout.testing.dice import Dice

_AHEAD_BYTES: Final = 8 * 1024
"""What `allocate` gives at most: enough to leave zeros behind the last frame."""


class Stopped(BaseException):
    """The node is gone in the middle of a call. Not an Exception: nobody may handle it."""


@dataclass(slots=True)
class _Name:
    """A change of names in a folder that is not durable, and how to undo it."""

    folder: Path
    undo: Callable[[], None]


class FaultyDisk:
    """The disk of one node. `tieout.journal.disk.Disk` says what each call promises."""

    def __init__(self) -> None:
        self._open: dict[int, Path] = {}
        self._durable: dict[Path, bytes] = {}
        """What files that changed since their last sync had then."""
        self._names: list[_Name] = []
        self._is_dead = False
        self.stop_after = 0
        """Stop the node at this beginning or end of a call, counted from now; 0: at none."""
        self.is_full = False
        self.fails_write = False
        self.fails_sync = False
        """The next write, or the next sync, raises OSError."""
        self.does_so_first = False
        """Whether what fails has happened nevertheless."""
        self.faults = 0
        """How many calls failed since `mend`."""

    # ------------------------------------------------------------------ the port

    def open(self, path: Path, flags: int) -> int:
        """Open a file; its name is not durable yet if it is new."""
        self._pass()
        if not path.exists():
            self._refuse_if_full()
            self._names.append(_Name(path.parent, lambda: path.unlink(missing_ok=True)))
            self._durable[path] = b""
        elif flags & os.O_TRUNC:
            self._touch(path)
        fd = os.open(path, flags | os.O_CLOEXEC, 0o666)
        self._open[fd] = path
        self._pass()
        return fd

    def close(self, fd: int) -> None:
        """Close a file."""
        self._pass()
        del self._open[fd]
        os.close(fd)

    def write(self, fd: int, buffers: Sequence[Buffer], offset: int) -> int:
        """Write into the page cache, so to say; half of it at most when the disk is full."""
        self._pass()
        self._touch(self._open[fd])
        data = b"".join(buffers)
        if self.is_full:
            # A disk gives space by the sector: what was cut off in one was never asked for.
            end = (offset + len(data) // 2) // SECTOR_BYTES * SECTOR_BYTES
            os.pwrite(fd, data[: max(end - offset, 0)], offset)
            self._refuse_if_full()
        if not self.fails_write or self.does_so_first:
            os.pwrite(fd, data, offset)
        if self.fails_write:
            self.fails_write = False
            raise self._fault(EIO)
        self._pass()
        return len(data)

    def allocate(self, fd: int, offset: int, size: int) -> None:
        """Give some zeros ahead."""
        self._pass()
        self._refuse_if_full()
        self._touch(self._open[fd])
        os.ftruncate(fd, max(os.fstat(fd).st_size, offset + min(size, _AHEAD_BYTES)))

    def truncate(self, fd: int, size: int) -> None:
        """Cut a file, not durably."""
        self._pass()
        self._touch(self._open[fd])
        os.ftruncate(fd, size)
        self._pass()

    def sync(self, fd: int) -> None:
        """Make what was written outlive a power cut."""
        self._pass()
        if not self.fails_sync or self.does_so_first:
            self._durable.pop(self._open[fd], None)
        if self.fails_sync:
            self.fails_sync = False
            raise self._fault(EIO)
        self._pass()

    def sync_data(self, fd: int) -> None:
        """As `sync`."""
        self.sync(fd)

    def forget(self, fd: int, offset: int, size: int) -> None:
        """Nothing: reading is not what is tried out here."""

    def rename(self, path: Path, target: Path) -> None:
        """Rename, not durably."""
        self._pass()
        before = target.read_bytes() if target.exists() else None
        path.replace(target)
        if path in self._durable:
            self._durable[target] = self._durable.pop(path)

        def undo() -> None:
            target.replace(path)
            if before is not None:
                target.write_bytes(before)

        self._names.append(_Name(path.parent, undo))
        self._pass()

    def remove(self, path: Path) -> None:
        """Remove a name, not durably."""
        self._pass()
        if path.exists():
            content = path.read_bytes()
            path.unlink()
            self._names.append(_Name(path.parent, lambda: _restore(path, content)))
        self._pass()

    def sync_folder(self, folder: Path) -> None:
        """Make names outlive a power cut."""
        self._pass()
        self._names = [name for name in self._names if name.folder != folder]
        self._pass()

    # ------------------------------------------------------------------ what happens to it

    def stop(self) -> None:
        """End the node's process: every call from now on is one that it never made."""
        self._is_dead = True

    def mend(self) -> None:
        """Let a new process use the disk, which is as it should be again."""
        for fd in self._open:
            os.close(fd)
        self._open.clear()
        self._is_dead = False
        self.mend_faults()

    def mend_faults(self) -> None:
        """Nothing is planned any more."""
        self.is_full = self.fails_write = self.fails_sync = False
        self.stop_after = self.faults = 0

    def cut_power(self, dice: Dice) -> None:
        """Keep or lose, by the dice, each thing that is not durable."""
        self.stop()
        for path in sorted(self._durable):
            if path.exists():
                path.write_bytes(_torn(self._durable[path], path.read_bytes(), dice))
        lost = self._names[dice.below(len(self._names) + 1) :]
        for name in reversed(lost):
            name.undo()
        self._names.clear()
        self._durable.clear()

    # ------------------------------------------------------------------ inside

    def _pass(self) -> None:
        if self._is_dead:
            raise Stopped
        if self.stop_after:
            self.stop_after -= 1
            if not self.stop_after:
                self._is_dead = True
                raise Stopped

    def _touch(self, path: Path) -> None:
        if path not in self._durable:
            self._durable[path] = path.read_bytes()

    def _refuse_if_full(self) -> None:
        if self.is_full:
            raise self._fault(ENOSPC)

    def _fault(self, number: int) -> OSError:
        self.faults += 1
        return OSError(number, os.strerror(number))


def _restore(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _torn(durable: bytes, written: bytes, dice: Dice) -> bytes:
    """A file after a power cut: of each changed sector what was durable, or what was written."""
    size = len(written) if dice.happens(60) else len(durable)
    longest = max(size, len(durable), len(written))
    old, new = durable.ljust(longest, b"\0"), written.ljust(longest, b"\0")
    all_or_none = dice.pick((None, None, True, False))
    result = bytearray(old)
    for at in range(0, longest, SECTOR_BYTES):
        sector = slice(at, at + SECTOR_BYTES)
        if old[sector] != new[sector] and (
            dice.happens(50) if all_or_none is None else all_or_none
        ):
            result[sector] = new[sector]
    return bytes(result[:size])
