"""The breaks file, to the byte: a row for each kind of break, its values, its place."""

import json

import pytest

from tests.cli.desk import BANK_DECIDES, HEADER, MONEY, PAY, TRIO, Desk, agreement

LARGEST = "46116860184273879.03"
"""2^62 − 1 at scale 2."""


def test_the_file_is_rfc_4180_csv_with_quotes_only_where_needed(desk: Desk) -> None:
    desk.reconcile(
        BANK_DECIDES,
        "--breaks",
        "b.csv",
        seller=["transaction_id,amount", '"A,1",10.00', '"say ""B""",1.00', "C,3.00"],
        bank=["transaction_id,amount", '"A,1",12.50', '"say ""B""",1.01', "C,3.00"],
    )
    expected = (
        f"{HEADER}\r\n"
        '"A,1",mismatch,amount,seller,10.00,12.50,bank,-2.50,open\r\n'
        '"say ""B""",mismatch,amount,seller,1.00,1.01,bank,-0.01,open\r\n'
    )
    assert (desk.folder / "b.csv").read_bytes() == expected.encode()


def test_where_everything_ties_out_the_file_has_its_header_alone(desk: Desk) -> None:
    rows = ["transaction_id,amount", "A,1.00"]
    said = desk.reconcile(PAY, "--breaks", "b.csv", seller=rows, bank=rows)
    assert (said.code, (desk.folder / "b.csv").read_bytes()) == (0, f"{HEADER}\r\n".encode())


def test_files_without_rows_tie_out(desk: Desk) -> None:
    header = ["transaction_id,amount"]
    assert desk.breaks(PAY, seller=header, bank=header) == []


def test_the_json_form_holds_the_same_texts(desk: Desk) -> None:
    said = desk.reconcile(
        BANK_DECIDES,
        "--breaks",
        "b.json",
        seller=["transaction_id,amount", "A,10.00", "Ä,1.00"],
        bank=["transaction_id,amount", "A,12.50"],
    )
    names = HEADER.split(",")
    rows = [
        ["A", "mismatch", "amount", "seller", "10.00", "12.50", "bank", "-2.50", "open"],
        ["Ä", "missing", "", "bank", "", "", "", "", "open"],
    ]
    assert said.code == 1
    assert json.loads(desk.read("b.json")) == [dict(zip(names, r, strict=True)) for r in rows]


def test_the_json_form_of_no_breaks_is_an_empty_list(desk: Desk) -> None:
    rows = ["transaction_id,amount", "A,1.00"]
    desk.reconcile(PAY, "--breaks", "b.json", seller=rows, bank=rows)
    assert json.loads(desk.read("b.json")) == []


def test_the_majority_is_the_benchmark_of_the_one_that_deviates(desk: Desk) -> None:
    found = desk.breaks(
        agreement(MONEY, roles=TRIO),
        seller=["transaction_id,amount", "A,1.00"],
        registrar=["transaction_id,amount", "A,-1.00"],
        bank=["transaction_id,amount", "A,1.00"],
    )
    assert found == ["A,mismatch,amount,registrar,-1.00,1.00,majority,-2.00,open"]


def test_without_a_majority_every_stating_role_has_an_undecided_row(desk: Desk) -> None:
    found = desk.breaks(
        agreement(MONEY, roles=TRIO),
        seller=["transaction_id,amount", "A,1.00"],
        registrar=["transaction_id,amount", "A,2.00"],
        bank=["transaction_id,amount", "A,3.00"],
    )
    assert found == [
        "A,mismatch,amount,seller,1.00,,,,undecided",
        "A,mismatch,amount,registrar,2.00,,,,undecided",
        "A,mismatch,amount,bank,3.00,,,,undecided",
    ]


def test_where_people_decide_even_a_majority_is_no_benchmark(desk: Desk) -> None:
    found = desk.breaks(
        agreement(MONEY, roles=TRIO, rest='[benchmark]\ndefault = "decision"\n'),
        seller=["transaction_id,amount", "A,1.00"],
        registrar=["transaction_id,amount", "A,1.00"],
        bank=["transaction_id,amount", "A,3.00"],
    )
    assert found == [
        "A,mismatch,amount,seller,1.00,,,,undecided",
        "A,mismatch,amount,registrar,1.00,,,,undecided",
        "A,mismatch,amount,bank,3.00,,,,undecided",
    ]


def test_a_missing_record_leaves_everything_else_of_its_row_empty(desk: Desk) -> None:
    found = desk.breaks(
        PAY,
        seller=["transaction_id,amount", "A,1.00", "B,2.00"],
        bank=["transaction_id,amount", "B,2.00", "C,3.00"],
    )
    assert found == ["A,missing,,bank,,,,,open", "C,missing,,seller,,,,,open"]


def test_a_role_without_a_file_is_missing_everywhere(desk: Desk) -> None:
    found = desk.breaks(PAY, seller=["transaction_id,amount", "A,1.00", "B,2.00"])
    assert found == ["A,missing,,bank,,,,,open", "B,missing,,bank,,,,,open"]


def test_a_missing_record_does_not_keep_the_others_from_being_compared(desk: Desk) -> None:
    found = desk.breaks(
        agreement(MONEY, roles=TRIO, rest='[benchmark]\namount = "bank"\n'),
        seller=["transaction_id,amount", "A,1.00"],
        bank=["transaction_id,amount", "A,2.00"],
        registrar=["transaction_id,amount"],
    )
    assert found == [
        "A,missing,,registrar,,,,,open",
        "A,mismatch,amount,seller,1.00,2.00,bank,-1.00,open",
    ]


def test_an_authority_that_is_missing_leaves_no_benchmark(desk: Desk) -> None:
    found = desk.breaks(
        agreement(MONEY, roles=TRIO, rest='[benchmark]\namount = "bank"\n'),
        seller=["transaction_id,amount", "A,1.00", "B,5.00"],
        registrar=["transaction_id,amount", "A,2.00", "B,5.00"],
    )
    assert found == [
        "A,missing,,bank,,,,,open",
        "A,mismatch,amount,seller,1.00,,,,undecided",
        "A,mismatch,amount,registrar,2.00,,,,undecided",
        "B,missing,,bank,,,,,open",
    ]


def test_a_blank_field_is_missing_and_a_blank_optional_one_is_not_compared(desk: Desk) -> None:
    found = desk.breaks(
        agreement(MONEY, "remark: type = 'text'; length = 9; optional = true"),
        seller=["transaction_id,amount,remark", "A,,paid", "B,1.00,paid"],
        bank=["transaction_id,amount,remark", "A,1.00,", "B,1.00,owed"],
    )
    assert found == [
        "A,missing,amount,seller,,,,,open",
        "B,mismatch,remark,seller,paid,,,,undecided",
        "B,mismatch,remark,bank,owed,,,,undecided",
    ]


def test_whole_record_rows_come_first_then_fields_then_roles_as_agreed(desk: Desk) -> None:
    fields = ["b: type = 'integer'", "a: type = 'integer'"]
    found = desk.breaks(
        agreement(*fields, roles='"z", "y", "x"', rest='[benchmark]\ndefault = "decision"\n'),
        z=["transaction_id,a,b", "T,1,"],
        y=["transaction_id,b,a", "T,1,2"],
    )
    assert found == [
        "T,missing,,x,,,,,open",
        "T,missing,b,z,,,,,open",
        "T,mismatch,a,z,1,,,,undecided",
        "T,mismatch,a,y,2,,,,undecided",
    ]


def test_transactions_stand_by_code_point_whatever_order_the_files_had(desk: Desk) -> None:
    # Bytes of UTF-16 would put the last two the other way round, a locale the first ones.
    ids = ["A-10", "A-9", "B", "a", "é", "\uff5e", "\U0001f600"]
    rows = [f"{one},1.00" for one in reversed(ids)]
    found = desk.breaks(PAY, seller=["transaction_id,amount", *rows])
    assert [row.split(",")[0] for row in found] == ids


def test_what_no_opening_role_has_opened_is_unexpected_and_compared_all_the_same(
    desk: Desk,
) -> None:
    terms = agreement(MONEY, roles=TRIO).replace(
        "version = 1", 'version = 1\nopened_by = ["seller"]'
    )
    found = desk.breaks(
        terms,
        seller=["transaction_id,amount", "A,1.00"],
        registrar=["transaction_id,amount", "A,1.00", "B,2.00", "C,3.00"],
        bank=["transaction_id,amount", "A,1.00", "B,2.50"],
    )
    assert found == [
        "B,unexpected,,registrar,,,,,open",
        "B,unexpected,,bank,,,,,open",
        "B,mismatch,amount,registrar,2.00,,,,undecided",
        "B,mismatch,amount,bank,2.50,,,,undecided",
        "C,unexpected,,registrar,,,,,open",
    ]


def test_amounts_of_different_currencies_have_no_difference(desk: Desk) -> None:
    fields = [
        "currency: type = 'code'; length = 3",
        MONEY + "; currency = { field = 'currency' }; tolerance = { absolute = '100' }",
    ]
    found = desk.breaks(
        agreement(*fields, rest='[benchmark]\ndefault = "bank"\n'),
        seller=["transaction_id,currency,amount", "A,CNY,1.00", "B,CNY,1.00"],
        bank=["transaction_id,currency,amount", "A,EUR,1.00", "B,CNY,2.00"],
    )
    assert found == [
        "A,mismatch,currency,seller,CNY,EUR,bank,,open",
        "A,mismatch,amount,seller,1.00,1.00,bank,,open",
    ]


def test_dates_differ_in_days_beyond_their_drift(desk: Desk) -> None:
    terms = agreement("day: type = 'date'; drift_days = 2", rest='[benchmark]\nday = "bank"\n')
    found = desk.breaks(
        terms,
        seller=["transaction_id,day", "A,2026-02-27", "B,2026-02-26", "C,2028-03-03"],
        bank=["transaction_id,day", "A,2026-03-01", "B,2026-03-01", "C,2028-02-28"],
    )
    assert found == [
        "B,mismatch,day,seller,2026-02-26,2026-03-01,bank,-3,open",
        "C,mismatch,day,seller,2028-03-03,2028-02-28,bank,4,open",
    ]


def test_times_differ_in_seconds_to_the_microsecond(desk: Desk) -> None:
    terms = agreement("at: type = 'time'", rest='[benchmark]\nat = "bank"\n')
    found = desk.breaks(
        terms,
        seller=[
            "transaction_id,at",
            "A,2026-03-01T08:00:00+08:00",
            "B,2026-03-01T00:00:00.000001Z",
            "C,2026-03-01T00:00:00Z",
        ],
        bank=[
            "transaction_id,at",
            "A,2026-03-01T00:00:00Z",
            "B,2026-03-01T00:00:01Z",
            "C,2026-02-28T23:00:00Z",
        ],
    )
    assert found == [
        "B,mismatch,at,seller,2026-03-01T00:00:00.000001Z,2026-03-01T00:00:01Z,bank,-0.999999,open",
        "C,mismatch,at,seller,2026-03-01T00:00:00Z,2026-02-28T23:00:00Z,bank,3600,open",
    ]


def test_the_widest_difference_is_exact(desk: Desk) -> None:
    found = desk.breaks(
        BANK_DECIDES.replace("scale = 2", 'scale = 2\ntolerance = { percent = "199.999999" }'),
        seller=["transaction_id,amount", f"A,{LARGEST}"],
        bank=["transaction_id,amount", f"A,-{LARGEST}"],
    )
    assert found == [
        f"A,mismatch,amount,seller,{LARGEST},-{LARGEST},bank,92233720368547758.06,open"
    ]


def test_the_widest_difference_can_be_tolerated(desk: Desk) -> None:
    terms = BANK_DECIDES.replace("scale = 2", 'scale = 2\ntolerance = { percent = "200" }')
    found = desk.breaks(
        terms,
        seller=["transaction_id,amount", f"A,{LARGEST}"],
        bank=["transaction_id,amount", f"A,-{LARGEST}"],
    )
    assert found == []


@pytest.mark.parametrize(
    ("tolerance", "seller", "bank", "difference"),
    [
        ("absolute = '0.01'", "100.00", "100.01", None),
        ("absolute = '0.01'", "100.00", "100.02", "-0.02"),
        ("absolute = '0'", "0.00", "-0.00", None),
        # 1 % of 33.30 is 0.333: 0.33 is within, 0.34 is not, and nothing is rounded.
        ("percent = '1', of = 'bank'", "33.63", "33.30", None),
        ("percent = '1', of = 'bank'", "33.64", "33.30", "0.34"),
        ("percent = '1', of = 'seller'", "33.64", "33.30", "0.34"),
        ("percent = '1'", "99.00", "100.00", None),
        ("percent = '1', of = 'seller'", "99.00", "100.00", "-1.00"),
        ("percent = '1000000', of = 'bank'", "0.01", "0.00", "0.01"),
        ("percent = '0.000001'", "1000000.01", "1000000.00", None),
        ("percent = '0.000001'", "999999.99", "1000000.00", None),
        ("percent = '0.000001'", "999999.98", "1000000.00", "-0.02"),
        ("absolute = '0.05', percent = '1'", "1.05", "1.00", None),
        ("absolute = '0.05', percent = '1', within = 'any'", "100.50", "100.00", None),
        ("absolute = '0.05', percent = '1', within = 'all'", "1.05", "1.00", "0.05"),
        ("absolute = '0.05', percent = '1', within = 'all'", "100.06", "100.00", "0.06"),
        ("absolute = '0.05', percent = '1', within = 'all'", "100.05", "100.00", None),
    ],
)
def test_tolerances_hold_to_their_last_cent(
    desk: Desk, tolerance: str, seller: str, bank: str, difference: str | None
) -> None:
    terms = BANK_DECIDES.replace("scale = 2", f"scale = 2\ntolerance = {{ {tolerance} }}")
    found = desk.breaks(
        terms,
        seller=["transaction_id,amount", f"A,{seller}"],
        bank=["transaction_id,amount", f"A,{bank}"],
    )
    row = f"A,mismatch,amount,seller,{seller},{bank},bank,{difference},open"
    assert found == ([] if difference is None else [row])


def test_numbers_stand_with_exactly_the_scale_that_was_agreed(desk: Desk) -> None:
    fields = ["shares: type = 'quantity'; scale = 4", "lots: type = 'integer'"]
    found = desk.breaks(
        agreement(
            *fields, "rate: type = 'rate'; scale = 0", rest='[benchmark]\ndefault = "bank"\n'
        ),
        seller=["transaction_id,shares,lots,rate", "A,1,+7,0"],
        bank=["transaction_id,shares,lots,rate", "A,1.5,007,-3"],
    )
    assert found == [
        "A,mismatch,shares,seller,1.0000,1.5000,bank,-0.5000,open",
        "A,mismatch,rate,seller,0,-3,bank,3,open",
    ]


def test_what_is_never_compared_is_never_a_mismatch_but_may_be_missing(desk: Desk) -> None:
    found = desk.breaks(
        agreement(MONEY, "note: type = 'text'; length = 5; compare = false"),
        seller=["transaction_id,amount,note", "A,1.00,one", "B,1.00,"],
        bank=["transaction_id,amount,note", "A,1.00,two", "B,1.00,x"],
    )
    assert found == ["B,missing,note,seller,,,,,open"]


def test_a_role_is_not_asked_for_a_field_that_it_does_not_report(desk: Desk) -> None:
    found = desk.breaks(
        agreement(MONEY, "shares: type = 'integer'; roles = ['seller']"),
        seller=["transaction_id,amount,shares", "A,1.00,5"],
        bank=["transaction_id,amount", "A,1.00"],
    )
    assert found == []


def test_texts_are_compared_composed_and_printed_whole(desk: Desk) -> None:
    terms = agreement("who: type = 'text'; length = 12", rest='[benchmark]\nwho = "bank"\n')
    found = desk.breaks(
        terms,
        seller=["transaction_id,who", "A,Ze\u0301", "B,基金"],
        bank=["transaction_id,who", "A,Z\u00e9", "B,基 金"],
    )
    assert found == ["B,mismatch,who,seller,基金,基 金,bank,,open"]
