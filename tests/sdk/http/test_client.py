"""What a program gets of a real node: receipts, verdicts, lists, proofs, refusals with codes."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.node.running import Node
from tests.sdk.http.conftest import client_of
from tieout.evidence.errors import EvidenceError
from tieout.sdk.errors import NodeUnreachable, RequestRefused, StillPending
from tieout.sdk.http.client import NodeClient, verify
from tieout.sdk.http.forms import Found
from tieout.sdk.patience import Patience

pytestmark = pytest.mark.xdist_group("sdk-client")  # one node for all
BRIEF = Patience(total_s=0.2)


def record(name: str, amount: Any) -> dict[str, Any]:
    return {"transaction_id": name, "amount": amount}


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so, for a while."""
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_second_record_brings_the_verdict(client: NodeClient) -> None:
    first = client.publish("pay", record("C-1", "10.00"), role="seller")
    second = client.publish("pay", record("C-1", "11.00"), role="bank")
    assert first.verdict is not None
    assert second.verdict is not None
    assert (first.outcome, first.verdict.status) == ("published", "pending")
    assert second.verdict.breaks == (Found("mismatch", "seller", "amount"),)


def test_values_are_texts_decimals_whole_numbers_dates_or_left_blank(client: NodeClient) -> None:
    values = {**record("C-2", Decimal("10.50")), "day": date(2026, 3, 2)}
    client.publish("pay", values, role="seller")
    told = client.publish("pay", {**record("C-2", "10.5"), "day": "2026-03-02"}, role="bank")
    assert told.verdict is not None
    assert told.verdict.status == "matched"
    assert client.publish("pay", {**record("C-3", 7), "day": None}, role="bank").revision == 1


@pytest.mark.parametrize("amount", [10.5, float("nan")])
def test_a_float_is_no_amount(client: NodeClient, amount: float) -> None:
    with pytest.raises(TypeError, match="amount is the float"):
        client.publish("pay", record("C-4", amount), role="seller")


def test_an_own_key_gets_the_same_answer_and_not_a_second_record(client: NodeClient) -> None:
    once = client.publish("pay", record("C-5", "1.00"), role="seller", key="C-5/1")
    again = client.publish("pay", record("C-5", "1.00"), role="seller", key="C-5/1")
    assert (once.outcome, again) == ("published", once)
    with pytest.raises(RequestRefused) as caught:
        client.publish("pay", record("C-5", "2.00"), role="seller", key="C-5/1")
    assert (caught.value.code, caught.value.may_help) == ("key_reused", False)


def test_a_record_is_taken_back(client: NodeClient) -> None:
    client.publish("pay", record("C/6", "1.00"), role="seller")
    told = client.withdraw("pay", "C/6", role="seller")
    assert told.verdict is not None
    assert (told.revision, told.verdict.status) == (2, "withdrawn")


def test_many_records_of_an_iterator_are_one_body_with_one_receipt(client: NodeClient) -> None:
    def records() -> Iterator[dict[str, Any]]:
        for number in range(30_000):
            yield record(f"M-{number}", "many" if number == 17 else f"{number}.00")

    told = client.publish_many("pay", records(), role="seller")
    assert (told.lines, told.published, told.refused_count) == (30_000, 29_999, 1)
    assert (told.refused[0].line, told.refused[0].field) == (18, "amount")
    assert client.publish_many("pay", records(), role="seller").unchanged == 29_999


@pytest.mark.parametrize(
    ("values", "role", "code", "field"),
    [
        (record("C-7", "ten"), "seller", "invalid_value", "amount"),
        ({"amount": "1.00"}, "seller", "invalid_value", "transaction_id"),
        (record("C-7", "1.00"), "auditor", "not_found", ""),
    ],
)
def test_a_refusal_carries_the_problems_code(
    client: NodeClient, values: dict[str, Any], role: str, code: str, field: str
) -> None:
    with pytest.raises(RequestRefused) as caught:
        client.publish("pay", values, role=role)
    assert (caught.value.code, caught.value.field) == (code, field)
    assert not caught.value.may_help


def test_who_may_not_publish_is_told_so(node: Node) -> None:
    with client_of(node, "viewer") as viewer, pytest.raises(RequestRefused) as caught:
        viewer.publish("pay", record("C-8", "1.00"), role="seller")
    assert (caught.value.status, caught.value.code) == (403, "not_allowed")


def test_a_body_that_is_refused_before_its_end_is_refused_and_not_a_broken_line(node: Node) -> None:
    with NodeClient(f"http://127.0.0.1:{node.port}", "nobody", patience=BRIEF) as nobody:
        records = (record("C-9", "1" * 1000) for _ in range(20_000))
        with pytest.raises(RequestRefused) as caught:
            nobody.publish_many("pay", records)
    assert caught.value.code == "not_signed_in"


def test_waiting_ends_with_the_verdict(node: Node, client: NodeClient) -> None:
    def bank() -> None:
        caller = node.caller()
        until(lambda: b"tieout_stream_listeners 1.0" in caller.get("/metrics").body)
        client.publish("pay", record("W-1", "5.00"), role="bank")

    client.publish("pay", record("W-1", "5.00"), role="seller")
    later = threading.Thread(target=bank)
    later.start()
    found = client.wait("pay", "W-1")
    later.join()
    speakers = [step.by for step in found.timeline]
    assert (found.status, set(speakers)) == ("matched", {"seller/system", "bank/system"})


def test_waiting_gives_up_and_says_how_it_stands(client: NodeClient) -> None:
    client.publish("pay", record("W-2", "5.00"), role="seller")
    for name, status in (("W-2", "pending"), ("W-nobody", "")):
        with pytest.raises(StillPending) as caught:
            client.wait("pay", name, timeout_s=0.2)
        assert caught.value.status == status
    with pytest.raises(RequestRefused) as refused:
        client.wait("unheard-of", "W-2")
    assert refused.value.code == "not_found"


def test_a_list_comes_page_by_page_and_whole(client: NodeClient) -> None:
    names = [f"L-{number:02}" for number in range(25)]
    for name in names:
        client.publish("pay", record(name, "3.00"), role="seller")
        height = client.publish("pay", record(name, "4.00"), role="bank").block
    assert height is not None
    client.wait("pay", names[-1])
    until_shown(client, height.height)
    listing = client.breaks(agreement="pay", id_prefix="L-", size=4, kind=("mismatch", "missing"))
    assert [each.transaction_id for each in listing] == names
    assert [len(page) for page in listing.pages()] == [4] * 6 + [1]
    assert {each.difference_exact for each in listing} == {-100}
    assert listing.height >= height.height


def until_shown(client: NodeClient, height: int) -> None:
    """Wait until lists hold as of a block; they follow the ledger."""
    until(lambda: client.blocks(size=1, newest_first=True).height >= height)


@dataclass(frozen=True)
class Case:
    """A list, and something that it must hold by now."""

    name: str
    member: str
    value: object


@pytest.mark.parametrize(
    "case",
    [
        Case("transactions", "agreement", "pay"),
        Case("breaks", "field", "amount"),
        Case("alarms", "agreement", "pay"),
        Case("adjustments", "role", "seller"),
        Case("blocks", "height", 1),
        Case("batches", "outcome", "accepted"),
        Case("operations", "outcome", "accepted"),
    ],
)
def test_every_list_is_typed(client: NodeClient, case: Case) -> None:
    block = client.publish("pay", record(f"T-{case.name}", "1.00"), role="seller").block
    other = client.publish("pay", record(f"T-{case.name}", "2.00"), role="bank").block
    assert block is not None
    assert other is not None
    until_shown(client, other.height)
    found = list(getattr(client, case.name)(size=100))
    assert case.value in [getattr(each, case.member) for each in found]


def test_filters_that_do_not_exist_are_refused_at_once(client: NodeClient) -> None:
    with pytest.raises(RequestRefused) as caught:
        client.transactions(colour="red")
    assert caught.value.code == "invalid_parameter"
    assert list(client.cutoffs(agreement="pay")) == []


def test_evidence_is_verified_offline_against_the_genesis_that_one_trusts(
    client: NodeClient,
) -> None:
    client.publish("pay", record("E-1", "1.00"), role="seller")
    client.publish("pay", record("E-1", "2.00"), role="bank")
    pack, genesis = client.evidence("pay", "E-1"), client.genesis()
    report = verify(pack, genesis)
    assert (report.verdict, report.statement.status) == ("verified", "broken")
    assert report.statement == client.transaction("pay", "E-1").statement
    with pytest.raises(EvidenceError):
        verify(pack.replace(b'"E-1"', b'"E-2"'), genesis)


def test_a_node_that_is_not_there_is_tried_within_the_patience() -> None:
    nobody = NodeClient("http://127.0.0.1:1", "", patience=BRIEF)
    with pytest.raises(NodeUnreachable) as caught:
        nobody.ledger()
    assert caught.value.may_help


@pytest.mark.parametrize("url", ["127.0.0.1:8300", "ftp://node", "http://", "http://node/?a=b"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="the URL of a node"):
        NodeClient(url, "")
