"""Random agreements that are well formed, for every test that needs one.

They are chosen as trees (the tables of a file), written as TOML and read by the parser, so that no
test builds an agreement that no author could have. Values are small and limits tight, so that
random records often lie on both sides of a tolerance. Who chooses is left open: Hypothesis, draw by
draw, or a script of bytes (dice.py), which is much quicker.
"""

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from hypothesis import strategies as st

from tieout.agreement.model import Agreement
from tieout.agreement.parse import parse_agreement

Tree = dict[str, object]
Choice = TypeVar("Choice")

ROLES: Final = ("seller", "registrar", "bank", "custodian")
CURRENCIES: Final = ("CNY", "EUR", "USD")
SCALED: Final = ("money", "quantity", "price", "rate")
TYPES: Final = (*SCALED, "integer", "code", "text", "date", "time")
PERCENTAGES: Final = ("0", "0.01", "1", "2.5", "33.333333", "100", "250")
DEADLINES: Final = ("1ms", "1s", "30s", "1m", "2h")
RETENTIONS: Final = ("1ms", "5s", "1h", "400d")
AMOUNTS: Final = (*range(11), 1_000, (1 << 62) - 1)
_CURRENCY_FIELD: Final = "currency"
_FLAGS: Final = (False, True)


class Chooser(Protocol):
    """Makes choices; the first of them should be the plainest."""

    def pick(self, choices: Sequence[Choice]) -> Choice:
        """One of the choices."""


class Drawn:
    """Choices drawn one by one by Hypothesis."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def pick(self, choices: Sequence[Choice]) -> Choice:
        """One of the choices."""
        return self._draw(st.sampled_from(choices))


def agreements(max_fields: int = 6, max_roles: int = 4) -> st.SearchStrategy[Agreement]:
    """Agreements of 2 to `max_roles` (at most 4) roles and 1 to `max_fields` fields.

    All types, tolerances, currencies, benchmarks, limits, quorums (1 to 3) and deadlines come up;
    so do fields that some roles do not report, that are optional, or that are never compared. A
    field `currency` may come on top of `max_fields`.
    """
    return agreement_trees(max_fields, max_roles).map(lambda tree: parse_agreement(to_toml(tree)))


@st.composite
def agreement_trees(draw: st.DrawFn, max_fields: int = 6, max_roles: int = 4) -> Tree:
    """Draw the tables of a well-formed agreement file, as `tomllib` would give them."""
    return choose_tree(Drawn(draw), max_fields, max_roles)


def choose_tree(chooser: Chooser, max_fields: int = 6, max_roles: int = 4) -> Tree:
    """Choose the tables of a well-formed agreement file, as `tomllib` would give them."""
    roles = _choose_some(chooser, ROLES, chooser.pick(range(2, max_roles + 1)))
    fields = _choose_fields(chooser, roles, chooser.pick(range(1, max_fields + 1)))
    tree: Tree = {
        "name": chooser.pick(["fund-subscription", "payments", "a"]),
        "version": chooser.pick(range(1, 4)),
        "roles": roles,
        "fields": fields,
    }
    if chooser.pick(_FLAGS):
        tree["opened_by"] = _choose_any(chooser, roles)
    benchmark = _choose_benchmark(chooser, roles, fields)
    if benchmark:
        tree["benchmark"] = benchmark
    if chooser.pick(_FLAGS):
        tree["deadlines"] = {role: chooser.pick(DEADLINES) for role in _choose_any(chooser, roles)}
    if chooser.pick(_FLAGS):
        tree["adjustment"] = _choose_adjustment(chooser, fields)
    if chooser.pick(_FLAGS):
        tree["alarm"] = {"quorum": chooser.pick(range(1, 4))}
    if chooser.pick(_FLAGS):
        tree["retention"] = {"closed": chooser.pick(RETENTIONS)}
    return tree


def to_toml(tree: Tree) -> str:
    """Write the tables of an agreement file as TOML."""
    lines = [f"{key} = {_value(value)}" for key, value in tree.items() if not _is_table(value)]
    for key, value in tree.items():
        if isinstance(value, dict) and key == "fields":
            for name, field in value.items():
                lines += ["", f"[fields.{name}]", *_keys(field)]
        elif isinstance(value, dict):
            lines += ["", f"[{key}]", *_keys(value)]
    return "\n".join(lines) + "\n"


def _choose_fields(chooser: Chooser, roles: list[str], count: int) -> dict[str, Tree]:
    fields: dict[str, Tree] = {}
    for place in range(count):
        kind = chooser.pick(TYPES)
        field: Tree = {"type": kind}
        reporting = roles
        if chooser.pick(range(3)) == 0:
            reporting = _choose_any(chooser, roles)
            field["roles"] = reporting
        if kind in SCALED:
            field["scale"] = chooser.pick([0, 2, 4, 18])
        if kind in ("code", "text"):
            field["length"] = chooser.pick([1, 3, 8, 40])
        if kind == "money":
            _choose_currency(chooser, field)
        if kind in (*SCALED, "integer") and chooser.pick(_FLAGS):
            field["tolerance"] = _choose_tolerance(chooser, field, reporting)
        if kind == "date" and chooser.pick(_FLAGS):
            field["drift_days"] = chooser.pick(range(4))
        for flag in ("optional", "compare"):
            if chooser.pick(range(4)) == 0:
                field[flag] = chooser.pick(_FLAGS)
        fields[f"{kind}_{place}"] = field
    if any(isinstance(field.get("currency"), dict) for field in fields.values()):
        holder: Tree = {"type": "code", "length": 3}
        if chooser.pick(_FLAGS):
            holder["optional"] = True
        # Before or behind the money: its place must not matter.
        if chooser.pick(_FLAGS):
            return {_CURRENCY_FIELD: holder, **fields}
        fields[_CURRENCY_FIELD] = holder
    return fields


def _choose_currency(chooser: Chooser, field: Tree) -> None:
    form = chooser.pick(["none", "fixed", "field"])
    if form == "fixed":
        field["currency"] = chooser.pick(CURRENCIES)
    elif form == "field":
        field["currency"] = {"field": _CURRENCY_FIELD}


def _choose_tolerance(chooser: Chooser, field: Tree, reporting: list[str]) -> Tree:
    tolerance: Tree = {}
    kinds = chooser.pick([("absolute",), ("percent",), ("absolute", "percent")])
    if "absolute" in kinds:
        tolerance["absolute"] = _choose_amount(chooser, field)
    if "percent" in kinds:
        tolerance["percent"] = chooser.pick(PERCENTAGES)
        if chooser.pick(_FLAGS):
            tolerance["of"] = chooser.pick(reporting)
    if chooser.pick(_FLAGS):
        tolerance["within"] = chooser.pick(["any", "all"])
    return tolerance


def _choose_amount(chooser: Chooser, field: Tree) -> str:
    """Choose 0 to 10 units of the last decimal, now and then a limit that nothing exceeds."""
    scale = field.get("scale", 0)
    assert isinstance(scale, int)
    units = chooser.pick(AMOUNTS)
    digits = str(units).rjust(scale + 1, "0")
    return f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits


def _choose_benchmark(chooser: Chooser, roles: list[str], fields: dict[str, Tree]) -> Tree:
    benchmark: Tree = {}
    default = chooser.pick([None, "majority", "decision", *roles])
    if default is not None:
        benchmark["default"] = default
    for name, field in fields.items():
        reporting = field.get("roles", roles)
        assert isinstance(reporting, list)
        needed = default in roles and default not in reporting and field.get("compare") is not False
        if needed or chooser.pick(range(3)) == 0:
            benchmark[name] = chooser.pick(["majority", "decision", *reporting])
    return benchmark


def _choose_adjustment(chooser: Chooser, fields: dict[str, Tree]) -> Tree:
    adjustment: Tree = {"mode": chooser.pick(["compensate", "replace", "notify"])}
    limits: Tree = {}
    for name, field in fields.items():
        if field["type"] not in (*SCALED, "integer") or not chooser.pick(_FLAGS):
            continue
        if isinstance(field.get("currency"), dict):
            codes = _choose_any(chooser, CURRENCIES)
            limits[name] = {code: _choose_amount(chooser, field) for code in codes}
        elif "currency" in field and chooser.pick(_FLAGS):
            limits[name] = {str(field["currency"]): _choose_amount(chooser, field)}
        else:
            limits[name] = _choose_amount(chooser, field)
    if limits:
        adjustment["automatic_up_to"] = limits
    return adjustment


def _choose_any(chooser: Chooser, names: Sequence[str]) -> list[str]:
    """Choose one name or more, in any order."""
    return _choose_some(chooser, names, chooser.pick(range(1, len(names) + 1)))


def _choose_some(chooser: Chooser, names: Sequence[str], count: int) -> list[str]:
    """Choose `count` names, in any order."""
    left = list(names)
    return [left.pop(chooser.pick(range(len(left)))) for _ in range(count)]


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _keys(table: Tree) -> list[str]:
    return [f"{key} = {_value(value)}" for key, value in table.items()]


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case dict():
            return f"{{ {', '.join(_keys(value))} }}"
        case str():
            return f'"{value}"'
        case _:
            return str(value)
