"""What `tieout reconcile` takes from files, and what it hands back: refusals, repeats, receipts."""

import csv
import io
import json
import time

import pytest

from tests.cli.desk import MONEY, PAY, TRIO, Desk, agreement
from tieout.cli.day import Request, reconcile_day
from tieout.cli.files import Part, read_agreement
from tieout.cli.filing import check_headers
from tieout.cli.outcome import Failure
from tieout.cli.reading import Reading

HEAD = "transaction_id,amount"


def refusals(desk: Desk, name: str = "refused.csv") -> list[tuple[str, str]]:
    """(line, field) of each refused row; each must have a reason."""
    rows = list(csv.DictReader(io.StringIO(desk.read(name))))
    assert all(row["reason"] for row in rows)
    return [(row["line"], row["field"]) for row in rows]


def test_good_rows_are_taken_and_bad_ones_listed_with_line_field_and_reason(desk: Desk) -> None:
    said = desk.reconcile(
        PAY,
        "--json",
        "--refused",
        "refused.csv",
        seller=[HEAD, "A,1.00", "B,1.001", "C,1e2", ",5.00", "D,1.00,x", "E,46116860184273879.04"],
        bank=[HEAD, "A,1.00"],
    )
    assert (said.code, said.json["refused"], said.json["records"]) == (1, 5, 2)
    assert (said.json["transactions"], said.json["matched"]) == (1, 1)
    assert refusals(desk) == [
        ("3", "amount"),
        ("4", "amount"),
        ("5", "transaction_id"),
        ("6", ""),
        ("7", "amount"),
    ]


def test_without_a_place_for_them_refused_rows_are_counted_aloud(desk: Desk) -> None:
    said = desk.reconcile(PAY, seller=[HEAD, "A,x"], bank=[HEAD])
    assert said.code == 1
    assert "1 rows were refused; --refused FILE" in said.err


@pytest.mark.parametrize(
    "value", ["1.001", "1e2", "1,000.00", "0x10", "NaN", "- 1", "\uff11.00", "99999999999999999999"]
)
def test_a_value_that_the_field_cannot_hold_exactly_is_refused(desk: Desk, value: str) -> None:
    quoted = f'"{value}"'
    said = desk.reconcile(
        PAY, "--json", "--refused", "refused.csv", seller=[HEAD, f"A,{quoted}"], bank=[HEAD]
    )
    assert (said.json["refused"], said.json["records"]) == (1, 0)
    assert refusals(desk) == [("2", "amount")]


def test_bytes_that_are_no_utf_8_refuse_their_row_alone(desk: Desk) -> None:
    (desk.folder / "s.csv").write_bytes(b"transaction_id,amount\nA\xff,1.00\nB,2.00\n")
    (desk.folder / "pay.toml").write_text(PAY)
    desk.file("b.csv", HEAD, "B,2.00")
    words = ["seller=s.csv", "bank=b.csv", "--refused", "r.csv", "--json"]
    said = desk.tieout("reconcile", "pay.toml", *words)
    assert (said.json["refused"], said.json["matched"]) == (1, 1)
    assert b"A\xff,1.00" in (desk.folder / "r.csv").read_bytes()


def test_mended_refusals_can_be_fed_again_as_they_are(desk: Desk) -> None:
    desk.reconcile(
        PAY,
        "--refused",
        "refused.csv",
        seller=[HEAD, "A,1.00", "B,2.0O", "C,3,00"],
        bank=[HEAD, "A,1.00", "B,2.00", "C,3.00"],
    )
    mended = desk.read("refused.csv").replace("2.0O", "2.00").replace("C,3,00", "C,3.00")
    (desk.folder / "mended.csv").write_text(mended, newline="")
    again = desk.tieout("reconcile", "agreement.toml", "seller=mended.csv", "--json")
    assert again.code == 0, again.err
    assert (again.json["matched"], again.json["refused"]) == (3, 0)


def test_rows_refused_twice_keep_their_own_columns_only(desk: Desk) -> None:
    desk.reconcile(PAY, "--refused", "r1.csv", seller=[HEAD, "A,x"], bank=[HEAD])
    desk.tieout("reconcile", "agreement.toml", "seller=r1.csv", "--refused", "r2.csv")
    assert desk.read("r2.csv").splitlines()[0] == "line,field,reason,transaction_id,amount"
    assert desk.read("r2.csv").splitlines()[1].endswith(",A,x")


def test_refusals_of_several_roles_go_to_a_file_for_each(desk: Desk) -> None:
    said = desk.reconcile(
        PAY, "--refused", "r.csv", seller=[HEAD, "A,x"], bank=[HEAD, "B,1.00", "C,y"]
    )
    assert "r-1-seller.csv" in said.err
    assert refusals(desk, "r-1-seller.csv") == [("2", "amount")]
    assert refusals(desk, "r-2-bank.csv") == [("3", "amount")]
    assert not (desk.folder / "r.csv").exists()


def test_without_refusals_the_file_has_its_header_alone(desk: Desk) -> None:
    desk.reconcile(PAY, "--refused", "r.csv", seller=[HEAD, "A,1.00"], bank=[HEAD, "A,1.00"])
    assert desk.read("r.csv") == "line,field,reason,transaction_id,amount\n"


def test_a_second_row_with_other_values_is_refused_naming_both_lines_and_is_no_break(
    desk: Desk,
) -> None:
    said = desk.reconcile(
        PAY,
        "--json",
        "--refused",
        "r.csv",
        seller=[HEAD, "A,1.00", "B,2.00", "A,1.50"],
        bank=[HEAD, "A,1.00", "B,2.00"],
    )
    assert (said.code, said.json["refused"], said.json["breaks"]) == (1, 1, 0)
    row = desk.read("r.csv").splitlines()[1]
    assert row.startswith("4,transaction_id,")
    assert "line 2" in row


def test_files_of_a_role_that_is_named_twice_are_read_one_after_the_other(desk: Desk) -> None:
    (desk.folder / "pay.toml").write_text(PAY)
    desk.file("s1.csv", HEAD, "A,1.00", "B,2.00")
    desk.file("s2.csv", "amount,transaction_id", "3.00,C", "2.00,B", "9.00,A")
    desk.file("b.csv", HEAD, "A,1.00", "B,2.00", "C,3.00")
    words = ["seller=s1.csv", "bank=b.csv", "seller=s2.csv", "--refused", "r.csv", "--json"]
    said = desk.tieout("reconcile", "pay.toml", *words)
    result = said.json
    assert (said.code, result["matched"], result["repeated"], result["refused"]) == (1, 3, 1, 1)
    row = desk.read("r.csv").splitlines()
    assert row[0] == "line,field,reason,amount,transaction_id"
    assert row[1].startswith("4,transaction_id,")
    assert "line 2 of s1.csv" in row[1]
    assert row[1].endswith(",9.00,A")


def test_a_mapping_says_how_a_party_writes(desk: Desk) -> None:
    terms = agreement(
        MONEY, "day: type = 'date'", "note: type = 'text'; length = 9; optional = true"
    )
    (desk.folder / "agreement.toml").write_text(terms)
    (desk.folder / "bank.toml").write_text(
        'separator = ";"\nencoding = "cp1252"\nblank = ["N/A", "-"]\nignore = ["Konto"]\n'
        'spaces = "trim"\nskip_lines = 1\n'
        '[columns]\ntransaction_id = "Beleg"\namount = "Betrag"\nday = "Datum"\nnote = "Zweck"\n'
        '[numbers]\ndecimal = ","\nthousands = "."\nparentheses = true\ntrailing_minus = true\n'
        '[dates]\nformat = "%d.%m.%Y"\n'
    )
    desk.file(
        "s.csv",
        "transaction_id,amount,day,note",
        *("A,-1234.50,2026-03-02,Käse", "B,-7.00,2026-03-02,", "C,1000000.00,2026-03-02,"),
    )
    (desk.folder / "b.csv").write_bytes(
        "Auszug\n"
        "Konto;Beleg;Betrag;Datum;Zweck\n"
        "1;A;(1.234,50);02.03.2026;Käse\n"
        "1; B ;7,00-;02.03.2026;N/A\n"
        "1;C;1.000.000,00;02.03.2026;-\n".encode("cp1252")
    )
    words = ["seller=s.csv", "bank=b.csv", "--mapping", "bank=bank.toml"]
    said = desk.tieout("reconcile", "agreement.toml", *words)
    assert said.code == 0, said.err


def test_refusals_of_a_mapped_file_are_in_its_own_form(desk: Desk) -> None:
    (desk.folder / "agreement.toml").write_text(PAY)
    (desk.folder / "m.toml").write_text(
        'separator = ";"\n[columns]\ntransaction_id = "id"\n[numbers]\ndecimal = ","\n'
    )
    desk.file("s.csv", "id;amount", "A;1,00", "B;1.00")
    words = ["seller=s.csv", "--mapping", "seller=m.toml", "--refused", "r.csv"]
    desk.tieout("reconcile", "agreement.toml", *words)
    lines = desk.read("r.csv").splitlines()
    assert lines[0] == "line;field;reason;id;amount"
    assert lines[1].startswith("3;amount;")
    assert lines[1].endswith(";B;1.00")


def test_each_durable_batch_has_a_receipt_that_names_its_place(desk: Desk) -> None:
    desk.reconcile(
        agreement(MONEY, roles=TRIO),
        "--receipts",
        "r.txt",
        seller=[HEAD, "A,1.00", "B,2.00"],
        registrar=[HEAD, "A,1.00"],
        bank=[HEAD],
    )
    receipts = [json.loads(line) for line in desk.read("r.txt").splitlines()]
    assert [list(each) for each in receipts] == [
        ["height", "item", "leaf", "records", "app_hash"]
    ] * 2
    assert [each["records"] for each in receipts] == [2, 1]
    assert len({(each["height"], each["item"]) for each in receipts}) == 2
    assert len({each["leaf"] for each in receipts}) == 2


def test_receipts_are_appended_and_only_for_what_is_new(desk: Desk) -> None:
    rows = [HEAD, "A,1.00"]
    for _ in range(2):
        desk.reconcile(PAY, "--receipts", "r.txt", seller=rows, bank=rows)
    assert len(desk.read("r.txt").splitlines()) == 2
    desk.reconcile(PAY, "--receipts", "r.txt", seller=[HEAD, "A,2.00"], bank=rows)
    assert len(desk.read("r.txt").splitlines()) == 3


def test_ids_that_differ_in_bytes_are_different_transactions(desk: Desk) -> None:
    found = desk.breaks(PAY, seller=[HEAD, "a1,1.00", "A1,1.00"], bank=[HEAD, "A1,1.00"])
    assert found == ["a1,missing,,bank,,,,,open"]


def test_an_id_has_at_most_36_bytes(desk: Desk) -> None:
    fits, long = "x" * 36, "é" * 18 + "x"
    said = desk.reconcile(
        PAY,
        "--json",
        "--refused",
        "r.csv",
        seller=[HEAD, f"{fits},1.00", f"{long},1.00"],
        bank=[HEAD, f"{fits},1.00"],
    )
    assert (said.json["refused"], said.json["matched"]) == (1, 1)
    assert refusals(desk, "r.csv") == [("3", "transaction_id")]


def test_crlf_and_a_byte_order_mark_make_no_difference(desk: Desk) -> None:
    (desk.folder / "pay.toml").write_text(PAY)
    (desk.folder / "s.csv").write_bytes(b"\xef\xbb\xbftransaction_id,amount\r\nA,1.00\r\n")
    desk.file("b.csv", HEAD, "A,1.00")
    assert desk.tieout("reconcile", "pay.toml", "seller=s.csv", "bank=b.csv").code == 0


def test_a_run_that_another_one_overtook_says_so_and_can_be_run_again(desk: Desk) -> None:
    """Two first runs at once: the one that comes second finds a ledger that has records."""
    rows = [f"T-{number:08},1.00" for number in range(30_000)]
    changed = ["T-00000005,2.00", *rows[6:], *rows[:5]]
    (desk.folder / "pay.toml").write_text(PAY)
    desk.file("s.csv", HEAD, *rows)
    desk.file("changed.csv", HEAD, *changed, "new,1.00")
    terms = read_agreement(desk.folder / "pay.toml")
    reading = Reading(check_headers(terms, {Part(0, 0): [desk.folder / "changed.csv"]}, {}))
    reading.begin()
    assert desk.tieout("reconcile", "pay.toml", "seller=s.csv", "bank=s.csv").code == 0
    overtaken = Request(
        agreement=terms,
        reading=reading,
        ledger=desk.folder / "tieout-ledger",
        breaks=None,
        refused=None,
        receipts=None,
        started_us=time.time_ns() // 1_000,
        cutoff_us=None,
        withdraw=False,
        as_json=True,
    )
    with pytest.raises(Failure, match="another run") as raised:
        reconcile_day(overtaken)
    assert raised.value.outcome == 2
    words = ["seller=changed.csv", "--breaks", "breaks.csv"]
    assert desk.tieout("reconcile", "pay.toml", *words).code == 1
    assert desk.read("breaks.csv").split("\r\n")[1:-1] == [
        "T-00000005,changed_after_match,,seller,,,,,open",
        "T-00000005,mismatch,amount,seller,2.00,,,,undecided",
        "T-00000005,mismatch,amount,bank,1.00,,,,undecided",
        "new,missing,,bank,,,,,open",
    ]


def test_wide_rows_are_cut_into_batches_that_keep_the_limit_of_bytes(desk: Desk) -> None:
    wide = agreement(*(f"note{i}: type = 'text'; length = 250" for i in range(3)))
    rows = ["transaction_id,note0,note1,note2", *(f"W-{i:05},a,b,c" for i in range(5_500))]
    first = desk.reconcile(wide, "--json", "--receipts", "got.jsonl", seller=rows, bank=rows)
    assert (first.code, first.json["matched"]) == (0, 5_500)
    batches = [json.loads(line)["records"] for line in desk.read("got.jsonl").splitlines()]
    assert batches == [5_127, 5_127, 373, 373]
    changed = [rows[0], *(row.replace(",c", ",d") for row in rows[1:])]
    again = desk.reconcile(wide, "--json", seller=changed, bank=changed)
    assert (again.code, again.json["matched"]) == (0, 5_500)
