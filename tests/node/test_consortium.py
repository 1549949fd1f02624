"""Nodes over a real network of four parties: published at one, told at another, killed between."""

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.engines.cometbft.consortium import await_first_block, eventually
from tests.node.alarms.houses import write_alarms
from tests.node.alarms.receiver import Receiver, receiving
from tests.node.running import AGREEMENT, Caller, Node, ndjson, tieout
from tests.node.test_stream import Listener
from tieout.agreement.parse import parse_agreement
from tieout.demo.consortium.play import Running
from tieout.engines.cometbft.addresses import free_addresses
from tieout.engines.cometbft.founding import Member, found_network
from tieout.engines.cometbft.outbox import Outbox, Signed
from tieout.engines.cometbft.places import OUTBOX
from tieout.engines.cometbft.process import find_cometbft
from tieout.engines.cometbft.settings import read_node
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.keyring import read_keys
from tieout.engines.publisher import Publisher
from tieout.evidence.pack import verify_pack
from tieout.node.records import RecordForm
from tieout.node.settings import load_settings
from tieout.wire.genesis import parse_genesis

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("network")]

PARTIES = ("seller", "bank", "registrar", "regulator")


class Street:
    """Four parties' network nodes, and the nodes of those that talk to somebody."""

    def __init__(self, ledgers: list[Path], nodes: dict[str, Node], hook: Receiver) -> None:
        self.ledgers = dict(zip(PARTIES, ledgers, strict=True))
        self.nodes = nodes
        self.hook = hook

    def caller(self, party: str, role: str = "operator") -> Caller:
        return self.nodes[party].caller(role)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    cometbft = find_cometbft()
    if cometbft is None:
        pytest.skip("CometBFT is not built here: `make cometbft` builds it where Go can be had")
    folder = tmp_path_factory.mktemp("street")
    addresses = free_addresses(2 * len(PARTIES))
    members = [
        Member(name, 10, addresses[2 * i], addresses[2 * i + 1]) for i, name in enumerate(PARTIES)
    ]
    ledgers = found_network(folder, "pay", members, time.time_ns() // 1_000)
    nodes = {name: Node(folder / f"{name}-node") for name in ("seller", "bank", "regulator")}
    with receiving() as hook, Running(ledgers, cometbft):
        for ledger in ledgers:
            await_first_block(ledger)
        for name, node in nodes.items():
            said = tieout("node", "init", node.directory, "--network", folder / name)
            assert said.returncode == 0, said.stderr
        write_alarms(nodes["regulator"].directory, hook.url, 'name = "all"\nhold = "10ms"')
        try:
            with ThreadPoolExecutor() as pool:
                # Only the third one's lists are looked at.
                follow = {"TIEOUT_STORAGE_FOLLOW": "false"}
                begun = [
                    pool.submit(node.start, **({} if name == "regulator" else follow))
                    for name, node in nodes.items()
                ]
                for each in begun:
                    each.result()
            for name in ("seller", "bank"):
                await_ready(nodes[name])
                said = nodes[name].caller("administrator").ask(
                    "POST", "/v1/agreements", AGREEMENT, content_type="application/toml"
                )  # fmt: skip
                assert said.status == 201, said.body
            for node in nodes.values():
                eventually(lambda node=node: bool(agreements(node)), "the agreement is in force")
            yield Street(ledgers, nodes, hook)
        finally:
            for node in nodes.values():
                node.stop()


def await_ready(node: Node) -> None:
    eventually(lambda: Caller(node.port).get("/readyz").status == 200, node.said)


def agreements(node: Node) -> list[str]:
    return [each["name"] for each in node.caller("viewer").get("/v1/agreements").json]


def test_a_wrong_record_at_another_partys_node_alarms_the_third(street: Street) -> None:
    seller, bank, third = (street.caller(name) for name in ("seller", "bank", "regulator"))
    height = int(third.get("/v1/ledger").headers["tieout-height"])
    listener = Listener(third, f"?after={height}&severity=alarm").start()
    early = seller.record("seller", "T-1", "100.00")
    assert (early.status, early.json["verdict"]["status"]) == (200, "pending")
    wrong = bank.record("bank", "T-1", "999.00")
    assert wrong.json["verdict"] == {
        "status": "broken",
        "breaks": [{"kind": "mismatch", "role": "seller", "field": "amount"}],
    }
    (told,) = listener.until(1).data
    listener.close()
    assert (told["kind"], told["transaction_id"]) == ("alarm_raised", "T-1")
    eventually(lambda: bool(street.hook.deliveries), "the webhook of the third party is told")
    assert b"T-1" in street.hook.deliveries[0].body
    # Stated rightly it ties out, and what says the same again is passed over.
    assert bank.record("bank", "T-1", "100.00").json["verdict"]["status"] == "matched"
    assert bank.record("bank", "T-1", "100.00").json["outcome"] == "unchanged"


def test_nobody_speaks_for_others(street: Street) -> None:
    said = street.caller("seller").record("bank", "T-2", "1.00")
    assert (said.status, said.code) == (403, "not_allowed")


def test_records_of_one_transaction_come_one_after_the_other(street: Street) -> None:
    seller = street.caller("seller")
    amounts = [f"{number}.00" for number in range(1, 5)]
    safe = [
        seller.ask(
            "POST",
            "/v1/agreements/pay/records?role=seller&wait=accepted",
            {"transaction_id": "T-3", "amount": amount},
        ).status
        for amount in amounts
    ]
    assert safe == [202] * len(amounts)
    many = seller.many("seller", ndjson([{"transaction_id": "T-3", "amount": "9.00"}]))
    assert (many.json["published"], many.json["verdicts"]) == (1, {"pending": 1})
    with EmbeddedLedger.open(street.ledgers["seller"], read_only=True) as copy:
        assert len(copy.journal.find_records("pay", 0, "T-3")) == len(amounts) + 1


def test_a_pack_over_http_is_verified_up_to_what_the_validators_signed(street: Street) -> None:
    assert street.caller("seller").record("seller", "P-1", "7.00").status == 200
    stated = street.caller("bank").record("bank", "P-1", "7.00")
    assert stated.json["verdict"]["status"] == "matched"
    bank = street.caller("bank", "auditor")
    pack = bank.get("/v1/agreements/pay/transactions/P-1/evidence").body
    genesis = parse_genesis((street.ledgers["registrar"] / "genesis.json").read_bytes())
    report = verify_pack(pack, genesis)
    assert (report.is_anchored, report.statement.status) == (True, "matched")
    assert report.operator is None
    assert report.ordered_by is not None


def test_killed_in_the_middle_nothing_is_lost_or_repeated(street: Street) -> None:
    node, ledger = street.nodes["seller"], street.ledgers["seller"]
    names = [f"K-{number}" for number in range(40)]
    seller = street.caller("seller")
    for name in names[:20]:
        path = "/v1/agreements/pay/records?role=seller&wait=accepted"
        said = seller.ask("POST", path, {"transaction_id": name, "amount": "5.00"})
        assert said.status == 202, said.body
    node.stop(signal.SIGKILL)
    left = leave_signed(ledger, "K-LEFT")
    node.start()
    seller = street.caller("seller")
    await_ready(node)
    # Whoever had no answer sends everything again.
    for name in [*names, "K-LEFT"]:
        said = seller.record("seller", name, "5.00")
        assert (said.status, said.json["verdict"]["status"]) == (200, "pending")
    with EmbeddedLedger.open(ledger, read_only=True) as copy:
        stream = copy.state.streams[1, 0]
        used = [len(copy.journal.find_items(1, 0, n)) for n in range(1, stream.highest_used + 1)]
        assert set(used) == {1}
        assert stream.used[left.place.sequence] == left.place.digest
        records = [len(copy.journal.find_records("pay", 0, name)) for name in [*names, "K-LEFT"]]
    assert set(records) == {1}


def test_a_backup_has_the_nodes_own_files_and_not_the_networks(
    street: Street, tmp_path: Path
) -> None:
    node, kept = street.nodes["regulator"], tmp_path / "kept"
    assert tieout("node", "check", node.directory).returncode == 0
    assert tieout("node", "backup", node.directory, kept).returncode == 0
    assert sorted(path.name for path in kept.iterdir()) == ["backup.json", "node"]
    assert tieout("node", "restore", kept, tmp_path / "again").returncode == 0
    settings = load_settings(tmp_path / "again" / "node.toml", {})
    assert Path(settings.storage.ledger) == street.ledgers["regulator"]


def leave_signed(ledger: Path, name: str) -> Signed:
    """Write down what a node had signed when it was killed, and never submitted."""
    genesis, _ = read_node(ledger)
    agreement = parse_agreement(AGREEMENT, "pay")
    row = RecordForm(agreement, 0).row(
        json.dumps({"transaction_id": name, "amount": "5.00"}).encode(), 0
    )

    rows = np.frombuffer(bytearray(row), np.uint8).reshape(1, -1)
    with Outbox(ledger / OUTBOX) as outbox:
        publisher = Publisher(read_keys(ledger, genesis), 1, 0, outbox.highest(0) + 1)
        item = Signed.of(publisher.batch(agreement, 0, rows))
        outbox.put(item)
    return item
