"""Books in SQLite: a file, whose entries are in the order of their rowid.

SQLite keeps what it is given in a column of affinity TEXT or INTEGER, and turns amounts into binary
fractions in any other.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tieout.agreement.model import Agreement
from tieout.connectors.books import Books, Cell, ColumnType, Entry
from tieout.connectors.books_config import POSTINGS_TABLE, BooksConfig
from tieout.connectors.errors import BooksError

_ROWID: Final = "_rowid_"
_BUSY: Final = sqlite3.SQLITE_BUSY
_LOCKED: Final = sqlite3.SQLITE_LOCKED
_AWAY: Final = (
    *(_BUSY, _LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR),
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL),
)
"""Result codes that say something of the machine, and nothing of what was asked for."""
_BUSY_MS: Final = 5_000
_CREATE_POSTINGS: Final = f"""
    CREATE TABLE IF NOT EXISTS {POSTINGS_TABLE} (
        adjustment_id TEXT PRIMARY KEY,
        transaction_id TEXT NOT NULL,
        manner TEXT NOT NULL,
        changes TEXT NOT NULL,
        reason TEXT NOT NULL,
        posted_us INTEGER NOT NULL
    )"""


class SqliteBooks(Books):
    """Books in SQLite; see Books. `connection` instead of the file that the description names."""

    def __init__(
        self,
        config: BooksConfig,
        agreement: Agreement,
        role: int,
        connection: sqlite3.Connection | None = None,
    ) -> None:
        store = SqliteStore(config, connection)
        try:
            super().__init__(config, agreement, role, store)
        except BooksError:
            if connection is None:
                store.close()
            raise


class SqliteStore:
    """Entries in SQLite; see Store. The file must be there."""

    def __init__(self, config: BooksConfig, connection: sqlite3.Connection | None) -> None:
        """Raises BooksError."""
        self._config = config
        with _wrapped():
            self._connection = connection or _open(config.database)
            self._connection.isolation_level = None
            self._connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            self._connection.execute("PRAGMA synchronous = FULL")

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def column_types(self) -> dict[str, tuple[ColumnType, str]]:
        """Columns and their affinities (sqlite.org/datatype3.html, 3.1); see Store."""
        with _wrapped():
            table = _quoted(self._config.table)
            declared = self._connection.execute(f"PRAGMA table_info({table})").fetchall()
        return {str(name): _affinity(str(kind)) for _, name, kind, *_ in declared}

    def entries(self, transaction_id: str, columns: Sequence[str]) -> list[Entry]:
        """Entries by rowid; see Store."""
        names = ", ".join([_ROWID, *map(_quoted, columns)])
        table, key = _quoted(self._config.table), _quoted(self._config.id_column)
        query = f"SELECT {names} FROM {table} WHERE {key} = ? ORDER BY {_ROWID}"  # noqa: S608 - names are quoted
        with _wrapped():
            found = self._connection.execute(query, (transaction_id,)).fetchall()
        return [(number, cells) for number, *cells in found]

    def append(self, row: dict[str, Cell], carried: Sequence[str], last: object) -> None:
        """Add an entry; see Store."""
        table = _quoted(self._config.table)
        copied = [_quoted(name) for name in carried]
        names = ", ".join([*map(_quoted, row), *copied])
        cells = ", ".join(["?"] * len(row) + copied)
        source = f"SELECT {cells} FROM {table} WHERE {_ROWID} = ?"  # noqa: S608 - names are quoted
        with _wrapped():
            self._connection.execute(
                f"INSERT INTO {table} ({names}) {source}",
                (*row.values(), last),
            )

    def overwrite(self, row: dict[str, Cell], last: object) -> None:
        """Change an entry; see Store."""
        settings = ", ".join(f"{_quoted(name)} = ?" for name in row)
        with _wrapped():
            self._connection.execute(
                f"UPDATE {_quoted(self._config.table)} SET {settings} WHERE {_ROWID} = ?",  # noqa: S608 - names are quoted
                (*row.values(), last),
            )

    def posting(self, adjustment_id: str) -> tuple[str, str] | None:
        """What was posted under an id; see Store."""
        query = f"SELECT transaction_id, changes FROM {POSTINGS_TABLE} WHERE adjustment_id = ?"  # noqa: S608 - fixed name
        with _wrapped():
            found = self._connection.execute(query, (adjustment_id,)).fetchone()
        return None if found is None else (found[0], found[1])

    def note(self, values: tuple[str, str, str, str, str, int]) -> None:
        """Note a posting; see Store."""
        with _wrapped():
            self._connection.execute(
                f"INSERT INTO {POSTINGS_TABLE} VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608 - fixed name
                values,
            )

    @contextmanager
    def posting_to(self) -> Iterator[None]:
        """Hold the database for writing; see Store."""
        with _wrapped():
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            with _wrapped():
                self._connection.execute(_CREATE_POSTINGS)
            yield
            self._commit()
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _commit(self) -> None:
        """Commit; what fails in this may have happened nevertheless."""
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            remedy = "nobody knows whether this was posted; post it again, that does no harm"
            raise BooksError(f"the books: {error}: {remedy}", retry=True) from error


def _open(database: str) -> sqlite3.Connection:
    if not Path(database).is_file():
        raise BooksError(f"there is no database {database!r}")
    return sqlite3.connect(database)


@contextmanager
def _wrapped() -> Iterator[None]:
    """Turn what SQLite raises into a BooksError, once."""
    try:
        yield
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        remedy = ": somebody else is writing, try again" if code in (_BUSY, _LOCKED) else ""
        raise BooksError(f"the books: {error}{remedy}", retry=code in _AWAY) from error
    except sqlite3.Error as error:
        raise BooksError(f"the books: {error}") from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _affinity(declared: str) -> tuple[ColumnType, str]:
    kind = declared.upper()
    if "INT" in kind:
        return ColumnType.INTEGER, "INTEGER"
    if any(part in kind for part in ("CHAR", "CLOB", "TEXT")):
        return ColumnType.TEXT, "TEXT"
    if not kind or "BLOB" in kind:
        return ColumnType.OTHER, "BLOB"
    is_real = any(part in kind for part in ("REAL", "FLOA", "DOUB"))
    return ColumnType.OTHER, "REAL" if is_real else "NUMERIC"
