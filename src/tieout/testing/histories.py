"""Random histories of a ledger: what honest, careless and hostile parties might send, in blocks.

A history is told step by step while the reference rules apply it, so that later steps can refer to
what became of the earlier ones: approve what was proposed, confirm what is broken, correct what was
accepted. The results of the reference are kept with it, ready to be compared with those of another
implementation. Values lie where the rules have edges: a few units apart, or as large as they get.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

from tieout import reference
from tieout.agreement.model import Agreement
from tieout.agreement.parse import parse_agreement
from tieout.agreement.stages import at_stage
from tieout.reference.adjusting import id_of, latest_adjustment
from tieout.reference.state import State, TransactionKey
from tieout.reference.transaction import Adjustment, Transaction
from tieout.reference.values import amount_of
from tieout.testing import slips
from tieout.testing.agreements import Tree, choose_tree, to_toml
from tieout.testing.dice import Dice
from tieout.testing.refinements import refine
from tieout.testing.statements import choose_value
from tieout.testing.workbench import (
    ADA,
    BEN,
    BENS_OTHER_KEY,
    START_US,
    SYSTEM,
    Sender,
    refined_genesis,
    row_bytes,
    workbench_genesis,
)
from tieout.wire.block import Block, BlockResult
from tieout.wire.codes import Action, AdjustmentStatus, OperationKind, Status
from tieout.wire.genesis import Genesis
from tieout.wire.operations import (
    Acknowledge,
    AdjustmentStep,
    CloseCutoff,
    Confirm,
    Enact,
    Propose,
)

Values = dict[int, int | bytes]

PARTY_COUNT: Final = 4
MAX_BLOCKS: Final = 14
MAX_ITEMS: Final = 5
BLOCK_OF_SECOND_VERSION: Final = 4
SCRIPT_BYTES: Final = 900
"""Enough for some forty items."""
LAST_REVISION: Final = (1 << 32) - 1
DAY_US: Final = 86_400_000_000

_IDS: Final = (
    *(b"T1", b"T1", b"T1", b"T2", b"T2", b"T3", b"T\xc3\xbc"),
    b"A longer name, of thirty-six letters",
)
_LATER_IDS: Final = (b"L1", b"L1", b"L1", b"L2", b"L2", b"L3", b"T1")
"""What is opened under the second version, mostly; a transaction keeps its version (R-PIN-1)."""
_NO_IDS: Final = ("nobody", "T1\0", "T1" * 19)
_WAITS_US: Final = (
    *(1_000_000, 0, 0, 1, 1_000, 1_001, 5_000_001, 30_000_000, 60_000_000, 60_000_001),
    *(7_200_000_001, 400 * DAY_US, 400 * DAY_US + 1),
)
_PERSONS: Final = (ADA, BEN, BENS_OTHER_KEY)
_ABLE: Final = {
    OperationKind.APPROVE: (AdjustmentStatus.PROPOSED,),
    OperationKind.REFUSE: (AdjustmentStatus.PROPOSED, AdjustmentStatus.APPROVED),
    OperationKind.POSTED: (AdjustmentStatus.APPROVED,),
    OperationKind.FAILED: (AdjustmentStatus.APPROVED, AdjustmentStatus.POSTED),
}
"""The adjustments that can take a step (R-ADJ-4, R-ADJ-6)."""


@dataclass(frozen=True, slots=True, repr=False)
class History:
    """A genesis, blocks, and what the reference rules made of them.

    `state` is the reference's after the last block; `name` that of the agreements.
    """

    genesis: Genesis
    blocks: tuple[Block, ...]
    results: tuple[BlockResult, ...]
    state: State
    name: str

    @property
    def agreements(self) -> tuple[Agreement, ...]:
        """The versions in force, in the order of their numbers."""
        return tuple(book.agreement for book in self.state.books)

    def __repr__(self) -> str:
        """What became of the items, block by block."""
        told = [
            " ".join(item.outcome.name.lower() for item in result.items) for result in self.results
        ]
        return f"History({' | '.join(told)})"


@st.composite
def histories(draw: st.DrawFn, script_bytes: int = SCRIPT_BYTES) -> History:
    """Histories of one name with up to two versions, in at most `script_bytes` of choices each."""
    return tell(draw(st.binary(min_size=script_bytes // 2, max_size=script_bytes)))


@st.composite
def refined_histories(draw: st.DrawFn, script_bytes: int = SCRIPT_BYTES) -> History:
    """The same under rules version 3, with agreements that only this version knows."""
    return tell_refined(draw(st.binary(min_size=script_bytes // 2, max_size=script_bytes)))


def tell_refined(script: bytes) -> History:
    """The history under rules version 3 in which a script makes all choices."""
    dice = Dice(script)
    tree = refine(dice, choose_tree(dice, max_fields=4))
    return tell_story(Story(tree, dice, refined_genesis(PARTY_COUNT)))


def tell(script: bytes) -> History:
    """The history in which a script makes all choices."""
    dice = Dice(script)
    return tell_story(Story(choose_tree(dice, max_fields=4), dice))


def tell_story(story: "Story") -> History:
    """Tell a story that has not begun until its script is used up."""
    dice = story.dice
    story.begin()
    while not dice.is_used_up and len(story.blocks) < MAX_BLOCKS:
        story.add_block()
    return story.told()


class Story:
    """A history while it is told."""

    def __init__(self, tree: Tree, dice: Dice, genesis: Genesis | None = None) -> None:
        self.dice = dice
        self.genesis = genesis or workbench_genesis(PARTY_COUNT)
        self.state = reference.initial_state(self.genesis)
        self.blocks: list[Block] = []
        self.results: list[BlockResult] = []
        self.versions = _versions(tree, dice)
        self.sender = Sender(self.genesis.ledger_id())
        self._time_us = START_US
        self._items: list[bytes] = []
        self._skipped: list[tuple[int, int]] = []
        self.bodies = [
            Enact(version.canonical, _holders(version, dice)) for version in self.versions
        ]

    def begin(self) -> None:
        """Put the first version into force, unless somebody is late."""
        self._apply(self._enact_together(self.bodies[0]))

    def add_block(self) -> None:
        """Let some time pass, and a few items arrive."""
        self._time_us += self.dice.pick(_WAITS_US)
        items = []
        if len(self.blocks) == BLOCK_OF_SECOND_VERSION and self.dice.happens(40):
            items = self._enact_together(self.bodies[1])
        for _ in range(self.dice.below(MAX_ITEMS + 1)):
            item = self.next_item()
            if item is not None:
                items.append(item)
        self._apply(items)

    def next_item(self) -> bytes | None:
        """What somebody sends next; None when nothing comes to mind."""
        return self.dice.pick_weighed(_STEPS)(self)

    def told(self) -> History:
        """The history so far."""
        return History(
            self.genesis,
            tuple(self.blocks),
            tuple(self.results),
            self.state,
            self.versions[0].name,
        )

    def _enact_together(self, body: Enact) -> list[bytes]:
        bound = sorted({party for parties in body.holders for party in parties})
        if self.dice.happens(4):
            bound.pop()
        return [self.sender.operation(party, OperationKind.ENACT, body) for party in bound]

    def _apply(self, items: list[bytes]) -> None:
        block = Block(len(self.blocks) + 1, self._time_us, tuple(items))
        self.state, result = reference.apply_block(self.state, block)
        self.blocks.append(block)
        self.results.append(result)
        self._items.extend(items)

    # ------------------------------------------------------------ batches

    def batch(self) -> bytes:
        """Rows of one role, by a party that holds it, or not."""
        dice = self.dice
        in_force = max(len(self.state.books), 1)
        number = dice.below(in_force) if dice.happens(60) else in_force - 1
        agreement, body = self.versions[number], self.bodies[number]
        role = dice.below(len(agreement.roles))
        party = dice.pick(self.holders_of(number, role) or body.holders[role])
        if dice.happens(3):
            party = self.any_party()
        rows = [self._row(agreement, role) for _ in range(dice.pick((1, 1, 1, 2, 3)))]
        if dice.happens(6):
            rows[-1] = slips.damage(dice, agreement, rows[-1])
        changes = {"key": self.key_for(party, SYSTEM), **self._slips(party)}
        if dice.happens(5):
            changes |= dice.pick(slips.BATCH)
        if dice.happens(1):
            rows = [row + bytes(4) for row in rows][: 1 + dice.below(2)]
        return self._spoil(self.sender.batch(agreement, party, role, rows, **changes))

    def _row(self, agreement: Agreement, role: int) -> bytes:
        """What a role says about one of a few transactions."""
        dice = self.dice
        transaction_id = self.choose_id(agreement, role)
        originator = 1 if dice.happens(5) else 0
        key = TransactionKey(agreement.name, originator, transaction_id.ljust(36, b"\0"), 0)
        said_of = self.state.stages_of(key)
        stage = self._any_stage(agreement, said_of)
        transaction = self._find(agreement.name, originator, transaction_id, stage)
        values: dict[int, int | bytes] = {}
        revision = 0
        known = transaction.roles[role] if transaction and role < len(transaction.roles) else None
        if known and known.record:
            revision = known.record.revision
            values = _values_of(known.record.values)
        revision = dice.pick(
            (*[revision + 1] * 9, revision or 1, revision or 1, revision - 1, 1, revision + 3)
        )
        revision = LAST_REVISION if dice.happens(1) else min(max(revision, 1), LAST_REVISION)
        if dice.happens(6):
            action, values = Action.WITHDRAW, {}
        else:
            action = Action.STATE
            terms = self._terms(agreement, stage)
            values = self._values(terms, role, transaction, values)
            if agreement.stages and dice.happens(75):
                values |= self._like_others(terms, role, said_of)
        return row_bytes(
            agreement,
            transaction_id,
            revision,
            values,
            action=action,
            originator=originator,
            stage=stage,
            salt=bytes(15) + bytes((dice.throw() & 1,)),
        )

    def choose_id(self, agreement: Agreement, role: int) -> bytes:
        """Which transaction a role speaks about."""
        del role
        return self.dice.pick(_IDS if agreement is self.versions[0] else _LATER_IDS)

    def choose_value(self, agreement: Agreement, f: int) -> int | bytes:
        """What a role states for a field."""
        return choose_value(self.dice, agreement.fields[f])

    def _values(
        self,
        agreement: Agreement,
        role: int,
        transaction: Transaction | None,
        known: dict[int, int | bytes],
    ) -> dict[int, int | bytes]:
        """The same again, what an adjustment asks for, or something new."""
        dice = self.dice
        if known and dice.happens(20):
            return known
        asked = self._adjustment_of(transaction, role)
        if known and asked and dice.happens(70):
            return {**known, **_values_of(asked.benchmarks)}
        return {
            f: self.choose_value(agreement, f)
            for f, agreement_field in enumerate(agreement.fields)
            if role in agreement_field.roles and not dice.happens(3)
        }

    def _like_others(self, terms: Agreement, role: int, said_of: list[Transaction]) -> Values:
        """What somebody says of the same transaction, at this or another stage."""
        said: Values = {}
        for transaction in said_of:
            for each in transaction.roles:
                said |= _values_of(each.record.values) if each.record else {}
        own = [f for f, field in enumerate(terms.fields) if role in field.roles]
        return {f: said[f] for f in own if f in said}

    def _any_stage(self, agreement: Agreement, said_of: list[Transaction]) -> int:
        """One of the stages, mostly the first that is not final; 0 where there are none."""
        count = len(agreement.stages)
        if count and self.dice.happens(60):
            return min(sum(each.is_final for each in said_of), count - 1)
        return self.dice.below(count) if count else 0

    def _terms(self, agreement: Agreement, stage: int) -> Agreement:
        """What holds at a stage; now and then somebody thinks of none."""
        if not agreement.stages or self.dice.happens(4):
            return agreement
        return at_stage(agreement, stage)

    # ------------------------------------------------------------ operations

    def cutoff(self) -> bytes:
        """Close now, as of earlier, or as of later."""
        name = self.versions[0].name if not self.dice.happens(3) else "unheard-of"
        ago_us = self.dice.pick((0, 0, 0, 0, 1, 1_000_000, 30_000_000, DAY_US, -1))
        body = CloseCutoff(name, self._time_us - ago_us)
        return self.operation(self.any_party(), OperationKind.CLOSE_CUTOFF, body)

    def enact(self) -> bytes:
        """The next version, or something that cannot be enacted."""
        dice = self.dice
        next_one = self.bodies[min(len(self.state.books), len(self.bodies) - 1)]
        body = spoilt_enactment(dice, next_one) if dice.happens(15) else next_one
        said = [party for parties in self.state.enactments.values() for party in parties]
        others = [party for parties in next_one.holders for party in parties if party not in said]
        party = self.any_party() if dice.happens(10) or not others else dice.pick(others)
        return self.operation(party, OperationKind.ENACT, body)

    def confirm(self) -> bytes:
        """What is broken, mostly."""
        key, transaction = self._about(Status.BROKEN)
        body = Confirm(*key, self._episode(transaction), stage=self._stage(transaction))
        return self.operation(self.any_party(), OperationKind.CONFIRM, body)

    def acknowledge(self) -> bytes:
        """What is broken, mostly."""
        key, transaction = self._about(Status.BROKEN)
        body = Acknowledge(*key, self._episode(transaction), stage=self._stage(transaction))
        return self._by_person(self.any_party(), OperationKind.ACKNOWLEDGE, body)

    def propose(self) -> bytes:
        """For a role of a broken transaction."""
        key, transaction = self._about(Status.BROKEN)
        role = self._any_role(transaction)
        party = self._bound_party(transaction, role)
        body = Propose(*key, role, stage=self._stage(transaction))
        return self._by_person(party, OperationKind.PROPOSE, body)

    def approve(self) -> bytes:
        """What was proposed, mostly."""
        return self._step(OperationKind.APPROVE)

    def refuse(self) -> bytes:
        """What was proposed or approved, mostly."""
        return self._step(OperationKind.REFUSE)

    def posted(self) -> bytes:
        """What was approved, mostly."""
        return self._step(OperationKind.POSTED)

    def failed(self) -> bytes:
        """What was approved or posted, mostly."""
        return self._step(OperationKind.FAILED)

    def _step(self, kind: OperationKind) -> bytes:
        """One of the latest adjustments, mostly one that can take the step; else a batch."""
        found = [(book, each) for book in self.state.books for each in book.adjustments[-6:]]
        able = [each for each in found if each[1].status in _ABLE[kind]]
        if self.dice.happens(10):
            able = found
        if not able:
            return self.batch()
        book, adjustment = self.dice.pick(able[::-1])
        transaction = book.transactions[adjustment.serial]
        name = id_of(self.state.ledger_id, book, adjustment)
        role = adjustment.role
        if self.dice.happens(4):
            name, role = self.dice.pick(
                ((bytes(32), role), (b"", role), (name, 1 - role), (name, -1), (name, 99))
            )
        key = (
            book.agreement.name,
            transaction.originator,
            transaction.transaction_id.rstrip(b"\0").decode(),
        )
        body = AdjustmentStep(*key, role, name, "", stage=self._stage(transaction))
        party = self._bound_party(transaction, role)
        if kind in (OperationKind.POSTED, OperationKind.FAILED):
            return self.operation(party, kind, body)
        behind = [code & 0xFFFF for code in (adjustment.proposer, *adjustment.approvers)]
        others = [key for key in (ADA, BEN) if key not in behind]
        if others and not self.dice.happens(15):
            return self.operation(party, kind, body, key=self.dice.pick(others))
        return self._by_person(party, kind, body)

    # ------------------------------------------------------------ the same again

    def replay(self) -> bytes | None:
        """Something that was sent before, with another signature or other rows now and then."""
        if not self._items:
            return None
        return self._spoil(self.dice.pick(self._items[::-1][:40]))

    def noise(self) -> bytes:
        """Bytes that are no item."""
        return self.dice.pick((b"", b"tieout/batch/1\0\0", bytes(300), b"tieout/op/1" + bytes(170)))

    # ------------------------------------------------------------ helpers

    def operation(self, party: int, kind: OperationKind, body: Any, key: int = SYSTEM) -> bytes:
        """A signed operation, with a slip in it now and then."""
        changes = {"key": self.key_for(party, key), **self._slips(party)}
        return self._spoil(self.sender.operation(party, kind, body, **changes))

    def _by_person(self, party: int, kind: OperationKind, body: Any) -> bytes:
        return self.operation(party, kind, body, key=self.dice.pick(_PERSONS))

    def _slips(self, party: int) -> dict[str, Any]:
        """What a sender gets wrong in the envelope: mostly nothing."""
        dice = self.dice
        changes: dict[str, Any] = {}
        if dice.happens(12):
            changes |= self._numbering(party)
        if dice.happens(5):
            changes |= dice.pick(slips.ANY_ITEM)(self._time_us)
        return changes

    def _numbering(self, party: int) -> dict[str, Any]:
        """A number that is not the next one of the party's first stream."""
        next_one = self.sender.take_number(party)
        self._skipped.append((party, next_one))
        fills = [number for skipper, number in self._skipped if skipper == party]
        return self.dice.pick(
            (
                {"stream": 1},
                {},
                {"sequence": fills[0]},
                {"sequence": fills[-1]},
                {"sequence": max(next_one - 1, 1)},
                {"sequence": 1},
                {"sequence": next_one + 1_000},
                {"sequence": next_one + 1_022},
                {"sequence": next_one + 1_023},
                {"sequence": next_one + 1_024},
                {"sequence": 0},
                {"sequence": (1 << 64) - 1},
                {"stream": 65_535, "sequence": 2},
            )
        )

    def _spoil(self, item: bytes) -> bytes:
        """Now and then, a byte that was changed on the way; what was signed may come later."""
        if not item or not self.dice.happens(2):
            return item
        self._items.append(item)
        changed = bytearray(item)
        changed[-1 - self.dice.below(min(len(item), 400))] ^= 1 << self.dice.below(8)
        return bytes(changed)

    def any_party(self) -> int:
        """Whoever takes part."""
        return 1 + self.dice.below(PARTY_COUNT)

    def holders_of(self, number: int, role: int) -> tuple[int, ...]:
        """Who may speak for a role of the (number + 1)th version."""
        return self.bodies[number].holders[role]

    def key_for(self, _party: int, key: int) -> int:
        """The key with which a party signs what it would sign with this one."""
        return key

    def _about(self, status: Status) -> tuple[tuple[str, int, str], Transaction | None]:
        """The key of a transaction, one of this status if there is one; rarely of none at all."""
        dice = self.dice
        name = self.versions[0].name
        if dice.happens(4):
            missing = dice.pick(((name, 0, dice.pick(_NO_IDS)), ("unheard-of", 0, "T1")))
            return dice.pick((missing, (name, -1, "T1"), (name, 1 << 16, "T1"))), None
        known = list(self.state.transactions.items())
        known = [each for each in known if each[1].status is status] or known
        if not known:
            return (name, 0, "T1"), None
        key, transaction = dice.pick(known)
        return (name, key.originator, key.transaction_id.rstrip(b"\0").decode()), transaction

    def _episode(self, transaction: Transaction | None) -> int:
        episode = transaction.episode if transaction else 1
        return self.dice.pick((*[episode] * 8, episode + 1, episode - 1, -1, 1 << 40))

    def _stage(self, transaction: Transaction | None) -> int:
        """That of the transaction, mostly, where there are stages."""
        if transaction is None or not transaction.terms.stages:
            return 0
        own = transaction.stage
        return self.dice.pick((*[own] * 12, 0, own + 1, 255, 256, -1))

    def _any_role(self, transaction: Transaction | None) -> int:
        count = len(transaction.roles) if transaction else 1
        roles: tuple[int, ...] = (*range(count), *range(count), -1, count, 1 << 30)
        return self.dice.pick(roles)

    def _bound_party(self, transaction: Transaction | None, role: int) -> int:
        """The party bound to a role, mostly."""
        if not transaction or not 0 <= role < len(transaction.roles) or self.dice.happens(5):
            return self.any_party()
        return transaction.roles[role].party or self.any_party()

    def _find(
        self, name: str, originator: int, transaction_id: bytes, stage: int
    ) -> Transaction | None:
        key = TransactionKey(name, originator, transaction_id.ljust(36, b"\0"), stage)
        return self.state.transactions.get(key)

    def _adjustment_of(self, transaction: Transaction | None, role: int) -> Adjustment | None:
        if transaction is None or role >= len(transaction.roles):
            return None
        return latest_adjustment(self.state.book_of(transaction), transaction, role)


_STEPS: Final[Sequence[tuple[int, Callable[[Story], bytes | None]]]] = (
    (122, Story.batch),
    (14, Story.cutoff),
    (10, Story.enact),
    (14, Story.confirm),
    (10, Story.acknowledge),
    (10, Story.propose),
    (34, Story.approve),
    (4, Story.refuse),
    (20, Story.posted),
    (4, Story.failed),
    (12, Story.replay),
    (2, Story.noise),
)


def _versions(tree: Tree, dice: Dice) -> list[Agreement]:
    """Two versions of one name; in the second, roles may have other places and rules be others."""
    if "adjustment" not in tree and dice.happens(80):
        tree["adjustment"] = {"mode": "compensate"}
    first = parse_agreement(to_toml(tree))
    roles = tree["roles"]
    assert isinstance(roles, list)
    later: Tree = {**tree, "version": first.version + 1}
    if dice.happens(30):
        later["roles"] = roles[::-1]
    if dice.happens(30):
        later["alarm"] = {"quorum": 1 + dice.below(3)}
    return [first, parse_agreement(to_toml(later))]


def _holders(agreement: Agreement, dice: Dice) -> tuple[tuple[int, ...], ...]:
    """Who holds which role: everybody one, and some a second party."""
    bindings = []
    for place in range(len(agreement.roles)):
        parties = [1 + place]
        if dice.happens(40):
            parties.append(1 + dice.below(PARTY_COUNT))
        bindings.append(tuple(sorted(set(parties))))
    return tuple(bindings)


def spoilt_enactment(dice: Dice, body: Enact) -> Enact:
    """An enactment with something wrong with it (R-AGREE-2)."""
    holders = body.holders
    return dice.pick(
        (
            Enact(body.agreement, ((2,), *holders[1:])),
            Enact(body.agreement, holders[:-1]),
            Enact(body.agreement, (*holders, (1,))),
            Enact(body.agreement, ((), *holders[1:])),
            Enact(body.agreement, ((1, PARTY_COUNT + 1), *holders[1:])),
            Enact(body.agreement, ((0, 1), *holders[1:])),
            Enact(body.agreement, ((-1, 1), *holders[1:])),
            Enact(body.agreement, ((2, 1), *holders[1:])),
            Enact(body.agreement, ((1, 1), *holders[1:])),
            Enact(body.agreement + b" ", holders),
            Enact(body.agreement[:-1], holders),
            Enact(b"", holders),
        )
    )


def _values_of(stated: Any) -> dict[int, int | bytes]:
    """Values by field as they stand in a row, with the currencies left to their own fields."""
    pairs = stated.items() if isinstance(stated, dict) else enumerate(stated)
    plain = ((f, amount_of(value)) for f, value in pairs)
    return {f: value for f, value in plain if value is not None}
