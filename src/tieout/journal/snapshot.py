"""Snapshots: the state after a block, so that a restart need not replay everything before it.

The problem: half a gigabyte of state has to be written without anybody waiting, read and checked
within a second, and never believed when a byte of it changed.

The model: a snapshot is a list of named parts, bytes that only the kernel understands. A part is
cut into chunks of 1 MiB; the header names the height, the app hash and the frame hash after which
it was taken, and a root: SHA-256 over header, names, sizes and the SHA-256 of every chunk. So each
chunk is checked while it is still in the processor's cache, by two threads. A snapshot is written
under another name and becomes one by being renamed. The newest two are kept. Layout:
docs/formats/journal.md.

`SnapshotWriter.step` writes a bounded piece, so that it can run between blocks; `finish` syncs. The
caller sees to it that the buffers do not change meanwhile: by taking no block, or by handing over
parts that are read (`ReadPart`), in which case another thread may do the steps.

What is not here: which state (`kernel`), when to take one (the engines).
"""

import hashlib
import os
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from tieout.journal.disk import SYSTEM_DISK, Disk
from tieout.journal.errors import JournalDamaged, SnapshotFailed
from tieout.journal.limits import (
    CHUNK_BYTES,
    KEPT_SNAPSHOTS,
    MAX_PARTS,
    PART_NAME_BYTES,
    STEP_BYTES,
)
from tieout.journal.segment import Point

SNAPSHOT_MAGIC: Final = b"tieout/snapshot1"
SNAPSHOT_SUFFIX: Final = ".snap"
_HEADER: Final = struct.Struct("<16s32sQ32s32sII")
_PART: Final = struct.Struct(f"<{PART_NAME_BYTES}sQ")
_HASH_BYTES: Final = 32
_THREADS: Final = 2

Allocate = Callable[[str, int], Any]
"""From a part's name and size in bytes to a writable buffer of that size."""


@dataclass(frozen=True, slots=True)
class ReadPart:
    """A part that is read while it is written: `read(start, end)` gives its bytes.

    Each piece is asked for once, in order, and is done with before the next one is asked for.
    """

    size: int
    read: Callable[[int, int], memoryview]

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, piece: slice) -> memoryview:
        return self.read(piece.start, min(piece.stop, self.size))


class Part(NamedTuple):
    """A part of a snapshot: its name, size and place in the file, and where its hashes begin."""

    name: str
    size: int
    offset: int
    first_chunk: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the head of a snapshot says; the parts themselves are read by `load`."""

    path: Path
    height: int
    app_hash: bytes
    frame_hash: bytes
    parts: tuple[Part, ...]
    chunk_hashes: bytes

    def load(self, allocate: Allocate | None = None) -> dict[str, memoryview]:
        """Read all parts into buffers of `allocate` (new ones without it), and check every byte.

        Raises JournalDamaged.
        """
        buffers = {
            part.name: _bytes_of((allocate or _new_buffer)(part.name, part.size))
            for part in self.parts
        }
        chunks = list(self._chunks(buffers))
        bad: list[int] = []
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            threads = [
                threading.Thread(target=self._check, args=(fd, chunks[first::_THREADS], bad))
                for first in range(_THREADS)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            os.close(fd)
        if bad:
            raise JournalDamaged(self.height, min(bad), self.path, "the snapshot was changed")
        return buffers

    def _chunks(
        self, buffers: Mapping[str, memoryview]
    ) -> Iterator[tuple[int, memoryview, memoryview]]:
        hashes = memoryview(self.chunk_hashes)
        for part in self.parts:
            at = part.first_chunk * _HASH_BYTES
            for start in range(0, part.size, CHUNK_BYTES):
                piece = buffers[part.name][start : start + CHUNK_BYTES]
                yield part.offset + start, piece, hashes[at : at + _HASH_BYTES]
                at += _HASH_BYTES

    @staticmethod
    def _check(fd: int, chunks: list[tuple[int, memoryview, memoryview]], bad: list[int]) -> None:
        for offset, piece, expected in chunks:
            read = os.preadv(fd, [piece], offset)
            if read != len(piece) or hashlib.sha256(piece).digest() != expected:
                bad.append(offset)


class SnapshotWriter:
    """Writes one snapshot, a step at a time. Raises SnapshotFailed when the disk refuses."""

    def __init__(
        self,
        folder: Path,
        ledger_id: bytes,
        point: Point,
        parts: Iterable[tuple[str, Any]],
        *,
        kept_height: int = 0,
        disk: Disk = SYSTEM_DISK,
    ) -> None:
        """`point` is the durable block after which the parts (name, buffer or ReadPart) were taken.

        A snapshot of `kept_height` is never dropped: the journal begins after it.
        """
        self._kept_height = kept_height
        self._disk = disk
        self._folder = folder
        self._point = point
        self._parts = [
            (name, part if isinstance(part, ReadPart) else _bytes_of(part)) for name, part in parts
        ]
        self._head = _head(ledger_id, point, self._parts)
        chunk_count = sum(_chunk_count(len(data)) for _, data in self._parts)
        self._at = len(self._head) + _HASH_BYTES * (chunk_count + 1)
        self._hashes: list[bytes] = []
        self._pieces = self._cut()
        self._path = folder / f"{point.height:020d}.tmp"
        try:
            folder.mkdir(exist_ok=True)
            self._fd = disk.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        except OSError as error:
            raise SnapshotFailed(self._path, error) from error

    def _cut(self) -> Iterator[memoryview]:
        for _, data in self._parts:
            for start in range(0, len(data), CHUNK_BYTES):
                yield data[start : start + CHUNK_BYTES]

    def step(self, step_bytes: int = STEP_BYTES) -> bool:
        """Write about `step_bytes` and hand them to the disk; whether everything is written."""
        written = 0
        try:
            for piece in self._pieces:
                self._hashes.append(hashlib.sha256(piece).digest())
                self._write_all(piece, self._at)
                self._at += len(piece)
                written += len(piece)
                if written >= step_bytes:
                    # Little by little: a sync of everything at once would hold up the segments.
                    self._disk.sync(self._fd)
                    return False
        except OSError as error:
            raise self._failed(error) from error
        return True

    def finish(self) -> Path:
        """Write what is left, make it durable, and drop the oldest snapshots. Its path."""
        while not self.step():
            pass
        hashes = b"".join(self._hashes)
        root = hashlib.sha256(self._head + hashes).digest()
        path = self._path.with_suffix(SNAPSHOT_SUFFIX)
        try:
            self._write_all(memoryview(self._head + root + hashes), 0)
            self._disk.sync(self._fd)
            self._disk.close(self._fd)
            self._disk.rename(self._path, path)
            self._disk.sync_folder(self._folder)
            for old in snapshot_files(self._folder)[KEPT_SNAPSHOTS:]:
                if old.stem != f"{self._kept_height:020d}":
                    self._disk.remove(old)
        except OSError as error:
            raise self._failed(error) from error
        return path

    def abandon(self) -> None:
        """Forget what was written: the state moved on before the snapshot was whole."""
        try:
            self._disk.close(self._fd)
            self._disk.remove(self._path)
        except OSError as error:
            raise self._failed(error) from error

    def _write_all(self, data: memoryview, offset: int) -> None:
        while data:
            count = self._disk.write(self._fd, [data], offset)
            data, offset = data[count:], offset + count

    def _failed(self, error: OSError) -> SnapshotFailed:
        self._path.unlink(missing_ok=True)
        return SnapshotFailed(self._path, error)


def snapshot_files(folder: Path) -> list[Path]:
    """The snapshots of a folder, the newest first."""
    return sorted(folder.glob("*" + SNAPSHOT_SUFFIX), reverse=True)


def read_snapshot(path: Path, ledger_id: bytes) -> Snapshot:
    """Read and check the head of a snapshot. Raises JournalDamaged."""
    with path.open("rb") as file:
        fixed = file.read(_HEADER.size)
        if len(fixed) < _HEADER.size:
            raise _damaged(path, 0, "the snapshot has no header")
        magic, ledger, height, app_hash, frame_hash, part_count, chunk = _HEADER.unpack(fixed)
        if (magic, ledger, chunk) != (SNAPSHOT_MAGIC, ledger_id, CHUNK_BYTES):
            raise _damaged(path, 0, "no snapshot of this ledger")
        table = file.read(part_count * _PART.size) if part_count <= MAX_PARTS else b""
        if len(table) != part_count * _PART.size:
            raise _damaged(path, 0, "the snapshot's list of parts does not fit")
        stated_root = file.read(_HASH_BYTES)
        file_size = os.fstat(file.fileno()).st_size
        sizes = [size for _, size in _PART.iter_unpack(table)]
        chunk_count = sum(map(_chunk_count, sizes))
        start = len(fixed) + len(table) + _HASH_BYTES * (chunk_count + 1)
        if start + sum(sizes) != file_size:
            raise _damaged(path, 0, "the sizes of the snapshot's parts do not add up")
        hashes = file.read(_HASH_BYTES * chunk_count)
    if path.stem != f"{height:020d}":
        raise _damaged(path, 0, f"the snapshot is of block {height}")
    if hashlib.sha256(fixed + table + hashes).digest() != stated_root:
        raise _damaged(path, 0, "the head of the snapshot was changed")
    return Snapshot(path, height, app_hash, frame_hash, _parts(table, start), hashes)


def _parts(table: bytes, offset: int) -> tuple[Part, ...]:
    parts, chunk = [], 0
    for name, size in _PART.iter_unpack(table):
        parts.append(Part(name.rstrip(b"\0").decode(), size, offset, chunk))
        offset += size
        chunk += _chunk_count(size)
    return tuple(parts)


def _head(
    ledger_id: bytes, point: Point, parts: Sequence[tuple[str, memoryview | ReadPart]]
) -> bytes:
    names = [name.encode() for name, _ in parts]
    if len(parts) > MAX_PARTS or any(not 0 < len(name) <= PART_NAME_BYTES for name in names):
        raise ValueError(f"a snapshot has at most {MAX_PARTS} parts with names")
    if len(set(names)) != len(names):
        raise ValueError("two parts have one name")
    table = [_PART.pack(name, len(data)) for name, (_, data) in zip(names, parts, strict=True)]
    fixed = _HEADER.pack(
        SNAPSHOT_MAGIC,
        ledger_id,
        point.height,
        point.app_hash,
        point.frame_hash,
        len(parts),
        CHUNK_BYTES,
    )
    return fixed + b"".join(table)


def _chunk_count(size: int) -> int:
    return -(-size // CHUNK_BYTES)


def _bytes_of(buffer: Any) -> memoryview:
    """Any contiguous buffer as plain bytes; numpy knows more kinds than memoryview can cast."""
    if memoryview(buffer).nbytes == 0:
        return memoryview(b"")
    return np.frombuffer(buffer, np.uint8).data


def _new_buffer(_name: str, size: int) -> Any:
    return np.empty(size, np.uint8)


def _damaged(path: Path, offset: int, reason: str) -> JournalDamaged:
    digits = path.stem
    return JournalDamaged(int(digits) if digits.isdecimal() else 0, offset, path, reason)
