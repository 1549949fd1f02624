"""Statements and drilling over HTTP: what a party's own systems do at the end of a day."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.node.running import AGREEMENT, Caller, tieout
from tests.node.test_lists import caught_up, items
from tieout.agreement.parse import parse_agreement
from tieout.merkle.drill import find_differences
from tieout.merkle.sets import key_hash, said_hash, set_hash
from tieout.merkle.settree import SetTree
from tieout.testing.workbench import row_bytes

PAY = parse_agreement(AGREEMENT)
STATEMENTS = "/v1/agreements/pay/statements"
OCTETS = "application/octet-stream"
DRILL = "/v1/agreements/pay/roles/seller/drill"
HELD = {f"S-{number}": 100 * (number + 1) for number in range(5)}


@pytest.fixture(scope="module")
def published(operator: Caller) -> Caller:
    """Somebody whose node has five records of the seller."""
    for name, cents in HELD.items():
        assert operator.record("seller", name, f"{cents / 100:.2f}").status == 200
    return operator


@pytest.fixture(scope="module")
def until(published: Caller) -> str:
    """The time of a cut-off after them."""
    return str(published.ask("POST", "/v1/agreements/pay/cutoffs", {}).json["time"])


def entries_of(held: dict[str, int]) -> dict[bytes, bytes]:
    rows = [row_bytes(PAY, name, 1, {0: cents}) for name, cents in held.items()]
    return {key_hash(row[:39]): said_hash(row[44:52] + row[68:]) for row in rows}


def statement_of(held: dict[str, int], until: str, **changes: object) -> dict[str, object]:
    total = sum(held.values())
    totals = [
        {"field": "amount", "currency": "CNY", "records": len(held), "sum": f"{total / 100:.2f}"}
    ]
    return {
        "role": "seller",
        "until": until,
        "records": len(held),
        "totals": totals,
        "set_hash": set_hash(entries_of(held)).hex(),
        **changes,
    }


def test_a_day_is_stated_and_stands_in_the_list(published: Caller, until: str) -> None:
    said = published.ask("POST", STATEMENTS, statement_of(HELD, until))
    assert said.status == 201, said.body
    told = said.json
    assert (told["role"], told["ties_out"], told["records_on_ledger"]) == ("seller", True, 5)
    wrong = published.ask(
        "POST",
        STATEMENTS,
        statement_of(HELD | {"S-9": 1}, until, numbers=[{"stream": 9, "ranges": [[1, 2]]}]),
    )
    assert wrong.json["differs"] == ["count", "totals", "set_hash", "omitted"]
    listed = published.get(STATEMENTS).json
    assert [(each["revision"], each["ties_out"]) for each in listed] == [(2, False)]
    kinds = [each["kind"] for each in items(caught_up(published, "/v1/events?kind=batch_omitted"))]
    assert kinds == ["batch_omitted", "batch_omitted"]
    operations = items(caught_up(published, "/v1/operations?kind=state_day&agreement=pay"))
    assert [each["outcome"] for each in operations] == ["accepted", "accepted"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"role": "broker"}, "not_found"),
        ({"until": "yesterday"}, "invalid_value"),
        ({"until": "2999-01-01T00:00:00Z"}, "refused_by_the_rules"),
        ({"set_hash": "00"}, "invalid_value"),
        ({"totals": [{"field": "fee", "records": 1, "sum": "1"}]}, "invalid_value"),
        ({"totals": [{"field": "amount", "records": 1, "sum": "0.001"}]}, "invalid_value"),
        ({"numbers": [{"stream": 0, "ranges": [[2, 1]]}]}, "refused_by_the_rules"),
    ],
)
def test_what_makes_no_sense_is_refused(
    published: Caller, until: str, changes: dict[str, object], code: str
) -> None:
    body = statement_of(HELD, until) | changes
    assert published.ask("POST", STATEMENTS, body).code == code


def test_the_record_that_differs_is_found_by_hashes_alone(published: Caller) -> None:
    mine = HELD | {"S-3": 1}
    entries = entries_of(mine)

    def table(parts: Iterable[bytes]) -> NDArray[np.uint8]:
        return np.frombuffer(b"".join(parts), np.uint8).reshape(-1, 32)

    def ask(question: bytes) -> bytes:
        said = published.ask("POST", DRILL, question, content_type=OCTETS)
        assert said.status == 200, said.body
        assert said.headers["tieout-records"] == "5"
        return said.body

    found = find_differences(SetTree(table(entries), table(entries.values())), ask)
    (key,) = found.changed
    assert key == key_hash(row_bytes(PAY, "S-3", 1, {})[:39])


def test_a_question_that_makes_no_sense_is_refused(published: Caller) -> None:
    assert published.ask("POST", DRILL, b"\xc1", content_type=OCTETS).code == "invalid_value"
    assert (
        published.ask("POST", DRILL + "?with=broker", b"\x91\xc4\0", content_type=OCTETS).code
        == "not_found"
    )
    assert (
        published.ask("POST", DRILL, b"{}", content_type="text/plain").code
        == "unsupported_media_type"
    )


def test_a_file_is_compared_with_another_partys_node(published: Caller, tmp_path: Path) -> None:
    (tmp_path / "pay.toml").write_text(AGREEMENT, encoding="utf-8")
    (tmp_path / "token").write_text(published.token + "\n", encoding="utf-8")
    lines = [f"{name},{cents / 100:.2f}" for name, cents in HELD.items() if name != "S-0"]
    lines[1] = "S-2,7.77"
    books = tmp_path / "books.csv"
    books.write_text("\n".join(["transaction_id,amount", *lines, "S-8,1.00", ""]), encoding="utf-8")
    url = ("--url", f"http://127.0.0.1:{published.port}", "--token-file", tmp_path / "token")
    said = tieout("drill", tmp_path / "pay.toml", f"seller={books}", *url)
    assert said.returncode == 1, said.stderr
    lost = key_hash(row_bytes(PAY, "S-0", 1, {})[:39]).hex()
    assert said.stdout.splitlines() == [
        "differs\tS-2",
        "only_here\tS-8",
        f"only_there\t{lost}",
    ]
    assert "5 records of seller here, 5 of seller there" in said.stderr
    refused = tieout("drill", tmp_path / "pay.toml", f"seller={books}", *url[:2])
    assert (refused.returncode, "cannot be drilled into" in refused.stderr) == (2, True)
