"""A node goes on after its processes were killed, at whatever point."""

import subprocess
from pathlib import Path

import pytest

from tests.engines.cometbft.consortium import BANK, SELLER, Consortium, Node, eventually
from tieout.engines.cometbft.places import JOURNAL
from tieout.engines.cometbft.process import NodeFailed, NodeProcesses, Supervisor
from tieout.journal.journal import Journal
from tieout.testing.abcicalls import check_calls
from tieout.wire.block import BlockResult

pytestmark = pytest.mark.slow
"""Of this file: some processes for each test."""

FAIL_POINTS = (2, 13, 14, 15, 16, 17, 18)
"""Counted over the commits of blocks 1 and 2: while the WAL is written, before and after the block is
saved, when the application has answered, when CometBFT has saved what it answered, when the
application has committed, and when CometBFT has saved its own state."""


def results(node: Node, ledger_id: bytes) -> list[BlockResult]:
    with Journal.open(node.directory / JOURNAL, ledger_id) as journal:
        return [entry.result for entry in journal.entries()]


def publish(consortium: Consortium, name: str, sequence: int) -> None:
    """Both parties publish a transaction, and it is in the ledger."""
    (node,), members = consortium.nodes, consortium.members
    for role in (SELLER, BANK):
        assert node.submit(members.batch(role, (name, 100))) == 0
    for party in (1, 2):
        node.await_item(party, sequence)


def assert_whole(consortium: Consortium, leaves: int) -> None:
    """The node's journal has each item once, and every call was in order."""
    (node,) = consortium.nodes
    node.processes.stop()
    kept = results(node, consortium.members.genesis.ledger_id())
    assert [item.leaf for result in kept for item in result.items] == list(range(leaves))
    height = check_calls((node.directory / "calls.log").read_text().splitlines())
    assert height in {len(kept), len(kept) - 1}


def test_kills_of_either_process_and_of_both_lose_nothing(tmp_path: Path, cometbft: Path) -> None:
    with Consortium(tmp_path, cometbft, 1).running() as consortium:
        consortium.enact()
        (node,) = consortium.nodes
        processes = node.processes
        supervisor = Supervisor([processes])
        for number, victims in enumerate(
            (["cometbft"], ["application"], ["application", "cometbft"])
        ):
            publish(consortium, f"T-{number}", 2 + number)
            before = node.height
            processes.kill(*(getattr(processes, victim) for victim in victims))
            if victims == ["application"]:
                # CometBFT notices by itself that nobody answers any more.
                assert processes.cometbft is not None
                processes.cometbft.wait(20)
            supervisor.tend(float(number))
            node.await_height(before + 1)
        publish(consortium, "T-9", 5)
        assert_whole(consortium, leaves=2 + 2 * 4)


@pytest.mark.parametrize("point", FAIL_POINTS)
def test_a_crash_in_the_middle_of_a_commit_loses_nothing(
    tmp_path: Path, cometbft: Path, point: int
) -> None:
    consortium = Consortium(tmp_path, cometbft, 1)
    (node,) = consortium.nodes
    failing = NodeProcesses(
        node.directory,
        cometbft,
        environment={"FAIL_TEST_INDEX": str(point)},
        options=["--calls", "calls.log"],
    )
    try:
        failing.start()
        assert failing.cometbft is not None
        failing.cometbft.wait(20)
        # The application stays, and CometBFT comes back to it.
        node.processes.application = failing.application
        node.processes.start()
        consortium.enact()
        publish(consortium, "T-1", 2)
        assert_whole(consortium, leaves=4)
    finally:
        failing.stop()
        node.processes.stop()


def test_a_node_that_keeps_ending_is_given_up(tmp_path: Path, cometbft: Path) -> None:
    consortium = Consortium(tmp_path, cometbft, 1)
    (node,) = consortium.nodes
    false = Path("/bin/false")
    processes = NodeProcesses(node.directory, false)
    supervisor = Supervisor([processes])
    try:
        now = 0.0
        with pytest.raises(NodeFailed, match="ended 5 times"):
            for _ in range(30):
                supervisor.tend(now)
                assert isinstance(processes.cometbft, subprocess.Popen)
                processes.cometbft.wait(5)
                now += 1.0
    finally:
        processes.stop()
    eventually(lambda: not processes.is_whole, "both have ended")
