from pathlib import Path

import pytest

from tests.connectors.support import AGREEMENT, BANK, SELLER, both_ways
from tieout.connectors.csv_read import read_rows
from tieout.connectors.errors import HeaderError, SourceError
from tieout.connectors.mapping_file import parse_mapping


def header_error(folder: Path, header: str, toml: str = "", role: int = SELLER) -> HeaderError:
    path = folder / "file.csv"
    path.write_text(header + "\n", encoding="utf-8")
    with pytest.raises(HeaderError) as error:
        read_rows(path, AGREEMENT, role, parse_mapping(toml, AGREEMENT, role))
    assert error.value.path == path
    return error.value


def test_unknown_columns_are_named_with_those_that_are_known(tmp_path: Path) -> None:
    error = header_error(tmp_path, "transaction_id,fund,amount,shares,Day,note")
    assert error.unknown == ("Day", "note")
    fields = "transaction_id, fund, amount, shares, day, at, remark"
    assert error.problems == (
        f"unknown columns: 'Day', 'note' - map them to fields ({fields}), or ignore them",
    )


def test_columns_of_fields_of_other_roles_are_named(tmp_path: Path) -> None:
    error = header_error(tmp_path, "transaction_id,fund,amount,shares", role=BANK)
    assert error.unreported == ("shares",)
    assert error.problems == (
        "columns of fields that bank does not report: 'shares' - ignore them",
    )


def test_absent_columns_are_named(tmp_path: Path) -> None:
    error = header_error(tmp_path, "fund,day")
    assert error.absent == ("transaction_id", "amount", "shares")


def test_a_column_that_the_mapping_names_must_be_there_even_if_optional(tmp_path: Path) -> None:
    toml = '[columns]\nday = "Tag"'
    assert header_error(tmp_path, "transaction_id,fund,amount,shares", toml).absent == ("Tag",)


def test_columns_that_stand_twice_are_named(tmp_path: Path) -> None:
    error = header_error(tmp_path, "transaction_id,fund,amount,shares,fund")
    assert error.duplicate == ("fund",)


def test_columns_of_constants_are_named(tmp_path: Path) -> None:
    toml = '[constants]\nfund = "F"'
    error = header_error(tmp_path, "transaction_id,fund,amount,shares", toml)
    assert error.constant == ("fund",)


def test_a_field_mapped_to_another_column_leaves_its_own_name_unknown(tmp_path: Path) -> None:
    toml = '[columns]\nfund = "Fund"'
    error = header_error(tmp_path, "transaction_id,Fund,amount,shares,fund", toml)
    assert error.unknown == ("fund",)


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    error = header_error(tmp_path, "fund,fund,amount,note")
    found = (error.unknown, error.absent, error.duplicate)
    assert found == (("note",), ("transaction_id", "shares"), ("fund",))


@pytest.mark.parametrize(
    ("header", "toml"),
    [
        ("shares,amount,fund,transaction_id", ""),
        ("transaction_id,fund,amount,shares,note,", 'ignore = ["note", ""]'),
        ("transaction_id,fund,amount,shares,x,y,z", 'ignore = ["*"]'),
        ("\ufefftransaction_id,fund,amount,shares", ""),
        (" transaction_id , fund,amount,shares", 'spaces = "trim"'),
        ("title\n\ntransaction_id,fund,amount,shares", "skip_lines = 1"),
        ('"transaction_id","fund","amount","shares"', ""),
        ("transaction_id,fund,amount,shares,note,note", 'ignore = ["note"]'),
    ],
)
def test_headers_that_fit(tmp_path: Path, header: str, toml: str) -> None:
    assert both_ways(tmp_path, header.encode() + b"\n", toml) == ([], [], [], 0)


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (b"transaction_id,fund,amount,shares\rA,F,1,1\r", "the lines end in CR alone"),
        (b'"transaction_id,fund\n', "a quote is not closed"),
        (b"transaction_id,f\xfcnd\n", r"byte 17 of line 1 \(0xfc\) is not utf-8"),
        ("transaction_id\n".encode("utf-16"), "the file is in UTF-16, not in utf-8"),
    ],
)
def test_a_header_that_cannot_be_read_says_why(tmp_path: Path, data: bytes, wrong: str) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=wrong):
        read_rows(path, AGREEMENT, SELLER)
