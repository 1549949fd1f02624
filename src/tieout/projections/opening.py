"""Going on where a database stands: whose it is, and what is open in it."""

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tieout.projections import tables
from tieout.projections.database import POSTGRESQL, Database
from tieout.projections.errors import OtherLedger
from tieout.projections.records import AdjustmentRecord, AlarmRecord, BreakRecord
from tieout.wire.codes import OPEN_ADJUSTMENTS
from tieout.wire.genesis import Genesis

Record = TypeVar("Record")
_HASH_TEXT = "00" * 32


def begin(database: Database, genesis: Genesis) -> None:
    """Let the database be this ledger's, if it is nobody's yet. Raises OtherLedger."""
    ledger = tables.ledger
    insert = postgresql.insert if database.kind == POSTGRESQL else sqlite.insert
    own = genesis.ledger_id().hex()
    first = {
        "one": 1,
        "ledger_id": own,
        "name": genesis.name,
        "rules_version": genesis.rules_version,
        "height": 0,
        "time_us": 0,
        "log_size": 0,
        "frame_hash": _HASH_TEXT,
        "app_hash": _HASH_TEXT,
    }
    with database.writing() as connection:
        connection.execute(insert(ledger).values(first).on_conflict_do_nothing())
        stands = connection.execute(sa.select(ledger.c.ledger_id, ledger.c.name)).one()
    if stands.ledger_id != own:
        raise OtherLedger(
            f"{database.shown} has the read models of ledger '{stands.name}'",
            "give each ledger a database, or a schema, of its own",
        )


def stands_at(database: Database) -> tuple[str, int] | None:
    """Whose a database is (ledger id, hexadecimal) and its height; None while it is nobody's.

    Raises ProjectionError without tables, DatabaseAway.
    """
    ledger = tables.ledger.c
    with database.reading() as connection:
        line = connection.execute(sa.select(ledger.ledger_id, ledger.height)).first()
    return None if line is None else (line.ledger_id, line.height)


def open_lines(
    connection: sa.Connection,
) -> tuple[list[BreakRecord], list[AlarmRecord], list[AdjustmentRecord]]:
    """The breaks, alarms and adjustments that are open."""
    breaks, alarms, adjustments = tables.breaks, tables.alarms, tables.adjustments
    statuses = [status.name.lower() for status in OPEN_ADJUSTMENTS]
    entries = connection.execute(sa.select(adjustments).where(adjustments.c.status.in_(statuses)))
    return (
        list(_records(connection, BreakRecord, breaks, breaks.c.closed_height.is_(None))),
        list(_records(connection, AlarmRecord, alarms, alarms.c.cleared_height.is_(None))),
        [_adjustment(line._asdict()) for line in entries],
    )


def _records(
    connection: sa.Connection, kind: type[Record], table: sa.Table, where: Any
) -> Iterator[Record]:
    for line in connection.execute(sa.select(table).where(where).order_by(table.c.id)):
        yield kind(*line)


def _adjustment(line: dict[str, Any]) -> AdjustmentRecord:
    for name in ("approvers", "fields"):
        line[name] = msgspec.json.encode(line[name]).decode()
    return AdjustmentRecord(**line)
