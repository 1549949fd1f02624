"""An agreement of rules version 3 on a running node: an invariant that does not hold, everywhere.

The record comes over HTTP; what is told in the receipt, on the live stream, in lists, in a webhook,
in the breaks file and in the evidence pack is one and the same break.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.alarms.houses import write_alarms
from tests.node.alarms.receiver import Receiver, receiving, until
from tests.node.running import TIEOUT, Caller, Node
from tests.node.test_lists import caught_up, items
from tests.node.test_stream import Listener
from tieout.testing.postgres import PostgresServer

REFINED = """
name = "pay"
version = 1
roles = ["seller", "bank"]

[fields.amount]
type = "money"
scale = 2
currency = "CNY"
rounded = { decimals = 1, mode = "half_even" }

[fields.fee]
type = "money"
scale = 2
currency = "CNY"
optional = true
tolerance = { by = { field = "channel", values = { APP = { absolute = "0.50" } } } }

[fields.channel]
type = "code"
length = 8
ignore = ["case"]
equivalent = [["APP", "MOBILE"]]

[benchmark]
default = "bank"

[deadlines]
bank = { at = "1bd 17:00", calendar = "here" }

[calendars.here]
weekend = ["saturday", "sunday"]
offset = "+08:00"

[invariants]
cheap = "fee * 100 <= amount"
"""
BROKEN = [("seller", "invariant", "cheap"), ("bank", "invariant", "cheap")]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node.found(tmp_path / "node", REFINED)
    yield made
    made.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def publish(caller: Caller, transaction: str, amount: str, fee: str) -> dict[str, object]:
    """Both say the same, each in its own way; the bank's verdict."""
    body = {"transaction_id": transaction, "amount": amount, "fee": fee}
    said = caller.ask(
        "POST", "/v1/agreements/pay/records?role=seller", {**body, "channel": "mobile"}
    )
    assert said.json["outcome"] == "published", said.body
    verdict: dict[str, object] = caller.ask(
        "POST", "/v1/agreements/pay/records?role=bank", {**body, "channel": "APP"}
    ).json["verdict"]
    return verdict


@pytest.mark.parametrize(
    "database",
    [
        "sqlite",
        pytest.param("postgresql", marks=[pytest.mark.slow, pytest.mark.xdist_group("postgres")]),
    ],
)
def test_an_invariant_that_does_not_hold_is_told_everywhere_alike(
    node: Node, receiver: Receiver, database: str, request: pytest.FixtureRequest
) -> None:
    settings = {}
    if database == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        settings["TIEOUT_STORAGE_DATABASE"] = server.new_database()
    write_alarms(
        node.directory, receiver.url,
        'name = "rules"\nhold = "10ms"\nbreaks = ["invariant"]',
    )  # fmt: skip
    node.start(**settings)
    caller = node.caller("operator")
    listener = Listener(caller, "?kind=break_opened&after=0").start()
    assert publish(caller, "GOOD", "100.00", "1.00") == {"status": "matched", "breaks": []}
    verdict = publish(caller, "COSTLY", "100.00", "1.01")
    told = [{"kind": kind, "role": role, "field": field} for role, kind, field in BROKEN]
    assert verdict == {"status": "broken", "breaks": told}

    opened = listener.until(2).data
    assert [(each["role"], each["break_kind"], each["field"]) for each in opened] == BROKEN
    listener.close()

    listed = items(caught_up(caller, "/v1/breaks?kind=invariant&field=cheap"))
    assert [(each["role"], each["kind"], each["field"]) for each in listed] == BROKEN
    assert {each["transaction_id"] for each in listed} == {"COSTLY"}
    shown = caller.get("/v1/agreements/pay/transactions/COSTLY").json["statement"]
    assert [(each["role"], each["kind"], each["field"]) for each in shown["breaks"]] == BROKEN

    until(lambda: len(receiver.deliveries) == 1, 30)
    data = json.loads(receiver.deliveries[0].body)["data"]
    assert data["title"] == "alarm raised in pay: invariant cheap"
    assert [(each["role"], each["kind"], each["field"]) for each in data["breaks"]] == [BROKEN[0]]

    pack = caller.get("/v1/agreements/pay/transactions/COSTLY/evidence")
    (node.directory / "pack.json").write_bytes(pack.body)
    assert node.stop() == 0, node.said
    ledger = node.directory / "ledger"
    said = _tieout("verify", str(node.directory / "pack.json"),
                   "--trust", str(ledger / "genesis.json"), "--json")  # fmt: skip
    found = json.loads(said)["statement"]["breaks"]
    assert [(each["role"], each["kind"], each["field"]) for each in found] == BROKEN
    in_file = json.loads(_tieout("breaks", "--ledger", str(ledger), "--json"))
    assert [(each["role"], each["kind"], each["field"]) for each in in_file] == BROKEN


def _tieout(*words: str) -> bytes:
    """What a command prints, whether or not it found breaks."""
    done = subprocess.run([TIEOUT, *words], check=False, capture_output=True)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout
