"""The state of a ledger, as the kernel keeps it: books of images, and a little control beside them.

What of it is committed to, and in which bytes, stands in docs/formats/state.md (`digest.py`).
"""

import hashlib
import struct
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tieout.kernel import layout as at
from tieout.kernel.book import Book, Bytes, Spread
from tieout.kernel.members import Members, founders
from tieout.kernel.sequences import Stream
from tieout.kernel.words import HASH_WORDS
from tieout.merkle.log import Frontier
from tieout.wire.codes import NO_FIELD, NO_ROLE, NO_ROW, NO_SERIAL, EventKind
from tieout.wire.genesis import Genesis, check_genesis
from tieout.wire.ids import NO_EVENTS, agreements_hash, governed_members_hash, members_hash

NO_AGREEMENTS: Final = agreements_hash(())
_EVENT: Final = struct.Struct("<BBBBHHIIQ")
_EVENT_ROOM: Final = 1 << 18
DEFAULT_INDEX_KEY: Final = b"tieout: not a secret"


class PoisonedError(RuntimeError):
    """An exception came in the middle of writing this state.

    Nothing it holds may be trusted or kept: stop the process and start again from the journal.
    """


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Who signs with a key, for what (Purpose numbers), and at which heights (until 0: no end)."""

    person: int
    public: bytes
    purposes: tuple[int, ...]
    from_height: int
    until_height: int


@dataclass(slots=True)
class Confirmations:
    """The parties that confirmed an episode of a transaction, ascending (R-ALARM-2)."""

    episode: int
    parties: list[int]


@dataclass(frozen=True, slots=True)
class Dispute:
    """A role's open dispute: who raised it (party × 65,536 + person), why, and on what grounds."""

    raised_by: int
    reason: str
    evidence: tuple[bytes, ...]


@dataclass(slots=True)
class Motion:
    """An open motion: that a value stand for a field, or that all be reversed (R-REVERSE-1).

    `place` is the field, NO_FIELD for a reversal; `value` and `currency` are as they were signed.
    `moved_by` is party × 65,536 + person, the others are parties.
    """

    name: bytes
    place: int
    value: bytes
    currency: bytes
    reason: str
    moved_by: int
    expires_us: int
    in_favour: list[int]
    against: list[int]


@dataclass(frozen=True, slots=True)
class KeptStatement:
    """What came of a party's last statement for a period (R-COMPLETE-5).

    `digest` is SHA-256 of its body, `differences` are bits of StatementDifference, `count` is what
    the ledger held.
    """

    revision: int
    height: int
    digest: bytes
    differences: int
    count: int


@dataclass(slots=True)
class Urgency:
    """How severe the breaks of an episode are, and who has been told (R-SEVERITY, R-ESCALATE).

    `since_us`: the block in which the episode began; `aged`: what its age has brought so far.
    `raised_us`: the block in which the alarm was raised, 0 while nobody has to acknowledge it;
    `steps` of escalation since then. `queued_us`: when age and alarm are looked at next, 0 for
    never; it follows from the rest.
    """

    episode: int
    since_us: int
    severity: int = 0
    aged: int = 0
    raised_us: int = 0
    steps: int = 0
    queued_us: list[int] = field(default_factory=lambda: [0, 0])


class UrgencyDue(NamedTuple):
    """When a transaction is looked at again; in this order. `what`: 0 its age, 1 its alarm."""

    due_us: int
    agreement_number: int
    serial: int
    what: int


class EventBuffer:
    """The events of the block so far; `size` in bytes."""

    def __init__(self) -> None:
        self.data: Bytes = np.zeros(_EVENT_ROOM, np.uint8)
        self.size = 0

    def make_room(self, more: int) -> None:
        """Make room for `more` bytes."""
        if self.size + more > self.data.size:
            grown = np.zeros(max(2 * self.data.size, self.size + more), np.uint8)
            grown[: self.size] = self.data[: self.size]
            self.data = grown

    def add(self, event: bytes) -> None:
        """Append one event."""
        self.make_room(at.EVENT_BYTES)
        self.data[self.size : self.size + at.EVENT_BYTES] = np.frombuffer(event, np.uint8)
        self.size += at.EVENT_BYTES

    def tell(
        self,
        kind: EventKind,
        *,
        item: int,
        agreement: int = 0,
        serial: int = NO_SERIAL,
        role: int = NO_ROLE,
        field: int = NO_FIELD,
        detail: int = 0,
        extra: int = 0,
    ) -> None:
        """Append an event that is not about a row."""
        event = _EVENT.pack(kind, role, field, detail, agreement, NO_ROW, item, extra, serial)
        self.add(event)

    def take(self) -> bytes:
        """Return what was told, and begin anew."""
        told = self.data[: self.size].tobytes()
        self.size = 0
        return told


class Vouched(NamedTuple):
    """What need not be done a second time for a batch.

    `memory` holds the whole batch: its root was computed over these very bytes, which nobody writes
    any more, and its rows are well formed; `hashes` are those of their keys.
    """

    memory: object
    hashes: NDArray[np.int64]


@dataclass(slots=True)
class State:
    """A whole ledger after a block.

    Made by `initial_state` or `load`, changed by `apply_block` only.

    `books[n − 1]` is the book of agreement number n. `state_digest` is the one last taken at a
    cut-off. One thread at a time.
    """

    genesis: Genesis
    ledger_id: bytes
    members: Members
    members_hash: bytes
    keys: dict[tuple[int, int], SigningKey]
    index_secret: NDArray[np.uint64]
    height: int = 0
    time_us: int = 0
    log: Frontier = field(default_factory=Frontier)
    events_chain: bytes = NO_EVENTS
    agreements_hash: bytes = NO_AGREEMENTS
    state_digest: bytes = bytes(32)
    streams: dict[tuple[int, int], Stream] = field(default_factory=dict)
    gaps: dict[tuple[int, int], Stream] = field(default_factory=dict)
    books: list[Book] = field(default_factory=list)
    newest: dict[str, Book] = field(default_factory=dict)
    by_version: dict[tuple[str, int], Book] = field(default_factory=dict)
    enactments: dict[tuple[str, int, bytes], list[int]] = field(default_factory=dict)
    cutoffs_us: dict[str, int] = field(default_factory=dict)
    confirmations: dict[tuple[int, int], Confirmations] = field(default_factory=dict)
    disputes: dict[tuple[int, int, int], Dispute] = field(default_factory=dict)
    """Those that are open, by (agreement number, serial, role)."""
    motions: dict[tuple[int, int], Motion] = field(default_factory=dict)
    """Those that are open, by (agreement number, serial)."""
    statements: dict[tuple[int, int, int], dict[tuple[int, int], KeptStatement]] = field(
        default_factory=dict
    )
    """Of each (agreement number, role, party), by period as (until µs, after µs)."""
    urgencies: dict[tuple[int, int], Urgency] = field(default_factory=dict)
    """Of broken transactions, where an agreement asks for it, by (agreement number, serial)."""
    urgency_dues: list[UrgencyDue] = field(default_factory=list)
    """A heap; between blocks the first one is still to come."""
    events: EventBuffer = field(default_factory=EventBuffer)
    vouched: dict[bytes, Vouched] = field(default_factory=dict)
    """Batches that this very process has built and checked (`batches.vouch`), by the digest of
    their header. The node's own affair: it changes no outcome."""
    spread: Spread = map
    """How the pages of the digest are hashed: by the engine's means, where it has several cores."""
    takes_slow_way: bool = False
    """Whether every row goes the general way, for tests of the quick one; it changes no outcome."""
    is_digest_due: bool = False
    is_poisoned: bool = False

    def set_members(self, members: Members) -> None:
        """Let other members, or other changes of them, stand (rules version 2)."""
        if members.parties is not self.members.parties:
            self.keys = _signing_keys(members)
        self.members = members
        self.members_hash = governed_members_hash(members.to_bytes())

    def add_book(self, book: Book) -> None:
        """Put a version into force."""
        self.books.append(book)
        self.newest[book.agreement.name] = book
        self.by_version[book.agreement.name, book.agreement.version] = book
        self.agreements_hash = agreements_hash(book.body_digest for book in self.books)


def initial_state(genesis: Genesis, index_key: bytes = DEFAULT_INDEX_KEY) -> State:
    """The state before the first block.

    `index_key`: the node's own secret, at least 16 random bytes outside tests, so that nobody can
    choose ids that crowd the index; it changes no outcome. Raises WireError for a genesis that does
    not hold together.
    """
    check_genesis(genesis)
    members = founders(genesis)
    is_governed = genesis.rules_version > 1
    return State(
        genesis=genesis,
        ledger_id=genesis.ledger_id(),
        members=members,
        members_hash=(
            governed_members_hash(members.to_bytes()) if is_governed else members_hash(genesis)
        ),
        keys=_signing_keys(members),
        index_secret=_index_secret(index_key),
    )


def reserve(state: State, agreement_name: str, transactions: int) -> None:
    """Make room for so many transactions of an agreement in all, before they come.

    Not needed, but memory that is new to a process costs more than anything else about opening a
    transaction, and growing by the way makes single blocks slow. Never while a block is applied.
    """
    state.newest[agreement_name].reserve(transactions)


def _signing_keys(members: Members) -> dict[tuple[int, int], SigningKey]:
    return {
        (party.number, key.number): SigningKey(
            person.number,
            key.public,
            key.purposes,
            key.from_height,
            key.until_height,
        )
        for party in members.parties
        for person in party.persons
        for key in person.keys
    }


def _index_secret(index_key: bytes) -> NDArray[np.uint64]:
    words = hashlib.shake_256(b"tieout/index/1\0" + index_key).digest(8 * HASH_WORDS)
    return np.frombuffer(words, "<u8").astype(np.uint64)
