"""Disputes: a party objects, and does not any more (R-DISPUTE-1 to R-DISPUTE-3)."""

from tieout.kernel import layout as at
from tieout.kernel import timing
from tieout.kernel.found import Found, Speaker
from tieout.kernel.state import Dispute, State
from tieout.wire import operations as said
from tieout.wire.codes import BreakKind, EventKind, ItemOutcome


def dispute(state: State, found: Found, body: said.Dispute, speaker: Speaker) -> ItemOutcome:
    """R-DISPUTE-1."""
    if not 0 <= body.role < len(found.book.holders):
        return ItemOutcome.UNKNOWN_ROLE
    bound = found.number(found.book.role_offset(body.role) + at.PARTY, 2)
    if speaker.party not in ((bound,) if bound else found.book.holders[body.role]):
        return ItemOutcome.NOT_ENTITLED
    key = (found.book.number, found.serial, body.role)
    if key in state.disputes or found.is_expired(state.time_us):
        return ItemOutcome.NOT_APPLICABLE
    state.disputes[key] = Dispute(speaker.code, body.reason, body.evidence)
    _turn(state, found, body.role, speaker, EventKind.DISPUTE_RAISED)
    return ItemOutcome.ACCEPTED


def withdraw(
    state: State, found: Found, body: said.WithdrawDispute, speaker: Speaker
) -> ItemOutcome:
    """R-DISPUTE-3."""
    if not 0 <= body.role < len(found.book.holders):
        return ItemOutcome.UNKNOWN_ROLE
    key = (found.book.number, found.serial, body.role)
    raised = state.disputes.get(key)
    if raised is None:
        return ItemOutcome.NOT_APPLICABLE
    if raised.raised_by >> 16 != speaker.party:
        return ItemOutcome.NOT_ENTITLED
    del state.disputes[key]
    _turn(state, found, body.role, speaker, EventKind.DISPUTE_WITHDRAWN)
    return ItemOutcome.ACCEPTED


def settle_all(state: State, found: Found, item: int) -> None:
    """What was decided about a transaction settles its disputes (R-DECIDE-3). No verdict yet."""
    for role in range(len(found.book.holders)):
        key = (found.book.number, found.serial, role)
        if state.disputes.pop(key, None) is None:
            continue
        found.turn_flag(role, at.DISPUTED, on=False)
        for kind, detail in (
            (EventKind.DISPUTE_SETTLED, 0),
            (EventKind.BREAK_CLOSED, BreakKind.DISPUTED),
        ):
            state.events.tell(
                kind,
                item=item,
                agreement=found.book.number,
                serial=found.serial,
                role=role,
                detail=detail,
            )


def _turn(state: State, found: Found, role: int, speaker: Speaker, kind: EventKind) -> None:
    """Tell what the party did, and what it makes of the break; a new verdict follows."""
    opens = kind is EventKind.DISPUTE_RAISED
    found.turn_flag(role, at.DISPUTED, on=opens)
    for told, detail, extra in (
        (kind, 0, speaker.code),
        (EventKind.BREAK_OPENED if opens else EventKind.BREAK_CLOSED, BreakKind.DISPUTED, 0),
    ):
        state.events.tell(
            told,
            item=speaker.item,
            agreement=found.book.number,
            serial=found.serial,
            role=role,
            detail=detail,
            extra=extra,
        )
    timing.judge_again(state, found.book, speaker.item, found.serial, has_opened=opens)
