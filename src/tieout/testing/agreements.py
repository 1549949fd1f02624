"""Random agreements that are well formed, for every test that needs one.

They are drawn as trees (the tables of a file), written as TOML and read by the parser, so that no
test builds an agreement that no author could have. Values are small and limits tight, so that
random records often lie on both sides of a tolerance.
"""

from typing import Final

from hypothesis import strategies as st

from tieout.agreement.model import Agreement
from tieout.agreement.parse import parse_agreement

Tree = dict[str, object]

ROLES: Final = ("seller", "registrar", "bank", "custodian")
CURRENCIES: Final = ("CNY", "EUR", "USD")
SCALED: Final = ("money", "quantity", "price", "rate")
TYPES: Final = (*SCALED, "integer", "code", "text", "date", "time")
PERCENTAGES: Final = ("0", "0.01", "1", "2.5", "33.333333", "100", "250")
DEADLINES: Final = ("1ms", "1s", "30s", "1m", "2h")
RETENTIONS: Final = ("1ms", "5s", "1h", "400d")
_CURRENCY_FIELD: Final = "currency"


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
    roles = draw(st.permutations(ROLES))[: draw(st.integers(2, max_roles))]
    fields = _draw_fields(draw, roles, draw(st.integers(1, max_fields)))
    tree: Tree = {
        "name": draw(st.sampled_from(["fund-subscription", "payments", "a"])),
        "version": draw(st.integers(1, 3)),
        "roles": roles,
        "fields": fields,
    }
    if draw(st.booleans()):
        tree["opened_by"] = _draw_some(draw, roles)
    benchmark = _draw_benchmark(draw, roles, fields)
    if benchmark:
        tree["benchmark"] = benchmark
    if draw(st.booleans()):
        tree["deadlines"] = {
            role: draw(st.sampled_from(DEADLINES)) for role in _draw_some(draw, roles)
        }
    if draw(st.booleans()):
        tree["adjustment"] = _draw_adjustment(draw, fields)
    if draw(st.booleans()):
        tree["alarm"] = {"quorum": draw(st.integers(1, 3))}
    if draw(st.booleans()):
        tree["retention"] = {"closed": draw(st.sampled_from(RETENTIONS))}
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


def _draw_fields(draw: st.DrawFn, roles: list[str], count: int) -> dict[str, Tree]:
    fields: dict[str, Tree] = {}
    for place in range(count):
        kind = draw(st.sampled_from(TYPES))
        field: Tree = {"type": kind}
        reporting = roles
        if draw(st.integers(0, 2)) == 0:
            reporting = _draw_some(draw, roles)
            field["roles"] = reporting
        if kind in SCALED:
            field["scale"] = draw(st.sampled_from([0, 2, 4, 18]))
        if kind in ("code", "text"):
            field["length"] = draw(st.sampled_from([1, 3, 8, 40]))
        if kind == "money":
            _draw_currency(draw, field)
        if kind in (*SCALED, "integer") and draw(st.booleans()):
            field["tolerance"] = _draw_tolerance(draw, field, reporting)
        if kind == "date" and draw(st.booleans()):
            field["drift_days"] = draw(st.integers(0, 3))
        for flag in ("optional", "compare"):
            if draw(st.integers(0, 3)) == 0:
                field[flag] = draw(st.booleans())
        fields[f"{kind}_{place}"] = field
    if any(isinstance(field.get("currency"), dict) for field in fields.values()):
        holder: Tree = {"type": "code", "length": 3}
        if draw(st.booleans()):
            holder["optional"] = True
        # Before or behind the money: its place must not matter.
        if draw(st.booleans()):
            return {_CURRENCY_FIELD: holder, **fields}
        fields[_CURRENCY_FIELD] = holder
    return fields


def _draw_currency(draw: st.DrawFn, field: Tree) -> None:
    form = draw(st.sampled_from(["none", "fixed", "field"]))
    if form == "fixed":
        field["currency"] = draw(st.sampled_from(CURRENCIES))
    elif form == "field":
        field["currency"] = {"field": _CURRENCY_FIELD}


def _draw_tolerance(draw: st.DrawFn, field: Tree, reporting: list[str]) -> Tree:
    tolerance: Tree = {}
    kinds = draw(st.sampled_from([("absolute",), ("percent",), ("absolute", "percent")]))
    if "absolute" in kinds:
        tolerance["absolute"] = _draw_amount(draw, field)
    if "percent" in kinds:
        tolerance["percent"] = draw(st.sampled_from(PERCENTAGES))
        if draw(st.booleans()):
            tolerance["of"] = draw(st.sampled_from(reporting))
    if draw(st.booleans()):
        tolerance["within"] = draw(st.sampled_from(["any", "all"]))
    return tolerance


def _draw_amount(draw: st.DrawFn, field: Tree) -> str:
    """Draw 0 to 10 units of the last decimal, now and then a limit that nothing exceeds."""
    scale = field.get("scale", 0)
    assert isinstance(scale, int)
    units = draw(st.one_of(st.integers(0, 10), st.sampled_from([1_000, (1 << 62) - 1])))
    digits = str(units).rjust(scale + 1, "0")
    return f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits


def _draw_benchmark(draw: st.DrawFn, roles: list[str], fields: dict[str, Tree]) -> Tree:
    benchmark: Tree = {}
    default = draw(st.sampled_from([None, "majority", "decision", *roles]))
    if default is not None:
        benchmark["default"] = default
    for name, field in fields.items():
        reporting = field.get("roles", roles)
        assert isinstance(reporting, list)
        needed = default in roles and default not in reporting and field.get("compare") is not False
        if needed or draw(st.integers(0, 2)) == 0:
            benchmark[name] = draw(st.sampled_from(["majority", "decision", *reporting]))
    return benchmark


def _draw_adjustment(draw: st.DrawFn, fields: dict[str, Tree]) -> Tree:
    adjustment: Tree = {"mode": draw(st.sampled_from(["compensate", "replace", "notify"]))}
    limits: Tree = {}
    for name, field in fields.items():
        if field["type"] not in (*SCALED, "integer") or not draw(st.booleans()):
            continue
        if isinstance(field.get("currency"), dict):
            codes = draw(st.lists(st.sampled_from(CURRENCIES), min_size=1, unique=True))
            limits[name] = {code: _draw_amount(draw, field) for code in codes}
        elif "currency" in field and draw(st.booleans()):
            limits[name] = {str(field["currency"]): _draw_amount(draw, field)}
        else:
            limits[name] = _draw_amount(draw, field)
    if limits:
        adjustment["automatic_up_to"] = limits
    return adjustment


def _draw_some(draw: st.DrawFn, roles: list[str]) -> list[str]:
    return draw(st.lists(st.sampled_from(roles), min_size=1, unique=True))


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
