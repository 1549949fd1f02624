"""Cut-offs: the moment from which silence counts (R-CUT-1)."""

from tieout.reference import groups
from tieout.reference.events import Events
from tieout.reference.judging import judge
from tieout.reference.state import Book, State
from tieout.reference.transaction import Transaction
from tieout.wire.codes import EventKind, ItemOutcome
from tieout.wire.operations import CloseCutoff


def close_cutoff(state: State, body: CloseCutoff, party: int, events: Events) -> ItemOutcome:
    """Judge what was opened up to a time, in every version of the agreement."""
    newest = state.newest.get(body.agreement)
    if newest is None:
        return ItemOutcome.UNKNOWN_AGREEMENT
    if not any(party in holders for holders in newest.holders):
        return ItemOutcome.NOT_ENTITLED
    last_us = state.cutoffs_us.get(body.agreement)
    if body.cutoff_us > state.time_us or (last_us is not None and body.cutoff_us < last_us):
        return ItemOutcome.BAD_CUTOFF
    books = [book for book in state.books if book.agreement.name == body.agreement]
    transactions = [each for book in books for each in _not_judged(book, body.cutoff_us)]
    if body.cutoff_us == last_us and not transactions:
        return ItemOutcome.NO_EFFECT
    state.cutoffs_us[body.agreement] = body.cutoff_us
    for transaction in transactions:
        transaction.judged = True
        state.book_of(transaction).judged_count += 1
        groups.note_judged(state.book_of(transaction), transaction)
        judge(state, transaction, events)
    for book in books:
        groups.settle(state, book, events)  # R-GROUP-6
    kind = EventKind.CUTOFF_CLOSED
    events.add(kind, agreement=newest.number, serial=len(transactions))
    return ItemOutcome.ACCEPTED


def _not_judged(book: Book, cutoff_us: int) -> list[Transaction]:
    """The transactions opened at or before a time and not judged yet, in order.

    They were opened in the order of time, so the judged ones are always the first of the book.
    """
    end = book.judged_count
    while end < len(book.transactions) and book.transactions[end].opened_us <= cutoff_us:
        end += 1
    return book.transactions[book.judged_count : end]
