from pathlib import Path

import numpy as np
import pytest

from tests.connectors.support import AGREEMENT, BANK, SELLER, both_ways, read_all, values_of
from tieout.connectors.csv_known import KnownRows
from tieout.connectors.csv_read import read_rows
from tieout.connectors.errors import SourceError
from tieout.connectors.limits import MAX_RECORD_BYTES

HEADER = b"transaction_id,fund,amount,shares,day,at,remark\n"


def one(folder: Path, line: bytes, toml: str = "") -> dict[str, str | None] | str:
    """The values of a file of one row, or `field: reason` when it is refused."""
    taken = both_ways(folder, HEADER + line + b"\n", toml)
    if taken.refused:
        (refused,) = taken.refused
        return f"{refused.field}: {refused.reason}"
    (row,) = taken.rows
    return values_of(row)


def test_a_plain_row_needs_no_mapping(tmp_path: Path) -> None:
    line = b"ORD-1,000961,1234.50,10.5,2026-03-31,2026-03-31T09:00:00+08:00,first"
    assert one(tmp_path, line) == {
        "transaction_id": "ORD-1",
        "fund": "000961",
        "amount": "1234.50",
        "shares": "10.5000",
        "day": "2026-03-31",
        "at": "2026-03-31T01:00:00Z",
        "remark": "first",
    }


def test_a_row_begins_as_a_first_statement_without_salt(tmp_path: Path) -> None:
    (row,) = both_ways(tmp_path, HEADER + b"A,F,1,1,,,\n").rows
    prefix = np.frombuffer(row, AGREEMENT.layout.dtype(), 1)[0]
    found = {n: prefix[n].item() for n in ("originator", "stage", "action", "revision", "presence")}
    assert found == {"originator": 0, "stage": 0, "action": 0, "revision": 1, "presence": 0b111}
    assert bytes(prefix["salt"]) == bytes(16)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last_line_ends", [True, False])
def test_lines_end_as_they_like(tmp_path: Path, line_end: bytes, *, last_line_ends: bool) -> None:
    lines = [HEADER.strip(), b"A,F,1,1,,,x", b"", b'"B","F","2","2","","","y"']
    data = line_end.join(lines) + (line_end if last_line_ends else b"")
    taken = both_ways(tmp_path, data)
    assert [values_of(row)["remark"] for row in taken.rows] == ["x", "y"]
    assert taken.lines == [2, 4]


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        (b"A,F,1.005,1,,,", "amount: '1.005' has more than 2 decimals"),
        (b"A,F,1e3,1,,,", "amount: '1e3' has an exponent; write all digits"),
        (b"A,F,1.0E+3,1,,,", "amount: '1.0E+3' has an exponent; write all digits"),
        (b"A,F, 1,1,,,", "amount: ' 1' is not a number: it has spaces in it"),
        (b'A,F,"1,000",1,,,', "amount: '1,000' is not a number: it has a comma in it"),
        (b"A,F,-,1,,,", "amount: '-' is not a number: digits, and at most one sign and one point"),
        (
            b"A,F,46116860184273879.04,1,,,",
            "amount: '46116860184273879.04' is too large for a number of scale 2",
        ),
        (b"A,TOOLONG,1,1,,,", "fund: the code 'TOOLONG' has 7 bytes, at most 6 fit"),
        (
            "A,Fü,1,1,,,".encode(),
            "fund: the code 'Fü' has characters other than printable ASCII",
        ),
        (b"A, F,1,1,,,", "fund: the code ' F' begins or ends with a space"),
        (b"A,F,1,1,2026-02-30,,", "day: '2026-02-30' is not a date: that month has 28 days"),
        (b"A,F,1,1,31.03.2026,,", "day: '31.03.2026' is not a date: write it as YYYY-MM-DD"),
        (
            b"A,F,1,1,,2026-03-31 09:00,",
            "at: '2026-03-31 09:00' does not say its offset from UTC: add Z or one such as +08:00",
        ),
        (
            b"A,F,1,1,,,much too long",
            "remark: the text 'much too long' has 13 bytes, at most 12 fit",
        ),
        (b"A,F,1,1,,,a\tb", "remark: the text 'a\\tb' has a control character"),
        (b",F,1,1,,,", "transaction_id: the row has no transaction id"),
        (b"A ,F,1,1,,,", "transaction_id: the id 'A ' begins or ends with a space"),
        (
            b"A" * 37 + b",F,1,1,,,",
            f"transaction_id: the id '{'A' * 37}' has 37 bytes, at most 36 fit",
        ),
        (b"A,F,1", ": 3 columns stand where the header has 7"),
        (b"A,F,1,1,,,x,", ": 8 columns stand where the header has 7"),
        (b'A,F,1,1,,,"x"y', ": the quotes do not fit: ',' expected after '\"'"),
        (b'A,F,1,1,,,"x', ": the quotes do not fit: a quote is not closed"),
        (b"A,F,1,1,,,\xff", "remark: byte 11 of line 2 (0xff) is not utf-8"),
        (b"A,F,1,1,,,\xed\xa0\x80", "remark: byte 11 of line 2 (0xed) is not utf-8"),
        (b"\xc3\xa4,F,1,1,,,\xe4", "remark: byte 12 of line 2 (0xe4) is not utf-8"),
        (b"A,F\r,1,1,,,", "fund: the code 'F\\r' has characters other than printable ASCII"),
        (b"A\rB,F,1,1,,,", "transaction_id: the id 'A\\rB' has a control character"),
    ],
)
def test_what_a_field_cannot_hold_is_refused(tmp_path: Path, line: bytes, refused: str) -> None:
    assert one(tmp_path, line) == refused


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", "0.00"),
        ("-0", "0.00"),
        ("+12", "12.00"),
        ("007.10", "7.10"),
        (".5", "0.50"),
        ("5.", "5.00"),
        ("1.5000000000000000000", "1.50"),
        ("-46116860184273879.03", "-46116860184273879.03"),
        ("46116860184273879.03", "46116860184273879.03"),
        ("9999999999999999.99", "9999999999999999.99"),
    ],
)
def test_exact_numbers_are_taken(tmp_path: Path, text: str, amount: str) -> None:
    values = one(tmp_path, f"A,F,{text},1,,,".encode())
    assert isinstance(values, dict)
    assert values["amount"] == amount


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-31T09:00:00Z", "2026-03-31T09:00:00Z"),
        ("2026-03-31 09:00:00Z", "2026-03-31T09:00:00Z"),
        ("2026-03-31T09:00Z", "2026-03-31T09:00:00Z"),
        ("2026-03-31T09:00:00.5Z", "2026-03-31T09:00:00.500000Z"),
        ("2026-03-31T09:00:00.123456-05:30", "2026-03-31T14:30:00.123456Z"),
        ("2026-03-31T09:00:00+0800", "2026-03-31T01:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_are_told_in_utc(tmp_path: Path, text: str, at: str) -> None:
    values = one(tmp_path, f"A,F,1,1,,{text},".encode())
    assert isinstance(values, dict)
    assert values["at"] == at


def test_good_rows_are_taken_beside_bad_ones(tmp_path: Path) -> None:
    data = HEADER + b"A,F,1,1,,,\nB,F,x,1,,,\nC,F,3,3,,,\n"
    taken = both_ways(tmp_path, data)
    assert taken.lines == [2, 4]
    assert [(each.line, each.field, each.text) for each in taken.refused] == [
        (3, "amount", "B,F,x,1,,,")
    ]


def test_an_open_quote_costs_one_line(tmp_path: Path) -> None:
    data = HEADER + b'A,F,1,1,,,"x\nB,F,2,2,,,\nC,F,3,3,,,"z"\n'
    taken = both_ways(tmp_path, data)
    assert [each.line for each in taken.refused] == [2]
    assert taken.lines == [3, 4]


def test_a_quoted_line_break_is_one_row_of_several_lines(tmp_path: Path) -> None:
    data = HEADER + b'"A\nB",F,1,1,,,x\nC,F,3,3,,,\n'
    taken = both_ways(tmp_path, data, 'spaces = "collapse"')
    assert [values_of(row)["transaction_id"] for row in taken.rows] == ["A B", "C"]
    assert taken.lines == [2, 4]


def test_the_same_row_again_is_a_repeat(tmp_path: Path) -> None:
    data = HEADER + b"A,F,1,1,,,\nB,F,2,2,,,\nA,F,1.00,1,,,\nA,F,1,1,,,\n"
    taken = both_ways(tmp_path, data)
    assert (taken.repeats, taken.refused, taken.lines) == (2, [], [2, 3])


def test_another_row_with_the_same_id_is_refused_and_both_lines_named(tmp_path: Path) -> None:
    data = HEADER + b"A,F,1,1,,,\nB,F,2,2,,,\nA,F,1,1,,,now with a remark\nA,F,2,1,,,\nC,F,1,1,,,\n"
    data = data.replace(b"now with a remark", b"more")
    taken = both_ways(tmp_path, data)
    reason = "the id 'A' stands in line 2 with other values; that row was taken"
    assert [(each.line, each.field, each.reason, each.text) for each in taken.refused] == [
        (4, "transaction_id", reason, "A,F,1,1,,,more"),
        (5, "transaction_id", reason, "A,F,2,1,,,"),
    ]
    assert (taken.lines, taken.repeats) == ([2, 3, 6], 0)


@pytest.mark.parametrize(
    "other",
    [
        b"A,G,1,1,,,123456789012",
        b"A,F,2,1,,,123456789012",
        b"A,F,1,1.0001,,,123456789012",
        b"A,F,1,1,2026-01-01,,123456789012",
        b"A,F,1,1,,2026-01-01T00:00:00Z,123456789012",
        b"A,F,1,1,,,123456789013",
        b"A,F,1,1,,,12345678901",
        b"A,F,1,1,,,",
    ],
)
def test_rows_that_differ_in_one_value_are_not_the_same(tmp_path: Path, other: bytes) -> None:
    taken = both_ways(tmp_path, HEADER + b"A,F,1,1,,,123456789012\n" + other + b"\n")
    assert ([each.line for each in taken.refused], taken.repeats) == ([3], 0)


@pytest.mark.parametrize("ways", [(False, False), (True, True), (False, True), (True, False)])
def test_a_roles_files_are_one(tmp_path: Path, ways: tuple[bool, bool]) -> None:
    first, second = tmp_path / "monday.csv", tmp_path / "tuesday.csv"
    first.write_bytes(HEADER + b"A,F,1,1,,,\nB,F,2,2,,,\n")
    second.write_bytes(HEADER + b"C,F,3,3,,,\nA,F,1,1,,,\nB,F,3,2,,,\n")
    known = KnownRows(AGREEMENT.layout.row_bytes)
    one_file = read_all(first, known=known, compiled=ways[0])
    other = read_all(second, known=known, compiled=ways[1])
    reason = f"the id 'B' stands in line 3 of {first} with other values; that row was taken"
    assert one_file.lines == [2, 3]
    assert (other.lines, other.repeats) == ([2], 1)
    assert [(each.line, each.reason) for each in other.refused] == [(4, reason)]
    assert [values_of(bytes(row))["transaction_id"] for row in known.rows(0, 3)] == ["A", "B", "C"]


def test_a_role_that_does_not_report_a_field_has_no_column_for_it(tmp_path: Path) -> None:
    data = b"fund,transaction_id,amount\nF,A,1\n"
    (row,) = both_ways(tmp_path, data, role=BANK).rows
    assert values_of(row)["shares"] is None


def test_a_blank_is_absent_and_not_refused(tmp_path: Path) -> None:
    values = one(tmp_path, b'A,,"",N/A,N/A,DNP,', 'blank = ["N/A", "DNP"]')
    assert isinstance(values, dict)
    assert {value for name, value in values.items() if name != "transaction_id"} == {None}


def test_texts_are_composed(tmp_path: Path) -> None:
    values = one(tmp_path, "e\u0301,F,1,1,,,a\u030a".encode())
    assert isinstance(values, dict)
    assert (values["transaction_id"], values["remark"]) == ("\u00e9", "\u00e5")


def test_a_line_that_is_too_long_is_refused_without_being_held(tmp_path: Path) -> None:
    long = b"x" * (3 * MAX_RECORD_BYTES)
    path = tmp_path / "file.csv"
    path.write_bytes(HEADER + b"A,F,1,1,,,\nB,F,2,2,,," + long + b"\nC,F,3,3,,,\n")
    taken = read_all(path)
    for page_bytes in (1 << 20, 70_000, 1_000):
        assert read_all(path, compiled=True, page_bytes=page_bytes) == taken
        assert read_all(path, page_bytes=page_bytes) == taken
    (refused,) = taken.refused
    assert refused.reason == f"the line is longer than {MAX_RECORD_BYTES} bytes"
    assert (refused.line, taken.lines) == (3, [2, 4])


def test_a_row_as_long_as_a_record_may_be_is_taken(tmp_path: Path) -> None:
    padding = b"x" * (MAX_RECORD_BYTES - len(b"A,F,1,1,,,,\n"))
    header = HEADER.replace(b"\n", b",more\n")
    taken = both_ways(tmp_path, header + b"A,F,1,1,,,," + padding + b"\n", 'ignore = ["more"]')
    assert taken.lines == [2]
    over = both_ways(tmp_path, header + b"A,F,1,1,,,," + padding + b"x\n", 'ignore = ["more"]')
    assert [each.line for each in over.refused] == [2]


def test_chunks_have_the_size_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(HEADER + b"".join(b"%d,F,1,1,,,\n" % number for number in range(25)))
    for compiled in (False, True):
        reader = read_rows(path, AGREEMENT, SELLER, chunk_rows=10, compiled=compiled)
        assert [len(chunk.rows) for chunk in reader] == [10, 10, 5]


def test_a_file_of_refused_rows_is_handed_over_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(HEADER + b"A,F,x,1,,,\n" * 2_500)
    for compiled in (False, True):
        reader = read_rows(path, AGREEMENT, SELLER, compiled=compiled)
        assert [len(chunk.refused) for chunk in reader] == [1_000, 1_000, 500]


def test_the_last_chunk_has_read_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(HEADER + b"A,F,1,1,,,\n")
    chunks = list(read_rows(path, AGREEMENT, SELLER))
    assert chunks[-1].bytes_read == path.stat().st_size


def test_what_cannot_be_read_at_all_says_so(tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_bytes(b"")
    for path, wrong in ((tmp_path / "lost.csv", "cannot be read"), (empty, "has no header")):
        with pytest.raises(SourceError, match=wrong) as error:
            read_rows(path, AGREEMENT, SELLER)
        assert error.value.path == path
