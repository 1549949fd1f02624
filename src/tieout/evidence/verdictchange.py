"""How the verdicts of two worlds differ on one transaction, as texts.

A break is named by kind, place and role, in both worlds alike. In each world it was `never` open,
is `closed`, or is `open` now. What would become of it is one word:

| word | recorded | under the new version |
|---|---|---|
| appears | never | closed or open |
| disappears | closed or open | never |
| closes | open | closed |
| stays | closed | open |
| differs | open | open, with another agreed value, or another standing of it |
"""

from dataclasses import dataclass
from enum import StrEnum

from tieout.agreement.model import Agreement
from tieout.evidence.breaklist import KINDS, STATUSES, difference_text, value_text
from tieout.evidence.world import BreakName, World, key_of, name_of
from tieout.reference.state import TransactionKey
from tieout.reference.transaction import Break, Transaction
from tieout.reference.values import amount_of
from tieout.wire.codes import BenchmarkState, BreakKind


class Fate(StrEnum):
    """What would become of a break under the new version."""

    APPEARS = "appears"
    DISAPPEARS = "disappears"
    CLOSES = "closes"
    STAYS = "stays"
    DIFFERS = "differs"


class Standing(StrEnum):
    """Whether a break was ever open in a world, and is."""

    NEVER = "never"
    CLOSED = "closed"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Side:
    """A break in one world, as texts like those of the breaks file; `rules` are what decided."""

    standing: Standing
    rules: tuple[str, ...]
    reported: str = ""
    benchmark: str = ""
    basis: str = ""
    difference: str = ""
    status: str = ""

    @property
    def facts(self) -> tuple[str, ...]:
        """What a party would be told of an open break."""
        return (self.reported, self.benchmark, self.basis, self.difference, self.status)


@dataclass(frozen=True, slots=True)
class Difference:
    """A break of which something else would become. `field` is "" for the whole record."""

    fate: Fate
    kind: str
    field: str
    role: str
    recorded: Side
    anew: Side


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A transaction of which something would be judged otherwise.

    `status_anew` is "" where nothing of it would be known: all its roles are left out.
    """

    transaction_id: str
    originator: int
    version: int
    status: str
    status_anew: str
    differences: tuple[Difference, ...]


def compare(recorded: World, anew: World, transaction: Transaction) -> VerdictChange | None:
    """How a transaction of the recorded world would have come out; None: the same."""
    old, new = recorded.agreement_of(transaction), anew.state.books[0].agreement
    key = key_of(old, transaction)
    names = {**recorded.seen.get(key, {}), **anew.seen.get(key, {})}
    differences = tuple(
        _difference(name, _side(recorded, anew, key, name), _side(anew, recorded, key, name))
        for name in sorted(names, key=lambda name: _order(new, old, name))
    )
    told = tuple(each for each in differences if each is not None)
    status, status_anew = _status(recorded, key), _status(anew, key)
    if status == status_anew and not told:
        return None
    return VerdictChange(
        transaction.transaction_id.rstrip(b"\0").decode("utf-8"),
        transaction.originator,
        old.version,
        status,
        status_anew,
        told,
    )


def _status(world: World, key: TransactionKey) -> str:
    transaction = world.state.transactions.get(key)
    if transaction is None or transaction.status is None:
        return ""
    return transaction.status.name.lower()


def _order(new: Agreement, old: Agreement, name: BreakName) -> tuple[int, int, int]:
    """Whole records first; then places and roles as the new version has them, then as the old."""
    places = [
        "",
        *(name for each in (new, old) for name in each.place_names),
    ]
    return places.index(name.place), [*new.roles, *old.roles].index(name.role), name.kind


def _difference(name: BreakName, recorded: Side, anew: Side) -> Difference | None:
    fate = _fate(recorded, anew)
    if fate is None:
        return None
    return Difference(fate, KINDS[name.kind], name.place, name.role, recorded, anew)


def _fate(recorded: Side, anew: Side) -> Fate | None:
    """What would become of a break; None: the same as did."""
    if recorded.standing is anew.standing:
        is_open = recorded.standing is Standing.OPEN
        return Fate.DIFFERS if is_open and recorded.facts != anew.facts else None
    if recorded.standing is Standing.NEVER:
        return Fate.APPEARS
    if anew.standing is Standing.NEVER:
        return Fate.DISAPPEARS
    return Fate.STAYS if anew.standing is Standing.OPEN else Fate.CLOSES


def _side(world: World, other: World, key: TransactionKey, name: BreakName) -> Side:
    """A break in one world: as it is now, else as it was when it opened, else what spared it."""
    transaction = world.state.transactions.get(key)
    if transaction is not None and transaction.verdict is not None:
        agreement = world.agreement_of(transaction)
        for each in transaction.verdict.breaks:
            if name_of(agreement, each.key) == name:
                return _told(Standing.OPEN, agreement, each)
        seen = world.seen.get(key, {}).get(name)
        if seen is not None:
            return _told(Standing.CLOSED, agreement, seen.opened)
    return Side(Standing.NEVER, other.seen[key][name].rules_elsewhere)


def _told(standing: Standing, agreement: Agreement, each: Break) -> Side:
    """The facts of a break, as the breaks file has them."""
    reported, benchmark, basis, difference = "", "", "", ""
    if each.field is not None and each.kind not in (BreakKind.INVARIANT, BreakKind.GROUP):
        field = agreement.fields[each.field]
        reported = value_text(field, amount_of(each.reported))
        if each.state is BenchmarkState.DECIDED:
            benchmark = value_text(field, amount_of(each.benchmark))
            basis = each.basis or ""
            difference = difference_text(field, each.difference)
    status = STATUSES[each.state]
    return Side(standing, each.rules, reported, benchmark, basis, difference, status)
