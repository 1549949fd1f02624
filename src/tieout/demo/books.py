"""The three parties' own books: SQLite files that their own systems write, each in its own way.

The seller keeps decimal text, the registrar whole numbers of the smallest unit, the bank text again
under other names. What a party's system books is what the party publishes; of two records with one
revision the first stands, a later one takes the place of all entries of the order, and what
somebody else says about an order never enters one's books.

Correcting entries come from elsewhere (`adjuster.py`), with their reason and the adjustment's id.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

import numpy as np

from tieout.connectors.books_config import BooksConfig
from tieout.demo.cast import INSTITUTIONS, Role
from tieout.demo.records import Records, presence_bit
from tieout.units.dates import format_date
from tieout.units.numbers import format_scaled
from tieout.wire.codes import Action

SCALES: Final = {"amount": 2, "fee": 2, "shares": 4, "nav": 4}
DATES: Final = ("trade_date", "settle_date")
REVISION: Final = "revision"
REASON: Final = "reason"
ADJUSTMENT: Final = "adjustment"


class Numbers(Enum):
    """How a house writes its numbers."""

    DECIMAL_TEXT = "TEXT"
    SMALLEST_UNIT = "INTEGER"


@dataclass(frozen=True, slots=True)
class House:
    """How one party keeps its books: file, table, key, and the column of each field."""

    file: str
    table: str
    key: str
    numbers: Numbers
    columns: dict[str, str]

    def config(self, folder: Path) -> BooksConfig:
        """The description of these books for the connector that reads and adjusts them."""
        return BooksConfig(
            database=str(folder / self.file),
            table=self.table,
            id_column=self.key,
            columns=self.columns,
            reason_column=REASON,
            adjustment_column=ADJUSTMENT,
            carried=(REVISION,),
        )


HOUSES: Final = {
    Role.SELLER: House(
        file="orders.sqlite",
        table="orders",
        key="order_no",
        numbers=Numbers.DECIMAL_TEXT,
        columns={
            "fund": "fund_code",
            "currency": "ccy",
            "amount": "gross_amount",
            "shares": "units",
            "nav": "price",
            "fee": "front_fee",
            "trade_date": "trade_date",
            "settle_date": "settlement_date",
            "remark": "note",
        },
    ),
    Role.REGISTRAR: House(
        file="register.sqlite",
        table="allotments",
        key="application_id",
        numbers=Numbers.SMALLEST_UNIT,
        columns={
            "fund": "fund",
            "currency": "currency",
            "amount": "application_cents",
            "shares": "shares_e4",
            "nav": "nav_e4",
            "fee": "fee_cents",
            "trade_date": "dealing_day",
            "settle_date": "settlement_day",
            "remark": "remark",
        },
    ),
    Role.BANK: House(
        file="collections.sqlite",
        table="collections",
        key="reference",
        numbers=Numbers.DECIMAL_TEXT,
        columns={
            "fund": "fund",
            "currency": "currency",
            "amount": "received",
            "fee": "of_which_fee",
            "trade_date": "order_date",
            "settle_date": "value_date",
            "remark": "text",
        },
    ),
}


class Books:
    """One party's books, as its own system writes them."""

    def __init__(self, folder: Path, role: Role) -> None:
        """Open the books in a folder; empty ones are made where there are none."""
        self.path = folder / HOUSES[role].file
        self._role = role
        self._house = house = HOUSES[role]
        self._connection = sqlite3.connect(self.path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        columns = ", ".join(
            f"{column} {house.numbers.value if field in SCALES else 'TEXT'}"
            for field, column in house.columns.items()
        )
        self._connection.execute(
            f"CREATE TABLE IF NOT EXISTS {house.table} ({house.key} TEXT NOT NULL, "
            f"{REVISION} INTEGER NOT NULL, {columns}, {REASON} TEXT, {ADJUSTMENT} TEXT) STRICT"
        )
        self._connection.execute(
            f"CREATE INDEX IF NOT EXISTS by_{house.key} ON {house.table} ({house.key})"
        )
        names = [house.key, REVISION, *house.columns.values()]
        places = ", ".join(f"?{number}" for number in range(1, len(names) + 1))
        self._insert = (
            f"INSERT INTO {house.table} ({', '.join(names)}) SELECT {places} "  # noqa: S608 - names are constants of this file
            f"WHERE NOT EXISTS (SELECT 1 FROM {house.table} WHERE {house.key} = ?1)"
        )
        self._clear = f"DELETE FROM {house.table} WHERE {house.key} = ? AND {REVISION} < ?"  # noqa: S608 - as above

    def enter(self, records: Records) -> None:
        """Book what the party's own system processed, as one transaction of the database."""
        own = records[records["party"] == INSTITUTIONS[self._role].number]
        stated = own[own["action"] == Action.STATE]
        with self._transaction():
            self._book(stated[stated["revision"] == 1])
            later = own[own["revision"] > 1]
            cleared = zip(_texts(later["id"]), later["revision"].tolist(), strict=True)
            self._connection.executemany(self._clear, cleared)
            self._book(stated[stated["revision"] > 1])

    def _book(self, stated: Records) -> None:
        columns = [_texts(stated["id"]), stated["revision"].tolist()]
        columns += [self._column(stated, field) for field in self._house.columns]
        self._connection.executemany(self._insert, zip(*columns, strict=True))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        yield
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _column(self, records: Records, field: str) -> list[Any]:
        """What this house writes for a field; None where the record leaves it blank."""
        write = self._writer(field)
        values = records[field].tolist()
        stated = (records["presence"] & np.uint64(presence_bit(field)) != 0).tolist()
        return [
            write(value) if present else None for value, present in zip(values, stated, strict=True)
        ]

    def _writer(self, field: str) -> Callable[[Any], str | int]:
        if field in DATES:
            return format_date
        if field not in SCALES:
            return bytes.decode
        if self._house.numbers is Numbers.SMALLEST_UNIT:
            return int
        scale = SCALES[field]
        return lambda value: format_scaled(value, scale)


def _texts(column: Any) -> list[str]:
    return [value.decode() for value in column.tolist()]
