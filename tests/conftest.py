"""What every test may count on: Hypothesis profiles, public sample data, a PostgreSQL server."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tieout.testing.postgres import PostgresServer, find_programs, postgres_server

ROOT = Path(__file__).resolve().parent.parent

# The usual run is the same run every time; `make soak` looks for what it has not seen yet.
settings.register_profile("house", derandomize=True, database=None, deadline=None, print_blob=True)
settings.register_profile(
    "soak",
    max_examples=int(os.environ.get("TIEOUT_SOAK_EXAMPLES", "10000")),
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The folder of public sample data; without it, the test that asks for it is skipped.

    It is TIEOUT_TEST_DATA where that is set, else ``../shared/data`` beside the project. The
    samples have licences of their own and are not part of the project.
    """
    folder = Path(os.environ.get("TIEOUT_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no sample data at {os.path.relpath(folder, ROOT)}: set TIEOUT_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here: .ci/run installs it where it can be had")
    with postgres_server(programs) as server:
        yield server
