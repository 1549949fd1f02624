"""A small ledger, damaged byte by byte: `tieout audit` finds it, and what can be rebuilt is.

Every byte of segments and snapshots is flipped in the tests of the journal; here a sample goes all
the way from the file to the exit code.
"""

import re
import shutil
from pathlib import Path

import pytest

from tests.cli.desk import BANK_DECIDES, Desk
from tieout.engines.embedded.ledger import EmbeddedLedger

HEAD = "transaction_id,amount"
SAMPLE = 60
"""Bytes of each file that are flipped."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ledger of two days, a snapshot between them."""
    folder = tmp_path_factory.mktemp("sound")
    desk = Desk(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        days = ("2026-03-31T18:00:00Z", "2026-04-01T18:00:00Z")
        first = {"seller": [HEAD, "A,1.00", "B,2.00"], "bank": [HEAD, "A,1.00", "B,2.50"]}
        desk.reconcile(BANK_DECIDES, "--cutoff", days[0], **first)
        with EmbeddedLedger.open(folder / "tieout-ledger") as ledger:
            ledger.snapshot()
        second = {"seller": [HEAD, "C,3.00"], "bank": [HEAD, "C,3.00"]}
        desk.reconcile(BANK_DECIDES, "--cutoff", days[1], **second)
        assert desk.tieout("audit").code == 0
    return folder


@pytest.fixture
def desk(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A copy of it."""
    shutil.copytree(sound, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path)


def journal(desk: Desk) -> Path:
    return desk.folder / "tieout-ledger" / "journal"


def places(size: int) -> list[int]:
    """A sample of places in a file, its first and last bytes among them."""
    return sorted({0, 1, size - 1, *range(0, size, max(1, size // SAMPLE))})


def undetected(desk: Desk, path: Path) -> list[int]:
    """Places of a file at which an audit did not see a flipped byte."""
    good = path.read_bytes()
    missed = []
    for place in places(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :])
        said = desk.tieout("audit")
        if said.code != 1 or "Traceback" in said.err:
            missed.append(place)
    path.write_bytes(good)
    assert desk.tieout("audit").code == 0
    return missed


def test_a_flipped_byte_of_a_segment_is_detected_and_its_block_named(desk: Desk) -> None:
    (path,) = (journal(desk) / "segments").glob("*.seg")
    assert undetected(desk, path) == []
    good = path.read_bytes()
    place = good.index(b"C".ljust(36, b"\0"))
    path.write_bytes(good[:place] + b"X" + good[place + 1 :])
    said = desk.tieout("audit")
    assert re.search(r"block 4\b", said.err), said.err


def test_a_flipped_byte_of_a_snapshot_is_detected(desk: Desk) -> None:
    (path,) = (journal(desk) / "snapshots").iterdir()
    assert undetected(desk, path) == []


def test_a_ledger_with_a_damaged_snapshot_starts_from_its_first_block(desk: Desk) -> None:
    (path,) = (journal(desk) / "snapshots").iterdir()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    before = desk.tieout("breaks", "--json")
    assert (before.code, len(before.json)) == (1, 1)
    rows = [HEAD, "D,1.00"]
    assert desk.reconcile(BANK_DECIDES, seller=rows, bank=rows).code == 1


def index_files(desk: Desk) -> list[Path]:
    return sorted(journal(desk).glob("index.sqlite*"))


@pytest.mark.parametrize("how", ["removed", "emptied", "rubbish", "flipped", "older"])
def test_an_index_that_was_removed_or_changed_is_rebuilt(desk: Desk, sound: Path, how: str) -> None:
    story = desk.tieout("show", "B", "--json").out
    path = journal(desk) / "index.sqlite"
    good = path.read_bytes()
    match how:
        case "removed":
            for each in index_files(desk):
                each.unlink()
        case "emptied":
            path.write_bytes(b"")
        case "rubbish":
            path.write_bytes(b"rubbish" * 1_000)
        case "flipped":
            data = bytearray(good)
            for place in range(100, len(data), 97):
                data[place] ^= 0x55
            path.write_bytes(data)
        case "older":
            rows = [HEAD, "D,1.00"]
            assert desk.reconcile(BANK_DECIDES, seller=rows, bank=rows).code == 1
            path.write_bytes((sound / "tieout-ledger" / "journal" / "index.sqlite").read_bytes())
    shown = desk.tieout("show", "B", "--json")
    assert shown.code == 1, shown.err
    if how != "older":
        assert shown.out == story
    rows = [HEAD, "E,1.00"]
    said = desk.reconcile(BANK_DECIDES, seller=rows, bank=rows)
    assert said.code == 1, said.err
    assert desk.tieout("show", "E").code == 0
    assert desk.tieout("audit").code == 0


def test_a_sample_of_flipped_bytes_of_the_index_never_changes_an_answer(desk: Desk) -> None:
    story = desk.tieout("show", "B", "--json").out
    path = journal(desk) / "index.sqlite"
    good = path.read_bytes()
    for place in places(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :])
        shown = desk.tieout("show", "B", "--json")
        assert (shown.code, shown.out) == (1, story), (place, shown.err)
