"""From the formulas of a file to invariants: names become indices, and every number fits."""

from collections.abc import Sequence
from typing import Final

from tieout.agreement.errors import Findings
from tieout.agreement.formula import (
    FormulaError,
    Measure,
    Name,
    format_formula,
    measure,
    powers_bits,
)
from tieout.agreement.limits import MAX_FORMULA_BITS
from tieout.agreement.model import (
    NUMBERS,
    Call,
    Field,
    FieldType,
    Invariant,
    Literal,
    Node,
    Term,
)
from tieout.agreement.stated import StatedInvariant
from tieout.agreement.table import key_path
from tieout.wire.limits import MAX_FIELDS

_VALUE_BITS: Final = 62
"""The magnitude of every value is below 2^62 (R-ROW-1)."""


class _UnfitError(ValueError):
    """A name that cannot stand where it does; was noted already."""


def compile_invariants(
    stated: Sequence[StatedInvariant],
    roles: tuple[str, ...],
    fields: tuple[Field, ...],
    findings: Findings,
) -> tuple[Invariant, ...]:
    """Return the invariants that fit; what does not is noted."""
    if stated and len(stated) + len(fields) > MAX_FIELDS:
        wrong = f"{len(fields)} fields and {len(stated)} invariants"
        findings.add("invariants", wrong, f"Together at most {MAX_FIELDS} are allowed.")
    compiled = []
    for each in stated:
        key = key_path("invariants", each.name)
        if each.name in [field.name for field in fields]:
            findings.add(key, "a field has this name", "Choose another one.")
            continue
        try:
            compiled.append(_compiled(each, _Names(roles, fields, key, findings)))
        except _UnfitError:
            continue
        except FormulaError as error:
            findings.add(key, str(error), "Round on the way, or take it apart.")
    return tuple(compiled)


class _Names:
    """What names in a formula may stand for."""

    def __init__(
        self, roles: tuple[str, ...], fields: tuple[Field, ...], key: str, findings: Findings
    ) -> None:
        self.fields = fields
        self._roles, self._key, self._findings = roles, key, findings
        self._places = {field.name: place for place, field in enumerate(fields)}

    def resolved(self, node: Node | Name) -> Node:
        """The node with indices in the place of names."""
        if isinstance(node, Name):
            return self._term(node)
        if isinstance(node, Call):
            operands = tuple(self.resolved(each) for each in node.operands)
            return Call(node.operator, operands, node.decimals, node.mode)
        return node

    def _term(self, name: Name) -> Term:
        if name.field not in self._places:
            what = "field of this agreement"
            self._findings.add_unknown(self._key, name.field, what, self._places)
            raise _UnfitError
        place = self._places[name.field]
        field = self.fields[place]
        if field.type not in (*NUMBERS, FieldType.DATE):
            wrong = f"{name.field} is of type {field.type}"
            self.refuse(wrong, "A formula is about numbers and dates.")
        if name.role is None:
            return Term(None, place)
        if name.role not in self._roles:
            what = "role of this agreement"
            self._findings.add_unknown(self._key, name.role, what, self._roles)
            raise _UnfitError
        role = self._roles.index(name.role)
        if role not in field.roles:
            self.refuse(f"{name.role} does not report {name.field}", "Name a role that does.")
        return Term(role, place)

    def refuse(self, wrong: str, remedy: str) -> None:
        """Note what is wrong, and give the formula up."""
        self._findings.add(self._key, wrong, remedy)
        raise _UnfitError


def _compiled(stated: StatedInvariant, names: _Names) -> Invariant:
    left, right = names.resolved(stated.formula.left), names.resolved(stated.formula.right)
    terms = [*terms_of(left), *terms_of(right)]
    named = sorted({term.role for term in terms if term.role is not None})
    if not terms:
        names.refuse("no field is named", "A formula is about what is stated.")
    if named and any(term.role is None for term in terms):
        names.refuse("some fields have a role before them and some not", "Give all of them one.")
    roles = tuple(named)
    if not named:
        reporting = [set(names.fields[term.field].roles) for term in terms]
        roles = tuple(sorted(set.intersection(*reporting)))
        if not roles:
            names.refuse("no role reports all of its fields", 'Write roles: "seller.amount".')
    _measure_sides(left, right, names.fields)
    return Invariant(
        name=stated.name,
        says=format_formula(stated.formula),
        is_across=bool(named),
        roles=roles,
        left=left,
        comparison=stated.formula.comparison,
        right=right,
    )


def _measure_sides(left: Node, right: Node, fields: tuple[Field, ...]) -> None:
    """Both sides fit, also when they are written with equally many decimals to be compared."""
    sizes = measures_of(fields)
    sides = [measure(side, sizes) for side in (left, right)]
    scale = max(side.scale for side in sides)
    if any(side.bits + powers_bits(scale - side.scale) > MAX_FORMULA_BITS for side in sides):
        raise FormulaError(f"its sides could have more than {MAX_FORMULA_BITS} bits")


def measures_of(fields: Sequence[Field]) -> dict[int, Measure]:
    """Decimals and size of each field's values. A date counts as its day."""
    return {place: Measure(field.scale, _VALUE_BITS) for place, field in enumerate(fields)}


def terms_of(node: Node) -> list[Term]:
    """The fields in a tree, from left to right."""
    if isinstance(node, Term):
        return [node]
    if isinstance(node, Literal):
        return []
    return [term for operand in node.operands for term in terms_of(operand)]
