"""`tieout network`: what is founded, what is refused, and what runs."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.desk import Desk
from tieout.engines.cometbft.nodes import ledgers_within, party_of
from tieout.engines.cometbft.process import COMETBFT_VARIABLE, find_cometbft
from tieout.engines.cometbft.settings import read_node, rpc_address
from tieout.engines.embedded.ledger import found_ledger
from tieout.engines.errors import EngineError
from tieout.engines.keyring import read_keys
from tieout.evidence.ordering import founding_trust

RUN = [sys.executable, "-c", "from tieout.cli.main import main; main()", "network"]


def test_a_network_is_founded_with_one_genesis_and_own_keys(desk: Desk) -> None:
    said = desk.tieout(
        "network", "init", "net", "seller", "bank", "--observer", "auditor",
        "--host", "bank=10.0.0.7",
    )  # fmt: skip
    assert said.code == 0
    folder = desk.folder / "net"
    parties = ("seller", "bank", "auditor")
    copies = [folder / party / "ledgers" / "network" for party in parties]
    genesis, _ = read_node(copies[0])
    assert [party.name for party in genesis.parties] == list(parties)
    assert [validator.party for validator in genesis.validators] == [1, 2]
    assert len(founding_trust(genesis).validators) == 2
    for number, own in enumerate(copies, start=1):
        assert read_node(own)[0] == genesis
        assert read_keys(own, genesis).parties == [number]
        assert stat.S_IMODE((own / "keys.json").stat().st_mode) == 0o600
        assert [stat.S_IMODE(each.stat().st_mode) for each in (own, own.parents[1])] == [0o700] * 2
    config = (copies[0] / "cometbft" / "config" / "config.toml").read_text()
    assert "@10.0.0.7:26666" in config
    assert rpc_address(copies[2]) == ("127.0.0.1", 26677)


PLAN = [
    "[ledgers.fund]",
    'parties = ["seller", "registrar", "bank", "regulator"]',
    "[ledgers.custody]",
    'parties = ["bank", "custodian"]',
    'observers = ["regulator"]',
]


def test_a_plan_founds_ledgers_that_share_parties_and_nothing_else(desk: Desk) -> None:
    hosts = ["[hosts]", 'custodian = "10.0.0.9"']
    plan = desk.file("network.toml", *PLAN, *hosts)
    said = desk.tieout("network", "init", "net", "--plan", plan, "--first-port", "20000")
    assert said.code == 0
    assert "ledger fund: 4 nodes vote; 1 may fail or lie" in said.err
    assert "ledger custody: 2 nodes vote; none may fail" in said.err
    assert "net/bank: keys and node of bank, for fund and custody" in said.err
    copies = ledgers_within([desk.folder / "net"])
    assert [f"{party_of(copy)}/{copy.name}" for copy in copies] == [
        "bank/custody", "bank/fund", "custodian/custody", "registrar/fund",
        "regulator/custody", "regulator/fund", "seller/fund",
    ]  # fmt: skip
    ids = {copy.name: {read_node(each)[0].ledger_id() for each in copies if each.name == copy.name}
           for copy in copies}  # fmt: skip
    assert [len(each) for each in ids.values()] == [1, 1]
    assert ids["fund"] != ids["custody"]
    seeds = [(copy / "keys.json").read_bytes() for copy in copies]
    assert len(set(seeds)) == len(seeds)
    ports = [rpc_address(copy)[1] for copy in copies]
    assert sorted(ports) == [20_001 + 10 * i for i in range(7)]
    config = (desk.folder / "net/bank/ledgers/custody/cometbft/config/config.toml").read_text()
    assert "@10.0.0.9:20050" in config
    # One more, later: what is there stays as it is.
    said = desk.tieout("network", "init", "net", "bank", "broker", "--name", "repo")
    assert said.code == 0
    assert [(copy / "keys.json").read_bytes() for copy in copies] == seeds
    assert [copy.name for copy in ledgers_within([desk.folder / "net/bank"])] == [
        "custody", "fund", "repo",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "options", "complaint"),
    [
        (PLAN, ["seller"], "a plan names parties, hosts and ledgers itself"),
        (PLAN, ["--name", "fund"], "a plan names parties, hosts and ledgers itself"),
        (PLAN, ["--first-port", "65500"], "ports would go up to 65561"),
        ([*PLAN, "[hosts]", 'broker = "10.0.0.9"'], [], "a host of broker"),
        ([*PLAN, "colour = 1"], [], "is no plan of a network"),
        (["ledgers = {}"], [], "names no ledger"),
        (["[ledgers.Fund]", 'parties = ["a"]'], [], "'Fund' is no name of a ledger"),
        (
            [*PLAN, "[ledgers.third]", "parties = []"],
            [],
            "nobody would vote on the blocks of third",
        ),
        (["[ledgers"], [], "is no plan of a network"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused_and_nothing_is_written(
    desk: Desk, lines: list[str], options: list[str], complaint: str
) -> None:
    plan = desk.file("network.toml", *lines)
    said = desk.tieout("network", "init", "net", *options, "--plan", plan)
    assert (said.code, complaint in said.err) == (2, True), said.err
    assert not (desk.folder / "net").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["net"], "no party was named"),
        (["net", "Seller"], "'Seller' is no name of a member"),
        (["net", "seller", "seller"], "two members of network have one name"),
        (["net", "seller", "--host", "bank=1.2.3.4"], "is not PARTY=HOST"),
        (["net", "seller", "--host", "seller"], "is not PARTY=HOST"),
    ],
)
def test_what_cannot_be_founded_is_refused_and_nothing_is_written(
    desk: Desk, words: list[str], complaint: str
) -> None:
    said = desk.tieout("network", "init", *words)
    assert said.code == 2
    assert complaint in said.err
    assert not (desk.folder / "net").exists()


def test_a_plan_that_is_not_text_or_not_there_is_named(desk: Desk) -> None:
    (desk.folder / "plan.toml").write_bytes(b"\xff\xfe")
    said = desk.tieout("network", "init", "net", "--plan", "plan.toml")
    assert (said.code, "is no plan of a network" in said.err) == (2, True)
    said = desk.tieout("network", "init", "net", "--plan", "other.toml")
    assert (said.code, "other.toml cannot be read" in said.err) == (2, True)


def test_a_node_is_never_written_over(desk: Desk) -> None:
    assert desk.tieout("network", "init", "net", "seller").code == 0
    key = desk.folder / "net/seller/ledgers/network/keys.json"
    before = key.read_bytes()
    said = desk.tieout("network", "init", "net", "bank", "seller")
    assert (said.code, "holds a ledger already" in said.err) == (2, True)
    assert key.read_bytes() == before
    assert not (desk.folder / "net" / "bank").exists()


def test_a_node_that_does_not_run_is_said_to_be_unreachable(desk: Desk) -> None:
    desk.tieout("network", "init", "net", "seller")
    said = desk.tieout("network", "status", "net", "--json")
    assert said.code == 1
    (node,) = said.json
    assert (node["node"], node["reachable"], node["height"]) == ("seller", False, 0)
    assert (node["ledger"], len(node["ledger_id"])) == ("network", 64)
    assert "not reachable" in desk.tieout("network", "status", "net/seller").out


@pytest.mark.parametrize("words", [["status"], ["run"], ["status", "elsewhere"], ["run", "else"]])
def test_what_is_no_node_is_named(desk: Desk, words: list[str]) -> None:
    said = desk.tieout("network", *words)
    assert said.code == 2
    assert "no node was named" in said.err or "is no node's directory" in said.err


def test_without_cometbft_it_is_said_how_to_get_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(COMETBFT_VARIABLE, str(desk.folder / "nowhere"))
    said = desk.tieout("network", "demo", "--directory", "demo")
    assert (said.code, "nowhere is not there" in said.err) == (2, True)
    assert not (desk.folder / "demo").exists()


@pytest.mark.parametrize("command", ["run", "status", "local --directory"])
def test_a_ledger_of_one_operator_is_no_consortium_and_it_is_said_why(
    desk: Desk, command: str
) -> None:
    found_ledger(desk.folder / "own", ["seller", "bank"], 1)
    said = desk.tieout("network", *command.split(), "own")
    assert said.code == 2
    assert "own is a ledger of one operator: no network can order it" in said.err
    assert "found a new one with `tieout network init`" in said.err
    # The node's own process says the same of such a directory.
    with pytest.raises(EngineError, match="a ledger of one operator"):
        read_node(desk.folder / "own")


def test_a_party_directory_without_ledgers_is_no_place_to_found_over(desk: Desk) -> None:
    """The layout of one ledger in the party's own directory is told apart, not mixed with."""
    assert desk.tieout("network", "init", "net", "seller").code == 0
    copy = desk.folder / "net/seller/ledgers/network"
    for path in copy.iterdir():
        path.rename(copy.parents[1] / path.name)
    said = desk.tieout("network", "init", "net", "seller")
    assert (said.code, "net/seller holds a ledger already" in said.err) == (2, True)


@pytest.mark.slow
@pytest.mark.xdist_group("network")
def test_a_local_network_of_two_ledgers_runs_until_it_is_interrupted(tmp_path: Path) -> None:
    if find_cometbft() is None:
        pytest.skip("CometBFT is not built here: `make cometbft` builds it where Go can be had")
    folder, plan = tmp_path / "net", tmp_path / "plan.toml"
    plan.write_text('[ledgers.one]\nparties=["a", "b"]\n[ledgers.two]\nparties=["b"]\n')
    command = [*RUN, "local", "--plan", str(plan), "--directory", str(folder), "--for", "90"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        standing: list[dict[str, Any]] = []
        until = time.monotonic() + 60
        while time.monotonic() < until and not are_level(standing):
            time.sleep(0.2)
            status = subprocess.run(
                [*RUN, "status", str(folder), "--json"],
                capture_output=True,
                check=False,
                env=os.environ,
            )
            if status.returncode == 0:
                standing = msgspec.json.decode(status.stdout)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0
    assert told.startswith("ledger one: 2 nodes vote; none may fail\nledger two: one node votes")
    assert told.endswith("stopped\n")
    # The node that serves both stands in each of them at a height of its own.
    assert [(node["ledger"], node["node"]) for node in standing] == [
        ("one", "a"), ("one", "b"), ("two", "b"),
    ]  # fmt: skip
    assert len({node["ledger_id"] for node in standing}) == 2


def are_level(standing: list[dict[str, Any]]) -> bool:
    """Whether both ledgers have begun, and the nodes of the first are at one block."""
    heights = [node["height"] for node in standing]
    behind = [node["behind"] for node in standing if node["ledger"] == "one"]
    return len(heights) == 3 and min(heights) >= 2 and behind == [0, 0]


def test_nothing_but_the_node_writes_its_ledger(desk: Desk) -> None:
    desk.tieout("network", "init", "net", "seller", "registrar", "bank")
    node = desk.folder / "net/seller/ledgers/network"
    before = sorted(str(path) for path in node.rglob("*"))
    file = desk.file("seller.csv", "transaction_id,amount", "T1,1.00")
    agreement = desk.file(
        "pay.toml",
        'name = "pay"',
        "version = 1",
        'roles = ["seller", "bank"]',
        "[fields.amount]",
        'type = "money"',
        "scale = 2",
    )
    said = desk.tieout("reconcile", agreement, f"seller={file}", "--ledger", str(node))
    assert said.code == 2
    assert "nobody writes to it alone" in said.err
    party = str(desk.folder / "net/seller")
    said = desk.tieout("reconcile", agreement, f"seller={file}", "--ledger", party)
    assert (said.code, "is a party's directory" in said.err) == (2, True)
    said = desk.tieout("breaks", "--ledger", party)
    assert (said.code, f"there is no journal at {node}" in said.err) == (2, True), said.err
    assert sorted(str(path) for path in node.rglob("*")) == before


def test_without_a_running_node_nothing_is_published(desk: Desk) -> None:
    desk.tieout("network", "init", "net", "seller", "bank")
    said = desk.tieout("network", "close", "net/seller", "pay")
    assert (said.code, "tieout network run net/seller/ledgers/network" in said.err) == (2, True)
