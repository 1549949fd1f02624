"""Governing: how the members change what they are (R-MEMBER-3 to R-MEMBER-6).

`CHANGE_LIFE` in lifecycles.py is the whole life-cycle; what is not in it does not happen. A change
is proposed, voted on, scheduled, and takes effect at the beginning of a block, before its items.
Only what is open is remembered: what became of the others was told.
"""

from typing import Final

from tieout.reference.agreements import put_all_into_force
from tieout.reference.changes import (
    is_about_agreements,
    is_own_affair,
    parties_to_agree,
    tried,
)
from tieout.reference.events import Events
from tieout.reference.items import Signer
from tieout.reference.lifecycles import CHANGE_LIFE, ChangeCause
from tieout.reference.members import Change, Members
from tieout.reference.state import State
from tieout.wire.codes import ChangeStatus, EventKind, ItemOutcome
from tieout.wire.limits import MAX_OPEN_CHANGES
from tieout.wire.members import ProposeChange, Step, Vote, is_well_formed

STATUS_EVENTS: Final = {
    ChangeStatus.SCHEDULED: EventKind.CHANGE_SCHEDULED,
    ChangeStatus.EFFECTIVE: EventKind.CHANGE_EFFECTIVE,
    ChangeStatus.REFUSED: EventKind.CHANGE_REFUSED,
    ChangeStatus.EXPIRED: EventKind.CHANGE_EXPIRED,
    ChangeStatus.SUPERSEDED: EventKind.CHANGE_SUPERSEDED,
}


def begin_block(state: State, events: Events) -> None:
    """Before the items of a block: what has expired, then what takes effect (R-MEMBER-6)."""
    for change in list(state.members.changes):
        waits = change.status is ChangeStatus.PROPOSED
        if waits and change.expires_height < state.height:
            _move(state, change, ChangeCause.TIME_IS_UP, events)
    for number in [change.number for change in state.members.changes]:
        due = _open_change(state.members, number)
        if due and due.status is ChangeStatus.SCHEDULED and due.due_height <= state.height:
            _take_effect(state, due, events)


def next_height(state: State) -> int | None:
    """The next height at whose beginning something can happen by itself; None: not as it stands."""
    return min(
        (change.due_height or change.expires_height + 1 for change in state.members.changes),
        default=None,
    )


def propose(
    state: State, body: ProposeChange, name: bytes, signer: Signer, events: Events
) -> ItemOutcome:
    """A member asks for a change; who asks is in favour (R-MEMBER-3). `name` is its digest."""
    if not is_well_formed(body):
        return ItemOutcome.MALFORMED_CHANGE
    if body.expires_height < state.height:
        return ItemOutcome.NOT_APPLICABLE
    open_changes = state.members.changes
    if sum(each.proposer == signer.party for each in open_changes) >= MAX_OPEN_CHANGES:
        return ItemOutcome.TOO_MANY_CHANGES
    if any(each.steps == body.steps for each in open_changes):
        return ItemOutcome.NO_EFFECT
    change = Change(
        state.members.proposed_count + 1,
        name,
        signer.party,
        body.steps,
        body.effective_height,
        body.expires_height,
        in_favour=[signer.party],
    )
    outcome = tried(state, body.steps, _earliest_height(state, change))
    if isinstance(outcome, ItemOutcome):
        return outcome
    if not _may_speak(state, body.steps, signer.party):
        return ItemOutcome.NOT_ENTITLED
    change.status = CHANGE_LIFE[ChangeStatus.NONE, ChangeCause.ASKED]
    state.members.proposed_count += 1
    open_changes.append(change)
    _tell(change, EventKind.CHANGE_PROPOSED, events, extra=signer.code)
    if is_own_affair(body.steps, signer.party):  # R-MEMBER-5
        _schedule(state, change, events)
    else:
        _count(state, change, events)
    return ItemOutcome.ACCEPTED


def vote(state: State, body: Vote, signer: Signer, events: Events) -> ItemOutcome:
    """A member votes on an open change, once (R-MEMBER-4)."""
    named = [change for change in state.members.changes if change.name == body.change]
    if not named:
        return ItemOutcome.UNKNOWN_CHANGE
    change = named[0]
    if change.status is not ChangeStatus.PROPOSED:
        return ItemOutcome.NOT_APPLICABLE
    if not _may_speak(state, change.steps, signer.party):
        return ItemOutcome.NOT_ENTITLED
    if signer.party in change.in_favour or signer.party in change.against:
        return ItemOutcome.NO_EFFECT
    (change.in_favour if body.in_favour else change.against).append(signer.party)
    detail = 1 if body.in_favour else 0
    _tell(change, EventKind.CHANGE_VOTED, events, detail=detail, extra=signer.code)
    _count(state, change, events)
    return ItemOutcome.ACCEPTED


def votes_needed(state: State) -> int:
    """How many members must be in favour, as many as there are now (R-MEMBER-4)."""
    members = state.members.count()
    stated = state.genesis.votes_needed
    return min(stated, members) if stated else 2 * members // 3 + 1


def _count(state: State, change: Change, events: Events) -> None:
    """Decide a change if its votes decide it."""
    asked = parties_to_agree(state, change.steps)
    is_enough = all(party in change.in_favour for party in asked)
    is_lost = any(party in change.against for party in asked)
    if not is_about_agreements(change.steps):  # those concern nobody but whom they ask (R-AGREE-5)
        needed = votes_needed(state)
        is_enough = is_enough and len(change.in_favour) >= needed
        is_lost = is_lost or state.members.count() - len(change.against) < needed
    if is_enough:
        _schedule(state, change, events)
    elif is_lost:
        _move(state, change, ChangeCause.OUTVOTED, events)


def _may_speak(state: State, steps: tuple[Step, ...], party: int) -> bool:
    """Whether a change is any of a member's business (R-AGREE-5)."""
    return not is_about_agreements(steps) or party in parties_to_agree(state, steps)


def _schedule(state: State, change: Change, events: Events) -> None:
    change.due_height = _earliest_height(state, change)
    _move(state, change, ChangeCause.ENOUGH, events)


def _earliest_height(state: State, change: Change) -> int:
    """The first height at which a change can take effect."""
    if change.status is ChangeStatus.SCHEDULED:
        return change.due_height
    return max(state.height + 1, change.effective_height)


def _take_effect(state: State, change: Change, events: Events) -> None:
    """Make a change, unless it can no longer be made; then look at the others."""
    members = tried(state, change.steps, change.due_height)
    if isinstance(members, ItemOutcome):
        _move(state, change, ChangeCause.OVERTAKEN, events)
        return
    _move(state, change, ChangeCause.HEIGHT_COMES, events)
    members.changes = state.members.changes
    state.members = members
    for number, holders in members.holders.items():
        state.books[number - 1].holders = tuple(tuple(parties) for parties in holders)
    put_all_into_force(state, change.steps, events)
    look_again(state, events)


def look_again(state: State, events: Events) -> None:
    """Look at every open change after members or agreements have changed (R-MEMBER-6)."""
    for change in list(state.members.changes):
        _look_at(state, change, events)


def _look_at(state: State, change: Change, events: Events) -> None:
    is_member = state.members.is_member
    change.in_favour = [party for party in change.in_favour if is_member(party)]
    change.against = [party for party in change.against if is_member(party)]
    outcome = tried(state, change.steps, _earliest_height(state, change))
    if isinstance(outcome, ItemOutcome) or not is_member(change.proposer):
        _move(state, change, ChangeCause.OVERTAKEN, events)
    elif change.status is ChangeStatus.PROPOSED:
        _count(state, change, events)


def _open_change(members: Members, number: int) -> Change | None:
    return next((each for each in members.changes if each.number == number), None)


def _move(state: State, change: Change, cause: ChangeCause, events: Events) -> None:
    """Take the step that the life-cycle has for this cause, and tell it."""
    change.status = CHANGE_LIFE[change.status, cause]
    if change.status is not ChangeStatus.SCHEDULED:
        state.members.changes.remove(change)
    _tell(change, STATUS_EVENTS[change.status], events)


def _tell(
    change: Change, kind: EventKind, events: Events, *, detail: int = 0, extra: int = 0
) -> None:
    events.add(kind, detail=detail, extra=extra, serial=change.number)
