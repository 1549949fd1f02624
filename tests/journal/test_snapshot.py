"""A snapshot is whole, of this chain and believed, or passed over and named."""

from pathlib import Path

import numpy as np
import pytest

from tests.journal import ledgers
from tests.journal.ledgers import LEDGER_ID, parts_at
from tieout.journal.errors import SnapshotFailed
from tieout.journal.journal import Journal, LoadedSnapshot
from tieout.journal.limits import CHUNK_BYTES


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    ledgers.write(tmp_path, 3)
    return tmp_path


def take(directory: Path, height: int) -> Path:
    ledgers.write(directory, height)
    with Journal.open(directory, LEDGER_ID) as journal:
        return journal.snapshot_writer(parts_at(height)).finish()


def plain(loaded: LoadedSnapshot | None) -> tuple[int, list[tuple[str, bytes]]] | None:
    if loaded is None:
        return None
    return loaded.height, [(name, bytes(data)) for name, data in loaded.parts.items()]


def load(directory: Path) -> tuple[tuple[int, list[tuple[str, bytes]]] | None, list[int]]:
    """What is loaded, and the heights of what was passed over."""
    with Journal.open(directory, LEDGER_ID, read_only=True) as journal:
        loaded = plain(journal.load_snapshot())
        return loaded, [damage.height for damage in journal.damaged_snapshots]


def test_a_snapshot_comes_back_part_by_part(directory: Path) -> None:
    take(directory, 3)
    with Journal.open(directory, LEDGER_ID) as journal:
        loaded = journal.load_snapshot()
        assert loaded is not None
        assert plain(loaded) == (3, parts_at(3))
        assert loaded.app_hash == journal.durable.app_hash


def test_without_a_snapshot_everything_is_replayed(directory: Path) -> None:
    assert load(directory) == (None, [])


def test_the_newest_two_are_kept(directory: Path) -> None:
    for height in (3, 4, 5, 6):
        take(directory, height)
    names = [path.name for path in sorted((directory / "snapshots").iterdir())]
    assert names == ["00000000000000000005.snap", "00000000000000000006.snap"]
    assert load(directory) == ((6, parts_at(6)), [])


def test_a_damaged_snapshot_gives_way_to_the_one_before(directory: Path) -> None:
    older, newer = take(directory, 3), take(directory, 4)
    newer.write_bytes(newer.read_bytes()[:-1] + b"?")
    assert load(directory) == ((3, parts_at(3)), [4])
    older.write_bytes(older.read_bytes()[:40])
    assert load(directory) == (None, [4, 3])


def test_a_snapshot_of_another_history_is_passed_over(directory: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    ledgers.write(other, 3, rows=2)
    with Journal.open(other, LEDGER_ID) as journal:
        foreign = journal.snapshot_writer(parts_at(3)).finish()
    (directory / "snapshots").mkdir()
    foreign.replace(directory / "snapshots" / foreign.name)
    assert load(directory) == (None, [3])


def test_large_parts_are_written_in_steps_and_read_into_given_buffers(directory: Path) -> None:
    sizes = {"one": CHUNK_BYTES - 1, "two": CHUNK_BYTES, "three": 3 * CHUNK_BYTES + 1}
    dtype = np.dtype([("id", "S3"), ("amount", "<i8")])
    parts = {
        name: np.frombuffer(np.random.default_rng(size).bytes(size), np.uint8)
        for name, size in sizes.items()
    }
    structured = np.zeros(1000, dtype)
    structured["amount"] = range(1000)
    given = {name: np.ones(size, np.uint8) for name, size in sizes.items()}
    given["structured"] = np.ones(structured.nbytes, np.uint8)
    with Journal.open(directory, LEDGER_ID) as journal:
        writer = journal.snapshot_writer([*parts.items(), ("structured", structured)])
        steps = 1
        while not writer.step(CHUNK_BYTES):
            steps += 1
        writer.finish()
        loaded = journal.load_snapshot(lambda name, _: given[name])
    assert loaded is not None
    assert steps == 5
    assert all((given[name] == parts[name]).all() for name in sizes)
    assert (given["structured"].view(dtype) == structured).all()


def test_an_unfinished_snapshot_is_none(directory: Path) -> None:
    with Journal.open(directory, LEDGER_ID) as journal:
        journal.snapshot_writer(parts_at(3)).step()
        assert journal.load_snapshot() is None
        again = journal.snapshot_writer(parts_at(3))
        again.step()
        again.abandon()
        assert list((directory / "snapshots").iterdir()) == []


def test_only_a_durable_state_is_kept(directory: Path) -> None:
    with Journal.open(directory, LEDGER_ID) as journal:
        *_, (block, result) = ledgers.blocks(4)
        journal.append(block, result)
        with pytest.raises(ValueError, match="durable"):
            journal.snapshot_writer(parts_at(4))
    with (
        Journal.open(directory / "empty", LEDGER_ID) as journal,
        pytest.raises(ValueError, match="durable"),
    ):
        journal.snapshot_writer([])


@pytest.mark.parametrize("names", [["a", "a"], [""], ["x" * 49]])
def test_parts_have_names_of_their_own(directory: Path, names: list[str]) -> None:
    with Journal.open(directory, LEDGER_ID) as journal, pytest.raises(ValueError, match="name"):
        journal.snapshot_writer([(name, b"") for name in names])


def test_a_snapshot_that_cannot_be_written_leaves_the_journal_as_it_is(directory: Path) -> None:
    (directory / "snapshots").write_text("a file where a folder should be")
    with Journal.open(directory, LEDGER_ID) as journal:
        with pytest.raises(SnapshotFailed) as failed:
            journal.snapshot_writer(parts_at(3))
        assert "disk" in failed.value.advice
        *_, (block, result) = ledgers.blocks(4)
        journal.append(block, result)
        assert journal.sync().height == 4
