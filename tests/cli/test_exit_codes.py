"""Exit codes: 0 all tied out, 1 something is left to do, 2 nothing could be done, and why."""

import os
import tomllib
from pathlib import Path

import pytest

from tests.cli.desk import MONEY, PAY, Desk, agreement
from tieout.agreement.parse import parse_agreement

ROWS = ["transaction_id,amount", "A,1.00", "B,2.00"]
JSON_KEYS = [
    *("transactions", "records", "matched", "broken", "breaks", "by_kind", "refused", "repeated"),
    *("seconds", "records_per_second"),
]


def nothing_done(desk: Desk, *words: str) -> str:
    """What a command says that ends with exit code 2; it must not have begun a ledger."""
    said = desk.tieout(*words)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("tieout: ")
    assert "Traceback" not in said.err
    assert not (desk.folder / "tieout-ledger").exists()
    return said.err


@pytest.fixture
def files(desk: Desk) -> Desk:
    """A desk with an agreement and two files that tie out."""
    (desk.folder / "pay.toml").write_text(PAY)
    desk.file("s.csv", *ROWS)
    desk.file("b.csv", *ROWS)
    return desk


def test_files_that_tie_out_are_0(desk: Desk) -> None:
    said = desk.reconcile(PAY, "--json", seller=ROWS, bank=ROWS)
    assert said.code == 0
    assert list(said.json) == JSON_KEYS
    counted = {key: said.json[key] for key in JSON_KEYS[:8]}
    assert counted == {
        "transactions": 2,
        "records": 4,
        "matched": 2,
        "broken": 0,
        "breaks": 0,
        "by_kind": {},
        "refused": 0,
        "repeated": 0,
    }
    assert said.json["seconds"] > 0
    assert isinstance(said.json["records_per_second"], int)


def test_breaks_are_1_and_counted_by_kind(desk: Desk) -> None:
    said = desk.reconcile(
        PAY,
        "--json",
        seller=["transaction_id,amount", "A,1.00", "B,2.00", "C,3.00", "D,"],
        bank=["transaction_id,amount", "A,1.01", "B,2.00", "E,1.00", "D,4.00"],
    )
    result = said.json
    assert said.code == 1
    assert (result["transactions"], result["matched"], result["broken"]) == (5, 1, 4)
    assert (result["records"], result["breaks"]) == (8, 5)
    assert result["by_kind"] == {"mismatch": 2, "missing": 3}


def test_refused_rows_alone_are_1(desk: Desk) -> None:
    said = desk.reconcile(PAY, "--json", seller=[*ROWS, "C,x"], bank=ROWS)
    assert said.code == 1
    assert (said.json["refused"], said.json["breaks"]) == (1, 0)


def test_repeats_alone_are_0(desk: Desk) -> None:
    said = desk.reconcile(PAY, "--json", seller=[*ROWS, "A,1.00", "A,1"], bank=ROWS)
    assert said.code == 0
    assert (said.json["repeated"], said.json["records"]) == (2, 4)


def test_results_for_people_leave_standard_output_to_programs(desk: Desk) -> None:
    said = desk.reconcile(PAY, seller=ROWS, bank=ROWS)
    assert (said.code, said.out) == (0, "")
    assert "2 transactions: 2 matched, 0 broken" in said.err


def test_usage_errors_are_2(files: Desk) -> None:
    for words in (
        ["reconcile"],
        ["reconcil"],
        ["breaks", "--colour"],
        ["show"],
        ["evidence", "A"],
        ["adjust", "approve", "12"],
        ["reconcile", "pay.toml", "seller=s.csv", "--ledger"],
    ):
        assert files.tieout(*words).code == 2, words


def test_help_and_version_are_0(desk: Desk) -> None:
    for words in ([], ["--help"], ["--version"], ["reconcile", "--help"], ["adjust", "--help"]):
        assert desk.tieout(*words).code == 0, words


def test_an_unknown_role_is_named_with_those_that_there_are(files: Desk) -> None:
    said = nothing_done(files, "reconcile", "pay.toml", "seler=s.csv")
    assert "'seler' is not a role of this agreement" in said
    assert "seller, bank" in said


def test_files_have_to_be_named_with_their_role(files: Desk) -> None:
    assert "'s.csv' is not ROLE=FILE" in nothing_done(files, "reconcile", "pay.toml", "s.csv")
    assert "'seller=' is not ROLE=FILE" in nothing_done(files, "reconcile", "pay.toml", "seller=")


def test_a_run_without_files_does_nothing(files: Desk) -> None:
    assert "no files were named" in nothing_done(files, "reconcile", "pay.toml")


def test_an_unreadable_file_is_named(files: Desk) -> None:
    for name in ("lost.csv", "."):
        said = nothing_done(files, "reconcile", "pay.toml", f"seller={name}", "bank=b.csv")
        assert said.startswith(f"tieout: {name}")


def test_an_unreadable_agreement_is_named(files: Desk) -> None:
    assert "lost.toml" in nothing_done(files, "reconcile", "lost.toml", "seller=s.csv")


def test_an_agreement_that_does_not_parse_names_the_key_and_what_is_allowed(files: Desk) -> None:
    (files.folder / "bad.toml").write_text(PAY.replace("'money'", "'mony'"))
    for words in (["reconcile", "bad.toml", "seller=s.csv"], ["agreement", "check", "bad.toml"]):
        said = nothing_done(files, *words)
        assert "fields.amount.type" in said
        assert "money" in said


def test_an_agreement_that_is_no_toml_or_no_text_is_said_to_be_so(files: Desk) -> None:
    (files.folder / "no.toml").write_text("name = \n")
    (files.folder / "bytes.toml").write_bytes(b"name = '\xff'\n")
    for name in ("no.toml", "bytes.toml"):
        assert name in nothing_done(files, "reconcile", name, "seller=s.csv")


def test_columns_that_nobody_knows_and_columns_that_are_absent_are_named(files: Desk) -> None:
    files.file("odd.csv", "transaction_id,amnt,fee", "A,1.00,2")
    said = nothing_done(files, "reconcile", "pay.toml", "seller=odd.csv", "bank=b.csv")
    for name in ("odd.csv", "'amnt'", "'fee'", "'amount'"):
        assert name in said


def test_headers_of_all_files_are_read_before_anything_is_done(files: Desk) -> None:
    files.file("odd.csv", "transaction_id", "A")
    said = nothing_done(
        files, "reconcile", "pay.toml", "seller=s.csv", "bank=b.csv", "bank=odd.csv"
    )
    assert "odd.csv" in said


def test_a_column_of_a_field_that_the_role_does_not_report_is_named(files: Desk) -> None:
    terms = agreement(MONEY, "shares: type = 'integer'; roles = ['seller']")
    (files.folder / "shares.toml").write_text(terms)
    files.file("b.csv", "transaction_id,amount,shares", "A,1.00,5")
    assert "'shares'" in nothing_done(files, "reconcile", "shares.toml", "bank=b.csv")


def test_a_column_that_stands_twice_is_named(files: Desk) -> None:
    files.file("two.csv", "transaction_id,amount,amount", "A,1.00,1.00")
    assert "'amount'" in nothing_done(files, "reconcile", "pay.toml", "seller=two.csv")


def test_an_empty_file_has_no_header(files: Desk) -> None:
    files.file("empty.csv")
    assert "empty.csv: the file has no header" in nothing_done(
        files, "reconcile", "pay.toml", "seller=empty.csv"
    )


def test_a_file_in_another_encoding_is_named(files: Desk) -> None:
    (files.folder / "wide.csv").write_text("transaction_id,amount\nA,1.00\n", encoding="utf-16")
    assert "UTF-16" in nothing_done(files, "reconcile", "pay.toml", "seller=wide.csv")


def test_a_mapping_that_does_not_fit_is_named(files: Desk) -> None:
    (files.folder / "m.toml").write_text('[columns]\nsum = "x"\n')
    words = ["reconcile", "pay.toml", "seller=s.csv", "--mapping"]
    assert "columns.sum" in nothing_done(files, *words, "seller=m.toml")
    assert "lost.toml" in nothing_done(files, *words, "seller=lost.toml")
    assert "'sell' is not a role" in nothing_done(files, *words, "sell=m.toml")
    assert "two mappings" in nothing_done(
        files, *words, "seller=m.toml", "--mapping", "seller=m.toml"
    )


def test_the_breaks_file_says_its_form_by_its_name(files: Desk) -> None:
    words = ["reconcile", "pay.toml", "seller=s.csv", "--breaks", "b.xlsx"]
    assert "must end in .csv or .json" in nothing_done(files, *words)


@pytest.mark.parametrize(
    "time", ["yesterday", "2026-03-01", "2026-03-01T18:00", "2026-02-30T00:00Z"]
)
def test_a_cutoff_that_is_no_time_is_refused(files: Desk, time: str) -> None:
    words = ["reconcile", "pay.toml", "seller=s.csv", "--cutoff", time]
    assert "--cutoff" in nothing_done(files, *words)


@pytest.mark.parametrize(
    "time", ["1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "0001-01-01T00:00Z"]
)
def test_a_cutoff_that_no_block_can_have_is_refused(files: Desk, time: str) -> None:
    nothing_done(files, "reconcile", "pay.toml", "seller=s.csv", "--cutoff", time)
    assert files.tieout("reconcile", "pay.toml", "seller=s.csv", "bank=b.csv").code == 0


@pytest.mark.parametrize("option", ["--breaks", "--refused", "--receipts"])
@pytest.mark.parametrize("name", ["s.csv", "./s.csv", "link.csv", "pay.toml"])
def test_a_file_that_is_read_is_not_written_over(files: Desk, option: str, name: str) -> None:
    (files.folder / "link.csv").symlink_to("s.csv")
    before = {each: files.read(each) for each in ("s.csv", "b.csv", "pay.toml")}
    words = ["reconcile", "pay.toml", "seller=s.csv", "bank=b.csv", option, name]
    nothing_done(files, *words)
    assert {each: files.read(each) for each in before} == before


@pytest.mark.parametrize("option", ["--breaks", "--refused", "--receipts"])
def test_a_file_that_cannot_be_written_is_named_before_anything_is_done(
    files: Desk, option: str
) -> None:
    words = ["reconcile", "pay.toml", "seller=s.csv", "bank=b.csv", option, "lost/out.csv"]
    assert "lost/out.csv" in nothing_done(files, *words)


@pytest.mark.parametrize(
    "words",
    [
        ["breaks"],
        ["show", "A"],
        ["evidence", "A", "-o", "a.json"],
        ["audit"],
        ["certificate"],
        ["adjust", "list"],
        ["adjust", "approve", "12", "--as", "approver-1"],
        ["adjust", "refuse", "12", "--as", "approver-1", "--reason", "no"],
    ],
)
def test_without_a_ledger_there_is_nothing_to_look_at(desk: Desk, words: list[str]) -> None:
    said = nothing_done(desk, *words)
    assert "there is no ledger at tieout-ledger" in said
    assert "tieout reconcile" in said


def test_a_ledger_cannot_be_begun_where_a_file_stands(files: Desk) -> None:
    words = ["reconcile", "pay.toml", "seller=s.csv", "--ledger", "s.csv"]
    assert "s.csv" in nothing_done(files, *words)


def test_a_folder_of_somebody_else_is_not_made_a_ledger_of(files: Desk) -> None:
    home = files.folder / "home"
    home.mkdir()
    (home / "keys.json").write_text("my own")
    nothing_done(files, "reconcile", "pay.toml", "seller=s.csv", "bank=b.csv", "--ledger", "home")
    assert [path.name for path in home.iterdir()] == ["keys.json"]
    assert (home / "keys.json").read_text() == "my own"


def test_a_pipe_is_said_to_be_no_file(files: Desk) -> None:
    reading, writing = os.pipe()
    os.write(writing, "\n".join(ROWS).encode())
    os.close(writing)
    try:
        words = ["reconcile", "pay.toml", f"seller=/dev/fd/{reading}", "bank=b.csv"]
        said = nothing_done(files, *words)
    finally:
        os.close(reading)
    assert f"/dev/fd/{reading}" in said


def test_a_role_may_be_called_operator(desk: Desk) -> None:
    terms = PAY.replace("seller", "operator")
    said = desk.reconcile(terms, operator=ROWS, bank=ROWS)
    assert said.code == 0, said.err


def test_an_agreement_is_explained_in_plain_words(files: Desk) -> None:
    said = files.tieout("agreement", "check", "pay.toml")
    assert said.code == 0
    assert "seller" in said.out
    facts = files.tieout("agreement", "check", "pay.toml", "--json").json
    assert list(facts) == ["name", "version", "hash", "explanation"]
    assert (facts["name"], facts["version"], facts["explanation"] + "\n") == ("pay", 1, said.out)


@pytest.mark.parametrize(
    ("zone", "offset", "changes"),
    [
        ("UTC", "+00:00", []),
        ("Asia/Shanghai", "+08:00", []),
        (
            "Europe/Berlin",
            "+01:00",
            [["2026-03-29T01:00:00Z", "+02:00"], ["2026-10-25T01:00:00Z", "+01:00"]],
        ),
        (
            "America/St_Johns",
            "-03:30",
            [["2026-03-08T05:30:00Z", "-02:30"], ["2026-11-01T04:30:00Z", "-03:30"]],
        ),
    ],
)
def test_the_clocks_of_a_zone_are_written_as_a_calendar(
    desk: Desk, zone: str, offset: str, changes: list[list[str]]
) -> None:
    """R-TIME-2."""
    said = desk.tieout("agreement", "calendar", zone, "2026", "2026")
    assert said.code == 0
    (calendar,) = tomllib.loads(said.out)["calendars"].values()
    assert (calendar["offset"], calendar.get("changes", [])) == (offset, changes)
    text = 'name = "a"\nversion = 1\nroles = ["x", "y"]\n[fields.n]\ntype = "integer"\n'
    assert parse_agreement(text + said.out).needs_rules == 3


def test_there_is_no_calendar_of_a_zone_that_is_not_there(desk: Desk) -> None:
    assert desk.tieout("agreement", "calendar", "Europe/Atlantis", "2026", "2026").code == 2
    assert desk.tieout("agreement", "calendar", "UTC", "2026", "2025").code == 2


def test_the_examples_are_agreements(desk: Desk) -> None:
    root = Path(__file__).parents[2]
    for path in sorted((root / "examples").rglob("*.toml")):
        if "roles" in path.read_text():
            assert desk.tieout("agreement", "check", str(path)).code == 0, path
