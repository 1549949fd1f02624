"""The commands as processes: what is loaded, what is written where, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.desk import BANK_DECIDES, Desk

HEAD = "transaction_id,amount"
LOADED = """
import sys
from tieout.cli.main import main
try:
    main()
finally:
    print(*sorted(name for name in sys.modules if "." not in name), file=sys.stderr)
"""
IN_LITTLE_MEMORY = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
from tieout.cli.main import main
main()
"""


@pytest.fixture
def ledger(desk: Desk) -> Desk:
    desk.reconcile(BANK_DECIDES, seller=[HEAD, "A,1.00", "B,2.00"], bank=[HEAD, "A,1.50", "B,2.00"])
    desk.tieout("evidence", "A", "-o", "a.json")
    desk.tieout("certificate", "-o", "c.json")
    return desk


def command(*words: str) -> list[str]:
    return [str(Path(sys.executable).with_name("tieout")), *words]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["verify", "a.json", "--trust", "tieout-ledger/genesis.json"], 0),
        (["verify", "c.json", "--trust", "tieout-ledger/genesis.json"], 0),
        (["verify", "a.json"], 1),
        (["agreement", "check", "agreement.toml"], 0),
    ],
)
def test_checking_does_not_load_the_compiled_rules(
    ledger: Desk, words: list[str], code: int
) -> None:
    said = subprocess.run(
        [sys.executable, "-c", LOADED, *words], capture_output=True, text=True, check=False
    )
    loaded = said.stderr.splitlines()[-1].split()
    assert said.returncode == code
    assert "tieout" in loaded
    assert not {"numba", "llvmlite", "pyarrow"} & set(loaded)
    assert ledger.folder.exists()


def test_the_installed_command_leaves_with_the_code_of_its_result(ledger: Desk) -> None:
    for words, code in ((["breaks"], 1), (["audit"], 0), (["show", "Z"], 2), (["nonsense"], 2)):
        said = subprocess.run(command(*words), capture_output=True, text=True, check=False)
        assert (said.returncode, "Traceback" in said.stderr) == (code, False), words
    assert ledger.folder.exists()


def test_errors_of_usage_stand_on_standard_error(ledger: Desk) -> None:
    said = subprocess.run(
        command("breaks", "--colour"), capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stdout) == (2, "")
    assert "--colour" in said.stderr
    assert ledger.folder.exists()


def test_a_reader_that_goes_away_is_no_traceback(ledger: Desk) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as out:
        said = subprocess.run(
            command("breaks", "--json"), stdout=out, stderr=subprocess.PIPE, text=True, check=False
        )
    assert said.returncode == 1
    assert said.stderr == ""
    assert ledger.folder.exists()


def test_an_interrupt_is_no_traceback_and_loses_nothing(desk: Desk) -> None:
    (desk.folder / "agreement.toml").write_text(BANK_DECIDES)
    rows = [f"T{number},1.00" for number in range(200_000)]
    files = [f"seller={desk.file('s.csv', HEAD, *rows)}", f"bank={desk.file('b.csv', HEAD, *rows)}"]
    words = ["reconcile", "agreement.toml", *files, "--receipts", "r.txt"]
    with subprocess.Popen(command(*words), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while process.poll() is None and not (desk.folder / "r.txt").exists():
            pass
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert "Traceback" not in said
    assert desk.tieout(*words[:4]).code == 0
    assert desk.tieout("breaks").code == 0


def test_large_files_of_one_role_are_read_one_after_the_other_in_little_memory(desk: Desk) -> None:
    rows = [f"T-{number:08},{number}.25" for number in range(60_000)]
    (desk.folder / "agreement.toml").write_text(BANK_DECIDES)
    files = [
        "seller=" + desk.file("s1.csv", HEAD, *rows[:30_000]),
        "seller=" + desk.file("s2.csv", HEAD, *rows[30_000:], rows[5], "T-00000007,1.00"),
        "bank=" + desk.file("b.csv", HEAD, *rows),
    ]
    words = ["reconcile", "agreement.toml", *files, "--refused", "r.csv", "--json"]
    said = subprocess.run(
        [sys.executable, "-c", IN_LITTLE_MEMORY, *words],
        capture_output=True,
        text=True,
        check=False,
    )
    result = json.loads(said.stdout)
    assert (result["matched"], result["repeated"], result["refused"]) == (60_000, 1, 1)
    assert "line 9 of s1.csv" in desk.read("r.csv")
