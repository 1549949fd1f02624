"""Lists on ten million transactions in PostgreSQL: what a page costs, wherever it is.

The tables are filled in the database itself: four agreements of very different sizes, 98 % matched,
1.5 % broken with a break or two, the rest pending; ids in no order. What is asked is what screens
ask: newest first, an agreement, a status of it, how an id begins, an hour, far down a list, open
breaks by kind and role, one transaction, the first screen's counts. Every question is asked through
the reader, one after the other on one connection, and differs each time; p99 is over all of them.

The transactions have no records here, so lists by party, which look them up, are not asked.
"""

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from bench.measure import Row, Setting
from tieout.projections import tables
from tieout.projections.database import Database
from tieout.projections.filters import AlarmFilter, BreakFilter, TransactionFilter
from tieout.projections.lists import Turn
from tieout.projections.reader import Reader
from tieout.projections.schema import migrate
from tieout.testing.postgres import find_programs, postgres_server

TIMES = 10
"""So many times the size of the other benchmarks."""
MOST_SECONDS = 0.1
ROUNDS = 60
PER_BLOCK = 5_000
BLOCK_US = 1_000_000
START_US = 1_700_000_000_000_000
NAMES = ("funds", "bonds", "cash", "rare")
NEWEST = Turn(newest_first=True)

_FILL = (
    """
    INSERT INTO ledger VALUES (1, repeat('0', 64), 'bench', 1, {blocks},
        {start} + {blocks} * {step}, 0, repeat('0', 64), repeat('0', 64))
    """,
    """
    INSERT INTO blocks SELECT h, {start} + h * {step}, 1, 2, h, repeat('0', 64)
    FROM generate_series(1, {blocks}) AS h
    """,
    """
    INSERT INTO transactions
    SELECT a << 40 | n, a, 0, 'FS' || upper(substr(md5(n::text), 1, 14)), 0,
        CASE WHEN n % 200 < 3 THEN 'broken' WHEN n % 200 = 3 THEN 'pending' ELSE 'matched' END,
        h, {start} + h * {step}, h, {start} + h * {step}, (n % 200 < 3)::int
    FROM (
        SELECT n, 1 + n / {per_block} AS h,
            CASE WHEN n % 1000 = 0 THEN 4::bigint WHEN n % 10 = 1 THEN 3 WHEN n % 10 < 4 THEN 2
                ELSE 1 END AS a
        FROM generate_series(0::bigint, {count} - 1) AS n
    ) AS made
    """,
    """
    INSERT INTO breaks
    SELECT opened_height << 32 | transaction_key & 4294967295, transaction_key, agreement,
        originator, transaction_id, CASE WHEN key % 5 = 0 THEN 'missing' ELSE 'mismatch' END,
        key % 8, 'field ' || key % 8, key % 3, 'role ' || key % 3, 1 + key % 3,
        CASE WHEN key % 7 = 0 THEN 'undecided' ELSE 'open' END, '10.00', '11.00', 'role 0',
        '-1.00', 'EUR', 1000, 1100, -100, 2, opened_height, opened_us, opened_height, opened_us,
        CASE WHEN key % 3 = 0 THEN opened_height + 1 END, CASE WHEN key % 3 = 0 THEN opened_us END
    FROM (SELECT *, transaction_key & 1099511627775 AS key FROM transactions
        WHERE status = 'broken') AS broken
    """,
    """
    INSERT INTO alarms
    SELECT opened_height << 32 | transaction_key & 4294967295, transaction_key, agreement,
        originator, transaction_id, 1, 'raised', 1, 1, opened_height, opened_us, opened_height,
        opened_us, NULL, NULL, 0, 0, NULL, NULL
    FROM transactions WHERE status = 'broken'
    """,
    """
    INSERT INTO agreements
    SELECT a, name, 1, repeat('0', 64), '', 'compensate', 1, 1, {start}, 0, 1, 2, 3, 4
    FROM unnest({names}) WITH ORDINALITY AS named (name, a)
    """,
)


def measure(setting: Setting) -> list[Row]:
    """The time of a page, over all questions: p50, p99; and the slowest question's p99."""
    programs = find_programs()
    what = f"lists on {setting.transactions * TIMES:,} transactions in PostgreSQL"
    if programs is None:
        return [Row(what, float("nan"), "", "", None, note="PostgreSQL is not installed here")]
    with postgres_server(programs) as server, Database(server.new_database()) as database:
        migrate(database)
        fill(database, setting.transactions * TIMES)
        times = ask(Reader(database), setting.transactions * TIMES)
    every = sorted(seconds for each in times.values() for seconds in each)
    slowest = max(times, key=lambda name: percentile(times[name], 99))
    told = ", ".join(f"{name} {1e3 * percentile(each, 99):.1f}" for name, each in times.items())
    p99 = percentile(every, 99)
    return [
        Row(f"{what}: p50", 1e3 * statistics.median(every), "ms", "", None),
        Row(f"{what}: p99", 1e3 * p99, "ms", "≤ 100 ms", p99 <= MOST_SECONDS, note=f"p99: {told}"),
        Row(f"{what}: p99 of the slowest, {slowest}", 1e3 * percentile(times[slowest], 99), "ms",
            "", None),
    ]  # fmt: skip


def fill(database: Database, count: int) -> None:
    """Make the lines, and let the database look at them."""
    names = ", ".join(f"'{name}'" for name in NAMES)
    words = {
        "count": count,
        "blocks": count // PER_BLOCK + 1,
        "per_block": PER_BLOCK,
        "start": START_US,
        "step": BLOCK_US,
        "names": f"ARRAY[{names}]",
    }
    indexes = [index for table in tables.READ_MODEL.tables.values() for index in table.indexes]
    with database.writing() as connection:
        for index in indexes:
            index.drop(connection)
        for statement in _FILL:
            # As the driver takes it, a percent sign is written twice.
            written = statement.format(**words).replace("%", "%%")
            connection.execute(sa.DDL(written))
        for index in indexes:
            index.create(connection)
        connection.exec_driver_sql("ANALYZE")


def ask(reader: Reader, count: int) -> dict[str, list[float]]:
    """The seconds of each question, by its name."""
    chance = random.Random(11)
    blocks = count // PER_BLOCK

    def hour() -> dict[str, int]:
        first = START_US + chance.randrange(blocks) * BLOCK_US
        return {"from_us": first, "until_us": first + 60 * BLOCK_US}

    def name() -> str:
        return chance.choice(NAMES)

    ids = [reader.transactions(TransactionFilter(agreement=each)).items[0] for each in NAMES]
    questions: dict[str, Callable[[], Any]] = {
        "newest": lambda: reader.transactions(turn=NEWEST),
        "of an agreement": lambda: reader.transactions(TransactionFilter(agreement=name()), NEWEST),
        "matched of one": lambda: reader.transactions(
            TransactionFilter(agreement=name(), status=("matched",)), NEWEST
        ),
        "broken of one": lambda: reader.transactions(
            TransactionFilter(agreement=name(), status=("broken",)), NEWEST
        ),
        "pending": lambda: reader.transactions(TransactionFilter(status=("pending",)), NEWEST),
        "by id": lambda: reader.transactions(
            TransactionFilter(id_prefix=f"FS{chance.randrange(16**4):04X}")
        ),
        "an hour": lambda: reader.transactions(TransactionFilter(**hour())),
        "an hour's broken": lambda: reader.transactions(
            TransactionFilter(status=("broken",), **hour())
        ),
        "far down": lambda: far_down(reader, chance.randrange(blocks)),
        "open breaks": lambda: reader.breaks(turn=NEWEST),
        "breaks by kind": lambda: reader.breaks(
            BreakFilter(kind=("missing",), role=(f"role {chance.randrange(3)}",)), NEWEST
        ),
        "breaks of one": lambda: reader.breaks(
            BreakFilter(agreement=name(), is_open=None, **hour())
        ),
        "alarms of one": lambda: reader.alarms(AlarmFilter(agreement=name()), NEWEST),
        "one transaction": lambda: one(reader, chance.choice(ids)),
        "counts": reader.overview,
    }
    times: dict[str, list[float]] = {each: [] for each in questions}
    for _ in range(ROUNDS):
        for question, act in questions.items():
            started = time.perf_counter()
            act()
            times[question].append(time.perf_counter() - started)
    return times


def far_down(reader: Reader, height: int) -> None:
    """The second page of a list that begins somewhere."""
    chosen = TransactionFilter(from_height=height)
    page = reader.transactions(chosen)
    reader.transactions(chosen, Turn(cursor=page.next))


def one(reader: Reader, item: Any) -> None:
    """A transaction with all that is about it."""
    reader.transaction(item.agreement, item.transaction_id)


def percentile(values: list[float], percent: int) -> float:
    """The value below which so many percent of them are."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
