"""Files of transactions that go through stages: the redemption that the manual shows."""

import json
import re
import shlex
import shutil

from tests.cli.desk import Desk
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "stages.md").read_text(encoding="utf-8")
PAIR = """
name = "pair"
version = 1
roles = ["seller", "bank"]
[fields.amount]
type = "money"
scale = 2
"""
STAGED = PAIR + '[stages.ordered]\nroles = ["seller"]\n[stages.settled]\ncarried = ["amount"]\n'


def test_the_redemption_of_the_manual(desk: Desk) -> None:
    """R-STAGE-3, R-STAGE-5, R-STAGE-7: every command of the page, and every file that it shows."""
    shutil.copytree(ROOT / "examples" / "redemption", desk.folder, dirs_exist_ok=True)
    shown = re.findall(r"```(console|text)\n(.*?)```", PAGE, re.DOTALL)
    codes = []
    for kind, text in shown:
        if kind == "text":
            assert desk.read("breaks.csv").replace("\r\n", "\n") == text
            continue
        typed = re.findall(r"^\$ tieout (.*)$", text, re.MULTILINE)
        codes += [desk.tieout(*shlex.split(line)).code for line in typed]
    assert codes == [0, 0, 1, 1, 0, 0]
    assert desk.tieout("audit", "--ledger", "ledger").code == 0


def test_breaks_name_their_stage(desk: Desk) -> None:
    """In JSON and on the screen as in the file."""
    desk.file("agreement.toml", STAGED)
    desk.file("rows.csv", "transaction_id,amount", "A,1.00")
    said = desk.tieout("reconcile", "agreement.toml", "bank@settled=rows.csv", "--breaks", "b.json")
    assert said.code == 1
    assert [(each["kind"], each["stage"]) for each in json.loads(desk.read("b.json"))] == [
        ("missing", "settled"),
        ("out_of_order", "settled"),
    ]
    assert [each["stage"] for each in desk.tieout("breaks", "--json").json] == ["settled"] * 2
    assert "settled" in desk.tieout("breaks").out


def test_records_that_vanished_are_those_of_the_stage(desk: Desk) -> None:
    desk.file("agreement.toml", STAGED)
    desk.file("two.csv", "transaction_id,amount", "A,1.00", "B,2.00")
    desk.file("one.csv", "transaction_id,amount", "A,1.00")
    rows = ["seller@ordered=two.csv", "seller@settled=two.csv", "bank@settled=two.csv"]
    assert desk.tieout("reconcile", "agreement.toml", *rows).code == 0
    said = desk.tieout("reconcile", "agreement.toml", "seller@settled=one.csv", "--withdraw")
    assert said.code == 1
    assert "1 records are no longer in the files and were withdrawn" in said.err
    assert "seller@settled B" in said.err


def test_a_file_names_a_stage_where_there_are_some(desk: Desk) -> None:
    desk.file("staged.toml", STAGED)
    desk.file("plain.toml", PAIR)
    desk.file("rows.csv", "transaction_id,amount", "A,1.00")
    for words, wrong in (
        (["staged.toml", "seller=rows.csv"], "names no stage of this agreement"),
        (["staged.toml", "seller@paid=rows.csv"], "its stages are: ordered, settled"),
        (["staged.toml", "bank@ordered=rows.csv"], "bank takes no part in the stage ordered"),
        (["plain.toml", "seller@ordered=rows.csv"], "this agreement has no stages"),
    ):
        said = desk.tieout("reconcile", *words)
        assert (said.code, wrong in said.err) == (2, True), said.err


def test_what_is_not_made_for_stages_yet_says_so(desk: Desk) -> None:
    desk.file("agreement.toml", STAGED)
    desk.file("rows.csv", "transaction_id,amount", "A,1.00")
    desk.tieout("reconcile", "agreement.toml", "seller@ordered=rows.csv")
    for words in (["show", "A"], ["evidence", "A", "-o", "a.json"], ["certificate"]):
        said = desk.tieout(*words)
        assert (said.code, "with stages is not made yet" in said.err) == (2, True), said.err


def test_an_entry_is_approved_and_refused_at_its_own_stage(desk: Desk) -> None:
    """R-STAGE-8: what people sign names the stage of the entry, which the list tells."""
    decided = '[benchmark]\namount = "bank"\n[adjustment]\nmode = "compensate"\n'
    stages = "[stages.ordered]\n[stages.settled]\n"
    desk.file("agreement.toml", PAIR + 'currency = "CNY"\n' + decided + stages)
    desk.file("two.csv", "transaction_id,amount", "A,1.00", "B,2.00")
    desk.file("other.csv", "transaction_id,amount", "A,1.50", "B,2.50")
    agreed = ["seller@ordered=two.csv", "bank@ordered=two.csv"]
    said = desk.tieout(
        "reconcile", "agreement.toml", *agreed, "seller@settled=two.csv", "bank@settled=other.csv"
    )
    assert said.code == 1
    found = {each["transaction_id"]: each for each in desk.tieout("adjust", "list", "--json").json}
    assert {name: each["stage"] for name, each in found.items()} == {"A": "settled", "B": "settled"}
    assert "settled" in desk.tieout("adjust", "list").out
    for person in ("approver-1", "approver-2"):
        said = desk.tieout("adjust", "approve", found["A"]["id"], "--as", person)
        assert (said.code, "A seller at settled" in said.err) == (0, True), said.err
    refused = ["adjust", "refuse", found["B"]["id"], "--as", "approver-1", "--reason", "ours holds"]
    assert desk.tieout(*refused).code == 0
    after = desk.tieout("adjust", "list", "--all", "--json").json
    assert [(each["transaction_id"], each["stage"], each["status"]) for each in after] == [
        ("A", "settled", "approved"),
        ("B", "settled", "refused"),
    ]


def test_what_stands_at_a_later_stage_alone_is_no_unknown_transaction(desk: Desk) -> None:
    desk.file("agreement.toml", STAGED)
    desk.file("rows.csv", "transaction_id,amount", "A,1.00")
    desk.tieout("reconcile", "agreement.toml", "bank@settled=rows.csv")
    said = desk.tieout("show", "A")
    assert (said.code, "with stages is not made yet" in said.err) == (2, True), said.err


def test_what_people_do_names_the_stage(desk: Desk) -> None:
    """R-STAGE-8: which one is meant is never guessed."""
    desk.file("agreement.toml", PAIR + "[stages.ordered]\n[stages.settled]\n")
    desk.file("rows.csv", "transaction_id,amount", "A,1.00")
    files = [
        f"{role}@{at}=rows.csv" for at in ("ordered", "settled") for role in ("seller", "bank")
    ]
    assert desk.tieout("reconcile", "agreement.toml", *files).code == 0
    act = ["dispute", "A", "--role", "bank", "--as", "approver-1", "--reason", "not ours"]
    for words, wrong in (
        ([], "which stage? it stands at ordered (matched), settled (matched)"),
        (["--stage", "paid"], "it does not stand at 'paid'"),
    ):
        said = desk.tieout(*act, *words)
        assert (said.code, wrong in said.err) == (2, True), said.err
    said = desk.tieout(*act, "--stage", "settled")
    assert (said.code, "A at settled: broken" in said.err) == (0, True), said.err
    found = [(each["stage"], each["kind"]) for each in desk.tieout("breaks", "--json").json]
    assert found == [("settled", "disputed")]
    withdrawn = desk.tieout(*act[:-2], "--withdraw", "--stage", "settled", "--json").json
    assert (withdrawn["stage"], withdrawn["status"]) == ("settled", "matched")


def test_a_stage_is_named_only_where_there_are_some(desk: Desk) -> None:
    desk.file("agreement.toml", PAIR)
    desk.file("rows.csv", "transaction_id,amount", "A,1.00")
    desk.tieout("reconcile", "agreement.toml", "seller=rows.csv", "bank=rows.csv")
    act = ["dispute", "A", "--role", "bank", "--as", "approver-1", "--reason", "x"]
    said = desk.tieout(*act, "--stage", "settled")
    assert (said.code, "pair has no stages" in said.err) == (2, True), said.err
