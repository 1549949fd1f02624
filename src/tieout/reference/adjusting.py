"""Adjusting: how books that deviate come back to the benchmark (R-ADJ-1 to R-ADJ-8, R-FREEZE-1).

`ADJUSTMENT_LIFE` in lifecycles.py is the whole life-cycle; what is not in it is not applicable.
Money moves only in the party's own books: the ledger says what to do, who agreed to it, and whether
the next record of the role ties out.
"""

from collections.abc import Mapping
from typing import Final

from tieout.agreement.model import AdjustmentMode, Agreement, Field
from tieout.reference.events import Events
from tieout.reference.items import Signer
from tieout.reference.lifecycles import ADJUSTMENT_LIFE, AdjustmentCause
from tieout.reference.state import Book
from tieout.reference.tolerance import tolerance_of, within
from tieout.reference.transaction import Adjustment, Break, Transaction
from tieout.reference.values import Money, Value, pack_values
from tieout.wire.codes import AdjustmentStatus, EventKind, ItemOutcome
from tieout.wire.ids import adjustment_id
from tieout.wire.limits import MAX_AUTOMATIC_ROUNDS

STATUS_EVENTS: Final = {
    AdjustmentStatus.PROPOSED: EventKind.ADJUSTMENT_PROPOSED,
    AdjustmentStatus.APPROVED: EventKind.ADJUSTMENT_APPROVED,
    AdjustmentStatus.POSTED: EventKind.ADJUSTMENT_POSTED,
    AdjustmentStatus.VERIFIED: EventKind.ADJUSTMENT_VERIFIED,
    AdjustmentStatus.REFUSED: EventKind.ADJUSTMENT_REFUSED,
    AdjustmentStatus.SUPERSEDED: EventKind.ADJUSTMENT_SUPERSEDED,
    AdjustmentStatus.FAILED: EventKind.ADJUSTMENT_FAILED,
}

APPROVALS_FOR_THE_RULE: Final = 2
"""Two persons stand behind what the rule proposes (R-ADJ-4)."""
APPROVALS_FOR_A_PERSON: Final = 1
"""The proposer is the first of the two (R-ADJ-4)."""


def follow(book: Book, transaction: Transaction, events: Events) -> None:
    """After a verdict: supersede what it has overtaken, propose what it asks for."""
    for role in range(len(transaction.roles)):
        latest = latest_adjustment(book, transaction, role)
        if latest and latest.status is AdjustmentStatus.PROPOSED:
            mismatches = _mismatches(transaction, role)
            if {each.field: each.benchmark for each in mismatches} != latest.benchmarks:  # R-ADJ-8
                _move(book, transaction, latest, AdjustmentCause.OVERTAKEN, events)
        asked = _asked_for(book, transaction, role)  # R-ADJ-1
        if asked and not (latest and asked.repeats(latest)):  # R-ADJ-2
            _keep(book, transaction, asked, events)
            if _may_be_approved_at_once(transaction, role):  # R-ADJ-3
                asked.approved_at_once = True
                transaction.roles[role].rounds += 1
                _move(book, transaction, asked, AdjustmentCause.APPROVED, events)


def answer(book: Book, transaction: Transaction, role: int, events: Events) -> None:
    """After a record of the role was accepted: what became of its open adjustment (R-ADJ-7)."""
    latest = latest_adjustment(book, transaction, role)
    if latest and latest.is_open:
        ties_out = _ties_out(transaction, latest)
        cause = AdjustmentCause.TIED_OUT if ties_out else AdjustmentCause.DEVIATES
        _move(book, transaction, latest, cause, events)


def propose(
    book: Book, transaction: Transaction, role: int, signer: Signer, events: Events
) -> ItemOutcome:
    """A person asks for what the rule would not propose again (R-ADJ-5)."""
    asked = _asked_for(book, transaction, role)
    if asked is None:
        return ItemOutcome.NOT_APPLICABLE
    asked.proposer = signer.code
    _keep(book, transaction, asked, events)
    return ItemOutcome.ACCEPTED


def approve(
    book: Book, transaction: Transaction, adjustment: Adjustment, signer: Signer, events: Events
) -> ItemOutcome:
    """One more person stands behind an adjustment; two different ones are enough (R-ADJ-4)."""
    if (
        book.agreement.mode is AdjustmentMode.NOTIFY
        or adjustment.status is not AdjustmentStatus.PROPOSED
        or signer.code in (adjustment.proposer, *adjustment.approvers)
    ):
        return ItemOutcome.NOT_APPLICABLE
    adjustment.approvers.append(signer.code)
    count = len(adjustment.approvers)
    _tell(transaction, adjustment, EventKind.ADJUSTMENT_APPROVAL, count, events)
    if count >= (APPROVALS_FOR_A_PERSON if adjustment.proposer else APPROVALS_FOR_THE_RULE):
        _move(book, transaction, adjustment, AdjustmentCause.APPROVED, events)
    return ItemOutcome.ACCEPTED


def take_step(
    book: Book,
    transaction: Transaction,
    adjustment: Adjustment,
    cause: AdjustmentCause,
    events: Events,
) -> ItemOutcome:
    """A person refuses, or the party reports posted or failed (R-ADJ-6)."""
    if (adjustment.status, cause) not in ADJUSTMENT_LIFE:
        return ItemOutcome.NOT_APPLICABLE
    _move(book, transaction, adjustment, cause, events)
    return ItemOutcome.ACCEPTED


def latest_adjustment(book: Book, transaction: Transaction, role: int) -> Adjustment | None:
    """The latest adjustment of a role, None when there was none."""
    index = transaction.roles[role].adjustment
    return None if index is None else book.adjustments[index]


def id_of(ledger_id: bytes, book: Book, adjustment: Adjustment) -> bytes:
    """The id under which operations name an adjustment (R-ADJ-2); 32 bytes."""
    transaction = book.transactions[adjustment.serial]
    return adjustment_id(
        ledger_id,
        book.agreement.hash,
        transaction.originator,
        transaction.transaction_id,
        adjustment.role,
        adjustment.revision,
        adjustment.fields,
        adjustment.benchmark_bytes,
        transaction.stage,
    )


def _mismatches(transaction: Transaction, role: int) -> tuple[Break, ...]:
    return transaction.verdict.mismatches_of(role) if transaction.verdict else ()


def _asked_for(book: Book, transaction: Transaction, role: int) -> Adjustment | None:
    """The adjustment for which the verdict asks a role that has none open (R-ADJ-1)."""
    latest = latest_adjustment(book, transaction, role)
    mismatches = _mismatches(transaction, role)
    record = transaction.roles[role].record
    if (latest and latest.is_open) or not mismatches or record is None:
        return None
    benchmarks: dict[int, Value] = {}
    for each in mismatches:
        if each.field is None or each.benchmark is None:
            return None
        is_frozen = each.field in transaction.frozen_only
        if is_frozen and transaction.terms.fields[each.field].authority == role:
            return None
        benchmarks[each.field] = each.benchmark
    currencies = asked_currencies(book.agreement, benchmarks)
    if currencies is None:
        return None
    return Adjustment(
        serial=transaction.serial,
        role=role,
        revision=record.revision,
        fields=sum(1 << f for f in benchmarks),
        benchmarks=benchmarks,
        benchmark_bytes=pack_values(book.agreement, {**currencies, **benchmarks}),
    )


def asked_currencies(
    agreement: Agreement, benchmarks: Mapping[int, Value]
) -> dict[int, Value] | None:
    """The currency for which money benchmarks ask, by currency field; None when two contradict."""
    asked: dict[int, Value] = {}
    for f, benchmark in benchmarks.items():
        currency_field = agreement.fields[f].currency_field
        if currency_field is not None and isinstance(benchmark, Money):
            other = asked.get(currency_field, benchmarks.get(currency_field, benchmark.currency))
            if other != benchmark.currency:
                return None
            asked[currency_field] = benchmark.currency
    return asked


def _may_be_approved_at_once(transaction: Transaction, role: int) -> bool:
    """R-ADJ-3: small enough in every field, in one currency, and not tried too often."""
    agreement = transaction.terms
    return (
        agreement.mode is not AdjustmentMode.NOTIFY
        and not transaction.is_disputed  # R-DISPUTE-2
        and transaction.roles[role].rounds < MAX_AUTOMATIC_ROUNDS
        and all(
            _is_within_limit(agreement.fields[each.field], each)
            for each in _mismatches(transaction, role)
            if each.field is not None
        )
    )


def _is_within_limit(field: Field, mismatch: Break) -> bool:
    currency = field.currency or ""
    if isinstance(mismatch.benchmark, Money):
        currency = mismatch.benchmark.currency.decode("ascii")
    limit = dict(field.limits).get(currency)
    distance = mismatch.difference
    return limit is not None and distance is not None and abs(distance) <= limit


def _ties_out(transaction: Transaction, adjustment: Adjustment) -> bool:
    """Whether the role states, and within tolerance of every benchmark of its adjustment."""
    if not transaction.roles[adjustment.role].states:
        return False
    agreement = transaction.terms
    for f, benchmark in adjustment.benchmarks.items():
        field = agreement.fields[f]
        values = transaction.values_of(f, field.roles)
        stated = values.get(adjustment.role)
        tolerance = tolerance_of(agreement, field, transaction)
        if stated is None or not within(field, tolerance, stated, benchmark, values):
            return False
    return True


def _keep(book: Book, transaction: Transaction, adjustment: Adjustment, events: Events) -> None:
    """Write a new adjustment into the book, and tell it."""
    adjustment.status = ADJUSTMENT_LIFE[AdjustmentStatus.NONE, AdjustmentCause.ASKED]
    adjustment.index = len(book.adjustments)
    transaction.roles[adjustment.role].adjustment = adjustment.index
    book.adjustments.append(adjustment)
    by_person = 1 if adjustment.proposer else 0
    _tell(transaction, adjustment, EventKind.ADJUSTMENT_PROPOSED, by_person, events)


def _move(
    book: Book,
    transaction: Transaction,
    adjustment: Adjustment,
    cause: AdjustmentCause,
    events: Events,
) -> None:
    """Take the step that the life-cycle has for this cause, and tell it."""
    adjustment.status = ADJUSTMENT_LIFE[adjustment.status, cause]
    transaction.frozen = {  # R-FREEZE-1
        f: benchmark
        for role in range(len(transaction.roles))
        if (latest := latest_adjustment(book, transaction, role)) and latest.freezes
        for f, benchmark in latest.benchmarks.items()
    }
    at_once = adjustment.status is AdjustmentStatus.APPROVED and adjustment.approved_at_once
    kind = STATUS_EVENTS[adjustment.status]
    _tell(transaction, adjustment, kind, 1 if at_once else 0, events)


def _tell(
    transaction: Transaction,
    adjustment: Adjustment,
    kind: EventKind,
    detail: int,
    events: Events,
) -> None:
    events.tell(kind, transaction, role=adjustment.role, detail=detail, extra=adjustment.index)
