"""Group commit: how many submitters share one sync.

Two ways in, with one promise: nobody gets a receipt before the block is on disk.

- `GroupCommit` for callers that wait for each answer. Whoever comes first takes everything that
  waits into one block and syncs it; those who came meanwhile find their answer when it is their
  turn. A single caller pays two locks that nobody holds.
- `Pipeline` for a stream: the next block is judged while a second thread writes and syncs those
  before it.

A failure to apply or to sync ends both for good: the ledger has to be opened again, and what was
receipted is there.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tieout.engines.errors import EngineError
from tieout.engines.receipt import Receipt, receipts_of
from tieout.wire.block import Block, BlockResult

if TYPE_CHECKING:
    from tieout.engines.embedded.ledger import EmbeddedLedger

Item = bytes | memoryview
MAX_BLOCK_ITEMS: Final = 1_024
"""Items of one block: the longest that one caller waits for others is a few hundred signatures."""
SYNC_BLOCKS: Final = 32
SYNC_WAIT_S: Final = 0.004
"""A stream's blocks wait for each other so long, or until there are so many, and share a sync.

A sync takes 0.15 ms of a processor, however little it writes.
"""
MAX_WAITING_BLOCKS: Final = 64
"""Blocks that wait to be written: about 200 MB of large ones."""


@dataclass(slots=True)
class _Ticket:
    item: Item
    receipt: Receipt | None = None


class GroupCommit:
    """Takes single items from any number of threads; each call returns once its item is durable."""

    def __init__(self, ledger: "EmbeddedLedger", clock: Callable[[], int]) -> None:
        """`clock` gives microseconds UTC; block times never run backwards even if it does."""
        self._ledger = ledger
        self._clock = clock
        self._waiting: deque[_Ticket] = deque()
        self._turn = threading.Lock()

    def submit(self, item: Item) -> Receipt:
        """The receipt of `item`, after its block was synced."""
        ticket = _Ticket(item)
        self._waiting.append(ticket)
        with self._turn:
            while ticket.receipt is None:
                self._commit_waiting()
        return ticket.receipt

    def _commit_waiting(self) -> None:
        tickets = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BLOCK_ITEMS))]
        time_us = max(self._clock(), self._ledger.time_us)
        result = self._ledger.apply([ticket.item for ticket in tickets], time_us)
        self._ledger.sync()
        for ticket, receipt in zip(tickets, receipts_of(result, time_us), strict=True):
            ticket.receipt = receipt


@dataclass(slots=True)
class _Shared:
    """What the judging thread and the keeping thread share."""

    judged: deque[tuple[Block, BlockResult]] = field(default_factory=deque)
    closing: bool = False
    failure: BaseException | None = None


class Pipeline:
    """Judge blocks in the caller's thread while a second thread makes those before them durable.

    `on_durable(receipts)` is called from the second thread, once for each block, in their order.
    """

    def __init__(
        self, ledger: "EmbeddedLedger", on_durable: Callable[[tuple[Receipt, ...]], None]
    ) -> None:
        """The ledger must not be written in any other way until `close`."""
        self._ledger = ledger
        self._on_durable = on_durable
        self._shared = _Shared()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def apply(self, items: Sequence[Item], time_us: int) -> BlockResult:
        """Apply a block; it is durable only when `on_durable` has been called for it.

        Waits while too many blocks are not durable yet. Raises EngineError once the second thread
        has failed.
        """
        with self._changed:
            while len(self._shared.judged) >= MAX_WAITING_BLOCKS and not self._shared.failure:
                self._changed.wait()
        self._raise_failure()
        block, result = self._ledger.judge(items, time_us)
        with self._changed:
            self._shared.judged.append((block, result))
            # To wake the second thread for every block would cost more than some blocks do.
            if len(self._shared.judged) == 1 or self._is_worth_a_sync():
                self._changed.notify_all()
        return result

    def close(self) -> None:
        """Return when everything that was applied is durable."""
        with self._changed:
            self._shared.closing = True
            self._changed.notify_all()
        self._thread.join()
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._shared.failure is not None:
            raise EngineError(
                f"the journal could not be written: {self._shared.failure}",
                "what was receipted is kept; mend the disk and run the same command again",
            ) from self._shared.failure

    def _run(self) -> None:
        try:
            while self._keep_waiting():
                pass
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            with self._changed:
                self._shared.failure = error
                self._changed.notify_all()

    def _is_worth_a_sync(self) -> bool:
        return len(self._shared.judged) >= SYNC_BLOCKS or self._shared.closing

    def _keep_waiting(self) -> bool:
        """Keep and sync all blocks that wait; False when there will be no more."""
        with self._changed:
            while not self._shared.judged and not self._shared.closing:
                self._changed.wait()
            self._changed.wait_for(self._is_worth_a_sync, SYNC_WAIT_S)
            blocks = list(self._shared.judged)
            self._shared.judged.clear()
            self._changed.notify_all()
        if not blocks:
            return False
        for block, result in blocks:
            self._ledger.keep(block, result)
        self._ledger.sync()
        for block, result in blocks:
            self._on_durable(receipts_of(result, block.time_us))
        return True
