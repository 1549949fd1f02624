"""What a party has signed and not yet seen in a block, on disk.

The problem: a number that was signed must never be signed again for anything else (R-SEQ-3), and
whoever has signed may die before it knows whether the ledger has the item. The model: an item is
written down, durably, before anybody else can see it; it stays until it is known to be in a block;
and whoever publishes next begins with what is still there, byte for byte.

```
DIR/outbox/lock                          the program that publishes now
           00000-00000000000000000009    a signed item: its stream, its number
           ….new                         never wholly written, so never submitted: removed
           ….refused                     refused before a block: its number is still to be used
           ….conflict                    no block will have it, and its number is gone
           ….settled                     on the ledger; the highest number of its stream
```

The highest number of a stream is kept until there is a higher one, so that it is known even to a
node that has lost its ledger and begins anew.

What is not here: signing and submitting (`sending`).
"""

import fcntl
import os
import re
from pathlib import Path
from typing import Final, NamedTuple, Self

from tieout.engines.errors import EngineError
from tieout.wire.errors import WireError
from tieout.wire.numbered import Numbered, numbered

LOCK: Final = "lock"
NEW: Final = ".new"
REFUSED: Final = ".refused"
CONFLICT: Final = ".conflict"
SETTLED: Final = ".settled"
_NAME: Final = re.compile(r"\d{5}-\d{20}")


class Signed(NamedTuple):
    """A signed item, whole, and its place in its sender's stream."""

    place: Numbered
    data: bytes

    @classmethod
    def of(cls, data: bytes) -> "Signed":
        """Raises WireError for what is no item."""
        return cls(numbered(data), data)


class Outbox:
    """The outbox of one party's directory. One program at a time; close it, or let it end.

    One thread may put items while another settles them or sets them aside. OSError means that
    nobody knows what the disk holds: begin again from it.
    """

    def __init__(self, folder: Path) -> None:
        """Raises EngineError when another program publishes, or the folder cannot be used.

        So it does for anything in it that does not belong there.
        """
        self._folder = folder
        self._highest: dict[int, int] = {}
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            self._lock = _locked(folder / LOCK)
        except OSError as error:
            raise EngineError(f"the outbox {folder} cannot be used: {error.strerror}") from error
        try:
            self._look_round()
        except BaseException:
            self.close()
            raise

    def _look_round(self) -> None:
        """Remove what was written by half, and note the numbers that were signed."""
        for half in self._folder.glob("*" + NEW):
            half.unlink()
        names = [path.name for path in self._files()]
        for name in [*names, *self._marked(CONFLICT), *self._marked(SETTLED)]:
            self._reach(_stream(name), _number(name))

    def close(self) -> None:
        """Let others publish."""
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ what is there

    def waiting(self) -> list[Signed]:
        """All items that are not known to be settled, by stream and number.

        Raises EngineError naming what does not belong here.
        """
        return [self._read(path) for path in sorted(self._files())]

    def highest(self, stream: int) -> int:
        """The highest number of a stream that was signed and may be on the ledger; 0: none."""
        return self._highest.get(stream, 0)

    def unused(self, stream: int) -> list[int]:
        """Numbers that were signed only for what was refused, ascending."""
        names = [name for name in self._marked(REFUSED) if not (self._folder / name).exists()]
        return sorted(_number(name) for name in names if _stream(name) == stream)

    # ------------------------------------------------------------------ what becomes of it

    def put(self, item: Signed) -> None:
        """Write an item down; on return it is durable, and may be submitted.

        Raises OSError, also for a number that was signed before.
        """
        path = self._path(item.place)
        if any(path.with_name(path.name + mark).exists() for mark in ("", CONFLICT, SETTLED)):
            raise FileExistsError(f"{path.name} was signed before")
        new = path.with_name(path.name + NEW)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(item.data)
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)
        self._sync()
        path.with_name(path.name + REFUSED).unlink(missing_ok=True)
        self._reach(item.place.stream, item.place.sequence)

    def settle(self, item: Signed) -> None:
        """The ledger has the item: it goes, unless nothing else tells its number. Raises OSError.

        Not synced: an item that comes back after a power cut is found on the ledger again.
        """
        path, stream = self._path(item.place), item.place.stream
        if item.place.sequence < self.highest(stream):
            path.unlink()
            return
        path.rename(path.with_name(path.name + SETTLED))
        for name in self._marked(SETTLED):
            if _stream(name) == stream and _number(name) < item.place.sequence:
                (self._folder / (name + SETTLED)).unlink()

    def set_aside(self, item: Signed, mark: str) -> None:
        """The ledger will never have the item: REFUSED or CONFLICT. Raises OSError."""
        path = self._path(item.place)
        path.rename(path.with_name(path.name + mark))
        self._sync()

    def _files(self) -> list[Path]:
        return [path for path in self._folder.iterdir() if _is_item(path)]

    def _reach(self, stream: int, number: int) -> None:
        self._highest[stream] = max(number, self._highest.get(stream, 0))

    def _marked(self, mark: str) -> list[str]:
        return [path.stem for path in self._folder.glob("*" + mark)]

    def _path(self, place: Numbered) -> Path:
        return self._folder / f"{place.stream:05}-{place.sequence:020}"

    def _read(self, path: Path) -> Signed:
        try:
            item = Signed.of(path.read_bytes())
        except WireError as error:
            raise _Foreign(path) from error
        if self._path(item.place) != path:
            raise _Foreign(path)
        return item

    def _sync(self) -> None:
        handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class _Foreign(EngineError):
    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is no item that was signed here",
            "look at what it is; move it elsewhere, and never one of another directory to here",
        )


def _locked(path: Path) -> int:
    """The open lock file, which ends with the process. Raises EngineError, OSError."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(handle, 20, 0).decode(errors="replace").strip()
        os.close(handle)
        raise EngineError(
            f"another program publishes from {path.parent} (process {holder})",
            "wait until it has ended: two programs would sign one number twice",
        ) from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    return handle


def _is_item(path: Path) -> bool:
    """Whether a file is an item that waits. Raises EngineError for what does not belong here."""
    if path.name == LOCK or path.suffix in {NEW, REFUSED, CONFLICT, SETTLED}:
        return False
    if not _NAME.fullmatch(path.name):
        raise _Foreign(path)
    return True


def _stream(name: str) -> int:
    return int(name[:5])


def _number(name: str) -> int:
    return int(name[6:])
