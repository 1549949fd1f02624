"""Changes of members as people ask for them, and what they would do, in plain words.

The rules know steps with numbers (R-MEMBER-2). People know names, and think in whole changes: a key
is *rotated*, which is a new key and the end of the old one, at one height. Here the one is made
into the other, and back, for the members that there are in the next block. Nothing is judged here:
the rules say whether a change can be done.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tieout import kernel
from tieout.agreement.model import Agreement
from tieout.agreement.parse import load_canonical
from tieout.engines.errors import EngineError
from tieout.engines.keyring import is_valid
from tieout.journal.frame import Entry
from tieout.kernel import Key, Party
from tieout.kernel.members import Person
from tieout.wire.block import Block
from tieout.wire.codes import ChangeStatus, EventKind, Purpose
from tieout.wire.members import (
    AddKey,
    AddPerson,
    Admit,
    NewKey,
    NewPerson,
    ProposeChange,
    PutIntoForce,
    Remove,
    RevokeKey,
    SetHolders,
    SetValidator,
    Step,
)
from tieout.wire.operations import parse_operation

PARTY_SHIFT: Final = 16
"""Where the party stands in an event's `extra`, above the person."""
SHOWN_HEX: Final = 16
"""Digits of a public key that people compare on a screen."""


# ---------------------------------------------------------------- who there is


def member_named(parties: Sequence[Party], name: str) -> Party:
    """The member of that name. Raises EngineError when there is none."""
    for party in parties:
        if party.name == name and party.until_height == 0:
            return party
    known = ", ".join(party.name for party in parties if party.until_height == 0)
    raise EngineError(f"{name!r} is no member of this ledger", f"its members are: {known}")


def key_numbered(party: Party, number: int) -> tuple[Person, Key]:
    """The person and key of a number. Raises EngineError when the party has no such key."""
    for person in party.persons:
        for key in person.keys:
            if key.number == number:
                return person, key
    raise EngineError(
        f"{party.name} has no key {number}", f"`tieout member show {party.name}` lists its keys"
    )


def next_key_number(state: kernel.State, party: int) -> int:
    """A key number that the party has never used, and no open change of its own would use."""
    known = kernel.upcoming_parties(state)[party - 1]
    used = [key.number for person in known.persons for key in person.keys]
    asked = [step for change in kernel.changes(state) for step in change.steps]
    used += [step.key.number for step in asked if isinstance(step, AddKey) and step.party == party]
    used += [
        key.number
        for step in asked
        if isinstance(step, AddPerson) and step.party == party
        for key in step.person.keys
    ]
    return max(used, default=0) + 1


# ---------------------------------------------------------------- what people ask for


def rotation(party: Party, number: int, new_number: int, public: bytes, height: int) -> list[Step]:
    """A new key for the same person and purposes, and the end of the old one, together.

    `height` is that of the next block. Raises EngineError for a key that has ended.
    """
    person, key = key_numbered(party, number)
    if not is_valid(key, height):
        raise EngineError(f"key {number} of {party.name} signs nothing any more")
    new = NewKey(new_number, public, key.purposes)
    return [AddKey(party.number, person.number, new), RevokeKey(party.number, number)]


def further_key(
    party: Party, person: str, number: int, public: bytes, purposes: Sequence[Purpose]
) -> list[Step]:
    """One more key of a person of that name, who is a new one where the party has no such."""
    new = NewKey(number, public, tuple(sorted({int(purpose) for purpose in purposes})))
    for known in party.persons:
        if known.name == person:
            return [AddKey(party.number, known.number, new)]
    return [AddPerson(party.number, NewPerson(len(party.persons) + 1, person, (new,)))]


def new_holders(state: kernel.State, agreement: str, role: str, names: Sequence[str]) -> list[Step]:
    """Who may hold a role from then on, in every version of the agreement that is in force.

    Raises EngineError for a name that there is not.
    """
    members = kernel.upcoming_parties(state)
    parties = tuple(sorted({member_named(members, name).number for name in names}))
    steps: list[Step] = []
    for book in state.books:
        if book.agreement.name != agreement:
            continue
        if role not in book.agreement.roles:
            known = ", ".join(book.agreement.roles)
            raise EngineError(f"{agreement} has no role {role!r}", f"its roles are: {known}")
        place = book.agreement.roles.index(role)
        if book.holders[place] != parties:
            steps.append(SetHolders(agreement, book.agreement.version, place, parties))
    if agreement not in state.newest:
        known = ", ".join(state.newest) or "none"
        raise EngineError(f"{agreement!r} is not in force on this ledger", f"in force are: {known}")
    if not steps:
        raise EngineError(f"{', '.join(names)} may hold {role} of {agreement} already")
    return steps


# ---------------------------------------------------------------- in words


def in_words(state: kernel.State, steps: Sequence[Step]) -> list[str]:
    """What a change would do, a sentence for each step."""
    names = {party.number: party.name for party in kernel.upcoming_parties(state)}
    names |= {step.number: step.name for step in steps if isinstance(step, Admit)}
    return [_sentence(state, names, step) for step in steps]


def _sentence(state: kernel.State, names: dict[int, str], step: Step) -> str:
    match step:
        case Admit(number, name, persons):
            who = "; ".join(f"{each.name} with {_of_person(each)}" for each in persons)
            return f"{name} becomes a member, as party {number}: {who or 'nobody acts for it'}"
        case Remove(party):
            return (
                f"{_name(names, party)} leaves: its keys sign nothing any more, its node votes on"
                " no blocks, and it holds no role"
            )
        case AddPerson(party, newcomer):
            return f"{newcomer.name} acts for {_name(names, party)} with {_of_person(newcomer)}"
        case AddKey(party, number, new):
            who = _person(state, party, number)
            return f"{who} of {_name(names, party)} gets {_new_key(new)}"
        case RevokeKey(party, number):
            return (
                f"key {number} of {_name(names, party)}{_whose(state, party, number)} signs nothing"
                " any more"
            )
        case SetValidator(party, public, power):
            key = public.hex()[:SHOWN_HEX]
            if power == 0:
                return f"{_name(names, party)}'s validator {key} votes on no blocks any more"
            return f"{_name(names, party)}'s validator {key} votes on blocks with power {power}"
        case SetHolders(agreement, version, role, parties):
            book = state.by_version.get((agreement, version))
            said = book.agreement.roles[role] if book and role < len(book.holders) else f"{role}"
            who = " or ".join(_name(names, party) for party in parties)
            return f"{said} of {agreement} version {version} is held by {who}"
        case PutIntoForce(text, bound):
            return _coming(names, load_canonical(text), bound)


def _coming(names: dict[int, str], agreement: Agreement, holders: Sequence[Sequence[int]]) -> str:
    """A version that would come into force; sound, as the rules have taken it."""
    who = "; ".join(
        f"{role}: {' or '.join(_name(names, party) for party in parties)}"
        for role, parties in zip(agreement.roles, holders, strict=True)
    )
    text = f"{agreement.name} version {agreement.version} ({agreement.hash.hex()[:SHOWN_HEX]})"
    return f"{text} comes into force, held by {who}"


def purposes_in_words(purposes: Sequence[int]) -> str:
    """The purposes of a key: `publish, govern`."""
    return ", ".join(Purpose(purpose).name.lower() for purpose in purposes)


def _of_person(person: NewPerson) -> str:
    return ", ".join(_new_key(key) for key in person.keys) or "no key"


def _new_key(key: NewKey) -> str:
    public = key.public.hex()[:SHOWN_HEX]
    return f"key {key.number} ({purposes_in_words(key.purposes)}; {public})"


def _name(names: dict[int, str], party: int) -> str:
    return names.get(party, f"party {party}")


def _person(state: kernel.State, party: int, person: int) -> str:
    parties = kernel.upcoming_parties(state)
    if party <= len(parties) and person <= len(parties[party - 1].persons):
        return parties[party - 1].persons[person - 1].name
    return f"person {person}"


def _whose(state: kernel.State, party: int, number: int) -> str:
    """Whose key that is, and what for; empty for a key that there is not."""
    parties = kernel.upcoming_parties(state)
    for person in parties[party - 1].persons if party <= len(parties) else ():
        for key in person.keys:
            if key.number == number:
                return f" ({person.name}: {purposes_in_words(key.purposes)})"
    return ""


# ---------------------------------------------------------------- what became of changes


@dataclass(slots=True)
class Course:
    """A change of members and what became of it; `height` is where it got its status.

    `due_height` is the first block for which it holds, 0 while that is not decided. `in_favour` and
    `against` are parties by number.
    """

    number: int
    name: bytes
    proposer: int
    body: ProposeChange
    status: ChangeStatus = ChangeStatus.PROPOSED
    height: int = 0
    due_height: int = 0
    in_favour: list[int] = field(default_factory=list)
    against: list[int] = field(default_factory=list)


_FIRST: Final = EventKind.CHANGE_PROPOSED
_LAST: Final = EventKind.CHANGE_SUPERSEDED
_ENDS: Final = {
    EventKind.CHANGE_EFFECTIVE: ChangeStatus.EFFECTIVE,
    EventKind.CHANGE_REFUSED: ChangeStatus.REFUSED,
    EventKind.CHANGE_EXPIRED: ChangeStatus.EXPIRED,
    EventKind.CHANGE_SUPERSEDED: ChangeStatus.SUPERSEDED,
}


def open_courses(state: kernel.State) -> dict[int, Course]:
    """The changes that are open now, by number. Where they got their status is not told: 0."""
    return {
        change.number: Course(
            change.number,
            change.name,
            change.proposer,
            ProposeChange(change.steps, change.effective_height, change.expires_height),
            change.status,
            0,
            change.due_height,
            list(change.in_favour),
            list(change.against),
        )
        for change in kernel.changes(state)
    }


def follow(entries: Iterable[Entry], courses: dict[int, Course]) -> None:
    """What these blocks tell of changes: what became of those that are known, and further ones."""
    for entry in entries:
        events = entry.result.events
        told = (events["kind"] >= _FIRST) & (events["kind"] <= _LAST)
        for event in events[told]:
            kind, number = EventKind(int(event["kind"])), int(event["serial"])
            if kind is EventKind.CHANGE_PROPOSED:
                courses[number] = _proposed(number, entry.block, int(event["item"]))
            elif number in courses:
                _go_on(courses[number], kind, event, entry.block.height)


def _proposed(number: int, block: Block, item: int) -> Course:
    operation = parse_operation(block.items[item])
    if not isinstance(operation.body, ProposeChange):
        raise EngineError(f"block {block.height} tells of a proposal that it does not have")
    return Course(
        number,
        operation.digest(),
        operation.party,
        operation.body,
        height=block.height,
        in_favour=[operation.party],
    )


def _go_on(course: Course, kind: EventKind, event: np.void, height: int) -> None:
    if kind is EventKind.CHANGE_VOTED:
        side = course.in_favour if event["detail"] else course.against
        side.append(int(event["extra"]) >> PARTY_SHIFT)
        return
    course.height = height
    if kind is EventKind.CHANGE_SCHEDULED:
        course.status = ChangeStatus.SCHEDULED
        course.due_height = max(height + 1, course.body.effective_height)
    else:
        course.status = _ENDS[kind]
        if course.status is not ChangeStatus.EFFECTIVE:
            course.due_height = 0
