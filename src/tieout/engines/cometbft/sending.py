"""Publishing for a party through its own node: each item once, whatever dies meanwhile.

The problem: a program signs, submits and waits; node, network and the program itself may end in
between; and the one thing that must never happen is that a number is signed for two things.

The model: an item is signed, written down in the outbox (`outbox`), and only then submitted. A
thread submits what waits, again after a while and after whatever fails, and looks for it in the
blocks that come. What is in a block is asked of the application, which answers for what is durable
only; then the item leaves the outbox, and whoever sent it gets a receipt. Whoever publishes next
begins with what is left in the outbox: found on the ledger by its digest, or submitted again byte
for byte. So after any interruption an item is on the ledger once, or not at all and its number not
used.

A number is taken after the highest that the ledger or the outbox knows, never while the node is
still catching up. What the node refuses before any block has not used its number (R-ITEM-2): the
next item takes it, else the gap would close the stream after 1,023 more (R-SEQ-1).

Items in flight are limited: by number, so that the window of R-SEQ-1 is never left, and by bytes.
Whoever sends more waits.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from tieout import kernel
from tieout.agreement.model import Agreement
from tieout.engines.cometbft.asking import Asking
from tieout.engines.cometbft.limits import (
    AGAIN_S,
    AWAY_PATIENCE_S,
    IDLE_PAUSE_S,
    MAX_IN_FLIGHT,
    MAX_IN_FLIGHT_BYTES,
    MAX_PAUSE_S,
    MIN_PAUSE_S,
    READY_PATIENCE_S,
    SEND_PATIENCE_S,
)
from tieout.engines.cometbft.outbox import CONFLICT, REFUSED, Outbox, Signed
from tieout.engines.cometbft.places import JOURNAL, OUTBOX
from tieout.engines.cometbft.settings import read_node, rpc_address
from tieout.engines.errors import EngineError, Refused
from tieout.engines.keyring import KeyRing, Roster, read_keys
from tieout.engines.publisher import Publisher
from tieout.engines.receipt import Receipt
from tieout.engines.replica import Replica
from tieout.journal.errors import NoJournal
from tieout.sdk.client import LedgerClient, Submission, Taken, name_of
from tieout.sdk.errors import NodeUnreachable, SdkError, TooLarge
from tieout.sdk.patience import Patience
from tieout.sdk.transport import Node
from tieout.wire.codes import ItemOutcome, OperationKind, Purpose
from tieout.wire.errors import WireError
from tieout.wire.operations import Body

_LOG: Final = logging.getLogger(__name__)
NO_BLOCK: Final = "the network makes no block that has them"
_UNUSED: Final = frozenset(
    {
        ItemOutcome.MALFORMED,
        ItemOutcome.WRONG_LEDGER,
        ItemOutcome.UNKNOWN_PARTY,
        ItemOutcome.UNKNOWN_KEY,
        ItemOutcome.KEY_NOT_VALID,
        ItemOutcome.WRONG_PURPOSE,
        ItemOutcome.BAD_SIGNATURE,
        ItemOutcome.WRONG_ROOT,
    }
)
"""The outcomes that leave a number unused (R-ITEM-2)."""


class NotSettled(EngineError):
    """Items are in no block yet; they stay in the outbox, and nothing is lost."""

    def __init__(self, waiting: int, why: str) -> None:
        super().__init__(
            f"{waiting} signed items are in no block yet: {why}",
            "they are kept and submitted again: run the same command again",
        )
        self.waiting = waiting


class Backlogged(EngineError):
    """So much is in flight already that nothing more is signed; nothing was."""

    def __init__(self, waiting: int) -> None:
        super().__init__(
            f"{waiting} signed items wait for their blocks", "send again, and more slowly"
        )


@dataclass(slots=True, eq=False)
class _InFlight:
    """An item that was written down and has no receipt yet."""

    item: Signed
    name: bytes
    is_out: bool
    """Whether others may have seen it, by this program or an earlier one."""
    future: Future[Receipt] = field(default_factory=Future)
    submitted_s: float | None = None
    """When it was submitted last, monotonic."""
    found: tuple[int, int] | None = None
    """Height and place of the block that has it."""

    def __post_init__(self) -> None:
        # What was written down will be published: nobody can cancel it.
        self.future.set_running_or_notify_cancel()


class Sender:
    """Signs and publishes for one party on one stream. For any number of threads; close it.

    One at a time for a directory. `resumed` are the receipts to come of what an earlier program had
    signed and nobody had settled.
    """

    def __init__(self, asking: Asking, outbox: Outbox, ring: KeyRing, stream: int) -> None:
        self.party = asking.party
        self.stream = stream
        self.resumed: list[Future[Receipt]] = []
        self._asking = asking
        self._outbox = outbox
        self._publisher = Publisher(ring, self.party, stream, 1)
        self._client = LedgerClient(asking.node, patience=Patience(total_s=SEND_PATIENCE_S))
        self._highest = 0
        self._unused: list[int] = []
        self._looked = 0
        self._flying: list[_InFlight] = []
        self._settled_count = 0
        self._closing = False
        self._is_over = False
        self._trouble = NO_BLOCK
        self._failure: BaseException | None = None
        self._signing = threading.Lock()
        self._changed = threading.Condition(threading.RLock())
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        stream: int = 0,
        ring: KeyRing | None = None,
        patience_s: float = READY_PATIENCE_S,
        away_s: float = AWAY_PATIENCE_S,
    ) -> Self:
        """Publish through the node in a directory, for the party whose keys are there.

        `ring` is asked for each signature; without one, `ring_at` gives it now. Waits until the
        node follows the chain and has block 1. Raises EngineError when it does not within
        `patience_s`, it does not answer at all for `away_s`, or another program publishes from
        there.
        """
        ring = ring or ring_at(directory)
        outbox = Outbox(directory / OUTBOX)
        node = Node(*rpc_address(directory))
        try:
            asking = Asking(node, _party_of(ring, directory), directory)
            height = asking.await_ready(patience_s, away_s)
            sender = cls(asking, outbox, ring, stream)
            sender._begin(height)
        except BaseException as error:
            node.close()
            outbox.close()
            if isinstance(error, SdkError):
                advice = f"is it running? tieout network run {directory}"
                raise EngineError(str(error), advice) from error
            raise
        return sender

    def _begin(self, height: int) -> None:
        """Take over what is in the outbox; `height` is one that the node has committed."""
        self._looked = height
        for item in self._outbox.waiting():
            if item.place.party != self.party:
                raise EngineError(
                    f"the outbox holds an item of party {item.place.party}",
                    "an outbox belongs to the directory in which it was made: put it back there",
                )
            flying = _InFlight(item, name_of(item.data), is_out=True)
            self.resumed.append(flying.future)
            self._flying.append(flying)
            self._settle_known(flying)
        used = self._asking.highest_used(self.stream)
        self._highest = max(used, self._outbox.highest(self.stream))
        self._unused = [
            number
            for number in self._outbox.unused(self.stream)
            if not self._asking.is_used(self.stream, number)
        ]
        self._thread.start()

    # ------------------------------------------------------------------ sending

    def batch(
        self, agreement: Agreement, role: int, rows: NDArray[np.uint8], patience_s: float = 60.0
    ) -> Future[Receipt]:
        """Publish rows (uint8[n, row_bytes], n ≤ `most_rows`), which get their salts.

        On return the batch is durable here and will be published, by this program or the next. The
        future has its receipt once a block has it, whatever the rules made of it; it fails with
        Refused when no block will ever have it, NotSettled when this sender ends before, and with
        what stopped the sender; its callbacks run in the sender's thread, and must not send or wait
        there. Raises Backlogged when there is no room within `patience_s`, and EngineError when it
        cannot be signed or written down.
        """
        return self.send(lambda publisher: publisher.batch(agreement, role, rows), patience_s)

    def operation(
        self,
        kind: OperationKind,
        purpose: Purpose,
        body: Body,
        person: str | None = None,
        patience_s: float = 60.0,
    ) -> Future[Receipt]:
        """Publish an operation; as `batch`. `person` signs where the purpose is personal."""
        return self.send(
            lambda publisher: publisher.operation(kind, purpose, body, person), patience_s
        )

    def send(self, sign: Callable[[Publisher], bytes], patience_s: float = 60.0) -> Future[Receipt]:
        """Publish whatever `sign` has the publisher sign, once; as `batch`."""
        with self._signing:
            self._await_room(patience_s)
            number = min(self._unused, default=self._highest + 1)
            self._publisher.next_sequence = number
            item = _signed(lambda: sign(self._publisher))
            try:
                self._outbox.put(item)
            except OSError as error:
                failure = EngineError(f"the outbox cannot be written: {error}", "mend the disk")
                self._end(failure)
                raise failure from error
            flying = _InFlight(item, name_of(item.data), is_out=False)
            with self._changed:
                if number in self._unused:
                    self._unused.remove(number)
                self._highest = max(self._highest, number)
                self._flying.append(flying)
                if self._is_over:
                    self._abandon()
                self._changed.notify_all()
        return flying.future

    def _await_room(self, patience_s: float) -> None:
        def is_room() -> bool:
            size = sum(len(each.item.data) for each in self._flying)
            fits = len(self._flying) < MAX_IN_FLIGHT and size < MAX_IN_FLIGHT_BYTES
            return fits or self._closing

        with self._changed:
            if not self._changed.wait_for(is_room, patience_s):
                raise Backlogged(len(self._flying))
            self._raise_failure()
            if self._closing:
                raise EngineError("this sender is closed")

    # ------------------------------------------------------------------ ending

    @property
    def in_flight(self) -> int:
        """How many items have no receipt yet."""
        with self._changed:
            return len(self._flying)

    @property
    def failure(self) -> BaseException | None:
        """What stopped this sender for good; None while it works."""
        return self._failure

    @property
    def trouble(self) -> str:
        """Why what is in flight is not submitted at the moment; empty while all is well."""
        return "" if self._trouble == NO_BLOCK else self._trouble

    def settle(self, patience_s: float = 60.0) -> None:
        """Return when nothing is in flight, and every future is done.

        Raises NotSettled when nothing at all came into a block for `patience_s`; and what stopped
        this sender.
        """
        with self._changed:
            while self._flying and not self._closing:
                before = self._settled_count
                self._changed.wait_for(
                    lambda before=before: self._settled_count != before or self._closing,  # type: ignore[misc]
                    patience_s,
                )
                if self._flying and self._settled_count == before and not self._closing:
                    raise NotSettled(len(self._flying), self._trouble)
            self._raise_failure()

    def _raise_failure(self) -> None:
        if isinstance(self._failure, EngineError):
            raise self._failure
        if self._failure is not None:
            raise EngineError(f"publishing stopped: {self._failure}") from self._failure

    def close(self) -> None:
        """Stop; what is in flight stays in the outbox, and its futures fail with NotSettled."""
        self._end(None)
        if self._thread.is_alive():
            self._thread.join()
        self._asking.node.close()
        self._outbox.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def _end(self, failure: BaseException | None) -> None:
        if failure is not None:
            _LOG.error("publishing stopped: %s", failure)
        with self._changed:
            self._failure = self._failure or failure
            self._closing = True
            self._changed.notify_all()

    def _abandon(self) -> None:
        """Leave what is in flight to whoever publishes next."""
        with self._changed:
            self._is_over = True
            for each in self._flying:
                if not each.future.done():
                    left = NotSettled(len(self._flying), "the sender has ended")
                    each.future.set_exception(self._failure or left)
            self._changed.notify_all()

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        pause_s = MIN_PAUSE_S
        try:
            while self._await_work(pause_s):
                before = self._settled_count
                try:
                    self._submit()
                    self._look()
                except TooLarge:
                    raise
                except SdkError as error:
                    pause_s = min(2 * pause_s, MAX_PAUSE_S)
                    self._trouble = str(error)
                    self._rest(pause_s)
                else:
                    self._trouble = NO_BLOCK
                    is_idle = self._settled_count == before
                    pause_s = min(2 * pause_s, IDLE_PAUSE_S) if is_idle else MIN_PAUSE_S
        except BaseException as error:  # noqa: BLE001 - raised in the threads that wait
            self._end(error)
        finally:
            self._abandon()

    def _await_work(self, pause_s: float) -> bool:
        """Wait a moment, or until there is something new to do; False when this sender ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._has_new(), pause_s)
            self._changed.wait_for(lambda: self._closing or self._flying)
            return not self._closing

    def _rest(self, pause_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closing, pause_s)

    def _has_new(self) -> bool:
        return any(each.submitted_s is None for each in self._flying)

    def _submit(self) -> None:
        """Submit what is new, and again what has been on its way for long."""
        now_s = time.monotonic()
        with self._changed:
            waiting = [each for each in self._flying if each.found is None]
        if waiting and not any(each.is_out for each in self._flying):
            # Nobody can have put these into a block yet: what was made meanwhile is passed over.
            self._looked = max(self._looked, self._client.height())
        for each in waiting:
            if self._closing:
                return
            each.is_out = True
            if each.submitted_s is not None:
                is_late = now_s - each.submitted_s > AGAIN_S
                if not is_late or self._settle_known(each):
                    continue
            submission = self._client.submit(each.item.data)
            each.submitted_s = time.monotonic()
            if submission.taken is Taken.REFUSED:
                self._judge_refusal(each, submission)
            elif submission.code == ItemOutcome.REPEATED:
                self._settle_known(each)

    def _judge_refusal(self, flying: _InFlight, submission: Submission) -> None:
        """What the node's filter said no to: for good, or because the node is behind."""
        flying.submitted_s = None
        if self._client.is_catching_up():
            raise NodeUnreachable(self._asking.node.name, "it is still fetching blocks")
        self._refuse(flying, ItemOutcome(submission.code))

    def _look(self) -> None:
        """Find what is in blocks, and settle what the application has committed."""
        with self._changed:
            by_name = {each.name: each for each in self._flying if each.found is None}
        if by_name:
            found, self._looked = self._client.look(by_name, self._looked)
            for name, inclusion in found.items():
                by_name[name].found = inclusion.height, inclusion.place
        by_height: dict[int, list[tuple[int, _InFlight]]] = {}
        with self._changed:
            for each in self._flying:
                if each.found is not None:
                    height, place = each.found
                    by_height.setdefault(height, []).append((place, each))
        for height, found_there in by_height.items():
            # None while CometBFT has the block, and the application is still at it.
            receipts = self._asking.receipts_at(height, [place for place, _ in found_there])
            for receipt, (_, each) in zip(receipts, found_there, strict=False):
                self._settle_found(each, receipt)

    def _settle_found(self, flying: _InFlight, receipt: Receipt) -> None:
        if receipt.result.leaf is not None:
            self._settle(flying, receipt)
        elif receipt.result.outcome is not ItemOutcome.REPEATED:
            self._refuse(flying, receipt.result.outcome)
        else:
            self._settle_known(flying)

    def _settle_known(self, flying: _InFlight) -> bool:
        """Settle an item whose number the ledger has; False when it is unused."""
        place = flying.item.place
        used_by = self._asking.uses(place)
        if used_by == place.digest:
            self._settle(flying, self._asking.receipt_of(place))
        elif used_by:
            # Submitted now, it would be proof of two things signed under one number.
            self._refuse(flying, ItemOutcome.EQUIVOCATION)
        return used_by != b""

    def _settle(self, flying: _InFlight, receipt: Receipt | None) -> None:
        self._outbox.settle(flying.item)
        if receipt is not None:
            flying.future.set_result(receipt)
        else:
            what = "the ledger has it, in a block that this copy does not keep"
            flying.future.set_exception(EngineError(what))
        self._leave(flying)

    def _refuse(self, flying: _InFlight, outcome: ItemOutcome) -> None:
        is_unused = outcome in _UNUSED
        self._outbox.set_aside(flying.item, REFUSED if is_unused else CONFLICT)
        if is_unused and flying.item.place.stream == self.stream:
            with self._changed:
                self._unused.append(flying.item.place.sequence)
        flying.future.set_exception(Refused("a signed item", outcome.name.lower()))
        self._leave(flying)

    def _leave(self, flying: _InFlight) -> None:
        with self._changed:
            self._flying.remove(flying)
            self._settled_count += 1
            self._changed.notify_all()


def ring_at(directory: Path) -> KeyRing:
    """The keys in a ledger's directory, judged by the members that its copy has now.

    Before the first block these are the founders. Raises EngineError and the journal's errors.
    """
    genesis, _ = read_node(directory)
    ring = read_keys(directory, genesis)
    try:
        copy = Replica.open(directory / JOURNAL, genesis, read_only=True)
    except NoJournal:
        return ring
    known = Roster(kernel.upcoming_parties(copy.state), copy.state.height + 1)
    copy.journal.close()
    ring.follow(lambda: known)
    return ring


def _party_of(ring: KeyRing, directory: Path) -> int:
    if not ring.parties:
        raise EngineError(
            f"no key in {directory} is of a member", "`tieout member list` names the members"
        )
    return ring.parties[0]


def _signed(sign: Callable[[], bytes]) -> Signed:
    """A new item. Raises EngineError for one that no node would take."""
    try:
        return Signed.of(sign())
    except WireError as error:
        raise EngineError(f"nothing was signed: {error}") from error
