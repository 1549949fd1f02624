"""Snapshots for new nodes: given out, and taken over.

The problem: a new node may take the state from others instead of every block; it trusts the app
hash, which CometBFT's light client has verified, and nobody's bytes. But the app hash covers the
images of transactions only through the state digest, which is taken at cut-offs (R-BLOCK-3).

The model: a snapshot is taken after a block in which a cut-off took effect, on every node alike,
and a receiver believes it only when the digest over all of it is the one that the app hash covers.
What neither covers (the block's time, how far deadlines were judged) is checked to be in bounds,
and would show in the next block that it changes, as another app hash, at which CometBFT stops this
node.

What is carried are the parts of the kernel's dump, one after the other, cut into chunks; metadata
names the parts and the hash of each chunk. A snapshot is received beside the journal and moved into
its place whole: a crash before that leaves the journal as it was. Layout: docs/formats/abci.md.
"""

import hashlib
import logging
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from tieout import kernel
from tieout.engines.cometbft import abci_pb2 as abci
from tieout.engines.cometbft.limits import CHUNK_BYTES, MAX_CHUNKS, MAX_PART_NAME
from tieout.engines.replica import RunningSnapshot
from tieout.journal.beginning import begin_journal
from tieout.journal.errors import JournalDamaged, SnapshotFailed
from tieout.journal.journal import SNAPSHOTS, Journal
from tieout.journal.limits import MAX_PARTS
from tieout.journal.segment import base_point
from tieout.journal.snapshot import Snapshot, read_snapshot, snapshot_files
from tieout.wire.genesis import Genesis
from tieout.wire.limits import MAX_ABS_NUMBER

_LOG: Final = logging.getLogger(__name__)
FORMAT: Final = 1
SNAPSHOT_TAG: Final = b"tieout/statesync/1\0"
_HASH_BYTES: Final = 32


class Manifest(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The metadata: (name, bytes) of each part; the SHA-256 of each chunk, one after the other."""

    parts: tuple[tuple[str, int], ...]
    hashes: bytes

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(size for _, size in self.parts)

    @property
    def chunk_count(self) -> int:
        """Chunks of all parts."""
        return -(-self.size // CHUNK_BYTES)

    def chunk_bytes(self, index: int) -> int:
        """Bytes of a chunk: the last one may be shorter."""
        return min(CHUNK_BYTES, self.size - index * CHUNK_BYTES)

    def chunk_hash(self, index: int) -> bytes:
        """The hash that a chunk must have."""
        return self.hashes[index * _HASH_BYTES : (index + 1) * _HASH_BYTES]


def parse_manifest(metadata: bytes) -> Manifest | None:
    """The manifest that these bytes are; None unless it adds up and has its one form."""
    try:
        manifest = msgspec.msgpack.decode(metadata, type=Manifest)
    except (ValueError, msgspec.MsgspecError):
        return None
    names = [name for name, _ in manifest.parts]
    if (
        msgspec.msgpack.encode(manifest) != metadata
        or not 0 < len(names) <= MAX_PARTS
        or len(set(names)) != len(names)
        or not all(0 < len(name.encode()) <= MAX_PART_NAME and "\0" not in name for name in names)
        or any(size < 0 for _, size in manifest.parts)
        or not 0 < manifest.chunk_count <= MAX_CHUNKS
        or len(manifest.hashes) != manifest.chunk_count * _HASH_BYTES
    ):
        return None
    return manifest


def snapshot_hash(height: int, metadata: bytes) -> bytes:
    """What tells snapshots apart: nodes with the same one offer the same bytes."""
    return hashlib.sha256(SNAPSHOT_TAG + height.to_bytes(8, "little") + metadata).digest()


# ---------------------------------------------------------------- giving out


@dataclass(frozen=True, slots=True)
class _Offer:
    """A snapshot file, and what is told of it."""

    path: Path
    start: int
    manifest: Manifest
    message: abci.Snapshot


def _offer(snapshot: Snapshot) -> _Offer:
    """Read and hash a snapshot once. Raises OSError."""
    parts = tuple((part.name, part.size) for part in snapshot.parts)
    start, hashes = snapshot.parts[0].offset, []
    with snapshot.path.open("rb") as file:
        file.seek(start)
        while chunk := file.read(CHUNK_BYTES):
            hashes.append(hashlib.sha256(chunk).digest())
    manifest = Manifest(parts, b"".join(hashes))
    metadata = msgspec.msgpack.encode(manifest)
    message = abci.Snapshot(
        height=snapshot.height,
        format=FORMAT,
        chunks=manifest.chunk_count,
        hash=snapshot_hash(snapshot.height, metadata),
        metadata=metadata,
    )
    return _Offer(snapshot.path, start, manifest, message)


class Shelf:
    """The snapshots of a journal, for others. A thread of its own writes and hashes them."""

    def __init__(self, journal: Journal) -> None:
        """Those that are there already are offered once they have been hashed."""
        self._journal = journal
        self._guard = threading.Lock()
        self._offers: dict[int, _Offer] = {}
        self._running: RunningSnapshot | None = None
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def offers(self) -> list[abci.Snapshot]:
        """What is told of each snapshot, the newest first."""
        with self._guard:
            held = sorted(self._offers.items(), reverse=True)
        return [offer.message for _, offer in held if offer.path.exists()]

    def chunk(self, height: int, snapshot_format: int, index: int) -> bytes:
        """A chunk; empty when there is none (any more)."""
        with self._guard:
            offer = self._offers.get(height)
        if offer is None or snapshot_format != FORMAT or index >= offer.manifest.chunk_count:
            return b""
        try:
            with offer.path.open("rb") as file:
                file.seek(offer.start + index * CHUNK_BYTES)
                return file.read(CHUNK_BYTES)
        except OSError:
            return b""

    def take(self, begin: Callable[[], RunningSnapshot]) -> None:
        """Begin a snapshot of the state after the last durable block, and write it by and by.

        One at a time: while another is being written none is begun, unless that one was lost to
        the very block after which this one is taken.
        """
        running = self._running
        if running is not None and not (running.is_over or running.is_lost):
            _LOG.warning("no snapshot after block %d: busy", self._journal.durable.height)
            return
        try:
            self._running = begin()
        except SnapshotFailed as error:
            _LOG.warning("%s", error)
            return
        self._thread = threading.Thread(
            target=self._write, args=(self._thread, self._running), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Wait until what is being written is whole."""
        self._thread.join()

    def _write(self, before: threading.Thread, running: RunningSnapshot) -> None:
        before.join()
        try:
            if running.finish() is None:
                _LOG.info("a snapshot was given up: the next cut-off came while it was written")
        except SnapshotFailed as error:
            # Without it a restart takes longer, and no new node can begin from here.
            _LOG.warning("%s", error)
        self._look()

    def _look(self) -> None:
        for path in snapshot_files(self._journal.directory / SNAPSHOTS):
            try:
                offer = _offer(read_snapshot(path, self._journal.ledger_id))
            except (JournalDamaged, OSError) as error:
                _LOG.warning("snapshot %s is not offered: %s", path.name, error)
                continue
            with self._guard:
                self._offers[offer.message.height] = offer


# ---------------------------------------------------------------- taking over


class Restoring:
    """A snapshot that is being received. Made by `begin`."""

    def __init__(
        self, journal: Path, genesis: Genesis, height: int, app_hash: bytes, manifest: Manifest
    ) -> None:
        self._journal = journal
        self._genesis = genesis
        self._height = height
        self._app_hash = app_hash
        self._manifest = manifest
        self._missing = set(range(manifest.chunk_count))
        self._incoming = journal.with_name(journal.name + ".incoming")
        self._built = journal.with_name(journal.name + ".new")
        self._incoming.unlink(missing_ok=True)
        shutil.rmtree(self._built, ignore_errors=True)
        self._file = self._incoming.open("w+b")

    @classmethod
    def begin(
        cls, journal: Path, genesis: Genesis, offered: abci.Snapshot, app_hash: bytes
    ) -> "Restoring | None":
        """Begin to receive what is offered; None when it cannot be right, whatever its chunks."""
        manifest = parse_manifest(offered.metadata)
        if (
            manifest is None
            or offered.format != FORMAT
            or offered.chunks != manifest.chunk_count
            or not 0 < offered.height < MAX_ABS_NUMBER
            or offered.hash != snapshot_hash(offered.height, offered.metadata)
            or len(app_hash) != _HASH_BYTES
        ):
            return None
        return cls(journal, genesis, offered.height, app_hash, manifest)

    def take(self, index: int, chunk: bytes) -> bool:
        """Keep a chunk; False when it is not the one that was promised. Raises OSError."""
        manifest = self._manifest
        if index >= manifest.chunk_count or hashlib.sha256(chunk).digest() != manifest.chunk_hash(
            index
        ):
            return False
        os.pwrite(self._file.fileno(), chunk, index * CHUNK_BYTES)
        self._missing.discard(index)
        return True

    @property
    def is_complete(self) -> bool:
        """Whether every chunk is there."""
        return not self._missing

    def build(self) -> bool:
        """Check the whole, and write the journal that begins with it; False when it is not right.

        Raises OSError, SnapshotFailed when it cannot be written.
        """
        data = np.memmap(self._incoming, np.uint8, mode="r").data
        parts: dict[str, memoryview] = {}
        at = 0
        for name, size in self._manifest.parts:
            parts[name] = data[at : at + size]
            at += size
        state = self._verified(parts)
        if state is not None:
            base = base_point(
                state.ledger_id, state.height, state.time_us, state.log.size, self._app_hash
            )
            begin_journal(self._built, state.ledger_id, base, parts.items())
        self.abandon()
        return state is not None

    def move_in(self) -> None:
        """Put the new journal into the place of the one that is there, which has no block."""
        shutil.rmtree(self._journal)
        self._built.rename(self._journal)

    def abandon(self) -> None:
        """Forget what was received."""
        self._file.close()
        self._incoming.unlink(missing_ok=True)

    def _verified(self, parts: dict[str, memoryview]) -> kernel.State | None:
        try:
            state = kernel.load(self._genesis, parts)
            digest = kernel.state_digest(state)
        except Exception as error:  # noqa: BLE001 - until its digest is right it may hold anything
            _LOG.warning("the snapshot of block %d cannot be read: %s", self._height, error)
            return None
        if (
            state.height != self._height
            or not 0 < state.time_us <= MAX_ABS_NUMBER
            or digest != state.state_digest
            or kernel.app_hash(state) != self._app_hash
        ):
            _LOG.warning("the snapshot of block %d is not of this ledger's state", self._height)
            return None
        return state
