"""The manifest of a backup: every file with its hash, and how a file is copied and looked at.

    TO/backup.json    written last: it makes the folder a backup
       node/          the node's directory: settings, databases, secrets
       ledger/        genesis, keys, journal

The files stand in the order in which they are put back: what makes a directory a ledger, and then
a node, comes last, so that a half restored node is none.
"""

import contextlib
import hashlib
import os
import stat
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from tieout.node.errors import BackupDamaged, NodeError

MANIFEST: Final = "backup.json"
FORMAT: Final = 1
NODE: Final = "node"
LEDGER: Final = "ledger"
_PIECE_BYTES: Final = 1 << 20


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file. `mode` are its permissions in octal digits, as `chmod` takes them."""

    path: str
    bytes: int
    sha256: str
    mode: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was kept, when (µs UTC), by which version, and up to which block."""

    format: int
    tieout: str
    made_us: int
    ledger_id: str
    ledger: str
    height: int
    files: tuple[Kept, ...]

    @property
    def total_bytes(self) -> int:
        """Bytes of all files."""
        return sum(kept.bytes for kept in self.files)


def copy_file(source: Path, target: Path, size: int | None = None) -> tuple[int, str, str]:
    """Copy a file, or its first `size` bytes, with its permissions; (bytes, SHA-256, mode).

    It is on disk when this returns. Raises OSError; a file that is shorter than `size` is an error.
    """
    make_folder(target.parent)
    digest, copied = hashlib.sha256(), 0
    with source.open("rb") as read, target.open("xb") as written:
        os.fchmod(written.fileno(), 0o600)
        while piece := read.read(
            min(_PIECE_BYTES, _PIECE_BYTES if size is None else size - copied)
        ):
            written.write(piece)
            digest.update(piece)
            copied += len(piece)
        if size is not None and copied < size:
            raise OSError(f"{source} has {copied} of {size} bytes")
        mode = stat.S_IMODE(os.fstat(read.fileno()).st_mode)
        os.fchmod(written.fileno(), mode)
        sync_file(written.fileno())
    return copied, digest.hexdigest(), f"{mode:04o}"


def sync_file(handle: int) -> None:
    """Bring a file to disk, and let the system forget it, so that it is read back from there."""
    os.fsync(handle)
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, for their owner alone."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def sync_folders(top: Path) -> None:
    """Bring the names in a folder, and in those below it, to disk."""
    for folder, _, _ in os.walk(top):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def hash_of(path: Path) -> tuple[int, str]:
    """(bytes, SHA-256) of a file. Raises OSError."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make a folder of files a backup, durably."""
    new = folder / (MANIFEST + ".new")
    with new.open("xb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
        file.flush()
        sync_file(file.fileno())
    new.replace(folder / MANIFEST)
    sync_folders(folder)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup. Raises NodeError where there is none, BackupDamaged."""
    path = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError as error:
        raise NodeError(
            f"{folder} is no whole backup: it has no {MANIFEST}",
            "name a folder that `tieout node backup` has finished",
        ) from error
    except (OSError, msgspec.MsgspecError) as error:
        raise BackupDamaged(f"{path}: {error}") from error
    if manifest.format != FORMAT:
        raise NodeError(
            f"{path} has format {manifest.format}, and this version reads {FORMAT}",
            f"restore it with the version that made it ({manifest.tieout})",
        )
    strange = [kept.path for kept in manifest.files if not _is_inside(kept)]
    if strange:
        raise BackupDamaged(f"{path} names files elsewhere: {', '.join(strange[:3])}")
    return manifest


def _is_inside(kept: Kept) -> bool:
    path = PurePosixPath(kept.path)
    plain = not path.is_absolute() and ".." not in path.parts and len(path.parts) > 1
    is_mode = False
    with contextlib.suppress(ValueError):
        is_mode = 0 <= int(kept.mode, 8) <= 0o777  # noqa: PLR2004 - permissions, no set-user-id
    return plain and is_mode and path.parts[0] in (NODE, LEDGER)


def differences(folder: Path, manifest: Manifest) -> list[str]:
    """What in a backup is not as it was written, a line for each file."""
    wrong = []
    for kept in manifest.files:
        try:
            found = hash_of(folder / kept.path)
        except OSError as error:
            wrong.append(f"{kept.path}: {error.strerror}")
        else:
            if found != (kept.bytes, kept.sha256):
                wrong.append(f"{kept.path}: not the bytes that were written")
    return wrong
