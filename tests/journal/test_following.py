"""A reader that stays open sees what another process writes meanwhile."""

from pathlib import Path

import pytest

from tests.journal import ledgers
from tests.journal.ledgers import LEDGER_ID
from tieout.journal.errors import JournalDamaged
from tieout.journal.journal import SEGMENTS, Journal
from tieout.journal.limits import ALLOCATE_BYTES

ONE_SEGMENT = 1 << 20
SMALL_SEGMENT = 8_192
"""A few blocks fill it."""


def test_a_reader_takes_up_blocks_and_segments_as_they_come(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal.open(path, LEDGER_ID, segment_bytes=SMALL_SEGMENT) as writer:
        with Journal.open(path, LEDGER_ID, read_only=True) as reader:
            read: list[int] = []
            for block, result in ledgers.blocks(40):
                writer.append(block, result)
                writer.sync()
                if block.height % 3:
                    continue
                assert reader.refresh() == writer.durable
                read += [entry.block.height for entry in reader.entries(len(read) + 1)]
            assert read == list(range(1, 40))
            assert reader.refresh() == writer.refresh() == writer.durable
            assert [reader.read(height).block.height for height in (1, 20, 40)] == [1, 20, 40]
        assert len(list((path / SEGMENTS).glob("*.seg"))) > 2


def test_without_anything_new_it_stays(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    ledgers.write(path, 5, segment_bytes=ONE_SEGMENT)
    with Journal.open(path, LEDGER_ID, read_only=True) as reader:
        before = reader.durable
        assert reader.refresh() == reader.refresh() == before


def test_other_blocks_at_the_end_than_before_are_named(tmp_path: Path) -> None:
    """As when a power cut took the last block, and another one was written in its place."""
    path, other = tmp_path / "journal", tmp_path / "other"
    ledgers.write(path, 5, segment_bytes=ONE_SEGMENT)
    ledgers.write(other, 5, rows=4, segment_bytes=ONE_SEGMENT)
    with Journal.open(path, LEDGER_ID, read_only=True) as reader:
        (segment,) = (path / SEGMENTS).glob("*.seg")
        (changed,) = (other / SEGMENTS).glob("*.seg")
        segment.write_bytes(changed.read_bytes())
        with pytest.raises(JournalDamaged):
            reader.refresh()


def test_the_space_that_a_writer_asked_for_ahead_is_not_read_for_each_block(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal.open(path, LEDGER_ID) as writer:
        blocks = iter(ledgers.blocks(20))
        writer.append(*next(blocks))
        writer.sync()
        with Journal.open(path, LEDGER_ID, read_only=True) as reader:
            before = bytes_read()
            for block, result in blocks:
                writer.append(block, result)
                writer.sync()
                assert reader.refresh() == writer.durable
            (segment,) = (path / SEGMENTS).glob("*.seg")
            assert segment.stat().st_size >= ALLOCATE_BYTES
            assert bytes_read() - before < ALLOCATE_BYTES


def bytes_read() -> int:
    """What this process has read until now, from files or from the memory of files."""
    words = Path("/proc/self/io").read_text(encoding="ascii").split()
    return int(words[words.index("rchar:") + 1])
