"""The tree of RFC 6962: roots, paths, and the checks that convince a stranger (hashlib only).

The problem: somebody holds a root and wants to be sure that a leaf is under it, or that a later
root still covers everything an earlier one did, without seeing the other leaves.

The model: a tree of n leaves splits at the largest power of two below n. The same tree grows from
below: neighbours are hashed in pairs, and a node without a sibling moves up as it is. So every
node covers a *range* of leaves [start, end) whose start is a multiple of a power of two that is
not smaller than its length, and a proof is nothing but the roots of a few ranges, in a known
order: `inclusion_ranges` and `consistency_ranges` say which. Making a proof is looking these
ranges up, checking one is chaining their hashes; both walk the same list.

Checks accept and refuse as those of transparency-dev/merkle do, subtrees included. A path from
an empty tree to another one is refused: there is nothing that it could show.

What is not here: storage (`log`), speed for many equal-length rows (`lanes`), and who signed a
root (checkpoints are a room above).

Sources: RFC 6962 section 2.1, RFC 9162 section 2.1; subtrees: draft-ietf-plants-merkle-tree-certs.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

from tieout.merkle.errors import ProofError, RangeError

HASH_BYTES: Final = 32
"""SHA-256 throughout, as RFC 6962 has it."""

MAX_SIZE: Final = (1 << 64) - 1
"""Sizes and indexes travel as unsigned 64-bit numbers; a proof has at most 64 + 1 hashes."""

EMPTY_ROOT: Final = sha256(b"").digest()
"""The root of the tree without leaves."""

Range = tuple[int, int]
"""Leaves start to end - 1 that one node covers, as (start, end)."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256(0x00, data)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an interior node: SHA-256(0x01, left, right)."""
    return sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root of the tree over these leaf hashes, in order."""
    level = list(leaf_hashes)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        above = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            above.append(level[-1])
        level = above
    return level[0]


def folded(hashes: Sequence[bytes]) -> bytes:
    """Return the root over perfect subtrees of falling size, from left to right; at least one."""
    node = hashes[-1]
    for left in reversed(hashes[:-1]):
        node = node_hash(left, node)
    return node


# ---------------------------------------------------------------- which hashes prove what


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Return the ranges whose roots prove leaf `index` under the root of `size` leaves.

    From the leaf upwards. RangeError unless 0 <= index < size <= MAX_SIZE.
    """
    if not 0 < size <= MAX_SIZE:
        raise RangeError("size", f"size {size} is not from 1 to 2^64 - 1")
    if not 0 <= index < size:
        raise RangeError("index", f"index {index} is not in a tree of {size} leaves")
    return _siblings(index, size, 0)


def consistency_ranges(size1: int, size2: int) -> list[Range]:
    """Return the ranges whose roots prove that `size1` leaves are the first of `size2` leaves.

    From below upwards. RangeError unless 0 < size1 <= size2 <= MAX_SIZE.
    """
    if not 0 < size2 <= MAX_SIZE:
        raise RangeError("size2", f"size2 {size2} is not from 1 to 2^64 - 1")
    if not 0 < size1 <= size2:
        raise RangeError("size1", f"size1 {size1} is not from 1 to size2, which is {size2}")
    return _growth(0, size1, size2)


def _siblings(index: int, size: int, level: int) -> list[Range]:
    """Return the siblings on the way from the node over leaf `index` at `level` to the root."""
    found = []
    for height in range(level, (size - 1).bit_length()):
        start = (index >> height ^ 1) << height
        if start < size:  # else the node has no sibling here, and moves up as it is
            found.append((start, min(start + (1 << height), size)))
    return found


def _growth(start: int, end: int, size: int) -> list[Range]:
    """Return the ranges that lead from the root over [start, end) to the root over `size` leaves.

    Unless the two are flush at their right ends, or [start, end) is perfect and hence a node of
    the larger tree, the first range is the rightmost perfect subtree within [start, end): from
    there, one chain of hashes leads to both roots.
    """
    if end == size:
        return _siblings(end - 1, size, (end - 1 ^ start).bit_length())
    length = end - start
    level = (length & -length).bit_length() - 1
    above = _siblings(end - 1, size, level)
    if length == 1 << level:
        return above
    return [(end - (1 << level), end), *above]


# ---------------------------------------------------------------- making proofs


def inclusion_path(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the path of leaf `index` to the root of all leaves; RangeError as above."""
    return [root(leaf_hashes[a:b]) for a, b in inclusion_ranges(index, len(leaf_hashes))]


def consistency_path(leaf_hashes: Sequence[bytes], size1: int) -> list[bytes]:
    """Return the path from the root of the first `size1` leaves to that of all; likewise."""
    return [root(leaf_hashes[a:b]) for a, b in consistency_ranges(size1, len(leaf_hashes))]


# ---------------------------------------------------------------- checking proofs


def check_inclusion(
    root: bytes, size: int, index: int, leaf_hash: bytes, path: Sequence[bytes]
) -> None:
    """Check that `leaf_hash` is leaf `index` of the tree of `size` leaves under `root`.

    ProofError, naming the argument, unless so: size is from index + 1 to MAX_SIZE, leaf hash and
    path have 32-byte hashes, as many as the place of the leaf asks for, and lead to the root.
    """
    ranges = _asked(inclusion_ranges, index, size)
    _check_hash("leaf_hash", leaf_hash)
    _check_path(ranges, path)
    node = leaf_hash
    for (start, _), sibling in zip(ranges, path, strict=True):
        node = node_hash(sibling, node) if start < index else node_hash(node, sibling)
    _check_root("root", root, node)


def check_consistency(
    size1: int, root1: bytes, size2: int, root2: bytes, path: Sequence[bytes]
) -> None:
    """Check that the `size1` leaves under `root1` are the first of `size2` leaves under `root2`.

    ProofError, naming the argument, unless so: 0 < size1 <= size2 <= MAX_SIZE, the path has
    32-byte hashes, as many as the sizes ask for, and leads to both roots. An empty first tree is
    refused, since every tree would do.
    """
    ranges = _asked(consistency_ranges, size1, size2)
    _check_growth((0, size1), root1, root2, ranges, path)


def check_subtree_inclusion(
    root: bytes, start: int, end: int, index: int, leaf_hash: bytes, path: Sequence[bytes]
) -> None:
    """Check that `leaf_hash` is leaf `index` of a tree, under `root` over its leaves [start, end).

    ProofError as of `check_inclusion`, and when [start, end) is not a subtree that holds index.
    """
    _check_subtree(start, end)
    if not start <= index < end:
        raise ProofError("index", f"index {index} is not in the subtree [{start}, {end})")
    check_inclusion(root, end - start, index - start, leaf_hash, path)


def check_subtree_consistency(
    start: int, end: int, root1: bytes, size: int, root2: bytes, path: Sequence[bytes]
) -> None:
    """Check that `root1` over leaves [start, end) belongs to the `size` leaves under `root2`.

    ProofError as of `check_consistency`, and when [start, end) is not a subtree of that tree. An
    empty subtree (start = end) has EMPTY_ROOT and an empty path; it says nothing about `root2`.
    """
    if not 0 <= size <= MAX_SIZE:
        raise ProofError("size", f"size {size} is not from 0 to 2^64 - 1")
    if end > size:
        raise ProofError("end", f"end {end} is beyond a tree of {size} leaves")
    if 0 <= start == end:
        _check_path([], path)
        _check_root("root1", root1, EMPTY_ROOT)
        return
    _check_subtree(start, end)
    _check_growth((start, end), root1, root2, _growth(start, end, size), path)


def _check_growth(
    covered: Range,
    root1: bytes,
    root2: bytes,
    ranges: Sequence[Range],
    path: Sequence[bytes],
) -> None:
    """Chain the path to the root over the covered leaves, and on to that of the whole tree."""
    _check_path(ranges, path)
    first, end = covered
    steps = list(zip(ranges, path, strict=True))
    old = new = root1
    # Siblings end before the node that holds leaf end - 1, or begin after it: a range that ends
    # with the covered leaves is that node itself, the one from which both chains set out.
    if ranges and ranges[0][1] == end:
        old = new = path[0]
        del steps[0]
    for (start, _), sibling in steps:
        if start >= end:
            new = node_hash(new, sibling)
        else:
            new = node_hash(sibling, new)
            if start >= first:
                old = node_hash(sibling, old)
    _check_root("root1", root1, old)
    _check_root("root2", root2, new)


def _asked(ranges_of: Callable[[int, int], list[Range]], first: int, second: int) -> list[Range]:
    """Return the ranges that a proof for these numbers has; ProofError when none can."""
    try:
        return ranges_of(first, second)
    except RangeError as error:
        raise ProofError(error.argument, str(error)) from None


def _check_subtree(start: int, end: int) -> None:
    """Check that one node can cover [start, end)."""
    if not 0 <= start < end <= MAX_SIZE:
        raise ProofError("end", f"[{start}, {end}) is not a range of leaves")
    if start % (1 << (end - start - 1).bit_length()):
        raise ProofError("start", f"[{start}, {end}) is not a subtree: start is not aligned")


def _check_hash(name: str, value: bytes) -> None:
    if len(value) != HASH_BYTES:
        raise ProofError(name.partition("[")[0], f"{name} has {len(value)} bytes, not {HASH_BYTES}")


def _check_path(ranges: Sequence[Range], path: Sequence[bytes]) -> None:
    if len(path) != len(ranges):
        raise ProofError("path", f"path has {len(path)} hashes, not {len(ranges)}")
    for i, value in enumerate(path):
        _check_hash(f"path[{i}]", value)


def _check_root(name: str, stated: bytes, computed: bytes) -> None:
    if stated != computed:
        raise ProofError(name, f"{name} is {stated.hex()}, but the path leads to {computed.hex()}")
