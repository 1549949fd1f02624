"""What is appended and synced is read back the same, found again, and follows what was before."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.journal import ledgers
from tests.journal.ledgers import LEDGER_ID
from tieout.journal.check import check_journal
from tieout.journal.errors import JournalError, JournalLocked, NoJournal, NoSuchBlock
from tieout.journal.frame import Entry
from tieout.journal.journal import Journal
from tieout.journal.lookup import Episode, ItemPlace
from tieout.journal.records import Place, record_batches, record_key
from tieout.journal.segment import ORIGIN
from tieout.wire.block import Block, BlockResult

COUNT = 20


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty blocks in five segments."""
    directory = tmp_path_factory.mktemp("ledger")
    ledgers.write(directory, COUNT)
    return directory


@pytest.fixture
def journal(ledger: Path) -> Iterator[Journal]:
    with Journal.open(ledger, LEDGER_ID, read_only=True) as opened:
        yield opened


def shown(block: Block, result: BlockResult) -> tuple[object, ...]:
    """Everything in a block and its result, to be compared."""
    items = tuple(bytes(item) for item in block.items)
    return (
        block.height,
        block.time_us,
        items,
        result.items,
        result.app_hash,
        result.events.tobytes(),
    )


def shown_entry(entry: Entry) -> tuple[object, ...]:
    return shown(entry.block, entry.result)


EXPECTED = [shown(block, result) for block, result in ledgers.blocks(COUNT)]


def test_what_the_system_may_forget_is_on_the_disk_all_the_same(tmp_path: Path) -> None:
    with Journal.open(tmp_path, LEDGER_ID, segment_bytes=4096) as journal:
        journal.drop_behind()
        for number, (block, result) in enumerate(ledgers.blocks(COUNT)):
            journal.append(block, result)
            if number % 3 == 0:
                journal.sync()
                assert shown_entry(journal.read(block.height)) == EXPECTED[number]
        journal.sync()
        assert [shown_entry(entry) for entry in journal.entries()] == EXPECTED


def test_all_blocks_come_back_as_they_were(journal: Journal) -> None:
    assert [shown_entry(entry) for entry in journal.entries()] == EXPECTED
    assert journal.durable.height == COUNT
    assert journal.durable.app_hash == EXPECTED[-1][4]


def test_a_block_is_read_by_its_height(journal: Journal) -> None:
    assert [shown_entry(journal.read(height)) for height in range(COUNT, 0, -1)] == EXPECTED[::-1]


def test_a_range_of_blocks_ends_with_the_last_one_wanted_or_there(journal: Journal) -> None:
    assert [entry.block.height for entry in journal.entries(7, 12)] == [7, 8, 9, 10, 11, 12]
    assert [entry.block.height for entry in journal.entries(19, 99)] == [19, 20]
    assert list(journal.entries(COUNT + 1)) == []


@pytest.mark.parametrize("height", [-1, 0, COUNT + 1])
def test_a_block_that_is_not_there_is_refused(journal: Journal, height: int) -> None:
    with pytest.raises(NoSuchBlock):
        journal.read(height)


def test_the_journal_goes_on_where_it_ended(tmp_path: Path, ledger: Path) -> None:
    for count in (1, 2, 9, COUNT):
        ledgers.write(tmp_path, count)
    written = {path.name: path.read_bytes() for path in (tmp_path / "segments").glob("*.seg")}
    at_once = {path.name: path.read_bytes() for path in (ledger / "segments").glob("*.seg")}
    assert written == at_once


def test_one_segment_holds_the_same_blocks_as_many(tmp_path: Path) -> None:
    ledgers.write(tmp_path, COUNT, segment_bytes=1 << 20)
    with Journal.open(tmp_path, LEDGER_ID, read_only=True) as journal:
        assert [shown_entry(entry) for entry in journal.entries()] == EXPECTED
    assert len(list((tmp_path / "segments").glob("*.seg"))) == 1


def test_a_block_is_read_once_it_is_durable_and_not_before(tmp_path: Path) -> None:
    (first, result), (second, result_two) = ledgers.blocks(2)
    with Journal.open(tmp_path, LEDGER_ID) as journal:
        journal.append(first, result)
        assert (journal.appended.height, journal.durable.height) == (1, 0)
        assert list(journal.entries()) == []
        assert journal.find_leaf(0) is None
        assert journal.find_items(1, 0, 1) == []
        assert journal.sync().height == 1
        assert shown_entry(journal.read(1)) == EXPECTED[0]
        assert journal.find_leaf(0) == ItemPlace(0, 1, 0)
        journal.append(second, result_two)
        with pytest.raises(NoSuchBlock):
            journal.read(2)


def test_one_thread_appends_while_another_syncs(tmp_path: Path) -> None:
    appended = threading.Semaphore(0)
    durable: list[int] = []
    with Journal.open(tmp_path, LEDGER_ID, segment_bytes=4096) as journal:

        def keep_syncing() -> None:
            while not durable or durable[-1] < COUNT:
                appended.acquire()
                durable.append(journal.sync().height)

        thread = threading.Thread(target=keep_syncing)
        thread.start()
        for block, result in ledgers.blocks(COUNT):
            journal.append(block, result)
            appended.release()
        thread.join()
        assert [shown_entry(entry) for entry in journal.entries()] == EXPECTED
        assert [journal.find_leaf(leaf) for leaf in range(len(LEAVES))] == LEAVES
    assert durable == sorted(durable)
    assert check_journal(tmp_path, LEDGER_ID).is_sound


LEAVES = [
    ItemPlace(result.leaf, block.height, position)
    for block, did in ledgers.blocks(COUNT)
    for position, result in enumerate(did.items)
    if result.leaf is not None
]


def test_every_leaf_is_found(journal: Journal) -> None:
    assert [journal.find_leaf(leaf) for leaf in range(len(LEAVES))] == LEAVES
    assert journal.find_leaf(len(LEAVES)) is None
    assert journal.find_leaf(-1) is None


def test_items_are_found_by_their_senders_number(journal: Journal) -> None:
    # Block 3 holds batch 3, a form of it that was changed on the way, and another batch 3.
    assert journal.find_items(1, 0, 3) == [ItemPlace(2, 3, 0), ItemPlace(4, 3, 4)]
    assert journal.find_items(1, 0, 1008) == [ItemPlace(12, 8, 1)]
    assert journal.find_items(2, 0, 3) == []
    assert journal.find_items(1, 0, 1 << 63) == []


def test_records_are_found_in_every_segment(journal: Journal) -> None:
    expected: dict[bytes, list[Place]] = {}
    for block, did in ledgers.blocks(COUNT):
        entry = Entry(block, did, journal.read(block.height).header, b"")
        for batch in record_batches(entry):
            for row, data in enumerate(batch.rows):
                expected.setdefault(data[:38].tobytes(), []).append(Place(batch.leaf, row))
    assert len(expected) == 21
    for key, places in expected.items():
        transaction_id = key[:36].rstrip(b"\0").decode()
        assert journal.find_records("orders", 0, transaction_id) == places
    assert journal.find_records("orders", 1, "T-003-0001") == []
    assert journal.find_records("other", 0, "T-003-0001") == []
    assert journal.find_records("orders", 0, "T-003-000") == []
    assert record_key(0, "T-003-0001") in expected


def test_episodes_of_breaks_are_kept(journal: Journal) -> None:
    assert journal.episodes(1, 2) == [Episode(1, 2, 2, 4)]
    assert journal.episodes(1, 4) == [Episode(1, 4, 4, None)]
    assert journal.episodes(1, 3) == []
    assert [each.serial for each in journal.open_episodes()] == [4, 8, 12, 16, 20]


def test_a_transaction_may_break_and_be_mended_again(tmp_path: Path) -> None:
    broken, closed, pending = "TRANSACTION_BROKEN", "BREAK_CLOSED", "TRANSACTION_PENDING"
    histories = [[broken], [closed, pending, broken], [closed]]
    with Journal.open(tmp_path, LEDGER_ID) as journal:
        for height, kinds in enumerate(histories, 1):
            events = ledgers.events_of([(kind, 7) for kind in kinds])
            journal.append(Block(height, height, ()), BlockResult(height, bytes(32), (), events))
        journal.sync()
        assert journal.episodes(1, 7) == [Episode(1, 7, 1, 2), Episode(1, 7, 2, None)]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("another height", lambda block, result: (replace(block, height=2), result)),
        ("another height of the result", lambda block, result: (block, replace(result, height=2))),
        ("a time that runs backwards", lambda block, result: (replace(block, time_us=-1), result)),
        ("a short app hash", lambda block, result: (block, replace(result, app_hash=b""))),
        (
            "leaves that skip one",
            lambda block, result: (
                block,
                replace(result, items=(replace(result.items[0], leaf=1),)),
            ),
        ),
        ("a result missing", lambda block, result: (block, replace(result, items=()))),
    ],
)
def test_a_block_that_is_not_next_is_refused(tmp_path: Path, name: str, change: object) -> None:
    ((block, result),) = ledgers.blocks(1)
    assert callable(change), name
    with Journal.open(tmp_path, LEDGER_ID) as journal:
        with pytest.raises(ValueError):  # noqa: PT011 - each message says its own
            journal.append(*change(block, result))
        assert journal.appended == ORIGIN
        journal.append(block, result)


def test_a_journal_has_one_writer_and_any_number_of_readers(tmp_path: Path) -> None:
    with Journal.open(tmp_path, LEDGER_ID) as journal:
        ((block, result),) = ledgers.blocks(1)
        journal.append(block, result)
        journal.sync()
        with pytest.raises(JournalLocked, match="process") as locked:
            Journal.open(tmp_path, LEDGER_ID)
        assert locked.value.path == tmp_path
        with Journal.open(tmp_path, LEDGER_ID, read_only=True) as reader:
            assert shown_entry(reader.read(1)) == EXPECTED[0]
            assert reader.find_leaf(0) == ItemPlace(0, 1, 0)
    Journal.open(tmp_path, LEDGER_ID).close()


def test_a_reader_writes_nothing(ledger: Path, journal: Journal) -> None:
    before = {path: path.stat().st_mtime_ns for path in ledger.rglob("*")}
    journal.find_records("orders", 0, "T-003-0001")
    journal.find_items(1, 0, 3)
    assert {path: path.stat().st_mtime_ns for path in ledger.rglob("*")} == before
    for refused in (journal.sync, lambda: journal.append(*next(ledgers.blocks(1)))):
        with pytest.raises(JournalError, match="read only"):
            refused()


def test_there_is_nothing_to_read_where_nothing_was_written(tmp_path: Path) -> None:
    with pytest.raises(NoJournal):
        Journal.open(tmp_path, LEDGER_ID, read_only=True)
    with pytest.raises(NoJournal):
        check_journal(tmp_path, LEDGER_ID)


def test_idle_time_sorts_the_records_of_sealed_segments(tmp_path: Path) -> None:
    ledgers.write(tmp_path, COUNT)
    assert list(tmp_path.rglob("*.ids")) == []
    with Journal.open(tmp_path, LEDGER_ID) as journal:
        journal.maintain()
        found = journal.find_records("orders", 0, "T-003-0001")
    names = [path.stem for path in sorted(tmp_path.rglob("*.seg"))]
    assert sorted(path.stem for path in tmp_path.rglob("*.ids")) == names[:-1]
    with Journal.open(tmp_path, LEDGER_ID, read_only=True) as journal:
        assert journal.find_records("orders", 0, "T-003-0001") == found


def test_a_copy_of_the_durable_files_is_the_journal_up_to_there(tmp_path: Path) -> None:
    """Made while another process writes, whose last blocks are in the files and not durable."""
    own, copied = tmp_path / "own", tmp_path / "copied"
    ledgers.write(own, COUNT)
    with Journal.open(own, LEDGER_ID, read_only=True) as journal:
        files = journal.durable_files()
        with (own / "segments" / files[-1][0].name).open("ab") as last:
            last.write(b"\x01" * 5000)
        (copied / "segments").mkdir(parents=True)
        for path, size in files:
            (copied / "segments" / path.name).write_bytes(path.read_bytes()[:size])
    with Journal.open(copied, LEDGER_ID) as journal:
        assert [shown_entry(entry) for entry in journal.entries()] == EXPECTED
        assert journal.torn is None


def test_a_journal_without_blocks_has_no_durable_files(tmp_path: Path) -> None:
    with Journal.open(tmp_path, LEDGER_ID) as journal:
        assert journal.durable_files() == []
