"""Whatever happens to the writing process: what it said is durable is there, and nothing twice."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.journal import ledgers
from tests.journal.ledgers import LEDGER_ID
from tests.journal.test_journal import shown, shown_entry
from tieout.journal.check import CheckReport, check_journal
from tieout.journal.errors import JournalLocked
from tieout.journal.journal import Journal

COUNT = 90
EXPECTED = [shown(block, result) for block, result in ledgers.blocks(COUNT)]


def appender(directory: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.journal.appender", str(directory), *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def kept_in(directory: Path) -> list[tuple[object, ...]]:
    with Journal.open(directory, LEDGER_ID, read_only=True) as journal:
        return [shown_entry(entry) for entry in journal.entries()]


def test_a_killed_writer_keeps_what_it_said_and_goes_on(tmp_path: Path) -> None:
    for lines in (1, 2, 7, 4):
        with appender(tmp_path, COUNT) as process:
            assert process.stdout is not None
            said = [int(process.stdout.readline()) for _ in range(lines)]
            process.kill()
            said += [int(line) for line in process.stdout if line.strip().isdigit()]
        kept = kept_in(tmp_path)
        assert len(kept) >= said[-1]
        assert kept == EXPECTED[: len(kept)]
        assert check_journal(tmp_path, LEDGER_ID).is_sound
    with appender(tmp_path, COUNT) as process:
        assert process.stdout is not None
        assert process.stdout.read().endswith("closed\n")
    assert kept_in(tmp_path) == EXPECTED
    assert check_journal(tmp_path, LEDGER_ID) == CheckReport((), None, COUNT)
    with Journal.open(tmp_path, LEDGER_ID) as journal:
        leaves = journal.durable.log_size
        assert [place.leaf for leaf in range(leaves) if (place := journal.find_leaf(leaf))] == list(
            range(leaves)
        )


@pytest.mark.parametrize("largest_file_bytes", [150, 30_000, 30_100, 30_500])
def test_a_full_disk_ends_the_writing_and_loses_nothing_durable(
    tmp_path: Path, largest_file_bytes: int
) -> None:
    with appender(tmp_path, COUNT, largest_file_bytes) as process:
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
    heights = [int(line) for line in lines if line.isdigit()]
    assert lines[len(heights) :][1:] == ["failed again", "failed again", "closed"]
    assert lines[len(heights)].startswith("failed: mend the disk")
    said = heights[-1] if heights else 0
    report = check_journal(tmp_path, LEDGER_ID)
    assert report.is_sound
    assert COUNT > report.height >= said
    with Journal.open(tmp_path, LEDGER_ID) as journal:
        kept = [shown_entry(entry) for entry in journal.entries()]
        assert kept == EXPECTED[: len(kept)]
        for block, result in list(ledgers.blocks(COUNT))[len(kept) :]:
            journal.append(block, result)
    assert kept_in(tmp_path) == EXPECTED


def test_a_process_that_writes_keeps_others_from_writing(tmp_path: Path) -> None:
    with appender(tmp_path, COUNT * 10) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(JournalLocked) as locked:
            Journal.open(tmp_path, LEDGER_ID)
        assert locked.value.holder == process.pid
        assert len(kept_in(tmp_path)) >= 3
        process.kill()
    Journal.open(tmp_path, LEDGER_ID).close()
