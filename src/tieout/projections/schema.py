"""The tables in a database: made and changed by migrations, and emptied for a rebuild."""

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from tieout.projections import tables
from tieout.projections.database import POSTGRESQL, Database
from tieout.projections.errors import ProjectionError
from tieout.projections.views import create_views, drop_views

VERSION_TABLE: Final = "tieout_schema"
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_MIGRATION_LOCK: Final = 0x7469656F75744D31
"""One process changes the tables of a PostgreSQL database at a time: "tieoutM1"."""


def all_tables() -> list[sa.MetaData]:
    """Everything that migrations make."""
    return [tables.READ_MODEL]


def migrate(database: Database) -> None:
    """Bring the tables of a database to this version of the software; nothing where they are.

    Raises ProjectionError when a newer version of the software has changed them, DatabaseAway.
    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    if database.path is not None:
        database.path.parent.mkdir(parents=True, exist_ok=True)
    with database.writing() as connection:
        if database.kind == POSTGRESQL:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        stands = context.get_current_revision()
        if stands == head:
            return
        known = {script.revision for script in scripts.walk_revisions()}
        if stands is not None and stands not in known:
            raise ProjectionError(
                f"{database.shown} was changed by a newer version of Tieout ({stands})",
                "run that version, or take another database",
            )
        drop_views(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        create_views(connection)


def revision(database: Database) -> str | None:
    """Which migration the tables of a database have; None without any. Raises DatabaseAway."""
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        return context.get_current_revision()


def remake_read_models(connection: sa.Connection) -> None:
    """For migrations: drop the read models and make them as they are now, empty."""
    tables.READ_MODEL.drop_all(connection)
    tables.READ_MODEL.create_all(connection)


def empty(database: Database) -> None:
    """Forget the read models, so that they are folded anew; a node's own tables stay."""
    emptied = reversed(tables.READ_MODEL.sorted_tables)
    with database.writing() as connection:
        if database.kind == POSTGRESQL:
            names = ", ".join(table.name for table in emptied)
            connection.exec_driver_sql(f"TRUNCATE {names}")
            return
        for table in emptied:
            connection.execute(sa.delete(table))
