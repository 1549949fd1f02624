"""Changes of members: proposed, voted on, and made before a block's items (R-MEMBER-3 to -6).

Agreements too are put into force by changes; one of nothing else is the affair of those alone whom
it concerns (R-AGREE-4, R-AGREE-5).
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from tieout.kernel.agreeing import must_agree, put_steps_into_force
from tieout.kernel.binding import bound, versions_of
from tieout.kernel.members import Bound, Change, Members, Shelf, Taken, changed
from tieout.kernel.state import State
from tieout.wire.codes import NO_ITEM, ChangeStatus, EventKind, ItemOutcome
from tieout.wire.limits import MAX_OPEN_CHANGES
from tieout.wire.members import (
    AddKey,
    AddPerson,
    ProposeChange,
    PutIntoForce,
    RevokeKey,
    SetHolders,
    Step,
    Vote,
    is_well_formed,
)

_EVENTS: Final = {
    ChangeStatus.SCHEDULED: EventKind.CHANGE_SCHEDULED,
    ChangeStatus.EFFECTIVE: EventKind.CHANGE_EFFECTIVE,
    ChangeStatus.REFUSED: EventKind.CHANGE_REFUSED,
    ChangeStatus.EXPIRED: EventKind.CHANGE_EXPIRED,
    ChangeStatus.SUPERSEDED: EventKind.CHANGE_SUPERSEDED,
}
_OWN: Final = (AddPerson, AddKey, RevokeKey)


def begin_block(state: State) -> None:
    """What has expired goes, then what is due takes effect, in the order of the numbers."""
    for change in state.members.changes:
        if change.status is ChangeStatus.PROPOSED and change.expires_height < state.height:
            _end(state, change, ChangeStatus.EXPIRED, NO_ITEM)
    for number in [change.number for change in state.members.changes]:
        due = _find(state, number)
        if due and due.status is ChangeStatus.SCHEDULED and due.due_height <= state.height:
            _make(state, due)


def propose(
    state: State, body: ProposeChange, name: bytes, party: int, person: int, item: int
) -> ItemOutcome:
    """R-MEMBER-3. `name` is the digest of the operation."""
    if not is_well_formed(body):
        return ItemOutcome.MALFORMED_CHANGE
    if body.expires_height < state.height:
        return ItemOutcome.NOT_APPLICABLE
    members = state.members
    if sum(each.proposer == party for each in members.changes) >= MAX_OPEN_CHANGES:
        return ItemOutcome.TOO_MANY_CHANGES
    if any(each.steps == body.steps for each in members.changes):
        return ItemOutcome.NO_EFFECT
    number, earliest = members.proposed_count + 1, max(state.height + 1, body.effective_height)
    outcome = _tried(state, body.steps, earliest)
    if isinstance(outcome, ItemOutcome):
        return outcome
    if not _may_speak(state, body.steps, party):
        return ItemOutcome.NOT_ENTITLED
    change = Change(
        number,
        name,
        ChangeStatus.PROPOSED,
        party,
        body.steps,
        body.effective_height,
        body.expires_height,
        0,
        (party,),
        (),
    )
    state.set_members(
        replace(members, proposed_count=number, changes=(*members.changes, change))
    )  # fmt: skip
    state.events.tell(
        EventKind.CHANGE_PROPOSED, item=item, extra=party << 16 | person, serial=number
    )
    if all(isinstance(step, _OWN) and step.party == party for step in body.steps):  # R-MEMBER-5
        _schedule(state, change, item)
    else:
        _count(state, change, item)
    return ItemOutcome.ACCEPTED


def vote(state: State, body: Vote, party: int, person: int, item: int) -> ItemOutcome:
    """R-MEMBER-4."""
    change = next((each for each in state.members.changes if each.name == body.change), None)
    if change is None:
        return ItemOutcome.UNKNOWN_CHANGE
    if change.status is not ChangeStatus.PROPOSED:
        return ItemOutcome.NOT_APPLICABLE
    if not _may_speak(state, change.steps, party):
        return ItemOutcome.NOT_ENTITLED
    if party in (*change.in_favour, *change.against):
        return ItemOutcome.NO_EFFECT
    if body.in_favour:
        voted = replace(change, in_favour=tuple(sorted((*change.in_favour, party))))
    else:
        voted = replace(change, against=tuple(sorted((*change.against, party))))
    _put(state, voted)
    state.events.tell(
        EventKind.CHANGE_VOTED,
        item=item,
        detail=1 if body.in_favour else 0,
        extra=party << 16 | person,
        serial=change.number,
    )
    _count(state, voted, item)
    return ItemOutcome.ACCEPTED


def needed_votes(state: State) -> int:
    """How many members must be in favour of a change, of those that there are now (R-MEMBER-4)."""
    members, stated = state.members.count(), state.genesis.votes_needed
    return 2 * members // 3 + 1 if stated == 0 else min(stated, members)


def _count(state: State, change: Change, item: int) -> None:
    """Schedule or refuse a change when its votes decide it."""
    asked = parties_to_agree(state, change.steps)
    needed, possible = 0, 0
    if not is_of_agreements(change.steps):  # R-AGREE-5: these need nobody else
        needed, possible = needed_votes(state), state.members.count() - len(change.against)
    if len(change.in_favour) >= needed and all(party in change.in_favour for party in asked):
        _schedule(state, change, item)
    elif possible < needed or any(party in change.against for party in asked):
        _end(state, change, ChangeStatus.REFUSED, item)


def parties_to_agree(state: State, steps: Sequence[Step]) -> list[int]:
    """Without whom a change that can be done is not made, however many are in favour, ascending.

    Those whom it entitles to a role that they do not hold now (R-MEMBER-4), those whom an agreement
    binds, and, when there are no other votes, those bound by what it follows (R-AGREE-5).
    """
    is_alone = is_of_agreements(steps)
    asked: set[int] = set()
    for step in steps:
        if isinstance(step, SetHolders):
            holders = state.by_version[step.agreement, step.version].holders[step.role]
            asked.update(party for party in step.parties if party not in holders)
        elif isinstance(step, PutIntoForce):
            (name,) = versions_of([step])
            asked.update(must_agree(state, name, step) if is_alone else bound(step))
    return sorted(asked)


def is_of_agreements(steps: Sequence[Step]) -> bool:
    """Whether a change does nothing but put agreements into force."""
    return all(isinstance(step, PutIntoForce) for step in steps)


def _may_speak(state: State, steps: Sequence[Step], party: int) -> bool:
    """Whether a change is any of a member's business (R-AGREE-5)."""
    return not is_of_agreements(steps) or party in parties_to_agree(state, steps)


def _schedule(state: State, change: Change, item: int) -> None:
    due_height = max(state.height + 1, change.effective_height)
    _put(state, replace(change, status=ChangeStatus.SCHEDULED, due_height=due_height))
    state.events.tell(EventKind.CHANGE_SCHEDULED, item=item, serial=change.number)


def _make(state: State, change: Change) -> None:
    """Let a change that is due take effect, if it still can, and look at the others again."""
    members = _tried(state, change.steps, change.due_height)
    if isinstance(members, ItemOutcome):
        _end(state, change, ChangeStatus.SUPERSEDED, NO_ITEM)
        return
    state.set_members(members)
    for number, holders in members.holders:
        state.books[number - 1].holders = holders
    _end(state, change, ChangeStatus.EFFECTIVE, NO_ITEM)
    put_steps_into_force(state, change.steps, NO_ITEM)
    look_again(state, NO_ITEM)


def look_again(state: State, item: int) -> None:
    """Look at every open change after members or agreements have changed (R-MEMBER-6)."""
    for change in state.members.changes:
        _look_at(state, change, item)


def _look_at(state: State, change: Change, item: int) -> None:
    """Votes of who has left count no more, and what cannot be done any more ends."""
    is_member = state.members.is_member
    left = replace(
        change,
        in_favour=tuple(party for party in change.in_favour if is_member(party)),
        against=tuple(party for party in change.against if is_member(party)),
    )
    _put(state, left)
    is_proposed = change.status is ChangeStatus.PROPOSED
    earliest = max(state.height + 1, change.effective_height) if is_proposed else change.due_height
    if not is_member(change.proposer) or isinstance(
        _tried(state, change.steps, earliest), ItemOutcome
    ):
        _end(state, left, ChangeStatus.SUPERSEDED, item)
    elif is_proposed:
        _count(state, left, item)


def upcoming(state: State) -> Members:
    """The members by whom the items of the next block will be judged; nothing changes by asking.

    What `begin_block` will do to them: whoever signs for a block must know before it is made.
    """
    members, height = state.members, state.height + 1
    newest: dict[str, int] = {}
    waiting = [each for each in members.changes if each.status is ChangeStatus.SCHEDULED]
    while due := next((each for each in waiting if each.due_height <= height), None):
        waiting.remove(due)
        made = _tried(state, due.steps, due.due_height, members, newest)
        if isinstance(made, ItemOutcome):
            continue
        members = made
        newest |= versions_of(due.steps)
        waiting = [each for each in waiting if _can_still_be_done(state, each, members, newest)]
    return members


def _can_still_be_done(
    state: State, change: Change, members: Members, newest: Mapping[str, int]
) -> bool:
    """Whether a scheduled change stays so when these are the members and agreements."""
    if not members.is_member(change.proposer):
        return False
    made = _tried(state, change.steps, change.due_height, members, newest)
    return isinstance(made, Members)


def _tried(
    state: State,
    steps: Sequence[Step],
    height: int,
    members: Members | None = None,
    newer: Mapping[str, int] | None = None,
) -> Taken:
    """As `changed`, by default of the members as they are; `newer` are versions yet to come."""
    books = {key: Bound(book.number, book.holders) for key, book in state.by_version.items()}
    newest = {name: book.agreement.version for name, book in state.newest.items()}
    newest.update(newer or {})
    shelf = Shelf(tuple(books.values()), books, newest, state.genesis.rules_version)
    return changed(state.members if members is None else members, steps, height, shelf)


def _find(state: State, number: int) -> Change | None:
    return next((each for each in state.members.changes if each.number == number), None)


def _put(state: State, change: Change) -> None:
    """Write an open change anew."""
    changes = tuple(
        change if each.number == change.number else each for each in state.members.changes
    )
    state.set_members(replace(state.members, changes=changes))


def _end(state: State, change: Change, status: ChangeStatus, item: int) -> None:
    """Tell what became of a change, and forget it."""
    changes = tuple(each for each in state.members.changes if each.number != change.number)
    state.set_members(replace(state.members, changes=changes))
    state.events.tell(_EVENTS[status], item=item, serial=change.number)
