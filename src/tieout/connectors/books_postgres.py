"""Books in PostgreSQL, by psycopg: entries in the order of a column that numbers them.

`text` and `varchar` hold digits and a point, `smallint`, `integer` and `bigint` the value ×
10**scale, `numeric` the value; `date` and `timestamptz` hold dates and times. Everything crosses
the border as text or as an integer, so that nothing is ever a binary fraction.

A posting takes the table for itself against other writers (SHARE ROW EXCLUSIVE): readers go on, and
whoever writes waits some milliseconds. A password stands in a password file, or wherever else
libpq looks, rather than in the URL.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict

from tieout.agreement.model import Agreement
from tieout.connectors.books import Books, Cell, ColumnType, Entry
from tieout.connectors.books_config import POSTINGS_TABLE, BooksConfig
from tieout.connectors.errors import BooksError

_WAIT_S: Final = 5
"""How long a lock, and a connection, is waited for."""
_STATEMENT_S: Final = 60
"""How long a statement may take: one transaction's entries are few, and found by an index."""
_PATIENCE: Final = {
    "connect_timeout": _WAIT_S,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""So that a server that vanished is noticed within about a minute."""
_TYPES: Final = {
    "text": ColumnType.TEXT,
    "character varying": ColumnType.TEXT,
    "smallint": ColumnType.INTEGER,
    "integer": ColumnType.INTEGER,
    "bigint": ColumnType.INTEGER,
    "numeric": ColumnType.DECIMAL,
    "date": ColumnType.DATE,
    "timestamp with time zone": ColumnType.TIME,
}
_AS_TEXT: Final = {
    ColumnType.TIME: "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
    ColumnType.DATE: "to_char({}, 'YYYY-MM-DD')",
    ColumnType.DECIMAL: "{}::text",
}
"""How a column is asked for, so that its value is exact text."""
_CREATE_POSTINGS: Final = f"""
    CREATE TABLE IF NOT EXISTS {POSTINGS_TABLE} (
        adjustment_id text PRIMARY KEY,
        transaction_id text NOT NULL,
        manner text NOT NULL,
        changes text NOT NULL,
        reason text NOT NULL,
        posted_us bigint NOT NULL
    )"""
_COLUMNS: Final = """
    SELECT a.attname, format_type(a.atttypid, NULL), format_type(a.atttypid, a.atttypmod)
    FROM pg_attribute a
    WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum"""


class PostgresBooks(Books):
    """Books in PostgreSQL; see Books."""

    def __init__(self, config: BooksConfig, agreement: Agreement, role: int) -> None:
        store = PostgresStore(config)
        try:
            super().__init__(config, agreement, role, store)
        except BooksError:
            store.close()
            raise


class PostgresStore:
    """Entries in PostgreSQL; see Store. A lost connection is made anew by the next call."""

    def __init__(self, config: BooksConfig) -> None:
        """Raises BooksError when the database cannot be reached."""
        self._config = config
        self._table = sql.Identifier(*config.table.split("."))
        self._open: psycopg.Connection[tuple[Any, ...]] | None = None
        self._types: dict[str, ColumnType] = {}
        self._casts: dict[str, sql.Composable] = {}

    def close(self) -> None:
        """Close the connection."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def column_types(self) -> dict[str, tuple[ColumnType, str]]:
        """The columns of the table; see Store."""
        with self._wrapped() as connection:
            found = connection.execute(_COLUMNS, (self._table.as_string(connection),)).fetchall()
        self._types = {str(name): _TYPES.get(kind, ColumnType.OTHER) for name, kind, _ in found}
        self._casts = {
            str(name): sql.SQL("%s::text::" + kind)
            for name, kind, _ in found
            if self._types[name] in _AS_TEXT
        }
        return {str(name): (self._types[name], str(full)) for name, _, full in found}

    def entries(self, transaction_id: str, columns: Sequence[str]) -> list[Entry]:
        """Entries by their number; see Store."""
        query = sql.SQL("SELECT {} FROM {} WHERE {} = %s ORDER BY {}").format(
            sql.SQL(", ").join([sql.Identifier(self._order), *map(self._asked, columns)]),
            self._table,
            sql.Identifier(self._config.id_column),
            sql.Identifier(self._order),
        )
        with self._wrapped() as connection:
            found = connection.execute(query, (transaction_id,)).fetchall()
        return [(number, cells) for number, *cells in found]

    def append(self, row: dict[str, Cell], carried: Sequence[str], last: object) -> None:
        """Add an entry; see Store. Its number is the table's to give."""
        copied = [sql.Identifier(name) for name in carried]
        query = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} WHERE {} = %s").format(
            self._table,
            sql.SQL(", ").join([*map(sql.Identifier, row), *copied]),
            sql.SQL(", ").join([*map(self._given, row), *copied]),
            self._table,
            sql.Identifier(self._order),
        )
        with self._wrapped() as connection:
            connection.execute(query, (*row.values(), last))

    def overwrite(self, row: dict[str, Cell], last: object) -> None:
        """Change an entry; see Store."""
        settings = [
            sql.SQL("{} = {}").format(sql.Identifier(name), self._given(name)) for name in row
        ]
        query = sql.SQL("UPDATE {} SET {} WHERE {} = %s").format(
            self._table, sql.SQL(", ").join(settings), sql.Identifier(self._order)
        )
        with self._wrapped() as connection:
            connection.execute(query, (*row.values(), last))

    def posting(self, adjustment_id: str) -> tuple[str, str] | None:
        """What was posted under an id; see Store."""
        query = f"SELECT transaction_id, changes FROM {POSTINGS_TABLE} WHERE adjustment_id = %s"  # noqa: S608 - fixed name
        with self._wrapped() as connection:
            found = connection.execute(query, (adjustment_id,)).fetchone()
        return None if found is None else (found[0], found[1])

    def note(self, values: tuple[str, str, str, str, str, int]) -> None:
        """Note a posting; see Store."""
        query = f"INSERT INTO {POSTINGS_TABLE} VALUES (%s, %s, %s, %s, %s, %s)"  # noqa: S608 - fixed name
        with self._wrapped() as connection:
            connection.execute(query, values)

    @contextmanager
    def posting_to(self) -> Iterator[None]:
        """Keep other writers out; see Store."""
        with self._wrapped() as connection:
            connection.execute(_CREATE_POSTINGS)
            connection.execute("BEGIN")
        try:
            with self._wrapped():
                connection.execute(
                    sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(self._table)
                )
            yield
            self._commit(connection)
        except BaseException:
            self._give_up(connection)
            raise

    def _commit(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        """Commit; what fails in this may have happened nevertheless."""
        try:
            connection.execute("COMMIT")
        except psycopg.Error as error:
            remedy = "nobody knows whether this was posted; post it again, that does no harm"
            raise BooksError(f"the books: {_told(error)}: {remedy}", retry=True) from error

    def _give_up(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        try:
            connection.execute("ROLLBACK")
        except psycopg.Error:
            self.close()  # the server undoes what a lost connection had begun

    @property
    def _order(self) -> str:
        """The column that numbers entries; the description was refused without one."""
        return str(self._config.order_column)

    def _asked(self, column: str) -> sql.Composable:
        form = _AS_TEXT.get(self._types[column], "{}")
        return sql.SQL(form).format(sql.Identifier(column))

    def _given(self, column: str) -> sql.Composable:
        """A placeholder for a value of a column: text that the database reads as its own type."""
        return self._casts.get(column, sql.SQL("%s"))

    @contextmanager
    def _wrapped(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """The connection; what it raises becomes a BooksError, once."""
        try:
            if self._open is None or self._open.closed:
                self._open = _connected(self._config.database)
            yield self._open
        except psycopg.Error as error:
            away = isinstance(error, psycopg.OperationalError | errors.LockNotAvailable)
            remedy = ": try again" if away else ""
            raise BooksError(f"the books: {_told(error)}{remedy}", retry=away) from error


def _connected(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection on which nothing is waited for without end; what the URL says counts more."""
    limits: dict[str, Any] = {**_PATIENCE, **conninfo_to_dict(url)}
    connection = psycopg.connect(autocommit=True, **limits)
    try:
        connection.execute(f"SET lock_timeout = '{_WAIT_S}s'")
        connection.execute(f"SET statement_timeout = '{_STATEMENT_S}s'")
    except BaseException:
        connection.close()
        raise
    return connection


def _told(error: psycopg.Error) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
