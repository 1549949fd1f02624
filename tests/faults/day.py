"""A day of three parties in large files, and the command that reconciles it as a process."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROLES = ("seller", "registrar", "bank")
TERMS = """
name = "orders"
version = 1
roles = ["seller", "registrar", "bank"]

[fields.fund]
type = "code"
length = 6

[fields.amount]
type = "money"
scale = 2
currency = "CNY"
tolerance = { absolute = "0.01" }

[fields.day]
type = "date"

[benchmark]
amount = "bank"

[adjustment]
mode = "compensate"
automatic_up_to = { amount = "1.00" }
"""
CUTOFF = "2026-03-31T18:00:00Z"


@dataclass(frozen=True)
class Files:
    """An agreement and a file for each role in a folder; `rows` is how many all of them have."""

    folder: Path
    rows: int

    def command(self, ledger: Path, *words: str) -> list[str]:
        """The command that reconciles them; breaks go beside the ledger."""
        pairs = [f"{role}={self.folder / role}.csv" for role in ROLES]
        output = ["--breaks", f"{ledger}.csv", "--receipts", f"{ledger}.receipts"]
        agreement = str(self.folder / "agreement.toml")
        return tieout("reconcile", agreement, *pairs, "--ledger", str(ledger), *output, *words)


def tieout(*words: str) -> list[str]:
    """A command line that runs tieout in a process of its own."""
    return [sys.executable, "-c", "from tieout.cli.main import main; main()", *words]


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run to the end, which must not be a traceback."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def write_files(folder: Path, transactions: int) -> Files:
    """Write the files; about one row in a hundred deviates, by a little or a lot, or is missing."""
    folder.mkdir()
    (folder / "agreement.toml").write_text(TERMS)
    rows = 0
    for role, name in enumerate(ROLES):
        lines = ["transaction_id,fund,amount,day\n"]
        for number in range(transactions):
            dice = (number * 2_654_435_761 + role * 40_503) % 1_000
            if dice == 7:
                continue
            cents = 100_000 + number * 37 % 5_000_000 + (dice % 5 if dice < 10 else 0)
            day = 2 + (dice == 11)
            amount = f"{cents // 100}.{cents % 100:02}"
            lines.append(f"ORD-{number:09},{number % 90:06},{amount},2026-03-{day:02}\n")
        rows += len(lines) - 1
        (folder / f"{name}.csv").write_text("".join(lines))
    return Files(folder, rows)
