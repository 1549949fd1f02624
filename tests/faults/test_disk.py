"""A full disk and a second writer: a clear error, nothing lost, and later it works."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.desk import BANK_DECIDES, Desk
from tests.faults.day import CUTOFF, Files, run, tieout, write_files
from tests.faults.test_killed import kept, printed
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.wire.codes import RowOutcome

HEAD = "transaction_id,amount"
LIMITED = """
import resource, sys
largest = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
from tieout.cli.main import main
main()
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return write_files(tmp_path_factory.mktemp("disk") / "files", 12_000)


@pytest.mark.parametrize("largest_bytes", [0, 1_500, 2_000_000])
def test_a_full_disk_is_said_and_what_was_receipted_is_kept(
    files: Files, tmp_path: Path, largest_bytes: int
) -> None:
    ledger = tmp_path / "ledger"
    command = files.command(ledger, "--cutoff", CUTOFF)
    limited = [sys.executable, "-c", LIMITED, str(largest_bytes), *command[3:]]
    said = run(limited)
    assert said.returncode == 2, said.stderr
    assert said.stderr.startswith("tieout: ")
    if (ledger / "genesis.json").exists():
        assert set(printed(ledger)) <= set(kept(ledger).places)
    again = run(command)
    assert again.returncode == 1, again.stderr
    after = kept(ledger)
    assert after.rows[RowOutcome.ACCEPTED] == sum(after.rows.values()) == files.rows
    assert set(printed(ledger)) <= set(after.places)
    assert run(tieout("audit", "--ledger", str(ledger))).returncode == 0


def test_the_limit_of_the_test_holds() -> None:
    probe = "import resource; print(resource.getrlimit(resource.RLIMIT_FSIZE)[0])"
    said = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert int(said.stdout) == resource.getrlimit(resource.RLIMIT_FSIZE)[0]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path)


def test_a_second_writer_is_turned_away_and_readers_are_not(desk: Desk) -> None:
    desk.reconcile(BANK_DECIDES, seller=[HEAD, "A,1.00"], bank=[HEAD, "A,2.00"])
    with EmbeddedLedger.open(desk.folder / "tieout-ledger"):
        rows = [HEAD, "B,1.00"]
        for words in (
            ["reconcile", "agreement.toml", f"seller={desk.file('b.csv', *rows)}"],
            ["adjust", "approve", "0", "--as", "approver-1"],
        ):
            said = run(tieout(*words))
            assert said.returncode == 2
            assert "writes to" in said.stderr
            assert "wait" in said.stderr
        for words, code in ((["breaks"], 1), (["show", "A"], 1), (["audit"], 0)):
            assert run(tieout(*words)).returncode == code, words
    said = desk.tieout("reconcile", "agreement.toml", "seller=b.csv", "bank=b.csv", "--json")
    assert said.code == 1
    assert said.json["transactions"] == 2


def test_two_runs_begun_at_once_do_not_mix(files: Files, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    command = files.command(ledger, "--cutoff", CUTOFF)
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate()[1] for process in both]
    assert not any("Traceback" in each for each in said), said
    codes = {process.returncode for process in both}
    assert codes <= {1, 2}, said
    again = run([*command, "--json"])
    assert again.returncode == 1, again.stderr
    facts = json.loads(again.stdout)
    assert (facts["transactions"], facts["records"]) == (12_000, files.rows)
    after = kept(ledger)
    assert after.rows[RowOutcome.ACCEPTED] == sum(after.rows.values()) == files.rows
    assert run(tieout("audit", "--ledger", str(ledger))).returncode == 0
