"""What a block waits for while a snapshot of a million open transactions is written.

The second role speaks about transactions all over the state, in blocks of 1,000 records and of
10,000, one after the other, as fast as they are judged and synced; meanwhile another thread writes
a snapshot. Told is the longest time from a block's arrival to its verdict while that went on, with
the beginning of the snapshot counted to the block that it holds up; beside it the longest of as
many blocks with no snapshot, and what copying the state at once would have taken. A process of its
own measures each run: memory that is new to a process is what costs.
`python -m bench.snapshot measure LEDGER SIZE`.
"""

import statistics
import sys
import threading
import time
from pathlib import Path

import numpy as np

from bench.batches import batches, bench_agreement
from bench.ledgers import new_ledger, open_transactions
from bench.measure import Row, Setting, run_module
from tieout import kernel
from tieout.engines.embedded.ledger import read_genesis
from tieout.engines.embedded.places import JOURNAL
from tieout.engines.keyring import read_keys
from tieout.engines.publisher import Publisher
from tieout.engines.replica import Replica
from tieout.wire.block import Block

MOST_MS = 50.0
SIZES = (1_000, 10_000)
SPEAKER = 1
"""The role that speaks while the snapshot is written."""
SEED = 7
MOST_RUNS = 3
"""Each run needs a ledger of its own."""


def measure(setting: Setting) -> list[Row]:
    """Milliseconds that a block takes at most, by its size."""
    rows = []
    for size in SIZES:
        ledger = setting.folder / "snapshot"
        pauses, alone, copies, whole = [], [], [], []
        for _ in range(min(setting.runs, MOST_RUNS)):
            run_module("bench.snapshot", "prepare", ledger, setting.transactions)
            told = run_module("bench.snapshot", "measure", ledger, size).output.split()
            pause, quiet, copy, written = map(float, told)
            pauses.append(pause)
            alone.append(quiet)
            copies.append(copy)
            whole.append(written)
        what = f"snapshot of {setting.transactions:,} open beside blocks of {size:,} records"
        note = (
            f"the longest block without a snapshot {statistics.median(alone):.1f} ms; copying the"
            f" state at once {statistics.median(copies):,.0f} ms;"
            f" the snapshot was written in {statistics.median(whole):,.0f} ms"
        )
        pause = statistics.median(pauses)
        rows.append(
            Row(
                f"{what}: the longest block",
                pause,
                "ms",
                f"≤ {MOST_MS:g} ms",
                pause <= MOST_MS,
                tuple(pauses),
                note,
            )
        )
    return rows


def prepare(directory: Path, transactions: int) -> None:
    """A ledger with that many open transactions."""
    with new_ledger(directory) as ledger:
        open_transactions(ledger, transactions)
        ledger.snapshot()


class Blocks:
    """Blocks of the speaker, signed beforehand, in an order that jumps about the state."""

    def __init__(self, directory: Path, replica: Replica, size: int) -> None:
        self._replica = replica
        agreement = bench_agreement()
        count = kernel.counts(replica.state, agreement.name).pending
        ring = read_keys(directory, replica.genesis)
        order = np.random.default_rng(SEED).permutation(count)
        publisher = Publisher(ring, SPEAKER + 1, stream=0, next_sequence=2)
        self._items = list(batches(agreement, publisher, SPEAKER, order, size))
        self._next = iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def judge_next(self) -> float | None:
        """Milliseconds until the next block's verdict; None when there is none left."""
        item = next(self._next, None)
        if item is None:
            return None
        state = self._replica.state
        block = Block(state.height + 1, state.time_us + 1_000, (item,))
        begun = time.perf_counter()
        result = self._replica.judge(block)
        taken = (time.perf_counter() - begun) * 1_000
        assert sum(result.items[0].rows) == result.items[0].rows[0]
        self._replica.keep(block, result)
        self._replica.sync()
        return taken


def measured(directory: Path, size: int) -> tuple[float, float, float, float]:
    """Milliseconds: the longest block beside the snapshot, and alone; the copy; the snapshot."""
    replica = Replica.open(directory / JOURNAL, read_genesis(directory))
    blocks = Blocks(directory, replica, size)
    alone = [blocks.judge_next() or 0.0 for _ in range(len(blocks) // 4)]
    begun = time.perf_counter()
    running = replica.begin_snapshot()
    waited = (time.perf_counter() - begun) * 1_000
    writing = threading.Thread(target=running.finish)
    writing.start()
    beside: list[float] = []
    while not beside or writing.is_alive():
        taken = blocks.judge_next()
        if taken is None:
            break
        beside.append(taken + waited)
        waited = 0.0
    writing.join()
    written = (time.perf_counter() - begun) * 1_000
    assert not running.is_lost
    begun = time.perf_counter()
    copied = [bytes(part) for _, part in kernel.dump(replica.state)]
    copy = (time.perf_counter() - begun) * 1_000
    assert copied
    replica.journal.close()
    return max(beside), max(alone), copy, written


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        print(*measured(Path(sys.argv[2]), int(sys.argv[3])))
