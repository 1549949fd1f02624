"""The breaks file: every kind of line, and both forms."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.agreement.breakrow import BreakRow
from tieout.agreement.parse import parse_agreement
from tieout.evidence.breaklist import (
    BreakLine,
    csv_bytes,
    json_bytes,
    line_of,
    lines_of,
)
from tieout.wire.codes import BenchmarkState, BreakKind

AGREEMENT = parse_agreement("""
name = "fund-subscription"
version = 1
roles = ["seller", "registrar", "bank"]

[fields.currency]
type = "code"
length = 3
[fields.amount]
type = "money"
scale = 2
currency = { field = "currency" }
tolerance = { absolute = "0.01" }
[fields.units]
type = "integer"
[fields.trade_date]
type = "date"
[fields.booked_at]
type = "time"
[fields.remark]
type = "text"
length = 40

[benchmark]
amount = "bank"
""")
CURRENCY, AMOUNT, UNITS, TRADE_DATE, BOOKED_AT, REMARK = range(6)
SELLER, REGISTRAR, BANK = range(3)
DECIDED, UNDECIDED, AWAITING = (
    BenchmarkState.DECIDED,
    BenchmarkState.UNDECIDED,
    BenchmarkState.AWAITING,
)
BOOKED, BOOKED_LATER = "1970-01-01T00:00:01.500000Z", "1970-01-01T00:00:03Z"
Value = int | bytes | None


def mismatch(
    field: int,
    role: int,
    reported: Value,
    benchmark: Value = None,
    difference: int | None = None,
    state: BenchmarkState = DECIDED,
) -> BreakRow:
    """A mismatch; the basis is written from the agreement, so none is given."""
    return BreakRow(
        1,
        b"T-1",
        0,
        0,
        BreakKind.MISMATCH,
        field,
        role,
        reported,
        benchmark,
        None,
        difference,
        state,
    )


def whole(kind: BreakKind, role: int, field: int | None = None) -> BreakRow:
    return BreakRow(1, b"T-1", 0, 0, kind, field, role, None, None, None, None, BenchmarkState.NONE)


LINES = {
    "money": (
        mismatch(AMOUNT, SELLER, -5, 1_234_50, -1_234_55),
        "T-1,mismatch,amount,seller,-0.05,1234.50,bank,-1234.55,open",
    ),
    "money in another currency": (
        mismatch(AMOUNT, SELLER, 100, 100),
        "T-1,mismatch,amount,seller,1.00,1.00,bank,,open",
    ),
    "integer": (
        mismatch(UNITS, REGISTRAR, 7, 10, -3),
        "T-1,mismatch,units,registrar,7,10,majority,-3,open",
    ),
    "date": (
        mismatch(TRADE_DATE, BANK, 15_888, 15_886, 2),
        "T-1,mismatch,trade_date,bank,2013-07-02,2013-06-30,majority,2,open",
    ),
    "time": (
        mismatch(BOOKED_AT, BANK, 1_500_000, 3_000_000, -1_500_000),
        f"T-1,mismatch,booked_at,bank,{BOOKED},{BOOKED_LATER},majority,-1.5,open",
    ),
    "code": (
        mismatch(CURRENCY, SELLER, b"CNY", b"EUR"),
        "T-1,mismatch,currency,seller,CNY,EUR,majority,,open",
    ),
    "text that needs quotes": (
        mismatch(REMARK, SELLER, 'Müller, "and sons"'.encode(), b"Sons"),
        'T-1,mismatch,remark,seller,"Müller, ""and sons""",Sons,majority,,open',
    ),
    "undecided": (
        mismatch(UNITS, SELLER, 7, state=UNDECIDED),
        "T-1,mismatch,units,seller,7,,,,undecided",
    ),
    "awaiting": (
        mismatch(AMOUNT, SELLER, 7, state=AWAITING),
        "T-1,mismatch,amount,seller,0.07,,,,awaiting",
    ),
    "missing record": (whole(BreakKind.MISSING, BANK), "T-1,missing,,bank,,,,,open"),
    "missing field": (
        whole(BreakKind.MISSING, BANK, AMOUNT),
        "T-1,missing,amount,bank,,,,,open",
    ),
    "duplicate": (whole(BreakKind.DUPLICATE, BANK), "T-1,duplicate,,bank,,,,,open"),
    "unexpected": (whole(BreakKind.UNEXPECTED, SELLER), "T-1,unexpected,,seller,,,,,open"),
    "changed after match": (
        whole(BreakKind.CHANGED_AFTER_MATCH, SELLER),
        "T-1,changed_after_match,,seller,,,,,open",
    ),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_of_the_breaks_file(name: str) -> None:
    row, expected = LINES[name]
    written = csv_bytes([line_of(AGREEMENT, row)]).decode().split("\r\n")
    assert written == [",".join(BreakLine._fields), expected, ""]


def test_the_order_of_the_lines_is_the_order_of_the_rows() -> None:
    rows = [row for row, _ in LINES.values()]
    lines = lines_of({1: AGREEMENT}, rows)
    assert [line.kind for line in lines] == [row.kind.name.lower() for row in rows]


def test_a_file_without_breaks_has_its_header() -> None:
    assert csv_bytes([]).decode() == ",".join(BreakLine._fields) + "\r\n"
    assert json.loads(json_bytes([])) == []


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ['"', ",", "\r\n", "a,b", '"x"', " "]
)
ANY_LINES = st.lists(st.builds(BreakLine, *[TEXTS] * 9), max_size=5)


@given(lines=ANY_LINES)
def test_a_csv_reader_reads_what_was_written(lines: list[BreakLine]) -> None:
    text = csv_bytes(lines).decode()
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert rows == [list(BreakLine._fields), *map(list, lines)]


@given(lines=ANY_LINES)
def test_json_holds_the_same_texts(lines: list[BreakLine]) -> None:
    written = json_bytes(lines)
    assert json.loads(written) == [line._asdict() for line in lines]
    assert written.count(b"\n") == (len(lines) + 2 if lines else 1)
