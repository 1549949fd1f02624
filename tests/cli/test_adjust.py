"""`tieout adjust`: what is adjusted at once, what needs two persons, and who may not be one."""

from typing import Any

import pytest

from tests.cli.desk import BANK_DECIDES, MONEY, Desk, agreement

HEAD = "transaction_id,amount"
TERMS = BANK_DECIDES + '[adjustment]\nmode = "compensate"\nautomatic_up_to = { amount = "1.00" }\n'


@pytest.fixture
def ledger(desk: Desk) -> Desk:
    """A within the limit, B beyond it, C with nothing to go by."""
    desk.reconcile(
        TERMS,
        seller=[HEAD, "A,1.00", "B,10.00", "C,3.00"],
        bank=[HEAD, "A,2.00", "B,12.00"],
    )
    return desk


def entries(desk: Desk, *words: str) -> dict[str, Any]:
    """The entries of `tieout adjust list`, by transaction."""
    return {
        each["transaction_id"]: each
        for each in desk.tieout("adjust", "list", "--json", *words).json
    }


def test_up_to_the_limit_an_entry_is_approved_at_once_and_beyond_it_proposed(ledger: Desk) -> None:
    found = entries(ledger)
    assert list(found["A"]) == [
        *("id", "agreement", "transaction_id", "role", "to", "status", "approved_at_once"),
        *("approvers", "mode"),
    ]
    seen = {
        name: (each["to"], each["status"], each["approved_at_once"]) for name, each in found.items()
    }
    assert seen == {
        "A": ({"amount": "2.00"}, "approved", True),
        "B": ({"amount": "12.00"}, "proposed", False),
    }
    table = ledger.tieout("adjust", "list")
    assert table.code == 0
    for words in ("to the agreed value", "amount 12.00", "at once", "proposed"):
        assert words in table.out


def test_two_different_persons_of_the_party_have_to_approve(ledger: Desk) -> None:
    name = entries(ledger)["B"]["id"]
    first = ledger.tieout("adjust", "approve", name, "--as", "approver-1")
    assert first.code == 0
    assert "one more person" in first.err
    second = ledger.tieout("adjust", "approve", name[:8], "--as", "approver-2", "--json")
    assert second.code == 0
    assert second.json["status"] == "approved"
    assert second.json["approvers"] == ["seller/approver-1", "seller/approver-2"]
    story = ledger.tieout("show", "B")
    assert "seller/approver-2" in story.out


def test_the_same_person_twice_is_refused(ledger: Desk) -> None:
    name = entries(ledger)["B"]["id"]
    ledger.tieout("adjust", "approve", name, "--as", "approver-1")
    said = ledger.tieout("adjust", "approve", name, "--as", "approver-1")
    assert said.code in {1, 2}
    assert "refused" in said.err
    assert entries(ledger)["B"]["status"] == "proposed"


def test_a_system_is_no_person_that_approves(ledger: Desk) -> None:
    name = entries(ledger)["B"]["id"]
    for person in ("system", "nobody", "", "bank/approver-1"):
        said = ledger.tieout("adjust", "approve", name, "--as", person)
        assert said.code == 2, person
        assert entries(ledger)["B"]["approvers"] == []


def test_an_entry_can_be_refused_with_a_reason_that_is_kept(ledger: Desk) -> None:
    name = entries(ledger)["B"]["id"]
    words = ["--as", "approver-1", "--reason", "the bank is [wrong] :x:"]
    said = ledger.tieout("adjust", "refuse", name, *words, "--json")
    assert said.code == 0
    assert said.json["status"] == "refused"
    assert "B" not in entries(ledger)
    assert entries(ledger, "--all")["B"]["status"] == "refused"
    assert "the bank is [wrong] :x:" in ledger.tieout("show", "B").out


def test_a_refused_entry_is_not_approved_any_more(ledger: Desk) -> None:
    name = entries(ledger)["B"]["id"]
    ledger.tieout("adjust", "refuse", name, "--as", "approver-1", "--reason", "no")
    said = ledger.tieout("adjust", "approve", name, "--as", "approver-2")
    assert said.code in {1, 2}
    assert "refused" in said.err


def test_an_id_that_nothing_or_several_begin_with_is_said_to_be_so(ledger: Desk) -> None:
    found = ledger.tieout("adjust", "approve", "zz", "--as", "approver-1")
    assert (found.code, "no correcting entry" in found.err) == (2, True)
    several = ledger.tieout("adjust", "approve", "", "--as", "approver-1")
    assert (several.code, "several" in several.err) == (2, True)


def test_what_was_booked_as_agreed_is_verified(ledger: Desk) -> None:
    name = entries(ledger)["B"]["id"]
    for person in ("approver-1", "approver-2"):
        ledger.tieout("adjust", "approve", name, "--as", person)
    mended = [HEAD, "A,2.00", "B,12.00", "C,3.00"]
    ledger.reconcile(TERMS, seller=mended)
    statuses = {name: each["status"] for name, each in entries(ledger, "--all").items()}
    assert statuses == {"A": "verified", "B": "verified"}
    assert entries(ledger) == {}


def test_what_was_booked_otherwise_is_superseded_by_a_new_entry(ledger: Desk) -> None:
    before = entries(ledger)["B"]["id"]
    ledger.reconcile(TERMS, seller=[HEAD, "A,1.00", "B,11.00", "C,3.00"])
    after = entries(ledger)["B"]
    assert (after["id"] != before, after["status"], after["to"]) == (
        True,
        "approved",
        {"amount": "12.00"},
    )


def test_where_people_are_only_told_nothing_can_be_approved(desk: Desk) -> None:
    desk.reconcile(BANK_DECIDES, seller=[HEAD, "A,1.00"], bank=[HEAD, "A,2.00"])
    entry = entries(desk)["A"]
    assert (entry["mode"], entry["status"]) == ("notify", "proposed")
    said = desk.tieout("adjust", "approve", entry["id"], "--as", "approver-1")
    assert said.code in {1, 2}


def test_what_has_no_agreed_value_has_no_correcting_entry(desk: Desk) -> None:
    terms = agreement(MONEY) + '[adjustment]\nmode = "replace"\n'
    desk.reconcile(terms, seller=[HEAD, "A,1.00"], bank=[HEAD, "A,2.00"])
    said = desk.tieout("adjust", "list")
    assert (said.code, said.out) == (0, "")
    assert "no correcting entry is open" in said.err


def test_approving_keeps_the_ledger_sound(ledger: Desk) -> None:
    name = entries(ledger)["B"]["id"]
    for person in ("approver-1", "approver-1", "approver-2"):
        ledger.tieout("adjust", "approve", name, "--as", person)
    assert ledger.tieout("audit").code == 0
