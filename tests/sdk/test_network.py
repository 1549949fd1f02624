"""A client and real networks of CometBFT: submit, wait, follow the signatures, through outages."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.consensus.network import HOST, Node, running, start
from tieout.consensus.errors import ConsensusError
from tieout.consensus.hashing import header_hash
from tieout.consensus.light import Trust, walk
from tieout.sdk.client import LedgerClient, Taken
from tieout.sdk.errors import Congested, NotYet, Unproven
from tieout.sdk.light import LightClient, validators
from tieout.sdk.patience import Patience
from tieout.sdk.transport import Node as Rpc
from tieout.wire.ed25519 import SigningKey

SHORT = Patience(first_s=0.01, longest_s=0.1, total_s=1)
LONG = Patience(first_s=0.01, longest_s=0.2, total_s=40)
INVALID_FORM = 2
"""What the key-value store answers to bytes that are not `key=value`."""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One validator with room for two transactions."""
    folder = tmp_path_factory.mktemp("alone")
    with running(folder, 1, settings={"size": "2"}) as (node,):
        yield node


@pytest.fixture
def rpc(alone: Node) -> Iterator[Rpc]:
    with Rpc(HOST, alone.rpc_port) as opened:
        yield opened


def founded(rpc: Rpc, node: Node) -> Trust:
    """The trust of somebody who was told the validators of the first block."""
    return Trust.founded(node.ask("status")["node_info"]["network"], validators(rpc, 1))


def included(node: Node, last: int) -> Counter[str]:
    """How often each transaction stands in the blocks up to a height."""
    found: Counter[str] = Counter()
    for height in range(1, last + 1):
        found.update(node.ask("block", height=str(height))["block"]["data"]["txs"] or [])
    return found


def test_what_is_submitted_is_included_and_proven(alone: Node, rpc: Rpc) -> None:
    client = LedgerClient(rpc, LightClient(rpc, founded(rpc, alone)), LONG)
    submission = client.submit(b"name=ada")
    assert submission.taken is Taken.NEW
    inclusion = client.wait([submission.name], submission.height)[submission.name]
    assert inclusion.height > submission.height
    assert (inclusion.code, inclusion.is_proven) == (0, True)
    assert client.query("", b"name").value == b"ada"


def test_the_same_bytes_again_are_known_and_stand_in_one_block_only(alone: Node, rpc: Rpc) -> None:
    client = LedgerClient(rpc, patience=LONG)
    first = client.submit(b"once=1")
    assert client.submit(b"once=1").taken is Taken.KNOWN
    place = client.wait([first.name], first.height)
    again = client.submit(b"once=1")
    assert again.taken is Taken.KNOWN
    assert client.wait([again.name], first.height) == place
    assert set(included(alone, client.height()).values()) == {1}


def test_the_application_refuses_before_anything_is_in_a_block(rpc: Rpc) -> None:
    submission = LedgerClient(rpc, patience=SHORT).submit(b"no key and no value")
    assert (submission.taken, submission.code) == (Taken.REFUSED, INVALID_FORM)


def test_more_than_the_mempool_holds_is_taken_as_room_comes(rpc: Rpc) -> None:
    client = LedgerClient(rpc, patience=LONG)
    names = [client.submit(b"many=%d" % number) for number in range(12)]
    found = client.wait([each.name for each in names], names[0].height)
    assert len({inclusion.height for inclusion in found.values()}) > 3
    assert {inclusion.code for inclusion in found.values()} == {0}


def test_all_heights_are_certain_for_who_trusts_the_founders(alone: Node, rpc: Rpc) -> None:
    alone.wait_for(4)
    light = LightClient(rpc, founded(rpc, alone))
    for height in (3, 1, 4, 2, 4):
        told = alone.ask("commit", height=str(height))["signed_header"]["commit"]["block_id"]
        assert light.trust_at(height).header_hash.hex().upper() == told["hash"]
    assert len(light.steps_to(4)) == 1


def test_an_evidence_packs_votes_are_fetched_from_a_node(alone: Node, rpc: Rpc) -> None:
    alone.wait_for(4)
    trust = founded(rpc, alone)
    consensus = LightClient(rpc, trust).consensus_at(3)
    reached = walk(trust, consensus.steps)
    assert (consensus.header.height, reached.height) == (3, 4)
    assert consensus.steps[-1].header.last_block_id.hash == header_hash(consensus.header)


def test_a_network_of_strangers_proves_nothing(alone: Node, rpc: Rpc) -> None:
    """Somebody who trusts other validators, or another chain, is not convinced by any header."""
    alone.wait_for(2)
    mine = founded(rpc, alone)
    other_chain = Trust.founded("other", mine.validators)
    stranger = type(mine.validators[0])(SigningKey(bytes(32)).public, 1)
    others = Trust.founded(mine.chain_id, [stranger])
    for trust in (other_chain, others):
        with pytest.raises(Unproven) as refused:
            LightClient(rpc, trust).trust_at(2)
        assert isinstance(refused.value.__cause__, ConsensusError)


def test_without_kept_results_the_code_is_open(tmp_path: Path) -> None:
    settings = {"discard_abci_responses": "true"}
    with (
        running(tmp_path / "net", 1, settings=settings) as (node,),
        Rpc(HOST, node.rpc_port) as rpc,
    ):
        client = LedgerClient(rpc, patience=LONG)
        submission = client.submit(b"name=ada")
        assert client.wait([submission.name], submission.height)[submission.name].code is None


def test_an_outage_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    """Of two validators one stops: no blocks. The other is killed: what it held is gone.

    The client sends the same bytes again, and they are in the ledger once.
    """
    nodes: list[Node]
    with running(tmp_path / "net", 2, settings={"size": "1"}) as nodes:
        mine, other = nodes
        with Rpc(HOST, mine.rpc_port) as rpc:
            patient, hasty = LedgerClient(rpc, patience=LONG), LedgerClient(rpc, patience=SHORT)
            other.stop()
            first = hasty.submit(b"first=1")
            with pytest.raises(NotYet):
                hasty.wait([first.name], first.height)
            for data in (b"second=2", b"first=1"):  # a full mempool does not say what it holds
                with pytest.raises(Congested):
                    hasty.submit(data)
            assert mine.process is not None
            mine.process.kill()
            mine.process.wait(10)
            for node in nodes:
                start(node, nodes)
            again = patient.submit(b"first=1")
            second = patient.submit(b"second=2")
            found = patient.wait([again.name, second.name], first.height)
            assert {inclusion.code for inclusion in found.values()} == {0}
            counts = included(mine, patient.height())
            assert set(counts.values()) == {1}
            assert len(counts) == 2
