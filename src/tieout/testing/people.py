"""Random histories of a ledger on which people decide: what they might do about transactions.

As `histories`, under rules version 4: between the records and operations of a day, parties raise
and withdraw disputes, move that a value stand for a field, and vote on it. Who acts looks at the
state, so that much of it takes effect.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from hypothesis import strategies as st

from tieout.agreement.model import Agreement
from tieout.reference.transaction import Transaction
from tieout.reference.values import Money, amount_of
from tieout.testing.acts import signed_value
from tieout.testing.agreements import choose_tree
from tieout.testing.dice import Dice
from tieout.testing.histories import MAX_BLOCKS, PARTY_COUNT, SCRIPT_BYTES, History, Story
from tieout.testing.statements import choose_value
from tieout.testing.workbench import ADA, BEN, BENS_OTHER_KEY, SYSTEM, newest_genesis
from tieout.wire.codes import BenchmarkState, OperationKind, Purpose, Status
from tieout.wire.limits import MAX_MOTION_US
from tieout.wire.operations import Dispute, MoveReversal, MoveValue, VoteOnMotion, WithdrawDispute

_PERSONS: Final = (ADA, ADA, BEN, BENS_OTHER_KEY, SYSTEM)
_REASONS: Final = ("not ours", "wrong amount", "ä")
_LASTING_US: Final = (*[3_600_000_000] * 6, 1, 30_000_000, 0, -1, MAX_MOTION_US, MAX_MOTION_US + 1)
_STATUSES: Final = (Status.BROKEN, Status.BROKEN, Status.MATCHED, Status.PENDING)


@st.composite
def people_histories(draw: st.DrawFn, script_bytes: int = SCRIPT_BYTES) -> History:
    """Histories under rules version 4, in at most `script_bytes` of choices each."""
    return tell_of_people(draw(st.binary(min_size=script_bytes // 2, max_size=script_bytes)))


def tell_of_people(script: bytes) -> History:
    """The history in which a script makes all choices."""
    dice = Dice(script)
    tree = choose_tree(dice, max_fields=3)
    if dice.happens(85):
        tree["decision"] = {"votes": dice.pick(("majority", 2, 2, 1, 3))}
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

    def move_value(self) -> bytes:
        """A value for a field, mostly one that is undecided; one that is stated, or another one."""
        dice = self.dice
        key, transaction = self._about(dice.pick((Status.BROKEN, Status.BROKEN, Status.MATCHED)))
        if transaction is None:
            body = MoveValue(*key, 0, b"", b"", "no", self._time_us + 1)
            return self.act(self.any_party(), OperationKind.MOVE_VALUE, body)
        agreement = self.state.book_of(transaction).agreement
        breaks = transaction.verdict.breaks if transaction.verdict else ()
        undecided = [
            each.field
            for each in breaks
            if each.field is not None and each.state is BenchmarkState.UNDECIDED
        ]
        fields = range(len(agreement.fields))
        f = dice.pick(
            undecided if undecided and not dice.happens(15) else [*fields, *fields, -1, 99]
        )
        body = MoveValue(
            *key,
            f,
            *self._signed(agreement, transaction, f),
            dice.pick(_REASONS),
            self._time_us + dice.pick(_LASTING_US),
        )
        return self.act(self._voter(transaction), OperationKind.MOVE_VALUE, body)

    def move_reversal(self) -> bytes:
        """Mostly of what ties out."""
        dice = self.dice
        key, transaction = self._about(dice.pick((Status.MATCHED, Status.MATCHED, Status.BROKEN)))
        body = MoveReversal(*key, dice.pick(_REASONS), self._time_us + dice.pick(_LASTING_US))
        party = self._voter(transaction) if transaction else self.any_party()
        return self.act(party, OperationKind.MOVE_REVERSAL, body)

    def _signed(
        self, agreement: Agreement, transaction: Transaction, f: int
    ) -> tuple[bytes, bytes]:
        """A value of a field and its currency, as they are signed; with a slip now and then."""
        dice = self.dice
        if not 0 <= f < len(agreement.fields):
            return b"", b""
        field = agreement.fields[f]
        stated = list(transaction.values_of(f, field.roles).values())
        chosen = dice.pick(stated) if stated and dice.happens(75) else choose_value(dice, field)
        currency = b""
        if field.currency_field is not None:
            holder = agreement.fields[field.currency_field]
            code = chosen.currency if isinstance(chosen, Money) else choose_value(dice, holder)
            assert isinstance(code, bytes)
            currency = code.ljust(agreement.layout.columns[field.currency_field].width, b"\0")
        plain = amount_of(chosen)
        assert plain is not None
        value = signed_value(agreement, f, plain)
        if dice.happens(8):
            return dice.pick(
                ((b"", currency), (value, b""), (value, b"?"), (b"\xff" * len(value), currency))
            )
        return value, currency

    def vote(self) -> bytes:
        """On an open motion, by somebody who has not voted yet, mostly."""
        dice, motions = self.dice, self.state.motions
        if not motions:
            return self.move_value()
        at, motion = dice.pick(sorted(motions.items()))
        book = self.state.books[at.agreement_number - 1]
        transaction = book.transactions[at.serial]
        key = (
            book.agreement.name,
            transaction.originator,
            transaction.transaction_id.rstrip(b"\0").decode(),
        )
        name = dice.pick((*[motion.name] * 12, bytes(32)))
        body = VoteOnMotion(*key, name, not dice.happens(25), "")
        voted = (*motion.in_favour, *motion.against)
        party = self._voter(transaction, voted)
        return self.act(party, OperationKind.VOTE_ON_MOTION, body)

    def _voter(self, transaction: Transaction, but: tuple[int, ...] = ()) -> int:
        bound = sorted({role.party for role in transaction.roles if role.party} - set(but))
        if not bound or self.dice.happens(8):
            return self.any_party()
        return self.dice.pick(bound)

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
    (35, PeopleStory.move_value),
    (12, PeopleStory.move_reversal),
    (45, PeopleStory.vote),
)
