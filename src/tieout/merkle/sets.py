"""The hash of a set: the same for the same entries, in whatever order they came.

The problem: two sides want to know whether they hold the same million records, and if not, which
one differs, without sending each other a single record.

The model: an entry is a key and a content, both SHA-256 hashes, so keys are spread evenly whatever
the records look like. The hash of a set is that of a tree which follows from the set alone: up to
LEAF_ENTRIES entries are hashed together in the order of their keys; more are parted by the next
byte of the key, and the hashes of the 256 parts are hashed. Two sets with one hash are the same set
unless SHA-256 collides; nothing is added up, so there is nothing to solve for, as there is where
the hashes of entries are summed (D. Wagner, A Generalized Birthday Problem, 2002, against the
AdHash of Bellare and Micciancio, 1997). And whoever disagrees about a hash finds out where, part by
part (`drill`). Why this and not a sum: docs/decisions/0032. Bytes: docs/formats/set-hash.md.

`set_hash` is the plain way. `SetTree` does the same for many entries at once, held in one array.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tieout.merkle.errors import MerkleError
from tieout.merkle.lanes import leaf_hashes

Bytes = NDArray[np.uint8]

HASH_BYTES: Final = 32
ENTRY_BYTES: Final = 2 * HASH_BYTES
LEAF_ENTRIES: Final = 256
"""How many entries are hashed together: a part to look into stays below 16 KiB."""
FAN: Final = 256
KEY_TAG: Final = b"tieout/setkey/1\0"
SAID_TAG: Final = b"tieout/said/1\0\0\0"
_LEAF: Final = b"\x00"
_PARTED: Final = b"\x01"
_WORD_BYTES: Final = 8

Entry = tuple[bytes, bytes]


def key_hash(key: bytes) -> bytes:
    """The key of an entry: of a transaction's id, originator and stage as they stand in a row."""
    return hashlib.sha256(_LEAF + KEY_TAG + key).digest()


def said_hash(said: bytes) -> bytes:
    """The content of an entry: of a record's presence bits and values as they stand in a row."""
    return hashlib.sha256(_LEAF + SAID_TAG + said).digest()


def set_hash(entries: Mapping[bytes, bytes]) -> bytes:
    """The hash of a set of entries, content by key; 32 bytes each."""
    return hash_of_part(sorted(entries.items()), 0)


def hash_of_part(entries: list[Entry], depth: int) -> bytes:
    """The hash of entries, ascending, whose keys have their first `depth` bytes in common."""
    if len(entries) <= LEAF_ENTRIES:
        return hashlib.sha256(_LEAF + b"".join(key + said for key, said in entries)).digest()
    parts: list[list[Entry]] = [[] for _ in range(FAN)]
    for entry in entries:
        parts[entry[0][depth]].append(entry)
    hashes = b"".join(hash_of_part(part, depth + 1) for part in parts)
    return hashlib.sha256(_PARTED + hashes).digest()


def key_hashes(keys: Bytes) -> Bytes:
    """`key_hash` of each row: uint8[n, width] in, uint8[n, 32] out."""
    return leaf_hashes(_tagged(KEY_TAG, keys))


def said_hashes(said: Bytes) -> Bytes:
    """`said_hash` of each row: uint8[n, width] in, uint8[n, 32] out."""
    return leaf_hashes(_tagged(SAID_TAG, said))


def _tagged(tag: bytes, rows: Bytes) -> Bytes:
    tagged = np.empty((len(rows), len(tag) + rows.shape[1]), np.uint8)
    tagged[:, : len(tag)] = np.frombuffer(tag, np.uint8)
    tagged[:, len(tag) :] = rows
    return tagged


class SetTree:
    """A set of entries that can be looked into, part by part. Nobody writes to it any more.

    A part is named by the bytes with which its keys begin; the whole is b"".
    """

    def __init__(self, keys: Bytes, said: Bytes) -> None:
        """Keys and contents, uint8[n, 32] each. Raises MerkleError when a key is there twice."""
        words = np.ascontiguousarray(keys).view(">u8").astype(np.uint64)
        order = np.argsort(words[:, 0], kind="stable")
        first = words[order, 0]
        if np.any(first[1:] == first[:-1]):
            order = np.lexsort((words[:, 3], words[:, 2], words[:, 1], words[:, 0]))
            whole = words[order]
            if np.any(np.all(whole[1:] == whole[:-1], axis=1)):
                raise MerkleError("a set has one entry for each key, and here are two")
        self.order = order
        """Which of the given entries is the i-th one of the set."""
        self._first = first
        entries = np.empty((len(keys), ENTRY_BYTES), np.uint8)
        entries[:, :HASH_BYTES] = keys[order]
        entries[:, HASH_BYTES:] = said[order]
        self._entries = entries.tobytes()

    def __len__(self) -> int:
        """How many entries."""
        return len(self._first)

    def root(self) -> bytes:
        """The hash of the set."""
        return self.hash_of(b"")

    def hash_of(self, prefix: bytes) -> bytes:
        """The hash of a part."""
        return self._hash(*self.bounds(prefix), len(prefix))

    def hashes_within(self, prefix: bytes) -> list[bytes]:
        """The hashes of the 256 parts of a part."""
        start, end = self.bounds(prefix)
        if len(prefix) >= _WORD_BYTES:
            return [self.hash_of(prefix + bytes((byte,))) for byte in range(FAN)]
        at = self._borders(start, end, len(prefix))
        return [self._hash(at[i], at[i + 1], len(prefix) + 1) for i in range(FAN)]

    def entries_of(self, prefix: bytes) -> list[Entry]:
        """The entries of a part, by key."""
        return self._between(*self.bounds(prefix))

    def bounds(self, prefix: bytes) -> tuple[int, int]:
        """From where to where in the set a part reaches."""
        head = prefix[:_WORD_BYTES]
        low = int.from_bytes(head.ljust(_WORD_BYTES, b"\0"), "big")
        high = int.from_bytes(head.ljust(_WORD_BYTES, b"\xff"), "big")
        start = int(np.searchsorted(self._first, np.uint64(low), "left"))
        end = int(np.searchsorted(self._first, np.uint64(high), "right"))
        while start < end and not self._key(start).startswith(prefix):
            start += 1
        while start < end and not self._key(end - 1).startswith(prefix):
            end -= 1
        return start, end

    def _key(self, i: int) -> bytes:
        return self._entries[i * ENTRY_BYTES : i * ENTRY_BYTES + HASH_BYTES]

    def _between(self, start: int, end: int) -> list[Entry]:
        data = self._entries
        return [
            (data[at : at + HASH_BYTES], data[at + HASH_BYTES : at + ENTRY_BYTES])
            for at in range(start * ENTRY_BYTES, end * ENTRY_BYTES, ENTRY_BYTES)
        ]

    def _hash(self, start: int, end: int, depth: int) -> bytes:
        if end - start <= LEAF_ENTRIES:
            part = self._entries[start * ENTRY_BYTES : end * ENTRY_BYTES]
            return hashlib.sha256(_LEAF + part).digest()
        if depth >= _WORD_BYTES:
            return hash_of_part(self._between(start, end), depth)
        at = self._borders(start, end, depth)
        hashes = b"".join(self._hash(at[i], at[i + 1], depth + 1) for i in range(FAN))
        return hashlib.sha256(_PARTED + hashes).digest()

    def _borders(self, start: int, end: int, depth: int) -> list[int]:
        """Where each of the 256 parts begins, and where the last one ends."""
        shift = np.uint64(8 * (_WORD_BYTES - 1 - depth))
        heads = (self._first[start:end] >> shift) & np.uint64(FAN - 1)
        inner = np.searchsorted(heads, np.arange(FAN, dtype=np.uint64))
        return [start + border for border in inner.tolist()] + [end]
