"""What the parties of a simulated network send, honest, careless and hostile, and what they book.

On most networks the members change by vote while all goes on (rules version 2), on half of these
agreements too (version 4). Two things are steered, as no institution would let them happen: that
nobody is left, and that a party gives its last key away. The random agreement always has money in
it that is brought to an agreed value.
"""

import random
from collections.abc import Sequence
from typing import Final

from tieout.reference.state import StreamKey
from tieout.testing.agreements import Tree, choose_tree
from tieout.testing.dice import Dice
from tieout.testing.governed import AgreedStory
from tieout.testing.histories import PARTY_COUNT
from tieout.testing.simulator.house import Deal
from tieout.testing.statements import LARGEST, choose_value
from tieout.testing.workbench import (
    SYSTEM,
    Sender,
    governed_genesis,
    newest_genesis,
    workbench_genesis,
)
from tieout.wire.codes import Purpose
from tieout.wire.members import AddKey, PutIntoForce, Remove, RevokeKey, SetHolders, Step

MIN_MEMBERS: Final = 3
MAX_MEMBERS: Final = 6
STEPS_OF_A_DAY: Final = 300
"""After so many steps the business turns to other deals."""
DEALS_OF_A_DAY: Final = 3
MAX_HOLES: Final = 300
"""How far the lowest unused number may be behind before holes are filled."""
_MISTAKES: Final = (1, -1, 3, -25, 50, 1_000)
_LIMITS: Final = ("0.05", "0.50", "20.00")


class Parties(AgreedStory):
    """Everybody who sends something, or books something."""

    def __init__(self, seed: int, dice: Dice) -> None:
        self._seed = seed
        tree = _with_money(choose_tree(dice, max_fields=4), dice)
        votes_needed = dice.pick((0, 2))
        is_governed = dice.happens(75)
        genesis = workbench_genesis(PARTY_COUNT)
        if is_governed:
            found = newest_genesis if seed % 2 else governed_genesis
            genesis = found(PARTY_COUNT, votes_needed)
        self.percent_about_members = 30 if is_governed else 0
        super().__init__(tree, dice, genesis)
        self.sender = _Patcher(self)
        self.true_us = self._time_us
        """What a right clock shows."""

    @property
    def time_us(self) -> int:
        """Of the last block."""
        return self._time_us

    def apply_ordered(self, items: Sequence[bytes], clock_us: int) -> None:
        """Let the reference apply what was agreed on; time never runs backwards."""
        self._time_us = max(self._time_us, self.true_us + clock_us)
        self._apply(list(items))

    # ------------------------------------------------------------------ business

    def choose_deal(self, step: int) -> tuple[int, Deal, dict[int, int | bytes]]:
        """A party books something in one of its roles: a new deal, or one that it corrects."""
        dice, newest = self.dice, max(len(self.state.books), 1) - 1
        agreement = self.versions[newest]
        name = f"B{step // STEPS_OF_A_DAY}-{dice.below(DEALS_OF_A_DAY)}"
        role = dice.below(len(agreement.roles))
        holders = self.holders_of(newest, role) or self.bodies[newest].holders[role]
        true = Dice(random.Random(f"tieout deal {self._seed} {name}").randbytes(64))
        values = {}
        for f, field in enumerate(agreement.fields):
            value = choose_value(true, field)
            if dice.happens(3):
                value = choose_value(dice, field)
            if role in field.roles and not dice.happens(1):
                values[f] = value
        # The last field is the money that is brought to the agreed value.
        last = len(agreement.fields) - 1
        amount = values.get(last)
        if isinstance(amount, int) and abs(amount) < LARGEST - max(_MISTAKES) and dice.happens(40):
            values[last] = amount + dice.pick(_MISTAKES)
        return holders[0], Deal(agreement.roles[role], name), values

    def deals_of_the_day(self, step: int) -> set[str]:
        """The ids that a house looks at in a step: today's, and yesterday's."""
        day = step // STEPS_OF_A_DAY
        return {f"B{each}-{n}" for each in (day - 1, day) for n in range(DEALS_OF_A_DAY)}

    # ------------------------------------------------------------------ members

    def put_into_force(self, _party: int) -> Step:
        """The next version, with those who want it."""
        body = self.bodies[min(len(self.state.books), len(self.bodies) - 1)]
        return PutIntoForce(body.agreement, body.holders)

    def admit(self, party: int) -> Step:
        """Nobody more than there is work for."""
        is_full = self.state.members.count() >= MAX_MEMBERS
        return self.add_key(party) if is_full else super().admit(party)

    def remove(self, party: int) -> Step:
        """Not the last ones, and not before somebody else can speak in their place."""
        if self.state.members.count() <= MIN_MEMBERS:
            return self.add_key(party)
        step = super().remove(party)
        assert isinstance(step, Remove)
        alone = [
            (book, role)
            for book in self.state.books
            for role, holders in enumerate(book.holders)
            if holders == (step.party,)
        ]
        if not alone:
            return step
        book, role = alone[0]
        members = [each.number for each in self.state.members.parties if each.is_member]
        holders = tuple(sorted({step.party, self.dice.pick(members)}))
        return SetHolders(book.agreement.name, book.agreement.version, role, holders)

    def add_key(self, party: int) -> Step:
        """The next key of a system: of one that has none any more, or of whoever asks."""
        dice, members = self.dice, self.state.members
        if dice.happens(15):
            return super().add_key(party)
        without = [
            each.number
            for each in members.parties
            if each.is_member and not self._system_keys(each.number)
        ]
        about = dice.pick(without) if without else party
        known = members.parties[about - 1]
        number = 1 + max(key.number for person in known.persons for key in person.keys)
        purposes = (int(Purpose.PUBLISH), int(Purpose.GOVERN))
        return AddKey(about, 1, self._new_key(about, number, purposes))

    def revoke_key(self, party: int) -> Step:
        """Not the last one of a system."""
        valid = self._system_keys(party)
        if len(valid) > 1 and self.dice.happens(80):
            return RevokeKey(party, self.dice.pick(valid))
        step = super().revoke_key(party)
        assert isinstance(step, RevokeKey)
        is_last = self._system_keys(step.party) == [step.key]
        return self.add_key(party) if is_last else step

    def _system_keys(self, party: int) -> list[int]:
        """The keys of a party's system that are valid in the next block."""
        known = self.state.members.find(party)
        keys = known.persons[SYSTEM - 1].keys if known else []
        return [key.number for key in keys if key.is_valid_at(len(self.blocks) + 1)]


class _Patcher(Sender):
    """Signs for the parties, and uses the numbers of what was lost before the window ends.

    Not as a house would (`outbox.py`): what was only late conflicts with what takes its number.
    """

    def __init__(self, parties: Parties) -> None:
        super().__init__(parties.genesis.ledger_id())
        self._parties = parties
        self._filled: dict[StreamKey, int] = {}

    def take_number(self, party: int, stream: int = 0) -> int:
        """The next number of a party's stream, or one that was left out."""
        key = StreamKey(party, stream)
        known = self._parties.state.streams.get(key)
        if known is None or known.highest_used - known.lowest_unused < MAX_HOLES:
            return super().take_number(party, stream)
        number = max(known.lowest_unused, self._filled.get(key, 0) + 1)
        while number in known.used:
            number += 1
        self._filled[key] = number if number < known.highest_used else 0
        return number


def _with_money(tree: Tree, dice: Dice) -> Tree:
    """The same agreement with an amount that all roles report and that has an agreed value."""
    roles, fields = tree["roles"], tree["fields"]
    benchmark, adjustment = tree.get("benchmark", {}), tree.get("adjustment", {})
    assert isinstance(roles, list)
    assert isinstance(fields, dict)
    assert isinstance(benchmark, dict)
    assert isinstance(adjustment, dict)
    mode = dice.pick(("compensate", "compensate", "replace"))
    limits = adjustment.get("automatic_up_to", {})
    if dice.happens(80):
        limits = {**limits, "amount": {"CNY": dice.pick(_LIMITS)}}
    money = {"type": "money", "scale": 2, "currency": "CNY"}
    return {
        **tree,
        "fields": {**fields, "amount": money},
        "benchmark": {**benchmark, "amount": dice.pick((*roles[:3], "majority"))},
        "adjustment": {"mode": mode, **({"automatic_up_to": limits} if limits else {})},
    }
