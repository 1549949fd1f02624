"""`tieout projection`: read models kept up with a ledger, made anew, and looked at."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from tieout.cli.guarding import guarded
from tieout.cli.outcome import Failure, Outcome
from tieout.cli.output import print_json, say
from tieout.cli.places import DEFAULT_LEDGER, Ledger
from tieout.cli.progress import Progress
from tieout.units.dates import format_seconds

if TYPE_CHECKING:
    from tieout.projections.database import Database
    from tieout.projections.follower import Follower, Lag

Flag = Annotated[bool, Parameter(negative="")]
Url = Annotated[str | None, Parameter(env_var="TIEOUT_DATABASE")]
READ_MODELS: Final = "read-models.sqlite"
"""The file in the ledger's directory, where no other database is named."""
NICENESS: Final = 5
"""What is prepared for readers waits for what is judged."""
SAY_EVERY_S: Final = 5.0


def follow(*, ledger: Ledger = DEFAULT_LEDGER, database: Url = None, once: Flag = False) -> int:
    """Keep read models up with a ledger until SIGINT or SIGTERM.

    Parameters
    ----------
    ledger
        The ledger's directory; a node of it may run.
    database
        The database's URL: sqlite:///FILE or postgresql://USER@HOST/NAME. Without it, the file
        `read-models.sqlite` in the ledger's directory.
    once
        End when everything that is durable now is in the database.

    """
    with _follower(ledger, database) as (follower, opened):
        if once:
            from tieout.projections.schema import migrate

            guarded(lambda: migrate(opened))
            _catch_up(follower, "folding")
            say(_told(follower.lag()))
            return Outcome.COMPLETE
        return _follow(follower, opened.shown)


def _follow(follower: "Follower", shown: str) -> int:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            follower.run()
        except Exception as error:  # noqa: BLE001 - carried into the thread that speaks
            failures.append(error)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: follower.stop())
    os.nice(NICENESS)
    say(f"following into {shown}; Ctrl-C ends it")
    thread = threading.Thread(target=run, name="follower")
    thread.start()
    before = ""
    while thread.is_alive():
        thread.join(SAY_EVERY_S)
        what = str(follower.failure) if follower.failure else _told(follower.lag())
        if what != before:
            say(what)
            before = what
    if failures:
        error = failures[0]

        def raise_it() -> None:
            raise error

        guarded(raise_it)
    return Outcome.COMPLETE


def rebuild(*, ledger: Ledger = DEFAULT_LEDGER, database: Url = None) -> int:
    """Forget read models, and fold the whole ledger anew; a node's own tables stay.

    Parameters
    ----------
    ledger
        The ledger's directory.
    database
        The database's URL; without it, `read-models.sqlite` in the ledger's directory.

    """
    from tieout.projections.schema import empty, migrate

    with _follower(ledger, database) as (follower, opened):
        guarded(lambda: migrate(opened))
        with guarded(lambda: opened.leading(follower.ledger_id)) as leads:
            guarded(lambda: empty(opened))
            if not leads:
                say("emptied; the follower that is at work folds everything anew")
                return Outcome.COMPLETE
            _catch_up(follower, "folding anew")
        say(_told(follower.lag()))
    return Outcome.COMPLETE


def status(*, ledger: Ledger = DEFAULT_LEDGER, database: Url = None, json: Flag = False) -> int:
    """Say how far read models are behind. Exit code 1 while they are.

    Parameters
    ----------
    ledger
        The ledger's directory.
    database
        The database's URL; without it, `read-models.sqlite` in the ledger's directory.
    json
        Print it as JSON.

    """
    from tieout.projections.reader import Reader

    with _follower(ledger, database) as (follower, opened):
        if opened.path is not None and not opened.path.exists():
            raise Failure(f"there is no {opened.path}", "run `tieout projection follow`")
        stands = guarded(lambda: Reader(opened).standing())
        lag = follower.lag_of(stands.height, stands.time_us)
        shown = opened.shown
    if json:
        told = {"height": lag.height, "blocks_behind": lag.blocks, "behind_us": lag.behind_us}
        print_json({"ledger": stands.name, "database": shown, **told})
    else:
        say(_told(lag))
    return Outcome.INCOMPLETE if lag.blocks else Outcome.COMPLETE


@contextmanager
def _follower(ledger: Path, url: str | None) -> Iterator[tuple["Follower", "Database"]]:
    from tieout.engines.embedded.ledger import read_genesis
    from tieout.engines.embedded.places import JOURNAL
    from tieout.journal.journal import Journal

    try:
        from tieout.projections.database import Database
        from tieout.projections.follower import Follower
    except ModuleNotFoundError as error:
        what = f"read models need the package {error.name}"
        raise Failure(what, "install tieout[node], which brings it") from error
    genesis = guarded(lambda: read_genesis(ledger))
    place = url or f"sqlite:///{ledger / READ_MODELS}"
    with (
        guarded(lambda: Database(place)) as database,
        guarded(
            lambda: Journal.open(ledger / JOURNAL, genesis.ledger_id(), read_only=True)
        ) as journal,
    ):
        yield Follower(journal, genesis, database), database


def _catch_up(follower: "Follower", what: str) -> None:
    with Progress(what, follower.lag().blocks) as bar:
        guarded(lambda: follower.catch_up(lambda height, _of: bar.reach(height)))


def _told(lag: "Lag") -> str:
    if lag.blocks == 0:
        return f"as of block {lag.height:,}, nothing is behind"
    behind = format_seconds(lag.behind_us)
    return f"as of block {lag.height:,}, {lag.blocks:,} blocks ({behind} s) behind"
