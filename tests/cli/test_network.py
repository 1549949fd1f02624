"""`tieout network`: what is founded, what is refused, and what runs."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.desk import Desk
from tieout.engines.cometbft.process import COMETBFT_VARIABLE, find_cometbft
from tieout.engines.cometbft.settings import read_node, rpc_address
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
    genesis, _ = read_node(folder / "seller")
    assert [party.name for party in genesis.parties] == ["seller", "bank", "auditor"]
    assert [validator.party for validator in genesis.validators] == [1, 2]
    assert len(founding_trust(genesis).validators) == 2
    for number, party in enumerate(("seller", "bank", "auditor"), start=1):
        own = folder / party
        assert read_node(own)[0] == genesis
        assert read_keys(own, genesis).parties == [number]
        assert stat.S_IMODE(own.stat().st_mode) == 0o700
        assert stat.S_IMODE((own / "keys.json").stat().st_mode) == 0o600
    config = (folder / "seller" / "cometbft" / "config" / "config.toml").read_text()
    assert "@10.0.0.7:26666" in config
    assert rpc_address(folder / "auditor") == ("127.0.0.1", 26677)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["net"], "no party was named"),
        (["net", "Seller"], "'Seller' is no name of a member"),
        (["net", "seller", "seller"], "two members have one name"),
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


def test_a_node_is_never_written_over(desk: Desk) -> None:
    assert desk.tieout("network", "init", "net", "seller").code == 0
    key = desk.folder / "net" / "seller" / "keys.json"
    before = key.read_bytes()
    said = desk.tieout("network", "init", "net", "bank", "seller")
    assert (said.code, "holds a node already" in said.err) == (2, True)
    assert key.read_bytes() == before
    assert not (desk.folder / "net" / "bank").exists()


def test_a_node_that_does_not_run_is_said_to_be_unreachable(desk: Desk) -> None:
    desk.tieout("network", "init", "net", "seller")
    said = desk.tieout("network", "status", "net", "--json")
    assert said.code == 1
    (node,) = said.json
    assert (node["node"], node["reachable"], node["height"]) == ("seller", False, 0)
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


@pytest.mark.slow
@pytest.mark.xdist_group("network")
def test_a_local_network_runs_until_it_is_interrupted(tmp_path: Path) -> None:
    if find_cometbft() is None:
        pytest.skip("CometBFT is not built here: `make cometbft` builds it where Go can be had")
    folder = tmp_path / "net"
    command = [*RUN, "local", "2", "--directory", str(folder), "--for", "90"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        heights: set[int] = set()
        until = time.monotonic() + 60
        while time.monotonic() < until and (len(heights) != 1 or min(heights) < 2):
            time.sleep(0.2)
            status = subprocess.run(
                [*RUN, "status", str(folder), "--json"],
                capture_output=True,
                check=False,
                env=os.environ,
            )
            if status.returncode == 0:
                import msgspec

                nodes = msgspec.json.decode(status.stdout)
                heights = {node["height"] - node["height"] % 2 for node in nodes}
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0
    assert told.startswith(f"founded a network of 2 in {folder}")
    assert told.endswith("stopped\n")
    assert heights


def test_nothing_but_the_node_writes_its_ledger(desk: Desk) -> None:
    desk.tieout("network", "init", "net", "seller", "registrar", "bank")
    node = desk.folder / "net" / "seller"
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
    assert sorted(str(path) for path in node.rglob("*")) == before
