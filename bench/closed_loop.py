"""One record after the other: from submit to the durable verdict of each.

A million transactions are open. One client submits batches of one record, signed before, through
the group commit, and waits for each receipt; the registrar's and the bank's records come in turn,
so that every second one completes a transaction. `python -m bench.closed_loop LEDGER TRANSACTIONS`
runs it once and prints the microseconds of each submission.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from bench.batches import batches, bench_agreement
from bench.ledgers import new_ledger, open_transactions
from bench.measure import Row, Setting, run_module
from tieout.engines.embedded.commit import GroupCommit
from tieout.wire.codes import ItemOutcome

SUBMISSIONS = 4_000
MOST_P50_MS = 0.3
MOST_P99_MS = 1.0


def measure(setting: Setting) -> list[Row]:
    """The median and the 99th percentile, each as the median over the runs."""
    medians, slowest, firsts = [], [], []
    for _ in range(min(setting.runs, 3)):
        ledger = setting.folder / "closed-loop"
        process = run_module("bench.closed_loop", ledger, setting.transactions)
        taken_ms = [taken / 1_000 for taken in json.loads(process.output)]
        firsts.append(taken_ms[0])
        medians.append(statistics.median(taken_ms))
        slowest.append(float(np.percentile(taken_ms, 99)))
    p50, p99 = statistics.median(medians), statistics.median(slowest)
    what = "one record, submit to durable verdict"
    return [
        Row(f"{what}: p50", p50, "ms", f"≤ {MOST_P50_MS} ms", p50 <= MOST_P50_MS, tuple(medians)),
        Row(
            f"{what}: p99",
            p99,
            "ms",
            f"≤ {MOST_P99_MS:g} ms",
            p99 <= MOST_P99_MS,
            tuple(slowest),
            f"the very first took {statistics.median(firsts):.2f} ms",
        ),
    ]


def closed_loop(directory: Path, transactions: int) -> list[float]:
    """Microseconds of each submission, in their order."""
    agreement = bench_agreement()
    chance = np.random.default_rng(2)
    with new_ledger(directory) as ledger:
        open_transactions(ledger, transactions)
        numbers = chance.permutation(transactions)[: SUBMISSIONS // 2]
        lanes = [
            list(batches(agreement, ledger.publisher(role + 1), role, numbers, 1))
            for role in (1, 2)
        ]
        items = [item for pair in zip(*lanes, strict=True) for item in pair]
        commit = GroupCommit(ledger, lambda: time.time_ns() // 1_000)
        taken = []
        for item in items:
            started = time.perf_counter_ns()
            receipt = commit.submit(item)
            taken.append((time.perf_counter_ns() - started) / 1_000)
            assert receipt.result.outcome is ItemOutcome.ACCEPTED
    return taken


if __name__ == "__main__":
    print(json.dumps(closed_loop(Path(sys.argv[1]), int(sys.argv[2]))))
