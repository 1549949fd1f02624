"""What an author wrote is what the rules get."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given

from tieout.agreement.model import AdjustmentMode, Agreement, Field, Policy
from tieout.agreement.parse import parse_agreement
from tieout.testing.agreements import agreement_trees, to_toml
from tieout.units.durations import parse_duration
from tieout.wire.rows import PREFIX_BYTES, ColumnKind

SMALLEST = """
name = "a"
version = 1
roles = ["x", "y"]
[fields.n]
type = "integer"
"""


def names_of(agreement: Agreement, places: tuple[int, ...]) -> list[str]:
    return [agreement.roles[place] for place in places]


def described(agreement: Agreement, field: Field) -> dict[str, Any]:
    """The field in the words of the file, every default spelt out."""
    tolerance = field.tolerance
    return {
        "type": field.type,
        "scale": field.scale,
        "length": field.length,
        "roles": names_of(agreement, field.roles),
        "optional": field.optional,
        "compare": field.compare,
        "drift_days": (field.drift_before, field.drift_after),
        "currency": field.currency,
        "currency_field": None
        if field.currency_field is None
        else agreement.fields[field.currency_field].name,
        "tolerance": None
        if tolerance is None
        else {
            "absolute": None
            if tolerance.absolute is None
            else Fraction(tolerance.absolute, 10**field.scale),
            "percent": None
            if tolerance.percent_units is None
            else Fraction(tolerance.percent_units, 10**tolerance.percent_scale),
            "of": None if tolerance.of is None else agreement.roles[tolerance.of],
            "within": "all" if tolerance.within_all else "any",
        },
        "limits": {currency: Fraction(limit, 10**field.scale) for currency, limit in field.limits},
    }


def expected(tree: dict[str, Any], name: str) -> dict[str, Any]:
    """The same, straight from the tables of the file."""
    field, roles = tree["fields"][name], tree["roles"]
    currency, tolerance = field.get("currency"), field.get("tolerance")
    limit = tree.get("adjustment", {}).get("automatic_up_to", {}).get(name, {})
    if isinstance(limit, str):
        limit = {currency or "": limit}
    reporting = field.get("roles", roles)
    return {
        "type": field["type"],
        "scale": field.get("scale", 0),
        "length": field.get("length", 0),
        "roles": [role for role in roles if role in reporting],
        "optional": field.get("optional", False),
        "compare": field.get("compare", True),
        "drift_days": (field.get("drift_days", 0),) * 2,
        "currency": currency if isinstance(currency, str) else None,
        "currency_field": currency["field"] if isinstance(currency, dict) else None,
        "tolerance": None
        if tolerance is None
        else {
            "absolute": Fraction(tolerance["absolute"]) if "absolute" in tolerance else None,
            "percent": Fraction(tolerance["percent"]) if "percent" in tolerance else None,
            "of": tolerance.get("of"),
            "within": tolerance.get("within", "any"),
        },
        "limits": {code: Fraction(text) for code, text in limit.items()},
    }


@given(agreement_trees())
def test_fields_are_what_the_file_says(tree: dict[str, Any]) -> None:
    agreement = parse_agreement(to_toml(tree))
    assert {field.name: described(agreement, field) for field in agreement.fields} == {
        name: expected(tree, name) for name in tree["fields"]
    }


@given(agreement_trees())
def test_the_whole_is_what_the_file_says(tree: dict[str, Any]) -> None:
    agreement = parse_agreement(to_toml(tree))
    deadlines, openers = tree.get("deadlines", {}), tree.get("opened_by", [])
    assert (agreement.name, agreement.version) == (tree["name"], tree["version"])
    assert list(agreement.roles) == tree["roles"]
    assert names_of(agreement, agreement.opened_by) == [r for r in tree["roles"] if r in openers]
    assert [field.name for field in agreement.fields] == list(tree["fields"])
    assert agreement.deadlines_us == tuple(
        parse_duration(deadlines[role]) if role in deadlines else None for role in tree["roles"]
    )
    assert agreement.mode == tree.get("adjustment", {}).get("mode", "notify")
    assert agreement.quorum == tree.get("alarm", {}).get("quorum", 1)
    closed = tree.get("retention", {}).get("closed", "400d")
    assert agreement.retention_us == parse_duration(closed)


@given(agreement_trees())
def test_benchmarks_are_what_the_file_says(tree: dict[str, Any]) -> None:
    """R-BENCH-4: majority where nothing is said."""
    agreement = parse_agreement(to_toml(tree))
    stated = tree.get("benchmark", {})
    for field in agreement.fields:
        basis = stated.get(field.name, stated.get("default", "majority"))
        if basis in agreement.roles and agreement.roles.index(basis) not in field.roles:
            assert not field.compare
            basis = "majority"
        told = {Policy.MAJORITY: "majority", Policy.DECISION: "decision"}.get(field.policy)
        if field.authority is not None:
            assert field.policy is Policy.AUTHORITY
            told = agreement.roles[field.authority]
        assert told == basis


@given(agreement_trees())
def test_a_row_holds_the_fields_one_after_the_other(tree: dict[str, Any]) -> None:
    agreement = parse_agreement(to_toml(tree))
    offset = PREFIX_BYTES
    for field, column in zip(agreement.fields, agreement.layout.columns, strict=True):
        assert (column.name, column.offset) == (field.name, offset)
        width = {"date": 4}.get(field.type, 8)
        offset += field.length if column.kind in (ColumnKind.CODE, ColumnKind.TEXT) else width
    assert agreement.layout.row_bytes == offset


def test_the_smallest_agreement_has_every_default() -> None:
    agreement = parse_agreement(SMALLEST)
    assert agreement.mode is AdjustmentMode.NOTIFY
    assert agreement.quorum == 1
    assert agreement.retention_us == parse_duration("400d")
    assert agreement.opened_by == ()
    assert agreement.deadlines_us == (None, None)
    assert agreement.fields[0].policy is Policy.MAJORITY


def test_a_byte_order_mark_is_no_part_of_the_file() -> None:
    assert parse_agreement("\ufeff" + SMALLEST) == parse_agreement(SMALLEST)


@pytest.mark.parametrize(
    ("limit", "limits"),
    [('"5.00"', (("CNY", 500),)), ('{ CNY = "5" }', (("CNY", 500),))],
)
def test_a_limit_of_money_in_a_fixed_currency_has_either_form(
    limit: str, limits: tuple[tuple[str, int], ...]
) -> None:
    agreement = parse_agreement(
        SMALLEST
        + f"""
        [fields.fee]
        type = "money"
        scale = 2
        currency = "CNY"
        [adjustment]
        mode = "replace"
        automatic_up_to = {{ fee = {limit} }}
        """
    )
    assert agreement.fields[1].limits == limits
