"""Control operations: what each of them needs, and what refuses it (R-OP-2)."""

from collections.abc import Mapping
from typing import Final

from tieout.reference import (
    adjusting,
    alarms,
    completeness,
    disputes,
    governing,
    motions,
    urgency,
)
from tieout.reference.agreements import enact
from tieout.reference.cutoffs import close_cutoff
from tieout.reference.events import Events
from tieout.reference.items import Signer
from tieout.reference.judging import judge
from tieout.reference.lifecycles import AdjustmentCause
from tieout.reference.state import State, TransactionKey
from tieout.reference.transaction import Transaction
from tieout.wire.codes import ItemOutcome, OperationKind
from tieout.wire.limits import ID_BYTES
from tieout.wire.members import ProposeChange, Vote
from tieout.wire.operations import (
    AboutTransaction,
    Acknowledge,
    AdjustmentStep,
    ByPeople,
    CloseCutoff,
    Confirm,
    Dispute,
    Enact,
    MoveReversal,
    MoveValue,
    Operation,
    Propose,
    VoteOnMotion,
    WithdrawDispute,
)
from tieout.wire.statements import StateDay

CAUSES: Final[Mapping[OperationKind, AdjustmentCause]] = {
    OperationKind.REFUSE: AdjustmentCause.REFUSED,
    OperationKind.POSTED: AdjustmentCause.POSTED,
    OperationKind.FAILED: AdjustmentCause.FAILED,
}


def apply_operation(
    state: State, operation: Operation, signer: Signer, events: Events
) -> ItemOutcome:
    """Do what an operation asks for, or say which check refuses it."""
    match operation.body:
        case Enact() as body:
            return _enact(state, body, signer, events)
        case CloseCutoff() as body:
            return close_cutoff(state, body, signer.party, events)
        case Confirm() as body:
            return _confirm(state, body, signer, events)
        case Acknowledge() as body:
            return _acknowledge(state, body, signer, events)
        case Propose() as body:
            return _propose(state, body, signer, events)
        case AdjustmentStep() as body:
            return _step(state, operation.kind, body, signer, events)
        case (
            Dispute() | WithdrawDispute() | MoveValue() | MoveReversal() | VoteOnMotion()
        ) as body:
            return _by_people(state, body, operation.digest(), signer, events)
        case ProposeChange() as body:
            return governing.propose(state, body, operation.digest(), signer, events)
        case Vote() as body:
            return governing.vote(state, body, signer, events)
        case StateDay() as body:
            return completeness.state_day(state, body, signer.party, events)


def _enact(state: State, body: Enact, signer: Signer, events: Events) -> ItemOutcome:
    in_force = len(state.books)
    outcome = enact(state, body, signer.party, events)
    if len(state.books) > in_force:
        governing.look_again(state, events)  # R-AGREE-6
    return outcome


def _confirm(state: State, body: Confirm, signer: Signer, events: Events) -> ItemOutcome:
    transaction = _find(state, body)
    if isinstance(transaction, ItemOutcome):
        return transaction
    agreement = state.book_of(transaction).agreement
    urgency.touch(state, transaction)
    return alarms.confirm(agreement, transaction, body.episode, signer, events)


def _acknowledge(state: State, body: Acknowledge, signer: Signer, events: Events) -> ItemOutcome:
    transaction = _find(state, body)
    if isinstance(transaction, ItemOutcome):
        return transaction
    outcome = alarms.acknowledge(transaction, body.episode, signer, events)
    if outcome is ItemOutcome.ACCEPTED:
        urgency.acknowledged(state, transaction)
    return outcome


def _propose(state: State, body: Propose, signer: Signer, events: Events) -> ItemOutcome:
    transaction = _find(state, body)
    if isinstance(transaction, ItemOutcome):
        return transaction
    refusal = _refusal_of_role(transaction, body.role, signer)
    if refusal:
        return refusal
    book = state.book_of(transaction)
    return adjusting.propose(book, transaction, body.role, signer, events)


def _step(
    state: State, kind: OperationKind, body: AdjustmentStep, signer: Signer, events: Events
) -> ItemOutcome:
    transaction = _find(state, body)
    if isinstance(transaction, ItemOutcome):
        return transaction
    refusal = _refusal_of_role(transaction, body.role, signer)
    if refusal:
        return refusal
    book = state.book_of(transaction)
    latest = adjusting.latest_adjustment(book, transaction, body.role)
    if latest is None or body.adjustment != adjusting.id_of(state.ledger_id, book, latest):
        return ItemOutcome.NOT_APPLICABLE
    if kind is OperationKind.APPROVE:
        return adjusting.approve(book, transaction, latest, signer, events)
    outcome = adjusting.take_step(book, transaction, latest, CAUSES[kind], events)
    if outcome is ItemOutcome.ACCEPTED and kind is not OperationKind.POSTED:
        judge(state, transaction, events)  # what was frozen is not any more (R-FREEZE-1)
    return outcome


def _by_people(
    state: State, body: ByPeople, name: bytes, signer: Signer, events: Events
) -> ItemOutcome:
    transaction = _find(state, body)
    if isinstance(transaction, ItemOutcome):
        return transaction
    match body:
        case Dispute():
            return disputes.dispute(state, transaction, body, signer, events)
        case WithdrawDispute():
            return disputes.withdraw(state, transaction, body, signer, events)
        case MoveValue():
            return motions.move_value(state, transaction, body, name, signer, events)
        case MoveReversal():
            return motions.move_reversal(state, transaction, body, name, signer, events)
        case VoteOnMotion():
            return motions.vote(state, transaction, body, signer, events)


def _find(state: State, body: AboutTransaction) -> Transaction | ItemOutcome:
    """The transaction at the stage that is named, else the check that refuses the operation."""
    if body.agreement not in state.newest:
        return ItemOutcome.UNKNOWN_AGREEMENT
    padded = body.transaction_id.encode().ljust(ID_BYTES, b"\0")
    key = TransactionKey(body.agreement, body.originator, padded, body.stage)  # R-STAGE-8
    found = state.transactions.get(key)
    if found is None or "\0" in body.transaction_id:  # padding is not part of an id
        return ItemOutcome.UNKNOWN_TRANSACTION
    return found


def _refusal_of_role(transaction: Transaction, role: int, signer: Signer) -> ItemOutcome | None:
    """Why a signer may not speak about a role's adjustments; None when it may."""
    if not 0 <= role < len(transaction.roles):
        return ItemOutcome.UNKNOWN_ROLE
    if transaction.roles[role].party != signer.party:
        return ItemOutcome.NOT_ENTITLED
    return None
