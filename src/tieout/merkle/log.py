"""A tree that grows: the ledger's log, and the part of it that is enough to know the root.

The problem: leaves arrive one by one for years. Hashing the whole tree again for each of them,
or keeping nothing and asking others for proofs, are both out of the question.

The model: a tree of n leaves is a row of *perfect* subtrees, one for each bit of n, the largest
first. A new leaf is a perfect subtree of one; two of equal size become one of twice the size,
like carries in binary counting. A perfect subtree never changes again, so its hash can be kept
for ever: `Log` keeps all of them, level by level, and any root and any proof, of now or of an
earlier size, is a few look-ups and a few hashes. `Frontier` keeps only the last row, which is
enough to go on and to know the root.

What is not here: the leaves' data, files, and removal: a log only grows. One writer at a time;
nothing here may be called while another thread appends.

Source: RFC 9162 section 2.1; the row of perfect subtrees is known as a compact range.
"""

from collections.abc import Iterable
from typing import Final

from tieout.merkle.errors import MerkleError, RangeError
from tieout.merkle.tree import (
    EMPTY_ROOT,
    HASH_BYTES,
    consistency_ranges,
    folded,
    inclusion_ranges,
    node_hash,
)

_SIZE_BYTES: Final = 8


class Frontier:
    """The perfect subtrees of a log, largest first: its size, its root, and how it goes on."""

    def __init__(self) -> None:
        self._size = 0
        self._hashes: list[bytes] = []

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self._size

    def append(self, leaf_hash: bytes) -> None:
        """Add a leaf by its hash of 32 bytes, else MerkleError. One hash on average, at most 64."""
        node = _checked(leaf_hash)
        size = self._size
        while size & 1:
            node = node_hash(self._hashes.pop(), node)
            size >>= 1
        self._hashes.append(node)
        self._size += 1

    def root(self) -> bytes:
        """Return the root over all leaves; EMPTY_ROOT when there are none."""
        return folded(self._hashes) if self._hashes else EMPTY_ROOT

    def hashes(self) -> list[bytes]:
        """Return the hashes of the perfect subtrees, largest first."""
        return list(self._hashes)

    def to_bytes(self) -> bytes:
        """Return the size (u64, little-endian) and the hashes of the perfect subtrees."""
        return self._size.to_bytes(_SIZE_BYTES, "little") + b"".join(self._hashes)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Frontier":
        """Return the frontier that `to_bytes` wrote; MerkleError when length and size disagree."""
        size = int.from_bytes(data[:_SIZE_BYTES], "little")
        expected = _SIZE_BYTES + HASH_BYTES * size.bit_count()
        if len(data) < _SIZE_BYTES or len(data) != expected:
            raise MerkleError(
                f"a frontier of {size} leaves has {expected} bytes, these are {len(data)}"
            )
        frontier = cls()
        frontier._size = size
        frontier._hashes = [
            bytes(data[at : at + HASH_BYTES]) for at in range(_SIZE_BYTES, expected, HASH_BYTES)
        ]
        return frontier


class Log:
    """An append-only tree that proves: the hashes of all its perfect subtrees, level by level.

    Level k holds one hash for each complete range of 2^k leaves, so 64 bytes a leaf in all.
    """

    def __init__(self) -> None:
        self._levels: list[bytearray] = [bytearray()]
        self._firsts: list[int] = [0]
        """The place of the first hash that each level holds; 0 unless begun with `after`."""

    @classmethod
    def after(cls, frontier: Frontier) -> "Log":
        """A log that goes on from a frontier, without the leaves before it.

        It gives roots and paths of leaves and sizes from there on; RangeError for earlier ones.
        """
        log, size, hashes = cls(), frontier.size, frontier.hashes()
        log._levels, log._firsts = [], []
        for level in range(max(1, size.bit_length())):
            held = size >> level & 1
            log._levels.append(bytearray(hashes.pop()) if held else bytearray())
            log._firsts.append((size >> level) - held)
        return log

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self._firsts[0] + len(self._levels[0]) // HASH_BYTES

    def append(self, leaf_hash: bytes) -> int:
        """Add a leaf by its hash of 32 bytes, else MerkleError; return its index."""
        index = self.size
        node = _checked(leaf_hash)
        level = 0
        self._levels[0] += node
        while index >> level & 1:
            node = node_hash(self._perfect(level, (index >> level) - 1), node)
            level += 1
            if level == len(self._levels):
                self._levels.append(bytearray())
                self._firsts.append(0)
            self._levels[level] += node
        return index

    def extend(self, leaf_hashes: Iterable[bytes]) -> None:
        """Add leaves by their hashes, in order; all of them, or none with MerkleError."""
        for leaf_hash in [_checked(leaf_hash) for leaf_hash in leaf_hashes]:
            self.append(leaf_hash)

    def leaf_hash(self, index: int) -> bytes:
        """Return the hash of leaf `index`; RangeError when there is none."""
        if not 0 <= index < self.size:
            raise RangeError("index", f"index {index} is not in a log of {self.size} leaves")
        return self._perfect(0, index)

    def root(self) -> bytes:
        """Return the root over all leaves; EMPTY_ROOT when there are none."""
        return self.root_at(self.size)

    def root_at(self, size: int) -> bytes:
        """Return the root as it was at `size` leaves; RangeError when the log never had so many."""
        if not 0 <= size <= self.size:
            raise RangeError("size", f"size {size} is not from 0 to the log's {self.size}")
        return self._range_root(0, size) if size else EMPTY_ROOT

    def inclusion_path(self, index: int, size: int) -> list[bytes]:
        """Return the path of leaf `index` to the root at `size`.

        RangeError unless 0 <= index < size <= the log's size.
        """
        if size > self.size:
            raise RangeError("size", f"size {size} is beyond the log's {self.size}")
        return [self._range_root(start, end) for start, end in inclusion_ranges(index, size)]

    def consistency_path(self, size1: int, size2: int) -> list[bytes]:
        """Return the path from the root at `size1` to the root at `size2`.

        RangeError unless 0 < size1 <= size2 <= the log's size.
        """
        if size2 > self.size:
            raise RangeError("size2", f"size2 {size2} is beyond the log's {self.size}")
        return [self._range_root(start, end) for start, end in consistency_ranges(size1, size2)]

    def _perfect(self, level: int, place: int) -> bytes:
        """Return the hash of the perfect subtree over leaves place * 2^level and those after it."""
        at = (place - self._firsts[level]) * HASH_BYTES
        if at < 0:
            raise RangeError("index", "this log goes on from another, and has not what was before")
        return bytes(self._levels[level][at : at + HASH_BYTES])

    def _range_root(self, start: int, end: int) -> bytes:
        """Return the root over leaves [start, end); at least one, start aligned to the length."""
        hashes = []
        while start < end:
            level = (end - start).bit_length() - 1
            hashes.append(self._perfect(level, start >> level))
            start += 1 << level
        return folded(hashes)


def _checked(leaf_hash: bytes) -> bytes:
    if len(leaf_hash) != HASH_BYTES:
        raise MerkleError(f"a leaf hash has {HASH_BYTES} bytes, this one has {len(leaf_hash)}")
    return leaf_hash
