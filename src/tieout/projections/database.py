"""One database behind one URL: SQLite for one machine, PostgreSQL in production.

`sqlite:///FILE` or `postgresql://USER@HOST/NAME`. Reading sees one moment of the database from its
beginning to its end; writing is one transaction, all or nothing. What the driver says when the
database is away becomes DatabaseAway, once, here.

SQLite runs with a write-ahead log, so readers and the one writer do not wait for each other. What
is different between the two stands in this file, in `write` and in `views`, and nowhere else.
"""

import contextlib
import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import sqlalchemy as sa
from sqlalchemy import event, exc

from tieout.projections.errors import DatabaseAway, ProjectionError
from tieout.projections.limits import BUSY_S, CONNECT_S

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
_WRITES: Final = "tieout_writes"
_AGAIN, _FOR_GOOD = "again", "for good"
_LOCK_TAG: Final = b"tieout/projection/1\0"
_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    f"PRAGMA busy_timeout = {int(BUSY_S * 1000)}",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -131072",
    "PRAGMA wal_autocheckpoint = 16384",
)


class Database:
    """A database. Safe for use by several threads; close it."""

    def __init__(self, url: str) -> None:
        """Nothing is connected to yet. Raises ProjectionError for a URL of another kind."""
        try:
            parsed = sa.make_url(url)
        except exc.ArgumentError as error:
            raise ProjectionError("the database's URL cannot be read", _URL_ADVICE) from error
        kind = parsed.get_backend_name()
        has_file = parsed.database not in {None, "", ":memory:"}
        if kind not in {SQLITE, POSTGRESQL} or (kind == SQLITE and not has_file):
            raise ProjectionError(f"no database of this kind: {kind}", _URL_ADVICE)
        self.kind = kind
        self.path = Path(str(parsed.database)) if kind == SQLITE else None
        """The file of an SQLite database."""
        self.shown: str = parsed.render_as_string(hide_password=True)
        """The URL without its password."""
        driver = SQLITE if kind == SQLITE else f"{POSTGRESQL}+psycopg"
        connect: dict[str, Any] = {}
        if kind == POSTGRESQL:
            # Plans are made for the values asked for: a plan for any values misses partial indexes.
            connect = {"connect_timeout": CONNECT_S, "prepare_threshold": None}
        self._engine = sa.create_engine(
            parsed.set(drivername=driver),
            connect_args=connect,
            # A server that was started again costs nobody an error.
            pool_pre_ping=kind == POSTGRESQL,
            json_deserializer=msgspec.json.decode,
            json_serializer=lambda value: msgspec.json.encode(value).decode(),
        )
        if kind == SQLITE:
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection that sees one moment of the database. Raises DatabaseAway."""
        level = {} if self.kind == SQLITE else {"isolation_level": "REPEATABLE READ"}
        with self._wrapped(), self._engine.connect() as connection:
            yield connection.execution_options(**level)

    @contextlib.contextmanager
    def writing(self, *, again: bool = False) -> Iterator[sa.Connection]:
        """A transaction: committed at the end, rolled back by an exception. Raises DatabaseAway.

        `again`: what is written can be had again, and need not outlive a power cut.
        """
        with self._wrapped(), self._engine.connect() as connection:
            writer = connection.execution_options(**{_WRITES: _AGAIN if again else _FOR_GOOD})
            with writer.begin():
                yield writer

    @contextlib.contextmanager
    def leading(self, ledger_id: bytes) -> Iterator[bool]:
        """Whether this is the one follower of a ledger here, as long as the context lasts.

        It spares work: what two followers would write is kept apart by `write` in any case.
        """
        with self._wrapped():
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with _file_lock(self.path.with_name(self.path.name + ".follower")) as is_held:
                    yield is_held
                return
            number = hashlib.sha256(_LOCK_TAG + ledger_id).digest()[:8]
            key = int.from_bytes(number, "big", signed=True)
            alone = self._engine.execution_options(isolation_level="AUTOCOMMIT")
            with alone.connect() as connection:
                ask = sa.select(sa.func.pg_try_advisory_lock(key))
                is_held = bool(connection.execute(ask).scalar_one())
                try:
                    yield is_held
                finally:
                    # The lock is the connection's: it must not go back to the pool with it.
                    connection.invalidate()

    @contextlib.contextmanager
    def _wrapped(self) -> Iterator[None]:
        try:
            yield
        except exc.DBAPIError as error:
            if _has_no_tables(error):
                raise ProjectionError(f"{self.shown} has no tables yet", _MIGRATE) from error
            if _is_away(error):
                raise DatabaseAway(f"{self.shown}: {error.orig}", _AWAY_ADVICE) from error
            raise


_URL_ADVICE: Final = "give sqlite:///FILE or postgresql://USER@HOST/NAME"
_AWAY_ADVICE: Final = "see that the database runs and can be reached, then try again"
_MIGRATE: Final = "run `tieout projection follow`"
_UNDEFINED_TABLE: Final = "42P01"


def _has_no_tables(error: exc.DBAPIError) -> bool:
    cause = error.orig
    if isinstance(cause, sqlite3.OperationalError):
        return str(cause).startswith("no such table")
    return getattr(cause, "sqlstate", None) == _UNDEFINED_TABLE


def _is_away(error: exc.DBAPIError) -> bool:
    """Whether it is not the statement that is at fault, but where it was to be carried out."""
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) != sqlite3.SQLITE_ERROR
    away = (exc.OperationalError, exc.InterfaceError)
    return error.connection_invalidated or isinstance(error, away)


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver would begin transactions by itself, and never for reading.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma).close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    if writes is None:
        connection.exec_driver_sql("BEGIN")
        return
    # Without a sync at every commit a power cut takes the last ones, and breaks nothing.
    level = "NORMAL" if writes == _AGAIN else "FULL"
    connection.exec_driver_sql(f"PRAGMA synchronous = {level}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextlib.contextmanager
def _file_lock(path: Path) -> Iterator[bool]:
    """Whether this process, and this caller in it, holds the lock; it ends with the process."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(fd)
