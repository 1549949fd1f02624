"""Disputes: a party of a transaction objects, and does not any more (R-DISPUTE-1 to R-DISPUTE-3).

A dispute is a break of its own, whatever the records say: it may stand on a transaction in which
everything ties out. Nothing else is called a dispute.
"""

from tieout.reference.events import Events
from tieout.reference.items import Signer
from tieout.reference.judging import judge, switch_break
from tieout.reference.records import is_expired
from tieout.reference.state import State
from tieout.reference.transaction import Break, Dispute, Transaction
from tieout.wire import operations as said
from tieout.wire.codes import BreakKind, EventKind, ItemOutcome


def dispute(
    state: State, transaction: Transaction, body: said.Dispute, signer: Signer, events: Events
) -> ItemOutcome:
    """The party of a role objects (R-DISPUTE-1)."""
    if not 0 <= body.role < len(transaction.roles):
        return ItemOutcome.UNKNOWN_ROLE
    book = state.book_of(transaction)
    role = transaction.roles[body.role]
    entitled = (role.party,) if role.party else book.holders[body.role]
    if signer.party not in entitled:
        return ItemOutcome.NOT_ENTITLED
    if role.dispute or is_expired(state, book, transaction):
        return ItemOutcome.NOT_APPLICABLE
    role.dispute = Dispute(signer.code, body.reason, body.evidence)
    events.tell(EventKind.DISPUTE_RAISED, transaction, role=body.role, extra=signer.code)
    switch_break(transaction, break_of(body.role), events, opens=True)
    judge(state, transaction, events, has_opened=True)
    return ItemOutcome.ACCEPTED


def withdraw(
    state: State,
    transaction: Transaction,
    body: said.WithdrawDispute,
    signer: Signer,
    events: Events,
) -> ItemOutcome:
    """The party that objected does not any more (R-DISPUTE-3)."""
    if not 0 <= body.role < len(transaction.roles):
        return ItemOutcome.UNKNOWN_ROLE
    role = transaction.roles[body.role]
    if role.dispute is None:
        return ItemOutcome.NOT_APPLICABLE
    if role.dispute.raised_by >> 16 != signer.party:
        return ItemOutcome.NOT_ENTITLED
    role.dispute = None
    events.tell(EventKind.DISPUTE_WITHDRAWN, transaction, role=body.role, extra=signer.code)
    switch_break(transaction, break_of(body.role), events, opens=False)
    judge(state, transaction, events)
    return ItemOutcome.ACCEPTED


def settle_all(transaction: Transaction, events: Events) -> None:
    """What was decided about a transaction settles its disputes (R-DECIDE-3). No verdict yet."""
    for index, role in enumerate(transaction.roles):
        if role.dispute:
            role.dispute = None
            events.tell(EventKind.DISPUTE_SETTLED, transaction, role=index)
            switch_break(transaction, break_of(index), events, opens=False)


def break_of(role: int) -> Break:
    """The break that a role's dispute is."""
    return Break(BreakKind.DISPUTED, None, role, ("R-DISPUTE-1",))
