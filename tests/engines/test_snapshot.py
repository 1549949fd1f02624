"""A snapshot that is written while blocks go on is the one that would have been taken at rest."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.ledgers import AGREEMENT, BANK, SELLER, opened, rows
from tieout import kernel
from tieout.engines.cometbft.statesync import Shelf
from tieout.engines.replica import Replica, RunningSnapshot
from tieout.journal.errors import SnapshotFailed
from tieout.journal.frame import Entry
from tieout.kernel import still as stills
from tieout.wire.codes import OperationKind, Purpose
from tieout.wire.genesis import Genesis
from tieout.wire.operations import CloseCutoff

COUNT = 12_000
"""Transactions enough for three chunks of a snapshot."""
AT_ONCE = 3_000


class Day:
    """A day's blocks: the seller's in blocks 2 to 5, the bank's in 6 to 9, a cut-off in the last.

    Every other answer differs, so that breaks and correcting entries change, too.
    """

    def __init__(self, folder: Path) -> None:
        with opened(folder) as ledger:
            self.genesis: Genesis = ledger.genesis
            for role in (SELLER, BANK):
                publisher = ledger.publisher(role + 1)
                for first in range(0, COUNT, AT_ONCE):
                    stated = [(f"T-{i}", i + role * (i % 2)) for i in range(first, first + AT_ONCE)]
                    item = publisher.batch(AGREEMENT, role, rows(*stated))
                    ledger.apply([item], ledger.time_us + 1_000)
            body = CloseCutoff(AGREEMENT.name, ledger.time_us)
            ledger.operate(
                1, OperationKind.CLOSE_CUTOFF, Purpose.PUBLISH, body, ledger.time_us + 1_000
            )
            self.entries: list[Entry] = list(ledger.journal.entries())

    def replica(self, folder: Path, height: int) -> Replica:
        """A copy at a height."""
        replica = Replica.open(folder, self.genesis)
        self.go_on(replica, height)
        return replica

    def go_on(self, replica: Replica, height: int) -> None:
        """Judge, keep and sync the blocks up to a height."""
        for entry in self.entries[replica.state.height : height]:
            replica.keep(entry.block, replica.judge(entry.block))
            replica.sync()

    @property
    def end(self) -> int:
        return len(self.entries)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return Day(tmp_path_factory.mktemp("day") / "ledger")


@pytest.fixture
def opened_replicas() -> Iterator[list[Replica]]:
    replicas: list[Replica] = []
    yield replicas
    for replica in replicas:
        replica.journal.close()


@pytest.mark.parametrize("height", [3, 6, 8])
def test_it_is_the_same_file_whatever_blocks_came_meanwhile(
    day: Day, height: int, tmp_path: Path, opened_replicas: list[Replica]
) -> None:
    at_rest, later, beside = opened_replicas[:] = [
        day.replica(tmp_path / name, height) for name in ("at-rest", "later", "beside")
    ]
    expected = at_rest.snapshot().read_bytes()
    # Everything is read after the blocks that came later.
    running = later.begin_snapshot()
    day.go_on(later, day.end - 1)
    path = running.finish()
    assert path is not None
    assert path.read_bytes() == expected
    # Read and judged side by side.
    running = beside.begin_snapshot()
    paths: list[Path | None] = []
    writing = threading.Thread(target=lambda: paths.append(running.finish()))
    writing.start()
    day.go_on(beside, day.end - 1)
    writing.join()
    assert paths[0] is not None
    assert paths[0].read_bytes() == expected
    day.go_on(later, day.end)
    assert kernel.state_digest(later.state) == day_digest(day, tmp_path / "whole")


def day_digest(day: Day, folder: Path) -> bytes:
    replica = day.replica(folder, day.end)
    replica.journal.close()
    return kernel.state_digest(replica.state)


def test_a_start_from_it_goes_on_as_the_others_did(day: Day, tmp_path: Path) -> None:
    replica = day.replica(tmp_path, 6)
    running = replica.begin_snapshot()
    day.go_on(replica, day.end)
    assert running.finish() is not None
    replica.journal.close()
    again = Replica.open(tmp_path, day.genesis)
    assert again.state.height == day.end
    assert 0 < again.replayed_bytes < sum(each.header.frame_bytes for each in day.entries)
    assert kernel.state_digest(again.state) == kernel.state_digest(replica.state)
    again.journal.close()


def test_a_cutoff_that_judges_everything_gives_it_up_and_the_next_one_is_whole(
    day: Day, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stills, "KEPT_AT_ONCE", AT_ONCE)
    replica = day.replica(tmp_path / "moving", 8)
    lost = replica.begin_snapshot()
    with pytest.raises(kernel.SnapshotError, match="not ended"):
        replica.begin_snapshot()
    day.go_on(replica, day.end)
    assert lost.is_lost
    next_one = replica.begin_snapshot()
    assert lost.finish() is None
    path = next_one.finish()
    at_rest = day.replica(tmp_path / "at-rest", day.end)
    assert path is not None
    assert path.read_bytes() == at_rest.snapshot().read_bytes()
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    for each in (replica, at_rest):
        each.journal.close()


class Held(RunningSnapshot):
    """One whose writing waits for a gate, as it would for a slow disk."""

    def __init__(self, replica: Replica, gate: threading.Event) -> None:
        super().__init__(replica.journal, kernel.Still(replica.state), replica._applying)
        self._gate = gate

    def finish(self) -> Path | None:
        assert self._gate.wait(30)
        return super().finish()


def test_a_shelf_offers_the_snapshot_after_the_cutoff_that_cost_the_one_before(
    day: Day, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stills, "KEPT_AT_ONCE", AT_ONCE)
    replica = day.replica(tmp_path, 8)
    shelf, gate = Shelf(replica.journal), threading.Event()
    shelf.take(lambda: Held(replica, gate))
    day.go_on(replica, 9)
    shelf.take(replica.begin_snapshot)
    assert "no snapshot after block 9: busy" in caplog.text
    day.go_on(replica, day.end)
    shelf.take(replica.begin_snapshot)
    gate.set()
    shelf.close()
    assert [offer.height for offer in shelf.offers()] == [day.end]
    replica.journal.close()


def test_a_disk_that_refuses_a_snapshot_leaves_the_next_one_possible(
    day: Day, tmp_path: Path
) -> None:
    replica = day.replica(tmp_path, 6)
    folder = tmp_path / "snapshots"
    folder.touch()
    with pytest.raises(SnapshotFailed):
        replica.begin_snapshot()
    day.go_on(replica, 7)
    folder.unlink()
    assert replica.snapshot().exists()
    replica.journal.close()
