"""Nodes, validators and crowds that come and go under load."""

import statistics
from typing import Final

from tests.chaos.faults import Fault, Stage
from tests.chaos.load import SIZES, Receipt
from tests.chaos.network import RETURN_S, VALIDATORS, Network
from tests.chaos.parties import BANK, BRANCH, POWER, SELLER, asked_about, set_validator
from tests.engines.cometbft.consortium import eventually
from tieout.consensus.hashing import address
from tieout.engines.cometbft.settings import StateSync

REPLAYED, SYNCED = VALIDATORS, VALIDATORS + 1
"""The places of nodes that come later."""
LARGEST: Final = 10_000
SMALL_ONES: Final = 10
"""Small batches whose waits are measured, alone and beside large ones."""
PATIENCE_S: Final = 10.0
"""A small batch that waits no longer is not starved, on a machine with two cores for four nodes."""
LARGE_AT_ONCE: Final = 2


def replay(stage: Stage) -> None:
    """A new node replays every block, and follows."""
    network = stage.network
    network.await_height(network.top, [network.add(REPLAYED)])


def sync_state(stage: Stage) -> None:
    """A new node begins with the state of the others after a cut-off, and follows."""
    network = stage.network
    servers = network.nodes[:2]
    cutoff = network.parties.cutoff()
    network.place(cutoff)
    (place,) = network.places(servers[0], asked_about(cutoff))
    height = place["height"]
    network.await_height(height + 2)
    header = servers[0].call("commit", height=str(height))["signed_header"]
    trusted = header["commit"]["block_id"]["hash"]
    sync = StateSync(tuple(map(network.rpc_for_peers, servers)), height, trusted)
    node = network.add(SYNCED, sync)
    network.await_height(height + 2, [node])
    assert stage.examiner.kept(node).first > height, "the node replayed instead"


def change_validators(stage: Stage) -> None:
    """By vote, a fifth validator comes, gets another key, and goes."""
    network = stage.network
    node = network.add(REPLAYED)
    network.await_height(network.top, [node])
    first = network.public(node)
    network.place(*network.parties.change(network.top, set_validator(first, POWER)))
    _await_signature(network, first)
    node.processes.stop()
    second = network.change_key(node)
    steps = set_validator(second, POWER), set_validator(first, 0)
    network.place(*network.parties.change(network.top, *steps))
    node.processes.start()
    _await_signature(network, second)
    network.place(*network.parties.change(network.top, set_validator(second, 0)))
    eventually(lambda: len(_validators(network)) == VALIDATORS, "the fifth is gone", RETURN_S)
    assert address(second).hex().upper() not in _validators(network)


def _validators(network: Network) -> list[str]:
    """The addresses of those who decide on the next block."""
    told = network.nodes[0].call("validators")["validators"]
    return [str(each["address"]) for each in told]


def _await_signature(network: Network, public: bytes) -> None:
    """A validator's signature is among those under a block."""
    own = address(public).hex().upper()

    def has_signed() -> bool:
        network.tend()
        node = network.nodes[0]
        commit = node.call("commit", height=str(max(node.height - 1, 1)))["signed_header"]["commit"]
        return any(each["validator_address"] == own for each in commit["signatures"])

    eventually(has_signed, "the new validator signs", RETURN_S)


def crowd(stage: Stage) -> None:
    """Small batches of one party beside the largest ones of two others: none is starved."""
    parties = stage.load.parties
    small, large = parties[BANK], (parties[SELLER], parties[BRANCH])
    small.sizes = (1,)
    for party in large:
        party.sizes = (1,)
    alone = _next_waits(small.receipts, 1)
    for party in large:
        party.sizes, party.at_once = (LARGEST,), LARGE_AT_ONCE
    for party in large:
        eventually(
            lambda party=party: party.receipts[-1].records == LARGEST, "large ones come", RETURN_S
        )
    begun = [len(party.receipts) for party in large]
    beside = _next_waits(small.receipts, 1)
    for party in large:
        party.sizes, party.at_once = SIZES, 1
    small.sizes = SIZES
    theirs = [
        each.wait_s
        for party, first in zip(large, begun, strict=True)
        for each in party.receipts[first:]
        if each.records == LARGEST
    ]
    assert theirs, "no large batch came while small ones were measured"
    for name, waits in (
        ("1 record, alone", alone),
        ("1 record, beside 10,000", beside),
        ("10,000 records", theirs),
    ):
        median, longest = statistics.median(waits), max(waits)
        stage.notes.append(
            f"batches of {name}: median wait {median:.2f} s, longest {longest:.2f} s ({len(waits)})"
        )
    assert max(beside) <= max(PATIENCE_S, *theirs), "small batches are starved"


def _next_waits(receipts: list[Receipt], records: int) -> list[float]:
    """The waits of the next batches of so many records."""
    begun = len(receipts)

    def waits() -> list[float]:
        return [each.wait_s for each in receipts[begun:] if each.records == records]

    eventually(lambda: len(waits()) >= SMALL_ONES, "small ones get receipts", RETURN_S)
    return waits()


COMINGS: Final = (
    Fault("a new node replays", replay),
    Fault("a new node takes over a state", sync_state),
    Fault("a validator comes, changes key, goes", change_validators),
    Fault("10,000 records a batch beside 1", crowd),
)
