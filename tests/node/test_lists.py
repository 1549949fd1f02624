"""Lists: filters, pages, CSV, and nothing lost between a list and the stream that follows it."""

import csv
import io
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.node.running import Caller, Node, Said, ndjson
from tests.node.test_stream import Listener
from tieout.node.api.listing import LISTS

DEADLINE_S = 60.0


def until(ask: Callable[[], Said], holds: Callable[[Said], bool]) -> Said:
    """The first answer of which something holds: read models follow the ledger."""
    end = time.monotonic() + DEADLINE_S
    said = ask()
    while not (said.status == 200 and holds(said)) and time.monotonic() < end:
        time.sleep(0.02)
        said = ask()
    assert said.status == 200, said.body
    assert holds(said), said.body
    return said


def caught_up(caller: Caller, path: str) -> Said:
    """A list as of the last block."""
    height = int(caller.get("/v1/ledger").headers["tieout-height"])
    return until(
        lambda: caller.get(path), lambda said: int(said.headers["tieout-height"]) >= height
    )


@pytest.fixture(scope="module")
def broken(operator: Caller) -> Caller:
    """Thirty transactions of which ten are broken."""
    for role, wrong in (("seller", 0), ("bank", 1)):
        lines = [
            {"transaction_id": f"L-{n:02}", "amount": f"{n + wrong * (n % 3 == 0)}.00"}
            for n in range(1, 31)
        ]
        assert operator.many(role, ndjson(lines)).json["published"] == 30
    return operator


def items(said: Said) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = said.json["items"]
    return found


def test_a_list_is_filtered(broken: Caller) -> None:
    said = caught_up(broken, "/v1/transactions?agreement=pay&status=broken&id_prefix=L-")
    assert [each["transaction_id"] for each in items(said)] == [
        f"L-{n:02}" for n in range(3, 31, 3)
    ]
    breaks = items(broken.get("/v1/breaks?kind=mismatch&role=seller&transaction_id=L-03"))
    assert [(each["reported"], each["benchmark"]) for each in breaks] == [("3.00", "4.00")]
    assert items(broken.get("/v1/breaks?role=bank&transaction_id=L-03")) == []


def test_a_list_goes_on_where_the_page_ended_and_repeats_and_leaves_out_nothing(
    broken: Caller,
) -> None:
    caught_up(broken, "/v1/transactions")
    seen: list[str] = []
    path = "/v1/transactions?agreement=pay&id_prefix=L-&size=7"
    cursor = ""
    while True:
        said = broken.get(path + (f"&cursor={cursor}" if cursor else ""))
        seen += [each["transaction_id"] for each in items(said)]
        cursor = said.json["next"]
        assert said.headers.get("tieout-next") == cursor
        if cursor is None:
            break
    assert seen == [f"L-{n:02}" for n in range(1, 31)]


def test_a_cursor_of_another_list_or_a_changed_one_is_refused(broken: Caller) -> None:
    cursor = caught_up(broken, "/v1/transactions?size=1").json["next"]
    assert broken.get(f"/v1/breaks?cursor={cursor}").code == "invalid_cursor"
    assert broken.get(f"/v1/transactions?size=1&cursor=A{cursor[1:]}").code == "invalid_cursor"
    assert (
        broken.get(f"/v1/transactions?size=1&status=broken&cursor={cursor}").code
        == "invalid_cursor"
    )


@pytest.mark.parametrize("listed", LISTS, ids=lambda listed: listed.name)
def test_every_list_is_there_as_json_and_as_csv_with_the_same_items(
    broken: Caller, listed: Any
) -> None:
    said = caught_up(broken, f"/v1/{listed.name}?size=5")
    rows = list(
        csv.DictReader(
            io.StringIO(broken.get(f"/v1/{listed.name}?size=5&format=csv").body.decode())
        )
    )
    assert len(rows) == len(items(said))
    for row, item in zip(rows, items(said), strict=True):
        assert list(row) == list(item)
        for name, value in item.items():
            if isinstance(value, str):
                assert row[name] == value


@pytest.mark.parametrize(
    "query",
    ["colour=red", "size=0", "size=1001", "size=ten", "status=a&size=1&size=2"],
)
def test_a_parameter_that_does_not_fit_is_refused(broken: Caller, query: str) -> None:
    assert broken.get(f"/v1/transactions?{query}").code == "invalid_parameter"


def test_a_list_of_an_agreement_that_is_not_there_is_not_an_empty_list(broken: Caller) -> None:
    assert broken.get("/v1/breaks?agreement=none").code == "not_found"


def test_nothing_is_lost_between_the_list_and_the_stream_after_it(broken: Caller) -> None:
    said = broken.get("/v1/transactions")
    broken.record("seller", "N-1", "1.00")
    listener = Listener(
        broken, f"?after={said.headers['tieout-height']}&kind=transaction_pending"
    ).start()
    broken.record("seller", "N-2", "1.00")
    told = [each["transaction_id"] for each in listener.until(2).data]
    listener.close()
    listed = [each["transaction_id"] for each in items(said)]
    assert [name for name in (*listed, *told) if name.startswith("N-")] == ["N-1", "N-2"]


def test_an_entry_beyond_the_limit_takes_two_people_of_the_party(
    node: Node, broken: Caller
) -> None:
    broken.record("seller", "A-1", "100.00")
    broken.record("bank", "A-1", "900.00")
    path = "/v1/adjustments?transaction_id=A-1"
    (entry,) = items(until(lambda: broken.get(path), lambda said: len(items(said)) == 1))
    assert (entry["status"], entry["role"]) == ("proposed", "seller")
    one, two, other = (
        node.caller("approver", person)
        for person in ("seller/approver-1", "seller/approver-2", "bank/approver-1")
    )
    step = f"/v1/agreements/pay/transactions/A-1/adjustments/{entry['id']}"
    assert other.ask("POST", step + "/approve", {}).code == "not_allowed"
    assert node.caller("approver").ask("POST", step + "/approve", {}).code == "no_person"
    assert one.ask("POST", step + "/approve", {}).json["status"] == "proposed"
    again = one.ask("POST", step + "/approve", {})
    assert (again.status, again.code) == (409, "refused_by_the_rules")
    assert two.ask("POST", step + "/approve", {}).json["status"] == "approved"
    assert two.ask("POST", step + "/refuse", {"reason": ""}).code == "invalid_value"
    told = broken.transaction("A-1")
    assert told["statement"]["adjustments"][0]["approvers"] == ["1/2", "1/3"]


def test_an_alarm_is_acknowledged_once_by_a_person(node: Node, broken: Caller) -> None:
    broken.record("seller", "A-2", "1.00")
    broken.record("bank", "A-2", "9.00")
    person = node.caller("approver", "bank/approver-2")
    path = "/v1/agreements/pay/transactions/A-2/acknowledge"
    assert person.ask("POST", path).json["outcome"] == "accepted"
    assert person.ask("POST", path).code == "conflict"
    assert broken.transaction("A-2")["statement"]["alarm"] == "acknowledged"


@pytest.mark.parametrize(
    "path",
    ["members", "agreements", "assignees", "reasons", "filters", "notices", "users", "tokens",
     "audit"],
)  # fmt: skip
def test_every_other_list_is_csv_too(node: Node, path: str) -> None:
    administrator = node.caller("administrator")
    told = administrator.get(f"/v1/{path}").json
    said = administrator.get(f"/v1/{path}?format=csv")
    assert (said.status, said.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    lines = list(csv.DictReader(io.StringIO(said.body.decode(), newline="")))
    # What stands in the audit log grows by what is asked.
    assert len(lines) >= len(told)
    for line, item in zip(lines, told, strict=False):
        assert set(item) <= set(line)
