"""`python -m tests.chaos.run`: a network of four under load, while its parts are killed.

Two parties publish signed batches all the time, each to whichever node answers, until its bytes
are in a block: that is the receipt. Meanwhile faults are injected one after the other, their order
and moments drawn from a seed: a node's application, its CometBFT, or both are killed; one node (f
of four) stays away for some seconds; all are killed at once; a signer signs two batches with one
number. At the end every node must have come back, and is held against the others: the same app
hash after every block, every receipt in the ledger once, a sound journal, an audit that agrees.

Exit code 0 when all of that holds. A failure prints what differed and keeps the nodes' files.
"""

import argparse
import contextlib
import random
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.engines.benches import NetworkBench, network
from tests.engines.cometbft.consortium import BANK, SELLER, Node, eventually
from tests.engines.ledgers import AGREEMENT, rows
from tieout.engines.cometbft.process import find_cometbft
from tieout.evidence.audit import audit
from tieout.testing.engines import accepted, app_hashes, entries
from tieout.wire.batch import parse_header
from tieout.wire.codes import EventKind, ItemOutcome

NODES = 4
RETURN_S = 90.0
"""Four nodes that all start again, on two busy cores."""
PAUSE_S = 0.05
BETWEEN_S = (1.0, 3.0)


@dataclass
class Load:
    """Two parties that publish until they are told to stop; `receipts` are theirs alone."""

    bench: NetworkBench
    chance: random.Random
    until: threading.Event = field(default_factory=threading.Event)
    receipts: list[bytes] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Publish one transaction after the other, both sides of it."""
        number = 0
        try:
            while not self.until.is_set():
                number += 1
                for role in (SELLER, BANK):
                    item = self.bench.members.batch(role, (f"K-{number}", 100 + number % 2 * role))
                    self._publish(item)
        except BaseException as error:  # noqa: BLE001 - told by whoever waits for this thread
            self.failures.append(repr(error))

    def _publish(self, item: bytes) -> None:
        """Hand in the same bytes until some node shows them in a block: that is the receipt."""
        header = parse_header(item)
        about = {"party": header.party, "stream": header.stream, "sequence": header.sequence}
        end = time.monotonic() + RETURN_S
        while time.monotonic() < end:
            node = self.chance.choice(self.bench.consortium.nodes)
            with contextlib.suppress(OSError, RuntimeError):
                node.submit(item)
            with contextlib.suppress(OSError, RuntimeError):
                code, places = node.ask("/items", about)
                if code == 0 and places:
                    self.receipts.append(item)
                    return
            time.sleep(PAUSE_S)
        raise TimeoutError(f"item {header.sequence} of party {header.party} is in no block")


class Faults:
    """What is done to the network. Each leaves it whole again."""

    def __init__(self, bench: NetworkBench, chance: random.Random, away_s: float) -> None:
        self._bench = bench
        self._chance = chance
        self._away_s = away_s
        self.signed_twice: list[bytes] = []
        self.done: Counter[str] = Counter()
        self._faults: dict[str, Callable[[], None]] = {
            "kill -9 of an application": lambda: self._kill_part("application"),
            "kill -9 of a CometBFT": lambda: self._kill_part("cometbft"),
            "kill -9 of both": lambda: self._kill([self._one()]),
            f"f nodes away for {away_s:.0f} s": lambda: self._kill([self._one()], away_s),
            "kill -9 of all nodes at once": lambda: self._kill(self._bench.consortium.nodes),
            "a signer signs two for one number": self._equivocate,
        }

    def inject(self, rounds: int) -> None:
        """Every fault once a round, in an order of chance."""
        for _ in range(rounds):
            names = list(self._faults)
            self._chance.shuffle(names)
            for name in names:
                print(f"… {name}", file=sys.stderr, flush=True)
                time.sleep(self._chance.uniform(*BETWEEN_S))
                self._faults[name]()
                self.done[name] += 1
                self._await_progress()

    def _one(self) -> Node:
        return self._chance.choice(self._bench.consortium.nodes)

    def _kill_part(self, part: str) -> None:
        node = self._one()
        node.processes.kill(getattr(node.processes, part))
        node.processes.start()
        _await_whole(node)

    def _kill(self, nodes: list[Node], away_s: float = 0.0) -> None:
        for node in nodes:
            node.processes.kill(node.processes.cometbft, node.processes.application)
        time.sleep(away_s)
        for node in nodes:
            node.processes.start()

    def _equivocate(self) -> None:
        """The bank's party signs two for one number of a stream of its own; the first stands."""
        # Not the stream of the load, which goes on meanwhile in another thread.
        publisher = self._bench.members.publisher(BANK + 1, stream=1)
        number = publisher.next_sequence
        node = self._bench.consortium.nodes[0]
        about = {"party": BANK + 1, "stream": 1, "sequence": number}
        for nth in (1, 2):
            publisher.next_sequence = number
            item = publisher.batch(AGREEMENT, BANK, rows((f"Q-{number}", nth)))
            assert node.submit(item) == ItemOutcome.ACCEPTED
            eventually(lambda nth=nth: _places(node, about) == nth, "the item is in a block")
        self.signed_twice.append(item)

    def _await_progress(self) -> None:
        """Every node answers, and has two more blocks than any had."""
        nodes = self._bench.consortium.nodes
        height = max(node.height for node in nodes) + 2
        for node in nodes:
            eventually(
                lambda node=node: _whole_again(node) and node.height >= height,
                f"{node.directory.name} reaches block {height}",
                RETURN_S,
            )


def _places(node: Node, about: dict[str, int]) -> int:
    """How many items with a number a node has in its blocks."""
    with contextlib.suppress(OSError, RuntimeError):
        return len(node.ask("/items", about)[1] or ())
    return 0


def _await_whole(node: Node) -> None:
    """CometBFT may end when its application did: then it is started again, as supervised."""
    eventually(lambda: _whole_again(node) and node.height > 0, "the node is whole", RETURN_S)


def _whole_again(node: Node) -> bool:
    if not node.processes.is_whole:
        node.processes.start()
    return node.processes.is_whole


@dataclass(frozen=True)
class Found:
    """What the nodes keep, held against what was promised; the last two must be empty."""

    blocks: int
    receipts_found: int
    disagreements: int
    differences: list[str]


def examine(bench: NetworkBench, receipts: list[bytes], doubly_signed: list[bytes]) -> Found:
    """Hold every node against the others, the receipts and the readable rules."""
    first, *others = app_hashes(bench)
    disagreements = sum(a != b for other in others for a, b in zip(first, other, strict=True))
    found, differences = len(receipts), []
    for node, journal in zip(bench.consortium.nodes, bench.journals(), strict=True):
        kept = accepted(bench, journal)
        found = min(found, sum(kept[item] == 1 for item in receipts))
        if any(count > 1 for count in kept.values()):
            differences.append(f"{node.directory.name} has an item twice")
        told = [(entry.block, entry.result) for entry in entries(bench, journal)]
        report = audit(told, bench.members.genesis)
        if not report.is_sound:
            differences.append(f"{node.directory.name}: {report.difference}")
        named = sum(
            result.events["kind"].tolist().count(EventKind.EQUIVOCATION) for _, result in told
        )
        seen = sum(
            bytes(item) in doubly_signed and each.outcome is ItemOutcome.EQUIVOCATION
            for block, result in told
            for item, each in zip(block.items, result.items, strict=True)
        )
        if (named, seen) != (len(doubly_signed), len(doubly_signed)):
            differences.append(f"{node.directory.name} names {named} signers, {seen} items")
    return Found(len(first), found, disagreements, differences)


def chaos(folder: Path, cometbft: Path, seed: int, rounds: int, away_s: float) -> bool:
    """Run it, print the table; whether all promises were kept."""
    print(f"seed {seed}", flush=True)
    chance = random.Random(seed)
    with network(folder, cometbft, NODES) as bench:
        load = Load(bench, random.Random(seed + 1))
        faults = Faults(bench, chance, away_s)
        thread = threading.Thread(target=load.run)
        thread.start()
        try:
            faults.inject(rounds)
        finally:
            load.until.set()
            thread.join()
        top = max(node.height for node in bench.consortium.nodes)
        for node in bench.consortium.nodes:
            node.await_height(top + 1)
        found = examine(bench, load.receipts, faults.signed_twice)
    for name, times in faults.done.items():
        print(f"{name:<36} {times:>6}")
    print(f"{'faults injected':<36} {faults.done.total():>6}")
    print(f"{'blocks compared at four nodes':<36} {found.blocks:>6}")
    print(f"{'receipts given':<36} {len(load.receipts):>6}")
    print(f"{'receipts found at every node, once':<36} {found.receipts_found:>6}")
    print(f"{'app hash disagreements':<36} {found.disagreements:>6}")
    differences = [*load.failures, *found.differences]
    print(f"{'other differences':<36} {len(differences):>6}")
    for each in differences:
        print(f"  {each}")
    return (
        bool(load.receipts)
        and found.receipts_found == len(load.receipts)
        and found.disagreements == 0
        and not differences
    )


def main() -> int:
    """Parse the command line and run; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="repeat the choices of a run")
    parser.add_argument("--rounds", type=int, default=3, help="each fault so often")
    parser.add_argument("--away", type=float, default=20.0, help="seconds that f nodes stay away")
    asked = parser.parse_args()
    program = find_cometbft()
    if program is None:
        print("CometBFT is not built here: `make cometbft` builds it where Go can be had")
        return 1
    seed = secrets.randbelow(1 << 31) if asked.seed is None else asked.seed
    folder = Path(tempfile.mkdtemp(prefix="tieout-chaos-"))
    kept = chaos(folder, program, seed, asked.rounds, asked.away)
    if kept:
        shutil.rmtree(folder)
    else:
        print(f"promises were broken; the nodes' files are in {folder}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
