"""After each change: the new verdict, and what follows from it, in the order in which it is told.

A row, a deadline, a cut-off and some operations touch a transaction; each of them ends here. The
order of the events is that of docs/formats/events.md, steps 3 to 6.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby
from typing import Final

from tieout.reference import adjusting, alarms, urgency
from tieout.reference.events import Events
from tieout.reference.state import State
from tieout.reference.transaction import Break, BreakKey, Transaction
from tieout.reference.verdict import verdict
from tieout.wire.codes import BenchmarkState, BreakKind, EventKind, Status

STATUS_EVENTS: Final = {
    Status.PENDING: EventKind.TRANSACTION_PENDING,
    Status.MATCHED: EventKind.TRANSACTION_MATCHED,
    Status.BROKEN: EventKind.TRANSACTION_BROKEN,
    Status.WITHDRAWN: EventKind.TRANSACTION_WITHDRAWN,
}


def judge(
    state: State, transaction: Transaction, events: Events, *, has_opened: bool = False
) -> None:
    """Judge a transaction anew, after something about it has changed, and do what follows.

    `has_opened`: what has changed opened a break of its own, which was told. The stage behind it
    is judged too, when that may build on this one, or might before (R-STAGE-7).
    """
    was_final = transaction.is_final
    _judge_stage(state, transaction, events, has_opened=has_opened)
    if transaction.following and (was_final or transaction.is_final):
        judge(state, transaction.following, events)


def _judge_stage(
    state: State, transaction: Transaction, events: Events, *, has_opened: bool
) -> None:
    book = state.book_of(transaction)
    was = transaction.status
    before = _open_breaks(transaction)
    now = verdict(transaction.terms, transaction)
    transaction.verdict = now
    after = _open_breaks(transaction)
    _keep_flags(transaction, after)
    _tell_breaks(transaction, events, before, after)
    if now.status is not was:
        events.tell(STATUS_EVENTS[now.status], transaction)
    _keep_closed(transaction, state.time_us)
    alarms.follow(
        book.agreement,
        transaction,
        events,
        was_broken=was is Status.BROKEN,
        has_new_break=has_opened or any(key not in before for key in after),
    )
    adjusting.follow(book, transaction, events)
    urgency.touch(state, transaction)


def open_change_after_match(transaction: Transaction, role: int, events: Events) -> None:
    """Open the break of R-CHANGE-1, ahead of the verdict that may close it again."""
    change = Break(BreakKind.CHANGED_AFTER_MATCH, None, role, ("R-CHANGE-1",))
    transaction.roles[role].changed_after_match = True
    switch_break(transaction, change, events, opens=True)


def switch_break(transaction: Transaction, which: Break, events: Events, *, opens: bool) -> None:
    """Open or close a break ahead of the verdict that takes it up, and tell it."""
    if transaction.verdict:
        others = [each for each in transaction.verdict.breaks if each.key != which.key]
        breaks = sorted([*others, which] if opens else others, key=lambda each: each.key)
        transaction.verdict = replace(transaction.verdict, breaks=tuple(breaks))
    kind = EventKind.BREAK_OPENED if opens else EventKind.BREAK_CLOSED
    _tell_break(transaction, events, kind, which)


def _open_breaks(transaction: Transaction) -> dict[BreakKey, Break]:
    """The breaks of the last verdict, by key."""
    return {each.key: each for each in transaction.verdict.breaks} if transaction.verdict else {}


def _keep_flags(transaction: Transaction, after: Mapping[BreakKey, Break]) -> None:
    """A flag of R-CHANGE-1 goes when its break closes."""
    for index, role in enumerate(transaction.roles):
        if role.changed_after_match:
            key = BreakKey(0, index, BreakKind.CHANGED_AFTER_MATCH)
            role.changed_after_match = key in after


def _tell_breaks(
    transaction: Transaction,
    events: Events,
    before: Mapping[BreakKey, Break],
    after: Mapping[BreakKey, Break],
) -> None:
    """Tell what opened, what closed, and which field's benchmark is another now."""
    was, now = _benchmark_states(before), _benchmark_states(after)
    for place, keys in groupby(sorted(before.keys() | after.keys()), lambda key: key.place):
        for key in keys:
            if key not in before:
                _tell_break(transaction, events, EventKind.BREAK_OPENED, after[key])
            elif key not in after:
                _tell_break(transaction, events, EventKind.BREAK_CLOSED, before[key])
        if place in was and place in now and was[place] is not now[place]:
            kind = EventKind.BENCHMARK_CHANGED
            events.tell(kind, transaction, field=place - 1, extra=now[place])


def _tell_break(transaction: Transaction, events: Events, kind: EventKind, which: Break) -> None:
    events.tell(
        kind,
        transaction,
        role=which.role,
        field=which.field,
        detail=which.kind,
        extra=which.state,
    )


def _benchmark_states(breaks: Mapping[BreakKey, Break]) -> dict[int, BenchmarkState]:
    """The benchmark states of the fields that mismatch, by place."""
    return {key.place: each.state for key, each in breaks.items() if key.kind is BreakKind.MISMATCH}


def _keep_closed(transaction: Transaction, time_us: int) -> None:
    """R-KEEP-1: closed when it was judged at a cut-off and no break is open."""
    if not transaction.judged or (transaction.verdict and transaction.verdict.breaks):
        transaction.closed_us = 0
    elif transaction.closed_us == 0:
        transaction.closed_us = time_us
