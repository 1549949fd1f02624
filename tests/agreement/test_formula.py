"""Formulas: one text for one tree, and only texts that come to an end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.agreement.formula import (
    Formula,
    FormulaError,
    Measure,
    Name,
    format_formula,
    measure,
    parse_formula,
)
from tieout.agreement.limits import MAX_FORMULA_DEPTH, MAX_FORMULA_NODES
from tieout.agreement.model import (
    Call,
    Comparison,
    Literal,
    Node,
    Operator,
    RoundingMode,
    Term,
)
from tieout.reference.invariants import Number, evaluated

names = st.builds(Name, st.none() | st.sampled_from(("seller", "bank")), st.sampled_from("abc"))
literals = st.integers(1, 99).map(lambda units: Literal(units * 10 + 1, 2))


def calls(operands: st.SearchStrategy[Node | Name]) -> st.SearchStrategy[Call]:
    two = st.tuples(operands, operands)
    plain = st.sampled_from((Operator.ADD, Operator.SUB, Operator.MUL, Operator.MIN, Operator.MAX))
    modes, decimals = st.sampled_from(RoundingMode), st.integers(0, 18)
    return (
        st.builds(Call, plain, two)
        | st.builds(Call, st.just(Operator.ABS), st.tuples(operands))
        | st.builds(Call, st.just(Operator.ROUND), st.tuples(operands), decimals, modes)
        | st.builds(Call, st.just(Operator.DIV), two, decimals, modes)
    )


nodes = st.recursive(names | literals, calls, max_leaves=10)
formulas = st.builds(Formula, nodes, st.sampled_from(Comparison), nodes)


def read(text: str) -> Formula | None:
    """The formula of a text, None when that is nested too deeply."""
    try:
        return parse_formula(text)
    except FormulaError as error:
        if "nested more than" in str(error):
            return None
        raise


@given(formulas)
def test_a_tree_has_one_text_which_gives_it_back(formula: Formula) -> None:
    assert read(format_formula(formula)) in (formula, None)


@given(formulas, st.data())
def test_spaces_do_not_matter(formula: Formula, data: st.DataObject) -> None:
    words = format_formula(formula).replace("(", " ( ").replace(")", " ) ").replace(",", " , ")
    spaced = "".join(part + " " * data.draw(st.integers(1, 3)) for part in words.split())
    again = read(spaced)
    assert again is None or format_formula(again) == format_formula(formula)


@given(st.text(alphabet="ab1.+-*(),=<>! ", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        formula = parse_formula(text)
    except FormulaError:
        return
    assert parse_formula(format_formula(formula)) == formula


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("a=b", "a = b"),
        ("  a + ( b * c ) <= 1.50", "a + b * c <= 1.5"),
        ("(a - b) - c = a - (b - c)", "a - b - c = a - (b - c)"),
        ("(a * b) * c = a * (b * c)", "a * b * c = a * (b * c)"),
        ("(a + b) * c != 007", "(a + b) * c != 7"),
        ("round((a),2,half_up)>seller.b", "round(a, 2, half_up) > seller.b"),
        ("abs(abs) = min(min, max(max, div))", "abs(abs) = min(min, max(max, div))"),
    ],
)
def test_the_normal_form(written: str, normal: str) -> None:
    assert format_formula(parse_formula(written)) == normal


def test_limits_are_kept_to_the_last() -> None:
    deepest = "(" * (MAX_FORMULA_DEPTH - 1) + "1" + ")" * (MAX_FORMULA_DEPTH - 1)
    assert format_formula(parse_formula(f"{deepest} = a")) == "1 = a"
    longest = "+".join(["a"] * (MAX_FORMULA_NODES // 2)) + "=1"
    assert len(parse_formula(longest)) == 3
    with pytest.raises(FormulaError):
        parse_formula("a+" + longest)


SIZES = {0: Measure(0, 62), 1: Measure(2, 62), 2: Measure(18, 62)}
LARGEST = (1 << 62) - 1
shaped = st.recursive(
    st.sampled_from(sorted(SIZES)).map(lambda field: Term(None, field)) | literals,
    calls,
    max_leaves=6,
)


@given(shaped, st.lists(st.integers(-LARGEST, LARGEST), min_size=3, max_size=3))
def test_no_number_is_larger_than_its_measure(node: Node, values: list[int]) -> None:
    """R-INV-3, as the reference reckons."""
    try:
        size = measure(node, SIZES)
    except FormulaError:
        return
    numbers = {Term(None, f): Number(values[f], SIZES[f].scale) for f in SIZES}
    number = evaluated(node, numbers)
    if number is not None:
        assert number.scale <= size.scale
        assert abs(number.at(size.scale)) < 1 << size.bits
