"""Time: cut-offs and deadlines, and judging single transactions anew (R-CUT-1, R-TIME-1).

Transactions stand in the order in which they were opened, and blocks do not go back in time. So
what a cut-off judges, and whose deadline has passed, is always the next stretch of a book; how far
each has come is one number. Only deadlines of several roles and books have to be merged.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tieout.agreement.model import BusinessDeadline
from tieout.kernel import judge as judging
from tieout.kernel import layout as at
from tieout.kernel.book import Book, books_of
from tieout.kernel.businesstime import deadlines_us
from tieout.kernel.groups import Groups
from tieout.kernel.state import State
from tieout.wire.codes import NO_ITEM, NO_ROW, EventKind, ItemOutcome
from tieout.wire.limits import MAX_DEADLINES_PER_BLOCK

Numbers = NDArray[np.int64]

_NO_ROLES: Final[Numbers] = np.zeros(0, np.int64)


def run_judge(
    state: State, book: Book, mode: int, item: int, serials: Numbers, roles: Numbers = _NO_ROLES
) -> bool:
    """Run the compiled loop over transactions; False when it refused to propose."""
    book.keep(serials)
    cursor, events, done = book.cursor, state.events, 0
    cursor[at.C_TIME] = state.time_us
    cursor[at.C_ITEM] = item
    cursor[at.C_ROW] = NO_ROW
    room = int(book.plan[at.P_VERDICT_BYTES])
    while done < len(serials):
        events.make_room(2 * room)
        book.make_adjustment_room()
        cursor[at.C_EVENTS] = events.size
        done = judging.judge(
            mode,
            book.plan,
            serials,
            roles,
            done,
            book.slots.data,
            book.slots.marks,
            book.adjustments.data,
            book.adjustments.marks,
            events.data,
            cursor,
        )
        events.size = int(cursor[at.C_EVENTS])
        if done < 0:
            return False
    return True


def judge_again(
    state: State, book: Book, item: int, serial: int, *, has_opened: bool = False
) -> None:
    """A new verdict on one transaction, after an operation, which may have opened a break."""
    mode = judging.OPENED if has_opened else judging.AGAIN
    run_judge(state, book, mode, item, np.full(1, serial, np.int64))


def propose(state: State, book: Book, item: int, serial: int, role: int, person: int) -> bool:
    """R-ADJ-5; `person` is party × 65,536 + person. False when it is not applicable."""
    book.cursor[at.C_PERSON] = person
    serials = np.full(1, serial, np.int64)
    return run_judge(
        state, book, judging.PROPOSE, item, serials, np.full(1, role, np.int64)
    )  # fmt: skip


def close_cutoff(state: State, name: str, cutoff_us: int, item: int) -> tuple[ItemOutcome, int]:
    """Judge what was opened up to a time; the outcome, and how many were judged (R-CUT-1)."""
    last = state.cutoffs_us.get(name)
    if cutoff_us > state.time_us or (last is not None and cutoff_us < last):
        return ItemOutcome.BAD_CUTOFF, 0
    ends = []
    for book in books_of(state.books, name):
        opened = book.opened_us(book.judged, book.count)
        end = book.judged + int(np.searchsorted(opened, cutoff_us, "right"))
        ends.append((book, end))
    total = sum(end - book.judged for book, end in ends)
    if cutoff_us == last and total == 0:
        return ItemOutcome.NO_EFFECT, 0
    state.cutoffs_us[name] = cutoff_us
    for book, end in ends:
        first, book.judged = book.judged, end
        serials = np.arange(first, end, dtype=np.int64)
        if book.groups is not None:
            book.groups.note_judged(book, serials)
        run_judge(state, book, judging.CUT_OFF, item, serials)
    for book, _ in ends:
        if book.groups is not None:
            settle_groups(state, book, book.groups, item)
    return ItemOutcome.ACCEPTED, total


def settle_groups(state: State, book: Book, groups: Groups, item: int) -> None:
    """Judge the groups that have changed, and the transactions that answer for them (R-GROUP-6)."""
    still, serials = groups.settle(book)
    for serial, role, rule in still:
        state.events.tell(
            EventKind.GROUP_CHANGED,
            item=item,
            agreement=book.number,
            serial=serial,
            role=role,
            field=book.agreement.first_group_place + rule,
        )
    run_judge(state, book, judging.AGAIN, item, serials)


def judge_deadlines(state: State) -> None:
    """Ask the roles whose deadlines are earlier than the block's time, each once (R-TIME-1)."""
    due = [
        (book, place, n)
        for book in state.books
        for place in range(len(book.deadlines))
        if (n := _due(state, book, place)) > 0
    ]
    if not due:
        return
    # One line for each asked role: deadline, agreement number, serial, role, place of the queue.
    lines = np.concatenate([_lines(book, place, n) for book, place, n in due])
    order = np.lexsort((lines[:, 3], lines[:, 2], lines[:, 1], lines[:, 0]))
    lines = lines[order[:MAX_DEADLINES_PER_BLOCK]]
    for book, place, _ in due:
        asked = (lines[:, 1] == book.number) & (lines[:, 4] == place)
        book.asked[place] += int(np.count_nonzero(asked))
    turns = np.flatnonzero(np.diff(lines[:, 1])) + 1
    for stretch in np.split(lines, turns):
        book = state.books[int(stretch[0, 1]) - 1]
        serials, roles = stretch[:, 2].copy(), stretch[:, 3].copy()
        run_judge(state, book, judging.DEADLINE, NO_ITEM, serials, roles)


def _due(state: State, book: Book, place: int) -> int:
    """How many of a queue's next deadlines have passed, as far as one block asks."""
    first = book.asked[place]
    if first == book.count:
        return 0
    if _deadlines_us(book, place, first, first + 1)[0] >= state.time_us:
        return 0
    last = min(book.count, first + MAX_DEADLINES_PER_BLOCK)
    return int(np.searchsorted(_deadlines_us(book, place, first, last), state.time_us, "left"))


def _deadlines_us(book: Book, place: int, first: int, last: int) -> Numbers:
    """The deadlines of a queue, ascending, of the transactions from `first` to before `last`."""
    deadline, opened_us = book.deadlines[place][1], book.opened_us(first, last)
    if isinstance(deadline, BusinessDeadline):
        return deadlines_us(deadline, opened_us)  # R-TIME-2
    return opened_us + deadline


def _lines(book: Book, place: int, n: int) -> Numbers:
    first = book.asked[place]
    role = book.deadlines[place][0]
    lines = np.empty((n, 5), np.int64)
    lines[:, 0] = _deadlines_us(book, place, first, first + n)
    lines[:, 1] = book.number
    lines[:, 2] = np.arange(first, first + n)
    lines[:, 3] = role
    lines[:, 4] = place
    return lines


def next_deadline_us(state: State) -> int | None:
    """The earliest deadline or urgency that no block has looked at yet (µs UTC); None without any.

    A block later than this has something to judge, even with nothing in it.
    """
    due = [
        int(_deadlines_us(book, place, first, first + 1)[0])
        for book in state.books
        for place, first in enumerate(book.asked)
        if first < book.count
    ]
    due += [each.due_us for each in state.urgency_dues[:1]]
    return min(due, default=None)
