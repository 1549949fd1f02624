"""What is examined after each fault would show what must not be."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from tests.chaos.examine import Examiner
from tests.chaos.load import Receipt
from tests.chaos.network import CALLS, Network
from tests.engines.cometbft.consortium import SELLER, Members, Node
from tests.engines.cometbft.desk import Desk
from tieout.engines.cometbft.places import JOURNAL
from tieout.engines.cometbft.process import NodeProcesses

SOUND = "start\ninfo\ninit_chain\n" + "".join(f"finalize_block {h}\ncommit\n" for h in (1, 2))


@dataclass
class Standing:
    """Nodes whose journals are there, and whose processes are not."""

    parties: Members
    honest: list[Node] = field(default_factory=list)


class Two:
    """Two nodes with one agreement in force."""

    def __init__(self, folder: Path) -> None:
        self.members = Members()
        self.items = [self.members.batch(SELLER, (f"T-{i}", 1)) for i in range(2)]
        enactment = self.members.enactment()
        self.standing = Standing(self.members)
        self.desks = []
        for name in ("node0", "node1"):
            directory = folder / name
            directory.mkdir()
            (directory / CALLS).write_text(SOUND)
            desk = Desk(directory / JOURNAL, self.members)
            desk.init_chain()
            desk.block(*enactment)
            self.desks.append(desk)
            processes = NodeProcesses(directory, Path("cometbft"))
            self.standing.honest.append(Node(directory, "", processes))
        self.examiner = Examiner(cast("Network", self.standing))

    def receipts(self) -> list[Receipt]:
        return [Receipt(hashlib.sha256(item).digest(), 1, 0.1) for item in self.items]


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    two = Two(tmp_path)
    yield two
    for desk in two.desks:
        desk.application.close()


def test_what_is_as_promised_is_found(two: Two) -> None:
    for desk in two.desks:
        desk.block(*two.items)
    found = two.examiner.look(two.receipts())
    assert (found.blocks, found.receipts_found, found.disagreements) == (2, 2, 0)
    assert found.differences == []


def test_another_block_at_one_node_is_a_disagreement(two: Two) -> None:
    two.desks[0].block(*two.items)
    two.desks[1].block(*reversed(two.items))
    assert two.examiner.look(two.receipts()).disagreements == 1


def test_a_receipt_that_one_node_does_not_have_is_lost(two: Two) -> None:
    two.desks[0].block(*two.items)
    two.desks[1].block(two.items[0])
    assert two.examiner.look(two.receipts()).receipts_found == 1


def test_what_no_correct_node_proposes_is_seen_in_a_block(two: Two) -> None:
    for desk in two.desks:
        desk.block(b"not an item", *two.items)
    what = "an item in a block is MALFORMED"
    assert two.examiner.look(two.receipts()).differences == [f"node0: {what}", f"node1: {what}"]


def test_a_signer_of_two_that_no_alarm_names_is_missed(two: Two) -> None:
    two.examiner.signed_twice.append(2)
    for desk in two.desks:
        desk.block(*two.items)
    differences = two.examiner.look(two.receipts()).differences
    assert differences == [f"node{i}: alarms name [] for [131074]" for i in (0, 1)]


def test_a_call_out_of_order_is_told(two: Two) -> None:
    for desk in two.desks:
        desk.block(*two.items)
    calls = two.standing.honest[1].directory / CALLS
    calls.write_text(SOUND + "commit\n")
    assert two.examiner.look(two.receipts()).differences == [
        "node1: call 8: commit while between blocks"
    ]
