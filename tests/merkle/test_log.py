import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.merkle.leaves import LEAF_HASHES, ROOTS, entries
from tieout.merkle import reference, tree
from tieout.merkle.errors import MerkleError, RangeError
from tieout.merkle.log import Frontier, Log


def log_of(data: list[bytes]) -> Log:
    log = Log()
    log.extend(tree.leaf_hash(entry) for entry in data)
    return log


def frontier_of(data: list[bytes]) -> Frontier:
    frontier = Frontier()
    for entry in data:
        frontier.append(tree.leaf_hash(entry))
    return frontier


def test_an_empty_log_has_the_root_of_nothing() -> None:
    assert (Log().size, Log().root()) == (0, tree.EMPTY_ROOT)
    assert (Frontier().size, Frontier().root()) == (0, tree.EMPTY_ROOT)


def test_a_log_has_the_roots_of_certificate_transparency_as_it_grows() -> None:
    log, frontier = Log(), Frontier()
    for index, leaf in enumerate(LEAF_HASHES):
        assert index == log.append(leaf)
        frontier.append(leaf)
        assert ROOTS[index] == log.root() == frontier.root()
    assert [log.root_at(size) for size in range(1, 9)] == ROOTS
    assert [log.leaf_hash(index) for index in range(8)] == LEAF_HASHES


@given(entries(), st.data())
def test_a_log_knows_the_root_of_every_size_it_had(data: list[bytes], draw: st.DataObject) -> None:
    size = draw.draw(st.integers(0, len(data)))
    assert reference.tree_hash(data[:size]) == log_of(data).root_at(size)


@given(entries(1), st.data())
def test_a_log_proves_every_leaf_at_every_size(data: list[bytes], draw: st.DataObject) -> None:
    size = draw.draw(st.integers(1, len(data)))
    index = draw.draw(st.integers(0, size - 1))
    path = log_of(data).inclusion_path(index, size)
    assert reference.audit_path(index, data[:size]) == path


@given(entries(1), st.data())
def test_a_log_proves_that_it_only_grew(data: list[bytes], draw: st.DataObject) -> None:
    size2 = draw.draw(st.integers(1, len(data)))
    size1 = draw.draw(st.integers(1, size2))
    path = log_of(data).consistency_path(size1, size2)
    assert reference.consistency_proof(size1, data[:size2]) == path


@given(entries())
def test_a_frontier_has_the_root_of_its_leaves(data: list[bytes]) -> None:
    frontier = frontier_of(data)
    assert (len(data), reference.tree_hash(data)) == (frontier.size, frontier.root())


@given(entries(), entries())
def test_a_frontier_goes_on_from_its_bytes(before: list[bytes], after: list[bytes]) -> None:
    image = frontier_of(before).to_bytes()
    frontier = Frontier.from_bytes(image)
    assert image == frontier.to_bytes()
    for entry in after:
        frontier.append(tree.leaf_hash(entry))
    assert reference.tree_hash(before + after) == frontier.root()


def test_the_bytes_of_a_frontier_are_its_size_and_its_perfect_subtrees() -> None:
    frontier = Frontier()
    for leaf in LEAF_HASHES[:5]:
        frontier.append(leaf)
    expected = bytes([5, 0, 0, 0, 0, 0, 0, 0]) + ROOTS[3] + LEAF_HASHES[4]
    assert expected == frontier.to_bytes()


@pytest.mark.parametrize("damage", ["cut", "longer", "other size", "only half a size", "nothing"])
def test_bytes_that_are_no_frontier_are_refused(damage: str) -> None:
    image = frontier_of([b"a", b"b", b"c"]).to_bytes()
    damaged = {
        "cut": image[:-1],
        "longer": image + b"\0",
        "other size": b"\x04" + image[1:],
        "only half a size": image[:4],
        "nothing": b"",
    }[damage]
    with pytest.raises(MerkleError, match=r"a frontier of \d leaves has \d+ bytes, these are \d+"):
        Frontier.from_bytes(damaged)


@given(entries(), entries(1), st.data())
def test_a_log_that_goes_on_from_a_frontier_proves_what_came_after(
    before: list[bytes], after: list[bytes], draw: st.DataObject
) -> None:
    log, whole = Log.after(frontier_of(before)), log_of(before + after)
    log.extend(tree.leaf_hash(entry) for entry in after)
    assert (log.size, log.root()) == (whole.size, whole.root())
    index = draw.draw(st.integers(len(before), whole.size - 1))
    size = draw.draw(st.integers(index + 1, whole.size))
    assert log.inclusion_path(index, size) == whole.inclusion_path(index, size)
    assert log.root_at(size) == whole.root_at(size)


def test_a_log_that_goes_on_from_a_frontier_has_no_leaf_from_before() -> None:
    log = Log.after(frontier_of([b"a", b"b", b"c"]))
    for ask in (lambda: log.leaf_hash(1), lambda: log.inclusion_path(0, 3)):
        with pytest.raises(RangeError, match="has not what was before"):
            ask()


def test_a_leaf_that_is_no_hash_is_refused_and_changes_nothing() -> None:
    log, frontier = log_of([b"a"]), frontier_of([b"a"])
    with pytest.raises(MerkleError, match="a leaf hash has 32 bytes, this one has 4"):
        log.append(b"data")
    with pytest.raises(MerkleError, match="a leaf hash has 32 bytes, this one has 4"):
        frontier.append(b"data")
    with pytest.raises(MerkleError, match="a leaf hash has 32 bytes, this one has 4"):
        log.extend([LEAF_HASHES[0], b"data"])
    assert (log.size, frontier.size) == (1, 1)
    assert tree.leaf_hash(b"a") == log.root() == frontier.root()


def test_a_log_does_not_speak_of_what_it_does_not_have() -> None:
    log = log_of([b"a", b"b", b"c"])
    asked = {
        "index 3 is not in a log of 3 leaves": lambda: log.leaf_hash(3),
        "index -1 is not in a log of 3 leaves": lambda: log.leaf_hash(-1),
        "size 4 is not from 0 to the log's 3": lambda: log.root_at(4),
        "size 4 is beyond the log's 3": lambda: log.inclusion_path(0, 4),
        "index 2 is not in a tree of 2 leaves": lambda: log.inclusion_path(2, 2),
        "size2 4 is beyond the log's 3": lambda: log.consistency_path(1, 4),
        "size1 0 is not from 1 to size2, which is 3": lambda: log.consistency_path(0, 3),
    }
    for message, call in asked.items():
        with pytest.raises(RangeError) as caught:
            call()
        assert message == str(caught.value)
