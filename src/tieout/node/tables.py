"""The node's own SQLite files, from version to version.

A file says in `user_version` which form its tables have. `schema` makes whatever is not there yet,
in the newest form; `steps[n]` changes tables of version n + 1 into those of version n + 2. A file
from before versions were noted says 0, and has version 1. A file of a newer version of the software
is refused, and left as it is.
"""

import sqlite3
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from tieout.node.errors import NodeError

_PRAGMAS: Final = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "busy_timeout = 5000",
    "foreign_keys = ON",
)


def open_tables(path: Path, schema: Traversable, steps: Sequence[str]) -> sqlite3.Connection:
    """Open a file, made for its owner alone where there is none, with its tables brought up.

    The connection may be used by any thread, one at a time, and begins no transactions of its own.
    Raises NodeError when the file cannot be used.
    """
    try:
        path.touch(mode=0o600)
        connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            bring_up(connection, path, schema.read_text(encoding="utf-8"), steps)
        except BaseException:
            connection.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise NodeError(f"{path}: {error}", "mend its rights, or restore it") from error
    return connection


def version_of(path: Path) -> int | None:
    """The version that a file says; None where there is no file. Raises sqlite3.Error."""
    if not path.exists():
        return None
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def refuse_newer(path: Path, version: int, newest: int) -> None:
    """Refuse a file of a newer version than this software knows. Raises NodeError."""
    if version > newest:
        raise NodeError(
            f"{path} was changed by a newer version of Tieout ({version}; this one knows {newest})",
            "run that version, or restore a backup from before",
        )


def bring_up(connection: sqlite3.Connection, path: Path, schema: str, steps: Sequence[str]) -> None:
    """Bring the tables of an open file to the newest version, all or nothing.

    `connection` begins no transactions of its own. Raises NodeError for a newer file, and
    sqlite3.Error.
    """
    newest = 1 + len(steps)
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        refuse_newer(path, version, newest)
        is_new = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
        for step in () if is_new else steps[max(version, 1) - 1 :]:
            _run(connection, step)
        _run(connection, schema)
        if version != newest:
            connection.execute(f"PRAGMA user_version = {newest:d}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _run(connection: sqlite3.Connection, script: str) -> None:
    """Carry out statements one by one: `executescript` would end the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
