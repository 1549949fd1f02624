"""Motions: the parties of a transaction decide about it by vote (R-DECIDE-1, R-REVERSE-1).

`MOTION_LIFE` in lifecycles.py is the whole life-cycle. A party moves that a value stand for a field
for which no rule has one, or about which a dispute is open; the parties that are bound to a role
vote. What they decide is the benchmark in this transaction; adjusting then follows by rule.
"""

from typing import Final

from tieout.agreement.model import Agreement
from tieout.reference.adjusting import asked_currencies
from tieout.reference.disputes import settle_all
from tieout.reference.events import Events
from tieout.reference.items import Signer
from tieout.reference.judging import judge
from tieout.reference.lifecycles import MOTION_LIFE, MotionCause
from tieout.reference.records import is_expired
from tieout.reference.state import Book, Motion, MotionKey, State
from tieout.reference.transaction import Transaction
from tieout.reference.values import Value
from tieout.wire.codes import BenchmarkState, BreakKind, EventKind, ItemOutcome, MotionStatus
from tieout.wire.limits import MAX_MOTION_US
from tieout.wire.operations import MoveReversal, MoveValue, VoteOnMotion
from tieout.wire.rows import PREFIX_BYTES

STATUS_EVENTS: Final = {
    MotionStatus.CARRIED: EventKind.MOTION_CARRIED,
    MotionStatus.REFUSED: EventKind.MOTION_REFUSED,
    MotionStatus.EXPIRED: EventKind.MOTION_EXPIRED,
}


def move_value(
    state: State,
    transaction: Transaction,
    body: MoveValue,
    name: bytes,
    signer: Signer,
    events: Events,
) -> ItemOutcome:
    """A party of the transaction asks for a value to stand (R-DECIDE-1)."""
    book = state.book_of(transaction)
    if signer.party not in voters(state, transaction):
        return ItemOutcome.NOT_ENTITLED
    is_in_time = _is_in_time(state, body.expires_us)
    if not is_in_time or not _may_be_decided(state, transaction, body.field):
        return ItemOutcome.NOT_APPLICABLE
    if key_of(transaction) in state.motions:
        return ItemOutcome.MOTION_OPEN
    value = _value_of(book, body)
    if value is None:
        return ItemOutcome.MALFORMED_VALUE
    if asked_currencies(book.agreement, {**transaction.decided, body.field: value}) is None:
        return ItemOutcome.NOT_APPLICABLE
    motion = Motion(
        name,
        body.field,
        value,
        body.value,
        body.currency,
        body.reason,
        signer.code,
        body.expires_us,
        in_favour=[signer.party],
    )
    _move(state, transaction, motion, events)
    return ItemOutcome.ACCEPTED


def move_reversal(
    state: State,
    transaction: Transaction,
    body: MoveReversal,
    name: bytes,
    signer: Signer,
    events: Events,
) -> ItemOutcome:
    """A party of the transaction asks for it to be reversed (R-REVERSE-1)."""
    if signer.party not in voters(state, transaction):
        return ItemOutcome.NOT_ENTITLED
    is_in_time = _is_in_time(state, body.expires_us)
    if (
        not is_in_time
        or not _may_be_reversed(state, transaction)
        or is_expired(state, state.book_of(transaction), transaction)
    ):
        return ItemOutcome.NOT_APPLICABLE
    if key_of(transaction) in state.motions:
        return ItemOutcome.MOTION_OPEN
    motion = Motion(
        name,
        None,
        None,
        b"",
        b"",
        body.reason,
        signer.code,
        body.expires_us,
        in_favour=[signer.party],
    )
    _move(state, transaction, motion, events)
    return ItemOutcome.ACCEPTED


def vote(
    state: State, transaction: Transaction, body: VoteOnMotion, signer: Signer, events: Events
) -> ItemOutcome:
    """A party of the transaction is for or against (R-DECIDE-2)."""
    motion = state.motions.get(key_of(transaction))
    if motion is None or motion.name != body.motion:
        return ItemOutcome.UNKNOWN_MOTION
    if signer.party not in voters(state, transaction):
        return ItemOutcome.NOT_ENTITLED
    if signer.party in (*motion.in_favour, *motion.against):
        return ItemOutcome.NO_EFFECT
    if motion.place is None and body.in_favour and not _may_be_reversed(state, transaction):
        return ItemOutcome.NOT_APPLICABLE
    (motion.in_favour if body.in_favour else motion.against).append(signer.party)
    detail = 1 if body.in_favour else 0
    kind = EventKind.MOTION_VOTED
    _tell(transaction, motion, kind, events, detail=detail, extra=signer.code)
    _count(state, transaction, motion, events)
    return ItemOutcome.ACCEPTED


def expire(state: State, events: Events) -> None:
    """At the beginning of a block: what was not decided in time (R-DECIDE-4)."""
    for key, motion in sorted(state.motions.items(), key=lambda item: item[0]):
        if motion.expires_us < state.time_us:
            transaction = state.books[key.agreement_number - 1].transactions[key.serial]
            _end(state, transaction, motion, MotionCause.TIME_IS_UP, events)


def voters(state: State, transaction: Transaction) -> list[int]:
    """The members that are bound to a role of the transaction, each once (R-DECIDE-2)."""
    bound = {role.party for role in transaction.roles if role.party}
    return sorted(party for party in bound if state.members.is_member(party))


def votes_needed(agreement: Agreement, voting: int) -> int:
    """How many of so many parties decide upon a value (R-DECIDE-2)."""
    return agreement.votes or voting // 2 + 1


def key_of(transaction: Transaction) -> MotionKey:
    """Under which key the motion about a transaction stands."""
    return MotionKey(transaction.agreement_number, transaction.serial)


def _may_be_decided(state: State, transaction: Transaction, f: int) -> bool:
    """Whether people may decide a field now (R-DECIDE-1)."""
    book = state.book_of(transaction)
    agreement = book.agreement
    if agreement.votes is None or transaction.is_reversed or not 0 <= f < len(agreement.fields):
        return False
    if not agreement.fields[f].compare or is_expired(state, book, transaction):
        return False
    voting = len(voters(state, transaction))
    undecided = transaction.verdict is not None and any(
        each.kind is BreakKind.MISMATCH
        and each.field == f
        and each.state is BenchmarkState.UNDECIDED
        for each in transaction.verdict.breaks
    )
    return (undecided or transaction.is_disputed) and voting >= votes_needed(agreement, voting)


def _may_be_reversed(state: State, transaction: Transaction) -> bool:
    """Whether every role states and nothing but a dispute is open (R-REVERSE-1)."""
    agreement = state.book_of(transaction).agreement
    if agreement.groups or agreement.stages:
        return False
    breaks = transaction.verdict.breaks if transaction.verdict else ()
    return (
        not transaction.is_reversed
        and all(role.states for role in transaction.roles)
        and all(each.kind is BreakKind.DISPUTED for each in breaks)
    )


def _is_in_time(state: State, expires_us: int) -> bool:
    return state.time_us < expires_us <= state.time_us + MAX_MOTION_US


def _value_of(book: Book, body: MoveValue) -> Value | None:
    """The value that is moved; None when the field could not have it in a record (R-ROW-1)."""
    agreement = book.agreement
    field, columns = agreement.fields[body.field], agreement.layout.columns
    stated = [(body.field, body.value)]
    if field.currency_field is not None:
        stated.append((field.currency_field, body.currency))
    elif body.currency:
        return None
    values = bytearray(agreement.layout.values_bytes)
    for f, value in stated:
        start, width = columns[f].offset - PREFIX_BYTES, columns[f].width
        if len(value) != width:
            return None
        values[start : start + width] = value
    presence = sum(1 << f for f, _ in stated)
    row = book.reader.read_values(bytes(values), presence, field.roles[0])
    return None if row is None else row.record.values[body.field]


def _move(state: State, transaction: Transaction, motion: Motion, events: Events) -> None:
    """Open a motion, for which its party has voted."""
    motion.status = MOTION_LIFE[motion.status, MotionCause.MOVED]
    state.motions[key_of(transaction)] = motion
    _tell(transaction, motion, EventKind.MOTION_MOVED, events, extra=motion.moved_by)
    _count(state, transaction, motion, events)


def _count(state: State, transaction: Transaction, motion: Motion, events: Events) -> None:
    """Decide a motion if its votes decide it (R-DECIDE-2, R-REVERSE-2)."""
    voting = voters(state, transaction)
    needed = len(voting)
    if motion.place is not None:
        needed = votes_needed(state.book_of(transaction).agreement, len(voting))
    against = sum(party in voting for party in motion.against)
    if sum(party in voting for party in motion.in_favour) >= needed:
        _end(state, transaction, motion, MotionCause.ENOUGH, events)
        if motion.place is not None and motion.value is not None:
            transaction.decided[motion.place] = motion.value
        else:
            transaction.is_reversed = True
        settle_all(transaction, events)
        judge(state, transaction, events)
    elif len(voting) - against < needed:
        _end(state, transaction, motion, MotionCause.OUTVOTED, events)


def _end(
    state: State, transaction: Transaction, motion: Motion, cause: MotionCause, events: Events
) -> None:
    """Take the step that the life-cycle has for this cause, and tell it."""
    motion.status = MOTION_LIFE[motion.status, cause]
    del state.motions[key_of(transaction)]
    _tell(transaction, motion, STATUS_EVENTS[motion.status], events)


def _tell(
    transaction: Transaction,
    motion: Motion,
    kind: EventKind,
    events: Events,
    *,
    detail: int = 0,
    extra: int = 0,
) -> None:
    events.tell(kind, transaction, field=motion.place, detail=detail, extra=extra)
