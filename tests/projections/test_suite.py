"""The shipped suite, on both databases."""

import pytest

from tieout.projections.database import Database
from tieout.testing.readmodels import DeskSuite, ReadModelSuite


class TestSqlite(ReadModelSuite):
    @pytest.fixture
    def database(self, sqlite_database: Database) -> Database:
        return sqlite_database


@pytest.mark.slow
@pytest.mark.xdist_group("postgres")
class TestPostgres(ReadModelSuite):
    @pytest.fixture
    def database(self, postgres_database: Database) -> Database:
        return postgres_database


class TestDeskOnSqlite(DeskSuite):
    @pytest.fixture
    def database(self, sqlite_database: Database) -> Database:
        return sqlite_database


@pytest.mark.slow
@pytest.mark.xdist_group("postgres")
class TestDeskOnPostgres(DeskSuite):
    @pytest.fixture
    def database(self, postgres_database: Database) -> Database:
        return postgres_database
