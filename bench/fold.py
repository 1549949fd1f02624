"""From the journal into read models: records per second, on SQLite and on PostgreSQL.

A day of three roles in blocks of ten thousand records, each transaction stated by all of them, is
folded into an empty database by a process of its own. The ledger itself is not measured: it neither
waits for this nor knows of it. `python -m bench.fold prepare|fold LEDGER TRANSACTIONS|URL`.
"""

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from bench.batches import ROLES, bench_agreement, cycle
from bench.ledgers import apply_accepted, new_ledger
from bench.measure import Row, Setting, run_module
from tieout import kernel
from tieout.engines.embedded.ledger import read_genesis
from tieout.engines.embedded.places import JOURNAL
from tieout.journal.journal import Journal
from tieout.projections import tables
from tieout.projections.database import Database
from tieout.projections.follower import Follower
from tieout.projections.schema import empty, migrate
from tieout.testing.postgres import find_programs, postgres_server
from tieout.wire.limits import MAX_BATCH_ROWS

PART = 4
"""So many times fewer transactions than the other benchmarks have."""
LEAST = 50_000
"""Records per second on SQLite."""


def measure(setting: Setting) -> list[Row]:
    """Records per second, by database."""
    ledger = setting.folder / "fold"
    run_module("bench.fold", "prepare", ledger, setting.transactions // PART)
    rows = [_folded(ledger, f"sqlite:///{setting.folder / 'fold.db'}", setting, "SQLite")]
    with _postgres() as url:
        if url is None:
            note = "PostgreSQL is not installed here"
            return [*rows, Row("fold, PostgreSQL", float("nan"), "", "", None, note=note)]
        return [*rows, _folded(ledger, url, setting, "PostgreSQL")]


def _folded(ledger: Path, url: str, setting: Setting, name: str) -> Row:
    speeds = []
    for _ in range(setting.runs):
        seconds, records = run_module("bench.fold", "fold", ledger, url).output.split()
        speeds.append(int(records) / float(seconds))
    value = statistics.median(speeds)
    goal, met = (f"≥ {LEAST:,}/s", value >= LEAST) if name == "SQLite" else ("", None)
    return Row(f"fold into {name}", value, "records/s", goal, met, tuple(speeds))


@contextmanager
def _postgres() -> Iterator[str | None]:
    programs = find_programs()
    if programs is None:
        yield None
        return
    with postgres_server(programs) as server:
        yield server.new_database()


def prepare(directory: Path, transactions: int) -> None:
    """A ledger in which all three roles have stated so many transactions, ten thousand a block."""
    agreement = bench_agreement()
    with new_ledger(directory) as ledger:
        publishers = [ledger.publisher(role + 1) for role in range(ROLES)]
        numbers = np.arange(transactions)
        for item in cycle(agreement, publishers, (numbers, numbers, numbers), MAX_BATCH_ROWS):
            apply_accepted(ledger, item)
        ledger.sync()


def fold(directory: Path, url: str) -> tuple[float, int]:
    """Seconds to fold the whole ledger into an empty database, and the records in it."""
    genesis = read_genesis(directory)
    kernel.warm()
    with (
        Database(url) as database,
        Journal.open(directory / JOURNAL, genesis.ledger_id(), read_only=True) as journal,
    ):
        migrate(database)
        empty(database)
        started = time.perf_counter()
        Follower(journal, genesis, database).catch_up()
        seconds = time.perf_counter() - started
        with database.reading() as connection:
            count = sa.select(sa.func.count()).select_from(tables.standing_records)
            return seconds, int(connection.execute(count).scalar_one())


if __name__ == "__main__":
    task, place, what = sys.argv[1:]
    if task == "prepare":
        prepare(Path(place), int(what))
    else:
        print(*fold(Path(place), what))
