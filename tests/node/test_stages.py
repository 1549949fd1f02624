"""Stages at a node: acts name the stage they are about, and what is not made yet says so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.node.alarms.receiver import until
from tests.node.running import AGREEMENT, Node, await_lists, tieout
from tests.node.test_people_and_books import entries as entries_of
from tests.node.test_people_and_books import make_books
from tieout.agreement.parse import parse_agreement
from tieout.node.bookkeeping.files import open_books
from tieout.node.errors import NodeError
from tieout.node.problems import ProblemError
from tieout.node.records import RecordForm

STAGED = AGREEMENT + "\n[stages.ordered]\n[stages.settled]\n"
PATH = "/v1/agreements/pay/transactions"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A and B tie out as ordered and not as settled; C is settled only, ahead of its time."""
    folder = tmp_path_factory.mktemp("staged")
    made = Node.found(folder / "node", STAGED)
    for name, lines in {
        "ordered": ("A,100.00,", "B,100.00,"),
        "seller": ("A,100.00,", "B,100.00,", "C,1.00,"),
        "bank": ("A,200.00,", "B,200.00,"),
    }.items():
        text = "\n".join(("transaction_id,amount,day", *lines, ""))
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    files = [
        *(f"{role}@ordered={folder / 'ordered.csv'}" for role in ("seller", "bank")),
        *(f"{role}@settled={folder / role}.csv" for role in ("seller", "bank")),
    ]
    terms = (folder / "node").with_suffix(".toml")
    said = tieout("reconcile", terms, *files, "--ledger", made.directory / "ledger")
    assert said.returncode == 1, said.stderr
    make_books(made, "seller", A="100.00")
    made.start()
    yield made
    assert made.stop() == 0, made.said


def test_an_alarm_is_acknowledged_at_the_stage_that_is_named(node: Node) -> None:
    """R-STAGE-8: never at another one, and never at one that is guessed."""
    caller = node.caller("approver", "seller/approver-1")
    path = f"{PATH}/A/acknowledge"
    unnamed = caller.ask("POST", path)
    assert (unnamed.status, unnamed.code) == (400, "invalid_parameter")
    assert unnamed.json["detail"].endswith("unseen alarms are at: settled")
    unknown = caller.ask("POST", f"{path}?stage=paid")
    assert (unknown.status, unknown.json["detail"]) == (400, "the stages are: ordered, settled")
    assert caller.ask("POST", f"{path}?stage=ordered").code == "conflict"  # there is no alarm
    assert caller.ask("POST", f"{path}?stage=settled").json["outcome"] == "accepted"
    assert caller.ask("POST", f"{path}?stage=settled").code == "conflict"
    assert caller.ask("POST", path).json["detail"].endswith("no alarm is unseen")
    ahead = caller.ask("POST", f"{PATH}/C/acknowledge?stage=ordered")
    assert (ahead.code, "at ordered yet" in ahead.json["detail"]) == ("not_found", True)


def test_a_correcting_entry_is_approved_at_the_stage_that_its_id_covers(node: Node) -> None:
    """R-ADJ-2, R-STAGE-8: with two persons, without a word about the stage."""
    caller = node.caller("operator")
    await_lists(caller)
    listed = caller.get("/v1/adjustments").json["items"]
    entries = {each["transaction_id"]: each["id"] for each in listed}
    path = f"{PATH}/A/adjustments/{entries['A']}/approve"
    seen = []
    for person in ("approver-1", "approver-2"):
        said = node.caller("approver", f"seller/{person}").ask("POST", path, {})
        seen.append((said.status, said.json["status"], said.json["approvals"]))
    assert seen == [(200, "proposed", 1), (200, "approved", 2)]
    other = node.caller("approver", "seller/approver-1")
    assert other.ask("POST", f"{PATH}/B/adjustments/{entries['A']}/approve", {}).status == 404
    path = f"{PATH}/B/adjustments/{entries['B']}/refuse"
    assert other.ask("POST", path, {"reason": "no"}).json["status"] == "refused"
    until(lambda: "books_have_no_stages" in node.said, 30)
    assert entries_of(node, "seller") == [("A", "100.00", "")]


def test_a_story_and_a_pack_of_stages_are_not_made_yet(node: Node) -> None:
    caller = node.caller("operator")
    for path in (f"{PATH}/A", f"{PATH}/C", f"{PATH}/C/evidence"):
        said = caller.get(path)
        assert (said.status, said.code) == (404, "not_found"), path
        assert "with stages is not made yet" in said.json["detail"]


def test_records_of_stages_are_not_taken_one_by_one() -> None:
    text = (ROOT / "examples" / "redemption" / "agreement.toml").read_text(encoding="utf-8")
    with pytest.raises(ProblemError, match="have stages, which cannot") as refused:
        RecordForm(parse_agreement(text), 0)
    assert refused.value.status == 409


def test_books_are_not_kept_for_stages(tmp_path: Path) -> None:
    """They say one thing of a transaction: it must not be taken for what holds at another stage."""
    files = {("pay", "seller"): tmp_path / "pay.seller.toml"}
    with pytest.raises(NodeError, match="not kept for agreements with stages"):
        open_books(files, parse_agreement(STAGED), 0)
