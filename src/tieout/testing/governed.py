"""Random histories of a ledger whose members change: what parties might ask for and vote on.

As `histories`, under rules version 2, or 4, where agreements too come into force by vote: between
the records and operations of a day, members come and go, keys are changed, validators and holders
too. Who proposes and votes looks at the state, so that much of it takes effect; the rest is late,
contradicts something, or makes no sense.
"""

from collections.abc import Callable, Sequence
from typing import Final

from hypothesis import strategies as st

from tieout.reference.changes import is_about_agreements, parties_to_agree
from tieout.reference.members import Change
from tieout.testing.agreements import choose_tree
from tieout.testing.dice import Dice
from tieout.testing.histories import PARTY_COUNT, SCRIPT_BYTES, History, Story, spoilt_enactment
from tieout.testing.workbench import (
    ADA,
    PARTIES,
    SYSTEM,
    VALIDATOR,
    governed_genesis,
    newest_genesis,
    signing_key,
)
from tieout.wire.codes import ChangeStatus, OperationKind, Purpose
from tieout.wire.limits import MAX_CHANGE_STEPS, MAX_HEIGHT, MAX_OPEN_CHANGES, MAX_VALIDATOR_POWER
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
    Vote,
)
from tieout.wire.operations import Enact

MAX_BLOCKS: Final = 22
VOTED_ON_SINCE: Final = 4
"""The rules version from which on agreements come into force by vote."""
_PUBLISH, _GOVERN = int(Purpose.PUBLISH), int(Purpose.GOVERN)
_NEXT_KEYS: Final = (21, 22, 23)
"""The numbers of further keys of a party's system."""
_POWERS: Final = (
    *(10, 20, 1, 0, 0, 0, 10, 20, 1, 0, 0, 0),
    *(MAX_VALIDATOR_POWER, MAX_VALIDATOR_POWER + 1, -1),
)


@st.composite
def governed_histories(draw: st.DrawFn, script_bytes: int = SCRIPT_BYTES) -> History:
    """Histories under rules version 2, in at most `script_bytes` of choices each."""
    return tell_governed(draw(st.binary(min_size=script_bytes // 2, max_size=script_bytes)))


def tell_governed(script: bytes) -> History:
    """The history in which a script makes all choices."""
    dice = Dice(script)
    count = dice.pick((*[PARTY_COUNT] * 12, 3, 2, 1))
    votes_needed = min(dice.pick((0, 0, 2, 2, 1, 3)), count)
    tree = choose_tree(dice, max_fields=3)
    story = GovernedStory(tree, dice, governed_genesis(count, votes_needed))
    story.begin()
    while not dice.is_used_up and len(story.blocks) < MAX_BLOCKS:
        story.add_block()
    return story.told()


@st.composite
def agreed_histories(draw: st.DrawFn, script_bytes: int = SCRIPT_BYTES) -> History:
    """The same under rules version 4, with agreements among what is voted on."""
    return tell_agreed(draw(st.binary(min_size=script_bytes // 2, max_size=script_bytes)))


def tell_agreed(script: bytes) -> History:
    """The history under rules version 4 in which a script makes all choices."""
    dice = Dice(script)
    count = dice.pick((*[PARTY_COUNT] * 12, 3, 2, 1))
    votes_needed = min(dice.pick((0, 0, 2, 2, 1, 3)), count)
    story = AgreedStory(choose_tree(dice, max_fields=3), dice, newest_genesis(count, votes_needed))
    if dice.happens(60):
        story.begin()
    while not dice.is_used_up and len(story.blocks) < MAX_BLOCKS:
        story.add_block()
    return story.told()


class GovernedStory(Story):
    """A history with changes of members while it is told."""

    percent_about_members = 45
    """Of all items, how many are about members."""
    _flood: Sequence[ProposeChange] = ()
    _names: Sequence[bytes] = ()

    def next_item(self) -> bytes | None:
        """Something about members, or about the day's records."""
        dice = self.dice
        if self._flood:
            body, *self._flood = self._flood
            return self.operation(1, OperationKind.PROPOSE_CHANGE, body)
        if not dice.happens(self.percent_about_members):
            return super().next_item()
        if dice.happens(1):
            self._flood = _many_proposals(self._height)
            return None
        is_voted_on = any(
            each.status is ChangeStatus.PROPOSED for each in self.state.members.changes
        )
        return self.vote() if dice.happens(75 if is_voted_on else 5) else self.propose_change()

    @property
    def _height(self) -> int:
        """Of the block that is being made up."""
        return len(self.blocks) + 1

    def any_party(self) -> int:
        """Whoever takes part, or did."""
        return 1 + self.dice.below(len(self.state.members.parties))

    def holders_of(self, number: int, role: int) -> tuple[int, ...]:
        """As they are now, once the version is in force."""
        if number < len(self.state.books):
            return self.state.books[number].holders[role]
        return super().holders_of(number, role)

    def key_for(self, party: int, key: int) -> int:
        """Mostly one that is still valid, for the same purposes."""
        known = self.state.members.find(party)
        found = known.find_key(key) if known else None
        if not known or not found or found[1].is_valid_at(self._height) or self.dice.happens(20):
            return key
        valid = [
            each.number
            for person in known.persons
            for each in person.keys
            if each.is_valid_at(self._height) and each.purposes == found[1].purposes
        ]
        return self.dice.pick(valid) if valid else key

    # ------------------------------------------------------------ votes

    def vote(self) -> bytes:
        """On something that is open, by somebody who has not voted yet, mostly."""
        dice, changes = self.dice, self.state.members.changes
        waiting = [each for each in changes if each.status is ChangeStatus.PROPOSED]
        if not changes or dice.happens(4):
            name = dice.pick((*self._names, bytes(32), b""))
            body = Vote(name, in_favour=True)
            return self.operation(self.any_party(), OperationKind.VOTE, body)
        change = dice.pick(changes if not waiting or dice.happens(5) else waiting)
        body = Vote(change.name, in_favour=not dice.happens(20))
        return self.operation(self._voter(change), OperationKind.VOTE, body)

    def _voter(self, change: Change) -> int:
        voted = (*change.in_favour, *change.against)
        parties = self.state.members.parties
        left = [each.number for each in parties if each.is_member and each.number not in voted]
        if not left or self.dice.happens(8):
            return self.any_party()
        return self.dice.pick(left)

    # ------------------------------------------------------------ changes

    def propose_change(self) -> bytes:
        """A step or a few, for about now or for later."""
        dice = self.dice
        party = self.any_party()
        steps = self.steps_by(party)
        if dice.happens(8) and self.state.members.changes:
            steps = dice.pick(self.state.members.changes).steps
        if dice.happens(2):
            steps = dice.pick(((), steps * MAX_CHANGE_STEPS))
        height = self._height
        body = ProposeChange(
            steps,
            dice.pick(
                (*(0, height + 1, height, height + 2, height + 3, height + 5) * 3, MAX_HEIGHT + 1)
            ),
            height + dice.pick((*(4, 4, 4, 2, 1, 0) * 3, 0, -1, -height - 1)),
        )
        item = self.operation(party, OperationKind.PROPOSE_CHANGE, body)
        self._names = [*self._names, *[each.name for each in self.state.members.changes]][-8:]
        return item

    def steps_by(self, party: int) -> tuple[Step, ...]:
        """One or a few."""
        dice = self.dice
        return tuple(
            dice.pick_weighed(_STEPS)(self, party) for _ in range(dice.pick((1, 1, 1, 2, 3)))
        )

    def admit(self, _party: int) -> Step:
        """The next party, or one that is there."""
        dice = self.dice
        number = len(self.state.members.parties) + 1
        name = PARTIES[number - 1] if number <= len(PARTIES) else f"party {number}"
        name = dice.pick((*[name] * 16, "north", "", " x"))
        persons: tuple[NewPerson, ...] = (
            NewPerson(1, "system", (self._new_key(number, SYSTEM, (_PUBLISH, _GOVERN)),)),
            NewPerson(2, "Ada", (self._new_key(number, ADA, (int(Purpose.APPROVE),)),)),
        )
        if dice.happens(5):
            persons = dice.pick(((), persons[:1], persons[::-1], (persons[0], persons[0])))
        return Admit(dice.pick((*[number] * 12, number + 1, 1, 0)), name, persons)

    def remove(self, _party: int) -> Step:
        """Somebody."""
        return Remove(self._subject())

    def add_person(self, party: int) -> Step:
        """Somebody more, mostly for whoever asks."""
        about = party if self.dice.happens(70) else self._subject()
        known = self.state.members.find(about)
        number = len(known.persons) + 1 if known else 1
        key = self._new_key(about, 30 + number, (int(Purpose.APPROVE),))
        keys = self.dice.pick(((key,), (key,), (key,), (), (), (key, key)))
        number = self.dice.pick((*[number] * 12, number + 1, 1, 0))
        return AddPerson(about, NewPerson(number, "Cy", keys))

    def add_key(self, party: int) -> Step:
        """Another key of the system, mostly of whoever asks."""
        dice = self.dice
        about = party if dice.happens(70) else self._subject()
        purposes = dice.pick((*[(_PUBLISH, _GOVERN)] * 24, (_GOVERN, _PUBLISH), (), (9,), (0,)))
        number = dice.pick((*_NEXT_KEYS * 4, SYSTEM, 0, 1 << 16))
        key = self._new_key(about, number, purposes)
        if dice.happens(3):
            key = NewKey(number, dice.pick((bytes(32), b"short", bytes(31) + b"\x80")), purposes)
        return AddKey(about, dice.pick((*[1] * 20, 2, 99, 0)), key)

    def revoke_key(self, party: int) -> Step:
        """A key of the system, mostly of whoever asks."""
        about = party if self.dice.happens(60) else self._subject()
        return RevokeKey(about, self.dice.pick((*(SYSTEM, *_NEXT_KEYS, SYSTEM, ADA, 4) * 3, 99, 0)))

    def set_validator(self, _party: int) -> Step:
        """Another power, another key, or another party's key."""
        dice = self.dice
        about = self._subject()
        of = about if not dice.happens(10) else self._subject()
        public = signing_key(of, VALIDATOR + dice.pick((0, 0, 0, 1))).public
        if dice.happens(3):
            public = dice.pick((bytes(32), b""))
        return SetValidator(about, public, dice.pick(_POWERS))

    def set_holders(self, party: int) -> Step:
        """Somebody else for a role."""
        dice = self.dice
        agreement = self.versions[dice.below(2)] if dice.happens(30) else self.versions[0]
        role = dice.below(len(agreement.roles))
        parties = sorted({party, *[self._subject() for _ in range(dice.below(3))]})
        if dice.happens(5):
            parties = dice.pick(([], parties[::-1], [99], [1, 1]))
        role = dice.pick((*[role] * 12, 99, -1))
        version = dice.pick((*[agreement.version] * 12, 77, -1))
        return SetHolders(agreement.name, version, role, tuple(parties))

    def put_into_force(self, _party: int) -> Step:
        """The next version, another that there could be, or something that can never be one."""
        dice = self.dice
        body = self.bodies[min(len(self.state.books), len(self.bodies) - 1)]
        if dice.happens(10):
            body = spoilt_enactment(dice, body)
        elif dice.happens(30):
            body = Enact(body.agreement, body.holders[::-1])
        elif dice.happens(8):
            body = dice.pick(self.bodies)
        return PutIntoForce(body.agreement, body.holders)

    def _subject(self) -> int:
        """A party that a step is about; rarely one that there is not."""
        return 99 if self.dice.happens(3) else self.any_party()

    def _new_key(self, party: int, number: int, purposes: tuple[int, ...]) -> NewKey:
        return NewKey(number, signing_key(party, number).public, purposes)


_STEPS: Final[Sequence[tuple[int, Callable[[GovernedStory, int], Step]]]] = (
    (40, lambda story, party: story.add_key(party)),
    (40, lambda story, party: story.revoke_key(party)),
    (25, lambda story, party: story.add_person(party)),
    (40, lambda story, party: story.admit(party)),
    (30, lambda story, party: story.remove(party)),
    (40, lambda story, party: story.set_validator(party)),
    (40, lambda story, party: story.set_holders(party)),
)


class AgreedStory(GovernedStory):
    """A history in which agreements come into force by vote as well."""

    def steps_by(self, party: int) -> tuple[Step, ...]:
        """Often a version alone, or among other steps; not before rules version 4."""
        dice = self.dice
        if self.genesis.rules_version < VOTED_ON_SINCE:
            return super().steps_by(party)
        if dice.happens(45):
            return (self.put_into_force(party),)
        steps = super().steps_by(party)
        return (*steps, self.put_into_force(party))[-3:] if dice.happens(25) else steps

    def next_item(self) -> bytes | None:
        """Often the vote that a version still waits for."""
        waiting = [
            (change, party)
            for change in self.state.members.changes
            if change.status is ChangeStatus.PROPOSED and is_about_agreements(change.steps)
            for party in parties_to_agree(self.state, change.steps)
            if party not in change.in_favour
        ]
        if not waiting or not self.dice.happens(60):
            return super().next_item()
        change, party = self.dice.pick(waiting[-3:])
        body = Vote(change.name, in_favour=not self.dice.happens(5))
        return self.operation(party, OperationKind.VOTE, body)


def _many_proposals(height: int) -> list[ProposeChange]:
    """More than one party may have open at a time."""
    return [
        ProposeChange(
            (AddKey(1, 1, NewKey(number, signing_key(1, number).public, (_PUBLISH,))),),
            height + 1_000,
            height + 1_000,
        )
        for number in range(100, 101 + MAX_OPEN_CHANGES)
    ]
