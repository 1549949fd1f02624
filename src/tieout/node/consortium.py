"""A ledger that several parties order, behind the port.

It is published to through this party's own network node, and followed in that one's journal.

The problem: the network's node (`tieout network run`) is two other processes, which go on whatever
happens to this one and may be away while this one goes on; and between signing and a block lies a
round of votes.

The model: two threads. One follows: it takes up each block that the application's journal has,
applies it to a state of this process's own, and holds the outcome against the application's. What
was published is settled when that state has its block, so that whoever is told of a verdict finds
it. The other connects: it opens a `Sender` on the node's directory, opens it again after whatever
ends it, and lets nobody publish before everything that an earlier process had signed is on the
ledger and in the state here; else a record could be compared with books that lack it.

So this process may be killed at any moment: what it had signed is in the outbox, byte for byte, and
what was not signed did not happen.

What is not here: judging for others (the application), and keeping both of its processes running
(`engines.cometbft.process`).
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from tieout import kernel
from tieout.engines.cometbft.asking import Asking
from tieout.engines.cometbft.places import JOURNAL
from tieout.engines.cometbft.sending import Backlogged, NotSettled, Sender
from tieout.engines.cometbft.settings import read_node, rpc_address
from tieout.engines.cometbft.stopped import why_stopped
from tieout.engines.cometbft.votes import votes_of
from tieout.engines.errors import EngineError, LedgerDamaged, Refused
from tieout.engines.keyring import KeyRing, Roster
from tieout.engines.keystore import KeyStore
from tieout.engines.proving import LedgerProofs, Signer
from tieout.engines.receipt import Receipt
from tieout.engines.replica import Replica
from tieout.evidence.reader import JournalReader
from tieout.journal.journal import Journal
from tieout.kernel.book import Book
from tieout.kernel.members import Party
from tieout.node.ordering import (
    Item,
    NotSigned,
    NotTaken,
    Order,
    Settled,
    Sign,
    not_applied,
)
from tieout.sdk.client import LedgerClient, Taken
from tieout.sdk.errors import SdkError
from tieout.sdk.transport import Node
from tieout.wire.codes import ItemOutcome, Purpose, RowOutcome
from tieout.wire.errors import WireError
from tieout.wire.genesis import Genesis
from tieout.wire.numbered import Numbered, numbered

POLL_S: Final = 0.05
"""How often the journal is looked at: a tenth of the time that a block takes."""
AGAIN_S: Final = 1.0
"""After so long a network node that was away is tried again."""
READY_S: Final = 2.0
"""How long one attempt waits for it: then the attempt begins anew, and whoever stops is heard."""
ROOM_S: Final = 5.0
"""How long publishing waits for room in the outbox, before senders are told to come back."""
HAND_IN_S: Final = 30.0
"""How long a batch that was signed elsewhere is looked for."""
HANDING_IN: Final = 4
"""Batches signed elsewhere that are handed in at a time."""
STILL_US: Final = 60_000_000
"""A network makes a block in about a second, also of nothing: one that is so old is the last."""
log = structlog.get_logger("tieout.node")


class _Waiting(NamedTuple):
    """Something in a block that the state here may not have reached."""

    receipt: Receipt
    future: Future[Settled]


class ConsortiumOrdering:
    """A party's copy of a consortium's ledger. Made by `open`; close it."""

    def __init__(
        self, directory: Path, replica: Replica, keys: KeyStore, clock: Callable[[], int]
    ) -> None:
        self.genesis: Genesis = replica.genesis
        self.journal: Journal = replica.journal
        self.books: Mapping[str, Book] = {}
        self.parties: Sequence[Party] = ()
        self._directory = directory
        self._clock = clock
        self._replica = replica
        self._lock = threading.RLock()
        self._proving = threading.Lock()
        self._reader: JournalReader | None = None
        self._roster = Roster((), 1)
        self._note_members()
        self.ring = KeyRing(self.genesis, keys, lambda: self._roster)
        self._told: list[Callable[[], None]] = []
        self._waiting: list[_Waiting] = []
        self._sender: Sender | None = None
        self._why_not = "the network's node was not asked yet"
        self._failure: BaseException | None = None
        self._stopping = threading.Event()
        self._news = threading.Event()
        self._moved = threading.Condition()
        self._hands = ThreadPoolExecutor(HANDING_IN, thread_name_prefix="hand-in")
        self._follower = threading.Thread(target=self._follow, name="follow", daemon=True)
        self._connector = threading.Thread(target=self._connect, name="connect", daemon=True)

    @classmethod
    def open(
        cls, directory: Path, keys: KeyStore, clock: Callable[[], int]
    ) -> "ConsortiumOrdering":
        """Follow the ledger in a network node's directory, signing with these keys.

        `clock` gives microseconds UTC. Raises EngineError and the journal's errors: NoJournal for a
        node that never ran.
        """
        genesis, _ = read_node(directory)
        replica = Replica.open(directory / JOURNAL, genesis, read_only=True)
        try:
            ordering = cls(directory, replica, keys, clock)
            if not ordering.ring.parties:
                raise EngineError(
                    f"no key in {directory} is of a member", "`tieout member list` names them"
                )
        except BaseException:
            replica.journal.close()
            raise
        ordering._follower.start()
        ordering._connector.start()
        return ordering

    # ------------------------------------------------------------------ what is known

    @property
    def trouble(self) -> str:
        """Why nothing can be published, or comes into no block; see Ordering."""
        if self._failure is not None:
            return f"the ledger cannot be followed: {self._failure}"
        sender = self._sender
        if sender is None:
            return self._why_not
        age_us = self._clock() - self.journal.durable.time_us
        if age_us > STILL_US:
            words = f"the last block is {age_us // 1_000_000:,} seconds old"
            why = why_stopped(self._directory) or "`tieout network status` says more"
            return f"{words}: {why}"
        return sender.trouble

    @contextlib.contextmanager
    def reading(self) -> Iterator[kernel.State]:
        """Lend the state; see Ordering."""
        with self._lock:
            yield self._replica.state

    @contextlib.contextmanager
    def proofs(self) -> Iterator[LedgerProofs]:
        """Lend what proves, with the votes of the validators; see Ordering."""
        votes = votes_of(self._directory, self.genesis)
        party = self.ring.parties[0]

        def signer(height: int) -> Signer:
            return Signer(party, *self.ring.signer(party, Purpose.CHECKPOINT, height=height))

        with self._proving:
            self._reader = self._reader or JournalReader(self.journal, self.genesis)
            yield LedgerProofs(
                self.genesis, self.journal, self.reading, signer, votes, self._reader
            )

    def follow(self, tell: Callable[[], None]) -> None:
        """Call `tell` after each block, in the thread that follows; see Ordering."""
        self._told.append(tell)

    def let_time_pass(self) -> None:
        """Nothing: the network makes blocks by itself."""

    # ------------------------------------------------------------------ publishing

    def publish(self, orders: Sequence[Order]) -> list[Future[Settled]]:
        """Sign, write down, submit; see Ordering."""
        if self._failure is not None:
            what = f"the ledger cannot be followed: {self._failure}"
            raise EngineError(what, "see the log; then start the node again") from self._failure
        return [self._publish(party, sign) for party, sign in orders]

    def _publish(self, party: int, sign: Sign) -> Future[Settled]:
        settled: Future[Settled] = Future()
        sender = self._sender
        try:
            if sender is None:
                raise NotTaken(self._why_not)
            if party != sender.party:
                raise NotSigned(f"this node publishes for party {sender.party}, not for {party}")
            sent = sender.send(sign, ROOM_S)
        except (NotTaken, NotSigned) as error:
            settled.set_exception(error)
        except Backlogged as error:
            settled.set_exception(NotTaken(str(error), error.advice))
        except EngineError as error:
            ended = sender is not None and sender.failure is not None
            kind = NotTaken if ended else NotSigned
            settled.set_exception(kind(str(error), error.advice))
        else:
            sent.add_done_callback(lambda done: self._arrived(done, settled))
        return settled

    def _arrived(self, done: Future[Receipt], settled: Future[Settled]) -> None:
        """The network has settled an item; the state here may have to catch up. In any thread."""
        error = done.exception()
        if error is not None:
            settled.set_exception(error)
            return
        with self._moved:
            self._waiting.append(_Waiting(done.result(), settled))
        self._news.set()
        if self._failure is not None:
            self._fail_waiting(self._failure)

    def hand_in(self, item: Item) -> Future[Settled]:
        """Submit what was signed elsewhere, and look for it; see Ordering."""
        settled: Future[Settled] = Future()
        found = self._hands.submit(self._through, bytes(item))
        found.add_done_callback(lambda done: self._arrived(done, settled))
        return settled

    def _through(self, item: bytes) -> Receipt:
        """Bring signed bytes into a block; they may be in one already."""
        try:
            place = numbered(item)
        except WireError as error:
            raise Refused("the batch", ItemOutcome.MALFORMED.name.lower()) from error
        try:
            with Node(*rpc_address(self._directory)) as node:
                said = LedgerClient(node).submit(item)
                if said.taken is Taken.REFUSED and said.code != ItemOutcome.REPEATED:
                    raise Refused("the batch", ItemOutcome(said.code).name.lower())
                return self._found(Asking(node, place.party, self._directory), place)
        except SdkError as error:
            raise NotTaken(str(error)) from error

    def _found(self, asking: Asking, place: Numbered) -> Receipt:
        for _ in range(int(HAND_IN_S / POLL_S)):
            receipt = asking.receipt_of(place)
            if receipt is not None:
                return receipt
            if self._stopping.wait(POLL_S):
                break
        raise NotTaken("the batch is in no block yet: hand the same bytes in again")

    # ------------------------------------------------------------------ following

    def _follow(self) -> None:
        try:
            while not self._stopping.is_set():
                self._news.clear()
                while self._take_up():
                    for tell in self._told:
                        tell()
                self._settle_reached()
                self._news.wait(POLL_S)
        except BaseException as error:
            log.exception("ledger_not_followed")
            self._failure = error
            self._fail_waiting(error)
            for tell in self._told:
                tell()

    def _take_up(self) -> bool:
        """Apply what the journal has and the state has not; whether there was anything.

        Under the lock from before a block can be seen until the state has it: whoever reads of a
        block in the journal, and then asks the state, finds it there.
        """
        replica = self._replica
        with self._lock:
            height = replica.state.height
            if self.journal.durable.height == height:
                self.journal.refresh()
            for entry in self.journal.entries(height + 1):
                result = replica.judge(entry.block)
                if result.app_hash != entry.header.app_hash:
                    what = "is judged otherwise here than by its application"
                    raise LedgerDamaged(entry.block.height, what)
            if replica.state.height == height:
                return False
            self._note_members()
        with self._moved:
            self._moved.notify_all()
        return True

    def _note_members(self) -> None:
        state = self._replica.state
        self.books = dict(state.newest)
        self.parties = kernel.parties(state)
        self._roster = Roster(kernel.upcoming_parties(state), state.height + 1)

    def _settle_reached(self) -> None:
        """Settle what stands in blocks that the state has."""
        height = self._replica.state.height
        with self._moved:
            reached = [each for each in self._waiting if each.receipt.height <= height]
            self._waiting = [each for each in self._waiting if each.receipt.height > height]
        rows_of: dict[int, dict[int, dict[int, RowOutcome]]] = {}
        for receipt, future in reached:
            if receipt.height not in rows_of:
                events = self.journal.read(receipt.height).result.events
                rows_of[receipt.height] = not_applied(events)
            future.set_result(Settled(receipt, rows_of[receipt.height].get(receipt.item, {})))

    def _fail_waiting(self, error: BaseException) -> None:
        with self._moved:
            waiting, self._waiting = self._waiting, []
        for each in waiting:
            what = f"the item is in block {each.receipt.height}, which cannot be read here: {error}"
            each.future.set_exception(EngineError(what))

    # ------------------------------------------------------------------ connecting

    def _connect(self) -> None:
        while not self._stopping.is_set():
            try:
                sender = Sender.open(self._directory, ring=self.ring, patience_s=READY_S)
            except Exception as error:  # noqa: BLE001 - tried again, and told at /readyz
                self._note_trouble(str(error))
                self._stopping.wait(AGAIN_S)
                continue
            with sender:
                if self._is_settled(sender):
                    log.info("connected", resumed=len(sender.resumed))
                    self._sender = sender
                while sender.failure is None and not self._stopping.wait(AGAIN_S):
                    pass
                self._sender = None
                if sender.failure is not None:
                    self._note_trouble(str(sender.failure))

    def _is_settled(self, sender: Sender) -> bool:
        """Wait until everything that was signed earlier is in a block, and in the state here."""
        while sender.failure is None and not self._stopping.is_set():
            self._why_not = f"{sender.in_flight} items of before the start are in no block yet"
            with contextlib.suppress(NotSettled):
                sender.settle(AGAIN_S)
                break
        done = [each for each in sender.resumed if each.done() and each.exception() is None]
        height = max((each.result().height for each in done), default=0)
        with self._moved:
            while self._replica.state.height < height and not self._stopping.is_set():
                self._moved.wait(AGAIN_S)
        return sender.failure is None and not self._stopping.is_set()

    def _note_trouble(self, why: str) -> None:
        if why != self._why_not:
            log.warning("not_connected", reason=why)
        self._why_not = why

    # ------------------------------------------------------------------ ending

    def close(self) -> None:
        """Let nothing more in. What is signed and in no block is left to the next start."""
        self._stopping.set()
        self._news.set()
        self._hands.shutdown(wait=True, cancel_futures=True)
        self._connector.join()
        self._follower.join()
        self._fail_waiting(EngineError("the node has ended"))
        self.journal.close()
