"""`tieout dispute`, `decide`, `vote`, `reverse`: the example of the manual, and who may not."""

import re
import shlex
import shutil

import pytest

from tests.cli.desk import Desk
from tests.conftest import ROOT

EXAMPLE = ROOT / "examples" / "disputed"
MANUAL = (ROOT / "docs" / "deciding.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^\$ tieout (.*)\n((?:(?![$`]).*\n)*)", MANUAL, re.MULTILINE)


@pytest.fixture
def played(desk: Desk) -> Desk:
    """The folder of the example, in which the manual's commands are typed; they say what it shows.

    R-DISPUTE-1, R-DECIDE-1 to R-DECIDE-3.
    """
    shutil.copytree(EXAMPLE, desk.folder, dirs_exist_ok=True)
    for words, shown in SHOWN:
        said = desk.tieout(*shlex.split(words))
        assert said.code == (1 if words.startswith(("reconcile", "breaks")) else 0), said.err
        assert shown in {"", said.err, said.out}
    return desk


def test_the_example_of_the_manual_is_proven_offline(played: Desk) -> None:
    entries = played.tieout("adjust", "list", "--ledger", "ledger", "--json").json
    found = {each["role"]: (each["to"], each["status"]) for each in entries}
    assert found == {
        "seller": ({"amount": "1004.00"}, "approved"),
        "bank": ({"amount": "1004.00"}, "proposed"),
    }
    assert played.tieout("audit", "--ledger", "ledger").code == 0
    pack = ("evidence", "R-2", "--ledger", "ledger", "-o", "pack.json")
    assert played.tieout(*pack).code == 0
    verified = played.tieout("verify", "pack.json", "--trust", "ledger/genesis.json")
    assert verified.code == 0
    assert "verified: R-2 is broken" in verified.err


def test_all_parties_reverse_what_tied_out(played: Desk) -> None:
    """R-REVERSE-1, R-REVERSE-2."""
    at = ("--ledger", "ledger", "--json")
    moved = played.tieout(
        *("reverse", "R-1", "--party", "seller", "--as", "approver-1", "--reason", "sent twice"),
        *at,
    )
    assert moved.json["status"] == "matched"
    assert moved.json["motion"]["in_favour"] == ["seller"]
    for party in ("bank", "registrar"):
        voted = played.tieout("vote", "R-1", "--party", party, "--as", "approver-2", *at)
        assert voted.code == 0
    assert (voted.json["status"], voted.json["motion"]) == ("withdrawn", None)


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["dispute", "R-1", "--role", "bank", "--as", "approver-1"], "needs a reason"),
        (
            ["dispute", "R-1", "--role", "broker", "--as", "approver-1", "--reason", "x"],
            "'broker' is no member",
        ),
        (["vote", "R-1", "--party", "bank", "--as", "approver-1"], "no motion"),
        (["vote", "R-1", "--as", "approver-1"], "whose person"),
        (["vote", "R-9", "--party", "bank", "--as", "approver-1"], "no transaction 'R-9'"),
        (
            ["decide", "R-1", "amount", "1.005", "--party", "bank", "--as", "approver-1"],
            "amount cannot be 1.005",
        ),
        (
            ["decide", "R-1", "price", "1.00", "--party", "bank", "--as", "approver-1"],
            "no field 'price'",
        ),
        (
            ["decide", "R-1", "amount", "1.00", "--party", "bank", "--as", "approver-1"],
            "not_applicable",
        ),
        (
            ["reverse", "R-1", "--party", "bank", "--as", "approver-1", "--open-for", "soon"],
            "--open-for",
        ),
    ],
)
def test_what_cannot_be_done_is_said(played: Desk, words: list[str], wrong: str) -> None:
    if words[0] in ("decide", "reverse"):
        words = [*words, "--reason", "x"]
    said = played.tieout(*words, "--ledger", "ledger")
    assert said.code == 2
    assert wrong in said.err
