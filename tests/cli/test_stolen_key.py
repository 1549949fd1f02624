"""A key is stolen and revoked: the manual's page, played with the example's files (R-MEMBER-5)."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.cli.desk import Desk
from tests.conftest import ROOT

EXAMPLE = ROOT / "examples" / "stolen-key"
MANUAL = (ROOT / "docs" / "stolen-key.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^\$ (?:tieout|python) (.*)\n((?:[^`$].*\n)*)", MANUAL, re.MULTILINE)
"""Each command, and the lines that the manual shows under it."""


def test_a_stolen_key_signs_nothing_more_and_what_it_signed_is_corrected(desk: Desk) -> None:
    shutil.copytree(EXAMPLE, desk.folder, dirs_exist_ok=True)
    assert [words.split()[0] for words, _ in SHOWN] == [
        "reconcile", "thief.py", "breaks", "member", "thief.py", "reconcile", "breaks", "audit",
    ]  # fmt: skip
    (listed,) = re.findall(r"```text\n(.*?)```", MANUAL, re.DOTALL)
    found = []
    for words, shown in SHOWN:
        if words.startswith("thief.py"):
            assert thief(words.split()) == shown
            continue
        said = desk.tieout(*words.split())
        assert said.code == (1 if words.startswith("breaks") and not found else 0), said.err
        assert re.sub(r"[0-9a-f]{16}", "…", said.err).endswith(shown)
        if words.startswith("reconcile") and not (desk.folder / "stolen").exists():
            (desk.folder / "stolen").mkdir()
            shutil.copy("ledger/keys.json", "stolen")
        if words.startswith("breaks"):
            found.append(squeezed(said.out))
    assert found == [squeezed(listed), []]
    story = desk.tieout("show", "PAY-02", "--ledger", "ledger").out
    stated = re.findall(r"block (\d+)  seller/system +seller states revision (\d): accepted", story)
    assert [int(revision) for _, revision in stated] == [1, 2, 3]
    assert [int(height) for height, _ in stated][:2] == [2, 4]


def squeezed(table: str) -> list[list[str]]:
    """The words of each line of a table."""
    return [line.split() for line in table.splitlines() if re.search(r"\w", line)]


def thief(words: list[str]) -> str:
    """What the thief's program prints."""
    ran = subprocess.run(
        [sys.executable, *words], cwd=Path.cwd(), capture_output=True, text=True, check=True,
        timeout=60,
    )  # fmt: skip
    return ran.stdout
