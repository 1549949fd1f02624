"""Changes of members in the words in which scenarios are written, and what is so of members.

    admit harbour                number 5, a system with key 1 and Ada with key 2
    admit sixth 6                under another name and number
    remove west
    person north 6 Cy 31 approve a person with a number, a name and one key with its purposes
    key north/1 21 publish govern another key of person 1
    revoke north 1
    validator north 20           its node's key has power 20; `validator north 20 key 51`: another
    holders bank v1 east west    who may hold a role of a version
    enact v2 north south/east    puts a version into force, its roles held by these, in their order

joined by `&`.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tieout.agreement.model import Agreement
from tieout.testing.workbench import ADA, PARTIES, SYSTEM, VALIDATOR, signing_key
from tieout.wire.codes import ChangeStatus, Purpose
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
)

_PUBLISH_GOVERN: Final = (int(Purpose.PUBLISH), int(Purpose.GOVERN))
_VALIDATOR_KEYS: Final = range(VALIDATOR, VALIDATOR + 10)


def steps_of(said: str, agreements: Sequence[Agreement]) -> tuple[Step, ...]:
    """The steps of a change in words; `agreements` are the versions that may be named."""
    return tuple(_step(each.split(), agreements) for each in said.split("&"))


def _step(words: Sequence[str], agreements: Sequence[Agreement]) -> Step:
    match words:
        case ["admit", name, *stated]:
            return admission(name, int(stated[0]) if stated else _party(name))
        case ["remove", party]:
            return Remove(_party(party))
        case ["person", party, number, name, key, *purposes]:
            keys = (_new_key(_party(party), int(key), purposes),)
            return AddPerson(_party(party), NewPerson(int(number), name, keys))
        case ["key", whose, key, *purposes]:
            party, _, person = whose.partition("/")
            return AddKey(_party(party), int(person), _new_key(_party(party), int(key), purposes))
        case ["revoke", party, key]:
            return RevokeKey(_party(party), int(key))
        case ["validator", party, power, *stated]:
            which = int(stated[1]) if stated else VALIDATOR
            public = signing_key(_party(party), which).public
            return SetValidator(_party(party), public, int(power))
        case ["holders", role, version, *parties]:
            agreement = next(each for each in agreements if f"v{each.version}" == version)
            numbers = tuple(_party(each) for each in parties)
            place = agreement.roles.index(role)
            return SetHolders(agreement.name, agreement.version, place, numbers)
        case ["enact", version, *bound]:
            agreement = next(each for each in agreements if f"v{each.version}" == version)
            named = [sorted(map(_party, each.split("/"))) for each in bound]
            return PutIntoForce(agreement.canonical, tuple(map(tuple, named)))
        case _:
            raise ValueError(f"no such step: {' '.join(words)}")


def admission(name: str, number: int) -> Admit:
    """A party of a system and Ada, with the test keys of that number."""
    system = NewKey(SYSTEM, signing_key(number, SYSTEM).public, _PUBLISH_GOVERN)
    ada = NewKey(ADA, signing_key(number, ADA).public, (int(Purpose.APPROVE),))
    return Admit(number, name, (NewPerson(1, "system", (system,)), NewPerson(2, "Ada", (ada,))))


def _new_key(party: int, number: int, purposes: Sequence[str]) -> NewKey:
    numbers = tuple(sorted(int(Purpose[purpose.upper()]) for purpose in purposes))
    return NewKey(number, signing_key(party, number).public, numbers)


def _party(name: str) -> int:
    return 1 + PARTIES.index(name) if name in PARTIES else int(name)


class Roster:
    """The members' document (docs/formats/state.md), in words."""

    def __init__(self, document: bytes) -> None:
        parties, validators, holders, count, changes = msgspec.msgpack.decode(document)
        self._parties: list[Any] = parties
        self._validators: list[Any] = validators
        self._holders: list[Any] = holders
        self._changes: list[Any] = changes
        self.proposed_count: int = count

    def members(self) -> list[str]:
        """`west`, or `west left 6`: its last height."""
        return [f"{name} left {left}" if left else name for _, name, left, _ in self._parties]

    def keys(self, party: str) -> list[str]:
        """`1 publish govern 1-6`: number, purposes, heights; `1-` without end."""
        return [
            " ".join(
                [
                    str(number),
                    *(Purpose(purpose).name.lower() for purpose in purposes),
                    f"{first}-{last or ''}",
                ]
            )
            for _, name, _, persons in self._parties
            for _, _, keys in persons
            for number, _, purposes, first, last in keys
            if name == party
        ]

    def validators(self) -> list[str]:
        """`north 10`, or `north 10 key 51`."""
        words = []
        for party, public, power in self._validators:
            key = next(n for n in _VALIDATOR_KEYS if signing_key(party, n).public == public)
            more = "" if key == VALIDATOR else f" key {key}"
            words.append(f"{self._name(party)} {power}{more}")
        return words

    def holders(self, agreement_number: int) -> list[str]:
        """`north south`, for each role, where a change has set them; `nobody`."""
        return [
            " ".join(self._name(party) for party in parties) or "nobody"
            for number, roles in self._holders
            if number == agreement_number
            for parties in roles
        ]

    def changes(self) -> list[str]:
        """`1 proposed by north for north south against east`; `1 scheduled 7 by north …`."""
        words = []
        for number, _, status, proposer, _, _, _, due, in_favour, against in self._changes:
            line = [str(number), ChangeStatus(status).name.lower(), *([str(due)] if due else [])]
            line += ["by", self._name(proposer), "for", *map(self._name, in_favour)]
            line += ["against", *map(self._name, against)] if against else []
            words.append(" ".join(line))
        return words

    def _name(self, party: int) -> str:
        return str(self._parties[party - 1][1])
