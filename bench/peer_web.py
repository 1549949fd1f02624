"""The peer of the node: the same check written by hand, with PostgreSQL behind Litestar.

    python -m bench.peer_web URL PORT

One table of what each role states, one statement for a record: insert or update it, and read what
the other roles state about the transaction. Then the fields are compared, with the tolerances of
`fund-bench.toml`, and the status is answered. One commit for each record, synced. It keeps no
history, signs nothing, proves nothing, and knows one agreement.
"""

import asyncio
import datetime as dt
import sys
from decimal import Decimal
from typing import Any

import msgspec
import psycopg
import uvicorn
from litestar import Litestar, post

CONNECTIONS = 16
FIELDS = ("fund", "currency", "amount", "shares", "nav", "fee", "trade_date", "settle_date")
TOLERANCES = {"amount": Decimal("0.01"), "shares": Decimal("0.0001")}
ROLES = 3
TABLE = """
CREATE TABLE IF NOT EXISTS stated (
    id varchar(36) NOT NULL, role varchar(16) NOT NULL, fund varchar(6), currency varchar(3),
    amount numeric(18, 2), shares numeric(18, 4), nav numeric(18, 4), fee numeric(18, 2),
    trade_date date, settle_date date, PRIMARY KEY (id, role)
)
"""
UPSERT = f"""
WITH mine AS (
    INSERT INTO stated (id, role, {", ".join(FIELDS)}) VALUES (%s, %s{", %s" * len(FIELDS)})
    ON CONFLICT (id, role) DO UPDATE SET {", ".join(f"{f} = excluded.{f}" for f in FIELDS)}
)
SELECT {", ".join(FIELDS)} FROM stated WHERE id = %s AND role <> %s
"""


class Record(msgspec.Struct):
    """One record, typed; decimals come as strings."""

    transaction_id: str
    fund: str
    currency: str
    amount: Decimal
    shares: Decimal
    nav: Decimal
    fee: Decimal
    trade_date: dt.date
    settle_date: dt.date


class Verdict(msgspec.Struct):
    """What came of it."""

    transaction_id: str
    status: str
    breaks: list[str]


def compare(own: tuple[Any, ...], others: list[tuple[Any, ...]]) -> list[str]:
    """The fields in which any two differ by more than their tolerance."""
    broken = []
    for place, field in enumerate(FIELDS):
        values = [own[place], *(other[place] for other in others)]
        if field in TOLERANCES:
            differs = max(values) - min(values) > TOLERANCES[field]
        else:
            differs = any(value != values[0] for value in values)
        if differs:
            broken.append(field)
    return broken


def make_app(url: str) -> Litestar:
    """The whole application."""
    pool: asyncio.Queue[psycopg.AsyncConnection[Any]] = asyncio.Queue()

    async def connect() -> None:
        for _ in range(CONNECTIONS):
            line = await psycopg.AsyncConnection.connect(url, autocommit=True, prepare_threshold=0)
            await pool.put(line)

    @post("/records", status_code=200)
    async def record(data: Record, role: str) -> Verdict:
        own = tuple(getattr(data, field) for field in FIELDS)
        name = data.transaction_id
        line = await pool.get()
        try:
            cursor = await line.execute(UPSERT, (name, role, *own, name, role))
            others = await cursor.fetchall()
        finally:
            pool.put_nowait(line)
        broken = compare(own, others)
        matched = "matched" if len(others) == ROLES - 1 else "pending"
        return Verdict(name, "broken" if broken else matched, broken)

    return Litestar([record], on_startup=[connect], openapi_config=None, logging_config=None)


def main() -> None:
    """Serve until it is stopped."""
    url, port = sys.argv[1], int(sys.argv[2])
    with psycopg.connect(url, autocommit=True) as line:
        line.execute(TABLE)
    uvicorn.run(make_app(url), host="127.0.0.1", port=port, loop="uvloop", http="httptools",
                log_level="error", access_log=False)  # fmt: skip


if __name__ == "__main__":
    main()
