"""Memory of a transaction: what each of a million adds to the process, three roles, eight fields.

Open: the seller has spoken. Closed: all three have, they tied out and the cut-off is closed. What
is counted is what the process holds (resident set) more than an empty ledger's process does after
its first few blocks. `python -m bench.memory LEDGER TRANSACTIONS` prints both, in bytes.
"""

import json
import sys
from pathlib import Path

import numpy as np

from bench.batches import ROLES, batches, bench_agreement
from bench.ledgers import apply_accepted, new_ledger, open_transactions
from bench.measure import Row, Setting, run_module
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.wire.codes import OperationKind, Purpose
from tieout.wire.limits import MAX_BATCH_ROWS
from tieout.wire.operations import CloseCutoff

MOST_OPEN_BYTES = 800
FIRST = 20_000
"""Opened before the first look, so that what is there only once is not counted."""


def measure(setting: Setting) -> list[Row]:
    """Bytes for an open and for a closed transaction; one run, since nothing in it is by chance."""
    ledger = setting.folder / "memory"
    process = run_module("bench.memory", ledger, setting.transactions)
    opened, closed = json.loads(process.output)
    return [
        Row(
            "memory for an open transaction",
            opened,
            "bytes",
            f"≤ {MOST_OPEN_BYTES} bytes",
            opened <= MOST_OPEN_BYTES,
            (),
            "3 roles × 8 fields; resident set of the whole process, per transaction",
        ),
        Row("memory for a closed transaction", closed, "bytes", "stated", None),
    ]


def memory(directory: Path, transactions: int) -> tuple[float, float]:
    """Bytes for an open and for a closed transaction."""
    with new_ledger(directory) as ledger:
        open_transactions(ledger, FIRST)
        before = resident_bytes()
        _speak(ledger, 0, FIRST, transactions)
        opened = resident_bytes() - before
        for role in range(1, ROLES):
            _speak(ledger, role, 0, transactions)
        close = CloseCutoff(bench_agreement().name, ledger.time_us)
        ledger.operate(1, OperationKind.CLOSE_CUTOFF, Purpose.PUBLISH, close, ledger.time_us)
        closed = resident_bytes() - before
    count = transactions - FIRST
    return opened / count, closed / count


def _speak(ledger: EmbeddedLedger, role: int, first: int, last: int) -> None:
    agreement = bench_agreement()
    numbers = np.arange(first, last)
    for item in batches(agreement, ledger.publisher(role + 1), role, numbers, MAX_BATCH_ROWS):
        apply_accepted(ledger, item)
        ledger.sync()


def resident_bytes() -> int:
    """What this process holds in memory now."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the system does not tell how much memory a process holds")


if __name__ == "__main__":
    print(json.dumps(memory(Path(sys.argv[1]), int(sys.argv[2]))))
