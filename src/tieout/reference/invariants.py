"""Invariants: what must hold inside a record, and between records (R-INV-1 to R-INV-5).

A number is an integer with its decimals, exact and as large as it gets; it is rounded where the
formula says so, and nowhere else.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from tieout.agreement.invariants import terms_of
from tieout.agreement.model import (
    Agreement,
    Call,
    Comparison,
    Invariant,
    Literal,
    Node,
    Operator,
    RoundingMode,
    Term,
)
from tieout.reference.rounding import divide
from tieout.reference.transaction import Break
from tieout.reference.values import Record, Value, amount_of
from tieout.wire.codes import BreakKind


class Number(NamedTuple):
    """The number units / 10**scale."""

    units: int
    scale: int

    def at(self, scale: int) -> int:
        """Its units at a scale that is not smaller."""
        power: int = 10 ** (scale - self.scale)
        return self.units * power


class Sides(NamedTuple):
    """What the two sides of an invariant come to; None where something is divided by zero."""

    left: Number | None
    right: Number | None


HOLDS: Final[Mapping[Comparison, Callable[[int, int], bool]]] = {
    Comparison.EQUAL: lambda left, right: left == right,
    Comparison.UNEQUAL: lambda left, right: left != right,
    Comparison.LESS: lambda left, right: left < right,
    Comparison.AT_MOST: lambda left, right: left <= right,
    Comparison.GREATER: lambda left, right: left > right,
    Comparison.AT_LEAST: lambda left, right: left >= right,
}


def broken_invariants(agreement: Agreement, stating: Mapping[int, Record]) -> Iterator[Break]:
    """The breaks of the invariants that do not hold, of every role concerned."""
    for index, invariant in enumerate(agreement.invariants):
        place = len(agreement.fields) + index
        if invariant.is_across:  # R-INV-2
            sides = sides_of(agreement, invariant, stating, None)
            concerned = invariant.roles if sides and not holds(invariant, sides) else ()
        else:  # R-INV-1
            concerned = tuple(
                role
                for role in invariant.roles
                if (sides := sides_of(agreement, invariant, stating, role))
                and not holds(invariant, sides)
            )
        rule = "R-INV-2" if invariant.is_across else "R-INV-1"
        for role in concerned:
            yield Break(BreakKind.INVARIANT, place, role, (rule,))


def holds(invariant: Invariant, sides: Sides) -> bool:
    """Whether the two sides compare as they must (R-INV-3, R-INV-4)."""
    left, right = sides
    if left is None or right is None:
        return False
    scale = max(left.scale, right.scale)
    return HOLDS[invariant.comparison](left.at(scale), right.at(scale))


def sides_of(
    agreement: Agreement, invariant: Invariant, stating: Mapping[int, Record], role: int | None
) -> Sides | None:
    """Both sides, for the record of a role or, with None, across roles.

    None when a field is not stated that they are about: then nothing is judged.
    """
    numbers: dict[Term, Number] = {}
    for term in (*terms_of(invariant.left), *terms_of(invariant.right)):
        speaker = role if term.role is None else term.role
        record = None if speaker is None else stating.get(speaker)
        value: Value | None = record.values[term.field] if record else None
        units = amount_of(value)
        if not isinstance(units, int):
            return None
        numbers[term] = Number(units, agreement.fields[term.field].scale)
    return Sides(evaluated(invariant.left, numbers), evaluated(invariant.right, numbers))


def evaluated(node: Node, numbers: Mapping[Term, Number]) -> Number | None:
    """What a node comes to; None when something on the way is divided by zero (R-INV-4)."""
    if isinstance(node, Literal):
        return Number(node.units, node.scale)
    if isinstance(node, Term):
        return numbers[node]
    operands = [evaluated(each, numbers) for each in node.operands]
    known = [each for each in operands if each is not None]
    if len(known) < len(operands):
        return None
    return _applied(node, known)


def _applied(node: Call, operands: list[Number]) -> Number | None:
    """R-INV-3."""
    first, last = operands[0], operands[-1]
    scale = max(first.scale, last.scale)
    match node.operator:
        case Operator.ADD:
            return Number(first.at(scale) + last.at(scale), scale)
        case Operator.SUB:
            return Number(first.at(scale) - last.at(scale), scale)
        case Operator.MUL:
            return Number(first.units * last.units, first.scale + last.scale)
        case Operator.ABS:
            return Number(abs(first.units), first.scale)
        case Operator.MIN:
            return Number(min(first.at(scale), last.at(scale)), scale)
        case Operator.MAX:
            return Number(max(first.at(scale), last.at(scale)), scale)
        case Operator.ROUND:
            return _quotient(first, Number(1, 0), node.decimals, node.mode)
        case Operator.DIV:
            return _quotient(first, last, node.decimals, node.mode)


def _quotient(
    dividend: Number, divisor: Number, decimals: int, mode: RoundingMode | None
) -> Number | None:
    """The quotient with so many decimals, rounded once (R-ROUND-1)."""
    if divisor.units == 0 or mode is None:
        return None
    above = dividend.units * 10 ** (decimals + divisor.scale)
    below = divisor.units * 10**dividend.scale
    return Number(divide(above, below, mode), decimals)
