"""Ledgers ordered by real CometBFT nodes, on loopback."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.cometbft.consortium import (
    BANK,
    SELLER,
    Consortium,
    Node,
    eventually,
)
from tieout.engines.cometbft.places import JOURNAL
from tieout.engines.cometbft.queries import NOT_FOUND
from tieout.engines.cometbft.settings import StateSync
from tieout.journal.check import check_journal
from tieout.journal.journal import Journal
from tieout.merkle.tree import check_inclusion, leaf_hash
from tieout.testing.abcicalls import check_calls
from tieout.wire.codes import ItemOutcome
from tieout.wire.ids import app_hash
from tieout.wire.leaf import leaf_bytes

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("network")]
"""One network is enough for two cores, so the tests of this file share it, in one worker."""


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory, cometbft: Path) -> Iterator[Consortium]:
    """Four validators, with the agreement in force."""
    with Consortium(tmp_path_factory.mktemp("four"), cometbft, 4).running() as four:
        four.enact()
        yield four


def journal_hashes(node: Node, first: int = 1) -> dict[int, bytes]:
    """What the journal of a node that may be running says of each height."""
    ledger_id = bytes.fromhex(node.ask("/parts")[1]["ledger_id"])
    with Journal.open(node.directory / JOURNAL, ledger_id, read_only=True) as journal:
        return {entry.block.height: entry.result.app_hash for entry in journal.entries(first)}


def assert_same_ledger(nodes: list[Node], height: int, first: int = 1) -> None:
    """All journals agree with each other and with CometBFT's headers, up to a height."""
    for node in nodes:
        node.await_height(height + 1)
    one, *others = [journal_hashes(node, first) for node in nodes]
    heights = range(first, height + 1)
    for other in others:
        assert [one[h] for h in heights] == [other[h] for h in heights]
    assert [one[h].hex() for h in heights] == [nodes[0].app_hash_after(h) for h in heights]


def test_records_given_at_different_nodes_have_one_verdict_everywhere(
    consortium: Consortium,
) -> None:
    nodes, members = consortium.nodes, consortium.members
    assert nodes[1].submit(members.batch(SELLER, ("A-1", 100), ("A-2", 70))) == 0
    assert nodes[2].submit(members.batch(BANK, ("A-1", 100), ("A-2", 71))) == 0
    places = [
        [node.await_item(role + 1, members.last_sequence(role)) for role in (SELLER, BANK)]
        for node in nodes
    ]
    assert places == [places[0]] * len(nodes)
    for node in nodes:
        about = {"agreement": "pay", "originator": 0}
        matched = node.ask("/transaction", {**about, "transaction_id": "A-1"})
        broken = node.ask("/transaction", {**about, "transaction_id": "A-2"})
        assert (matched[1]["status"], broken[1]["status"]) == ("matched", "broken")
    assert_same_ledger(nodes, max(place["height"] for place in places[0]))


def test_a_leaf_is_proven_up_to_the_header_that_the_validators_signed(
    consortium: Consortium,
) -> None:
    node = consortium.nodes[3]
    node.await_item(2, 1)
    _, parts = node.ask("/parts")
    height = parts["height"]
    node.await_height(height + 1)
    _, leaf = node.ask("/leaf", {"leaf": 0}, height)
    signed = bytes.fromhex(leaf["signed"])
    outcome = ItemOutcome(leaf["outcome"])
    data = leaf_bytes(leaf["height"], leaf["time_us"], leaf["item"], outcome, signed, b"")
    path = [bytes.fromhex(each) for each in leaf["path"]]
    log_root = bytes.fromhex(parts["log_root"])
    check_inclusion(log_root, leaf["log_size"], 0, leaf_hash(data), path)
    names = ("events_chain", "members_hash", "agreements_hash", "state_digest")
    hashes = [bytes.fromhex(parts[name]) for name in names]
    ledger_id = consortium.members.genesis.ledger_id()
    assert leaf["log_root"] == parts["log_root"]
    expected = app_hash(ledger_id, parts["log_size"], log_root, *hashes).hex()
    assert node.app_hash_after(height) == parts["app_hash"] == expected


def test_an_idle_network_makes_a_block_an_interval_and_no_more(consortium: Consortium) -> None:
    node = consortium.nodes[0]
    # Whatever was said before has had its block, and the one that confirms it.
    settled = node.height + 2
    node.await_height(settled)
    begun, seconds = time.monotonic(), 4.0
    eventually(lambda: time.monotonic() - begun >= seconds, "time goes on")
    made = node.height - settled
    assert 2 <= made <= seconds + 1
    hashes = {node.app_hash_after(height) for height in range(settled, node.height)}
    assert len(hashes) == 1


def test_a_flood_of_what_is_refused_reaches_no_block(consortium: Consortium) -> None:
    node, members = consortium.nodes[0], consortium.members
    good = members.batch(SELLER, ("B-1", 5))
    refused = {
        ItemOutcome.MALFORMED: b"not an item",
        ItemOutcome.BAD_SIGNATURE: good[:184] + bytes(64) + good[248:],
        ItemOutcome.WRONG_ROOT: good[:-1] + bytes([good[-1] ^ 1]),
        ItemOutcome.OUT_OF_WINDOW: members.batch(SELLER, ("B-2", 5), sequence=5_000),
    }
    assert {ItemOutcome(node.submit(item)) for item in refused.values()} == set(refused)
    assert node.submit(good) == 0
    assert node.await_item(1, members.last_sequence(SELLER))["outcome"] == ItemOutcome.ACCEPTED


def test_a_new_node_begins_with_the_state_of_the_others(consortium: Consortium) -> None:
    one, members = consortium.nodes[0], consortium.members
    assert one.submit(members.batch(SELLER, ("C-1", 9))) == 0
    assert one.submit(members.cutoff(members.genesis.created_us)) == 0
    height = one.await_item(1, members.last_sequence(SELLER))["height"]
    one.await_height(height + 2)
    trusted = one.call("commit", height=str(height))["signed_header"]["commit"]["block_id"]["hash"]
    servers = tuple(node.rpc for node in consortium.nodes[:2])
    node = consortium.add(4, state_sync=StateSync(servers, height, trusted))
    try:
        node.processes.start()
        node.await_height(height + 2)
        assert one.submit(members.batch(SELLER, ("C-2", 9))) == 0
        last = node.await_item(1, members.last_sequence(SELLER))["height"]
        assert_same_ledger([node, one], last, first=height + 1)
        assert node.ask("/leaf", {"leaf": 0})[0] == NOT_FOUND
        leaf = one.ask("/parts")[1]["log_size"] - 1
        assert node.ask("/leaf", {"leaf": leaf})[1] == one.ask("/leaf", {"leaf": leaf})[1]
        assert node.ask("/items", {"party": 1, "stream": 0, "sequence": 1}) == (0, [])
        known = {"agreement": "pay", "originator": 0, "transaction_id": "C-1"}
        assert node.ask("/transaction", known) == one.ask("/transaction", known)
        # It begins again from its own journal.
        node.processes.stop()
        node.processes.start()
        node.await_height(last + 1)
    finally:
        node.processes.stop()
    assert check_calls((node.directory / "calls.log").read_text().splitlines()) >= last
    assert check_journal(node.directory / JOURNAL, members.genesis.ledger_id()).is_sound


def test_a_new_node_replays_every_block(consortium: Consortium) -> None:
    node = consortium.add(5)
    height = consortium.nodes[0].height
    try:
        node.processes.start()
        assert_same_ledger([consortium.nodes[0], node], height)
    finally:
        node.processes.stop()
    assert check_calls((node.directory / "calls.log").read_text().splitlines()) >= height
