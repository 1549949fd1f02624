"""`tieout reconcile`, killed at random moments and run again, ends as if nothing had happened.

The usual run is small. On a million rows for each role, and with many kills:

    TIEOUT_KILL_ROWS=1000000 TIEOUT_KILLS=50 .venv/bin/pytest tests/faults/test_killed.py

The reference rules replay each ledger once, which takes a minute or two a ledger of that size.
"""

import json
import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.day import CUTOFF, Files, run, tieout, write_files
from tieout.engines.embedded.ledger import JOURNAL, read_genesis
from tieout.journal.journal import Journal
from tieout.wire.codes import OperationKind, RowOutcome
from tieout.wire.operations import parse_operation

TRANSACTIONS = int(os.environ.get("TIEOUT_KILL_ROWS", "25000"))
KILLS = int(os.environ.get("TIEOUT_KILLS", "3"))
SECONDS = 600
"""How long one run may take before the test gives it up."""

Place = tuple[int, int, int, str]
"""Height, item, leaf, app hash: what a receipt says."""


@dataclass(frozen=True)
class Undisturbed:
    """The files, and what a run that nobody kills makes of them."""

    files: Files
    breaks: bytes
    receipts: int


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    files = write_files(folder / "files", TRANSACTIONS)
    said = run(files.command(folder / "ledger", "--cutoff", CUTOFF))
    assert said.returncode == 1, said.stderr
    breaks = (folder / "ledger.csv").read_bytes()
    assert breaks.count(b"\n") > TRANSACTIONS // 100
    return Undisturbed(files, breaks, len(printed(folder / "ledger")))


@dataclass(frozen=True)
class Moment:
    """So long after a run has printed so many further receipts, or, at none, has begun to work."""

    receipts: int
    seconds: float


def killed(command: list[str], ledger: Path, moment: Moment) -> bool:
    """Run and kill at a moment; False if the run ended before."""
    enough = len(printed(ledger)) + moment.receipts
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and not ended(process, 0.001):
            if ledger.exists() and len(printed(ledger)) >= enough:
                ended(process, moment.seconds)
                process.kill()
                return process.wait() < 0
        process.kill()
    return False


def ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether it ends within so many seconds."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def printed(ledger: Path) -> list[Place]:
    path = ledger.with_name(ledger.name + ".receipts")
    if not path.exists():
        return []
    lines = map(json.loads, path.read_bytes().split(b"\n")[:-1])
    return [(line["height"], line["item"], line["leaf"], line["app_hash"]) for line in lines]


@dataclass(frozen=True)
class Kept:
    """What a ledger has: a place for each batch, rows by outcome, times, cut-offs."""

    places: list[Place]
    rows: Counter[RowOutcome]
    times_us: set[int]
    cutoffs: int


def kept(ledger: Path) -> Kept:
    """Read the journal as it is, a torn tail passed over."""
    found = Kept([], Counter(), set(), 0)
    cutoffs = 0
    if (ledger / JOURNAL / "segments").is_dir():
        genesis = read_genesis(ledger)
        with Journal.open(ledger / JOURNAL, genesis.ledger_id(), read_only=True) as journal:
            for entry in journal.entries():
                found.times_us.add(entry.block.time_us)
                for item, result in enumerate(entry.result.items):
                    if result.rows:
                        assert result.leaf is not None
                        app_hash = entry.result.app_hash.hex()
                        found.places.append((entry.result.height, item, result.leaf, app_hash))
                        found.rows.update(dict(zip(RowOutcome, result.rows, strict=True)))
                    else:
                        kind = parse_operation(entry.block.items[item]).kind
                        cutoffs += kind is OperationKind.CLOSE_CUTOFF
    return Kept(found.places, found.rows, found.times_us, cutoffs)


def moments(seed: int, receipts: int) -> Iterator[Moment]:
    """One to three moments in which one run is killed, from its first second to its last."""
    chance = random.Random(seed)
    for _ in range(chance.randrange(1, 4)):
        if chance.random() < 0.5:
            yield Moment(0, chance.uniform(0, 0.3))
        else:
            yield Moment(chance.randrange(1, receipts + 1), chance.uniform(0, 0.02))


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_run_is_gone_on_with(undisturbed: Undisturbed, tmp_path: Path, seed: int) -> None:
    ledger = tmp_path / "ledger"
    words = ["--cutoff", CUTOFF] if seed % 2 == 0 else []
    command = undisturbed.files.command(ledger, *words)
    for moment in moments(seed, undisturbed.receipts):
        killed(command, ledger, moment)
        assert set(printed(ledger)) <= set(kept(ledger).places)
    said = run(command)
    assert said.returncode == 1, said.stderr
    after = kept(ledger)
    assert set(printed(ledger)) <= set(after.places)
    assert +after.rows == Counter({RowOutcome.ACCEPTED: undisturbed.files.rows})
    assert (len(after.times_us), after.cutoffs) == (1, 1)
    assert ledger.with_name("ledger.csv").read_bytes() == undisturbed.breaks
    audited = run(tieout("audit", "--ledger", str(ledger), "--json"))
    facts = json.loads(audited.stdout)
    assert (audited.returncode, facts["sound"]) == (0, True)
    assert (facts["transactions"], facts["records"]) == (TRANSACTIONS, undisturbed.files.rows)


def test_killed_while_running_again_on_mended_files(tmp_path: Path) -> None:
    folder, ledger = tmp_path / "files", tmp_path / "ledger"
    files = write_files(folder, 2_000)
    assert run(files.command(ledger, "--cutoff", CUTOFF)).returncode == 1
    mended = (folder / "bank.csv").read_text().replace(",2026-03-03\n", ",2026-03-02\n")
    (folder / "bank.csv").write_text(mended)
    later = ["--cutoff", "2026-04-01T18:00:00Z"]
    killed(files.command(ledger, *later), ledger, Moment(1, 0.0))
    said = run(files.command(ledger, *later))
    assert said.returncode == 1, said.stderr
    undisturbed_ledger = tmp_path / "other"
    assert run(files.command(undisturbed_ledger, *later)).returncode == 1
    expected = undisturbed_ledger.with_name("other.csv").read_bytes()
    assert ledger.with_name("ledger.csv").read_bytes() == expected
    assert kept(ledger).cutoffs == 2
    assert run(tieout("audit", "--ledger", str(ledger))).returncode == 0
