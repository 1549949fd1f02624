"""Changes into the database: one transaction, and only onto the very block they go on from.

The first statement moves the ledger's line from the old height to the new one. It finds no line
when another follower was quicker, or when the commit whose answer got lost went through after all;
so nothing is ever written twice, whoever tries.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import sqlalchemy as sa

from tieout.projections import tables
from tieout.projections.changes import Changes, Line
from tieout.projections.database import POSTGRESQL, Database
from tieout.projections.errors import Outrun

_KEPT: Final = {
    "transactions": {"opened_height", "opened_us"},
    "agreements": {"enacted_height", "enacted_us"},
}
"""What the first line of a key says stays."""
_ONCE: Final = {"blocks", "batches", "operations", "events", "confirmations", "cutoffs"}
"""Tables whose lines are written once and never change."""
_COPY_FROM: Final = 64
"""So many lines are worth a COPY, which takes several round trips."""


def write(database: Database, changes: Changes) -> None:
    """Write changes, all or nothing. Raises DatabaseAway, and Outrun when they are not the next."""
    ledger = tables.ledger
    with database.writing(again=True) as connection:
        moved = connection.execute(
            sa.update(ledger)
            .where(ledger.c.height == changes.from_height)
            .values(
                height=changes.height,
                time_us=changes.time_us,
                log_size=changes.log_size,
                frame_hash=changes.frame_hash,
                app_hash=changes.app_hash,
            )
        )
        if moved.rowcount != 1:
            raise Outrun(f"the database does not stand at block {changes.from_height}")
        for name, lines in changes.lines.items():
            table = tables.READ_MODEL.tables[name]
            if name in changes.replaced:
                connection.execute(sa.delete(table))
            if lines:
                _put(connection, database.kind, table, lines)


def _put(connection: sa.Connection, kind: str, table: sa.Table, lines: Sequence[Line]) -> None:
    if kind == POSTGRESQL and len(lines) >= _COPY_FROM:
        _copy(connection, table, lines)
        return
    mark = "%s" if kind == POSTGRESQL else "?"
    connection.exec_driver_sql(_insert(table, mark), lines)


def _copy(connection: sa.Connection, table: sa.Table, lines: Sequence[Line]) -> None:
    """By PostgreSQL's COPY: straight, or beside the table where lines may take others' places."""
    target = table.name
    if table.name not in _ONCE:
        target = f"incoming_{table.name}"
        connection.exec_driver_sql(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {target} (LIKE {table.name}) ON COMMIT DROP"
        )
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN") as copy:
        for line in lines:
            copy.write_row(line)
    if target != table.name:
        connection.exec_driver_sql(_merge(table, target))


@cache
def _insert(table: sa.Table, mark: str) -> str:
    names = [column.name for column in table.columns]
    marks = ", ".join([mark] * len(names))
    into = f"INSERT INTO {table.name} ({_listed(names)})"
    return f"{into} VALUES ({marks}) {_on_conflict(table)}"


@cache
def _merge(table: sa.Table, source: str) -> str:
    names = _listed([column.name for column in table.columns])
    # Without a condition SQL would read ON CONFLICT as a part of a join.
    select = f"SELECT {names} FROM {source} WHERE true"
    return f"INSERT INTO {table.name} ({names}) {select} {_on_conflict(table)}"


def _on_conflict(table: sa.Table) -> str:
    if table.name in _ONCE:
        return ""
    keys = [column.name for column in table.primary_key.columns]
    kept = _KEPT.get(table.name, set())
    changed = [each.name for each in table.columns if each.name not in {*keys, *kept}]
    sets = ", ".join(f'"{name}" = excluded."{name}"' for name in changed)
    return f"ON CONFLICT ({_listed(keys)}) DO UPDATE SET {sets}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
