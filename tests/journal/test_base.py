"""A journal that begins after a block whose predecessors are elsewhere."""

from pathlib import Path

import pytest

from tests.journal import ledgers
from tests.journal.ledgers import LEDGER_ID, parts_at
from tieout.journal.beginning import begin_journal
from tieout.journal.check import check_journal
from tieout.journal.errors import JournalDamaged, NoSuchBlock
from tieout.journal.journal import Journal
from tieout.journal.lookup import Episode
from tieout.journal.segment import ORIGIN, Point, base_point

BASE_HEIGHT = 7
BLOCKS = 20


def log_size(height: int) -> int:
    leaves = [item.leaf for block, r in ledgers.blocks(height) for item in r.items]
    return sum(leaf is not None for leaf in leaves)


def base() -> Point:
    *_, (block, result) = ledgers.blocks(BASE_HEIGHT)
    size = log_size(BASE_HEIGHT)
    return base_point(LEDGER_ID, BASE_HEIGHT, block.time_us, size, result.app_hash)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A journal that begins after block 7, and goes on to block 20 in several segments."""
    path = tmp_path / "journal"
    begin_journal(path, LEDGER_ID, base(), parts_at(BASE_HEIGHT))
    ledgers.write(path, BLOCKS)
    return path


def test_it_goes_on_from_where_it_begins(directory: Path) -> None:
    with Journal.open(directory, LEDGER_ID) as journal:
        heights = [entry.block.height for entry in journal.entries(BASE_HEIGHT + 1)]
        assert heights == list(range(BASE_HEIGHT + 1, BLOCKS + 1))
        assert journal.base == base()


def test_before_its_first_block_it_is_open_and_empty(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    begin_journal(path, LEDGER_ID, base(), parts_at(BASE_HEIGHT))
    with Journal.open(path, LEDGER_ID) as journal:
        loaded = journal.load_snapshot()
        assert (journal.durable, journal.base) == (base(), base())
        assert loaded is not None
        assert (loaded.height, loaded.app_hash) == (BASE_HEIGHT, base().app_hash)


def test_a_block_from_before_is_not_here(directory: Path) -> None:
    with Journal.open(directory, LEDGER_ID) as journal:
        for ask in (lambda: journal.read(BASE_HEIGHT), lambda: next(journal.entries())):
            with pytest.raises(NoSuchBlock, match="began after"):
                ask()


def test_the_index_answers_about_what_is_here(directory: Path) -> None:
    first = log_size(BASE_HEIGHT)
    for _ in range(2):
        with Journal.open(directory, LEDGER_ID) as journal:
            place = journal.find_leaf(first)
            assert place is not None
            assert place.height == BASE_HEIGHT + 1
            assert journal.find_leaf(first - 1) is None
            assert [item.height for item in journal.find_items(1, 0, 11)] == [11]
            assert journal.find_items(1, 0, 2) == []
            assert journal.episodes(1, 6) == [Episode(1, 6, BASE_HEIGHT, 8)]
            assert journal.episodes(1, 10) == [Episode(1, 10, 10, 12)]


def test_an_index_that_was_removed_is_built_anew(directory: Path) -> None:
    with Journal.open(directory, LEDGER_ID) as journal:
        expected = journal.find_items(1, 0, 11)
    (directory / "index.sqlite").unlink()
    with Journal.open(directory, LEDGER_ID) as journal:
        assert journal.find_items(1, 0, 11) == expected


def test_the_state_that_it_begins_with_is_never_dropped(directory: Path) -> None:
    for height in (21, 22, 23):
        ledgers.write(directory, height)
        with Journal.open(directory, LEDGER_ID) as journal:
            journal.snapshot_writer(parts_at(height)).finish()
    names = [int(path.stem) for path in sorted((directory / "snapshots").iterdir())]
    assert names == [BASE_HEIGHT, 22, 23]


def test_the_check_finds_it_sound(directory: Path) -> None:
    report = check_journal(directory, LEDGER_ID)
    assert (report.is_sound, report.height) == (True, BLOCKS)


def test_a_journal_whose_first_segment_was_removed_is_no_such_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    ledgers.write(path, BLOCKS)
    first, *rest = sorted((path / "segments").glob("*.seg"))
    assert rest
    first.unlink()
    with pytest.raises(JournalDamaged, match="does not go on"):
        Journal.open(path, LEDGER_ID)
    assert not check_journal(path, LEDGER_ID).is_sound


def test_the_beginning_of_a_ledger_has_no_base() -> None:
    assert base_point(LEDGER_ID, 0, 0, 0, bytes(32)) == ORIGIN
