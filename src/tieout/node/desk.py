"""The publishing desk: where single records are gathered into blocks, and everything is signed.

The problem: a system sends one record and wants its verdict; a block costs a signature and a sync
of the disk. One block for each record gives a few hundred a second, and waiting for a full block
gives a second of delay.

The model: one thread, the *writer*, signs and submits. Records that arrive while it works wait;
when it comes back it takes them all, a batch for each agreement and role, into one block. Before
that it lets them wait a few milliseconds for others (`gather_ms`), and no longer than others keep
coming. So a lone record is quick, and many share one sync.

A party's books are stated by what is sent last: the desk compares each record with the one that
stands, passes over what says the same (`unchanged`), and gives a changed one the next revision. Two
records of one transaction are never on their way at once; the later one waits for the block of the
one before.

Answers to requests with an Idempotency-Key are kept, durably, before they are given. If the process
dies between block and answer, the repeated request finds its record on the ledger: `unchanged`.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray
from opentelemetry.trace import SpanContext

from tieout import kernel
from tieout.engines.errors import EngineError, Refused
from tieout.kernel import listing
from tieout.kernel.book import Book
from tieout.kernel.words import KEY_BYTES as KEY_WORD
from tieout.node import telemetry
from tieout.node.flights import Flights, Key
from tieout.node.limits import IDEMPOTENCY_KEPT_S, MAX_GATHERED, MAX_SETTLING_S, MAX_WAITING
from tieout.node.ordering import NotSigned, Order, Ordering, Settled, batch_of
from tieout.node.problems import ProblemError
from tieout.node.store import Answer, Store
from tieout.node.verdicts import accepted, receipt_of, standing_receipt
from tieout.wire.batch import most_rows
from tieout.wire.codes import Action, ItemOutcome
from tieout.wire.rows import PREFIX_DTYPE

Result = TypeVar("Result")
log = structlog.get_logger("tieout.node")
PINNED: Final = "the transaction stays with the version of the agreement it was opened under"
EXPIRED: Final = (
    "the transaction has been closed for longer than the agreement keeps it (R-KEEP-1):"
    " correct it by a new transaction"
)
KEY_BYTES: Final = int(KEY_WORD)
_STEP_S: Final = 0.0005
"""How often the writer looks whether records still keep coming."""


@dataclass(slots=True)
class Sending:
    """One record on its way. `reply` is called once, in the writer's thread."""

    book: Book
    role: int
    party: int
    row: bytes
    wait: bool
    key: tuple[int, str, bytes] | None
    future: "asyncio.Future[tuple[int, bytes]]"
    answer: tuple[int, bytes] | ProblemError | None = None
    is_safe: bool = False
    """Whether it will be in a block, whatever happens."""
    trace: SpanContext | None = None
    """The request that it came with, where traces are made."""


@dataclass(slots=True)
class _Group:
    """The records of one batch: one agreement, one role, one party."""

    sendings: list[Sending] = field(default_factory=list)
    ids: set[bytes] = field(default_factory=set)


class Desk:
    """Takes records and operations; made by `start`, ended by `stop`."""

    def __init__(
        self,
        ordering: Ordering,
        store: Store,
        clock: Callable[[], int],
        *,
        gather_s: float,
        tick_s: float,
        on_blocks: Callable[[], None],
    ) -> None:
        """`on_blocks()` is called in the writer's thread whenever there may be new blocks."""
        self.ordering = ordering
        self.failure: BaseException | None = None
        self._store = store
        self._clock = clock
        self._gather_s = gather_s
        self._tick_s = tick_s
        self._on_blocks = on_blocks
        self._waiting: deque[Sending] = deque()
        self._flights: Flights[Sending] = Flights()
        self._work: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    # ------------------------------------------------------------------ for others

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what has come, take nothing more, and return."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def send(self, sending: Sending) -> None:
        """Take a record; its future gets (status, body) or a ProblemError. From the event loop."""
        self._check_open()
        if self.waiting >= MAX_WAITING:
            raise ProblemError("busy", "too many records wait; send again in a second")
        self._waiting.append(sending)
        if not self._wake.is_set():
            self._wake.set()

    def run(self, work: Callable[[], Result]) -> "Future[Result]":
        """Have something done by the writer, in its turn: it alone signs and submits."""
        self._check_open()
        future: Future[Result] = Future()
        self._work.append((work, future))
        self._wake.set()
        return future

    @property
    def waiting(self) -> int:
        """How many records wait."""
        return len(self._waiting) + self._flights.held

    def _check_open(self) -> None:
        if self.failure is not None:
            raise ProblemError("ledger_failed", f"{self.failure}; what was receipted is kept")
        if self._stopping:
            raise ProblemError("busy", "the node is being stopped")

    # ------------------------------------------------------------------ the writer

    def _run(self) -> None:
        while not (self._stopping and not self._waiting and not self._work):
            try:
                self._turn()
            except BaseException as error:  # noqa: BLE001 - told to everybody who asks, and at /readyz
                self.failure = error
                self._stopping = True
                self._give_up(error)
        stopped = ProblemError("busy", "the node is being stopped")
        _refuse(self._flights.give_up(), stopped)

    def _turn(self) -> None:
        if not self._waiting and not self._work:
            came = self._wake.wait(self._tick_s)
            self._wake.clear()
            if not came:
                self.ordering.let_time_pass()
                self._on_blocks()
                return
        else:
            self._wake.clear()
        if not self._work:
            self._gather()
        if self._work:
            self._do(*self._work.popleft())
        if self._waiting:
            self._publish_waiting()
        self._on_blocks()

    def _gather(self) -> None:
        """Wait while others keep coming, and no longer than `gather_s`."""
        with telemetry.span("gather") as span:
            until, seen = time.monotonic() + self._gather_s, -1
            while seen < len(self._waiting) < MAX_GATHERED and time.monotonic() < until:
                seen = len(self._waiting)
                time.sleep(_STEP_S)
            span.set_attribute("tieout.records", len(self._waiting))

    def _do(self, work: Callable[[], Any], future: "Future[Any]") -> None:
        try:
            result = work()
        except ProblemError as error:
            future.set_exception(error)
        except BaseException as error:
            future.set_exception(ProblemError("ledger_failed", str(error)))
            raise
        else:
            future.set_result(result)

    def _give_up(self, error: BaseException) -> None:
        told = ProblemError("ledger_failed", f"{error}; what was receipted is kept")
        while self._work:
            self._work.popleft()[1].set_exception(told)
        rest = [*self._waiting, *self._flights.give_up()]
        self._waiting.clear()
        _refuse(rest, told)

    # ------------------------------------------------------------------ single records

    def _publish_waiting(self) -> None:
        orders: list[Order] = []
        batches = []
        for group in self._groups():
            rows = self._settle_known(group)
            if not group.sendings:
                continue
            first = group.sendings[0]
            orders.append((first.party, batch_of(first.book.agreement, first.role, rows)))
            batches.append((group.sendings, rows))
        if not orders:
            return
        together = [sending.trace for sendings, _ in batches for sending in sendings]
        with telemetry.span("publish", links=together) as span:
            span.set_attribute("tieout.records", len(together))
            settled = self.ordering.publish(orders)
        for (sendings, rows), future in zip(batches, settled, strict=True):
            keys: list[Key] = []
            if not future.done():
                keys = [_key(sending.book, sending.role, sending.row) for sending in sendings]
                self._flights.begin(keys, future)
                self._answer_early(sendings)
            future.add_done_callback(partial(self._settle, sendings, rows, keys))

    def _answer_early(self, sendings: list[Sending]) -> None:
        """The records are safe, and on their way: which is what some wanted to know."""
        early = [sending for sending in sendings if not sending.wait]
        for sending in sendings:
            sending.is_safe = True
        for sending in early:
            sending.answer = (202, accepted(sending.row))
        self._answer(early)

    def _groups(self) -> list[_Group]:
        """Everything that waits, in batches; a second record of a transaction waits on."""
        groups: dict[tuple[int, int, int], _Group] = {}
        later: list[Sending] = []
        for _ in range(min(len(self._waiting), MAX_GATHERED)):
            sending = self._waiting.popleft()
            if self._flights:
                flying = _key(sending.book, sending.role, sending.row)
                if self._flights.hold(flying, sending):
                    continue
            group = groups.setdefault((sending.book.number, sending.role, sending.party), _Group())
            key = sending.row[:KEY_BYTES]
            if key in group.ids or len(group.sendings) == most_rows(len(sending.row)):
                later.append(sending)
            else:
                group.ids.add(key)
                group.sendings.append(sending)
        self._waiting.extendleft(reversed(later))
        return list(groups.values())

    def _settle_known(self, group: _Group) -> NDArray[np.uint8]:
        """Answer what is not to be published; the rows of the rest, with their revisions."""
        first = group.sendings[0]
        agreement = first.book.agreement
        width = agreement.layout.row_bytes
        rows = np.frombuffer(b"".join(s.row for s in group.sendings), np.uint8).reshape(-1, width)
        known: list[Sending] = []
        with self.ordering.reading() as state:
            status, revisions = kernel.standing(
                state, agreement.name, agreement.roles[first.role], rows,
                agreement.version, self._clock(),
            )  # fmt: skip
            for sending, standing in zip(group.sendings, status.tolist(), strict=True):
                problem = _unpublishable(standing, sending.row)
                if problem is not None:
                    sending.answer = problem
                elif standing == listing.UNCHANGED:
                    sending.answer = (
                        200,
                        standing_receipt(state, sending.book, sending.role, sending.row),
                    )
                if sending.answer is not None:
                    known.append(sending)
        chosen = [i for i, sending in enumerate(group.sendings) if sending.answer is None]
        group.sendings = [group.sendings[i] for i in chosen]
        self._answer(known)
        picked = rows[chosen].copy()
        prefixes(picked)["revision"] = revisions[chosen] + 1
        return picked

    def _settle(
        self,
        sendings: list[Sending],
        rows: NDArray[np.uint8],
        keys: list[Key],
        done: "Future[Settled]",
    ) -> None:
        """Answer the records of a batch, and let those go on that waited for it. In any thread."""
        open_ = [sending for sending in sendings if sending.answer is None]
        try:
            self._tell(sendings, rows, done)
        except ProblemError as error:
            _refuse(open_, error)
        except Exception as error:
            log.exception("not_told")
            _refuse(open_, ProblemError("internal", f"the record is kept; its answer: {error}"))
        finally:
            self._go_on(self._flights.end(keys))

    def _go_on(self, sendings: list[Sending]) -> None:
        if sendings:
            self._waiting.extendleft(reversed(sendings))
            self._wake.set()

    def _tell(
        self, sendings: list[Sending], rows: NDArray[np.uint8], done: "Future[Settled]"
    ) -> None:
        """What became of the records of a batch. Raises ProblemError when nothing did."""
        settled = settled_of(done)
        outcome = settled.receipt.result.outcome
        if outcome is not ItemOutcome.ACCEPTED:
            name = outcome.name.lower()
            raise ProblemError("refused_by_the_rules", f"the rules say: {name}", outcome=name)
        open_ = [(i, sending) for i, sending in enumerate(sendings) if sending.answer is None]
        with self.ordering.reading() as state:
            verdicts = kernel.row_statuses(state, sendings[0].book.agreement.name, rows).tolist()
            for i, sending in open_:
                told = receipt_of(
                    state, sending.book, sending.role, rows[i], i, settled, verdicts[i]
                )
                sending.answer = (200, told)
        self._answer([sending for _, sending in open_])

    def _answer(self, sendings: list[Sending]) -> None:
        """Keep the answers to requests with a key, then give them all."""
        kept = [
            Answer(*sending.key, *sending.answer)
            for sending in sendings
            if sending.key is not None and isinstance(sending.answer, tuple)
        ]
        if kept:
            now_us = self._clock()
            self._store.keep_answers(kept, now_us, now_us - IDEMPOTENCY_KEPT_S * 1_000_000)
        _deliver(sendings)

    # ------------------------------------------------------------------ many records

    def publish_rows(
        self, book: Book, role: int, party: int, rows: NDArray[np.uint8]
    ) -> "Published":
        """Publish rows of one role, each transaction once, as batches; in the thread that asks.

        What is said about transactions of which a record is on its way waits for that one's block.
        Raises ProblemError.
        """
        while True:
            ahead = self.run(lambda: self._publish_rows(book, role, party, rows)).result()
            if isinstance(ahead, Published):
                return ahead
            wait(ahead)

    def _publish_rows(
        self, book: Book, role: int, party: int, rows: NDArray[np.uint8]
    ) -> "Published | set[Future[Settled]]":
        """What was published; or nothing was, and this is to be waited for. By the writer."""
        agreement = book.agreement
        if self._flights and (ahead := self._flights.ahead(_keys(book, role, rows))):
            return ahead
        with self.ordering.reading() as state:
            status, revisions = kernel.standing(
                state, agreement.name, agreement.roles[role], rows,
                agreement.version, self._clock(),
            )  # fmt: skip
        wanted = np.flatnonzero((status == listing.NEW) | (status == listing.CHANGED))
        chosen = np.ascontiguousarray(rows[wanted])
        prefixes(chosen)["revision"] = revisions[wanted] + 1
        at_most = most_rows(agreement.layout.row_bytes)
        settled = []
        for at in range(0, len(chosen), at_most):
            part = chosen[at : at + at_most]
            (future,) = self.ordering.publish([(party, batch_of(agreement, role, part))])
            if not future.done():
                keys = list(_keys(book, role, part))
                self._flights.begin(keys, future)
                future.add_done_callback(partial(self._arrive, keys))
            settled.append(future)
        return Published(status, settled)

    def _arrive(self, keys: list[Key], _done: "Future[Settled]") -> None:
        self._go_on(self._flights.end(keys))


def settled_of(future: "Future[Settled]") -> Settled:
    """What became of an item, waiting for it. Raises ProblemError when nothing did."""
    try:
        return future.result()
    except Refused as error:
        raise ProblemError("refused_by_the_rules", str(error), outcome=error.outcome) from error
    except NotSigned as error:
        raise ProblemError("not_allowed", str(error)) from error
    except EngineError as error:
        # Nothing was taken, or it is safe and this node has no answer: the same may be sent again.
        raise ProblemError("busy", str(error)) from error


async def awaited(future: "Future[Settled]") -> Settled:
    """The same without holding the event loop up, and not for ever. Raises ProblemError."""
    wrapped = asyncio.wrap_future(future)
    await asyncio.wait([wrapped], timeout=MAX_SETTLING_S)
    if not wrapped.done():
        what = "what was signed is kept, and comes into a block as soon as the ledger goes on"
        raise ProblemError("no_block_yet", what)
    wrapped.exception()  # looked at; told by the line below
    return settled_of(future)


@dataclass(frozen=True, slots=True)
class Published:
    """How each row stood to the ledger (`kernel.listing`), and the batches of those published."""

    standing: NDArray[np.uint8]
    batches: list["Future[Settled]"]


def _unpublishable(standing: int, row: bytes) -> ProblemError | None:
    if standing == listing.OTHER_VERSION:
        return ProblemError("conflict", PINNED)
    if standing == listing.EXPIRED:
        return ProblemError("conflict", EXPIRED)
    if standing == listing.NEW and row[39] == Action.WITHDRAW:
        return ProblemError("not_found", "the role has stated nothing about this transaction")
    return None


def prefixes(rows: NDArray[np.uint8]) -> NDArray[np.void]:
    """The prefixes of rows (uint8[n, row_bytes], contiguous) as a structured view."""
    rest = rows.shape[1] - PREFIX_DTYPE.itemsize
    return rows.view(np.dtype([*PREFIX_DTYPE.descr, ("values", f"V{rest}")]))[:, 0]


def _key(book: Book, role: int, row: bytes) -> Key:
    return book.agreement.name, role, row[:KEY_BYTES]


def _keys(book: Book, role: int, rows: NDArray[np.uint8]) -> Iterator[Key]:
    for row in np.ascontiguousarray(rows[:, :KEY_BYTES]):
        yield book.agreement.name, role, row.tobytes()


def _refuse(sendings: Sequence[Sending], why: ProblemError) -> None:
    for sending in sendings:
        sending.answer = why
    _deliver(sendings)


def _deliver(sendings: Sequence[Sending]) -> None:
    """Give the answers in the event loop, all at once."""
    if sendings:
        loop = sendings[0].future.get_loop()
        # Its loop may have ended with the node: then nobody is there any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_give, list(sendings))


def _give(sendings: list[Sending]) -> None:
    for sending in sendings:
        if sending.future.done():
            continue
        if isinstance(sending.answer, ProblemError):
            sending.future.set_exception(sending.answer)
        elif sending.answer is not None:
            sending.future.set_result(sending.answer)
