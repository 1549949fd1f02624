"""Parties publish to a network of real nodes, each through its own, and look at what came of it."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from tests.cli.desk import Desk
from tests.cli.test_joining import await_agreement
from tests.engines.cometbft.consortium import await_first_block, eventually
from tieout import kernel
from tieout.cli.sending import _tell
from tieout.demo.consortium.play import Running
from tieout.engines.cometbft.addresses import free_addresses
from tieout.engines.cometbft.founding import Member, found_network
from tieout.engines.cometbft.office import OFFICE_STREAM
from tieout.engines.cometbft.outbox import Outbox, Signed
from tieout.engines.cometbft.places import OUTBOX
from tieout.engines.cometbft.process import find_cometbft
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.errors import Refused
from tieout.engines.receipt import Receipt
from tieout.wire.block import ItemResult
from tieout.wire.codes import EventKind, ItemOutcome, OperationKind, Purpose
from tieout.wire.operations import CloseCutoff

PARTIES = ("seller", "bank")
PAY = (
    'name = "pay"',
    "version = 1",
    'roles = ["seller", "bank"]',
    "[fields.amount]",
    'type = "money"',
    "scale = 2",
    "[benchmark]",
    'amount = "bank"',
    "[adjustment]",
    'mode = "compensate"',
)
HEAD = "transaction_id,amount"
SELLER = Path("net/seller/ledgers/payments")
MAIN = [sys.executable, "-c", "from tieout.cli.main import main; main()"]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("network")]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk with a running network of two nodes in `net`, which the tests share."""
    program = find_cometbft()
    if program is None:
        pytest.skip("CometBFT is not built here: `make cometbft` builds it where Go can be had")
    at = iter(free_addresses(2 * len(PARTIES)))
    members = [Member(name, 10, next(at), next(at)) for name in PARTIES]
    folder = tmp_path_factory.mktemp("publishing")
    nodes = found_network(folder / "net", "payments", members, 1_750_000_000_000_000)
    with pytest.MonkeyPatch.context() as patch, Running(nodes, program):
        patch.chdir(folder)
        for node in nodes:
            await_first_block(node)
        desk = Desk(folder)
        desk.file("pay.toml", *PAY)
        yield desk


def rows_on(ledger: EmbeddedLedger) -> int:
    """How many rows have been published, whatever became of them."""
    items = (item for entry in ledger.journal.entries() for item in entry.result.items)
    return sum(sum(item.rows) for item in items)


def test_a_day_is_enacted_published_corrected_and_closed(network: Desk) -> None:
    desk = network
    said = desk.tieout("network", "enact", "net/seller", "pay.toml")
    assert said.code == 0
    assert "pay version 1 is signed by seller, and waits for bank" in said.err
    paid = f"bank={desk.file('paid.csv', HEAD, 'A-1,10.00', 'A-2,25.00')}"
    early = desk.tieout("network", "publish", "net/bank", "pay.toml", paid)
    assert (early.code, "is not in force on this ledger" in early.err) == (2, True)
    for _ in range(2):
        signed = desk.tieout("network", "enact", "net/bank", "pay.toml")
        assert "pay version 1 is in force" in signed.err

    await_agreement(desk, "seller")
    rows = ("A-1,10.00", "A-2,20.00", "A-3,x")
    sold = f"seller={desk.file('sold.csv', HEAD, *rows)}"
    told = desk.tieout(
        "network", "publish", "net/seller", "pay.toml", sold, "--json", "--refused", "refused.csv"
    )
    assert told.code == 1, told.err
    facts = ("records", "published", "batches", "refused", "not_applied")
    assert [told.json[key] for key in facts] == [2, 2, 1, 1, 0]
    assert "A-3,x" in desk.read("refused.csv")
    desk.file("sold.csv", HEAD, *rows[:2])
    again = desk.tieout("network", "publish", "net/seller", "pay.toml", sold)
    assert (again.code, "nothing to publish" in again.err) == (0, True)
    foreign = desk.tieout("network", "publish", "net/seller", "pay.toml", "bank=paid.csv")
    assert (foreign.code, "seller does not hold the role bank" in foreign.err) == (2, True)

    paid = desk.tieout(
        "network", "publish", "net/bank", "pay.toml", "bank=paid.csv", "--receipts", "got.jsonl"
    )
    assert (paid.code, desk.read("got.jsonl").count('"records":2')) == (0, 1), paid.err
    broken = desk.tieout("breaks", "--ledger", "net/bank", "--json")
    assert [(line["transaction_id"], line["kind"]) for line in broken.json] == [("A-2", "mismatch")]

    entries = ("adjust", "list", "--ledger", "net/seller", "--json")
    eventually(lambda: desk.tieout(*entries).json != [], "the seller's node has the entry")
    (entry,) = desk.tieout(*entries).json
    approve = ("adjust", "approve", entry["id"], "--ledger")
    elsewhere = desk.tieout(*approve, "net/bank", "--as", "approver-1")
    assert (elsewhere.code, "are those of seller" in elsewhere.err) == (2, True)
    first = desk.tieout(*approve, "net/seller", "--as", "approver-1", "--json")
    assert (first.code, first.json["status"]) == (0, "proposed"), first.err
    twice = desk.tieout(*approve, "net/seller", "--as", "approver-1")
    assert (twice.code, "refused approve: not_applicable" in twice.err) == (2, True)
    second = desk.tieout(*approve, "net/seller", "--as", "approver-2", "--json")
    assert second.json["approvers"] == ["seller/approver-1", "seller/approver-2"]
    assert second.json["status"] == "approved"

    desk.file("sold.csv", HEAD, "A-1,10.00", "A-2,25.00")
    assert desk.tieout("network", "publish", "net/seller", "pay.toml", sold).code == 0
    assert desk.tieout("breaks", "--ledger", "net/seller").code == 0
    closed = desk.tieout("network", "close", "net/bank", "pay", "--json")
    assert (closed.code, closed.json["judged"]) == (0, True)
    same = ("network", "close", "net/bank", "pay", "--cutoff", closed.json["cutoff"])
    assert "closed already" in desk.tieout(*same).err

    desk.file("sold.csv", HEAD, "A-1,10.00")
    kept = desk.tieout("network", "publish", "net/seller", "pay.toml", sold)
    assert "1 records are no longer in the files and stand on the ledger" in kept.err
    assert "nothing to publish" in kept.err
    gone = ("network", "publish", "net/seller", "pay.toml", sold, "--withdraw", "--json")
    assert desk.tieout(*gone).json["withdrawn"] == 1


def test_a_run_that_is_killed_is_taken_up_by_the_next(network: Desk) -> None:
    desk = network
    desk.file("bulk.toml", *(line.replace("pay", "bulk") for line in PAY))
    for party in PARTIES:
        desk.tieout("network", "enact", f"net/{party}", "bulk.toml")
    await_agreement(desk, "seller", "bulk.toml")
    with EmbeddedLedger.open(SELLER, read_only=True) as ledger:
        before = rows_on(ledger)
    rows = [f"B-{i:06},10.00" for i in range(60_000)]
    sold = f"seller={desk.file('s.csv', HEAD, *rows)}"
    command = ["network", "publish", "net/seller", "bulk.toml", sold, "--receipts", "bulk.jsonl"]
    receipts = desk.folder / "bulk.jsonl"
    with subprocess.Popen([*MAIN, *command], stderr=subprocess.DEVNULL) as program:
        while program.poll() is None:
            if receipts.exists() and receipts.read_bytes():
                program.kill()
                break
            time.sleep(0.001)
    assert program.returncode == -signal.SIGKILL
    said = desk.tieout(*command, "--json")
    assert said.code == 0, said.err
    assert said.json["records"] == 60_000
    with EmbeddedLedger.open(SELLER, read_only=True) as ledger:
        assert (
            rows_on(ledger) - before == kernel.counts(ledger.state, "bulk").transactions == 60_000
        )
        kinds = {kind for entry in ledger.journal.entries() for kind in entry.result.events["kind"]}
    assert EventKind.EQUIVOCATION not in kinds


def test_holders_are_the_parties_of_the_roles_names_unless_others_are_named(network: Desk) -> None:
    desk = network
    text = [line.replace("bank", "depot").replace("pay", "trade") for line in PAY]
    desk.file("trade.toml", *text)
    enact = ("network", "enact", "net/seller", "trade.toml")
    said = desk.tieout(*enact)
    assert (said.code, "say it with --holder depot=PARTY" in said.err) == (2, True)
    for wrong in ("depot", "clerk=bank", "depot=nobody"):
        assert desk.tieout(*enact, "--holder", wrong).code == 2
    both = ("--holder", "depot=bank", "--holder", "depot=seller")
    for holders in (both, both, ("--holder", "depot=bank")):
        # Other holders are another enactment, for which both have still to sign.
        assert "waits for bank" in desk.tieout(*enact, *holders).err


def test_a_rotated_key_signs_what_is_published_from_then_on(network: Desk) -> None:
    """People's changes of members and what systems publish have a stream each."""
    desk = network
    desk.file("keyed.toml", *(line.replace("pay", "keyed") for line in PAY))
    for party in PARTIES:
        desk.tieout("network", "enact", f"net/{party}", "keyed.toml")
    await_agreement(desk, "seller", "keyed.toml")
    sold = f"seller={desk.file('keyed.csv', HEAD, 'K-1,10.00')}"
    publish = ("network", "publish", "net/seller", "keyed.toml", sold, "--json")
    assert desk.tieout(*publish).code == 0
    before = publishing_key()
    leave_signed()
    rotated = desk.tieout("member", "rotate", "--ledger", "net/seller", "--json")
    assert rotated.code == 0, rotated.err
    await_change(desk, rotated.json["number"])
    desk.file("keyed.csv", HEAD, "K-1,10.00", "K-2,20.00")
    said = desk.tieout(*publish)
    assert (said.code, said.json["published"]) == (0, 1), said.err
    assert "1 items that an earlier run had signed are refused: key_not_valid" in said.err
    again = desk.tieout("member", "rotate", "--ledger", "net/seller")
    assert again.code == 0, again.err
    await_change(desk, rotated.json["number"] + 1)
    closed = desk.tieout("network", "close", "net/seller", "keyed", "--json")
    assert (closed.code, closed.json["judged"]) == (0, True), closed.err
    assert publishing_key() > before
    with EmbeddedLedger.open(SELLER, read_only=True) as ledger:
        kinds = {kind for entry in ledger.journal.entries() for kind in entry.result.events["kind"]}
        streams = {stream for party, stream in ledger.state.streams if party == 1}
    assert streams == {0, OFFICE_STREAM}
    assert EventKind.EQUIVOCATION not in kinds


def test_a_version_is_voted_on_at_two_nodes_and_holds_for_both(network: Desk) -> None:
    """R-AGREE-4, R-AGREE-5: each party at its own node; the voter tries it first."""
    desk = network
    first = [line.replace("pay", "voted") for line in PAY]
    desk.file("voted.toml", *first)
    proposed = desk.tieout("agreement", "propose", "voted.toml", "--ledger", "net/seller", "--json")
    assert (proposed.code, proposed.json["status"]) == (0, "proposed"), proposed.err
    number = proposed.json["number"]
    at_bank = ("--ledger", "net/bank", "--json")
    eventually(
        lambda: (
            number in [each["number"] for each in desk.tieout("member", "changes", *at_bank).json]
        ),
        "the bank's node has the proposal",
    )
    voted = desk.tieout("member", "vote", str(number), "--ledger", "net/bank")
    assert f"change {number}, proposed by seller: holds since block" in voted.err
    await_agreement(desk, "seller", "voted.toml")
    sold = f"seller={desk.file('voted.csv', HEAD, 'V-1,10.00')}"
    assert desk.tieout("network", "publish", "net/seller", "voted.toml", sold).code == 0
    desk.file("voted2.toml", *(line.replace("version = 1", "version = 2") for line in first))
    next_one = desk.tieout("agreement", "propose", "voted2.toml", "--ledger", "net/seller")
    assert (next_one.code, "1 transactions, 1 records: no verdict" in next_one.err) == (0, True)
    refused = ("member", "vote", str(number + 1), "--against", "--ledger", "net/bank")
    eventually(
        lambda: "refused by bank" in desk.tieout(*refused).err, "the bank refuses the next version"
    )


def await_change(desk: Desk, number: int) -> None:
    """Wait until the seller's node has the block from which on a change of members holds."""
    look = ("member", "changes", "--all", "--ledger", "net/seller", "--json")

    def holds() -> bool:
        changes = {each["number"]: each["status"] for each in desk.tieout(*look).json}
        return changes[number] == "effective"

    eventually(holds, f"change {number} holds")


def leave_signed() -> None:
    """A run of the seller's that signed something, and was killed before it submitted it."""
    with EmbeddedLedger.open(SELLER, read_only=True) as ledger, Outbox(SELLER / OUTBOX) as outbox:
        body = CloseCutoff("keyed", 1)
        kind = OperationKind.CLOSE_CUTOFF
        outbox.put(Signed.of(ledger.publisher(1).operation(kind, Purpose.PUBLISH, body)))


def publishing_key() -> int:
    """The number of the key with which the seller's system publishes next."""
    with EmbeddedLedger.open(SELLER, read_only=True) as ledger:
        return ledger.ring.signer(1, Purpose.PUBLISH)[0]


def test_what_became_of_an_earlier_run_is_said_in_few_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    settled, refused = [Future[Receipt]() for _ in range(3)], Future[Receipt]()
    for each in settled:
        each.set_result(Receipt(7, 1, 0, ItemResult(ItemOutcome.ACCEPTED, 5), bytes(32)))
    refused.set_exception(Refused("a signed item", "key_not_valid"))
    _tell([*settled, refused])
    assert capsys.readouterr().err.splitlines() == [
        "going on with an earlier run: 3 items that it had signed are on the ledger",
        "1 items that an earlier run had signed are refused: key_not_valid",
    ]
