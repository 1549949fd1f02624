import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.merkle.leaves import ENTRIES, LEAF_HASHES, ROOTS, entries
from tieout.merkle import reference, tree
from tieout.merkle.errors import ProofError, RangeError


def test_the_root_of_no_leaves_is_the_hash_of_nothing() -> None:
    assert sha256(b"").digest() == tree.EMPTY_ROOT == tree.root([])


def test_a_leaf_and_a_node_of_the_same_bytes_have_different_hashes() -> None:
    left, right = LEAF_HASHES[:2]
    assert tree.leaf_hash(left + right) != tree.node_hash(left, right)


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert ROOTS[size - 1] == tree.root(LEAF_HASHES[:size])


@given(entries())
def test_the_root_is_the_one_of_the_recursive_definition(data: list[bytes]) -> None:
    assert reference.tree_hash(data) == tree.root([tree.leaf_hash(entry) for entry in data])


@given(entries(1), st.data())
def test_an_inclusion_path_is_the_recursive_one_and_holds(
    data: list[bytes], draw: st.DataObject
) -> None:
    index = draw.draw(st.integers(0, len(data) - 1))
    hashes = [tree.leaf_hash(entry) for entry in data]
    path = tree.inclusion_path(hashes, index)
    assert reference.audit_path(index, data) == path
    tree.check_inclusion(tree.root(hashes), len(data), index, hashes[index], path)


@given(entries(1), st.data())
def test_a_consistency_path_is_the_recursive_one_and_holds(
    data: list[bytes], draw: st.DataObject
) -> None:
    size1 = draw.draw(st.integers(1, len(data)))
    hashes = [tree.leaf_hash(entry) for entry in data]
    path = tree.consistency_path(hashes, size1)
    assert reference.consistency_proof(size1, data) == path
    tree.check_consistency(size1, tree.root(hashes[:size1]), len(data), tree.root(hashes), path)


@given(st.integers(1, tree.MAX_SIZE), st.data())
def test_ranges_of_an_inclusion_path_cover_every_other_leaf_once(
    size: int, draw: st.DataObject
) -> None:
    index = draw.draw(st.integers(0, size - 1))
    ranges = sorted([*tree.inclusion_ranges(index, size), (index, index + 1)])
    assert [0, *(end for _, end in ranges)] == [*(start for start, _ in ranges), size]
    assert len(ranges) <= 65


# ---------------------------------------------------------------- wrong proofs: one thing changed


@dataclass(frozen=True)
class Inclusion:
    root: bytes
    size: int
    index: int
    leaf_hash: bytes
    path: list[bytes]

    def check(self) -> None:
        tree.check_inclusion(self.root, self.size, self.index, self.leaf_hash, self.path)


@dataclass(frozen=True)
class Consistency:
    size1: int
    root1: bytes
    size2: int
    root2: bytes
    path: list[bytes]

    def check(self) -> None:
        tree.check_consistency(self.size1, self.root1, self.size2, self.root2, self.path)


def flipped(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:]


# Leaf 2 of 7, under (leaf 3), (leaves 0 and 1), (leaves 4 to 6); and the growth from 3 to 7.
INCLUSION = Inclusion(ROOTS[6], 7, 2, LEAF_HASHES[2], tree.inclusion_path(LEAF_HASHES[:7], 2))
CONSISTENCY = Consistency(3, ROOTS[2], 7, ROOTS[6], tree.consistency_path(LEAF_HASHES[:7], 3))
PATH = INCLUSION.path
GROWTH = CONSISTENCY.path


def test_the_proofs_that_are_spoiled_below_hold() -> None:
    INCLUSION.check()
    CONSISTENCY.check()
    assert (len(PATH), len(GROWTH)) == (3, 4)


INCLUSION_MUTATIONS = {
    "other root": (replace(INCLUSION, root=ROOTS[5]), "root"),
    "root with a bit changed": (replace(INCLUSION, root=flipped(INCLUSION.root)), "root"),
    "root of nothing": (replace(INCLUSION, root=b""), "root"),
    "neighbour's index": (replace(INCLUSION, index=3), "root"),
    "cousin's index": (replace(INCLUSION, index=0), "root"),
    "index at the end": (replace(INCLUSION, index=7), "index"),
    "negative index": (replace(INCLUSION, index=-1), "index"),
    "no leaves": (replace(INCLUSION, size=0), "size"),
    "negative size": (replace(INCLUSION, size=-7), "size"),
    "size beyond 64 bits": (replace(INCLUSION, size=1 << 64), "size"),
    "half the size": (replace(INCLUSION, size=3), "path"),
    "twice the size": (replace(INCLUSION, size=14), "path"),
    "other leaf": (replace(INCLUSION, leaf_hash=LEAF_HASHES[3]), "root"),
    "leaf data instead of its hash": (replace(INCLUSION, leaf_hash=ENTRIES[2]), "leaf_hash"),
    "path without its first hash": (replace(INCLUSION, path=PATH[1:]), "path"),
    "path without its last hash": (replace(INCLUSION, path=PATH[:-1]), "path"),
    "empty path": (replace(INCLUSION, path=[]), "path"),
    "path with garbage behind": (replace(INCLUSION, path=[*PATH, b"\0" * 32]), "path"),
    "path with the root behind": (replace(INCLUSION, path=[*PATH, ROOTS[6]]), "path"),
    "path with the leaf before": (replace(INCLUSION, path=[LEAF_HASHES[2], *PATH]), "path"),
    "path from above": (replace(INCLUSION, path=PATH[::-1]), "root"),
    "short hash in the path": (replace(INCLUSION, path=[PATH[0], PATH[1][:-1], PATH[2]]), "path"),
    "bit changed in the first hash": (
        replace(INCLUSION, path=[flipped(PATH[0]), *PATH[1:]]),
        "root",
    ),
    "bit changed in the last hash": (
        replace(INCLUSION, path=[*PATH[:2], flipped(PATH[2])]),
        "root",
    ),
}

CONSISTENCY_MUTATIONS = {
    "empty first tree": (replace(CONSISTENCY, size1=0, root1=tree.EMPTY_ROOT), "size1"),
    "negative first size": (replace(CONSISTENCY, size1=-3), "size1"),
    "first size beyond the second": (replace(CONSISTENCY, size1=8), "size1"),
    "both trees empty": (Consistency(0, tree.EMPTY_ROOT, 0, tree.EMPTY_ROOT, []), "size2"),
    "second size beyond 64 bits": (replace(CONSISTENCY, size2=1 << 64), "size2"),
    "perfect first size": (replace(CONSISTENCY, size1=4), "path"),
    "other first size": (replace(CONSISTENCY, size1=5), "root1"),
    "half the second size": (replace(CONSISTENCY, size2=3), "path"),
    "twice the second size": (replace(CONSISTENCY, size2=14), "path"),
    "sizes swapped": (replace(CONSISTENCY, size1=7, size2=3), "size1"),
    "roots swapped": (replace(CONSISTENCY, root1=ROOTS[6], root2=ROOTS[2]), "root1"),
    "other first root": (replace(CONSISTENCY, root1=ROOTS[3]), "root1"),
    "other second root": (replace(CONSISTENCY, root2=ROOTS[7]), "root2"),
    "second root with a bit changed": (replace(CONSISTENCY, root2=flipped(ROOTS[6])), "root2"),
    "same size, other roots": (Consistency(7, ROOTS[6], 7, ROOTS[5], []), "root2"),
    "same size, path not empty": (Consistency(7, ROOTS[6], 7, ROOTS[6], GROWTH), "path"),
    "empty path": (replace(CONSISTENCY, path=[]), "path"),
    "path without its first hash": (replace(CONSISTENCY, path=GROWTH[1:]), "path"),
    "path without its last hash": (replace(CONSISTENCY, path=GROWTH[:-1]), "path"),
    "path with garbage behind": (replace(CONSISTENCY, path=[*GROWTH, b"\0" * 32]), "path"),
    "path with the first root before": (replace(CONSISTENCY, path=[ROOTS[2], *GROWTH]), "path"),
    "long hash in the path": (
        replace(CONSISTENCY, path=[*GROWTH[:3], GROWTH[3] + b"\0"]),
        "path",
    ),
    "bit changed in the seed": (
        replace(CONSISTENCY, path=[flipped(GROWTH[0]), *GROWTH[1:]]),
        "root1",
    ),
    "bit changed to the right": (
        replace(CONSISTENCY, path=[*GROWTH[:3], flipped(GROWTH[3])]),
        "root2",
    ),
}


@pytest.mark.parametrize("name", INCLUSION_MUTATIONS)
def test_a_spoiled_inclusion_proof_is_refused_and_the_argument_named(name: str) -> None:
    spoiled, argument = INCLUSION_MUTATIONS[name]
    with pytest.raises(ProofError) as caught:
        spoiled.check()
    assert argument == caught.value.argument


@pytest.mark.parametrize("name", CONSISTENCY_MUTATIONS)
def test_a_spoiled_consistency_proof_is_refused_and_the_argument_named(name: str) -> None:
    spoiled, argument = CONSISTENCY_MUTATIONS[name]
    with pytest.raises(ProofError) as caught:
        spoiled.check()
    assert argument == caught.value.argument


@given(entries(2), st.data())
def test_no_bit_of_a_proof_can_be_changed(data: list[bytes], draw: st.DataObject) -> None:
    index = draw.draw(st.integers(0, len(data) - 1))
    hashes = [tree.leaf_hash(entry) for entry in data]
    path = tree.inclusion_path(hashes, index)
    at, bit = draw.draw(st.integers(0, len(path) * 32 - 1)), draw.draw(st.integers(0, 7))
    spoiled = bytearray(b"".join(path))
    spoiled[at] ^= 1 << bit
    chunks = [bytes(spoiled[i : i + 32]) for i in range(0, len(spoiled), 32)]
    with pytest.raises(ProofError, match=r"^root is "):
        tree.check_inclusion(tree.root(hashes), len(data), index, hashes[index], chunks)


# ---------------------------------------------------------------- what errors say


ELEVENS = b"\x11" * 32
SEVEN = LEAF_HASHES[:7]
MESSAGES: list[tuple[str, str, Callable[[], object]]] = [
    (
        "index",
        "index 7 is not in a tree of 7 leaves",
        lambda: tree.inclusion_path(SEVEN, 7),
    ),
    (
        "size",
        "size 0 is not from 1 to 2^64 - 1",
        lambda: tree.inclusion_path([], 0),
    ),
    (
        "size1",
        "size1 8 is not from 1 to size2, which is 7",
        lambda: tree.consistency_path(SEVEN, 8),
    ),
    (
        "size2",
        "size2 0 is not from 1 to 2^64 - 1",
        lambda: tree.consistency_path([], 0),
    ),
    (
        "index",
        "index 9 is not in a tree of 9 leaves",
        replace(INCLUSION, size=9, index=9).check,
    ),
    (
        "path",
        "path has 3 hashes, not 4",
        replace(INCLUSION, size=14).check,
    ),
    (
        "path",
        "path has 4 hashes, not 3",
        replace(CONSISTENCY, size1=6, size2=8).check,
    ),
    (
        "path",
        "path[1] has 31 bytes, not 32",
        INCLUSION_MUTATIONS["short hash in the path"][0].check,
    ),
    (
        "leaf_hash",
        "leaf_hash has 1 bytes, not 32",
        replace(INCLUSION, leaf_hash=b"x").check,
    ),
    (
        "root",
        f"root is {'11' * 32}, but the path leads to {ROOTS[6].hex()}",
        replace(INCLUSION, root=ELEVENS).check,
    ),
    (
        "root1",
        f"root1 is {'11' * 32}, but the path leads to {ROOTS[2].hex()}",
        replace(CONSISTENCY, root1=ELEVENS).check,
    ),
    (
        "root2",
        f"root2 is {'11' * 32}, but the path leads to {ROOTS[6].hex()}",
        replace(CONSISTENCY, root2=ELEVENS).check,
    ),
    (
        "index",
        "index 3 is not in the subtree [4, 6)",
        lambda: tree.check_subtree_inclusion(ROOTS[0], 4, 6, 3, LEAF_HASHES[0], []),
    ),
    (
        "start",
        "[2, 5) is not a subtree: start is not aligned",
        lambda: tree.check_subtree_inclusion(ROOTS[0], 2, 5, 3, LEAF_HASHES[0], []),
    ),
    (
        "end",
        "[5, 4) is not a range of leaves",
        lambda: tree.check_subtree_consistency(5, 4, ROOTS[0], 8, ROOTS[1], []),
    ),
    (
        "end",
        "end 9 is beyond a tree of 8 leaves",
        lambda: tree.check_subtree_consistency(8, 9, ROOTS[0], 8, ROOTS[1], []),
    ),
    (
        "size",
        "size -1 is not from 0 to 2^64 - 1",
        lambda: tree.check_subtree_consistency(0, 0, ROOTS[0], -1, ROOTS[1], []),
    ),
]


@pytest.mark.parametrize(("argument", "message", "call"), MESSAGES)
def test_an_error_says_which_argument_is_wrong_and_how(
    argument: str, message: str, call: Callable[[], object]
) -> None:
    with pytest.raises((ProofError, RangeError)) as caught:
        call()
    assert (argument, message) == (caught.value.argument, str(caught.value))


def test_making_a_proof_of_what_is_not_there_is_the_callers_fault() -> None:
    with pytest.raises(RangeError) as caught:
        tree.inclusion_path(SEVEN, -1)
    assert str(caught.value) == "index -1 is not in a tree of 7 leaves"


# ---------------------------------------------------------------- subtrees


@given(entries(1), st.data())
def test_every_aligned_range_of_leaves_is_proven_a_subtree(
    data: list[bytes], draw: st.DataObject
) -> None:
    height = draw.draw(st.integers(0, (len(data) - 1).bit_length()))
    start = draw.draw(st.integers(0, (len(data) - 1) >> height)) << height
    end = draw.draw(st.integers(start + 1, min(start + (1 << height), len(data))))
    index = draw.draw(st.integers(start, end - 1))
    hashes = [tree.leaf_hash(entry) for entry in data]
    top = tree.root(hashes[start:end])
    tree.check_subtree_inclusion(
        top, start, end, index, hashes[index], tree.inclusion_path(hashes[start:end], index - start)
    )
    path = [tree.root(hashes[a:b]) for a, b in tree._growth(start, end, len(data))]
    tree.check_subtree_consistency(start, end, top, len(data), tree.root(hashes), path)
    with pytest.raises(ProofError):
        tree.check_subtree_consistency(start, end, flipped(top), len(data), tree.root(hashes), path)


# ---------------------------------------------------------------- who checks needs no compiler


def test_trees_logs_and_proofs_do_without_numba() -> None:
    script = (
        "import sys, tieout.merkle.log, tieout.merkle.reference, tieout.merkle.tree;"
        "print(sorted({'numba', 'numpy', 'llvmlite'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"
