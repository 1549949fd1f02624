"""A tightened version is proposed, tried by the voters, voted on, holds (R-AGREE-4, R-PIN-1)."""

import re
import shutil

import pytest

from tests.cli.desk import PAY, Desk, Said
from tests.conftest import ROOT

EXAMPLE = ROOT / "examples" / "tightened"
MANUAL = (ROOT / "docs" / "backtest.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^\$ tieout (.*)\n((?:[^$`].*\n)*)", MANUAL, re.MULTILINE)
"""Each command, and the lines that the manual shows under it."""
HEAD = "transaction_id,amount"
TWO = {"seller": [HEAD, "A,1.00", "B,2.00"], "bank": [HEAD, "A,1.00"]}
NEXT = PAY.replace("version = 1", "version = 2")


@pytest.fixture
def begun(desk: Desk) -> Desk:
    """A ledger with version 1 in force, under which A ties out and B waits for the bank."""
    assert desk.reconcile(PAY, "--ledger", "ledger", **TWO).code == 1
    desk.file("next.toml", *NEXT.splitlines())
    return desk


def say(desk: Desk, *words: str) -> Said:
    return desk.tieout(*words, "--ledger", "ledger")


def refused(said: Said, *words: str) -> None:
    assert said.code == 2
    for each in words:
        assert each in said.err


def test_the_manual_puts_the_tightened_version_to_the_vote(desk: Desk) -> None:
    shutil.copytree(EXAMPLE, desk.folder, dirs_exist_ok=True)
    backtested = []
    for words, shown in SHOWN:
        said = desk.tieout(*words.split())
        if shown:
            assert (said.code, said.err) == (0, shown)
        if words.startswith("agreement backtest"):
            backtested.append((said.code, said.out, said.err))
    # A voter sees of the change what its proposer saw of the file.
    assert len(backtested) == 2
    assert backtested[0] == backtested[1]
    (change,) = desk.tieout("member", "changes", "--ledger", "ledger", "--json").json
    assert (change["status"], change["in_favour"]) == ("scheduled", ["seller", "registrar", "bank"])


def test_what_runs_finishes_under_the_version_it_began_with(begun: Desk) -> None:
    """R-PIN-1, and the ledger is sound for the readable rules too."""
    assert say(begun, "agreement", "propose", "next.toml", "--no-backtest").code == 0
    said = say(begun, "member", "vote", "1", "--as", "bank")
    assert "decided, holds from block" in said.err
    new = {each: [HEAD, "C,3.00"] for each in ("seller", "bank")}
    said = begun.reconcile(NEXT, "--ledger", "ledger", **new)
    assert "3 transactions: 2 matched, 1 broken" in said.err
    assert begun.tieout("show", "A", "--ledger", "ledger").out.startswith("A under pay version 1")
    assert begun.tieout("show", "C", "--ledger", "ledger").out.startswith("C under pay version 2")
    assert "sound" in say(begun, "audit").err
    (change,) = say(begun, "member", "changes", "--all", "--json").json
    assert change["status"] == "effective"


def test_who_is_bound_can_refuse(begun: Desk) -> None:
    """R-AGREE-5."""
    assert say(begun, "agreement", "propose", "next.toml", "--no-backtest", "--at", "90").code == 0
    said = say(begun, "member", "vote", "1", "--against", "--as", "bank")
    assert said.code == 1
    assert "refused by bank" in said.err


def test_what_cannot_be_proposed_is_said(begun: Desk) -> None:
    same = begun.file("same.toml", *PAY.splitlines())
    refused(say(begun, "agreement", "propose", same), "version 1 of pay is in force", "version = 2")
    far = begun.file("far.toml", *NEXT.replace("= 2", "= 3", 1).splitlines())
    refused(say(begun, "agreement", "propose", far), "this one is version 3")
    refused(
        say(begun, "agreement", "propose", "next.toml", "--holder", "bank=nobody"),
        "'nobody' is not a party of this ledger",
    )
    refused(
        say(begun, "agreement", "propose", "next.toml", "--as", "ledger-operator"),
        "it is about an agreement that does not concern this party",
    )
    refused(say(begun, "agreement", "backtest", "--change", "7"), "no open change 7")
    refused(say(begun, "agreement", "backtest"), "--change N")
    assert say(begun, "member", "changes").err == "no change of members is open\n"


def test_other_holders_than_the_roles_names_are_proposed_and_vote(begun: Desk) -> None:
    """R-AGREE-5: whoever is bound anew, and whoever held the role."""
    assert say(begun, "member", "admit", "custodian", "--as", "ledger-operator").code == 0
    said = say(
        begun, "agreement", "propose", "next.toml", "--no-backtest", "--holder", "bank=custodian",
        "--json",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert (said.json["must_agree"], said.json["votes_needed"]) == (["bank", "custodian"], 0)
    assert said.json["not_yet"] == ["bank", "custodian"]
    assert said.json["does"][0].endswith("held by seller: seller; bank: custodian")
