"""The follower: the journal into the database, block after block, for as long as it is let.

The problem: readers are to see each block soon, and the ledger must not notice. The model: a thread
or a process of its own reads durable blocks, folds them, and writes a chunk of them as soon as the
chunk is full or no block is left. It holds the ledger up by nothing but what it reads; while the
database is away it waits, longer each time, and goes on.

Where it stands is in the database alone. A follower that starts there takes the newest snapshot of
the ledger's state that is not newer, and replays what lies between; without one it replays from the
beginning. Several followers of one database do no harm: one leads, the others wait to take over.

What is not here: who else wants to know of a block (`Journal.durable` is for everybody).
"""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from tieout import kernel
from tieout.journal.errors import JournalDamaged, NoSuchBlock
from tieout.journal.journal import Journal
from tieout.projections import tables
from tieout.projections.changes import Changes
from tieout.projections.database import Database
from tieout.projections.errors import DatabaseAway, OtherLedger, Outrun, ProjectionError
from tieout.projections.fold import Fold
from tieout.projections.limits import (
    CHUNK_CHANGES,
    FIRST_WAIT_S,
    LONGEST_WAIT_S,
    LOOK_S,
    PACE_S,
    POLL_S,
    STANDBY_S,
)
from tieout.projections.opening import begin, open_lines
from tieout.projections.schema import migrate
from tieout.projections.write import write
from tieout.wire.genesis import Genesis

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a read model is behind: in blocks, and in the ledger's own time."""

    height: int
    blocks: int
    behind_us: int


class Follower:
    """Folds one ledger into one database. One thread at a time; `nudge` and `stop` from any."""

    def __init__(
        self,
        journal: Journal,
        genesis: Genesis,
        database: Database,
        *,
        chunk_changes: int = CHUNK_CHANGES,
    ) -> None:
        """The journal may be the one an engine writes, or one opened to be read only."""
        self._chunk_changes = chunk_changes
        self._journal = journal
        self._genesis = genesis
        self._database = database
        self._fold: Fold | None = None
        self._pending: Changes | None = None
        self._height = 0
        self._time_us = 0
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self.failure: DatabaseAway | None = None
        """Why nothing is written at the moment; None while all is well."""

    # ------------------------------------------------------------------ from any thread

    def nudge(self) -> None:
        """Say that there is a new block; else it is found a little later."""
        self._wake.set()

    def stop(self) -> None:
        """Let `run` end after the chunk in hand."""
        self._stopped.set()
        self._wake.set()

    def lag(self) -> Lag:
        """How far behind what is durable the database is, as far as this follower has seen it."""
        return self.lag_of(self._height, self._time_us)

    def lag_of(self, height: int, time_us: int) -> Lag:
        """How far behind what is durable a database is that stands at a block of that time."""
        durable = self._journal.durable
        blocks = max(0, durable.height - height)
        behind_us = max(0, durable.time_us - time_us) if blocks and height else 0
        return Lag(height, blocks, behind_us)

    @property
    def ledger_id(self) -> bytes:
        """Which ledger it follows."""
        return self._genesis.ledger_id()

    # ------------------------------------------------------------------ one thread

    def run(self) -> None:
        """Follow until `stop`; waits while another follower leads, or the database is away.

        Raises OtherLedger, JournalDamaged and ProjectionError for what waiting does not mend.
        """
        wait_s = FIRST_WAIT_S
        while not self._stopped.is_set():
            try:
                with self._database.leading(self._genesis.ledger_id()) as leads:
                    if not leads:
                        self._stopped.wait(STANDBY_S)
                        continue
                    migrate(self._database)
                    looked_s = time.monotonic()
                    while not self._stopped.is_set():
                        began_s = time.monotonic()
                        folded = self.catch_up()
                        self.failure, wait_s = None, FIRST_WAIT_S
                        if folded == 0:
                            self._rest(POLL_S)
                        else:
                            # Nothing but `stop` ends this: what comes meanwhile shares a chunk.
                            self._stopped.wait(began_s + PACE_S - time.monotonic())
                        if time.monotonic() - looked_s > LOOK_S:
                            self._look()
                            looked_s = time.monotonic()
            except DatabaseAway as error:
                self.failure = error
                self._rest(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            except Outrun:
                # Another one leads by now; begin again where it stands.
                continue

    def catch_up(self, progress: Progress = lambda _height, _of: None) -> int:
        """Fold and write all durable blocks that are not yet; how many. The tables must be there.

        Raises DatabaseAway and Outrun, after which it may be called again, and what waiting does
        not mend: OtherLedger, JournalDamaged, ProjectionError.
        """
        durable = self._journal.refresh()
        try:
            self._flush()
            if self._fold is None:
                self._fold = self._opened()
            fold, first = self._fold, self._height
            for entry in self._journal.entries(fold.state.height + 1, durable.height):
                fold.add(entry)
                if fold.size >= self._chunk_changes:
                    self._take(fold)
                    progress(self._height, durable.height)
                    if self._stopped.is_set():
                        break
            self._take(fold)
        except DatabaseAway:
            # What could not be written waits, and the fold is whole.
            raise
        except BaseException:
            self._fold, self._pending = None, None
            raise
        progress(self._height, durable.height)
        return self._height - first

    def _take(self, fold: Fold) -> None:
        if fold.state.height > self._height:
            self._pending = fold.take()
            self._flush()

    def _flush(self) -> None:
        """Write what was taken from the fold."""
        changes = self._pending
        if changes is None:
            return
        try:
            write(self._database, changes)
        except Outrun:
            # The answer to a commit may be lost on its way, and the commit not.
            with self._database.reading() as connection:
                stands = connection.execute(sa.select(tables.ledger)).one()
            if (stands.height, stands.frame_hash) != (changes.height, changes.frame_hash):
                raise
        self._height, self._time_us = changes.height, changes.time_us
        self._pending = None

    def _look(self) -> None:
        """See whether the database still stands where this follower left it. Raises Outrun."""
        with self._database.reading() as connection:
            stands = connection.execute(sa.select(tables.ledger.c.height)).scalar()
        if stands != self._height:
            self._fold = None
            raise Outrun("the database was emptied, or written by another follower")

    def _rest(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()

    # ------------------------------------------------------------------ opening

    def _opened(self) -> Fold:
        """A fold that goes on where the database stands."""
        kernel.warm()
        begin(self._database, self._genesis)
        with self._database.reading() as connection:
            stands = connection.execute(sa.select(tables.ledger)).one()
            opened = open_lines(connection)
        base = self._journal.base
        self._height, self._time_us = stands.height, stands.time_us
        if stands.height == 0 and base.height:
            fold = Fold(self._state_at(base.height), base.frame_hash)
            fold.begin_with_everything()
            return fold
        self._check_place(stands)
        return Fold(self._state_at(stands.height), bytes.fromhex(stands.frame_hash), *opened)

    def _check_place(self, stands: Any) -> None:
        height, base = stands.height, self._journal.base
        try:
            # Frames differ from node to node where one began later.
            is_base = height == base.height
            frame_hash = base.frame_hash if is_base else self._journal.read(height).frame_hash
        except NoSuchBlock as error:
            raise OtherLedger(
                f"the database stands at block {height}, which this ledger does not have",
                _REBUILD,
            ) from error
        if frame_hash.hex() != stands.frame_hash:
            raise OtherLedger(
                f"the database was folded from another block {height} than this ledger has",
                _REBUILD,
            )

    def _state_at(self, height: int) -> kernel.State:
        """The state after a block: from the newest snapshot up to it, and what came between."""
        key, room = secrets.token_bytes(32), kernel.SnapshotRoom()
        loaded = self._journal.load_snapshot(room.buffer, up_to=height)
        if loaded is None:
            if self._journal.base.height:
                what = f"no state at or before block {height} is left of this ledger"
                raise ProjectionError(what, _REBUILD)
            state = kernel.initial_state(self._genesis, key)
        else:
            state = kernel.load(self._genesis, loaded.parts, key, room)
        for entry in self._journal.entries(state.height + 1, height):
            state, result = kernel.apply_block(state, entry.block)
            if result.app_hash != entry.result.app_hash:
                reason = "it gives another app hash than stands in it"
                raise JournalDamaged(entry.block.height, 0, self._journal.directory, reason)
        return state


_REBUILD: Final = "run `tieout projection rebuild`: everything in it is folded anew"
