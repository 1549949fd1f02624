"""`tieout agreement backtest`: the example of the manual, and what cannot be done."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.cli.desk import PAY, Desk
from tests.conftest import ROOT
from tieout.engines.embedded.ledger import read_genesis
from tieout.engines.embedded.places import JOURNAL
from tieout.journal.beginning import begin_journal
from tieout.journal.segment import base_point

EXAMPLE = ROOT / "examples" / "tightened"
MANUAL = (ROOT / "docs" / "backtest.md").read_text(encoding="utf-8")


@pytest.fixture
def tightened(desk: Desk) -> Desk:
    """The folder of the example, on whose files the manual's commands are typed."""
    shutil.copytree(EXAMPLE, desk.folder, dirs_exist_ok=True)
    commands = re.findall(r"^\$ tieout (reconcile .*)$", MANUAL, re.MULTILINE)
    assert desk.tieout(*commands[0].split()).code == 1
    return desk


def test_the_example_says_what_the_manual_shows(tightened: Desk) -> None:
    command = re.findall(r"^\$ tieout (agreement .*)$", MANUAL, re.MULTILINE)[0]
    taken, listed, counted = re.findall(r"```text\n(.*?)```", MANUAL, re.DOTALL)
    said = tightened.tieout(*command.split())
    assert said.code == 1
    assert said.out == listed
    assert said.err.startswith(taken)
    assert said.err.endswith(counted)
    assert "  - trade_date date; ties out within 1 day; missing when left blank\n" in said.err
    assert "  + trade_date date; ties out when equal; missing when left blank\n" in said.err


def test_a_list_that_goes_to_a_file_is_not_drawn_beside_the_bar(tightened: Desk) -> None:
    """Standard error is a terminal, and standard output is not."""
    terminal, line = os.openpty()
    words = ("agreement", "backtest", "next.toml", "--ledger", "ledger")
    program = "import sys; from tieout.cli.main import main; main(sys.argv[1:])"
    with os.fdopen(terminal, "rb", buffering=0), os.fdopen(line, "wb", buffering=0) as stderr:
        done = subprocess.run(
            [sys.executable, "-c", program, *words],
            cwd=tightened.folder,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "TERM": "xterm"},
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stdout.decode() == re.findall(r"```text\n(.*?)```", MANUAL, re.DOTALL)[1]


def test_programs_get_the_same_as_one_document(tightened: Desk) -> None:
    said = tightened.tieout("agreement", "backtest", "next.toml", "--ledger", "ledger", "--json")
    assert (said.code, said.err) == (1, "")
    told = said.json
    assert [change["transaction_id"] for change in told["changes"]] == [
        "SUB-02",
        "SUB-03",
        "SUB-04",
    ]
    first = told["changes"][0]["differences"][0]
    assert (first["fate"], first["kind"], first["field"]) == ("appears", "mismatch", "amount")
    assert first["recorded"]["standing"] == "never"
    assert first["anew"] == {
        "standing": "open",
        "rules": ["R-MATCH-2", "R-BENCH-1", "R-TOL-2"],
        "reported": "250.40",
        "benchmark": "250.00",
        "basis": "bank",
        "difference": "0.40",
        "status": "open",
    }
    counts = {name: told[name] for name in ("transactions", "records", "changed", "fallen_away")}
    assert counts == {"transactions": 6, "records": 18, "changed": 3, "fallen_away": 0}
    keys = re.search(r"An object with `changes` first.*", cli_manual(), re.DOTALL)
    assert keys is not None
    assert [key for key in told if f"`{key}`" not in keys[0]] == []


def cli_manual() -> str:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    return text.split("## `tieout agreement backtest`")[1].split("\n## ")[0]


def test_nothing_is_written_to_the_ledger(tightened: Desk) -> None:
    before = files_of(tightened)
    tightened.tieout("agreement", "backtest", "next.toml", "--ledger", "ledger")
    assert files_of(tightened) == before


def files_of(desk: Desk) -> dict[str, bytes]:
    folder = desk.folder / "ledger"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_version_in_force_changes_nothing(tightened: Desk) -> None:
    said = tightened.tieout("agreement", "backtest", "agreement.toml", "--ledger", "ledger")
    assert (said.code, said.out) == (0, "")
    assert said.err.endswith("6 transactions, 18 records: no verdict would change\n")


def test_since_leaves_out_what_was_opened_before(tightened: Desk) -> None:
    words = ("agreement", "backtest", "next.toml", "--ledger", "ledger")
    said = tightened.tieout(*words, "--since", "2100-01-01T00:00:00Z")
    assert (said.code, said.out) == (0, "")
    assert "0 transactions, 0 records" in said.err


def test_a_node_that_joined_later_says_that_it_has_not_the_whole_history(tightened: Desk) -> None:
    ledger_id = read_genesis(tightened.folder / "ledger").ledger_id()
    journal = tightened.folder / "ledger" / JOURNAL
    shutil.rmtree(journal)
    begin_journal(journal, ledger_id, base_point(ledger_id, 7, 1, 1, bytes(32)), [("state", b"")])
    said = tightened.tieout("agreement", "backtest", "next.toml", "--ledger", "ledger")
    assert (said.code, said.out) == (2, "")
    assert "begins after block 7" in said.err


def test_what_cannot_be_tried_is_2(tightened: Desk) -> None:
    (tightened.folder / "pay.toml").write_text(PAY, encoding="utf-8")
    for words, why in (
        (["pay.toml", "--ledger", "ledger"], "in force are: fund-subscription"),
        (["next.toml", "--ledger", "nowhere"], "there is no ledger"),
        (["nothing.toml", "--ledger", "ledger"], "cannot be read"),
        (["seller.csv", "--ledger", "ledger"], "seller.csv"),
        (["next.toml", "--ledger", "ledger", "--since", "yesterday"], "--since"),
    ):
        said = tightened.tieout("agreement", "backtest", *words)
        assert (said.code, said.out) == (2, ""), words
        assert why in said.err
        assert "Traceback" not in said.err
