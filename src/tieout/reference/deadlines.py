"""Deadlines: by when a role must have spoken (R-TIME-1). Time is the block's."""

from heapq import heappop, heappush

from tieout.reference.businesstime import deadlines_of
from tieout.reference.events import Events
from tieout.reference.judging import judge
from tieout.reference.state import Book, Deadline, State
from tieout.reference.transaction import Transaction
from tieout.wire.limits import MAX_DEADLINES_PER_BLOCK


def set_deadlines(state: State, book: Book, transaction: Transaction) -> None:
    """Note when each role of a transaction that was just opened is asked."""
    for due_us, role in deadlines_of(book.agreement, transaction.opened_us):
        heappush(state.deadlines, Deadline(due_us, book.number, transaction.serial, role))


def judge_deadlines(state: State, events: Events) -> None:
    """Ask the roles whose deadlines are earlier than the block's time, each once."""
    asked = 0
    while state.deadlines and asked < MAX_DEADLINES_PER_BLOCK:
        if state.deadlines[0].deadline_us >= state.time_us:
            break
        deadline = heappop(state.deadlines)
        asked += 1
        book = state.books[deadline.agreement_number - 1]
        judge_overdue(state, book.transactions[deadline.serial], deadline.role, events)


def judge_overdue(state: State, transaction: Transaction, role: int, events: Events) -> None:
    """A role whose deadline has passed is overdue when it is silent."""
    if role in transaction.terms.taking_part and not transaction.roles[role].states:
        transaction.roles[role].overdue = True
        judge(state, transaction, events)
