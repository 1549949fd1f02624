"""Records in JSON: the quick way makes the very rows of the definition, or leaves them to it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.agreement.parse import parse_agreement
from tieout.node.problems import ProblemError
from tieout.node.records import QuickForm, RecordForm

AGREEMENT = parse_agreement(
    """
name = "all"
version = 1
roles = ["a", "b"]
[fields.code]
type = "code"
length = 6
[fields.text]
type = "text"
length = 12
[fields.money]
type = "money"
scale = 2
[fields.many]
type = "quantity"
scale = 10
[fields.count]
type = "integer"
[fields.day]
type = "date"
[fields.time]
type = "time"
optional = true
[fields.own]
type = "rate"
scale = 6
roles = ["b"]
"""
)
NAMES = [field.name for field in AGREEMENT.fields]
NUMBERS = st.from_regex(r"[+-]?[0-9]{0,19}(\.[0-9]{0,20})?", fullmatch=True)
DATES = st.dates().map(str) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", fullmatch=True)
WORDS = st.sampled_from(["", "A", "x y", "Ä", "2026-03-02T10:00:00Z"])
VALUES = st.one_of(
    NUMBERS, DATES, WORDS, st.text(max_size=14), st.integers(-(10**20), 10**20), st.none()
)
RECORDS = st.fixed_dictionaries(
    {"transaction_id": st.text(min_size=1, max_size=40) | st.sampled_from(["ORD-1", "a/b", " x"])},
    optional=dict.fromkeys(NAMES, VALUES),
)


def defined(form: RecordForm, body: bytes) -> bytes | str:
    """What the definition makes, without the quick way."""
    form._quick.row = lambda _values: None  # type: ignore[method-assign]
    try:
        return form.row(body, 0)
    except ProblemError as error:
        return error.code
    finally:
        del form._quick.row


@given(record=RECORDS, role=st.sampled_from([0, 1]))
def test_what_the_quick_way_makes_is_the_row_of_the_definition(
    record: dict[str, str | int | None], role: int
) -> None:
    known = {name: value for name, value in record.items() if name != "own" or role == 1}
    made = QuickForm(AGREEMENT, role).row(known)
    body = json.dumps(known).encode()
    if made is not None:
        assert made == defined(RecordForm(AGREEMENT, role), body)


@pytest.mark.parametrize("role", [0, 1])
def test_a_plain_record_does_go_the_quick_way(role: int) -> None:
    plain: dict[str, str | int | None] = {
        "transaction_id": "ORD-2026/1", "code": "CNY", "text": "fee 2.5", "money": "100.00",
        "many": "0.5", "count": "7", "day": "2026-03-02",
    }  # fmt: skip
    made = QuickForm(AGREEMENT, role).row(plain)
    assert made is not None
    assert made == defined(RecordForm(AGREEMENT, role), json.dumps(plain).encode())
