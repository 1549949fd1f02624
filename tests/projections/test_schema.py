"""Migrations make what the code says, on both databases, and refuse what they do not know."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tieout.projections import tables, worktables
from tieout.projections.database import Database
from tieout.projections.errors import DatabaseAway, ProjectionError
from tieout.projections.schema import VERSION_TABLE, empty, migrate
from tieout.testing.postgres import PostgresServer


def difference(database: Database, metadata: sa.MetaData) -> list[object]:
    """What the database lacks of some tables, or has otherwise."""
    with database.reading() as connection:
        options = {
            "version_table": VERSION_TABLE,
            "include_name": lambda name, kind, _: kind != "table" or name in metadata.tables,
        }
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))


def assert_made(database: Database) -> None:
    migrate(database)
    assert difference(database, tables.READ_MODEL) == []
    assert difference(database, worktables.OWN) == []
    migrate(database)
    empty(database)


def test_sqlite(sqlite_database: Database) -> None:
    assert_made(sqlite_database)


@pytest.mark.slow
@pytest.mark.xdist_group("postgres")
def test_postgres(postgres_database: Database) -> None:
    assert_made(postgres_database)


@pytest.mark.slow
@pytest.mark.xdist_group("postgres")
def test_texts_sort_by_code_point_on_postgres_too(postgres_database: Database) -> None:
    with postgres_database.reading() as connection:
        told = connection.exec_driver_sql(
            "SELECT table_name || '.' || column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type = 'text'"
            " AND table_name NOT LIKE 'tieout%%' AND collation_name IS DISTINCT FROM 'C'"
        )
        assert [name for (name,) in told] == []


def test_tables_of_a_newer_version_are_left_alone(tmp_path: object) -> None:
    with Database(f"sqlite:///{tmp_path}/read.db") as database:
        migrate(database)
        with database.writing() as connection:
            connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
        with pytest.raises(ProjectionError, match="newer version"):
            migrate(database)


@pytest.mark.parametrize("url", ["", "read.db", "mysql://x/y", "sqlite://", "sqlite:///:memory:"])
def test_another_url_is_refused_with_what_would_do(url: str) -> None:
    with pytest.raises(ProjectionError) as caught:
        Database(url)
    assert "sqlite:///FILE" in caught.value.advice


def test_a_password_is_never_told(postgres: PostgresServer) -> None:
    url = postgres.url("nobody's").replace("tester@", "tester:hush@")
    with Database(url) as database, pytest.raises(DatabaseAway) as caught:
        migrate(database)
    assert "hush" not in str(caught.value)
    assert "hush" not in database.shown
