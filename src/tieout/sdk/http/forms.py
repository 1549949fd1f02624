"""What a node answers, as typed messages. Members that a newer node adds are passed over.

Times of lists are microseconds UTC, all others ISO 8601; parties and persons of lists are numbers.
Amounts are text as printed, with the exact integer beside them. What each member means is
described in `/docs` of a node.
"""

from typing import Any, Generic, Literal, TypeVar

import msgspec

from tieout.evidence.packform import Statement

Item = TypeVar("Item")

# ---------------------------------------------------------------- publishing


class Found(msgspec.Struct, frozen=True):
    """A break of a transaction: kind, whose record, which field (empty: the whole record)."""

    kind: str
    role: str
    field: str = ""


class Verdict(msgspec.Struct, frozen=True):
    """How the transaction stands after the block: `pending`, `matched`, `broken`, `withdrawn`."""

    status: str
    breaks: tuple[Found, ...] = ()


class InBlock(msgspec.Struct, frozen=True):
    """The block in which a record stands, and where in it."""

    height: int
    time: str
    leaf: int
    row: int


class Receipt(msgspec.Struct, frozen=True):
    """What became of a record.

    `accepted`: safe, and in no block yet. `published`: it stands in `block`. `unchanged`: the
    ledger had this very record already. `not_applied`: it stands in the block and the rules did
    not apply it; `reason` says why.
    """

    transaction_id: str
    outcome: Literal["accepted", "published", "unchanged", "not_applied"]
    agreement: str = ""
    role: str = ""
    revision: int = 0
    block: InBlock | None = None
    verdict: Verdict | None = None
    reason: str = ""


class RefusedLine(msgspec.Struct, frozen=True):
    """A record that was not taken; `line` counts from 1, `field` is empty where all is at fault."""

    line: int
    field: str
    reason: str


class BatchReceipt(msgspec.Struct, frozen=True):
    """A batch that was made of the records."""

    height: int
    item: int
    leaf: int
    records: int
    not_applied: int


class BulkReceipt(msgspec.Struct, frozen=True):
    """What became of many records.

    `lines` = `published` + `unchanged` + `repeated` + `refused_count`. `refused` lists the first
    thousand. `verdicts` counts the transactions that were named, by status.
    """

    lines: int
    published: int
    unchanged: int
    repeated: int
    refused_count: int
    refused: tuple[RefusedLine, ...]
    batches: tuple[BatchReceipt, ...]
    verdicts: dict[str, int]


# ---------------------------------------------------------------- the live stream


class Event(msgspec.Struct, frozen=True):
    """Something that happened; `id` is its place in the journal, the same for ever."""

    kind: str
    severity: str
    height: int
    time: str
    agreement: str = ""
    transaction_id: str = ""
    originator: int = 0
    role: str = ""
    field: str = ""
    break_kind: str = ""
    benchmark: str = ""
    outcome: str = ""
    level: str = ""
    to: str = ""
    number: int | None = None
    id: str = ""


# ---------------------------------------------------------------- looking


class Step(msgspec.Struct, frozen=True):
    """Something that somebody said about a transaction, or that a deadline did."""

    height: int
    time: str
    leaf: int | None
    by: str
    what: str


class Transaction(msgspec.Struct, frozen=True):
    """One transaction: what the rules say of it as of block `as_of`, and its story."""

    agreement: str
    originator: int
    transaction_id: str
    as_of: int
    statement: Statement
    timeline: tuple[Step, ...]

    @property
    def status(self) -> str:
        """`pending`, `matched`, `broken` or `withdrawn`."""
        return self.statement.status


class Ledger(msgspec.Struct, frozen=True):
    """Where the ledger stands."""

    ledger_id: str
    name: str
    rules_version: int
    height: int
    time: str
    log_size: int
    agreements: tuple[str, ...]


# ---------------------------------------------------------------- lists


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """Some items of a list, as of block `height`; `next` goes on, None at the end."""

    items: tuple[Item, ...]
    next: str | None
    height: int
    time_us: int


class TransactionItem(msgspec.Struct, frozen=True):
    """A transaction, without what the roles say."""

    agreement: str
    version: int
    originator: int
    transaction_id: str
    stage: int
    status: str
    opened_height: int
    opened_us: int
    changed_height: int
    changed_us: int
    episode: int


class BreakItem(msgspec.Struct, frozen=True):
    """A break; `field` is empty where the whole record is meant. Closed: `closed_height` is set."""

    id: str
    agreement: str
    version: int
    originator: int
    transaction_id: str
    kind: str
    field: str
    role: str
    party: int
    status: str
    reported: str
    benchmark: str
    basis: str
    difference: str
    currency: str
    reported_exact: int | None
    benchmark_exact: int | None
    difference_exact: int | None
    scale: int
    opened_height: int
    opened_us: int
    changed_height: int
    changed_us: int
    closed_height: int | None
    closed_us: int | None
    severity: str


class AlarmItem(msgspec.Struct, frozen=True):
    """The alarm of one episode; `findings` counts the rule's own verdict and confirmations."""

    id: str
    agreement: str
    version: int
    originator: int
    transaction_id: str
    episode: int
    state: str
    quorum: int
    findings: int
    found_height: int
    found_us: int
    raised_height: int | None
    raised_us: int | None
    acknowledged_height: int | None
    acknowledged_us: int | None
    acknowledged_party: int
    acknowledged_person: int
    cleared_height: int | None
    cleared_us: int | None
    severity: str
    escalation_step: int
    escalated_to: str
    escalated_height: int | None
    escalated_us: int | None


class AdjustmentItem(msgspec.Struct, frozen=True):
    """A correcting entry; `fields` tell what it goes from and to, `id` is what people sign."""

    id: str
    agreement: str
    version: int
    originator: int
    transaction_id: str
    role: str
    party: int
    status: str
    revision: int
    at_once: bool
    proposer_party: int
    proposer_person: int
    approvers: tuple[dict[str, int], ...]
    fields: tuple[dict[str, Any], ...]
    proposed_height: int
    proposed_us: int
    changed_height: int
    changed_us: int


class BlockItem(msgspec.Struct, frozen=True):
    """A block."""

    height: int
    time_us: int
    items: int
    events: int
    log_size: int
    app_hash: str


class BatchItem(msgspec.Struct, frozen=True):
    """A batch as an item of a block; `rows` of it are in the columns by outcome."""

    height: int
    item: int
    leaf: int | None
    outcome: str
    party: int
    role: str
    agreement: str
    version: int
    stream: int
    sequence: int
    rows: int
    accepted: int
    wrong_version: int
    expired: int
    unexpected: int
    stale: int
    repeated: int
    duplicate: int


class OperationItem(msgspec.Struct, frozen=True):
    """An operation as an item of a block."""

    height: int
    item: int
    leaf: int | None
    outcome: str
    kind: str
    party: int
    key_number: int
    agreement: str
    originator: int
    transaction_id: str
    reason: str


class CutoffItem(msgspec.Struct, frozen=True):
    """A cut-off: who closed it for what time, and how the agreement's transactions stood then."""

    height: int
    item: int
    agreement: str
    cutoff_us: int
    time_us: int
    party: int
    judged: int
    transactions: int
    pending: int
    matched: int
    broken: int
    withdrawn: int
