"""Databases for the tests of read models."""

from collections.abc import Iterator

import pytest

from tieout.projections.database import Database
from tieout.projections.schema import migrate
from tieout.testing.postgres import PostgresServer, find_programs, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here: .ci/run installs it where it can be had")
    with postgres_server(programs) as server:
        yield server


@pytest.fixture(scope="module")
def sqlite_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with Database(f"sqlite:///{tmp_path_factory.mktemp('sqlite')}/read.db") as database:
        migrate(database)
        yield database


@pytest.fixture(scope="module")
def postgres_database(postgres: PostgresServer) -> Iterator[Database]:
    with Database(postgres.new_database()) as database:
        migrate(database)
        yield database
