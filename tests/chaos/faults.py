"""What is done to the processes, cables, disks and clocks of the nodes. Each is made good again.

A fault is a function of a `Stage`. It asserts what must hold while it lasts; what must hold
afterwards, always the same, is looked at by whoever injects it (`run`).
"""

import contextlib
import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tests.chaos import cables, clocks, disks
from tests.chaos.examine import Examiner, entries
from tests.chaos.load import SIZES, Load
from tests.chaos.network import RETURN_S, VALIDATORS, Network
from tests.chaos.parties import BANK
from tests.engines.cometbft.consortium import Node, eventually
from tieout.engines.cometbft.places import JOURNAL, LOGS
from tieout.engines.cometbft.process import NodeFailed

STANDSTILL_S: Final = 4.0
"""A network without a majority is watched for so long: four times the interval of a block."""
HOUR_S: Final = 3600
LEDGER_TIME_S: Final = 15.0
"""How far the ledger's time may be behind the machine's, which is busy."""
_LOGGED_AT: Final = re.compile(r"^\w\[(\d{4}-\d\d-\d\d)\|(\d\d:\d\d:\d\d)", re.MULTILINE)


@dataclass
class Stage:
    """The network under load, and what chance there is."""

    network: Network
    load: Load
    examiner: Examiner
    chance: random.Random
    away_s: float
    notes: list[str] = field(default_factory=list)
    """What was measured on the way."""

    def one(self) -> Node:
        """A validator, by chance."""
        return self.chance.choice(self.network.nodes[:VALIDATORS])

    def others(self, *nodes: Node) -> list[Node]:
        """All honest nodes but these."""
        return [node for node in self.network.honest if node not in nodes]


@dataclass(frozen=True)
class Fault:
    """A kind of fault; `why_not` says why it cannot be injected here, or nothing."""

    name: str
    act: Callable[[Stage], None]
    why_not: Callable[[], str] = str


# ------------------------------------------------------------------ processes


def kill_application(stage: Stage) -> None:
    """CometBFT stops when its application is gone; both are started again, as supervised."""
    processes = stage.one().processes
    processes.kill(processes.application)


def kill_cometbft(stage: Stage) -> None:
    """The application waits for CometBFT to come back."""
    processes = stage.one().processes
    processes.kill(processes.cometbft)


def kill_both(stage: Stage) -> None:
    """A machine that goes down."""
    processes = stage.one().processes
    processes.kill(processes.cometbft, processes.application)


def keep_away(stage: Stage) -> None:
    """As many as f nodes are gone for some time; the others go on."""
    away = stage.one()
    away.processes.kill(away.processes.cometbft, away.processes.application)
    _go_on_for(stage.away_s, stage.others(away))


def stand_still(stage: Stage) -> None:
    """As many as f nodes keep all connections open and say nothing; the others go on."""
    still = stage.one()
    ids = [each.pid for each in (still.processes.cometbft, still.processes.application) if each]
    for process in ids:
        os.kill(process, signal.SIGSTOP)
    try:
        _go_on_for(stage.away_s / 2, stage.others(still))
    finally:
        for process in ids:
            os.kill(process, signal.SIGCONT)


def kill_all(stage: Stage) -> None:
    """Every process of every node, at once."""
    for node in stage.network.nodes:
        node.processes.kill(node.processes.cometbft, node.processes.application)


# ------------------------------------------------------------------ who signs


def sign_twice(stage: Stage) -> None:
    """The bank signs two batches with one number; the first stands, an alarm names the bank."""
    items = stage.network.parties.two_for_one_number(BANK)
    stage.examiner.signed_twice.append(BANK)
    stage.network.place(*items)
    for node in stage.network.honest:
        eventually(lambda node=node: _is_named(stage, node), "an alarm names the bank", RETURN_S)


def _is_named(stage: Stage, node: Node) -> bool:
    kept = stage.examiner.kept(node)
    return len(kept.named) == len(stage.examiner.signed_twice)


# ------------------------------------------------------------------ cables


def cut_one_off(stage: Stage) -> None:
    """One validator of four is cut off: it stops, and says so by making no block."""
    network, cut = stage.network, stage.one()
    assert network.cables is not None
    network.cables.cut_off([network.number_of(cut)])
    others = stage.others(cut)
    top = network.top
    network.await_height(top + 2, others)
    stopped_at = cut.height
    _go_on_for(stage.away_s / 2, others)
    assert 0 < cut.height == stopped_at <= top + 1
    network.cables.heal()


def cut_in_halves(stage: Stage) -> None:
    """Two and two: nobody has a majority, nobody goes on, and no half makes a ledger of its own."""
    network = stage.network
    assert network.cables is not None
    half = stage.chance.sample(network.nodes[:VALIDATORS], VALIDATORS // 2)
    network.cables.cut_off([network.number_of(node) for node in half])
    top = network.top
    until = time.monotonic() + STANDSTILL_S
    while time.monotonic() < until:
        # The block that was being decided may have come.
        assert network.top <= top + 1
    network.cables.heal()


# ------------------------------------------------------------------ disks


def fill_disk(stage: Stage) -> None:
    """A node whose journal cannot grow ends and says why; with room again, it goes on."""
    network, node = stage.network, stage.one()
    journal = node.directory / JOURNAL
    node.processes.stop()
    with disks.own_disk(journal):
        disks.fill(journal, leaving=disks.LITTLE)
        before = len(_said(node, "application.log"))
        node.processes.start()
        application = node.processes.application
        assert application is not None
        try:
            for party in stage.load.parties.values():
                party.sizes = (1_000,)
            eventually(lambda: application.poll() is not None, "the full node ends", RETURN_S)
            for party in stage.load.parties.values():
                party.sizes = SIZES
            assert application.returncode == 1
            # Started again without room, it ends again.
            disks.fill(journal)
            with contextlib.suppress(NodeFailed):
                node.processes.start()
            _go_on_for(2.0, stage.others(node))
            said = _said(node, "application.log", before)
            assert "No space left on device: mend the disk (is it full?)" in said, said
            disks.free(journal)
            network.await_progress()
        finally:
            node.processes.stop()


# ------------------------------------------------------------------ clocks


def clock_ahead(stage: Stage) -> None:
    """One node's clock is an hour ahead: the network's time stays, and the node takes part.

    A block's time is the middle one of what its validators say, weighed by their power.
    """
    network, node = stage.network, stage.one()
    with _turned_clock(network, node, HOUR_S):
        # Each validator proposes once in four blocks.
        network.await_progress(VALIDATORS + 1)
        assert node.processes.is_whole
        _assert_time(network, node, HOUR_S)


def clock_behind(stage: Stage) -> None:
    """One node's clock is an hour behind: it stops, as all others seem to be ahead of time.

    CometBFT takes no block from more than a minute ahead of its own clock. Set right and started
    again, the node goes on.
    """
    network, node = stage.network, stage.one()
    before = len(_said(node, "cometbft.log"))
    with _turned_clock(network, node, -HOUR_S):
        eventually(
            lambda: "is too far in the future" in _said(node, "cometbft.log", before),
            "the node says that its clock is behind",
            RETURN_S,
        )
        stopped_at = node.height
        network.await_height(network.top + VALIDATORS, stage.others(node))
        assert node.height == stopped_at
        _assert_time(network, node, -HOUR_S)
    node.processes.stop()
    node.processes.start()


@contextlib.contextmanager
def _turned_clock(network: Network, node: Node, seconds: int) -> Iterator[None]:
    """Both processes of a node see another time of day meanwhile."""
    network.await_progress(1)
    running = [node.processes.cometbft, node.processes.application]
    for each in running:
        assert each is not None
        clocks.turn(each.pid, seconds)
    try:
        yield
    finally:
        for each in running:
            if each is not None and each.poll() is None:
                clocks.turn(each.pid, 0)


def _assert_time(network: Network, node: Node, seconds: int) -> None:
    """A node's clock is so wrong, and the ledger's time is not."""
    wrong_s = _logged_s(node) - time.time()
    assert abs(wrong_s - seconds) < LEDGER_TIME_S, f"its clock is {wrong_s:.0f} s ahead"
    for each in (other for other in network.honest if other is not node):
        *_, newest = entries(network, each, each.height - 1)
        behind_s = time.time() - newest.block.time_us / 1_000_000
        assert abs(behind_s) < LEDGER_TIME_S, f"the ledger's time is {behind_s:.0f} s behind"


def _logged_s(node: Node) -> float:
    """What a node's CometBFT last took for the time."""
    date, clock = _LOGGED_AT.findall(_said(node, "cometbft.log"))[-1]
    return datetime.fromisoformat(f"{date} {clock}").astimezone().timestamp()


# ------------------------------------------------------------------ what they have in common


def _said(node: Node, log: str, after: int = 0) -> str:
    """What a process of a node said, behind so many characters."""
    return (node.directory / LOGS / log).read_text(errors="replace")[after:]


def _go_on_for(seconds: float, nodes: list[Node]) -> None:
    """These nodes have two blocks more, and go on until so many seconds have passed."""
    begun = time.monotonic()
    height = max(node.height for node in nodes)
    while time.monotonic() < begun + seconds or max(node.height for node in nodes) < height + 2:
        assert time.monotonic() < begun + seconds + RETURN_S, "the others do not go on"
        time.sleep(0.1)
    assert max(node.height for node in nodes) >= height + 2


PROCESSES: Final = (
    Fault("kill -9 of an application", kill_application),
    Fault("kill -9 of a CometBFT", kill_cometbft),
    Fault("kill -9 of both", kill_both),
    Fault("kill -9 of all nodes at once", kill_all),
    Fault("f nodes away", keep_away),
    Fault("f nodes stand still", stand_still),
    Fault("a signer signs two for one number", sign_twice),
)
SURROUNDINGS: Final = (
    Fault("one node is cut off", cut_one_off, cables.why_not),
    Fault("the network is cut in halves", cut_in_halves, cables.why_not),
    Fault("a node's disk is full", fill_disk, disks.why_not),
    Fault("a node's clock is an hour ahead", clock_ahead, clocks.why_not),
    Fault("a node's clock is an hour behind", clock_behind, clocks.why_not),
)
