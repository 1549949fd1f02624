"""`tieout projection`: kept up, made anew, and asked how far it is."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.desk import BANK_DECIDES, Desk

HEAD = "transaction_id,amount"
FILE = "tieout-ledger/read-models.sqlite"
WAIT_S = 60.0
SUMS = "SELECT role, reported, benchmark, difference_integer FROM tieout_breaks WHERE is_open"


@pytest.fixture
def ledger(desk: Desk) -> Desk:
    """A mismatch in A, nothing in B."""
    desk.reconcile(BANK_DECIDES, seller=[HEAD, "A,1.00", "B,2.00"], bank=[HEAD, "A,1.50", "B,2.00"])
    return desk


def asked(desk: Desk, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(desk.folder / FILE) as connection:
        found: list[tuple[object, ...]] = connection.execute(query).fetchall()
    connection.close()
    return found


def test_it_is_kept_up_and_made_anew(ledger: Desk) -> None:
    assert ledger.tieout("projection", "follow", "--once").code == 0
    assert asked(ledger, SUMS) == [("seller", "1.00", "1.50", -50)]
    ledger.reconcile(BANK_DECIDES, seller=[HEAD, "A,1.50", "B,2.00"], bank=[HEAD, "A,1.50"])
    behind = ledger.tieout("projection", "status", "--json")
    assert (behind.code, behind.json["blocks_behind"] > 0) == (1, True)
    assert ledger.tieout("projection", "follow", "--once").code == 0
    assert asked(ledger, SUMS) == []
    before = asked(ledger, "SELECT * FROM tieout_breaks")
    assert ledger.tieout("projection", "rebuild").code == 0
    assert asked(ledger, "SELECT * FROM tieout_breaks") == before
    said = ledger.tieout("projection", "status", "--json")
    assert (said.code, said.json["blocks_behind"], said.json["ledger"]) == (0, 0, "tieout-ledger")


def test_without_a_ledger_or_a_database_it_says_what_to_do(desk: Desk) -> None:
    said = desk.tieout("projection", "follow", "--once")
    assert (said.code, "tieout-ledger" in said.err) == (2, True)
    rows = [HEAD, "A,1.00"]
    desk.reconcile(BANK_DECIDES, seller=rows, bank=rows)
    said = desk.tieout("projection", "status")
    assert (said.code, "tieout projection follow" in said.err) == (2, True)
    said = desk.tieout("projection", "follow", "--once", "--database", "mysql://x/y")
    assert (said.code, "sqlite:///FILE" in said.err) == (2, True)


def test_it_follows_until_it_is_told_to_end(ledger: Desk) -> None:
    command = [str(Path(sys.executable).with_name("tieout")), "projection", "follow"]
    environment = {**os.environ, "TIEOUT_DATABASE": f"sqlite:///{ledger.folder / 'own.db'}"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert b"following into" in process.stderr.readline()
        rows = [HEAD, "A,1.00", "B,2.00", "C,3.00"]
        ledger.reconcile(BANK_DECIDES, seller=rows, bank=rows)
        until = time.monotonic() + WAIT_S
        status = ("projection", "status", "--database", environment["TIEOUT_DATABASE"])
        while ledger.tieout(*status).code != 0:
            assert time.monotonic() < until, "it never came to that"
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=WAIT_S) == 0
