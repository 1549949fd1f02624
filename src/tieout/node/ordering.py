"""The port between the node and whatever puts its items into an order.

The node says what is to be signed; an *ordering* has it signed, makes it durable, and settles it in
a block. Over the embedded engine all of that happens at once. Over several parties' engine
(`consortium`) an item is safe first and stands in a block later, which is why a settlement is a
future, and why signing is the ordering's: it knows which numbers of the party are on their way.

State and journal are asked through the same port: nothing may be asked of a state while a block is
being applied, and nothing be told that is not durable, so `reading` lends it under a lock that is
held until a block is synced. The event loop never waits for it; threads do.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tieout import kernel
from tieout.agreement.model import Agreement
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.errors import EngineError
from tieout.engines.keyring import KeyRing
from tieout.engines.proving import LedgerProofs
from tieout.engines.publisher import Publisher
from tieout.engines.receipt import Receipt, receipts_of
from tieout.evidence.reader import JournalReader
from tieout.journal.journal import Journal
from tieout.kernel.book import Book
from tieout.kernel.members import Party
from tieout.node import telemetry
from tieout.wire.codes import EventKind, OperationKind, Purpose, RowOutcome
from tieout.wire.genesis import Genesis
from tieout.wire.operations import Body

Item = bytes | memoryview
Sign = Callable[[Publisher], bytes]
"""Has a publisher sign something; called once, in the thread that publishes."""
Order = tuple[int, Sign]
"""A party, and what is to be signed for it."""


class NotSigned(EngineError):
    """No key here signs this; nothing was taken."""


class NotTaken(EngineError):
    """There is no way to the ledger at the moment, or no room; nothing was taken."""


@dataclass(frozen=True, slots=True)
class Settled:
    """An item in a durable block: its receipt, and the rows that the rules did not apply."""

    receipt: Receipt
    not_applied: dict[int, RowOutcome]


class Ordering(Protocol):
    """What the node needs of an engine."""

    @property
    def genesis(self) -> Genesis:
        """Who takes part."""
        ...

    @property
    def ring(self) -> KeyRing:
        """The private keys of this node's party, or parties."""
        ...

    @property
    def journal(self) -> Journal:
        """Durable blocks; may be asked from any thread."""
        ...

    @property
    def books(self) -> Mapping[str, Book]:
        """The newest version in force of each agreement; quick, and never to be waited for."""
        ...

    def reading(self) -> contextlib.AbstractContextManager[kernel.State]:
        """Lend the state after the last durable block; no block is applied meanwhile."""
        ...

    @property
    def parties(self) -> Sequence[Party]:
        """Everybody who is or was a member, by number; quick, and never to be waited for."""
        ...

    @property
    def trouble(self) -> str:
        """Why nothing can be published at the moment; empty while all is well."""
        ...

    def follow(self, tell: Callable[[], None]) -> None:
        """Call `tell` when there may be blocks that nobody here published. From any thread."""
        ...

    def publish(self, orders: Sequence[Order]) -> list[Future[Settled]]:
        """Have items signed and taken in this order: durable on return, settled with the future.

        One thread publishes. What was not taken is a future that has failed on return: NotSigned,
        NotTaken. One that fails later says why: Refused (no block will have the item), NotSettled
        (it is safe, and comes into a block when this node runs again). Raises EngineError once
        nothing can be written any more.
        """
        ...

    def hand_in(self, item: Item) -> Future[Settled]:
        """Take an item that was signed elsewhere, byte for byte; whoever signed it keeps it."""
        ...

    def let_time_pass(self) -> None:
        """Judge deadlines that have passed, where that needs a block of our own."""
        ...

    def proofs(self) -> contextlib.AbstractContextManager[LedgerProofs]:
        """Lend what proves things about the ledger; blocks go on, other proofs wait."""
        ...

    def close(self) -> None:
        """Let nothing more in, and close the ledger."""
        ...


class EmbeddedOrdering:
    """The embedded engine behind the port. Each call of `submit` is one block, synced."""

    def __init__(self, ledger: EmbeddedLedger, clock: Callable[[], int]) -> None:
        """`clock` gives microseconds UTC; block times do not run backwards even if it does."""
        self._ledger = ledger
        self._clock = clock
        self._lock = threading.RLock()
        self._proving = threading.Lock()
        self._reader: JournalReader | None = None
        self._publishers: dict[int, Publisher] = {}
        self.genesis = ledger.genesis
        self.ring = ledger.ring
        self.journal = ledger.journal
        self.books: Mapping[str, Book] = dict(ledger.state.newest)

    @contextlib.contextmanager
    def reading(self) -> Iterator[kernel.State]:
        """Lend the state; see Ordering."""
        with self._lock:
            yield self._ledger.state

    @property
    def parties(self) -> Sequence[Party]:
        """Everybody who is or was a member; see Ordering."""
        return kernel.parties(self._ledger.state)

    @property
    def trouble(self) -> str:
        """None: what fails here fails for good, and `publish` raises it."""
        return ""

    def follow(self, tell: Callable[[], None]) -> None:
        """Nothing: every block is published here; see Ordering."""

    def publish(self, orders: Sequence[Order]) -> list[Future[Settled]]:
        """One block of these items; see Ordering."""
        futures: list[Future[Settled]] = [Future() for _ in orders]
        items, taken = [], []
        with self._lock:
            for future, (party, sign) in zip(futures, orders, strict=True):
                try:
                    items.append(sign(self._publisher(party)))
                    taken.append(future)
                except EngineError as error:
                    future.set_exception(NotSigned(str(error), error.advice))
            if items:
                self._apply(items, taken)
        return futures

    def hand_in(self, item: Item) -> Future[Settled]:
        """A block of its own; see Ordering."""
        future: Future[Settled] = Future()
        self._apply([item], [future])
        return future

    def _publisher(self, party: int) -> Publisher:
        if party not in self._publishers:
            self._publishers[party] = self._ledger.publisher(party, vouch=True)
        return self._publishers[party]

    def _apply(self, items: Sequence[Item], futures: Sequence[Future[Settled]]) -> None:
        with self._lock, telemetry.span("block") as span:
            time_us = max(self._clock(), self._ledger.time_us)
            result = self._ledger.apply(items, time_us)
            self._ledger.sync()
            span.set_attributes({"tieout.height": result.height, "tieout.items": len(items)})
            if EventKind.AGREEMENT_ENACTED in result.events["kind"]:
                self.books = dict(self._ledger.state.newest)
        rows = not_applied(result.events)
        receipts = receipts_of(result, time_us)
        for number, (receipt, future) in enumerate(zip(receipts, futures, strict=True)):
            future.set_result(Settled(receipt, rows.get(number, {})))

    def let_time_pass(self) -> None:
        """An empty block, when a deadline has passed; see Ordering."""
        with self._lock:
            due_us = kernel.next_deadline_us(self._ledger.state)
            if due_us is not None and due_us < self._clock():
                self._apply([], [])

    @contextlib.contextmanager
    def proofs(self) -> Iterator[LedgerProofs]:
        """Lend what proves; see Ordering."""
        with self._proving:
            self._reader = self._reader or JournalReader(self.journal, self.genesis)
            yield self._ledger.proofs(reading=self.reading, reader=self._reader)

    def close(self) -> None:
        """Close the ledger; see Ordering."""
        with self._lock:
            self._ledger.close()


def batch_of(agreement: Agreement, role: int, rows: NDArray[np.uint8]) -> Sign:
    """A batch of rows (uint8[n, row_bytes], n ≤ `most_rows`)."""
    return lambda publisher: publisher.batch(agreement, role, rows)


def operation_of(
    kind: OperationKind, purpose: Purpose, body: Body, person: str | None = None
) -> Sign:
    """An operation; `person` signs where the purpose is personal."""
    return lambda publisher: publisher.operation(kind, purpose, body, person)


def not_applied(events: NDArray[np.void]) -> dict[int, dict[int, RowOutcome]]:
    """For each item of a block, by its events, the rows that were not applied, and why."""
    found: dict[int, dict[int, RowOutcome]] = {}
    for event in events[events["kind"] == EventKind.ROW_NOT_APPLIED]:
        rows = found.setdefault(int(event["item"]), {})
        rows[int(event["row"])] = RowOutcome(int(event["detail"]))
    return found
