"""The hash of a set of many entries, held in one array, and its parts (`sets` says what that is).

Entries stand in the order of their keys, so every part is a stretch of them, and its borders are
found by the first eight bytes of the keys. Deeper than that nobody gets who cannot find eight equal
bytes of SHA-256 hundreds of times; there the plain way goes on.
"""

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tieout.merkle.errors import MerkleError
from tieout.merkle.lanes import leaf_hashes
from tieout.merkle.sets import (
    ENTRY_BYTES,
    FAN,
    HASH_BYTES,
    KEY_TAG,
    LEAF,
    LEAF_ENTRIES,
    PARTED,
    SAID_TAG,
    Entry,
    hash_of_part,
)

Bytes = NDArray[np.uint8]

_WORD_BYTES: Final = 8


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
            return hashlib.sha256(LEAF + part).digest()
        if depth >= _WORD_BYTES:
            return hash_of_part(self._between(start, end), depth)
        at = self._borders(start, end, depth)
        hashes = b"".join(self._hash(at[i], at[i + 1], depth + 1) for i in range(FAN))
        return hashlib.sha256(PARTED + hashes).digest()

    def _borders(self, start: int, end: int, depth: int) -> list[int]:
        """Where each of the 256 parts begins, and where the last one ends."""
        shift = np.uint64(8 * (_WORD_BYTES - 1 - depth))
        heads = (self._first[start:end] >> shift) & np.uint64(FAN - 1)
        inner = np.searchsorted(heads, np.arange(FAN, dtype=np.uint64))
        return [start + border for border in inner.tolist()] + [end]
