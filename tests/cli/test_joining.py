"""A further node of a running network, by replay and by state sync, has the same app hash."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.desk import Desk
from tests.engines.cometbft.consortium import Node, await_first_block, eventually
from tieout.demo.consortium.play import Running
from tieout.engines.cometbft.addresses import free_addresses
from tieout.engines.cometbft.founding import Member, found_network
from tieout.engines.cometbft.joining import peers_of
from tieout.engines.cometbft.peers import Allowed, read_allowed
from tieout.engines.cometbft.places import NODE_FILE
from tieout.engines.cometbft.process import NodeProcesses, find_cometbft
from tieout.engines.cometbft.settings import read_node, rpc_address
from tieout.engines.embedded.ledger import EmbeddedLedger

PARTIES = ("seller", "bank")
PAY = (
    'name = "pay"',
    "version = 1",
    'roles = ["seller", "bank"]',
    "[fields.amount]",
    'type = "money"',
    "scale = 2",
)
STRANGER = "ab" * 20
GENESIS = "net/seller/ledgers/network/genesis.json"


@pytest.fixture
def cometbft() -> Path:
    program = find_cometbft()
    if program is None:
        pytest.skip("CometBFT is not built here: `make cometbft` builds it where Go can be had")
    return program


@pytest.fixture
def network(desk: Desk, cometbft: Path) -> Iterator[Desk]:
    """Two nodes that run in `net`, with a cut-off closed."""
    at = iter(free_addresses(2 * len(PARTIES)))
    members = [Member(name, 10, next(at), next(at)) for name in PARTIES]
    nodes = found_network(desk.folder / "net", "payments", members, time.time_ns() // 1_000)
    desk.file("pay.toml", *PAY)
    with Running(nodes, cometbft):
        for node in nodes:
            await_first_block(node)
        for party in PARTIES:
            assert desk.tieout("network", "enact", f"net/{party}", "pay.toml").code == 0
        for party in PARTIES:
            await_agreement(desk, party)
            publish(desk, party, "A-1")
        assert desk.tieout("network", "close", "net/seller", "pay").code == 0
        yield desk


def await_agreement(desk: Desk, party: str, agreement: str = "pay.toml") -> None:
    """Wait until the party's own node has the block in which the agreement came into force."""
    enact = ("network", "enact", f"net/{party}", agreement)
    eventually(lambda: "is in force" in desk.tieout(*enact).err, f"{party} has the agreement")


def publish(desk: Desk, party: str, *ids: str) -> None:
    rows = [f"{each},5.00" for each in ids]
    file = f"{party}={desk.file(party + '.csv', 'transaction_id,amount', *rows)}"
    said = desk.tieout("network", "publish", f"net/{party}", "pay.toml", file)
    assert said.code == 0, said.err


def first_kept(directory: Path) -> int:
    """The first height that a copy keeps."""
    with EmbeddedLedger.open(directory, read_only=True) as ledger:
        return ledger.journal.base.height + 1


def node_in(directory: Path, cometbft: Path) -> Node:
    host, port = rpc_address(directory)
    return Node(directory, f"{host}:{port}", NodeProcesses(directory, cometbft))


@pytest.mark.slow
@pytest.mark.xdist_group("network")
def test_new_nodes_follow_by_replay_and_by_state_sync(network: Desk, cometbft: Path) -> None:
    desk = network
    at = free_addresses(4)
    replay = desk.tieout(
        "network", "join", "net", "replay", "--p2p", at[0], "--rpc", at[1], "--json"
    )
    assert replay.code == 0, replay.err
    assert replay.json["let_in_by"] == ["net/bank/ledgers/payments", "net/seller/ledgers/payments"]
    assert replay.json["directory"] == "replay/ledgers/payments"

    # From the genesis file alone, and a peer of another house, which lets it in.
    bank = desk.folder / "net" / "bank" / "ledgers" / "payments"
    peer = peers_of(bank)[0]
    host, port = rpc_address(bank)
    synced = desk.tieout(
        "network", "join", str(bank / "genesis.json"), "synced/ledgers/pay", "--peer", peer,
        "--p2p", at[2], "--rpc", at[3], "--sync-from", f"{host}:{port}", "--json",
    )  # fmt: skip
    assert synced.code == 0, synced.err
    assert (synced.json["let_in_by"], synced.json["trusted_height"] > 0) == ([], True)
    allowed = desk.tieout("network", "allow", synced.json["node_id"], "net/bank")
    assert (allowed.code, "lets it connect from now on" in allowed.err) == (0, True)

    made = [desk.folder / each.json["directory"] for each in (replay, synced)]
    new = [node_in(directory, cometbft) for directory in made]
    with Running(made, cometbft):
        for node in new:
            eventually(lambda node=node: node.height > 0, "the new node has a block")  # type: ignore[misc]
        publish(desk, "bank", "A-1", "N-1")
        old = node_in(bank, cometbft)
        height = old.height
        for node in (old, *new):
            node.await_height(height + 1)
        assert {node.app_hash_after(height) for node in new} == {old.app_hash_after(height)}
    kept_from = [first_kept(directory) for directory in made]
    assert kept_from[0] == 1 < kept_from[1]
    votes = desk.tieout("network", "status", "net", "--json").json
    assert [node["reachable"] for node in votes] == [True, True]


def test_a_new_node_has_what_all_have_alike_and_keys_of_its_own(desk: Desk) -> None:
    desk.tieout("network", "init", "net", "seller", "bank")
    said = desk.tieout("network", "join", "net/seller", "new", "--p2p", "10.0.0.9:26656")
    assert said.code == 0
    ours, theirs = (desk.folder / party / "ledgers" / "network" for party in ("new", "net/seller"))
    assert read_node(ours)[0] == read_node(theirs)[0]
    config = Path("cometbft/config")
    founded = (theirs / config / "genesis.json").read_bytes()
    assert (ours / config / "genesis.json").read_bytes() == founded
    for key in ("node_key.json", "priv_validator_key.json"):
        assert (ours / config / key).read_bytes() != (theirs / config / key).read_bytes()
    own, *others = peers_of(ours)
    assert others == peers_of(theirs)
    assert own.endswith("@10.0.0.9:26656")
    assert set(read_allowed(ours) or ()) == {each.partition("@")[0] for each in (own, *others)}
    assert own.partition("@")[0] in (read_allowed(theirs) or ())
    again = desk.tieout("network", "join", "net/seller", "new")
    assert (again.code, "holds a node already" in again.err) == (2, True)


def test_a_party_with_several_ledgers_says_which_is_meant(desk: Desk) -> None:
    desk.file("plan.toml", "[ledgers]", 'fund = {parties = ["seller", "bank"]}',
              'repo = {parties = ["bank", "broker"]}')  # fmt: skip
    assert desk.tieout("network", "init", "net", "--plan", "plan.toml").code == 0
    desk.file("pay.toml", *PAY)
    for words in (
        ["network", "enact", "net/bank", "pay.toml"],
        ["network", "publish", "net/bank", "pay.toml", f"bank={desk.file('b.csv', 'x')}"],
        ["network", "close", "net/bank", "pay"],
        ["network", "allow", STRANGER, "net/seller", "net/bank"],
        ["network", "join", "net/bank", "new"],
        ["network", "join", "net", "new"],
        ["adjust", "approve", "ab", "--as", "approver-1", "--ledger", "net/bank"],
        ["member", "rotate", "--ledger", "net/bank"],
        ["member", "apply", "bank", "-o", "a.json", "--directory", "net/bank"],
        ["breaks", "--ledger", "net/bank"],
        ["audit", "--ledger", "net/bank"],
        ["projection", "status", "--ledger", "net/bank"],
    ):
        said = desk.tieout(*words)
        assert said.code == 2, said.err
        assert "name one of them: net/bank/ledgers/fund, net/bank/ledgers/repo" in said.err
    assert not (desk.folder / "new").exists()
    made = desk.tieout("network", "join", "net/bank/ledgers/repo", "new", "--json")
    assert (made.code, made.json["directory"]) == (0, "new/ledgers/repo")
    beside = desk.tieout("network", "join", "net/bank/ledgers/fund", "new", "--json")
    assert (beside.code, beside.json["directory"]) == (0, "new/ledgers/fund")


def test_who_may_connect_is_read_while_the_node_runs(desk: Desk) -> None:
    desk.tieout("network", "init", "net", "seller", "bank")
    node = desk.folder / "net" / "seller" / "ledgers" / "network"
    allowed = Allowed(node)
    assert STRANGER not in allowed
    assert desk.tieout("network", "allow", STRANGER, "net/seller").code == 0
    assert STRANGER in allowed
    assert "already" in desk.tieout("network", "allow", STRANGER, "net/seller").err
    (node / NODE_FILE).write_text("{")
    assert STRANGER in allowed


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["join", GENESIS, "new"], "no node to connect to was named"),
        (["join", "net", "new", "--peer", "seller:26656"], "is not ID@HOST:PORT"),
        (["join", "net", "new", "--sync-from", "seller"], "is not HOST:PORT"),
        (["join", "net", "new", "--sync-from", "127.0.0.1:9"], "no state can be taken from"),
        (["join", "pay.toml", "new"], "is no genesis"),
        (["join", "net", "alone"], "alone holds a ledger already"),
        (["join", "nowhere", "new"], "is no node's directory"),
        (["join", "alone/genesis.json", "new", "--peer", f"{STRANGER}@h:1"], "names no validators"),
        (["allow", "seller", "net/seller"], "is no id of a node"),
        (["allow", STRANGER, "nowhere"], "there is no node here"),
        (["allow", STRANGER], "no node was named"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_made(
    desk: Desk, words: list[str], complaint: str
) -> None:
    desk.tieout("network", "init", "net", "seller", "bank")
    desk.file("pay.toml", *PAY)
    desk.file("rows.csv", "transaction_id,amount")
    desk.tieout("reconcile", "pay.toml", "seller=rows.csv", "--ledger", "alone")
    said = desk.tieout("network", *words)
    assert (said.code, complaint in said.err) == (2, True), said.err
    assert not (desk.folder / "new").exists()
