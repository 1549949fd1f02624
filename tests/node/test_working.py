"""Working on breaks over HTTP: who may, what is kept, and what is mended and taken in again."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.node.running import Caller, Node, Said, ndjson
from tests.node.test_lists import caught_up, items, until

AGREEMENT = """
name = "pay"
version = 1
roles = ["seller", "bank"]

[fields.amount]
type = "money"
scale = 2
currency = "CNY"

[fields.note]
type = "text"
length = 64
optional = true
compare = false

[fields.value_time]
type = "time"
optional = true
compare = false

[benchmark]
amount = "bank"
"""
REPAIR = "/v1/agreements/pay/repair?role=seller"
ODD_NOTES = ["=1+1", 'he said "no", twice', "Grüße 你好", "a;b|c", "-5", "007", " kept ", "'quoted"]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    made = Node.found(tmp_path_factory.mktemp("working") / "node", AGREEMENT)
    made.start()
    yield made
    assert made.stop() == 0, made.said


def publish(caller: Caller, prefix: str, count: int = 3) -> list[dict[str, Any]]:
    """So many transactions that are all broken; their breaks."""
    for role, wrong in (("seller", 0), ("bank", 1)):
        lines = [{"transaction_id": f"{prefix}-{n}", "amount": f"{n + wrong}.00"}
                 for n in range(1, count + 1)]  # fmt: skip
        assert caller.many(role, ndjson(lines)).json["published"] == count
    return items(caught_up(caller, f"/v1/breaks?id_prefix={prefix}-"))


def ids_of(breaks: list[dict[str, Any]]) -> list[str]:
    return [each["id"] for each in breaks]


def change(caller: Caller, breaks: list[str], **what: Any) -> Said:
    return caller.ask("POST", "/v1/work", {"breaks": breaks, **what})


@pytest.fixture(scope="module", autouse=True)
def reasons(node: Node) -> None:
    administrator = node.caller("administrator")
    until(lambda: administrator.get("/v1/reasons"), lambda said: said.json == [])
    for code, offered in (("fx", True), ("late-file", True), ("old", False)):
        body = {"meaning": f"what {code} means", "is_offered": offered}
        assert administrator.ask("PUT", f"/v1/reasons/{code}", body).status == 200


def test_many_breaks_are_worked_on_at_once_and_each_has_its_history(operator: Caller) -> None:
    names = ids_of(publish(operator, "M"))
    what = {"assignee": "operator", "reason": "fx", "due_us": 5, "add_labels": ["urgent"]}
    said = change(operator, names, **what, comment="rate of the day before", expected=0)
    assert [each["revision"] for each in said.json] == [1, 1, 1]
    change(operator, names[:1], reason="", due_us=None, remove_labels=["urgent"])
    told = operator.get(f"/v1/breaks/{names[0]}").json
    assert told["break"]["id"] == names[0]
    work = {name: told["work"][name] for name in ("revision", "assignee", "reason", "due_us")}
    assert work == {"revision": 2, "assignee": "operator", "reason": "", "due_us": None}
    assert [each["comment"] for each in told["comments"]] == ["rate of the day before"]
    deeds = operator.get(f"/v1/breaks/{names[0]}/history").json
    assert [(each["what"], each["before"], each["after"]) for each in deeds] == [
        ("assignee", "", "operator"),
        ("reason", "", "fx"),
        ("due_us", "", "5"),
        ("labels", "", "urgent"),
        ("comment", "", "rate of the day before"),
        ("reason", "fx", ""),
        ("due_us", "5", ""),
        ("labels", "urgent", ""),
    ]
    shown = operator.get(f"/v1/breaks/{names[0]}/history?format=csv").body.decode()
    assert len(list(csv.DictReader(io.StringIO(shown)))) == len(deeds)


def test_whoever_saw_an_older_revision_changes_nothing(operator: Caller) -> None:
    names = ids_of(publish(operator, "R"))
    change(operator, names[1:2], reason="fx")
    said = change(operator, names, reason="late-file", expected=0)
    assert (said.status, said.code) == (409, "conflict")
    stands = items(operator.get("/v1/work?id_prefix=R-"))
    assert [(each["reason"], each["revision"]) for each in stands] == [("", 0), ("fx", 1), ("", 0)]
    late = operator.ask("POST", f"/v1/breaks/{names[1]}/comments", {"comment": "x", "expected": 0})
    assert late.code == "conflict"


def test_breaks_are_found_by_the_work_on_them(operator: Caller) -> None:
    names = ids_of(publish(operator, "F"))
    change(operator, names[:2], assignee="operator", due_us=100)
    change(operator, names[1:], reason="late-file", add_labels=["night", "custody"])

    def found(query: str) -> list[str]:
        said = operator.get(f"/v1/work?id_prefix=F-&{query}")
        assert said.status == 200, said.body
        return ids_of(items(said))

    assert found("assignee=operator") == names[:2]
    assert found("assignee=") == names[2:]
    assert found("reason=late-file&label=custody") == names[1:]
    assert found("due_until_us=101&reason=late-file") == [names[1]]
    assert found("due_until_us=100") == []
    rows = csv.DictReader(
        io.StringIO(operator.get("/v1/work?id_prefix=F-&format=csv").body.decode())
    )
    assert [json.loads(row["labels"]) for row in rows] == [[], *[["custody", "night"]] * 2]


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ({"assignee": "nobody"}, "invalid_value"),
        ({"assignee": "viewer"}, "invalid_value"),
        ({"reason": "unheard-of"}, "invalid_value"),
        ({"reason": "old"}, "invalid_value"),
        ({}, "invalid_value"),
        ({"add_labels": [" "]}, "invalid_value"),
        ({"comment": "a\0b"}, "invalid_value"),
        ({"comment": "x" * 4_001}, "invalid_value"),
        ({"colour": "red"}, "invalid_value"),
        ({"breaks": ["1-999999999"], "reason": "fx"}, "not_found"),
        ({"breaks": ["first"], "reason": "fx"}, "invalid_value"),
        ({"breaks": [], "reason": "fx"}, "invalid_value"),
        ({"breaks": ["1-0"] * 10_001, "reason": "fx"}, "invalid_value"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    node: Node, operator: Caller, what: dict[str, Any], code: str
) -> None:
    node.caller("viewer")
    names = ids_of(items(operator.get("/v1/work?id_prefix=X-"))) or ids_of(publish(operator, "X"))
    said = change(operator, **{"breaks": names, **what})
    assert said.code == code
    assert {each["revision"] for each in items(operator.get("/v1/work?id_prefix=X-"))} == {0}


def test_an_assignee_is_somebody_who_may_work_on_breaks(node: Node) -> None:
    node.caller("approver"), node.caller("viewer"), node.caller("auditor")
    listed = node.caller("viewer").get("/v1/assignees").json
    assert {each["role"] for each in listed} == {"operator", "approver"}


def test_the_same_file_hangs_once_and_comes_back_as_it_was(operator: Caller) -> None:
    name, other, _ = ids_of(publish(operator, "A"))
    content = bytes(range(256)) * 300
    path = f"/v1/breaks/{name}/attachments"
    query = "?name=Kontoauszug%20%E2%82%AC.html&media_type=text/html"
    sent = {"content_type": "application/octet-stream"}
    made = operator.ask("POST", path + query, content, **sent)
    assert made.status == 201, made.body
    sha256 = hashlib.sha256(content).hexdigest()
    assert (made.json["sha256"], made.json["size"]) == (sha256, len(content))
    assert operator.ask("POST", path + query, content, **sent).code == "conflict"
    given = operator.get(f"{path}/{sha256}")
    assert given.body == content
    # Whatever it was said to be, no browser shows it as a page of the node.
    assert given.headers["content-type"] == "application/octet-stream"
    told = given.headers["content-disposition"]
    assert told == "attachment; filename*=UTF-8''Kontoauszug%20%E2%82%AC.html"
    assert operator.get(f"/v1/breaks/{other}/attachments/{sha256}").code == "not_found"
    stands = operator.get(f"/v1/breaks/{name}").json
    assert [each["is_kept"] for each in stands["attachments"]] == [True]


def test_a_file_that_stays_elsewhere_hangs_by_its_hash(operator: Caller) -> None:
    name = ids_of(publish(operator, "E", 1))[0]
    path = f"/v1/breaks/{name}/attachments"
    file = {"sha256": "ab" * 32, "name": "tape.tar", "size": 1 << 40}
    made = operator.ask("POST", path, file)
    assert (made.status, made.json["is_kept"]) == (201, False)
    assert operator.get(f"{path}/{file['sha256']}").code == "not_found"
    assert operator.ask("POST", path, {**file, "sha256": "AB" * 32}).code == "invalid_value"
    deeds = operator.get(f"/v1/breaks/{name}/history").json
    assert [each["after"] for each in deeds] == [f"tape.tar ({'ab' * 32})"]


def test_a_file_that_is_too_large_is_refused(operator: Caller) -> None:
    name = ids_of(publish(operator, "T", 1))[0]
    path = f"/v1/breaks/{name}/attachments"
    said = operator.ask(
        "POST", path, bytes(10 * 1024 * 1024 + 1), content_type="application/octet-stream"
    )
    assert (said.status, said.code) == (413, "too_large")
    assert operator.ask("POST", path, b"x", content_type="text/html").status == 415
    assert operator.get(f"/v1/breaks/{name}").json["work"]["revision"] == 0


def test_a_filter_is_kept_shared_and_asks_for_what_it_chooses(node: Node, operator: Caller) -> None:
    viewer = node.caller("viewer")
    names = ids_of(publish(operator, "S"))
    change(operator, names[:1], add_labels=["mine & ours"])
    chosen = {"id_prefix": "S-", "label": ["mine & ours"], "is_open": True}
    body = {"list": "work", "filter": chosen, "is_shared": True}
    made = operator.ask("PUT", "/v1/filters/ours", body)
    assert made.status == 200, made.body
    assert ids_of(items(operator.get(made.json["path"]))) == names[:1]
    assert operator.ask("PUT", "/v1/filters/mine", {**body, "is_shared": False}).status == 200
    seen = viewer.get("/v1/filters").json
    assert [(each["owner"], each["name"], each["is_own"]) for each in seen] == [
        ("operator", "ours", False)
    ]
    assert viewer.ask("DELETE", "/v1/filters/ours").code == "not_found"
    assert operator.ask("DELETE", "/v1/filters/ours").status == 204
    assert viewer.get("/v1/filters").json == []


@pytest.mark.parametrize(
    "body",
    [
        {"list": "nothing", "filter": {}},
        {"list": "work", "filter": {"colour": "red"}},
        {"list": "work", "filter": {"is_open": "yes"}},
        {"list": "work", "filter": {"cursor": "abc"}},
        {"list": "work", "filter": {"id_prefix": "a\0b"}},
    ],
)
def test_a_filter_that_would_be_refused_is_not_kept(operator: Caller, body: dict[str, Any]) -> None:
    assert operator.ask("PUT", "/v1/filters/wrong", body).code == "invalid_value"
    assert "wrong" not in {each["name"] for each in operator.get("/v1/filters").json}


def test_what_was_done_is_in_the_audit_log(node: Node, operator: Caller) -> None:
    names = ids_of(publish(operator, "L"))
    change(operator, names, reason="fx", comment="not to be repeated here")
    lines = node.caller("auditor").get("/v1/audit?size=1000").json
    told = {(each["who"], each["what"], each["about"]) for each in lines}
    assert ("operator", "work on breaks", f"3 breaks from {names[0]}: reason, comment") in told
    assert ("administrator", "set reason", "old: not offered") in told


# ---------------------------------------------------------------- out for repair, and in again


@pytest.mark.parametrize(
    ("form", "media"), [("csv", "text/csv"), ("ndjson", "application/x-ndjson")]
)
def test_records_go_out_for_repair_and_are_taken_in_again(
    operator: Caller, form: str, media: str
) -> None:
    prefix, count = form.upper(), len(ODD_NOTES)
    for role, wrong in (("seller", 1), ("bank", 0)):
        lines = [
            {"transaction_id": f"{prefix}-{n}", "amount": f"{n + wrong}.00", "note": note,
             "value_time": "2026-03-02T10:00:00.000001+08:00"}
            for n, note in enumerate(ODD_NOTES, start=1)
        ]  # fmt: skip
        assert operator.many(role, ndjson(lines)).json["published"] == count
    caught_up(operator, "/v1/work")
    path = f"{REPAIR}&id_prefix={prefix}-&format={form}"
    given = operator.get(path)
    assert given.headers["content-type"].split(";")[0] == media
    # As it came, it says nothing new.
    again = operator.many("seller", given.body.decode(), media).json
    assert (again["unchanged"], again["refused_count"]) == (count, 0)
    # The amounts are mended, and nothing is left to repair.
    text = given.body.decode()
    between = '","amount":"' if form == "ndjson" else ","
    for n in range(1, count + 1):
        assert f"-{n}{between}{n + 1}.00" in text
        text = text.replace(f"-{n}{between}{n + 1}.00", f"-{n}{between}{n}.00")
    mended = operator.many("seller", text, media).json
    assert (mended["published"], mended["verdicts"]) == (count, {"matched": count})
    assert items(caught_up(operator, f"/v1/breaks?id_prefix={prefix}-")) == []
    rest = operator.get(path).body.decode()
    assert rest == ("transaction_id,amount,note,value_time\r\n" if form == "csv" else "")


def test_repair_goes_on_page_by_page_and_names_each_record_once(operator: Caller) -> None:
    publish(operator, "P", 7)
    seen, path = [], f"{REPAIR}&id_prefix=P-&size=3&format=ndjson"
    cursor = ""
    while True:
        said = operator.get(path + cursor)
        assert said.status == 200, said.body
        seen += [json.loads(line)["transaction_id"] for line in said.body.splitlines()]
        if "tieout-next" not in said.headers:
            break
        cursor = f"&cursor={said.headers['tieout-next']}"
    assert seen == [f"P-{n}" for n in range(1, 8)]


def test_repair_is_of_chosen_breaks_and_never_of_records_that_are_not_there(
    operator: Caller,
) -> None:
    names = ids_of(publish(operator, "C"))
    change(operator, names[:1], assignee="operator")
    operator.record("bank", "C-9", "5.00")
    assert operator.ask("POST", "/v1/agreements/pay/cutoffs", {}).status == 201
    (missing,) = items(caught_up(operator, "/v1/work?id_prefix=C-9"))
    assert (missing["kind"], missing["role"]) == ("missing", "seller")

    def found(query: str) -> list[str]:
        text = operator.get(f"{REPAIR}&id_prefix=C-{query}").body.decode()
        return [row["transaction_id"] for row in csv.DictReader(io.StringIO(text))]

    assert found("") == ["C-1", "C-2", "C-3"]
    assert found("&assignee=operator") == ["C-1"]
    assert found("&assignee=") == ["C-2", "C-3"]


def test_an_alarm_is_told_by_itself(operator: Caller) -> None:
    publish(operator, "Z", 1)
    (alarm,) = items(caught_up(operator, "/v1/alarms?id_prefix=Z-"))
    told = operator.get(f"/v1/alarms/{alarm['id']}").json
    assert (told["alarm"], told["confirmations"]) == (alarm, [])
    assert operator.get("/v1/alarms/1-999999999").code == "not_found"
