"""Urgency: how severe breaks are, and alarms that nobody acknowledges.

R-SEVERITY-1 to R-SEVERITY-4, R-ESCALATE-1 and R-ESCALATE-2. Nothing here changes a verdict. What a
block has touched is looked at when its deadlines have been judged, then what is due by time.
"""

from heapq import heappop, heappush

from tieout.agreement.codes import settled
from tieout.agreement.model import Agreement, Amounts, Delay, SeverityRule
from tieout.reference import alarms
from tieout.reference.businesstime import deadline_us
from tieout.reference.events import Events
from tieout.reference.state import State, Urgency, UrgencyDue
from tieout.reference.tolerance import is_same_currency
from tieout.reference.transaction import Break, Transaction
from tieout.reference.values import Money, Value
from tieout.wire.codes import (
    UNSEEN_ALARMS,
    BenchmarkState,
    BreakKind,
    EventKind,
    Severity,
    Status,
)
from tieout.wire.limits import MAX_URGENT_PER_BLOCK

AGE, ALARM = 0, 1


def touch(state: State, transaction: Transaction) -> None:
    """Note that something about a transaction may have changed."""
    if state.book_of(transaction).agreement.is_urgent:
        state.touched[transaction.agreement_number, transaction.serial] = None


def acknowledged(state: State, transaction: Transaction) -> None:
    """Nobody has to be told any more, unless the alarm is raised again (R-ESCALATE-1)."""
    touch(state, transaction)
    urgency = state.urgencies.get((transaction.agreement_number, transaction.serial))
    if urgency:
        urgency.raised_us = 0


def judge_urgency(state: State, events: Events) -> None:
    """Look at what the block has touched, then at what time has brought (R-SEVERITY-4)."""
    for number, serial in sorted(state.touched):
        _look_at(state, state.books[number - 1].transactions[serial], events)
    state.touched.clear()
    looked_at = 0
    while state.urgency_dues and looked_at < MAX_URGENT_PER_BLOCK:
        if state.urgency_dues[0].due_us >= state.time_us:
            break
        due = heappop(state.urgency_dues)
        if due in _dues(state, due.agreement_number, due.serial):
            looked_at += 1
            _come_due(state, due, events)


def _look_at(state: State, transaction: Transaction, events: Events) -> None:
    key = transaction.agreement_number, transaction.serial
    if transaction.status is not Status.BROKEN:
        state.urgencies.pop(key, None)
        return
    urgency = state.urgencies.get(key)
    if urgency is None or urgency.episode != transaction.episode:
        urgency = state.urgencies[key] = Urgency(transaction.episode, state.time_us)
    if transaction.alarm not in UNSEEN_ALARMS:
        urgency.raised_us = 0
    elif not urgency.raised_us:
        urgency.raised_us, urgency.steps = state.time_us, 0
    _assess(state, transaction, urgency, events)
    _queue(state, transaction)


def _come_due(state: State, due: UrgencyDue, events: Events) -> None:
    transaction = state.books[due.agreement_number - 1].transactions[due.serial]
    urgency = state.urgencies[due.agreement_number, due.serial]
    if due.what == AGE:
        _grow_old(state, transaction, urgency)
        _assess(state, transaction, urgency, events)
    else:
        urgency.steps += 1
        alarms.escalate(transaction, urgency.steps, events)
    _queue(state, transaction)


def _queue(state: State, transaction: Transaction) -> None:
    for due in _dues(state, transaction.agreement_number, transaction.serial):
        heappush(state.urgency_dues, due)


def _dues(state: State, number: int, serial: int) -> list[UrgencyDue]:
    """When a transaction is looked at next, for its age and for its alarm; none that are over."""
    urgency = state.urgencies.get((number, serial))
    if urgency is None:
        return []
    agreement = state.books[number - 1].agreement
    dues = []
    ages = [
        _moment_us(delay, urgency.since_us)
        for severity, delay in (agreement.severity.ages if agreement.severity else ())
        if severity > urgency.aged
    ]
    if ages:
        dues.append(UrgencyDue(min(ages), number, serial, AGE))
    if urgency.raised_us and urgency.steps < len(agreement.escalation):
        step = agreement.escalation[urgency.steps]
        due_us = _moment_us(step.after, urgency.raised_us)
        dues.append(UrgencyDue(due_us, number, serial, ALARM))
    return dues


def _moment_us(delay: Delay, since_us: int) -> int:
    return since_us + delay if isinstance(delay, int) else deadline_us(delay, since_us)


# ---------------------------------------------------------------- severity


def _assess(state: State, transaction: Transaction, urgency: Urgency, events: Events) -> None:
    """R-SEVERITY-1: the greatest of what its breaks and its age bring."""
    agreement = state.book_of(transaction).agreement
    rule = agreement.severity
    if rule is None:
        return
    now = max(Severity.LOW, urgency.aged, _of_breaks(agreement, rule, transaction))
    if now is not urgency.severity:
        urgency.severity = now
        kind = EventKind.SEVERITY_CHANGED
        events.tell(kind, transaction, detail=now, extra=transaction.episode)


def _grow_old(state: State, transaction: Transaction, urgency: Urgency) -> None:
    """R-SEVERITY-3: the greatest severity whose time has come."""
    rule = state.book_of(transaction).agreement.severity
    for severity, delay in rule.ages if rule else ():
        if _moment_us(delay, urgency.since_us) < state.time_us:
            urgency.aged = severity


def _of_breaks(agreement: Agreement, rule: SeverityRule, transaction: Transaction) -> Severity:
    breaks = transaction.verdict.breaks if transaction.verdict else ()
    kinds = dict(rule.kinds)
    found = [kinds.get(each.kind, Severity.NONE) for each in breaks]
    for amounts in rule.amounts:
        mismatches = [
            each
            for each in breaks
            if each.kind is BreakKind.MISMATCH and each.field == amounts.field
        ]
        if mismatches:
            found.append(_of_amount(agreement, amounts, mismatches))
    return max(found, default=Severity.NONE)


def _of_amount(agreement: Agreement, amounts: Amounts, mismatches: list[Break]) -> Severity:
    """R-SEVERITY-2: by how much a field differs, from its benchmark or among the roles."""
    field = agreement.fields[amounts.field]
    stated = [each.reported for each in mismatches if each.reported is not None]
    if mismatches[0].state is BenchmarkState.DECIDED:
        pairs = [(each.reported, each.benchmark) for each in mismatches]
    else:
        pairs = [(a, b) for a in stated for b in stated]
    found = []
    for a, b in pairs:
        if isinstance(a, Money) and isinstance(b, Money) and not is_same_currency(field, a, b):
            found.append(max(severity for _, severity, _ in amounts.limits))
            continue
        currency: bytes | None = b""
        if isinstance(a, Money) and field.currency_field is not None:
            currency = settled(field.codes, a.currency) if a.currency else None
        distance = abs(_number(a) - _number(b))
        found += [
            severity
            for code, severity, least in amounts.limits
            if code == currency and distance >= least
        ]
    return max(found, default=Severity.NONE)


def _number(value: Value | None) -> int:
    amount = value.amount if isinstance(value, Money) else value
    return amount if isinstance(amount, int) else 0
