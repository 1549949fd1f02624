"""Random histories of a ledger on which people decide: what they might do about transactions.

As `histories`, under rules version 4: between the records and operations of a day, parties raise
and withdraw disputes. Who acts looks at the state, so that much of it takes effect.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from hypothesis import strategies as st

from tieout.reference.transaction import Transaction
from tieout.testing.agreements import choose_tree
from tieout.testing.dice import Dice
from tieout.testing.histories import MAX_BLOCKS, PARTY_COUNT, SCRIPT_BYTES, History, Story
from tieout.testing.workbench import ADA, BEN, BENS_OTHER_KEY, SYSTEM, newest_genesis
from tieout.wire.codes import OperationKind, Purpose, Status
from tieout.wire.operations import Dispute, WithdrawDispute

_PERSONS: Final = (ADA, ADA, BEN, BENS_OTHER_KEY, SYSTEM)
_REASONS: Final = ("not ours", "wrong amount", "ä")
_STATUSES: Final = (Status.BROKEN, Status.BROKEN, Status.MATCHED, Status.PENDING)


@st.composite
def people_histories(draw: st.DrawFn, script_bytes: int = SCRIPT_BYTES) -> History:
    """Histories under rules version 4, in at most `script_bytes` of choices each."""
    return tell_of_people(draw(st.binary(min_size=script_bytes // 2, max_size=script_bytes)))


def tell_of_people(script: bytes) -> History:
    """The history in which a script makes all choices."""
    dice = Dice(script)
    tree = choose_tree(dice, max_fields=3)
    story = PeopleStory(tree, dice, newest_genesis(PARTY_COUNT))
    story.begin()
    while not dice.is_used_up and len(story.blocks) < MAX_BLOCKS:
        story.add_block()
    return story.told()


class PeopleStory(Story):
    """A history in which people act while it is told."""

    percent_about_people = 30
    """Of all items, how many are what people do."""

    def next_item(self) -> bytes | None:
        """Something that people do, or something about the day's records."""
        if not self.dice.happens(self.percent_about_people):
            return super().next_item()
        return self.dice.pick_weighed(_STEPS)(self)

    def dispute(self) -> bytes:
        """A role of some transaction, mostly by whom it is bound to."""
        key, transaction = self._about(self.dice.pick(_STATUSES))
        role = self._any_role(transaction)
        evidence = tuple(bytes((n,)) * 32 for n in range(self.dice.below(3)))
        body = Dispute(
            *key, role, self.dice.pick(_REASONS), evidence, stage=self._stage(transaction)
        )
        party = self._bound_party(transaction, role)
        return self.act(party, OperationKind.DISPUTE, body)

    def withdraw(self) -> bytes:
        """An open dispute, mostly; by whoever raised it, mostly."""
        key, transaction = self._about(Status.BROKEN)
        role = self._any_role(transaction)
        if transaction and not self.dice.happens(15):
            disputed = [i for i, each in enumerate(transaction.roles) if each.dispute]
            role = self.dice.pick(disputed or [role])
        body = WithdrawDispute(*key, role, "", stage=self._stage(transaction))
        party = self._disputing_party(transaction, role)
        return self.act(party, OperationKind.WITHDRAW_DISPUTE, body)

    def act(self, party: int, kind: OperationKind, body: Any) -> bytes:
        """Signed by a person, or by a system that may not always."""
        key = self.dice.pick(_PERSONS)
        purpose = Purpose.PUBLISH if key == SYSTEM else Purpose.APPROVE
        changes = {"key": self.key_for(party, key), "purpose": purpose, **self._slips(party)}
        return self._spoil(self.sender.operation(party, kind, body, **changes))

    def _disputing_party(self, transaction: Transaction | None, role: int) -> int:
        if not transaction or not 0 <= role < len(transaction.roles) or self.dice.happens(10):
            return self.any_party()
        dispute = transaction.roles[role].dispute
        return dispute.raised_by >> 16 if dispute else self._bound_party(transaction, role)


_STEPS: Final[Sequence[tuple[int, Callable[[PeopleStory], bytes]]]] = (
    (30, PeopleStory.dispute),
    (15, PeopleStory.withdraw),
)
