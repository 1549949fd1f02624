"""A node goes on after its processes were killed, at whatever point."""

import threading
from pathlib import Path

import pytest

from tests.engines.cometbft.consortium import BANK, SELLER, Consortium, Node, eventually
from tieout.engines.cometbft.places import JOURNAL, LOGS
from tieout.engines.cometbft.process import NodeFailed, NodeProcesses, Supervisor
from tieout.journal.journal import Journal
from tieout.testing.abcicalls import check_calls
from tieout.wire.block import BlockResult
from tieout.wire.codes import ItemOutcome

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("network")]
"""Not beside another network, on two cores."""

FAIL_POINTS = range(1, 11)
"""Counted from CometBFT's start over one block: the vote; before and after the block is saved; the
end of the height in its log; what the application answered, given and saved; the application's
commit; CometBFT's own state; the next height."""


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


def submit_in_the_end(node: Node, item: bytes) -> None:
    """Submit until the node has the item, or is gone; the same bytes again do no harm."""

    def is_submitted() -> bool:
        try:
            return ItemOutcome(node.submit(item)) in {ItemOutcome.ACCEPTED, ItemOutcome.REPEATED}
        except RuntimeError as error:
            return "already exists" in str(error)
        except OSError:
            return not node.processes.is_whole

    eventually(is_submitted, "the item is submitted")


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
            tend_until_whole(supervisor, processes, float(number))
            node.await_height(before + 1)
        publish(consortium, "T-9", 5)
        assert_whole(consortium, leaves=2 + 2 * 4)


def test_a_crash_at_each_point_of_a_commit_loses_nothing(tmp_path: Path, cometbft: Path) -> None:
    with Consortium(tmp_path, cometbft, 1).running() as consortium:
        consortium.enact()
        (node,), members = consortium.nodes, consortium.members
        processes = node.processes
        for number, point in enumerate(FAIL_POINTS):
            height = node.height
            processes.end_cometbft()
            processes.environment["FAIL_TEST_INDEX"] = str(point)
            processes.start()
            del processes.environment["FAIL_TEST_INDEX"]
            item = members.batch(SELLER, (f"T-{point}", 100))
            submit_in_the_end(node, item)
            assert processes.cometbft is not None
            processes.cometbft.wait(20)
            if number % 2:
                # Every other time the machine goes down, not CometBFT alone.
                processes.kill(processes.application)
            processes.start()
            node.await_height(height + 1)
            submit_in_the_end(node, item)
            assert node.await_item(1, 2 + number)["outcome"] == ItemOutcome.ACCEPTED
            # A validator that is alone and is stopped between signing a vote and writing it down
            # never votes again at that height; right after a block it signs nothing for a second.
            node.await_height(node.height + 1)
        log = (node.directory / LOGS / "cometbft.log").read_text()
        assert [f"*** fail-test {point} ***" in log for point in FAIL_POINTS] == [True] * 10
        assert_whole(consortium, leaves=2 + len(FAIL_POINTS))


def tend_until_whole(supervisor: Supervisor, processes: NodeProcesses, now: float) -> None:
    def is_whole() -> bool:
        supervisor.tend(now)
        return processes.is_whole

    eventually(is_whole, "both processes run")


def test_a_ledger_that_keeps_ending_is_given_up_and_the_others_go_on(
    tmp_path: Path, cometbft: Path
) -> None:
    (sound,) = Consortium(tmp_path / "sound", cometbft, 1).nodes
    (node,) = Consortium(tmp_path / "unsound", cometbft, 1).nodes
    unsound = NodeProcesses(node.directory, Path("/bin/false"))
    told: list[NodeFailed] = []
    supervisor = Supervisor([sound.processes, unsound], told.append)
    seconds = iter(range(1_000))

    def is_given_up() -> bool:
        # The clock of the supervisor goes on only when the program has ended once more.
        if unsound.cometbft is None or unsound.cometbft.poll() is not None:
            supervisor.tend(next(seconds) / 4)
        return bool(told)

    try:
        eventually(is_given_up, "the unsound one is given up")
        assert "ended 5 times" in str(told[0])
        assert list(supervisor.failures) == [node.directory]
        assert (unsound.application is not None, unsound.is_whole) == (True, False)
        tend_until_whole(supervisor, sound.processes, 300.0)
        sound.await_height(1)
    finally:
        sound.processes.stop()
        unsound.stop()


def test_when_the_last_ledger_is_given_up_its_failure_is_raised(
    tmp_path: Path, cometbft: Path
) -> None:
    (node,) = Consortium(tmp_path, cometbft, 1).nodes
    (node.directory / "genesis.json").write_text("{}")
    with pytest.raises(NodeFailed, match="does not start"):
        Supervisor([node.processes]).run(threading.Event())
    assert node.processes.application is not None
    assert node.processes.application.poll() is not None
