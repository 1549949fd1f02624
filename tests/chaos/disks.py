"""A disk of its own for a folder, small enough to be filled. Linux, and root."""

import contextlib
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

DISK_MB: Final = 256
"""Room for the journal of the whole run."""
LITTLE: Final = 1 << 18
"""So little room that a journal cannot ask for more ahead, and fills it block by block."""
_BALLAST: Final = "ballast"
_PIECE: Final = bytes(1 << 16)


def why_not() -> str:
    """Why there can be no disk of its own here; empty where there can."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "a disk of its own needs root on Linux"
    return "" if shutil.which("mount") else "mount cannot be found"


@contextlib.contextmanager
def own_disk(folder: Path) -> Iterator[None]:
    """What is in the folder is on a small disk in memory; afterwards it is where it was.

    Nobody may have the folder in use when this begins and ends.
    """
    aside = folder.with_name(folder.name + ".aside")
    folder.rename(aside)
    folder.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tieout-chaos", folder],
            check=True,
            timeout=30,
        )
        try:
            shutil.copytree(aside, folder, dirs_exist_ok=True)
            yield
            shutil.rmtree(aside)
            shutil.copytree(folder, aside, ignore=shutil.ignore_patterns(_BALLAST))
        finally:
            subprocess.run(["umount", folder], check=True, timeout=30)
    finally:
        folder.rmdir()
        aside.rename(folder)


def fill(folder: Path, leaving: int = 0) -> None:
    """Leave no more than so many bytes on the folder's disk."""
    with (folder / _BALLAST).open("ab", buffering=0) as ballast:
        for piece in (_PIECE, _PIECE[:4096], _PIECE[:1]):
            with contextlib.suppress(_DiskFull):
                while True:
                    _write(ballast.fileno(), piece)
        ballast.truncate(max(ballast.tell() - leaving, 0))


def free(folder: Path) -> None:
    """Give the room back."""
    (folder / _BALLAST).unlink()


class _DiskFull(Exception):
    """Ends the filling."""


def _write(handle: int, piece: bytes) -> None:
    try:
        if os.write(handle, piece) < len(piece):
            raise _DiskFull
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _DiskFull from error
        raise
