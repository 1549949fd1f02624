"""What readers get: frozen answers, as they can be handed on as JSON.

Times are microseconds UTC, parties and persons numbers, values of fields printed texts, with the
exact integer beside them where there is one. An `id` is HEIGHT-INDEX of the event with which a
thing began; it is the same at every node and after every rebuild.
"""

from typing import Any, Generic, TypeVar

import msgspec

Item = TypeVar("Item")


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """Some items of a list, as of block `height`; `next` goes on, None at the end."""

    items: tuple[Item, ...]
    next: str | None
    height: int
    time_us: int


class Standing(msgspec.Struct, frozen=True):
    """Which ledger this is, and up to which block everything holds."""

    ledger_id: str
    name: str
    rules_version: int
    height: int
    time_us: int
    log_size: int
    app_hash: str


class AgreementItem(msgspec.Struct, frozen=True):
    """An agreement version, and how many transactions stand under it by status."""

    number: int
    name: str
    version: int
    hash: str
    mode: str
    quorum: int
    enacted_height: int
    enacted_us: int
    judged: int
    pending: int
    matched: int
    broken: int
    withdrawn: int
    roles: tuple["RoleItem", ...]
    fields: tuple["FieldItem", ...]
    text: str


class RoleItem(msgspec.Struct, frozen=True):
    """A role and the parties that are entitled to it now."""

    name: str
    holders: tuple[int, ...]


class FieldItem(msgspec.Struct, frozen=True):
    """A field; numbers have `scale` decimals."""

    name: str
    type: str
    scale: int


class KeyItem(msgspec.Struct, frozen=True):
    """A key; `until_height` 0: no end is known."""

    number: int
    public_key: str
    purposes: tuple[str, ...]
    from_height: int
    until_height: int


class PersonItem(msgspec.Struct, frozen=True):
    """Somebody who acts for a party."""

    number: int
    name: str
    keys: tuple[KeyItem, ...]


class ValidatorItem(msgspec.Struct, frozen=True):
    """A key that orders blocks."""

    public_key: str
    power: int


class MemberItem(msgspec.Struct, frozen=True):
    """A party; `until_height` is its last height as a member, 0 while it is one."""

    number: int
    name: str
    until_height: int
    persons: tuple[PersonItem, ...]
    validators: tuple[ValidatorItem, ...]


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


class RecordItem(msgspec.Struct, frozen=True):
    """What a role states: `values` printed (None: left blank), `exact` the integers behind them."""

    role: str
    party: int
    action: str
    revision: int
    leaf: int
    row: int
    height: int
    time_us: int
    values: dict[str, str | None]
    exact: dict[str, int | None]


class BreakItem(msgspec.Struct, frozen=True):
    """A break; closed when `closed_height` is set.

    `field` is empty where the whole record is meant, and names the invariant of an `invariant`.
    `severity` is that of the transaction, empty where its agreement states none; of a closed break
    the last one.
    """

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


class WorkItem(BreakItem, frozen=True):
    """A break with the work on it; `revision` 0: nobody has touched it."""

    revision: int
    assignee: str
    reason: str
    due_us: int | None
    labels: tuple[str, ...]
    comments: int
    attachments: int
    worked_us: int | None
    worked_by: str


class RepairItem(msgspec.Struct, frozen=True):
    """A record to be mended, as its role states it now: printed texts, None: left blank."""

    transaction_id: str
    values: dict[str, str | None]


class ConfirmationItem(msgspec.Struct, frozen=True):
    """A verifier's confirmation of an alarm."""

    party: int
    height: int
    time_us: int


class AlarmItem(msgspec.Struct, frozen=True):
    """The alarm of one episode; `findings` counts the rule's own verdict and confirmations.

    `severity` is the last one, empty where the agreement states none. The last step of escalation
    was `escalation_step`, 0 for none since the alarm was last raised.
    """

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


class EventItem(msgspec.Struct, frozen=True):
    """An event as docs/formats/events.md has it; None for what its kind does not use."""

    id: str
    height: int
    kind: str
    agreement: int
    originator: int | None
    transaction_id: str | None
    role: int | None
    field: int | None
    detail: int
    extra: int
    item: int | None
    row: int | None
    serial: int | None


class TransactionDetail(msgspec.Struct, frozen=True):
    """One transaction with all that is about it, the oldest first."""

    transaction: TransactionItem
    records: tuple[RecordItem, ...]
    breaks: tuple[BreakItem, ...]
    alarms: tuple[AlarmItem, ...]
    adjustments: tuple[AdjustmentItem, ...]
    height: int
    time_us: int


class Overview(msgspec.Struct, frozen=True):
    """How much of what there is: for a first screen, and for metrics."""

    standing: Standing
    transactions: dict[str, int]
    open_breaks: dict[str, int]
    open_alarms: dict[str, int]
    open_adjustments: dict[str, int]
