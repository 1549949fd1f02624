"""What a change of members does: its steps, tried on a copy (R-MEMBER-2).

All steps of a change are taken together or not at all: they are taken on a copy of the members, and
the copy replaces the members when every step could be taken and what comes of it holds together.
"""

from copy import deepcopy

from tieout.reference.agreements import bound_parties, concerned_parties, sound_agreement
from tieout.reference.members import Key, Members, Party, person_from
from tieout.reference.state import State
from tieout.wire.codes import ItemOutcome
from tieout.wire.limits import MAX_VALIDATOR_POWER
from tieout.wire.members import (
    AddKey,
    AddPerson,
    Admit,
    PutIntoForce,
    Remove,
    RevokeKey,
    SetHolders,
    SetValidator,
    Step,
)


def tried(state: State, steps: tuple[Step, ...], height: int) -> Members | ItemOutcome:
    """The members as they would be from `height` on, else why that cannot be. Changes nothing."""
    members = deepcopy(state.members)
    for number, step in enumerate(steps):
        refusal = _take(state, members, step, height)
        if isinstance(step, PutIntoForce):
            refusal = _put_into_force(state, members, step, steps[:number])
        if refusal:
            return refusal
    had_validators = state.members.power() > 0
    power = members.power()
    if members.count() == 0 or (had_validators and power == 0) or power > MAX_VALIDATOR_POWER:
        return ItemOutcome.NOT_APPLICABLE
    for step in steps:
        if isinstance(step, PutIntoForce) and not all(map(members.is_member, bound_parties(step))):
            return ItemOutcome.NOT_APPLICABLE
    return members


def is_own_affair(steps: tuple[Step, ...], party: int) -> bool:
    """Whether a change is about persons and keys of one party alone (R-MEMBER-5)."""
    return all(
        isinstance(step, AddPerson | AddKey | RevokeKey) and step.party == party for step in steps
    )


def is_about_agreements(steps: tuple[Step, ...]) -> bool:
    """Whether a change does nothing but put agreements into force (R-AGREE-5)."""
    return all(isinstance(step, PutIntoForce) for step in steps)


def parties_to_agree(state: State, steps: tuple[Step, ...]) -> list[int]:
    """The parties without whom a change is not made, whoever else is in favour.

    Those that it entitles to a role that they do not hold now (R-MEMBER-4), those whom an agreement
    binds; and those bound by what it follows, unless all members are asked (R-AGREE-5).
    """
    asked: list[int] = []
    for step in steps:
        if isinstance(step, SetHolders):
            book = state.find_book(step.agreement, step.version)
            held = book.holders[step.role] if book else ()
            asked.extend(party for party in step.parties if party not in held)
        elif isinstance(step, PutIntoForce):
            asked.extend(bound_parties(step))
            agreement = sound_agreement(state, step)
            if agreement and is_about_agreements(steps):
                asked.extend(concerned_parties(state, agreement, step))
    return asked


def _take(state: State, members: Members, step: Step, height: int) -> ItemOutcome | None:
    """Take one step; the reason when it cannot be taken."""
    match step:
        case Admit():
            return _admit(members, step, height)
        case SetHolders():
            return _set_holders(state, members, step)
        case PutIntoForce():
            return None  # it changes nothing of the members: see `_put_into_force`
        case Remove() | AddPerson() | AddKey() | RevokeKey() | SetValidator():
            party = members.find(step.party)
            if party is None or not party.is_member:
                return ItemOutcome.UNKNOWN_MEMBER
            return _take_for(state, members, party, step, height)


def _put_into_force(
    state: State, members: Members, step: PutIntoForce, before: tuple[Step, ...]
) -> ItemOutcome | None:
    """Why a version cannot come into force after the steps before it; None when it can."""
    agreement = sound_agreement(state, step)
    if agreement is None:
        return ItemOutcome.MALFORMED_AGREEMENT
    for party in bound_parties(step):  # one that is only admitted with this change cannot agree
        if not (state.members.is_member(party) and members.is_member(party)):
            return ItemOutcome.UNKNOWN_MEMBER
    versions = [
        book.agreement.version for book in state.books if book.agreement.name == agreement.name
    ]
    for other in before:
        put = sound_agreement(state, other) if isinstance(other, PutIntoForce) else None
        if put and put.name == agreement.name:
            versions.append(put.version)
    if versions and agreement.version != versions[-1] + 1:
        return ItemOutcome.WRONG_VERSION
    return None


def _take_for(
    state: State,
    members: Members,
    party: Party,
    step: Remove | AddPerson | AddKey | RevokeKey | SetValidator,
    height: int,
) -> ItemOutcome | None:
    match step:
        case Remove():
            _remove(state, members, party, height)
            return None
        case AddPerson():
            return _add_person(party, step, height)
        case AddKey():
            return _add_key(party, step, height)
        case RevokeKey():
            return _revoke_key(party, step, height)
        case SetValidator():
            return _set_validator(members, step)


def _admit(members: Members, step: Admit, height: int) -> ItemOutcome | None:
    names = [party.name for party in members.parties if party.is_member]
    if step.number != len(members.parties) + 1 or step.name in names:
        return ItemOutcome.NOT_APPLICABLE
    persons = [person_from(person, height) for person in step.persons]
    members.parties.append(Party(step.number, step.name, persons))
    return None


def _remove(state: State, members: Members, party: Party, height: int) -> None:
    """Its keys end, its validators go, and it holds no role any more."""
    party.until_height = height - 1
    for person in party.persons:
        for key in person.keys:
            if not key.has_ended_before(height):
                key.until_height = height - 1
    members.validators = {
        public: (owner, power)
        for public, (owner, power) in members.validators.items()
        if owner != party.number
    }
    for book in state.books:
        holders = members.holders.get(book.number) or [list(each) for each in book.holders]
        if any(party.number in parties for parties in holders):
            members.holders[book.number] = [
                [each for each in parties if each != party.number] for parties in holders
            ]


def _add_person(party: Party, step: AddPerson, height: int) -> ItemOutcome | None:
    numbers = [key.number for key in step.person.keys]
    if step.person.number != len(party.persons) + 1 or any(map(party.find_key, numbers)):
        return ItemOutcome.NOT_APPLICABLE
    party.persons.append(person_from(step.person, height))
    return None


def _add_key(party: Party, step: AddKey, height: int) -> ItemOutcome | None:
    if step.person > len(party.persons):
        return ItemOutcome.UNKNOWN_MEMBER
    if party.find_key(step.key.number):
        return ItemOutcome.NOT_APPLICABLE
    key = Key(step.key.number, step.key.public, list(step.key.purposes), height)
    party.persons[step.person - 1].keys.append(key)
    return None


def _revoke_key(party: Party, step: RevokeKey, height: int) -> ItemOutcome | None:
    found = party.find_key(step.key)
    if found is None:
        return ItemOutcome.UNKNOWN_MEMBER
    _, key = found
    if key.has_ended_before(height):
        return ItemOutcome.NOT_APPLICABLE
    key.until_height = height - 1
    return None


def _set_validator(members: Members, step: SetValidator) -> ItemOutcome | None:
    owner, power = members.validators.get(step.public, (step.party, 0))
    if owner != step.party or power == step.power:
        return ItemOutcome.NOT_APPLICABLE
    if step.power == 0:
        del members.validators[step.public]
    else:
        members.validators[step.public] = (step.party, step.power)
    return None


def _set_holders(state: State, members: Members, step: SetHolders) -> ItemOutcome | None:
    book = state.find_book(step.agreement, step.version)
    if book is None:
        return ItemOutcome.UNKNOWN_AGREEMENT
    if step.role >= len(book.agreement.roles):
        return ItemOutcome.UNKNOWN_ROLE
    for party in step.parties:  # one that is only admitted with this change could not agree to it
        if not (state.members.is_member(party) and members.is_member(party)):
            return ItemOutcome.UNKNOWN_MEMBER
    holders = members.holders.get(book.number) or [list(each) for each in book.holders]
    if holders[step.role] == list(step.parties):
        return ItemOutcome.NOT_APPLICABLE
    members.holders[book.number] = [
        list(step.parties) if role == step.role else parties for role, parties in enumerate(holders)
    ]
    return None
