"""A world of a backtest: a state of the reference rules, and which breaks were ever open in it.

`heard` are the breaks that opened since it was last emptied, so that the other world can be asked
at the same moment what its rules make of the same.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from tieout.agreement.model import Agreement
from tieout.reference.benchmark import find_benchmark
from tieout.reference.events import Events
from tieout.reference.state import State, TransactionKey
from tieout.reference.tolerance import tolerance_of, tolerance_rules
from tieout.reference.transaction import Break, BreakKey, Transaction
from tieout.wire.codes import BreakKind, EventKind


class BreakName(NamedTuple):
    """Which break, in words that several versions of an agreement share.

    `place` is a field or an invariant by name, "" for the whole record.
    """

    place: str
    role: str
    kind: BreakKind


@dataclass(slots=True)
class Seen:
    """A break that was open at some time: as it opened, and the other world's rules just then."""

    opened: Break
    rules_elsewhere: tuple[str, ...] = ()


@dataclass(slots=True)
class World:
    """One of the two worlds. `seen` holds, by transaction, the breaks that were ever open."""

    state: State
    seen: dict[TransactionKey, dict[BreakName, Seen]] = field(default_factory=dict)
    heard: list[tuple[TransactionKey, BreakName]] = field(default_factory=list)
    events: Events = field(init=False)

    def __post_init__(self) -> None:
        self.events = _Listener(self)

    def agreement_of(self, transaction: Transaction) -> Agreement:
        """The version by which a transaction is judged here, as it holds at its stage."""
        return transaction.terms

    def hear(self, transaction: Transaction, opened: Break) -> None:
        """Remember a break that opens; the first time it stands for all."""
        agreement = self.agreement_of(transaction)
        key, name = key_of(agreement, transaction), name_of(agreement, opened.key)
        breaks = self.seen.setdefault(key, {})
        if name not in breaks:
            breaks[name] = Seen(opened)
            self.heard.append((key, name))

    def learn(self, other: "World") -> None:
        """Ask the other world by which rules it judges now what has just opened here."""
        for key, name in self.heard:
            self.seen[key][name].rules_elsewhere = other.rules_for(key, name)
        self.heard.clear()

    def rules_for(self, key: TransactionKey, name: BreakName) -> tuple[str, ...]:
        """The rules by which it is judged now whether a break is open; () when none looks at it."""
        transaction = self.state.transactions.get(key)
        if transaction is None:
            return ()
        agreement = self.agreement_of(transaction)
        for each in transaction.verdict.breaks if transaction.verdict else ():
            if name_of(agreement, each.key) == name:
                return each.rules
        if name.role not in agreement.roles:
            return ()
        if name.kind is BreakKind.INVARIANT:
            return _invariant_rules(agreement, name)
        if name.kind is BreakKind.GROUP:
            return _group_rules(agreement, name)
        if name.place:
            return _field_rules(agreement, transaction, name)
        return _RECORD_RULES[name.kind]


class _Listener(Events):
    """Hears of breaks as they open; nothing is kept, for a block may tell a million things."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def add(self, kind: EventKind, **about: int | None) -> None:
        """Keep nothing."""

    def tell(
        self,
        kind: EventKind,
        transaction: Transaction,
        *,
        role: int = 0,
        field: int | None = None,
        detail: int = 0,
        **_about: int,
    ) -> None:
        """Let the world hear of a break that opens; its values stand in the verdict by now."""
        if kind is not EventKind.BREAK_OPENED or transaction.verdict is None:
            return
        key = BreakKey(0 if field is None else 1 + field, role, BreakKind(detail))
        opened = next((each for each in transaction.verdict.breaks if each.key == key), None)
        if opened is not None:
            self._world.hear(transaction, opened)


def key_of(agreement: Agreement, transaction: Transaction) -> TransactionKey:
    """Where a transaction is found, in both worlds."""
    return TransactionKey(
        agreement.name, transaction.originator, transaction.transaction_id, transaction.stage
    )


def name_of(agreement: Agreement, key: BreakKey) -> BreakName:
    """A break's name."""
    place = agreement.name_of_place(key.place - 1) if key.place else ""
    return BreakName(place, agreement.roles[key.role], key.kind)


_RECORD_RULES = {
    BreakKind.MISSING: ("R-FINAL-1", "R-MISS-1"),
    BreakKind.DUPLICATE: ("R-SAME-2",),
    BreakKind.UNEXPECTED: ("R-BIND-1", "R-OPEN-1"),
    BreakKind.CHANGED_AFTER_MATCH: ("R-CHANGE-1",),
    BreakKind.OUT_OF_ORDER: ("R-STAGE-3",),
    BreakKind.DISPUTED: ("R-DISPUTE-1",),
}
"""By which rules the breaks of whole records are open or not."""


def _invariant_rules(agreement: Agreement, name: BreakName) -> tuple[str, ...]:
    for each in agreement.invariants:
        if each.name == name.place and agreement.roles.index(name.role) in each.roles:
            return ("R-INV-2",) if each.is_across else ("R-INV-1",)
    return ()


def _group_rules(agreement: Agreement, name: BreakName) -> tuple[str, ...]:
    for each in agreement.groups:
        if each.name == name.place and agreement.roles.index(name.role) in sum(each.sides, ()):
            return ("R-GROUP-4", "R-GROUP-5")
    return ()


def _field_rules(
    agreement: Agreement, transaction: Transaction, name: BreakName
) -> tuple[str, ...]:
    """By which rules a role's value ties out, or its blank is none."""
    names = [each.name for each in agreement.fields]
    if name.place not in names:
        return ()
    f = names.index(name.place)
    field = agreement.fields[f]
    if agreement.roles.index(name.role) not in field.roles:
        return ()
    if name.kind is BreakKind.MISSING:
        return ("R-MISS-2",)
    if not field.compare:
        return ("R-MATCH-1",)
    values = transaction.values_of(f, field.roles)
    if agreement.roles.index(name.role) not in values:
        return ("R-MATCH-1",)
    if len(set(values.values())) == 1 and f not in {
        **transaction.frozen,
        **transaction.decided,
    }:
        return ("R-TOL-1",)
    benchmark = find_benchmark(agreement, transaction, f, values)
    compared = "R-MATCH-3" if benchmark.value is None else "R-MATCH-2"
    tolerance = tolerance_of(agreement, field, transaction)
    return (compared, benchmark.rule, *tolerance_rules(field, tolerance))
