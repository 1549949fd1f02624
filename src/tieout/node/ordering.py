"""The port between the node and whatever puts its items into an order.

The node signs items and hands them over; an *ordering* takes them, makes them durable, and settles
each in a block. Over the embedded engine both happen at once, and a block is durable when `submit`
returns. Over several parties' engine an item is safe first and stands in a block later, which is
why a settlement is a future.

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

from tieout import kernel
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.keyring import KeyRing
from tieout.engines.proving import LedgerProofs
from tieout.engines.publisher import Publisher
from tieout.engines.receipt import Receipt, receipts_of
from tieout.journal.journal import Journal
from tieout.kernel.book import Book
from tieout.node import telemetry
from tieout.wire.block import BlockResult
from tieout.wire.codes import EventKind, RowOutcome
from tieout.wire.genesis import Genesis

Item = bytes | memoryview


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

    def publisher(self, party: int) -> Publisher:
        """Who signs for a party. One thread uses it, and submits in the order of signing."""
        ...

    def submit(self, items: Sequence[Item]) -> list[Future[Settled]]:
        """Take items in this order. They are durable on return, and settled when the future is.

        Raises EngineError once nothing can be written any more.
        """
        ...

    def let_time_pass(self) -> None:
        """Judge deadlines that have passed, where that needs a block of our own."""
        ...

    def proofs(self) -> contextlib.AbstractContextManager[LedgerProofs]:
        """Lend what proves things about the ledger; no block is applied meanwhile."""
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

    def publisher(self, party: int) -> Publisher:
        """Who signs for a party; see Ordering."""
        if party not in self._publishers:
            with self._lock:
                self._publishers[party] = self._ledger.publisher(party, vouch=True)
        return self._publishers[party]

    def submit(self, items: Sequence[Item]) -> list[Future[Settled]]:
        """One block of these items, durable on return; see Ordering."""
        with self._lock, telemetry.span("block") as span:
            time_us = max(self._clock(), self._ledger.time_us)
            result = self._ledger.apply(items, time_us)
            self._ledger.sync()
            span.set_attributes({"tieout.height": result.height, "tieout.items": len(items)})
            if EventKind.AGREEMENT_ENACTED in result.events["kind"]:
                self.books = dict(self._ledger.state.newest)
        futures = []
        not_applied = _not_applied(result)
        for number, receipt in enumerate(receipts_of(result, time_us)):
            future: Future[Settled] = Future()
            future.set_result(Settled(receipt, not_applied.get(number, {})))
            futures.append(future)
        return futures

    def let_time_pass(self) -> None:
        """An empty block, when a deadline has passed; see Ordering."""
        with self._lock:
            due_us = kernel.next_deadline_us(self._ledger.state)
            if due_us is not None and due_us < self._clock():
                self.submit([])

    @contextlib.contextmanager
    def proofs(self) -> Iterator[LedgerProofs]:
        """Lend what proves; see Ordering."""
        with self._lock:
            yield self._ledger.proofs()

    def close(self) -> None:
        """Close the ledger; see Ordering."""
        with self._lock:
            self._ledger.close()


def _not_applied(result: BlockResult) -> dict[int, dict[int, RowOutcome]]:
    """For each item the rows that were not applied, and why."""
    found: dict[int, dict[int, RowOutcome]] = {}
    events = result.events
    for event in events[events["kind"] == EventKind.ROW_NOT_APPLIED]:
        rows = found.setdefault(int(event["item"]), {})
        rows[int(event["row"])] = RowOutcome(int(event["detail"]))
    return found
