"""`tieout keys`: a ledger whose keys are under a passphrase, worked with as before."""

from pathlib import Path

import pytest

from tests.cli.desk import PAY, Desk
from tieout.engines.keyfile import KEYS_FILE
from tieout.engines.passphrase import FILE_VARIABLE, VARIABLE

HEAD = "transaction_id,amount"
TWO = {"seller": [HEAD, "A,1.00"], "bank": [HEAD, "A,1.00"]}
LEDGER = Path("tieout-ledger")
ONE, OTHER = "correct horse battery", "quite another phrase"


@pytest.fixture
def sealed(desk: Desk) -> Desk:
    """A ledger on which one transaction ties out, its keys sealed with `ONE`."""
    assert desk.reconcile(PAY, **TWO).code == 0
    Path("one").write_text(ONE + "\n", encoding="utf-8")
    Path("other").write_text(OTHER + "\n", encoding="utf-8")
    assert desk.tieout("keys", "seal", "--passphrase-file", "one").code == 0
    return desk


def test_a_sealed_ledger_is_worked_with_by_whoever_has_the_passphrase(
    sealed: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"seller": [HEAD, "A,1.00", "B,2.00"], "bank": [HEAD, "A,1.00", "B,2.00"]}
    refused = sealed.reconcile(PAY, **more)
    assert refused.code == 2
    assert f"name a file that holds it in {FILE_VARIABLE}" in refused.err
    monkeypatch.setenv(VARIABLE, "not the passphrase")
    assert "does not open the sealed keys" in sealed.reconcile(PAY, **more).err
    monkeypatch.setenv(FILE_VARIABLE, "one")
    assert sealed.reconcile(PAY, **more).code == 0
    assert sealed.tieout("member", "rotate", "--as", "seller").code == 0
    shown = sealed.tieout("member", "show", "seller", "--json").json
    assert [each["here"] for each in shown] == [True] * 4
    assert b'"seed"' not in (LEDGER / KEYS_FILE).read_bytes()
    assert sealed.tieout("certificate", "--agreement", "pay").code == 0


def test_reading_alone_asks_for_no_passphrase(sealed: Desk) -> None:
    assert sealed.tieout("breaks").code == 0
    assert sealed.tieout("audit").code == 0


def test_the_passphrase_is_changed_and_taken_away(sealed: Desk) -> None:
    change = ["keys", "change", "--passphrase-file", "one", "--new-passphrase-file", "other"]
    assert sealed.tieout(*change).code == 0
    assert sealed.tieout(*change).code == 2
    assert sealed.tieout("keys", "unseal", "--passphrase-file", "one").code == 2
    assert sealed.tieout("keys", "unseal", "--passphrase-file", "other").code == 0
    assert b'"seed"' in (LEDGER / KEYS_FILE).read_bytes()
    again = sealed.tieout("keys", "unseal")
    assert (again.code, "is not sealed" in again.err) == (2, True)


def test_what_is_sealed_is_not_sealed_again_and_a_short_passphrase_seals_nothing(
    sealed: Desk,
) -> None:
    twice = sealed.tieout("keys", "seal", "--passphrase-file", "one")
    assert (twice.code, "is sealed already" in twice.err) == (2, True)
    Path("short").write_text("short", encoding="utf-8")
    change = ["keys", "change", "--passphrase-file", "one", "--new-passphrase-file", "short"]
    assert "12 characters" in sealed.tieout(*change).err
    assert sealed.tieout("keys", "unseal", "--passphrase-file", "one").code == 0
