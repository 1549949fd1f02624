"""Every changed byte is found and named; what a power cut leaves is told apart from damage."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from errno import ENOSPC
from pathlib import Path

import pytest

from tests.journal import ledgers
from tests.journal.ledgers import LEDGER_ID
from tests.journal.test_journal import shown, shown_entry
from tieout.journal.check import CheckReport, check_journal
from tieout.journal.disk import Buffer, SystemDisk
from tieout.journal.errors import JournalDamaged, JournalFailed
from tieout.journal.journal import Journal
from tieout.journal.limits import SECTOR_BYTES

COUNT = 5
EXPECTED = [shown(block, result) for block, result in ledgers.blocks(COUNT, rows=2)]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five blocks in two segments, a snapshot after the fourth and one after the last."""
    directory = tmp_path_factory.mktemp("sound")
    for height in (4, COUNT):
        ledgers.write(directory, height, segment_bytes=1600, rows=2)
        with Journal.open(directory, LEDGER_ID) as journal:
            journal.snapshot_writer(ledgers.parts_at(height)).finish()
    return directory


@pytest.fixture
def ledger(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "ledger"))


def one_file(directory: Path, pattern: str, position: int) -> Path:
    return sorted(directory.rglob(pattern))[position]


@contextmanager
def changed(path: Path, at: int, mask: int) -> Iterator[None]:
    """A file in which one byte is another one for a while."""
    with path.open("r+b", buffering=0) as file:
        file.seek(at)
        (byte,) = file.read(1)
        for value in (byte ^ mask, byte):
            file.seek(at)
            file.write(bytes([value]))
            if value != byte:
                yield


def heights_of(report: CheckReport) -> list[int]:
    return [damage.height for damage in report.damages]


def read_all(directory: Path) -> list[tuple[object, ...]]:
    with Journal.open(directory, LEDGER_ID, read_only=True) as journal:
        return [shown_entry(entry) for entry in journal.entries()]


def without_snapshots(directory: Path) -> None:
    shutil.rmtree(directory / "snapshots")


def test_a_sound_journal_is_sound(sound: Path) -> None:
    assert len(list(sound.rglob("*.seg"))) == 2
    assert check_journal(sound, LEDGER_ID) == CheckReport((), None, COUNT)


@pytest.mark.slow
@pytest.mark.parametrize("position", [0, 1])
def test_every_changed_byte_of_a_segment_is_named(ledger: Path, position: int) -> None:
    path = one_file(ledger, "*.seg", position)
    first = int(path.stem)
    unnoticed = []
    for at in range(path.stat().st_size):
        with changed(path, at, 1 << at % 8):
            report = check_journal(ledger, LEDGER_ID)
        named = report.damages[0] if report.damages else None
        if named is None or named.file != path or not first <= named.height <= COUNT:
            unnoticed.append(at)
    assert unnoticed == []


def test_the_block_that_was_changed_is_the_one_that_is_named(ledger: Path) -> None:
    with Journal.open(ledger, LEDGER_ID, read_only=True) as journal:
        places = [journal._chain.locate(height) for height in range(1, COUNT + 1)]
    for height, (segment, located) in enumerate(places, 1):
        for at in (located.offset, located.offset + 60, located.end - 45, located.end - 1):
            with changed(segment.path, at, 0xFF):
                assert heights_of(check_journal(ledger, LEDGER_ID))[0] == height


def test_every_changed_byte_of_a_snapshot_is_named(ledger: Path) -> None:
    path = one_file(ledger, "*.snap", 1)
    unnoticed = []
    for at in range(path.stat().st_size):
        with changed(path, at, 1 << at % 8):
            damages = check_journal(ledger, LEDGER_ID).damages
        if [damage.file for damage in damages] != [path]:
            unnoticed.append(at)
    assert unnoticed == []


@pytest.mark.parametrize("position", [0, 1])
def test_changed_rows_are_found_by_their_signed_root(ledger: Path, position: int) -> None:
    path = one_file(ledger, "*.seg", position)
    with changed(path, path.read_bytes().index(b"T-00"), 1):
        damage = check_journal(ledger, LEDGER_ID).damages[0]
    assert damage.reason == "the rows of item 0 do not have their root"


def test_a_journal_cut_anywhere_is_torn_or_shorter_and_goes_on(sound: Path, tmp_path: Path) -> None:
    whole = one_file(sound, "*.seg", 1).read_bytes()
    last_of_first = int(one_file(sound, "*.seg", 1).stem) - 1
    boundaries = set()
    with Journal.open(sound, LEDGER_ID, read_only=True) as journal:
        for height in range(last_of_first + 1, COUNT + 1):
            boundaries.add(journal._chain.locate(height)[1].offset)
    for size in range(0, len(whole), 37):
        ledger = Path(shutil.copytree(sound, tmp_path / str(size)))
        without_snapshots(ledger)
        one_file(ledger, "*.seg", 1).write_bytes(whole[:size])
        report = check_journal(ledger, LEDGER_ID)
        assert report.is_sound
        assert (report.torn is None) == (size in boundaries)
        with Journal.open(ledger, LEDGER_ID, segment_bytes=1600) as opened:
            assert (opened.torn is None) == (size in boundaries)
            kept = [shown_entry(entry) for entry in opened.entries()]
            assert last_of_first <= len(kept) < COUNT
            assert kept == EXPECTED[: len(kept)]
            for block, result in list(ledgers.blocks(COUNT, rows=2))[len(kept) :]:
                opened.append(block, result)
        assert read_all(ledger) == EXPECTED
        assert check_journal(ledger, LEDGER_ID) == CheckReport((), None, COUNT)
        shutil.rmtree(ledger)


def test_what_was_torn_is_kept_aside(ledger: Path) -> None:
    without_snapshots(ledger)
    path = one_file(ledger, "*.seg", 1)
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    with Journal.open(ledger, LEDGER_ID) as journal:
        end = path.stat().st_size
        assert journal.torn is not None
        assert ".torn" in journal.torn
    assert one_file(ledger, "*.torn", 0).read_bytes() == whole[end:-3]


def test_cutting_what_a_snapshot_was_taken_after_is_damage(ledger: Path) -> None:
    path = one_file(ledger, "*.seg", 1)
    path.write_bytes(path.read_bytes()[:-3])
    for read_only in (False, True):
        with pytest.raises(JournalDamaged) as damaged:
            Journal.open(ledger, LEDGER_ID, read_only=read_only)
        assert damaged.value.height == COUNT
    assert heights_of(check_journal(ledger, LEDGER_ID)) == [COUNT]


def three_blocks(directory: Path, *, synced: bool) -> Path:
    """Three blocks of several sectors each, all of them durable or none."""
    with Journal.open(directory, LEDGER_ID) as journal:
        for block, result in ledgers.blocks(3, rows=30):
            journal.append(block, result)
            if synced:
                journal.sync()
    return one_file(directory, "*.seg", 0)


@pytest.mark.parametrize("sector", [1, 3, 5])
def test_a_sector_lost_in_a_durable_block_is_damage(tmp_path: Path, sector: int) -> None:
    path = three_blocks(tmp_path, synced=True)
    data = bytearray(path.read_bytes())
    data[sector * SECTOR_BYTES : (sector + 1) * SECTOR_BYTES] = bytes(SECTOR_BYTES)
    path.write_bytes(data)
    assert heights_of(check_journal(tmp_path, LEDGER_ID)) == [1]


def test_a_lost_header_of_a_durable_block_is_damage_when_opened(tmp_path: Path) -> None:
    path = three_blocks(tmp_path, synced=True)
    (tmp_path / "index.sqlite").unlink()
    with Journal.open(tmp_path, LEDGER_ID, read_only=True) as journal:
        _, second = journal._chain.locate(2)
    data = bytearray(path.read_bytes())
    data[second.offset : second.offset + SECTOR_BYTES] = bytes(SECTOR_BYTES)
    path.write_bytes(data)
    with pytest.raises(JournalDamaged) as damaged:
        Journal.open(tmp_path, LEDGER_ID, read_only=True)
    assert damaged.value.height == 2
    assert damaged.value.offset == second.offset


class FullDisk(SystemDisk):
    """No file gets a byte more."""

    def write(self, _fd: int, _buffers: Sequence[Buffer], _offset: int) -> int:
        raise OSError(ENOSPC, os.strerror(ENOSPC))


def test_what_was_torn_stays_where_it_is_while_the_disk_is_full(ledger: Path) -> None:
    without_snapshots(ledger)
    path = one_file(ledger, "*.seg", 1)
    path.write_bytes(path.read_bytes()[:-3])
    torn = path.read_bytes()
    with pytest.raises(JournalFailed, match=r"cannot be set aside .*No space left") as caught:
        Journal.open(ledger, LEDGER_ID, disk=FullDisk())
    assert "is it full?" in caught.value.advice
    assert path.read_bytes() == torn
    with Journal.open(ledger, LEDGER_ID) as journal:
        assert journal.torn is not None


def test_a_sector_that_was_never_written_makes_all_blocks_behind_it_torn(tmp_path: Path) -> None:
    path = three_blocks(tmp_path, synced=False)
    whole = path.read_bytes()
    for sector in range(1, len(whole) // SECTOR_BYTES + 1):
        data = bytearray(whole)
        end = min(len(data), (sector + 1) * SECTOR_BYTES)
        data[sector * SECTOR_BYTES : end] = bytes(end - sector * SECTOR_BYTES)
        path.write_bytes(data)
        (tmp_path / "index.sqlite").unlink()
        report = check_journal(tmp_path, LEDGER_ID)
        assert report.is_sound
        assert report.torn is not None
        with Journal.open(tmp_path, LEDGER_ID) as journal:
            assert journal.torn is not None
            assert journal.durable.height == report.height < 3


def test_a_last_block_with_a_changed_byte_is_damage_and_not_torn(ledger: Path) -> None:
    without_snapshots(ledger)
    path = one_file(ledger, "*.seg", 1)
    with Journal.open(ledger, LEDGER_ID, read_only=True) as journal:
        _, last = journal._chain.locate(COUNT)
    for at in range(last.offset, last.end, 3):
        with changed(path, at, 1), pytest.raises(JournalDamaged) as damaged:
            Journal.open(ledger, LEDGER_ID)
        assert damaged.value.height == COUNT
        assert not list(ledger.rglob("*.torn"))


def test_a_segment_that_is_gone_is_named(ledger: Path) -> None:
    first = one_file(ledger, "*.seg", 0)
    first.unlink()
    with pytest.raises(JournalDamaged) as damaged:
        Journal.open(ledger, LEDGER_ID)
    assert damaged.value.height > 1
    assert not check_journal(ledger, LEDGER_ID).is_sound


def test_a_segment_of_another_ledger_is_named(ledger: Path) -> None:
    with pytest.raises(JournalDamaged, match="of this ledger"):
        Journal.open(ledger, bytes(32), read_only=True)
    assert heights_of(check_journal(ledger, bytes(32)))[:2] == [1, 4]


def test_a_segment_from_another_history_is_named(ledger: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    ledgers.write(other, COUNT, segment_bytes=1600, rows=3)
    shutil.copy(one_file(other, "*.seg", 0), one_file(ledger, "*.seg", 0))
    with pytest.raises(JournalDamaged, match="go on"):
        Journal.open(ledger, LEDGER_ID)
    assert not check_journal(ledger, LEDGER_ID).is_sound


# ---------------------------------------------------------------- what can be made anew


def answers(directory: Path, *, read_only: bool) -> list[object]:
    with Journal.open(directory, LEDGER_ID, read_only=read_only, segment_bytes=1600) as journal:
        return [
            [journal.find_leaf(leaf) for leaf in range(journal.durable.log_size)],
            [journal.find_items(1, 0, sequence) for sequence in (*range(8), 1004)],
            [journal.episodes(1, serial) for serial in range(COUNT)],
            journal.open_episodes(),
            journal.find_records("orders", 0, "T-001-0001"),
            [shown_entry(journal.read(height)) for height in range(1, COUNT + 1)] == EXPECTED,
        ]


def test_an_index_that_is_gone_is_built_anew(ledger: Path) -> None:
    expected = answers(ledger, read_only=True)
    (ledger / "index.sqlite").unlink()
    assert answers(ledger, read_only=True) == expected
    assert not (ledger / "index.sqlite").exists()
    assert answers(ledger, read_only=False) == expected
    assert (ledger / "index.sqlite").exists()


@pytest.mark.parametrize("read_only", [True, False])
def test_a_changed_index_never_answers_wrongly(ledger: Path, *, read_only: bool) -> None:
    expected = answers(ledger, read_only=True)
    path = ledger / "index.sqlite"
    whole = path.read_bytes()
    used = [at for at in range(len(whole)) if whole[at] != 0]
    for at in used[:: 17 if read_only else 31]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        assert answers(ledger, read_only=read_only) == expected


def test_an_index_of_another_ledger_is_built_anew(ledger: Path, tmp_path: Path) -> None:
    expected = answers(ledger, read_only=True)
    ledgers.write(tmp_path / "other", COUNT, rows=3)
    shutil.copy(tmp_path / "other" / "index.sqlite", ledger / "index.sqlite")
    assert answers(ledger, read_only=False) == expected


def test_a_changed_sidecar_is_made_anew(ledger: Path) -> None:
    with Journal.open(ledger, LEDGER_ID) as journal:
        journal.maintain()
        expected = journal.find_records("orders", 0, "T-001-0001")
    path = one_file(ledger, "*.ids", 0)
    whole = path.read_bytes()
    for at in range(0, len(whole), 5):
        with changed(path, at, 1), Journal.open(ledger, LEDGER_ID, read_only=True) as journal:
            assert journal.find_records("orders", 0, "T-001-0001") == expected
    path.write_bytes(whole[:-1])
    with Journal.open(ledger, LEDGER_ID) as journal:
        journal.maintain()
    assert path.read_bytes() == whole
