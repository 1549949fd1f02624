"""`tieout breaks` and `tieout show`: what is open, and the story of one transaction."""

import pytest

from tests.cli.desk import BANK_DECIDES, HEADER, Desk

HEAD = "transaction_id,amount"


@pytest.fixture
def ledger(desk: Desk) -> Desk:
    """A mismatch in A, nothing in B, a record missing in C."""
    desk.reconcile(
        BANK_DECIDES,
        "--cutoff",
        "2026-03-31T18:00:00Z",
        seller=[HEAD, "A,1.00", "B,2.00", "C,3.00"],
        bank=[HEAD, "A,1.50", "B,2.00"],
    )
    return desk


def test_breaks_are_listed_as_in_the_breaks_file(ledger: Desk) -> None:
    said = ledger.tieout("breaks", "--json")
    assert said.code == 1
    assert [list(each) for each in said.json] == [HEADER.split(",")] * 2
    assert [",".join(each.values()) for each in said.json] == [
        "A,mismatch,amount,seller,1.00,1.50,bank,-0.50,open",
        "C,missing,,bank,,,,,open",
    ]


def test_breaks_for_people_call_the_benchmark_the_agreed_value(ledger: Desk) -> None:
    said = ledger.tieout("breaks")
    assert said.code == 1
    for words in ("agreed value", "mismatch", "-0.50", "missing"):
        assert words in said.out


def test_without_breaks_there_is_nothing_to_list(desk: Desk) -> None:
    rows = [HEAD, "A,1.00"]
    desk.reconcile(BANK_DECIDES, seller=rows, bank=rows)
    said = desk.tieout("breaks", "--json")
    assert (said.code, said.json) == (0, [])
    assert "everything ties out" in desk.tieout("breaks").err


def test_an_agreement_that_is_not_in_force_is_named_with_those_that_are(ledger: Desk) -> None:
    for words in (["breaks"], ["show", "A"], ["certificate"], ["adjust", "list"]):
        said = ledger.tieout(*words, "--agreement", "fees")
        assert said.code == 2, words
        assert "'fees' is not in force" in said.err
        assert "pay" in said.err


def test_the_story_of_a_mismatch_says_who_said_what_when_and_by_which_rules(ledger: Desk) -> None:
    said = ledger.tieout("show", "A")
    assert said.code == 1
    for words in (
        "A under pay version 1: broken",
        "seller states revision 1",
        "bank states revision 1",
        "2026-03-31T18:00:00Z",
        "amount 1.00",
        "agreed value 1.50 by bank, difference -0.50",
        "R-MATCH-2",
        "R-BENCH-1",
        "alarm raised",
        "Correcting entries",
    ):
        assert words in said.out


def test_the_story_of_a_missing_record(ledger: Desk) -> None:
    said = ledger.tieout("show", "C")
    assert said.code == 1
    for words in ("bank: missing", "R-MISS-1", "silent"):
        assert words in said.out


def test_the_story_of_what_ties_out_is_0(ledger: Desk) -> None:
    said = ledger.tieout("show", "B")
    assert said.code == 0
    assert "matched" in said.out


def test_the_story_as_json(ledger: Desk) -> None:
    story = ledger.tieout("show", "A", "--json").json
    keys = ["agreement", "originator", "transaction_id", "statement", "broken_groups", "timeline"]
    assert list(story) == keys
    assert story["broken_groups"] == []
    assert (story["agreement"], story["originator"], story["transaction_id"]) == ("pay", 0, "A")
    assert [list(step) for step in story["timeline"]] == [
        ["height", "time", "leaf", "by", "what"]
    ] * len(story["timeline"])
    assert story["statement"]["status"] == "broken"


@pytest.mark.parametrize(
    "words",
    [["Z"], ["a"], [""], ["A", "--originator", "1"], ["A", "--originator", "-1"], ["x" * 99]],
)
@pytest.mark.parametrize("command", ["show", "evidence"])
def test_a_transaction_that_is_not_there_is_2(ledger: Desk, command: str, words: list[str]) -> None:
    output = ["-o", "e.json"] if command == "evidence" else []
    said = ledger.tieout(command, *words, *output)
    assert said.code == 2
    assert "there is no transaction" in said.err
    assert not (ledger.folder / "e.json").exists()


def test_an_originator_that_no_row_could_have_is_no_traceback(ledger: Desk) -> None:
    assert ledger.tieout("show", "A", "--originator", "99999999").code == 2
    assert ledger.tieout("show", "\udcff").code == 2


def test_markup_in_an_id_is_printed_as_it_is(desk: Desk) -> None:
    desk.reconcile(BANK_DECIDES, seller=[HEAD, "[bold]A[/x]:x:,1.00"], bank=[HEAD])
    assert "[bold]A[/x]:x:" in desk.tieout("show", "[bold]A[/x]:x:").out
    assert "[bold]A[/x]:x:" in desk.tieout("breaks").out


def test_an_invariant_that_does_not_hold_is_shown_with_its_sides(desk: Desk) -> None:
    """R-INV-1, R-INV-4."""
    (desk.folder / "sub.toml").write_text(
        """
name = "sub"
version = 1
roles = ["seller", "bank"]
[fields.amount]
type = "money"
scale = 2
[fields.shares]
type = "quantity"
scale = 2
[invariants]
price = "div(amount, shares, 3, half_up) = 10"
""",
        encoding="utf-8",
    )
    rows = "transaction_id,amount,shares\nT1,100.00,10.00\nT2,100.05,10.00\nT3,1.00,0.00\n"
    for role in ("seller", "bank"):
        (desk.folder / f"{role}.csv").write_text(rows, encoding="utf-8")
    assert desk.tieout("reconcile", "sub.toml", "seller=seller.csv", "bank=bank.csv").code == 1
    shown = desk.tieout("show", "T2").out
    assert (
        "bank: invariant price does not hold: left side 10.005, less the right one 0.005" in shown
    )
    assert (
        "invariant price does not hold: something is divided by zero"
        in desk.tieout("show", "T3").out
    )
    assert desk.tieout("show", "T1").code == 0
    assert desk.tieout("audit").code == 0
