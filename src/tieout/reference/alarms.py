"""Alarms: a break is told to everybody, confirmed, seen, or not (R-ALARM-1 to R-ALARM-4).

`ALARM_LIFE` in lifecycles.py is the whole life-cycle; what is not in it does not happen. The rule's
own verdict is the same on every node and counts as one finding, whichever node made it.
"""

from tieout.agreement.model import Agreement
from tieout.reference.events import Events
from tieout.reference.items import Signer
from tieout.reference.lifecycles import ALARM_LIFE, AlarmCause
from tieout.reference.transaction import Transaction
from tieout.wire.codes import UNSEEN_ALARMS, AlarmState, EventKind, ItemOutcome, Status


def follow(
    agreement: Agreement,
    transaction: Transaction,
    events: Events,
    *,
    was_broken: bool,
    has_new_break: bool,
) -> None:
    """Move the alarm after a verdict."""
    is_broken = transaction.status is Status.BROKEN
    if is_broken and not was_broken:  # R-ALARM-1
        transaction.episode += 1
        _move(transaction, AlarmCause.BROKEN, events)
        _raise_at_quorum(agreement, transaction, events)
    elif is_broken and has_new_break:  # R-ALARM-3
        _move(transaction, AlarmCause.NEW_BREAK, events)
    elif was_broken and not is_broken:  # R-ALARM-4
        transaction.confirmed_by.clear()
        _move(transaction, AlarmCause.MENDED, events)


def confirm(
    agreement: Agreement, transaction: Transaction, episode: int, signer: Signer, events: Events
) -> ItemOutcome:
    """A party found the same in its own books (R-ALARM-2)."""
    if (
        transaction.status is not Status.BROKEN
        or transaction.episode != episode
        or signer.party in transaction.confirmed_by
    ):
        return ItemOutcome.NOT_APPLICABLE
    transaction.confirmed_by.append(signer.party)
    findings = min(1 + len(transaction.confirmed_by), 255)
    events.tell(EventKind.ALARM_CONFIRMED, transaction, detail=findings, extra=signer.party)
    _raise_at_quorum(agreement, transaction, events)
    return ItemOutcome.ACCEPTED


def acknowledge(
    transaction: Transaction, episode: int, signer: Signer, events: Events
) -> ItemOutcome:
    """Somebody has seen the alarm (R-ALARM-3)."""
    if transaction.alarm not in UNSEEN_ALARMS or transaction.episode != episode:
        return ItemOutcome.NOT_APPLICABLE
    transaction.alarm = ALARM_LIFE[transaction.alarm, AlarmCause.SEEN]
    events.tell(EventKind.ALARM_ACKNOWLEDGED, transaction, extra=signer.code)
    return ItemOutcome.ACCEPTED


def escalate(transaction: Transaction, step: int, events: Events) -> None:
    """Nobody has acknowledged the alarm in time; `step` counts from 1 (R-ESCALATE-1)."""
    transaction.alarm = ALARM_LIFE[transaction.alarm, AlarmCause.UNSEEN]
    events.tell(EventKind.ALARM_ESCALATED, transaction, detail=step, extra=transaction.episode)


def _raise_at_quorum(agreement: Agreement, transaction: Transaction, events: Events) -> None:
    """R-ALARM-1: the rule's verdict is the first finding."""
    if 1 + len(transaction.confirmed_by) >= agreement.quorum:
        _move(transaction, AlarmCause.QUORUM, events)


def _move(transaction: Transaction, cause: AlarmCause, events: Events) -> None:
    """Take the step that the life-cycle has for this cause, if it has one, and tell it."""
    was = transaction.alarm
    now = ALARM_LIFE.get((was, cause))
    if now is None:
        return
    transaction.alarm = now
    if now is AlarmState.RAISED:
        events.tell(EventKind.ALARM_RAISED, transaction, extra=transaction.episode)
    elif now is AlarmState.NONE and was is not AlarmState.FOUND:
        events.tell(EventKind.ALARM_CLEARED, transaction, extra=transaction.episode)
