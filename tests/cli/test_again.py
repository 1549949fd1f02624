"""Run again: unchanged rows are skipped, changed ones revised, vanished ones only listed."""

import json

import pytest

from tests.cli.desk import BANK_DECIDES, MONEY, PAY, Desk, Said, agreement

HEAD = "transaction_id,amount"
DAY_1 = "2026-03-31T18:00:00Z"
DAY_2 = "2026-04-01T18:00:00Z"
TWO = {"seller": [HEAD, "A,1.00", "B,2.00"], "bank": [HEAD, "A,1.00", "B,2.50"]}
UNDECIDED_B = [
    "B,mismatch,amount,seller,2.00,,,,undecided",
    "B,mismatch,amount,bank,2.50,,,,undecided",
]


def audited(desk: Desk) -> dict[str, int]:
    """How many blocks, items and records the ledger has; its audit must pass."""
    said = desk.tieout("audit", "--json")
    assert said.code == 0, said.out
    return {key: said.json[key] for key in ("blocks", "items", "records")}


def told(said: Said, *words: str) -> None:
    for each in words:
        assert each in said.err


def test_the_same_files_again_change_nothing(desk: Desk) -> None:
    first = desk.breaks(PAY, "--cutoff", DAY_1, **TWO)
    before = audited(desk)
    for words in ([], ["--cutoff", DAY_1], ["--cutoff", DAY_2], ["--withdraw"]):
        assert desk.breaks(PAY, *words, **TWO) == first == UNDECIDED_B
        assert audited(desk) == before


def test_the_same_rows_in_another_order_and_spelling_change_nothing(desk: Desk) -> None:
    desk.breaks(PAY, **TWO)
    before = audited(desk)
    respelled = {"seller": ["amount,transaction_id", '"2",B', "+1.0,A"], "bank": TWO["bank"]}
    assert desk.breaks(PAY, **respelled) == UNDECIDED_B
    assert audited(desk) == before


def test_a_mended_row_is_published_as_the_next_revision(desk: Desk) -> None:
    desk.breaks(PAY, **TWO)
    before = audited(desk)
    mended = TWO | {"bank": [HEAD, "A,1.00", "B,2.00"]}
    assert desk.breaks(PAY, **mended) == []
    after = audited(desk)
    assert after["records"] == before["records"] + 1
    story = desk.tieout("show", "B")
    assert story.code == 0
    assert "bank states revision 2" in story.out


def test_a_row_that_changes_back_is_a_third_revision(desk: Desk) -> None:
    desk.breaks(PAY, **TWO)
    desk.breaks(PAY, **(TWO | {"bank": [HEAD, "A,1.00", "B,2.00"]}))
    # A value that changes after its transaction tied out is a break of its own.
    assert desk.breaks(PAY, **TWO) == ["B,changed_after_match,,bank,,,,,open", *UNDECIDED_B]
    assert "bank states revision 3" in desk.tieout("show", "B").out


def test_a_blank_that_was_filled_in_closes_its_break(desk: Desk) -> None:
    assert desk.breaks(PAY, seller=[HEAD, "A,"], bank=[HEAD, "A,1.00"]) == [
        "A,missing,amount,seller,,,,,open"
    ]
    assert desk.breaks(PAY, seller=[HEAD, "A,1.00"], bank=[HEAD, "A,1.00"]) == []


def test_vanished_records_are_listed_and_stand_until_they_are_withdrawn(desk: Desk) -> None:
    rows = [HEAD, "A,1.00", "B,2.00", "C,3.00"]
    desk.breaks(PAY, seller=rows, bank=rows)
    before = audited(desk)
    shorter = rows[:-1]
    said = desk.reconcile(PAY, "--breaks", "b.csv", seller=shorter, bank=rows)
    assert said.code == 0
    told(said, "1 records are no longer in the files", "seller C", "--withdraw")
    assert audited(desk) == before
    assert desk.breaks(PAY, "--withdraw", seller=shorter, bank=rows) == [
        "C,missing,,seller,,,,,open",
        "C,changed_after_match,,seller,,,,,open",
    ]
    assert audited(desk)["records"] == before["records"] + 1


def test_what_everybody_withdrew_is_no_break_and_counts_no_more(desk: Desk) -> None:
    rows = [HEAD, "A,1.00", "B,2.00"]
    desk.breaks(PAY, seller=rows, bank=rows)
    shorter = rows[:-1]
    said = desk.reconcile(PAY, "--withdraw", "--json", seller=shorter, bank=shorter)
    assert (said.code, said.json["breaks"]) == (0, 0)
    assert (said.json["transactions"], said.json["matched"]) == (1, 1)


def test_a_withdrawn_record_can_come_back(desk: Desk) -> None:
    rows = [HEAD, "A,1.00", "B,2.00"]
    desk.breaks(PAY, seller=rows, bank=rows)
    desk.breaks(PAY, "--withdraw", seller=rows[:-1], bank=rows)
    assert desk.breaks(PAY, seller=rows, bank=rows) == []


def test_what_was_withdrawn_is_not_listed_again(desk: Desk) -> None:
    rows = [HEAD, "A,1.00", "B,2.00"]
    desk.breaks(PAY, seller=rows, bank=rows)
    desk.breaks(PAY, "--withdraw", seller=rows[:-1], bank=rows)
    before = audited(desk)
    said = desk.reconcile(PAY, "--withdraw", seller=rows[:-1], bank=rows)
    assert "no longer in the files" not in said.err
    assert audited(desk) == before


def test_a_role_without_a_file_this_time_keeps_what_it_said(desk: Desk) -> None:
    rows = [HEAD, "A,1.00"]
    desk.breaks(PAY, seller=rows, bank=rows)
    said = desk.reconcile(PAY, "--withdraw", seller=rows)
    assert said.code == 0
    assert "no longer" not in said.err


def test_the_files_of_a_new_day_do_not_speak_for_the_day_before(desk: Desk) -> None:
    first = {"seller": [HEAD, "A,1.00", "B,2.00"], "bank": [HEAD, "A,1.00", "B,2.50"]}
    second = {"seller": [HEAD, "C,3.00"], "bank": [HEAD, "C,3.00", "D,4.00"]}
    desk.breaks(PAY, "--cutoff", DAY_1, **first)
    said = desk.reconcile(PAY, "--cutoff", DAY_2, "--withdraw", "--breaks", "b.csv", **second)
    assert "no longer" not in said.err
    lines = desk.read("b.csv").split("\r\n")[1:-1]
    assert lines == [*UNDECIDED_B, "D,missing,,seller,,,,,open"]


def test_a_part_of_a_day_does_not_withdraw_the_rest(desk: Desk) -> None:
    rows = [HEAD, *(f"T{number},1.00" for number in range(10))]
    desk.breaks(PAY, seller=rows, bank=rows)
    before = audited(desk)
    desk.reconcile(PAY, "--withdraw", seller=[HEAD, "T3,1.00"])
    assert audited(desk) == before


def test_counts_are_of_the_ledger_and_records_of_the_files(desk: Desk) -> None:
    desk.breaks(PAY, "--cutoff", DAY_1, **TWO)
    said = desk.reconcile(PAY, "--cutoff", DAY_2, "--json", seller=[HEAD, "C,3.00"], bank=[HEAD])
    result = said.json
    assert (result["transactions"], result["matched"], result["broken"]) == (3, 1, 2)
    assert (result["records"], result["breaks"]) == (1, 3)


def test_a_cutoff_before_the_ledgers_time_changes_nothing(desk: Desk) -> None:
    desk.breaks(PAY, "--cutoff", DAY_2, **TWO)
    before = audited(desk)
    said = desk.reconcile(PAY, "--cutoff", DAY_1, seller=[HEAD, "C,1.00"])
    assert said.code == 2
    told(said, DAY_1, DAY_2, "--cutoff")
    assert audited(desk) == before


def test_a_cutoff_in_the_future_holds_up_runs_without_one(desk: Desk) -> None:
    desk.breaks(PAY, "--cutoff", "2999-01-01T00:00:00Z", **TWO)
    said = desk.reconcile(PAY, seller=[HEAD, "C,1.00"])
    assert said.code == 2
    told(said, "2999-01-01T00:00:00Z")


def test_all_blocks_of_a_run_carry_its_time(desk: Desk) -> None:
    desk.breaks(PAY, "--cutoff", DAY_1, **TWO)
    timeline = desk.tieout("show", "A", "--json").json["timeline"]
    assert {step["time"] for step in timeline} == {DAY_1}


def test_without_a_cutoff_the_time_is_that_of_the_start(desk: Desk) -> None:
    rows = [HEAD, "A,1.00"]
    desk.reconcile(PAY, seller=rows, bank=rows)
    first = desk.tieout("show", "A", "--json").json["timeline"][0]["time"]
    rows = [HEAD, "B,1.00"]
    desk.reconcile(PAY, seller=rows, bank=rows)
    steps = desk.tieout("show", "B", "--json").json["timeline"]
    assert steps[0]["time"] == first < steps[-1]["time"]


def test_a_run_that_was_refused_leaves_no_time_behind(desk: Desk) -> None:
    desk.breaks(PAY, "--cutoff", DAY_1, **TWO)
    other = PAY.replace("scale = 2", "scale = 3")
    said = desk.reconcile(other, "--cutoff", "2999-01-01T00:00:00Z", **TWO)
    assert said.code == 2
    said = desk.reconcile(PAY, seller=[HEAD, "C,1.00"], bank=[HEAD, "C,1.00"])
    assert (said.code, "2999" in said.err) == (1, False)


def test_the_version_in_force_with_another_text_is_refused(desk: Desk) -> None:
    desk.breaks(PAY, **TWO)
    before = audited(desk)
    said = desk.reconcile(PAY.replace("scale = 2", "scale = 3"), **TWO)
    assert said.code == 2
    told(said, "version 1 of pay", "version = 2")
    assert audited(desk) == before


def test_comments_and_spelling_do_not_make_another_text(desk: Desk) -> None:
    desk.breaks(PAY, **TWO)
    before = audited(desk)
    desk.breaks("# said again\n" + PAY, **TWO)
    assert audited(desk) == before


def test_a_version_that_skips_one_is_refused(desk: Desk) -> None:
    desk.breaks(PAY, **TWO)
    said = desk.reconcile(PAY.replace("version = 1", "version = 3"), **TWO)
    assert said.code == 2
    told(said, "version = 2")


@pytest.fixture
def second_version(desk: Desk) -> str:
    """A ledger with two transactions under version 1; the text of a more tolerant version 2."""
    desk.breaks(PAY, **TWO)
    return agreement(MONEY + "; tolerance = { absolute = '1' }").replace(
        "version = 1", "version = 2"
    )


def test_a_new_version_holds_for_new_transactions_and_the_old_stay_with_theirs(
    desk: Desk, second_version: str
) -> None:
    new = {"seller": [HEAD, "C,2.00"], "bank": [HEAD, "C,2.50"]}
    assert desk.breaks(second_version, **new) == UNDECIDED_B
    assert json.loads(desk.tieout("show", "B", "--json").out)["statement"]["version"] == 1
    assert json.loads(desk.tieout("show", "C", "--json").out)["statement"]["version"] == 2


def test_files_that_still_have_the_old_transactions_are_skipped_as_unchanged(
    desk: Desk, second_version: str
) -> None:
    both = {role: [*rows, "C,2.00"] for role, rows in TWO.items()}
    said = desk.reconcile(second_version, "--json", **both)
    assert (said.json["refused"], said.json["matched"]) == (0, 2)


def test_changed_rows_of_the_old_version_are_refused_whole_and_taken_with_it(
    desk: Desk, second_version: str
) -> None:
    desk.breaks(second_version, seller=[HEAD, "C,2.00"], bank=[HEAD, "C,2.50"])
    mended = TWO | {"bank": [HEAD, "A,1.00", "B,2.00"]}
    said = desk.reconcile(second_version, "--refused", "r.csv", **mended)
    assert said.code == 1
    row = desk.read("r.csv").splitlines()[1]
    assert row.startswith("3,transaction_id,")
    assert row.endswith(",B,2.00")
    assert desk.breaks(PAY, **mended) == []


def test_two_agreements_live_on_one_ledger(desk: Desk) -> None:
    fees = BANK_DECIDES.replace('"pay"', '"fees"')
    assert desk.breaks(PAY, **TWO) == UNDECIDED_B
    assert desk.breaks(fees, **TWO) == ["B,mismatch,amount,seller,2.00,2.50,bank,-0.50,open"]
    assert desk.breaks(PAY, **TWO) == UNDECIDED_B
    assert len(desk.tieout("breaks", "--json").json) == 3
    assert len(desk.tieout("breaks", "--json", "--agreement", "fees").json) == 1
    said = desk.tieout("show", "B")
    assert said.code == 2
    told(said, "--agreement")
    assert desk.tieout("show", "B", "--agreement", "fees").code == 1


def test_an_agreement_with_a_party_that_the_ledger_does_not_know_is_refused(desk: Desk) -> None:
    desk.breaks(PAY, **TWO)
    other = PAY.replace('"pay"', '"tax"').replace('"seller"', '"office"')
    said = desk.reconcile(other, office=[HEAD, "A,1.00"])
    assert said.code == 2
    told(said, "'office' is not a party of this ledger", "--ledger")


def test_a_changed_row_of_what_is_kept_no_longer_is_refused_and_not_ignored(desk: Desk) -> None:
    terms = PAY + '[retention]\nclosed = "1h"\n'
    rows = [HEAD, "A,1.00", "B,2.00"]
    desk.breaks(terms, "--cutoff", DAY_1, seller=rows, bank=rows)
    before = audited(desk)
    changed = [HEAD, "A,1.00", "B,9.00"]
    words = ["--cutoff", DAY_2, "--refused", "r.csv", "--json"]
    said = desk.reconcile(terms, *words, seller=rows, bank=changed)
    assert (said.code, said.json["refused"], said.json["breaks"]) == (1, 1, 0)
    row = desk.read("r.csv").splitlines()[1]
    assert row.startswith("3,transaction_id,")
    assert row.endswith(",B,9.00")
    assert audited(desk)["records"] == before["records"]
