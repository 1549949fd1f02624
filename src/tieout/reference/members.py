"""Members: who takes part, who acts for them, with which keys, and who orders blocks (R-MEMBER-1).

Nothing of it is ever deleted: a party that has left and a key that was revoked keep their numbers
and the heights at which they counted, so that what they signed can be judged for ever. Open changes
stand beside it until they are decided.
"""

from dataclasses import dataclass, field
from typing import Final

import msgspec

from tieout.wire.codes import ChangeStatus, Purpose
from tieout.wire.genesis import Genesis
from tieout.wire.members import NewPerson, Step

NO_END: Final = 0


@dataclass(slots=True)
class Key:
    """A key; it signs in blocks from `from_height` to `until_height` (0: no end)."""

    number: int
    public: bytes
    purposes: list[int]
    from_height: int
    until_height: int = NO_END

    def is_valid_at(self, height: int) -> bool:
        """Whether it may sign in a block of this height."""
        return self.from_height <= height and not self.has_ended_before(height)

    def has_ended_before(self, height: int) -> bool:
        """Whether it signs nothing in this block and any later one."""
        return self.until_height != NO_END and self.until_height < height


@dataclass(slots=True)
class Person:
    """Somebody, or a system, that acts for a party."""

    number: int
    name: str
    keys: list[Key]


@dataclass(slots=True)
class Party:
    """An institution that is or was a member; `until_height` is its last height as one."""

    number: int
    name: str
    persons: list[Person]
    until_height: int = NO_END

    @property
    def is_member(self) -> bool:
        """Whether it takes part now."""
        return self.until_height == NO_END

    def find_key(self, number: int) -> tuple[Person, Key] | None:
        """The person and key of a number; None when there never was such a key."""
        for person in self.persons:
            for key in person.keys:
                if key.number == number:
                    return person, key
        return None


@dataclass(slots=True)
class Change:
    """A change of members that is open: proposed, or scheduled for `due_height`.

    `number` counts all that were ever proposed; `name` is the digest of the operation that did.
    """

    number: int
    name: bytes
    proposer: int
    steps: tuple[Step, ...]
    effective_height: int
    expires_height: int
    status: ChangeStatus = ChangeStatus.PROPOSED
    due_height: int = 0
    in_favour: list[int] = field(default_factory=list)
    against: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Members:
    """Everybody. `parties[n − 1]` has number n.

    `validators` are (party, power) by public key. `holders` are the parties entitled to each role,
    by the number of the book, for those books whose holders are not the enacted ones any more.
    `changes` are the open ones in the order of their numbers.
    """

    parties: list[Party]
    validators: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    holders: dict[int, list[list[int]]] = field(default_factory=dict)
    proposed_count: int = 0
    changes: list[Change] = field(default_factory=list)

    def find(self, number: int) -> Party | None:
        """The party of a number, None when there never was one."""
        return self.parties[number - 1] if 1 <= number <= len(self.parties) else None

    def is_member(self, number: int) -> bool:
        """Whether a party takes part now."""
        party = self.find(number)
        return party is not None and party.is_member

    def count(self) -> int:
        """How many take part now."""
        return sum(party.is_member for party in self.parties)

    def power(self) -> int:
        """The voting power of all validators together."""
        return sum(power for _, power in self.validators.values())


def members_of(genesis: Genesis) -> Members:
    """The founders."""
    parties = [
        Party(
            party.number,
            party.name,
            [
                Person(
                    person.number,
                    person.name,
                    [
                        Key(
                            key.number,
                            bytes.fromhex(key.public),
                            sorted({int(Purpose[purpose.upper()]) for purpose in key.purposes}),
                            key.from_height,
                            key.until_height,
                        )
                        for key in person.keys
                    ],
                )
                for person in party.persons
            ],
        )
        for party in genesis.parties
    ]
    validators = {
        bytes.fromhex(validator.public): (validator.party, validator.power)
        for validator in genesis.validators
    }
    return Members(parties, validators)


def person_from(person: NewPerson, height: int) -> Person:
    """A new person whose keys are valid from a height on."""
    keys = [Key(key.number, key.public, list(key.purposes), height) for key in person.keys]
    return Person(person.number, person.name, keys)


def document(members: Members) -> bytes:
    """The members as they are hashed (docs/formats/state.md)."""
    return msgspec.msgpack.encode(
        [
            [_party(party) for party in members.parties],
            [
                [party, public, power]
                for party, public, power in sorted(
                    (party, public, power) for public, (party, power) in members.validators.items()
                )
            ],
            [[number, holders] for number, holders in sorted(members.holders.items())],
            members.proposed_count,
            [_change(change) for change in members.changes],
        ]
    )


def _party(party: Party) -> list[object]:
    return [
        party.number,
        party.name,
        party.until_height,
        [
            [
                person.number,
                person.name,
                [
                    [key.number, key.public, key.purposes, key.from_height, key.until_height]
                    for key in person.keys
                ],
            ]
            for person in party.persons
        ],
    ]


def _change(change: Change) -> list[object]:
    return [
        change.number,
        change.name,
        change.status,
        change.proposer,
        change.steps,
        change.effective_height,
        change.expires_height,
        change.due_height,
        sorted(change.in_favour),
        sorted(change.against),
    ]
