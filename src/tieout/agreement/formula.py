"""Formulas: what an invariant says, from text to a tree and back.

The problem: `amount = shares * nav + fee` must mean the same to every node and to a court, and no
text may cost more than a verdict may. The model: a small language in which everything comes to an
end: two sides and a comparison; decimals, fields, `+`, `-`, `*`, and the functions abs, min, max,
round and div, of which the last two say how they round, since nothing else ever does. A text is
read once, into a tree of bounded size and depth, whose numbers are known to fit (`measure`); both
implementations of the rules start from that tree. What is not here: evaluation.

    formula    := sum ("=" | "!=" | "<" | "<=" | ">" | ">=") sum
    sum        := product (("+" | "-") product)*
    product    := factor ("*" factor)*
    factor     := decimal | field | role "." field | "(" sum ")"
                | "abs" "(" sum ")" | ("min" | "max") "(" sum "," sum ")"
                | "round" "(" sum "," decimals "," mode ")"
                | "div" "(" sum "," sum "," decimals "," mode ")"
"""

import re
from typing import Final, NamedTuple

from tieout.agreement.limits import (
    MAX_FORMULA_BITS,
    MAX_FORMULA_CHARACTERS,
    MAX_FORMULA_DEPTH,
    MAX_FORMULA_NODES,
)
from tieout.agreement.model import Call, Comparison, Literal, Node, Operator, RoundingMode
from tieout.units.errors import UnitsError
from tieout.units.numbers import MAX_SCALE, count_decimals, normalise_decimal, parse_scaled, shown

_TOKEN: Final = re.compile(r" *(?:([0-9]+(?:\.[0-9]+)?)|([a-z][a-z0-9_]*)|(!=|<=|>=|[-+*().,=<>]))")
_COMPARISONS: Final = tuple(comparison.value for comparison in Comparison)
_OPERANDS: Final = {
    Operator.ABS: 1,
    Operator.MIN: 2,
    Operator.MAX: 2,
    Operator.ROUND: 1,
    Operator.DIV: 2,
}
_ROUNDS: Final = (Operator.ROUND, Operator.DIV)
_SUMS: Final = (Operator.ADD, Operator.SUB)


class FormulaError(ValueError):
    """A text that is no formula, or one whose numbers could grow too large."""


class Name(NamedTuple):
    """A field by name, of a role or, with None, of the record that is looked at."""

    role: str | None
    field: str


class Formula(NamedTuple):
    """Two sides and how they must compare. Leaves are literals and names."""

    left: "Node | Name"
    comparison: Comparison
    right: "Node | Name"


class Measure(NamedTuple):
    """Decimals of a node, and a bound: its magnitude, as an integer of that scale, is < 2**bits."""

    scale: int
    bits: int


def parse_formula(text: str) -> Formula:
    """Read a formula. Raises FormulaError, saying where and why."""
    if len(text) > MAX_FORMULA_CHARACTERS:
        raise FormulaError(f"a formula has at most {MAX_FORMULA_CHARACTERS} characters")
    reader = _Reader(text)
    left = reader.sum(1)
    comparison = reader.take_one_of(_COMPARISONS, "a comparison such as =")
    right = reader.sum(1)
    reader.end()
    return Formula(left, Comparison(comparison), right)


class _Reader:
    """Takes the tokens of a text one by one."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        self._at = 0
        self._nodes = 0
        place, text = 0, text.rstrip(" ")
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise FormulaError(f"{shown(text[place:])} cannot be read")
            self._tokens.append(match[1] or match[2] or match[3])
            place = match.end()

    @property
    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        word = self._next
        self._at += 1
        return word

    def take_one_of(self, allowed: tuple[str, ...], what: str) -> str:
        """Take a word that must be one of some."""
        word = self._take()
        if word not in allowed:
            found = f"{word} stands" if word else "the formula ends"
            raise FormulaError(f"{found} where {what} belongs")
        return word

    def end(self) -> None:
        """Nothing may follow."""
        if self._next:
            raise FormulaError(f"{self._next} stands behind the end of the formula")

    def sum(self, depth: int) -> "Node | Name":
        """Products, added and subtracted from left to right."""
        node = self._product(depth)
        while self._next in ("+", "-"):
            operator = Operator(self._take())
            node = self._node(operator, (node, self._product(depth)))
        return node

    def _product(self, depth: int) -> "Node | Name":
        node = self._factor(depth)
        while self._next == "*":
            operator = Operator(self._take())
            node = self._node(operator, (node, self._factor(depth)))
        return node

    def _factor(self, depth: int) -> "Node | Name":
        if depth > MAX_FORMULA_DEPTH:
            raise FormulaError(f"nested more than {MAX_FORMULA_DEPTH} deep")
        word = self._take()
        if word == "(":
            node = self.sum(depth + 1)
            self.take_one_of((")",), "a closing parenthesis")
            return node
        if word[:1].isdigit():
            self._count()
            return _literal(word)
        if not word[:1].isalpha():
            found = f"{word} stands" if word else "the formula ends"
            raise FormulaError(f"{found} where a field, a number or a parenthesis belongs")
        if self._next == "(":
            return self._call(word, depth)
        self._count()
        if self._next != ".":
            return Name(None, word)
        self._take()
        field = self._take()
        if not field[:1].isalpha():
            raise FormulaError(f"behind {word}. no field is named")
        return Name(word, field)

    def _call(self, name: str, depth: int) -> "Node | Name":
        if name not in [operator.value for operator in _OPERANDS]:
            raise FormulaError(f"{name} is no function: there are abs, min, max, round and div")
        operator = Operator(name)
        self._take()
        operands = [self.sum(depth + 1)]
        while len(operands) < _OPERANDS[operator]:
            self.take_one_of((",",), "a comma")
            operands.append(self.sum(depth + 1))
        decimals, mode = 0, None
        if operator in _ROUNDS:
            self.take_one_of((",",), "a comma and the number of decimals")
            decimals = int(self.take_one_of(tuple(map(str, range(MAX_SCALE + 1))), "0 to 18"))
            self.take_one_of((",",), "a comma and how to round")
            modes = tuple(each.value for each in RoundingMode)
            mode = RoundingMode(self.take_one_of(modes, f"one of {', '.join(modes)}"))
        self.take_one_of((")",), "a closing parenthesis")
        return self._node(operator, tuple(operands), decimals, mode)

    def _node(
        self,
        operator: Operator,
        operands: tuple["Node | Name", ...],
        decimals: int = 0,
        mode: RoundingMode | None = None,
    ) -> Node:
        self._count()
        # Names are replaced by what they stand for before anybody looks at a tree (compile.py).
        return Call(operator, operands, decimals, mode)  # type: ignore[arg-type]

    def _count(self) -> None:
        self._nodes += 1
        if self._nodes > MAX_FORMULA_NODES:
            raise FormulaError(f"more than {MAX_FORMULA_NODES} numbers, fields and operations")


def _literal(word: str) -> Literal:
    number = normalise_decimal(word)
    scale = count_decimals(number)
    if scale > MAX_SCALE:
        raise FormulaError(f"{shown(word)} has more than {MAX_SCALE} decimals")
    try:
        return Literal(parse_scaled(number, scale), scale)
    except UnitsError as error:
        raise FormulaError(str(error)) from error


def format_formula(formula: Formula) -> str:
    """The one text of a formula: single spaces, parentheses only where they are needed."""
    left, right = _text(formula.left), _text(formula.right)
    return f"{left} {formula.comparison} {right}"


def _text(node: "Node | Name") -> str:
    match node:
        case Name(role=role, field=field):
            return field if role is None else f"{role}.{field}"
        case Literal(units=units, scale=scale):
            digits = str(units).rjust(scale + 1, "0")
            return f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits
        case Call(operator=operator, operands=(left, right)) if operator in _SUMS:
            return f"{_text(left)} {operator} {_enclosed(right, _SUMS)}"
        case Call(operator=Operator.MUL, operands=(left, right)):
            products = (*_SUMS, Operator.MUL)
            return f"{_enclosed(left, _SUMS)} * {_enclosed(right, products)}"
        case Call(operator=operator, operands=operands, decimals=decimals, mode=mode):
            arguments = [*map(_text, operands)]
            if mode is not None:
                arguments += [str(decimals), mode.value]
            return f"{operator}({', '.join(arguments)})"
        case _:
            raise FormulaError("a field without a name")


def _enclosed(node: "Node | Name", weaker: tuple[Operator, ...]) -> str:
    """The text of an operand, in parentheses where its operator binds no stronger."""
    text = _text(node)
    return f"({text})" if isinstance(node, Call) and node.operator in weaker else text


def powers_bits(decimals: int) -> int:
    """How many bits a number grows by when it gets so many further decimals."""
    power: int = 10**decimals
    return power.bit_length()


def measure(node: Node, leaf_bits: dict[int, Measure]) -> Measure:
    """Decimals and size of a node. `leaf_bits`: those of each field, by index.

    Raises FormulaError when a number on the way could have more than MAX_FORMULA_BITS bits.
    """
    if isinstance(node, Literal):
        return Measure(node.scale, node.units.bit_length())
    if not isinstance(node, Call):
        return leaf_bits[node.field]
    operands = [measure(each, leaf_bits) for each in node.operands]
    result = _measure_call(node, operands)
    if result.bits > MAX_FORMULA_BITS:
        raise FormulaError(f"its numbers could have more than {MAX_FORMULA_BITS} bits")
    return result


def _measure_call(node: Call, operands: list[Measure]) -> Measure:
    first = operands[0]
    match node.operator:
        case Operator.ABS:
            return first
        case Operator.MUL:
            return Measure(first.scale + operands[1].scale, first.bits + operands[1].bits)
        case Operator.ROUND:
            return Measure(node.decimals, _widened(first, node.decimals) + 1)
        case Operator.DIV:
            further = node.decimals - first.scale + operands[1].scale
            dividend = first.bits + powers_bits(max(further, 0))
            divisor = operands[1].bits + powers_bits(max(-further, 0))
            return Measure(node.decimals, max(dividend, divisor) + 1)
        case _:
            scale = max(first.scale, operands[1].scale)
            return Measure(scale, max(_widened(each, scale) for each in operands) + 1)


def _widened(of: Measure, scale: int) -> int:
    """Bits at a scale; at a smaller one no fewer, since rounding begins with all digits."""
    return of.bits + (powers_bits(scale - of.scale) if scale > of.scale else 0)
