"""The keeper: one thread between the ledger and the party's own books.

*Verifier.* Where an alarm needs more findings than the rule's own, it looks into the books of the
party's roles. If they say what the party has stated, the break is real as far as this party knows,
and it confirms, signed. If they say something else, it confirms nothing, states what the books say,
and the ledger judges anew.

*Adjuster.* An approved adjustment of the party's role is posted to the books, reported, and what
the books then say is stated. What the books refuse is reported as failed, with the reason.

Nothing is remembered here: what is open is read off the ledger at the start, and the books know by
the adjustment's id what was posted. So it may be killed between any two steps. Books that are away
are asked again, ever more rarely, while everything else goes on: once a round, not once for each
transaction that waits for them.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import structlog

from tieout import kernel
from tieout.connectors.adjuster import Adjuster, Correction
from tieout.connectors.books import Books
from tieout.connectors.errors import BooksError
from tieout.kernel import listing
from tieout.kernel.book import Book
from tieout.node.bookkeeping.files import books_files, open_books
from tieout.node.desk import Desk, settled_of
from tieout.node.errors import NodeError
from tieout.node.ordering import Settled, operation_of
from tieout.node.problems import ProblemError
from tieout.node.stream import Happening, Position, Stream
from tieout.wire.codes import (
    AdjustmentStatus,
    AlarmState,
    ItemOutcome,
    OperationKind,
    Purpose,
    Status,
)
from tieout.wire.limits import MAX_REASON_CHARACTERS
from tieout.wire.operations import AdjustmentStep, Body, Confirm

REASON: Final = "brought to the agreed value"
_TELLING: Final = frozenset({"transaction_broken", "adjustment_approved", "adjustment_posted"})
_CARRIED_OUT: Final = (AdjustmentStatus.APPROVED, AdjustmentStatus.POSTED)
_LOOK_S: Final = 1.0
_AGAIN_S: Final = (1.0, 5.0, 30.0, 60.0)
"""Waits before books that are away are asked again; the last one for good."""
_BLOCKS_AT_ONCE: Final = 64

log = structlog.get_logger("tieout.node.books")


_Role = tuple[int, int]
"""The number of an agreement's book, and a role."""


class Matter(NamedTuple):
    """A transaction that has to be looked at."""

    agreement: str
    originator: int
    transaction_id: str


@dataclass(frozen=True, slots=True)
class _Own:
    """One role of this party in a transaction, as the ledger has it."""

    book: Book
    role: int
    party: int
    found: kernel.Transaction
    standing: kernel.Standing
    adjustment: kernel.Adjustment | None

    @property
    def key(self) -> _Role:
        """Which books concern it."""
        return self.book.number, self.role


class Keeper:
    """The thread. Start it, tell it of new blocks, stop it."""

    def __init__(
        self,
        directory: Path,
        desk: Desk,
        stream: Stream,
        clock: Callable[[], int],
        *,
        dry_run: bool,
    ) -> None:
        """`dry_run`: say what would be done, and do nothing. Raises NodeError."""
        self._clock = clock
        self._files = books_files(directory)
        self._agreements = frozenset(agreement for agreement, _ in self._files)
        self._desk = desk
        self._stream = stream
        self._is_dry = dry_run
        self._books: dict[_Role, Books] = {}
        self._waiting: dict[Matter, None] = {}
        self._staged: set[str] = set()
        self._failures = 0
        self._reached = Position(stream.height, 1 << 32)
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="books", daemon=True)

    @property
    def waiting(self) -> int:
        """How many transactions wait to be looked at."""
        return len(self._waiting)

    def start(self) -> None:
        """Begin with everything that is open; without books there is nothing to do."""
        if self._files:
            with self._desk.ordering.reading() as state:
                self._waiting = dict.fromkeys(_open_matters(state))
            self._thread.start()

    def stop(self) -> None:
        """Finish what is under way and return."""
        self._stopping.set()
        self._news.set()
        if self._thread.ident is not None:
            self._thread.join()

    def tell(self) -> None:
        """There may be new blocks. From any thread."""
        self._news.set()

    # ------------------------------------------------------------------ what to look at

    def _run(self) -> None:
        try:
            self._keep()
        finally:
            for books in self._books.values():  # in the thread that opened them
                books.close()

    def _keep(self) -> None:
        while not self._stopping.is_set():
            self._news.clear()
            try:
                self._take_blocks()
                self._failures = 0 if self._work() else self._failures + 1
            except Exception:
                self._failures += 1
                log.exception("books_failed")
            wait_s = _AGAIN_S[min(self._failures, len(_AGAIN_S)) - 1] if self._failures else _LOOK_S
            if self._failures:
                self._stopping.wait(wait_s)
            else:
                self._news.wait(wait_s)

    def _take_blocks(self) -> None:
        while self._reached.height < self._stream.height and not self._stopping.is_set():
            last = min(self._stream.height, self._reached.height + _BLOCKS_AT_ONCE)
            for height in range(self._reached.height + 1, last + 1):
                for message in self._stream.messages(height):
                    told = message.told
                    if told.kind in _TELLING and told.agreement in self._agreements:
                        self._waiting[_matter_of(told)] = None
            self._reached = Position(last, 1 << 32)

    def _work(self) -> bool:
        """Look at everything that waits; False when some of it has to be looked at again.

        Whatever goes wrong with one transaction, the others have their turn.
        """
        away: set[_Role] = set()
        for matter in list(self._waiting):
            if self._stopping.is_set():
                break
            settled = True
            for own in self._own(matter):
                settled &= own.key not in away and self._tried(matter, own, away)
            if settled:
                del self._waiting[matter]
        return not self._waiting

    def _tried(self, matter: Matter, own: _Own, away: set[_Role]) -> bool:
        """Look at one role of a transaction; whether that is settled. Books not there go `away`."""
        told = {"agreement": matter.agreement, "role": own.book.agreement.roles[own.role]}
        try:
            books = self._books_of(own)
        except (BooksError, NodeError) as error:
            # Whether they cannot be reached or are described wrongly: somebody has to mend it.
            away.add(own.key)
            log.warning("books_away", problem=str(error), **told)
            return False
        try:
            self._look_at(matter, own, books)
        except BooksError as error:
            if error.retry:
                away.add(own.key)
                log.warning("books_away", problem=str(error), **told)
                return False
            log.warning("books_refuse", problem=str(error), **told)
        except ProblemError as error:
            log.warning("not_said", problem=str(error), **told)
            return error.code == "refused_by_the_rules"  # which a second attempt would not change
        except Exception:
            log.exception("books_failed", **told)
            return False
        return True

    def _own(self, matter: Matter) -> list[_Own]:
        """The roles of this node's parties in a transaction, of which books are described."""
        ordering = self._desk.ordering
        ours = frozenset(ordering.ring.parties)
        with ordering.reading() as state:
            stages = kernel.timeline(
                state, matter.agreement, matter.originator, matter.transaction_id.encode()
            )
            if not stages:
                return []
            found = stages[0]
            book = state.books[found.agreement - 1]
            if book.agreement.stages:
                self._pass_over(matter.agreement)
                return []
            roles = []
            for role, standing in enumerate(found.roles):
                if (matter.agreement, book.agreement.roles[role]) not in self._files:
                    continue
                if standing.party in ours:
                    entry = None
                    if standing.adjustment is not None:
                        entry = kernel.adjustment(state, found.agreement, standing.adjustment)
                    roles.append(_Own(book, role, standing.party, found, standing, entry))
        return roles

    def _pass_over(self, agreement: str) -> None:
        """Books say nothing of stages: what they say of one may not be taken for another."""
        if agreement in self._agreements and agreement not in self._staged:
            self._staged.add(agreement)
            log.warning("books_have_no_stages", agreement=agreement)

    # ------------------------------------------------------------------ what to do

    def _look_at(self, matter: Matter, own: _Own, books: Books) -> None:
        if own.adjustment is not None and own.adjustment.status in _CARRIED_OUT:
            self._carry_out(matter, own, books, own.adjustment)
        elif own.found.status is Status.BROKEN and own.found.alarm is AlarmState.FOUND:
            self._verify(matter, own, books)

    def _carry_out(
        self, matter: Matter, own: _Own, books: Books, adjustment: kernel.Adjustment
    ) -> None:
        told = {"agreement": matter.agreement, "role": own.book.agreement.roles[own.role],
                "adjustment": adjustment.id.hex()[:16]}  # fmt: skip
        if self._is_dry:
            log.info("would_post", **told)
            return
        correction = Correction(
            adjustment_id=adjustment.id,
            transaction_id=matter.transaction_id,
            fields=adjustment.fields,
            benchmarks=adjustment.benchmarks,
            presence=own.standing.presence,
            values=own.standing.values,
        )
        try:
            Adjuster(books).post(correction, REASON, self._clock())
        except BooksError as error:
            if error.retry:
                raise
            log.warning("not_posted", problem=str(error), **told)
            self._report(matter, own, OperationKind.FAILED, adjustment, str(error))
            return
        log.info("posted", **told)
        if adjustment.status is AdjustmentStatus.APPROVED:
            self._report(matter, own, OperationKind.POSTED, adjustment, "")
        self._state(matter, own, books)

    def _verify(self, matter: Matter, own: _Own, books: Books) -> None:
        """Confirm a finding that our own books bear out; state what they say when it is new."""
        if own.party in own.found.confirmed_by:
            return
        if self._says_so(matter, own, books):
            if self._is_dry:
                log.info("would_confirm", agreement=matter.agreement)
                return
            body = Confirm(
                matter.agreement, matter.originator, matter.transaction_id, own.found.episode
            )
            self._say(own.party, OperationKind.CONFIRM, body)
            return
        log.warning("books_say_otherwise", agreement=matter.agreement,
                    role=own.book.agreement.roles[own.role])  # fmt: skip
        if not self._is_dry:
            self._state(matter, own, books)

    def _says_so(self, matter: Matter, own: _Own, books: Books) -> bool:
        """Whether the books say what the role has stated."""
        row = books.booking(matter.transaction_id)
        if row is None:
            return False
        agreement = own.book.agreement
        rows = np.frombuffer(row, np.uint8).reshape(1, -1)
        with self._desk.ordering.reading() as state:
            status, _ = kernel.standing(
                state, agreement.name, agreement.roles[own.role], rows,
                agreement.version, state.time_us,
            )  # fmt: skip
        return int(status[0]) == listing.UNCHANGED

    def _state(self, matter: Matter, own: _Own, books: Books) -> None:
        """Publish what the books say, where the ledger has something else."""
        row = books.booking(matter.transaction_id)
        if row is None:
            return
        rows = np.frombuffer(row, np.uint8).reshape(1, -1)

        for future in self._desk.publish_rows(own.book, own.role, own.party, rows).batches:
            _check(settled_of(future).receipt.result.outcome)

    def _report(
        self,
        matter: Matter,
        own: _Own,
        kind: OperationKind,
        adjustment: kernel.Adjustment,
        reason: str,
    ) -> None:
        body = AdjustmentStep(
            matter.agreement,
            matter.originator,
            matter.transaction_id,
            own.role,
            adjustment.id,
            reason[:MAX_REASON_CHARACTERS],
        )
        self._say(own.party, kind, body)

    def _say(self, party: int, kind: OperationKind, body: Body) -> None:
        """Sign and submit an operation; one that came too late is passed over."""
        ordering = self._desk.ordering

        def submit() -> Future[Settled]:
            return ordering.publish([(party, operation_of(kind, Purpose.PUBLISH, body))])[0]

        outcome = settled_of(self._desk.run(submit).result()).receipt.result.outcome
        if outcome is ItemOutcome.NOT_APPLICABLE:
            log.info("too_late", what=kind.name.lower())
        else:
            _check(outcome)

    def _books_of(self, own: _Own) -> Books:
        if own.key not in self._books:
            opened = open_books(self._files, own.book.agreement, own.role)
            if opened is None:
                raise LookupError(f"no books of role {own.role}")
            self._books[own.key] = opened
        return self._books[own.key]


def _check(outcome: ItemOutcome) -> None:
    if outcome is not ItemOutcome.ACCEPTED:
        name = outcome.name.lower()
        raise ProblemError("refused_by_the_rules", f"the rules say: {name}", outcome=name)


def _open_matters(state: kernel.State) -> Iterator[Matter]:
    """All transactions with an adjustment to be carried out, or a finding that is no alarm yet."""
    for name in state.newest:
        for entry in kernel.adjustments(state, name):
            if entry.status in _CARRIED_OUT:
                yield Matter(name, entry.originator, entry.transaction_id.rstrip(b"\0").decode())
        for found in kernel.alarms(state, name):
            if found.alarm is AlarmState.FOUND:
                yield Matter(name, found.originator, found.transaction_id.rstrip(b"\0").decode())


def _matter_of(told: Happening) -> Matter:
    return Matter(told.agreement, told.originator, told.transaction_id)
