"""The durable stream: signed batches in, synced blocks out, beside its floor, on one core.

A million transactions are open. Then batches come that were signed before, those of the three roles
in turn: the seller opens further transactions, registrar and bank speak about open ones in random
order. Every batch is a block: signature and root checked, a leaf for each record, rows applied,
index kept, block appended; the next batch is applied while the block before it is synced.

Run as a process of its own on one core: `python -m bench.stream LEDGER TRANSACTIONS`; it prints
records per second for each size of batch.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from bench.batches import ROLES, bench_agreement, cycle
from bench.floor import METHOD_NAMES, best_method, compiled, floor_seconds
from bench.ledgers import new_ledger, open_transactions
from bench.measure import FIRST_CORE, Row, Setting, Turns, run_module
from tieout.engines.embedded.commit import Pipeline
from tieout.engines.receipt import Receipt
from tieout.wire.codes import ItemOutcome

SHARES = {10_000: 0.3, 1_000: 0.2, 100: 0.03}
"""Records of each role in a run, by size of batch, as a share of the open transactions."""
GOALS = {10_000: 2.5e6, 1_000: 1.2e6, 100: 0.25e6}
MOST_TIMES_FLOOR = 2.0


def measure(setting: Setting) -> list[Row]:
    """Records per second at each size of batch, and how many times the floor that takes."""
    program = compiled(setting.folder)
    row_bytes = bench_agreement().layout.row_bytes
    method = None if program is None else best_method(program, setting.folder, row_bytes)
    ours = Turns({str(size): [] for size in SHARES})
    floor = Turns({str(size): [] for size in SHARES})
    for _ in range(setting.runs):
        ledger = setting.folder / "stream"
        process = run_module("bench.stream", ledger, setting.transactions, core=FIRST_CORE)
        for size, per_second in json.loads(process.output).items():
            ours.values[size].append(per_second)
        if program is None or method is None:
            continue
        for size, share in SHARES.items():
            records = ROLES * int(setting.transactions * share)
            seconds, _ = floor_seconds(
                program, setting.folder, method, records, size, row_bytes, setting.transactions
            )
            floor.values[str(size)].append(records / seconds)
    return [*_speeds(ours), *_ratios(ours, floor, method)]


def _speeds(ours: Turns) -> list[Row]:
    return [
        Row(
            f"durable stream, batches of {size:,}",
            ours.median(str(size)),
            "records/s",
            f"≥ {goal / 1e6:g} M",
            ours.median(str(size)) >= goal,
            tuple(ours.values[str(size)]),
        )
        for size, goal in GOALS.items()
    ]


def _ratios(ours: Turns, floor: Turns, method: str | None) -> list[Row]:
    if method is None:
        return [Row("the same ÷ floor", float("nan"), "", "≤ 2", None, (), "no C compiler here")]
    rows = []
    for size in SHARES:
        ratio = floor.median(str(size)) / ours.median(str(size))
        is_goal = size == max(SHARES)
        note = (
            f"the floor takes {floor.median(str(size)) / 1e6:.2f} M records/s: leaves and tree"
            f" ({METHOD_NAMES[method]}), one random touch a record, append, sync meanwhile"
        )
        if not is_goal:
            note += "; what a batch costs however small it is (signature, sequence) is not in it"
        rows.append(
            Row(
                f"the same ÷ floor, batches of {size:,}",
                ratio,
                "×",
                f"≤ {MOST_TIMES_FLOOR:g}" if is_goal else "",
                ratio <= MOST_TIMES_FLOOR if is_goal else None,
                (),
                note,
            )
        )
    return rows


def stream(directory: Path, transactions: int) -> dict[int, float]:
    """Records per second of one run, by size of batch."""
    agreement = bench_agreement()
    chance = np.random.default_rng(1)
    speeds = {}
    with new_ledger(directory) as ledger:
        further = sum(int(transactions * share) for share in SHARES.values())
        open_transactions(ledger, transactions, further)
        publishers = [ledger.publisher(role + 1) for role in range(ROLES)]
        orders = [chance.permutation(transactions) for _ in range(ROLES - 1)]
        opened = transactions
        for size, share in SHARES.items():
            count = int(transactions * share)
            mine = [order[:count] for order in orders]
            orders = [order[count:] for order in orders]
            numbers = (np.arange(opened, opened + count), mine[0], mine[1])
            opened += count
            items = list(cycle(agreement, publishers, numbers, size))
            receipts: list[Receipt] = []
            time_us = ledger.time_us
            started = time.perf_counter()
            pipeline = Pipeline(ledger, receipts.extend)
            for item in items:
                time_us += 1_000
                pipeline.apply([item], time_us)
            pipeline.close()
            speeds[size] = ROLES * count / (time.perf_counter() - started)
            assert len(receipts) == len(items)
            for receipt in receipts:
                assert receipt.result.outcome is ItemOutcome.ACCEPTED
                assert sum(receipt.result.rows) == receipt.result.rows[0]
    return speeds


if __name__ == "__main__":
    print(json.dumps(stream(Path(sys.argv[1]), int(sys.argv[2]))))
