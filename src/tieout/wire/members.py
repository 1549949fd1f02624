"""Changes of members: what a party may ask for, and a validator as engines know it.

A change is one or more steps that take effect together or not at all (R-MEMBER-2). Here is their
form only, and what makes a step malformed whatever the ledger is like; whether it can be done is
judged by the rules. Layout: docs/formats/operation.md, docs/formats/state.md.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec

from tieout.wire.codes import Purpose
from tieout.wire.ed25519 import PUBLIC_BYTES, is_sound_key
from tieout.wire.limits import (
    MAX_CHANGE_STEPS,
    MAX_HEIGHT,
    MAX_VALIDATOR_POWER,
    NAME_BYTES,
)

MAX_NUMBER: Final = 0xFFFF
"""The largest number of a party, person or key."""


class Validator(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Whose node takes part in ordering blocks: an Ed25519 key (32 bytes) and its voting power."""

    party: int
    public: bytes
    power: int


class NewKey(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A key to come; its purposes (Purpose numbers) ascending."""

    number: int
    public: bytes
    purposes: tuple[int, ...]


class NewPerson(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A person to come, with first keys."""

    number: int
    name: str
    keys: tuple[NewKey, ...]


class Admit(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """A party becomes a member, under the next free number."""

    number: int
    name: str
    persons: tuple[NewPerson, ...]


class Remove(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """A party is no member any more."""

    party: int


class AddPerson(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """Somebody more acts for a party, under the next free number there."""

    party: int
    person: NewPerson


class AddKey(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """A person has one more key, under a number that the party has never used."""

    party: int
    person: int
    key: NewKey


class RevokeKey(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=5):
    """A key signs nothing any more."""

    party: int
    key: int


class SetValidator(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=6):
    """A validator's key has this power from now on; 0 takes the validator away."""

    party: int
    public: bytes
    power: int


class SetHolders(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=7):
    """These parties, ascending, may hold a role of an agreement version that is in force."""

    agreement: str
    version: int
    role: int
    parties: tuple[int, ...]


class PutIntoForce(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=8):
    """A version of an agreement comes into force (R-AGREE-4), of rules version 4.

    As `Enact`: its canonical form, and the parties entitled to each role, ascending.
    """

    agreement: bytes
    holders: tuple[tuple[int, ...], ...]


Step = Admit | Remove | AddPerson | AddKey | RevokeKey | SetValidator | SetHolders | PutIntoForce


class ProposeChange(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Ask for a change of members (R-MEMBER-3).

    It takes effect at `effective_height` at the earliest; until `expires_height` it may be voted
    on.
    """

    steps: tuple[Step, ...]
    effective_height: int
    expires_height: int


class Vote(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A member votes on an open change (R-MEMBER-4).

    `change` is the digest of the operation that proposed it (32 bytes), so that a party signs what
    exactly it votes on.
    """

    change: bytes
    in_favour: bool


def is_name(name: str) -> bool:
    """Whether this can be the name of a ledger, party or person."""
    return 0 < len(name.encode()) <= NAME_BYTES and name.isprintable() and name.strip() == name


def is_well_formed(change: ProposeChange) -> bool:
    """Whether a change holds together, whatever the ledger is like (R-MEMBER-3)."""
    return (
        1 <= len(change.steps) <= MAX_CHANGE_STEPS
        and 0 <= change.effective_height <= MAX_HEIGHT
        and 0 <= change.expires_height <= MAX_HEIGHT
        and all(_is_sound_step(step) for step in change.steps)
    )


def _is_sound_step(step: Step) -> bool:
    match step:
        case Admit(number, name, persons):
            keys = [key.number for person in persons for key in person.keys]
            return (
                _is_number(number)
                and is_name(name)
                and [person.number for person in persons] == list(range(1, 1 + len(persons)))
                and len(set(keys)) == len(keys)
                and all(_is_sound_person(person) for person in persons)
            )
        case Remove(party):
            return _is_number(party)
        case AddPerson(party, person):
            keys = [key.number for key in person.keys]
            return _is_number(party) and len(set(keys)) == len(keys) and _is_sound_person(person)
        case AddKey(party, number, key):
            return _is_number(party) and _is_number(number) and _is_sound_key(key)
        case RevokeKey(party, number):
            return _is_number(party) and _is_number(number)
        case SetValidator(party, public, power):
            return _is_number(party) and _is_key(public) and 0 <= power <= MAX_VALIDATOR_POWER
        case SetHolders(_, version, role, parties):
            return version >= 0 and role >= 0 and len(parties) > 0 and _ascend(parties)
        case PutIntoForce():
            return True  # what an agreement must be is judged as that of an enact operation


def _is_sound_person(person: NewPerson) -> bool:
    sound_keys = all(_is_sound_key(key) for key in person.keys)
    return _is_number(person.number) and is_name(person.name) and sound_keys


def _is_sound_key(key: NewKey) -> bool:
    known = all(purpose in list(Purpose) for purpose in key.purposes)
    return (
        _is_number(key.number)
        and _is_key(key.public)
        and len(key.purposes) > 0
        and known
        and _ascend(key.purposes)
    )


def _is_key(public: bytes) -> bool:
    return len(public) == PUBLIC_BYTES and is_sound_key(public)


def _is_number(number: int) -> bool:
    return 1 <= number <= MAX_NUMBER


def _ascend(numbers: Sequence[int]) -> bool:
    return all(low < high for low, high in pairwise(numbers))
