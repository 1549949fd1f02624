"""Opening a ledger that has a million open transactions, from its snapshot.

A process of its own opens it: everything is read, checked, the index rebuilt. Two figures: opening
alone, and the whole process with the start of Python and of the compiled loops. The files are in
the page cache. `python -m bench.restart prepare|open LEDGER [TRANSACTIONS]`.
"""

import statistics
import sys
import time
from pathlib import Path

from bench.ledgers import new_ledger, open_transactions
from bench.measure import Row, Setting, run_module
from tieout import kernel
from tieout.engines.embedded.ledger import EmbeddedLedger

MOST_SECONDS = 1.0


def measure(setting: Setting) -> list[Row]:
    """Seconds to open, and of the whole process."""
    ledger = setting.folder / "restart"
    run_module("bench.restart", "prepare", ledger, setting.transactions)
    opening, whole = [], []
    for _ in range(setting.runs):
        process = run_module("bench.restart", "open", ledger)
        told, count = process.output.split()
        assert int(count) == setting.transactions
        opening.append(float(told))
        whole.append(process.seconds)
    seconds = statistics.median(opening)
    what = f"restart with {setting.transactions:,} open transactions"
    return [
        Row(
            f"{what}: opening from the snapshot",
            seconds,
            "s",
            f"≤ {MOST_SECONDS:g} s",
            seconds <= MOST_SECONDS,
            tuple(opening),
        ),
        Row(f"{what}: the whole process", statistics.median(whole), "s", "", None, tuple(whole)),
    ]


def prepare(directory: Path, transactions: int) -> None:
    """A ledger with that many open transactions, and a snapshot of all of them."""
    with new_ledger(directory) as ledger:
        open_transactions(ledger, transactions)
        ledger.snapshot()


def opened(directory: Path) -> tuple[float, int]:
    """Seconds until the ledger can take the next block, and how many transactions it has."""
    started = time.perf_counter()
    with EmbeddedLedger.open(directory) as ledger:
        seconds = time.perf_counter() - started
        name = ledger.agreement_names()[0]
        return seconds, kernel.counts(ledger.state, name).pending


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        print(*opened(Path(sys.argv[2])))
