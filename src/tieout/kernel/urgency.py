"""Urgency: how severe breaks are, and alarms that nobody acknowledges (R-SEVERITY, R-ESCALATE).

Only broken transactions of agreements that say something about it have an urgency, so it is plain
Python beside the images: breaks are rare. A book notes which transactions a block touches
(`Book.keep`); what of them is broken is looked at when the block's deadlines have been judged, then
what is due by time. To look at one that has not changed does nothing, so too many may be noted.
"""

from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from tieout.agreement.codes import settled
from tieout.agreement.model import Agreement, Amounts, Delay
from tieout.kernel import layout as at
from tieout.kernel.book import Book
from tieout.kernel.businesstime import deadlines_us
from tieout.kernel.queries import breaks_of
from tieout.kernel.state import State, Urgency, UrgencyDue
from tieout.wire.codes import (
    NO_ITEM,
    UNSEEN_ALARMS,
    AlarmState,
    BenchmarkState,
    BreakKind,
    EventKind,
    Severity,
    Status,
)
from tieout.wire.limits import MAX_URGENT_PER_BLOCK
from tieout.wire.rows import PREFIX_BYTES

Numbers = NDArray[np.int64]
AGE, ALARM = 0, 1


@dataclass(frozen=True, slots=True)
class _Mismatch:
    """A mismatch in a field that has amounts.

    `currency` is settled, None when it is blank; `difference` is None in different currencies.
    """

    currency: bytes | None
    reported: int
    difference: int | None
    is_decided: bool


def judge_urgency(state: State) -> None:
    """Look at what the block has touched, then at what time has brought (R-SEVERITY-4)."""
    for book in state.books:
        if book.touched:
            serials = np.unique(np.concatenate(book.touched))
            book.touched.clear()
            _look_at(state, book, serials[(serials >= 0) & (serials < book.count)])
    if state.urgency_dues:
        _let_time_pass(state)


def requeue(state: State) -> None:
    """Queue everything that is due some day, of urgencies that were just loaded."""
    for number, serial in state.urgencies:
        _queue(state, state.books[number - 1], serial)


def urgency_of(state: State, number: int, serial: int) -> tuple[Severity, int]:
    """The severity of a transaction, NONE without one, and how many steps its alarm was escalated.

    `number` is that of its book (R-SEVERITY-1, R-ESCALATE-1).
    """
    urgency = state.urgencies.get((number, serial))
    return (Severity.NONE, 0) if urgency is None else (Severity(urgency.severity), urgency.steps)


# ---------------------------------------------------------------- what was touched


def _look_at(state: State, book: Book, serials: Numbers) -> None:
    is_broken = book.column(at.STATUS, "u1")[serials] == Status.BROKEN
    if state.urgencies:
        for serial in serials[~is_broken].tolist():
            state.urgencies.pop((book.number, serial), None)
    broken = serials[is_broken]
    severities = _of_breaks(state, book, broken)
    alarms = book.column(at.ALARM, "u1")[broken].tolist()
    episodes = book.column(at.EPISODE, "<u4")[broken].tolist()
    for serial, alarm, episode in zip(broken.tolist(), alarms, episodes, strict=True):
        key = book.number, serial
        urgency = state.urgencies.get(key)
        if urgency is None or urgency.episode != episode:
            urgency = state.urgencies[key] = Urgency(episode, state.time_us)
        if alarm not in UNSEEN_ALARMS:
            urgency.raised_us = 0
        elif urgency.raised_us == 0:
            urgency.raised_us, urgency.steps = state.time_us, 0
        _assess(state, book, serial, urgency, severities.get(serial, Severity.NONE))
        _queue(state, book, serial)


def _assess(state: State, book: Book, serial: int, urgency: Urgency, of_breaks: Severity) -> None:
    """R-SEVERITY-1."""
    if book.agreement.severity is None:
        return
    now = max(Severity.LOW, urgency.aged, of_breaks)
    if now != urgency.severity:
        urgency.severity = now
        _tell(state, book, serial, EventKind.SEVERITY_CHANGED, now, urgency.episode)


# ---------------------------------------------------------------- what time brings


def _let_time_pass(state: State) -> None:
    """Look at what is due, the earliest first; then drop from the queue what is over."""
    dues, looked_at = state.urgency_dues, 0
    while dues and (dues[0].due_us < state.time_us or not _is_due(state, dues[0])):
        if looked_at == MAX_URGENT_PER_BLOCK and _is_due(state, dues[0]):
            return
        due = heappop(dues)
        if not _is_due(state, due):
            continue
        looked_at += 1
        urgency = state.urgencies[due.agreement_number, due.serial]
        urgency.queued_us[due.what] = 0
        book = state.books[due.agreement_number - 1]
        if due.what == AGE:
            _grow_old(state, book, due.serial, urgency)
        else:
            _escalate(state, book, due.serial, urgency)
        _queue(state, book, due.serial)


def _grow_old(state: State, book: Book, serial: int, urgency: Urgency) -> None:
    """R-SEVERITY-3."""
    rule = book.agreement.severity
    ages = rule.ages if rule is not None else ()
    come = [s for s, delay in ages if _moment_us(delay, urgency.since_us) < state.time_us]
    urgency.aged = max([urgency.aged, *come])
    if urgency.aged > urgency.severity:  # what its breaks bring is in the severity already
        _assess(state, book, serial, urgency, Severity.NONE)


def _escalate(state: State, book: Book, serial: int, urgency: Urgency) -> None:
    """R-ESCALATE-1."""
    urgency.steps += 1
    book.keep(np.full(1, serial, np.int64))
    place = serial * book.slots.image_bytes + at.ALARM
    book.slots.data[place] = AlarmState.ESCALATED
    book.slots.marks[place >> at.PAGE_SHIFT] = 1
    book.touched.clear()  # nothing that could change a severity
    _tell(state, book, serial, EventKind.ALARM_ESCALATED, urgency.steps, urgency.episode)


def _queue(state: State, book: Book, serial: int) -> None:
    """Queue when a transaction is looked at next, unless that is queued already."""
    urgency = state.urgencies[book.number, serial]
    for what, due_us in enumerate(_dues_us(book.agreement, urgency)):
        if due_us != urgency.queued_us[what]:
            urgency.queued_us[what] = due_us
            if due_us:
                heappush(state.urgency_dues, UrgencyDue(due_us, book.number, serial, what))


def _is_due(state: State, due: UrgencyDue) -> bool:
    """Whether what was queued is still to come, or to be done."""
    urgency = state.urgencies.get((due.agreement_number, due.serial))
    return urgency is not None and urgency.queued_us[due.what] == due.due_us


def _dues_us(agreement: Agreement, urgency: Urgency) -> tuple[int, int]:
    """When the age, and when the alarm is looked at next; 0 for never."""
    ages = agreement.severity.ages if agreement.severity is not None else ()
    moments = [_moment_us(d, urgency.since_us) for s, d in ages if s > urgency.aged]
    alarm_us = 0
    if urgency.raised_us and urgency.steps < len(agreement.escalation):
        alarm_us = _moment_us(agreement.escalation[urgency.steps].after, urgency.raised_us)
    return min(moments, default=0), alarm_us


def _moment_us(delay: Delay, since_us: int) -> int:
    if isinstance(delay, int):
        return since_us + delay
    return int(deadlines_us(delay, np.array([since_us], np.int64))[0])


def _tell(
    state: State, book: Book, serial: int, kind: EventKind, detail: int, episode: int
) -> None:
    state.events.tell(
        kind, item=NO_ITEM, agreement=book.number, serial=serial, detail=detail, extra=episode
    )


# ---------------------------------------------------------------- how severe breaks are


def _of_breaks(state: State, book: Book, serials: Numbers) -> dict[int, Severity]:
    """What the open breaks of transactions bring, by serial (R-SEVERITY-1, R-SEVERITY-2)."""
    rule = book.agreement.severity
    if rule is None or not len(serials):
        return {}
    kinds = dict(rule.kinds)
    amounts = {each.field: each for each in rule.amounts}
    found: dict[int, Severity] = {}
    mismatches: dict[tuple[int, int], list[_Mismatch]] = {}
    for line in breaks_of(state, book.number, serials):
        serial, kind, field = int(line["serial"]), BreakKind(line["kind"]), int(line["field"])
        found[serial] = max(found.get(serial, Severity.NONE), kinds.get(kind, Severity.NONE))
        if kind is BreakKind.MISMATCH and field in amounts:
            mismatches.setdefault((serial, field), []).append(_mismatch(book, line))
    for (serial, field), stated in mismatches.items():
        found[serial] = max(found[serial], _of_amount(amounts[field], stated))
    return found


def _mismatch(book: Book, line: np.void) -> _Mismatch:
    agreement, f = book.agreement, int(line["field"])
    field, width = agreement.fields[f], agreement.layout.columns[f].width
    currency: bytes | None = b""
    if field.currency_field is not None:
        column = agreement.layout.columns[field.currency_field]
        start = int(line["serial"]) * book.slots.image_bytes + book.role_offset(int(line["role"]))
        start += at.VALUES + column.offset - PREFIX_BYTES
        stated = book.slots.data[start : start + column.width].tobytes().rstrip(b"\0")
        currency = settled(field.codes, stated) if stated else None
    reported = int.from_bytes(line["reported"].tobytes()[:width], "little", signed=True)
    difference = abs(int(line["difference"])) if line["has_difference"] else None
    is_decided = line["state"] == BenchmarkState.DECIDED
    return _Mismatch(currency, reported, difference, bool(is_decided))


def _of_amount(amounts: Amounts, stated: list[_Mismatch]) -> Severity:
    """R-SEVERITY-2."""
    if stated[0].is_decided:
        distances = [each.difference for each in stated]
    elif any(each.currency != stated[0].currency for each in stated):
        distances = [None]
    else:
        values = [each.reported for each in stated]
        distances = [max(values) - min(values)]
    if None in distances:
        return max(severity for _, severity, _ in amounts.limits)
    largest = max(each for each in distances if each is not None)
    return max(
        (
            severity
            for currency, severity, least in amounts.limits
            if currency == stated[0].currency and largest >= least
        ),
        default=Severity.NONE,
    )
