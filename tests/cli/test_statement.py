"""`tieout statement` and `tieout drill`: from a party's own file to the record that differs."""

import pytest

from tests.cli.desk import MONEY, PAY, Desk, agreement

DAY_1 = "2026-03-31T18:00:00Z"
DAY_2 = "2026-04-01T18:00:00Z"
HEAD = "transaction_id,amount"
ROWS = [HEAD, "A,1.00", "B,2.00", "C,3.00"]
NOTES = agreement(MONEY, "note: type = 'text'; length = 20; roles = ['seller']")


@pytest.fixture
def day(desk: Desk) -> Desk:
    """A day of three transactions that tied out, and the seller's file of it."""
    said = desk.reconcile(PAY, "--cutoff", DAY_1, seller=ROWS, bank=ROWS)
    assert said.code == 0, said.err
    return desk


def test_a_day_that_is_on_the_ledger_ties_out(day: Desk) -> None:
    said = day.tieout("statement", "agreement.toml", "seller=seller.csv", "--json")
    assert said.code == 0, said.err
    told = said.json
    assert (told["records"], told["records_on_ledger"], told["ties_out"]) == (3, 3, True)
    assert told["totals"] == [{"field": "amount", "currency": "", "records": 3, "sum": "6.00"}]
    assert (told["until"], told["revision"]) == (DAY_1, 1)
    again = day.tieout("statement", "agreement.toml", "seller=seller.csv", "--json")
    assert again.json["revision"] == 2
    assert again.json["set_hash"] == told["set_hash"]
    assert day.tieout("audit").code == 0


def test_what_differs_is_said_and_an_omitted_batch_is_named(day: Desk) -> None:
    day.file("books.csv", *ROWS, "D,9.00")
    numbers = ("--numbers", "0:1-2,5")
    said = day.tieout("statement", "agreement.toml", "seller=books.csv", *numbers)
    assert said.code == 1
    assert "differs from the ledger" in said.err
    assert "4 records stated, 3 on the ledger" in said.err
    assert "amount: 15.00 in 4 records  differs" in said.err
    assert "batch 0:5 was stated and never came" in said.err
    drilled = day.tieout("drill", "agreement.toml", "seller=books.csv")
    assert (drilled.code, drilled.out) == (1, "only_here\tD\n")


def test_only_the_transactions_of_the_period_are_stated(day: Desk) -> None:
    both = [*ROWS, "E,5.00"]
    assert day.reconcile(PAY, "--cutoff", DAY_2, seller=both, bank=both).code == 0
    said = day.tieout("statement", "agreement.toml", "seller=seller.csv", "--json")
    assert said.code == 0, said.err
    assert (said.json["records"], said.json["after"], said.json["until"]) == (1, DAY_1, DAY_2)
    first = day.tieout(
        "statement", "agreement.toml", "seller=seller.csv", "--until", DAY_1, "--json"
    )
    assert (first.json["records"], first.json["ties_out"]) == (3, True)


def test_the_record_that_differs_is_found(desk: Desk) -> None:
    rows = [f"T{number:04},{number}.00" for number in range(1_500)]
    assert desk.reconcile(PAY, seller=[HEAD, *rows], bank=[HEAD, *rows]).code == 0
    rows[777] = "T0777,777.01"
    desk.file("mine.csv", HEAD, *rows[:-1], "U,1.00")
    said = desk.tieout("drill", "agreement.toml", "seller=mine.csv", "--json")
    assert said.code == 1
    told = {key: said.json[key] for key in ("changed", "only_here", "only_there", "complete")}
    assert told == {
        "changed": ["T0777"],
        "only_here": ["U"],
        "only_there": ["T1499"],
        "complete": True,
    }
    assert said.json["bytes_exchanged"] < 20_000


def test_another_role_is_compared_in_what_both_report(desk: Desk) -> None:
    seller = ["transaction_id,amount,note", "A,1.00,x", "B,2.00,y"]
    bank = [HEAD, "A,1.00", "B,2.50"]
    assert desk.reconcile(NOTES, seller=seller, bank=bank).code == 1
    said = desk.tieout("drill", "agreement.toml", "seller=seller.csv", "--against", "bank")
    assert (said.code, said.out) == (1, "differs\tB\n")
    same = desk.tieout("drill", "agreement.toml", "seller=seller.csv")
    assert (same.code, same.out) == (0, "")
    assert "they are the same" in same.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["seller=seller.csv", "bank=bank.csv"], "several roles"),
        (["seller=seller.csv", "--numbers", "0"], "STREAM:RANGES"),
        (["seller=seller.csv", "--numbers", "0:1,2"], "must ascend"),
        (["seller=seller.csv", "--until", "2026-03-31"], "--until"),
        (["seller=seller.csv", "--after", DAY_2, "--until", DAY_1], "ends before it begins"),
        (["seller=torn.csv"], "cannot be taken"),
    ],
)
def test_what_cannot_be_stated_is_refused(day: Desk, words: list[str], says: str) -> None:
    day.file("torn.csv", HEAD, "A,one")
    said = day.tieout("statement", "agreement.toml", *words)
    assert said.code == 2
    assert says in said.err


def test_there_is_nothing_to_state_before_a_cutoff(day: Desk) -> None:
    (day.folder / "other.toml").write_text(PAY.replace('"pay"', '"other"'))
    said = day.tieout("statement", "other.toml", "seller=seller.csv")
    assert said.code == 2
    assert "not in force" in said.err
    drilled = day.tieout("drill", "agreement.toml", "seller=seller.csv", "--against", "broker")
    assert (drilled.code, "not a role" in drilled.err) == (2, True)
