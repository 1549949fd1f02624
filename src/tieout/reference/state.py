"""The state of a ledger: what the rules remember from block to block.

Everything here follows from the genesis and the blocks. What of it is committed to, and in which
bytes, stands in docs/formats/state.md and is written by digest.py.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from tieout.agreement.limits import MAX_STAGES
from tieout.agreement.model import Agreement
from tieout.merkle.log import Frontier
from tieout.reference.grouping import Groups
from tieout.reference.members import Members, members_of
from tieout.reference.transaction import Adjustment, Transaction
from tieout.reference.values import RowReader, Value
from tieout.wire.codes import MotionStatus, Severity
from tieout.wire.genesis import Genesis, check_genesis
from tieout.wire.ids import NO_EVENTS


class TransactionKey(NamedTuple):
    """By what a transaction is found (R-KEY-1). The id has 36 bytes, NUL padded."""

    agreement: str
    originator: int
    transaction_id: bytes
    stage: int


class StreamKey(NamedTuple):
    """Whose numbering: sequence numbers count for each party and stream (R-SEQ-1)."""

    party: int
    stream: int


class EnactmentKey(NamedTuple):
    """What parties say together: the same version with the same body (R-AGREE-1)."""

    agreement: str
    version: int
    body_digest: bytes


class StatementKey(NamedTuple):
    """Whose statements (R-COMPLETE-5)."""

    agreement_number: int
    role: int
    party: int


class Period(NamedTuple):
    """Of which transactions: those opened after one time and at or before another, in µs."""

    until_us: int
    after_us: int


@dataclass(frozen=True, slots=True)
class KeptStatement:
    """What came of the last statement for a period (R-COMPLETE-5).

    `digest` is SHA-256 of its body, `differences` are bits of StatementDifference, `count` is what
    the ledger held.
    """

    revision: int
    height: int
    digest: bytes
    differences: int
    count: int


class Deadline(NamedTuple):
    """When a role of a transaction is asked; in this order (R-TIME-1)."""

    deadline_us: int
    agreement_number: int
    serial: int
    role: int


@dataclass(slots=True)
class Urgency:
    """How severe the breaks of an episode are, and who has been told (R-SEVERITY-1, R-ESCALATE-1).

    `since_us` is the time of the block in which the episode began, `aged` the severity that its age
    has brought so far. `raised_us` is that of the block in which the alarm was raised, 0 while
    nobody has to acknowledge it; `steps` counts the steps of escalation since then.
    """

    episode: int
    since_us: int
    severity: Severity = Severity.NONE
    aged: Severity = Severity.NONE
    raised_us: int = 0
    steps: int = 0


class UrgencyDue(NamedTuple):
    """When a transaction is looked at again; in this order. `what`: 0 its age, 1 its alarm."""

    due_us: int
    agreement_number: int
    serial: int
    what: int


@dataclass(slots=True)
class Stream:
    """Sequence numbers of one stream. `used` are the digests of the numbers still in the window.

    `gap_since_us` is the time of the block in which the lowest unused number became the lowest
    below a used one, 0 while there is no gap; `gap_named` whether it was told (R-SEQ-4).
    """

    lowest_unused: int = 1
    highest_used: int = 0
    used: dict[int, bytes] = field(default_factory=dict)
    gap_since_us: int = 0
    gap_named: bool = False


class MotionKey(NamedTuple):
    """About which transaction; in this order motions expire (R-DECIDE-4)."""

    agreement_number: int
    serial: int


@dataclass(slots=True)
class Motion:
    """An open motion: that a value stand for a field, or that all be reversed (R-REVERSE-1).

    `name` is the digest of the operation that moved it, `moved_by` party × 65,536 + person.
    `place` is the field, None for a reversal, which has no value. `value_bytes` and
    `currency_bytes` are the value as it was signed.
    """

    name: bytes
    place: int | None
    value: Value | None
    value_bytes: bytes
    currency_bytes: bytes
    reason: str
    moved_by: int
    expires_us: int
    in_favour: list[int]
    against: list[int] = field(default_factory=list)
    status: MotionStatus = MotionStatus.NONE


@dataclass(slots=True)
class Book:
    """One agreement version in force, with its transactions and adjustments in order.

    `holders[i]` are the parties entitled to role i now; `body_digest` is SHA-256 of the
    enacted body; `terms[s]` are the agreement as it holds at stage s. The first `judged_count`
    transactions have been judged at a cut-off: they are opened in the order of time, so those are
    always the first ones.
    """

    number: int
    agreement: Agreement
    holders: tuple[tuple[int, ...], ...]
    body_digest: bytes
    reader: RowReader
    terms: tuple[Agreement, ...]
    transactions: list[Transaction] = field(default_factory=list)
    judged_count: int = 0
    adjustments: list[Adjustment] = field(default_factory=list)
    groups: Groups = field(default_factory=Groups)


@dataclass(slots=True)
class State:
    """A whole ledger after a block. Made by `initial_state`, changed by `apply_block` only.

    `books[n - 1]` is the book of agreement number n, `newest` the book of the newest version of a
    name, `transactions` the index of all of them. `deadlines` is a heap. `urgencies` are those of
    broken transactions, by agreement number and serial, `urgency_dues` a heap of when they are
    looked at again; `touched` are the transactions that the block has judged, where that matters.
    `state_digest` is the one last taken, at a cut-off (R-BLOCK-2).
    """

    genesis: Genesis
    ledger_id: bytes
    members: Members
    height: int = 0
    time_us: int = 0
    log: Frontier = field(default_factory=Frontier)
    events_chain: bytes = NO_EVENTS
    streams: dict[StreamKey, Stream] = field(default_factory=dict)
    books: list[Book] = field(default_factory=list)
    newest: dict[str, Book] = field(default_factory=dict)
    transactions: dict[TransactionKey, Transaction] = field(default_factory=dict)
    enactments: dict[EnactmentKey, list[int]] = field(default_factory=dict)
    cutoffs_us: dict[str, int] = field(default_factory=dict)
    deadlines: list[Deadline] = field(default_factory=list)
    motions: dict[MotionKey, Motion] = field(default_factory=dict)
    statements: dict[StatementKey, dict[Period, KeptStatement]] = field(default_factory=dict)
    urgencies: dict[tuple[int, int], Urgency] = field(default_factory=dict)
    urgency_dues: list[UrgencyDue] = field(default_factory=list)
    touched: dict[tuple[int, int], None] = field(default_factory=dict)
    state_digest: bytes = bytes(32)
    judges_groups: bool = True
    """Off where only some of a ledger's records are played, which say nothing of whole groups."""

    def book_of(self, transaction: Transaction) -> Book:
        """The book that a transaction stands in."""
        return self.books[transaction.agreement_number - 1]

    def stages_of(self, key: TransactionKey) -> list[Transaction]:
        """All stages of a transaction that stand, in their order; the key may be of any of them."""
        found = (self.transactions.get(key._replace(stage=stage)) for stage in range(MAX_STAGES))
        return [each for each in found if each is not None]

    def find_book(self, agreement: str, version: int) -> Book | None:
        """The book of a version in force, None when there is none."""
        for book in self.books:
            if book.agreement.name == agreement and book.agreement.version == version:
                return book
        return None


def initial_state(genesis: Genesis) -> State:
    """The state before the first block.

    Raises WireError for a genesis that does not hold together.
    """
    check_genesis(genesis)
    return State(genesis, genesis.ledger_id(), members_of(genesis))
