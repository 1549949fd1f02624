"""`python -m tests.chaos.run`: a network of four under load, and everything that may go wrong.

Three parties publish signed batches all the time (`load`). Meanwhile faults are injected one after
the other, their order and moments drawn from a seed: to processes, cables, disks and clocks
(`faults`), by a node that lies (`lies`), by nodes and validators that come and go (`comings`).
After each of them the network must be whole again, and the honest nodes are held against each
other, the receipts and the readable rules (`examine`).

It ends with a table. Exit code 0 when all promises were kept. A failure prints what differed and
keeps the nodes' files.
"""

import argparse
import contextlib
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from tests.chaos import cables
from tests.chaos.comings import COMINGS
from tests.chaos.examine import Examiner
from tests.chaos.faults import PROCESSES, SURROUNDINGS, Fault, Stage
from tests.chaos.lies import LYING
from tests.chaos.load import Load
from tests.chaos.network import PLACES, running
from tieout.engines.cometbft.places import JOURNAL
from tieout.engines.cometbft.process import NodeFailed, find_cometbft
from tieout.journal.check import check_journal

BETWEEN_S: Final = (0.2, 1.5)
AUDIT_S: Final = 300.0
ALL: Final = (*PROCESSES, *SURROUNDINGS, *LYING, *COMINGS)
AT_THE_END: Final = "none any more"
_WIDTH: Final = 38


@dataclass
class Row:
    """What came of the faults of one kind."""

    injected: int = 0
    given: int = 0
    found: int = 0
    disagreements: int = 0


@dataclass
class Report:
    """What came of a run; whether all promises were kept."""

    rows: dict[str, Row] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    blocks: int = 0
    given: int = 0
    found: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def disagreements(self) -> int:
        """At any height, between any two honest nodes."""
        return max((row.disagreements for row in self.rows.values()), default=0)

    @property
    def is_kept(self) -> bool:
        """Whether nothing was lost and nobody disagrees."""
        whole = bool(self.rows) and 0 < self.given == self.found
        return whole and self.disagreements == 0 and not self.differences


def play(stage: Stage, faults: Sequence[Fault], report: Report) -> None:
    """Inject these in a row, and look after each; the first that breaks a promise is the last.

    What is printed meanwhile: seconds of the fault, until all go on, and of looking.
    """
    for fault in faults:
        reason = fault.why_not()
        if reason:
            report.left_out[fault.name] = reason
            continue
        time.sleep(stage.chance.uniform(*BETWEEN_S))
        times = [time.monotonic()]
        row = report.rows.setdefault(fault.name, Row())
        row.injected += 1
        try:
            fault.act(stage)
            times.append(time.monotonic())
            stage.network.await_progress()
            times.append(time.monotonic())
        except (AssertionError, NodeFailed, OSError, RuntimeError, TimeoutError) as error:
            report.differences.append(f"{fault.name}: {error!r}")
        else:
            _look(stage, report, row)
            stage.network.retire()
        report.differences += stage.load.failures
        times.append(time.monotonic())
        took = " + ".join(f"{after - before:.1f}" for before, after in pairwise(times))
        print(f"… {fault.name} ({took} s)", file=sys.stderr, flush=True)
        if report.differences:
            return


def _look(stage: Stage, report: Report, row: Row) -> None:
    """Everything that was promised so far is looked for, and counted for this kind of fault."""
    receipts = stage.load.receipts
    # A node may not have the block yet of a receipt that another one gave; and CometBFT counts a
    # block before its application has committed it, but not the next one.
    stage.network.await_height(stage.network.top + 1)
    found = stage.examiner.look(receipts)
    row.given += len(receipts) - report.given
    row.found += found.receipts_found - report.found
    row.disagreements += found.disagreements
    report.blocks, report.given = found.blocks, len(receipts)
    report.found = found.receipts_found
    report.differences += found.differences
    if found.disagreements:
        report.differences.append(f"{found.disagreements} app hashes disagree")
    if found.receipts_found < len(receipts):
        report.differences.append(f"{len(receipts) - found.receipts_found} receipts are lost")


def audited(stage: Stage) -> list[str]:
    """What is unsound in the journals of the ended nodes, and what `tieout audit` says of one.

    One is enough: all have the same app hashes.
    """
    network = stage.network
    ledger_id = network.parties.genesis.ledger_id()
    differences = [
        f"{node.directory.name}: the journal is unsound"
        for node in network.honest
        if not check_journal(node.directory / JOURNAL, ledger_id).is_sound
    ]
    node = stage.chance.choice(network.honest)
    command = [str(Path(sys.executable).with_name("tieout")), "audit", "--ledger"]
    done = subprocess.run(
        [*command, str(node.directory)],
        check=False,
        capture_output=True,
        text=True,
        timeout=AUDIT_S,
    )
    if done.returncode != 0:
        differences.append(f"tieout audit, {node.directory.name}: {done.stdout}{done.stderr}")
    print(done.stdout + done.stderr)
    return differences


@contextlib.contextmanager
def set_up(folder: Path, cometbft: Path, seed: int, away_s: float) -> Iterator[Stage]:
    """A network under load, in namespaces of its own where there can be some."""
    with contextlib.ExitStack() as stack:
        laid = None if cables.why_not() else stack.enter_context(cables.laid(PLACES))
        network = stack.enter_context(running(folder, cometbft, laid))
        load = Load(network, seed)
        yield Stage(network, load, Examiner(network), random.Random(seed), away_s)


def chaos(
    folder: Path, cometbft: Path, seed: int, faults: Sequence[Fault], away_s: float
) -> Report:
    """A whole run: these faults under load, and at the end an audit by the command."""
    report = Report()
    with set_up(folder, cometbft, seed, away_s) as stage:
        with stage.load.going_on():
            play(stage, faults, report)
        if not report.differences:
            stage.network.await_progress()
            _look(stage, report, report.rows.setdefault(AT_THE_END, Row()))
            report.differences += stage.load.failures
            for node in stage.network.nodes:
                node.processes.stop()
            report.differences += audited(stage)
        notes = stage.notes
    for note in notes:
        print(note)
    return report


def print_table(report: Report) -> None:
    """Faults, receipts, disagreements, by kind and in all."""
    heads = ("fault", "injected", "receipts", "found", "app hash")
    print(f"{heads[0]:<{_WIDTH}}" + "".join(f"{head:>10}" for head in heads[1:]))
    print(f"{'':<{_WIDTH + 10}}{'given':>10}{'':>10}{'disagrees':>10}")
    for name, row in report.rows.items():
        values = (row.injected, row.given, row.found, row.disagreements)
        print(f"{name:<{_WIDTH}}" + "".join(f"{value:>10}" for value in values))
    injected = sum(row.injected for row in report.rows.values())
    values = (injected, report.given, report.found, report.disagreements)
    print(f"{'all':<{_WIDTH}}" + "".join(f"{value:>10}" for value in values))
    print(f"blocks compared at all honest nodes: {report.blocks}")
    for name, reason in report.left_out.items():
        print(f"not injected here: {name} ({reason})")
    print(f"other differences: {len(report.differences)}")
    for each in report.differences:
        print(f"  {each}")


def order(chance: random.Random, rounds: int, names: Sequence[str]) -> list[Fault]:
    """Every fault that is named (all) once a round, in an order of chance."""
    chosen = [fault for fault in ALL if not names or any(name in fault.name for name in names)]
    faults = []
    for _ in range(rounds):
        chance.shuffle(chosen)
        faults += chosen
    return faults


def main() -> int:
    """Parse the command line and run; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="repeat the choices of a run")
    parser.add_argument("--rounds", type=int, default=1, help="each fault so often")
    parser.add_argument("--away", type=float, default=10.0, help="seconds that f nodes stay away")
    parser.add_argument("--only", action="append", default=[], help="faults with this in the name")
    asked = parser.parse_args()
    # Told to end, it ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    program = find_cometbft()
    if program is None:
        print("CometBFT is not built here: `make cometbft` builds it where Go can be had")
        return 1
    seed = secrets.randbelow(1 << 31) if asked.seed is None else asked.seed
    print(f"seed {seed}", flush=True)
    faults = order(random.Random(seed), asked.rounds, asked.only)
    if not faults:
        print(f"no fault is named so; they are: {', '.join(fault.name for fault in ALL)}")
        return 1
    folder = Path(tempfile.mkdtemp(prefix="tieout-chaos-"))
    report = chaos(folder, program, seed, faults, asked.away)
    print_table(report)
    if report.is_kept:
        shutil.rmtree(folder)
    else:
        print(f"promises were broken; the nodes' files are in {folder}")
    return 0 if report.is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
