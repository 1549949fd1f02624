"""Followers in earnest: killed, without a database, and two of them at once."""

import contextlib
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tieout.journal.journal import Journal
from tieout.projections.database import Database
from tieout.projections.follower import Follower
from tieout.projections.limits import POLL_S
from tieout.projections.reader import Reader
from tieout.projections.schema import empty, migrate
from tieout.testing.histories import tell
from tieout.testing.postgres import PostgresServer
from tieout.testing.readmodels import DAY, Kept, content, kept

WAIT_S = 60.0
FOLLOW = """
import sys
from pathlib import Path
from tieout.journal.journal import Journal
from tieout.projections.database import Database
from tieout.projections.follower import Follower
from tieout.projections.schema import migrate
from tieout.wire.genesis import parse_genesis
genesis = parse_genesis(bytes.fromhex(sys.argv[2]))
with Database(sys.argv[3]) as database:
    migrate(database)
    with Journal.open(Path(sys.argv[1]), genesis.ledger_id(), read_only=True) as journal:
        follower = Follower(journal, genesis, database, chunk_changes=1)
        follower.catch_up(lambda height, of: print(height, flush=True))
"""


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(POLL_S / 5)


@contextlib.contextmanager
def running(follower: Follower) -> Iterator[None]:
    thread = threading.Thread(target=follower.run)
    thread.start()
    try:
        yield
    finally:
        follower.stop()
        thread.join(WAIT_S)
        assert not thread.is_alive()


def height(database: Database) -> int:
    return Reader(database).standing().height


def expected(ledger: Kept, database: Database) -> dict[str, list[object]]:
    """The content after one fold of everything."""
    empty(database)
    ledger.follower(database).catch_up()
    return content(database)


def test_killed_at_any_moment_it_goes_on(tmp_path: Path) -> None:
    chance = random.Random(3)
    url = f"sqlite:///{tmp_path}/read.db"
    with kept(tell(DAY)) as ledger, Database(url) as database:
        for _ in ledger.blocks():
            pass
        genesis = ledger.history.genesis.to_bytes().hex()
        command = [sys.executable, "-c", FOLLOW, str(ledger.journal.directory), genesis, url]
        kills = 0
        for blocks in (1, 3, 3):
            with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                for _ in range(blocks):
                    process.stdout.readline()
                time.sleep(chance.random() * 0.02)
                process.kill()
            kills += process.returncode == -signal.SIGKILL
        between = height(database)
        ledger.follower(database).catch_up()
        told = content(database)
        assert told == expected(ledger, database)
        assert (kills > 0, between > 0) == (True, True)


@pytest.mark.slow
@pytest.mark.xdist_group("postgres")
def test_it_waits_while_the_database_is_away(postgres: PostgresServer) -> None:
    with kept(tell(DAY)) as ledger, Database(postgres.new_database()) as database:
        blocks = ledger.blocks()
        follower = ledger.follower(database)
        with running(follower):
            next(blocks)
            follower.nudge()
            until(lambda: follower.lag().height == 1)
            postgres.stop(at_once=True)
            try:
                last = list(blocks)[-1]
                until(lambda: follower.failure is not None)
                assert follower.lag().blocks == last - 1
            finally:
                postgres.start()
            until(lambda: follower.lag().blocks == 0)
            assert follower.failure is None
        told = content(database)
        assert told == expected(ledger, database)


@pytest.mark.parametrize(
    "kind",
    [
        "sqlite",
        pytest.param("postgres", marks=[pytest.mark.slow, pytest.mark.xdist_group("postgres")]),
    ],
)
def test_of_two_one_leads_and_the_other_takes_over(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/read.db"
    if kind == "postgres":
        url = request.getfixturevalue("postgres").new_database()
    with kept(tell(DAY)) as ledger, Database(url) as one, Database(url) as other:
        blocks = ledger.blocks()
        first, second = ledger.follower(one), ledger.follower(other)
        with running(second):
            with running(first):
                for _ in range(6):
                    last = next(blocks)
                    until(lambda: max(first.lag().height, second.lag().height) == last)  # noqa: B023
                assert 0 in {first.lag().height, second.lag().height}
            for last in blocks:
                until(lambda: second.lag().height == last)  # noqa: B023
        told = content(one)
        assert told == expected(ledger, one)


def test_another_process_s_blocks_are_followed(tmp_path: Path) -> None:
    """A journal that is opened to be read only, while another one writes it."""
    with kept(tell(DAY)) as ledger, Database(f"sqlite:///{tmp_path}/read.db") as database:
        migrate(database)
        blocks = ledger.blocks()
        next(blocks)
        genesis = ledger.history.genesis
        folder = ledger.journal.directory
        with Journal.open(folder, genesis.ledger_id(), read_only=True) as journal:
            follower = Follower(journal, genesis, database)
            with running(follower):
                for last in blocks:
                    until(lambda: height_or_none(database) == last)  # noqa: B023


def height_or_none(database: Database) -> int | None:
    from tieout.projections.errors import ProjectionError

    try:
        return height(database)
    except ProjectionError:
        return None


def test_emptied_by_another_it_folds_everything_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tieout.projections.follower.LOOK_S", 0.0)
    with kept(tell(DAY)) as ledger, Database(f"sqlite:///{tmp_path}/read.db") as database:
        for _ in ledger.blocks():
            pass
        follower = ledger.follower(database)
        with running(follower):
            until(lambda: follower.lag().height > 0)
            empty(database)
            until(lambda: height_or_none(database) == ledger.state.height)
