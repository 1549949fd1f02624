"""Records by transaction: where the records of one transaction stand, without an index of all.

The problem: a tree keyed by transaction that takes every record as it comes costs more than
everything else the journal does.

The model: a sealed segment never changes, so its records are sorted once, into a *sidecar* beside
it: hashes of (agreement, originator, id) in order, each with its place (leaf × 65,536 + row). A
search is binary in each sidecar, and looks through the rows of segments that have none yet. Each
place is then read and the whole key compared, so that hashes that collide cost time and nothing
else. A sidecar carries a digest over itself and the segment it was made from, and is made anew when
that does not fit. Layout: docs/formats/journal.md.
"""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tieout.journal.frame import SIGNED_HEAD_BYTES, Entry
from tieout.units.ids import pad
from tieout.wire.batch import BATCH_TAG, parse_header
from tieout.wire.codes import ItemOutcome
from tieout.wire.limits import ID_BYTES

SIDECAR_MAGIC: Final = b"tieout/records/1"
SIDECAR_SUFFIX: Final = ".ids"
SEED_TAG: Final = b"tieout/ids/1\0"
ROWS_PER_LEAF: Final = 1 << 16
_HEADER: Final = struct.Struct("<16s32sQ32s")
_KEY_BYTES: Final = ID_BYTES + 2
_WORDS: Final = (_KEY_BYTES + 7) // 8
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(32)


class Place(NamedTuple):
    """Where a record stands: the leaf of its batch in the log, and its row there."""

    leaf: int
    row: int


@dataclass(frozen=True, slots=True)
class Records:
    """Hashes of keys in ascending order, and the place of each; two arrays of uint64."""

    hashes: NDArray[np.uint64]
    places: NDArray[np.uint64]

    def find(self, key_hash: int) -> list[Place]:
        """Places of records whose key has this hash, in the order of the ledger."""
        key = np.uint64(key_hash)
        first = np.searchsorted(self.hashes, key, side="left")
        last = np.searchsorted(self.hashes, key, side="right")
        return [Place(*divmod(place, ROWS_PER_LEAF)) for place in sorted(self._places(first, last))]

    def _places(self, first: np.intp, last: np.intp) -> list[int]:
        found: list[int] = self.places[first:last].tolist()
        return found


def record_key(originator: int, transaction_id: str) -> bytes:
    """What a row begins with, as far as it names the transaction: id, NUL padded, and originator.

    Raises UnitsError for an id that is too long.
    """
    return pad(transaction_id.encode(), ID_BYTES) + originator.to_bytes(2, "little")


def key_hashes(agreement: str, rows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The hash of the key of each row (uint8[n, at least 38]) of a batch under this agreement."""
    words = np.zeros((len(rows), 8 * _WORDS), np.uint8)
    words[:, :_KEY_BYTES] = rows[:, :_KEY_BYTES]
    seed = hashlib.sha256(SEED_TAG + agreement.encode()).digest()[:8]
    hashes = np.full(len(rows), int.from_bytes(seed, "little"), np.uint64)
    for word in words.view("<u8").T:
        hashes ^= word
        hashes *= _MULTIPLIER
        hashes ^= hashes >> _SHIFT
    return hashes


def key_hash(agreement: str, key: bytes) -> int:
    """The hash of one key."""
    (value,) = key_hashes(agreement, np.frombuffer(key, np.uint8).reshape(1, _KEY_BYTES)).tolist()
    return int(value)


class RecordBatch(NamedTuple):
    """The rows (uint8[n, width]) of a batch that was accepted."""

    leaf: int
    agreement: str
    rows: NDArray[np.uint8]

    def find(self, agreement: str, key: bytes) -> list[Place]:
        """Places of the rows with this key."""
        if agreement != self.agreement:
            return []
        wanted = np.frombuffer(key, np.uint8)
        # Where the id ends, ids differ most: eight bytes there leave few rows to compare whole.
        at = max(0, len(key[:ID_BYTES].rstrip(b"\0")) - 8)
        ends = np.ndarray((len(self.rows),), "<u8", self.rows, at, (self.rows.shape[1],))
        near = np.flatnonzero(ends == wanted[at : at + 8].view("<u8"))
        same = (self.rows[near, :_KEY_BYTES] == wanted).all(axis=1)
        return [Place(self.leaf, row) for row in near[same].tolist()]


def record_batches(entry: Entry) -> Iterable[RecordBatch]:
    """The accepted batches of a block."""
    for item, result in zip(entry.block.items, entry.result.items, strict=True):
        if result.outcome is ItemOutcome.ACCEPTED and item[: len(BATCH_TAG)] == BATCH_TAG:
            header = parse_header(item)
            rows = np.frombuffer(item, np.uint8, offset=SIGNED_HEAD_BYTES)
            # An accepted item has a leaf (R-ITEM-2).
            leaf = -1 if result.leaf is None else result.leaf
            yield RecordBatch(leaf, header.agreement, rows.reshape(-1, header.row_bytes))


def sorted_records(entries: Iterable[Entry]) -> Records:
    """The records of these blocks, sorted by the hash of their key."""
    hashes, places = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    for entry in entries:
        for batch in record_batches(entry):
            hashes.append(key_hashes(batch.agreement, batch.rows))
            first = batch.leaf * ROWS_PER_LEAF
            places.append(np.arange(first, first + len(batch.rows), dtype=np.uint64))
    all_hashes = np.concatenate(hashes)
    order = np.argsort(all_hashes)
    return Records(all_hashes[order], np.concatenate(places)[order])


def write_sidecar(path: Path, ledger_id: bytes, segment_hash: bytes, records: Records) -> None:
    """Write a sidecar beside its segment; whole or not at all."""
    body = records.hashes.astype("<u8").tobytes() + records.places.astype("<u8").tobytes()
    header = _HEADER.pack(SIDECAR_MAGIC, ledger_id, len(records.hashes), segment_hash)
    digest = hashlib.sha256(header + body).digest()
    unfinished = path.with_suffix(".tmp")
    unfinished.write_bytes(header + digest + body)
    unfinished.replace(path)


def read_sidecar(path: Path, ledger_id: bytes, segment_hash: bytes) -> Records | None:
    """The records of a sidecar; None when there is none that is whole and of this segment."""
    start = _HEADER.size + hashlib.sha256().digest_size
    if not path.exists() or path.stat().st_size < start:
        return None
    data = np.memmap(path, np.uint8, mode="r").data
    magic, ledger, count, segment = _HEADER.unpack(data[: _HEADER.size])
    body = data[start:]
    digest = hashlib.sha256(data[: _HEADER.size])
    digest.update(body)
    if (
        (magic, ledger, segment) != (SIDECAR_MAGIC, ledger_id, segment_hash)
        or len(body) != 16 * count
        or digest.digest() != data[_HEADER.size : start]
    ):
        return None
    values = np.frombuffer(body, "<u8")
    return Records(values[:count], values[count:])
