"""Members as one frozen document, and the documents that changes make of it (R-MEMBER-1, -2).

The document is the very MessagePack that is hashed and dumped (docs/formats/state.md). It changes
so rarely that a change makes a new one; the dictionary by which signers are found is made from it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from tieout.kernel.binding import bound, sound_agreement
from tieout.wire.codes import ChangeStatus, ItemOutcome, Purpose
from tieout.wire.genesis import Genesis
from tieout.wire.limits import MAX_VALIDATOR_POWER
from tieout.wire.members import (
    AddKey,
    AddPerson,
    Admit,
    NewKey,
    NewPerson,
    PutIntoForce,
    Remove,
    RevokeKey,
    SetHolders,
    SetValidator,
    Step,
    Validator,
)

Holders = tuple[tuple[int, ...], ...]


class Key(msgspec.Struct, frozen=True, array_like=True):
    """A key, from its first to its last height (0: none yet)."""

    number: int
    public: bytes
    purposes: tuple[int, ...]
    from_height: int
    until_height: int


class Person(msgspec.Struct, frozen=True, array_like=True):
    """Somebody who acts for a party."""

    number: int
    name: str
    keys: tuple[Key, ...]


class Party(msgspec.Struct, frozen=True, array_like=True):
    """An institution; `until_height` is its last height as a member, 0 while it is one."""

    number: int
    name: str
    until_height: int
    persons: tuple[Person, ...]


class Change(msgspec.Struct, frozen=True, array_like=True):
    """An open change. `name` is the digest of the operation that proposed it."""

    number: int
    name: bytes
    status: ChangeStatus
    proposer: int
    steps: tuple[Step, ...]
    effective_height: int
    expires_height: int
    due_height: int
    in_favour: tuple[int, ...]
    against: tuple[int, ...]


class Members(msgspec.Struct, frozen=True, array_like=True):
    """Everybody, and what is asked for.

    `holders` are (book number, parties entitled to each role) of the books whose holders are not
    the enacted ones any more.
    """

    parties: tuple[Party, ...]
    validators: tuple[Validator, ...]
    holders: tuple[tuple[int, Holders], ...]
    proposed_count: int
    changes: tuple[Change, ...]

    def to_bytes(self) -> bytes:
        """The document."""
        return msgspec.msgpack.encode(self)

    def is_member(self, number: int) -> bool:
        """Whether a party takes part now."""
        return 0 < number <= len(self.parties) and self.parties[number - 1].until_height == 0

    def count(self) -> int:
        """How many take part now."""
        return sum(party.until_height == 0 for party in self.parties)


def founders(genesis: Genesis) -> Members:
    """The members as genesis lists them."""
    parties = tuple(
        Party(
            party.number,
            party.name,
            0,
            tuple(
                Person(
                    person.number,
                    person.name,
                    tuple(
                        Key(
                            key.number,
                            bytes.fromhex(key.public),
                            _purposes(key.purposes),
                            key.from_height,
                            key.until_height,
                        )
                        for key in person.keys
                    ),
                )
                for person in party.persons
            ),
        )
        for party in genesis.parties
    )
    validators = [
        Validator(each.party, bytes.fromhex(each.public), each.power) for each in genesis.validators
    ]
    return Members(parties, _in_order(validators), (), 0, ())


def parse_members(document: bytes) -> Members:
    """The members of a document. Raises msgspec.MsgspecError for anything else."""
    return msgspec.msgpack.decode(document, type=Members)


def _purposes(names: Sequence[str]) -> tuple[int, ...]:
    return tuple(int(purpose) for purpose in Purpose if purpose.name.lower() in names)


def _in_order(validators: Sequence[Validator]) -> tuple[Validator, ...]:
    return tuple(sorted(validators, key=lambda each: (each.party, each.public)))


# ---------------------------------------------------------------- changes


@dataclass(frozen=True, slots=True)
class Bound:
    """A book as changes see it: its number, and who is entitled to each role of it now."""

    number: int
    holders: Holders


@dataclass(frozen=True, slots=True)
class Shelf:
    """All books as changes see them, and the newest version of each name."""

    books: Sequence[Bound]
    by_version: Mapping[tuple[str, int], Bound]
    newest: Mapping[str, int]
    rules_version: int


Taken = Members | ItemOutcome


def changed(members: Members, steps: Sequence[Step], height: int, shelf: Shelf) -> Taken:
    """The members once all steps are taken at a height, else why they cannot be (R-MEMBER-2)."""
    now, brought = members, list[PutIntoForce]()
    newest = dict(shelf.newest)
    for step in steps:
        taken = _TAKE[type(step)](now, step, height)
        if isinstance(step, Remove) and isinstance(taken, Members):
            taken = _without_roles(taken, step.party, shelf.books)
        elif isinstance(step, SetHolders):
            book = shelf.by_version.get((step.agreement, step.version))
            taken = _bind(now, step, book, members)
        elif isinstance(step, PutIntoForce):
            taken = _agree(now, step, newest, shelf.rules_version, members)
            brought.append(step)
        if isinstance(taken, ItemOutcome):
            return taken
        now = taken
    power = sum(each.power for each in now.validators)
    is_whole = now.count() > 0 and (power > 0 or not members.validators)
    are_there = all(now.is_member(party) for step in brought for party in bound(step))
    if not (is_whole and are_there and power <= MAX_VALIDATOR_POWER):
        return ItemOutcome.NOT_APPLICABLE
    return now


def _admit(members: Members, step: Admit, height: int) -> Taken:
    is_taken = any(each.name == step.name and each.until_height == 0 for each in members.parties)
    if is_taken or step.number != len(members.parties) + 1:
        return ItemOutcome.NOT_APPLICABLE
    persons = tuple(_new_person(person, height) for person in step.persons)
    return replace(members, parties=(*members.parties, Party(step.number, step.name, 0, persons)))


def _remove(members: Members, step: Remove, height: int) -> Taken:
    if not members.is_member(step.party):
        return ItemOutcome.UNKNOWN_MEMBER
    party = members.parties[step.party - 1]
    persons = tuple(
        replace(person, keys=tuple(_ended(key, height) for key in person.keys))
        for person in party.persons
    )
    left = replace(party, until_height=height - 1, persons=persons)
    validators = tuple(each for each in members.validators if each.party != step.party)
    return replace(_with_party(members, left), validators=validators)


def _add_person(members: Members, step: AddPerson, height: int) -> Taken:
    if not members.is_member(step.party):
        return ItemOutcome.UNKNOWN_MEMBER
    party = members.parties[step.party - 1]
    known = _keys(party)
    is_used = any(key.number in known for key in step.person.keys)
    if is_used or step.person.number != len(party.persons) + 1:
        return ItemOutcome.NOT_APPLICABLE
    persons = (*party.persons, _new_person(step.person, height))
    return _with_party(members, replace(party, persons=persons))


def _add_key(members: Members, step: AddKey, height: int) -> Taken:
    if not members.is_member(step.party):
        return ItemOutcome.UNKNOWN_MEMBER
    party = members.parties[step.party - 1]
    if step.person > len(party.persons):
        return ItemOutcome.UNKNOWN_MEMBER
    if step.key.number in _keys(party):
        return ItemOutcome.NOT_APPLICABLE
    person = party.persons[step.person - 1]
    more = replace(person, keys=(*person.keys, _new_key(step.key, height)))
    return _with_party(members, _with_person(party, more))


def _revoke_key(members: Members, step: RevokeKey, height: int) -> Taken:
    if not members.is_member(step.party):
        return ItemOutcome.UNKNOWN_MEMBER
    party = members.parties[step.party - 1]
    person = _keys(party).get(step.key)
    if person is None:
        return ItemOutcome.UNKNOWN_MEMBER
    keys = tuple(_ended(key, height) if key.number == step.key else key for key in person.keys)
    if keys == person.keys:
        return ItemOutcome.NOT_APPLICABLE
    return _with_party(members, _with_person(party, replace(person, keys=keys)))


def _set_validator(members: Members, step: SetValidator, _height: int) -> Taken:
    if not members.is_member(step.party):
        return ItemOutcome.UNKNOWN_MEMBER
    same = [each for each in members.validators if each.public == step.public]
    is_another_ones = any(each.party != step.party for each in same)
    if is_another_ones or step.power == sum(each.power for each in same):
        return ItemOutcome.NOT_APPLICABLE
    others = [each for each in members.validators if each.public != step.public]
    if step.power > 0:
        others.append(Validator(step.party, step.public, step.power))
    return replace(members, validators=_in_order(others))


def _bind(members: Members, step: SetHolders, book: Bound | None, before: Members) -> Taken:
    """Entitle parties to a role; those that a change admits could not agree to it."""
    if book is None:
        return ItemOutcome.UNKNOWN_AGREEMENT
    if step.role >= len(book.holders):
        return ItemOutcome.UNKNOWN_ROLE
    if not all(members.is_member(party) and before.is_member(party) for party in step.parties):
        return ItemOutcome.UNKNOWN_MEMBER
    holders = dict(members.holders).get(book.number, book.holders)
    bound = (*holders[: step.role], step.parties, *holders[step.role + 1 :])
    if bound == holders:
        return ItemOutcome.NOT_APPLICABLE
    return _with_holders(members, book.number, bound)


def _agree(
    members: Members,
    step: PutIntoForce,
    newest: dict[str, int],
    rules_version: int,
    before: Members,
) -> Taken:
    """Let a version follow the newest one, which it then is; its parties must be there already."""
    agreement = sound_agreement(step, rules_version)
    if agreement is None:
        return ItemOutcome.MALFORMED_AGREEMENT
    if not all(members.is_member(party) and before.is_member(party) for party in bound(step)):
        return ItemOutcome.UNKNOWN_MEMBER
    if newest.get(agreement.name, agreement.version - 1) != agreement.version - 1:
        return ItemOutcome.WRONG_VERSION
    newest[agreement.name] = agreement.version
    return members


def _without_roles(members: Members, party: int, books: Sequence[Bound]) -> Members:
    for book in books:
        holders = dict(members.holders).get(book.number, book.holders)
        left = tuple(tuple(each for each in parties if each != party) for parties in holders)
        if left != holders:
            members = _with_holders(members, book.number, left)
    return members


_TAKE: Final[Mapping[type[Any], Callable[[Members, Any, int], Taken]]] = {
    Admit: _admit,
    Remove: _remove,
    AddPerson: _add_person,
    AddKey: _add_key,
    RevokeKey: _revoke_key,
    SetValidator: _set_validator,
    SetHolders: lambda members, _step, _height: members,
    PutIntoForce: lambda members, _step, _height: members,
}


def _new_key(key: NewKey, height: int) -> Key:
    return Key(key.number, key.public, key.purposes, height, 0)


def _new_person(person: NewPerson, height: int) -> Person:
    return Person(person.number, person.name, tuple(_new_key(key, height) for key in person.keys))


def _ended(key: Key, height: int) -> Key:
    """The key with its last height before this one; as it is when it has ended already."""
    has_ended = 0 < key.until_height < height
    return key if has_ended else replace(key, until_height=height - 1)


def _keys(party: Party) -> dict[int, Person]:
    """Who has, or had, a key, by the key's number."""
    return {key.number: person for person in party.persons for key in person.keys}


def _with_party(members: Members, party: Party) -> Members:
    at = party.number - 1
    return replace(
        members, parties=(*members.parties[:at], party, *members.parties[at + 1 :])
    )  # fmt: skip


def _with_person(party: Party, person: Person) -> Party:
    at = person.number - 1
    return replace(party, persons=(*party.persons[:at], person, *party.persons[at + 1 :]))


def _with_holders(members: Members, number: int, holders: Holders) -> Members:
    pairs = {**dict(members.holders), number: holders}
    return replace(members, holders=tuple(sorted(pairs.items())))
