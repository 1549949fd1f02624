"""docs/views.md names every view and every column, and both databases have exactly those."""

import re

import pytest

from tests.conftest import ROOT
from tieout.projections.database import Database
from tieout.projections.views import VIEWS
from tieout.testing.histories import tell
from tieout.testing.readmodels import kept

MANUAL = (ROOT / "docs" / "views.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^## `(tieout_\w+)`\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
COLUMN = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \|", re.MULTILINE)
QUERY = re.compile(r"^```sql\n(.*?)^```", re.MULTILINE | re.DOTALL)


def described() -> dict[str, list[str]]:
    return {
        name: [word for row in COLUMN.findall(text) for word in re.findall(r"`(\w+)`", row)]
        for name, text in SECTION.findall(MANUAL)
    }


@pytest.fixture(
    params=[
        "sqlite_database",
        pytest.param(
            "postgres_database", marks=[pytest.mark.slow, pytest.mark.xdist_group("postgres")]
        ),
    ]
)
def database(request: pytest.FixtureRequest) -> Database:
    found: Database = request.getfixturevalue(request.param)
    return found


def test_every_view_has_the_columns_that_the_manual_names(database: Database) -> None:
    with database.reading() as connection:
        found = {
            name: list(connection.exec_driver_sql(f"SELECT * FROM {name} WHERE 1 = 0").keys())
            for name in VIEWS
        }
    assert found == described()


def test_views_tell_a_history_alike_and_the_manual_s_queries_run(database: Database) -> None:
    history = tell(bytes(range(256)) * 4)
    with kept(history) as ledger:
        for _ in ledger.blocks():
            pass
        ledger.follower(database).catch_up()
    with database.reading() as connection:

        def count(what: str) -> int:
            found: int = connection.exec_driver_sql(f"SELECT count(*) FROM {what}").scalar_one()
            return found

        pairs = {
            "tieout_transactions": "transactions",
            "tieout_records": "standing_records",
            "tieout_breaks": "breaks",
            "tieout_alarms": "alarms",
            "tieout_adjustments": "adjustments",
            "tieout_agreements": "agreements",
            "tieout_cutoffs": "cutoffs",
            "tieout_batches": "batches",
            "tieout_events": "events",
            "tieout_standing": "ledger",
        }
        assert {view: count(view) for view in pairs} == {
            view: count(table) for view, table in pairs.items()
        }
        as_of = connection.exec_driver_sql("SELECT as_of FROM tieout_standing").scalar_one()
        time_us = history.blocks[-1].time_us
        assert as_of.endswith(f".{time_us % 1_000_000:06d}Z")
        for query in QUERY.findall(MANUAL):
            assert connection.exec_driver_sql(query).keys() == [
                "agreement",
                "field",
                "currency",
                "breaks",
                "total",
            ]
