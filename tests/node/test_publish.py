"""Records in, verdicts out: one by one, many at once, and the same request twice."""

import gzip
import threading

import pytest

from tests.node.running import RECORDS, Caller, Node, ndjson
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.wire.codes import Purpose


def verdict(said: dict[str, object]) -> object:
    return said["verdict"]["status"]  # type: ignore[index]


def test_a_record_gets_its_verdict_with_the_block_it_stands_in(operator: Caller) -> None:
    first = operator.record("seller", "V-1", "100.00").json
    second = operator.record("bank", "V-1", "100.00").json
    assert (first["outcome"], verdict(first)) == ("published", "pending")
    assert (second["outcome"], verdict(second)) == ("published", "matched")
    assert second["block"]["height"] > first["block"]["height"]


def test_a_break_is_told_to_the_one_who_reveals_it(operator: Caller) -> None:
    operator.record("seller", "B-1", "100.00")
    said = operator.record("bank", "B-1", "99.00").json
    assert said["verdict"] == {
        "status": "broken",
        "breaks": [{"kind": "mismatch", "role": "seller", "field": "amount"}],
    }


def test_the_same_record_again_is_unchanged_and_another_value_is_the_next_revision(
    operator: Caller,
) -> None:
    operator.record("seller", "R-1", "5.00")
    again = operator.record("seller", "R-1", "5.00").json
    changed = operator.record("seller", "R-1", "6.00").json
    assert (again["outcome"], again["revision"]) == ("unchanged", 1)
    assert (changed["outcome"], changed["revision"]) == ("published", 2)


def test_a_record_is_withdrawn_and_can_be_stated_again(operator: Caller) -> None:
    operator.record("seller", "W-1", "5.00")
    gone = operator.ask("DELETE", f"{RECORDS}/W-1?role=seller")
    assert (gone.status, gone.json["revision"], verdict(gone.json)) == (200, 2, "withdrawn")
    assert operator.record("seller", "W-1", "5.00").json["revision"] == 3
    never = operator.ask("DELETE", f"{RECORDS}/W-2?role=seller")
    assert (never.status, never.code) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ('{"transaction_id": "X", "amount": "1.001"}', "invalid_value", "amount"),
        ('{"transaction_id": "X", "amount": "1", "colour": "red"}', "invalid_value", "colour"),
        ('{"amount": "1"}', "invalid_value", "transaction_id"),
        ('{"transaction_id": "X", "amount": 1.5}', "malformed_body", None),
        ('{"transaction_id": "X", "amount": ', "malformed_body", None),
        ('{"transaction_id": "\\u0000", "amount": "1"}', "invalid_value", "transaction_id"),
        ("[]", "malformed_body", None),
        ("", "malformed_body", None),
    ],
)
def test_a_record_that_does_not_fit_is_refused_with_the_reason(
    operator: Caller, body: str, code: str, field: str | None
) -> None:
    said = operator.ask("POST", f"{RECORDS}?role=seller", body, content_type="application/json")
    assert (said.status, said.code, said.json.get("field")) == (400, code, field)
    assert said.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("form", ["ndjson", "csv", "gzip"])
def test_many_records_are_taken_and_bad_lines_named_with_field_and_reason(
    operator: Caller, form: str
) -> None:
    lines = [(f"{form}-{number}", f"{number}.00") for number in range(1, 6)]
    if form == "csv":
        text = "transaction_id,amount\n" + "".join(f"{name},{amount}\n" for name, amount in lines)
        said = operator.many("seller", text + "csv-9,1.001\ncsv-1,7.00\n", "text/csv")
        bad, twice = 7, 8
    else:
        text = ndjson({"transaction_id": name, "amount": amount} for name, amount in lines)
        text += '{"transaction_id": "x", "amount": "1.001"}\n'
        text += f'{{"transaction_id": "{form}-1", "amount": "7.00"}}\n{{oops\n\n'
        text += f'{{"transaction_id": "{form}-2", "amount": "2.00"}}'
        bad, twice = 6, 7
        packed = gzip.compress(text.encode())
        said = operator.many("seller", text)
        if form == "gzip":
            path, kind = f"{RECORDS}?role=bank", "application/x-ndjson"
            said = operator.ask("POST", path, packed, content_type=kind, content_encoding="gzip")
    told = said.json
    by_line = {each["line"]: each["field"] for each in told["refused"]}
    assert (told["published"], told["unchanged"]) == (5, 0)
    assert (by_line[bad], by_line[twice]) == ("amount", "transaction_id")
    assert "1.001" in told["refused"][0]["reason"]
    if form != "csv":
        assert (told["repeated"], by_line[8], told["lines"]) == (1, "", 9)


def test_many_records_again_are_unchanged_and_changed_ones_get_the_next_revision(
    operator: Caller,
) -> None:
    def text(third: str) -> str:
        return ndjson(
            {"transaction_id": f"again-{n}", "amount": third if n == 3 else "1.00"}
            for n in range(1, 5)
        )

    assert operator.many("bank", text("1.00")).json["published"] == 4
    said = operator.many("bank", text("2.00")).json
    assert (said["published"], said["unchanged"], said["verdicts"]) == (1, 3, {"pending": 4})


def test_columns_that_do_not_fit_are_all_named(operator: Caller) -> None:
    said = operator.many("seller", "transaction_id,colour\nA,red\n", "text/csv")
    assert (said.status, said.code) == (400, "invalid_value")
    assert ["colour" in said.json["problems"][0], "amount" in said.json["problems"][1]] == [
        True
    ] * 2


def test_a_key_gets_the_same_answer_again_and_nothing_else(node: Node, operator: Caller) -> None:
    first = operator.record("seller", "K-1", "5.00", Idempotency_Key="k-1")
    again = operator.record("seller", "K-1", "5.00", Idempotency_Key="k-1")
    other = operator.record("seller", "K-1", "6.00", Idempotency_Key="k-1")
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status, other.code) == (422, "key_reused")
    stranger = node.caller("operator", "seller/approver-1")
    own = stranger.record("seller", "K-1", "5.00", Idempotency_Key="k-1")
    assert own.json["outcome"] == "unchanged"


def test_a_key_of_many_records_gets_the_same_answer_again(operator: Caller) -> None:
    def send(amount: str) -> object:
        body = ndjson([{"transaction_id": "KB-1", "amount": amount}]).encode()
        path, kind = f"{RECORDS}?role=seller", "application/x-ndjson"
        said = operator.ask("POST", path, body, content_type=kind, Idempotency_Key="bulk-1")
        return (said.status, said.json.get("published"), said.headers.get("idempotent-replayed"))

    assert [send("1.00"), send("1.00"), send("2.00")] == [
        (200, 1, None),
        (200, 1, "true"),
        (422, None, None),
    ]


def test_many_senders_at_once_share_blocks_and_each_gets_its_own_answer(operator: Caller) -> None:
    before = operator.get("/v1/ledger").json["height"]
    said: dict[str, object] = {}

    def send(number: int) -> None:
        for turn in range(10):
            name = f"G-{number}-{turn}"
            said[name] = operator.record("seller", name, f"{number}.00").json["transaction_id"]

    threads = [threading.Thread(target=send, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(name == told for name, told in said.items())
    assert len(said) == 160
    assert operator.get("/v1/ledger").json["height"] - before < 160


def test_two_records_of_a_transaction_at_once_become_two_revisions(operator: Caller) -> None:
    revisions: list[int] = []

    def send(amount: str) -> None:
        revisions.append(operator.record("seller", "T-1", amount).json["revision"])

    threads = [threading.Thread(target=send, args=(f"{n}.00",)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(revisions) == list(range(1, 9))


def test_an_id_may_contain_a_slash_and_other_scripts(operator: Caller) -> None:
    operator.record("seller", "2026/03/申购-1", "5.00")
    assert operator.transaction("2026/03/申购-1")["transaction_id"] == "2026/03/申购-1"


def test_a_batch_that_was_signed_elsewhere_is_taken_byte_for_byte(
    node: Node, operator: Caller
) -> None:
    with EmbeddedLedger.open(node.directory / "ledger", read_only=True) as ledger:
        agreement = ledger.agreement("pay")
        assert agreement is not None
        publisher = ledger.publisher(ledger.party("bank"), stream=7)
        assert ledger.ring.signer(ledger.party("bank"), Purpose.PUBLISH)
        from tieout.node.records import RecordForm

        row = RecordForm(agreement, 1).row(b'{"transaction_id": "S-1", "amount": "3.00"}', 0)
        import numpy as np

        rows = np.frombuffer(row, np.uint8).reshape(1, -1).copy()
        batch = publisher.batch(agreement, 1, rows)
    kind = "application/vnd.tieout.batch"
    said = operator.ask("POST", "/v1/batches", batch, content_type=kind)
    assert (said.status, said.json["rows"]) == (200, {"accepted": 1})
    again = operator.ask("POST", "/v1/batches", batch, content_type=kind)
    assert (again.status, again.json["outcome"]) == (409, "repeated")
    assert operator.transaction("S-1")["statement"]["roles"][1]["standing"] == "states"
