"""Formulas as the steps of a stack machine: what `invariants.py` runs (layout in `layout.py`).

Scales are settled here: where two numbers must have equally many decimals, or a quotient a stated
number of them, a multiplication by a power of ten stands among the steps.
"""

from typing import Final, NamedTuple

from tieout.agreement.formula import Measure, measure
from tieout.agreement.invariants import measures_of, terms_of
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
from tieout.kernel import layout as at

ROUNDING: Final = {
    RoundingMode.HALF_EVEN: at.ROUND_HALF_EVEN,
    RoundingMode.HALF_UP: at.ROUND_HALF_UP,
    RoundingMode.FLOOR: at.ROUND_FLOOR,
    RoundingMode.CEILING: at.ROUND_CEILING,
    RoundingMode.TRUNCATE: at.ROUND_TRUNCATE,
}
_OPERATORS: Final = {
    Operator.ADD: at.OP_ADD,
    Operator.SUB: at.OP_SUB,
    Operator.MUL: at.OP_MUL,
    Operator.MIN: at.OP_MIN,
    Operator.MAX: at.OP_MAX,
}
_SMALLER, _SAME, _LARGER = 1, 2, 4
_COMPARISONS: Final = {
    Comparison.EQUAL: _SAME,
    Comparison.UNEQUAL: _SMALLER | _LARGER,
    Comparison.LESS: _SMALLER,
    Comparison.AT_MOST: _SMALLER | _SAME,
    Comparison.GREATER: _LARGER,
    Comparison.AT_LEAST: _LARGER | _SAME,
}
_LIMB_BITS: Final = 31


class _Step(NamedTuple):
    """An operator, and what it is about: a literal, a field and its role, or a mode."""

    operator: int
    about: int = 0
    more: int = 0


def put_invariants(words: list[int], agreement: Agreement) -> None:
    """Write the invariants of an agreement behind a plan, and where they are into its head."""
    words[at.P_INVARIANT_COUNT] = len(agreement.invariants)
    starts = [_put_invariant(words, agreement, each) for each in agreement.invariants]
    words[at.P_INVARIANTS] = len(words)
    words.extend(starts)


def _put_invariant(words: list[int], agreement: Agreement, invariant: Invariant) -> int:
    """Write one invariant; where it begins."""
    sizes = measures_of(agreement.fields)
    scale = max(measure(side, sizes).scale for side in (invariant.left, invariant.right))
    steps = [
        step for side in (invariant.left, invariant.right) for step in _at_scale(side, scale, sizes)
    ]
    if _height(steps) > at.STACK_DEPTH:
        raise AssertionError("a formula of bounded depth needs no deeper stack")
    step_words: list[int] = []
    for step in steps:
        about = step.about
        if step.operator == at.OP_LITERAL:
            about = len(words)
            words.extend(_wide_words(step.about))
        step_words.extend((step.operator, about, step.more))
    steps_at = len(words)
    words.extend(step_words)
    start = len(words)
    needs = _needs(invariant)
    words.extend(
        (
            sum(1 << role for role in invariant.roles),
            sum(1 << field for field in {term.field for term in _terms(invariant)}),
            _COMPARISONS[invariant.comparison],
            steps_at,
            len(steps),
            len(needs),
        )
    )
    for role, fields in sorted(needs.items()):
        words.extend((role, fields))
    return start


def _terms(invariant: Invariant) -> list[Term]:
    return [*terms_of(invariant.left), *terms_of(invariant.right)]


def _needs(invariant: Invariant) -> dict[int, int]:
    """The mask of fields that each named role must state; empty where no roles are named."""
    needs: dict[int, int] = {}
    for term in _terms(invariant):
        if term.role is not None:
            needs[term.role] = needs.get(term.role, 0) | 1 << term.field
    return needs


def _height(steps: list[_Step]) -> int:
    """The most numbers that are on the stack at once."""
    height = highest = 0
    for step in steps:
        if step.operator in (at.OP_LITERAL, at.OP_TERM):
            height += 1
        elif step.operator != at.OP_ABS:
            height -= 1
        highest = max(highest, height)
    return highest


def _at_scale(node: Node, scale: int, sizes: dict[int, Measure]) -> list[_Step]:
    """The steps that leave a node's number on the stack, as an integer of this scale."""
    return [*_steps_of(node, sizes), *_times_power(scale - measure(node, sizes).scale)]


def _times_power(decimals: int) -> list[_Step]:
    if decimals == 0:
        return []
    return [_Step(at.OP_LITERAL, 10**decimals), _Step(at.OP_MUL)]


def _steps_of(node: Node, sizes: dict[int, Measure]) -> list[_Step]:
    if isinstance(node, Literal):
        return [_Step(at.OP_LITERAL, node.units)]
    if isinstance(node, Term):
        return [_Step(at.OP_TERM, node.field, -1 if node.role is None else node.role)]
    first, last = node.operands[0], node.operands[-1]
    match node.operator:
        case Operator.ABS:
            return [*_steps_of(first, sizes), _Step(at.OP_ABS)]
        case Operator.MUL:
            return [*_steps_of(first, sizes), *_steps_of(last, sizes), _Step(at.OP_MUL)]
        case Operator.ROUND | Operator.DIV:
            return _quotient_steps(node, sizes)
        case operator:
            scale = max(measure(each, sizes).scale for each in node.operands)
            operands = (*_at_scale(first, scale, sizes), *_at_scale(last, scale, sizes))
            return [*operands, _Step(_OPERATORS[operator])]


def _quotient_steps(node: Call, sizes: dict[int, Measure]) -> list[_Step]:
    """A dividend and a divisor, so scaled that their quotient has the stated decimals."""
    dividend = _steps_of(node.operands[0], sizes)
    scale = measure(node.operands[0], sizes).scale
    if node.operator is Operator.DIV:
        divisor = _steps_of(node.operands[1], sizes)
        divisor_scale = measure(node.operands[1], sizes).scale
    else:
        divisor, divisor_scale = [_Step(at.OP_LITERAL, 1)], 0
    further = node.decimals - scale + divisor_scale
    mode = ROUNDING[node.mode] if node.mode is not None else at.ROUND_TRUNCATE
    return [
        *dividend,
        *_times_power(max(further, 0)),
        *divisor,
        *_times_power(max(-further, 0)),
        _Step(at.OP_DIV, mode),
    ]


def _wide_words(number: int) -> list[int]:
    """A number that is not negative, as `wide.py` has it."""
    mask = (1 << _LIMB_BITS) - 1
    return [0, *(number >> _LIMB_BITS * limb & mask for limb in range(at.WIDE_WORDS - 1))]
