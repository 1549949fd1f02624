"""Tolerance: R-TOL-1 to R-TOL-5, on both sides of every edge."""

import pytest

from tests.scenarios.agreements import trio
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play

LARGEST = 4611686018427387903
"""2^62 − 1, the largest magnitude of a value."""


def ties_out(rules: RuleBook, field: str, seller: str, bank: str, registrar: str = "-") -> bool:
    """Whether seller and bank tie out where nothing decides; the registrar may give the base."""
    agreement = trio('[benchmark]\namount = "decision"\n')
    agreement = agreement.replace('type = "money"\nscale = 2\n', field)
    stage = play(
        rules,
        f"""
        block
            registrar T1 r1 {registrar}
            seller T1 r1 {seller}
            bank T1 r1 {bank}
        """,
        agreement,
    )
    return not any("mismatch amount seller" in row for row in stage.breaks())


def number(tolerance: str) -> str:
    return f'type = "price"\nscale = 2\noptional = true\ntolerance = {{ {tolerance} }}\n'


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ('type = "money"\nscale = 2\noptional = true\n', "100.00"),
        ('type = "integer"\noptional = true\n', str(-LARGEST)),
        ('type = "date"\noptional = true\n', "0001-01-01"),
        ('type = "time"\noptional = true\n', "2026-02-28T23:59:59.999999Z"),
        ('type = "code"\nlength = 12\noptional = true\n', "LU0123456789"),
        ('type = "text"\nlength = 12\noptional = true\n', "Zürich"),
        (number('absolute = "0.00"'), "0.00"),
        (number('percent = "0"'), "0.00"),
    ],
)
def test_equal_values_are_within_every_tolerance(rules: RuleBook, field: str, value: str) -> None:
    """R-TOL-1."""
    assert ties_out(rules, field, value, value)


@pytest.mark.parametrize(
    ("field", "one", "other"),
    [
        ('type = "money"\nscale = 2\noptional = true\n', "100.00", "100.01"),
        ('type = "integer"\noptional = true\n', str(LARGEST), str(LARGEST - 1)),
        ('type = "time"\noptional = true\n', "2026-02-28T00:00Z", "2026-02-28T00:00:00.000001Z"),
        ('type = "code"\nlength = 3\noptional = true\n', "CNY", "cny"),
        ('type = "text"\nlength = 12\noptional = true\n', "Zürich", "Zurich"),
        ('type = "text"\nlength = 12\noptional = true\n', "e\u0301", "\u00e9"),
    ],
)
def test_without_a_tolerance_only_equality_ties_out(
    rules: RuleBook, field: str, one: str, other: str
) -> None:
    """R-TOL-1."""
    assert not ties_out(rules, field, one, other)


@pytest.mark.parametrize(
    ("limit", "one", "other", "within"),
    [
        ("0.01", "100.00", "100.01", True),
        ("0.01", "100.00", "100.02", False),
        ("0.01", "-0.01", "0.00", True),
        ("0.01", "-0.01", "0.01", False),
        ("0.00", "0.00", "0.01", False),
        ("46116860184273879.03", "-46116860184273879.03", "0.00", True),
        ("46116860184273879.03", "-46116860184273879.03", "0.01", False),
        ("46116860184273879.03", "-46116860184273879.03", "46116860184273879.03", False),
    ],
)
def test_absolute(rules: RuleBook, limit: str, one: str, other: str, *, within: bool) -> None:
    """R-TOL-2: the difference of the two largest values does not wrap."""
    assert ties_out(rules, number(f'absolute = "{limit}"'), one, other) is within


@pytest.mark.parametrize(
    ("percent", "one", "other", "within"),
    [
        ("1", "100.00", "99.00", True),  # of the larger: 1.00
        ("1", "100.00", "98.99", False),
        ("1", "-100.00", "-99.00", True),
        ("1", "100.01", "99.00", False),  # allowed is 1.0001, nothing is rounded up to 1.01
        ("33.333333", "3.00", "2.00", False),
        ("33.333334", "3.00", "2.00", True),
        ("100", "100.00", "0.00", True),
        ("100", "100.00", "-0.01", False),
        ("200", "100.00", "-100.00", True),
        ("0", "100.00", "100.01", False),
        ("200", "46116860184273879.03", "-46116860184273879.03", True),
        ("199.999999", "46116860184273879.03", "-46116860184273879.03", False),
        ("1000000", "0.01", "-100.00", True),
    ],
)
def test_percent_of_the_larger(
    rules: RuleBook, percent: str, one: str, other: str, *, within: bool
) -> None:
    """R-TOL-3."""
    assert ties_out(rules, number(f'percent = "{percent}"'), one, other) is within
    assert ties_out(rules, number(f'percent = "{percent}"'), other, one) is within


@pytest.mark.parametrize(
    ("base", "one", "other", "within"),
    [
        ("1000.00", "1.00", "11.00", True),
        ("1000.00", "1.00", "11.01", False),
        ("-1000.00", "1.00", "11.00", True),
        ("0.00", "1.00", "1.00", True),
        ("0.00", "0.00", "0.01", False),  # at a base of zero only equality
        ("-", "100.00", "100.00", True),
        ("-", "100.00", "100.01", False),  # and so where the named role states nothing
    ],
)
def test_percent_of_a_named_role(
    rules: RuleBook, base: str, one: str, other: str, *, within: bool
) -> None:
    """R-TOL-3: the base is the registrar's value, which is one of the pairs in its own right."""
    agreement = """
name = "t"
version = 1
roles = ["seller", "registrar", "bank"]
[fields.amount]
type = "price"
scale = 2
optional = true
tolerance = { percent = "1", of = "registrar" }
[benchmark]
amount = "seller"
"""
    stage = play(
        rules,
        f"""
        registrar T1 r1 {base}
        seller T1 r1 {one}
        bank T1 r1 {other}
        """,
        agreement,
    )
    assert any("mismatch amount bank" in row for row in stage.breaks()) is not within


def test_the_base_is_what_the_named_role_states_now(rules: RuleBook) -> None:
    """R-TOL-3."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 101.00
        breaks
            T1 mismatch amount bank 101.00 against 100.00 seller +1.00
        registrar T1 r1 200.00
        breaks
            T1 mismatch amount registrar 200.00 against 100.00 seller +100.00
        registrar T1 r2 withdrawn
        breaks
            T1 mismatch amount bank 101.00 against 100.00 seller +1.00
        """,
        trio(
            '[benchmark]\namount = "seller"\n',
            'tolerance = { percent = "1", of = "registrar" }\n',
        ),
    )


def test_a_base_in_another_currency_is_none(rules: RuleBook) -> None:
    """R-TOL-3, R-MATCH-4."""
    agreement = """
name = "t"
version = 1
roles = ["seller", "registrar", "bank"]
[fields.amount]
type = "money"
scale = 2
currency = { field = "currency" }
tolerance = { percent = "1", of = "registrar" }
[fields.currency]
type = "code"
length = 3
compare = false
[benchmark]
amount = "seller"
"""
    play(
        rules,
        """
        seller T1 r1 100.00 CNY
        bank T1 r1 101.00 CNY
        registrar T1 r1 100.00 USD
        breaks
            T1 mismatch amount registrar 100.00 against 100.00 seller
            T1 mismatch amount bank 101.00 against 100.00 seller +1.00
        registrar T1 r2 100.00 CNY
        expect T1 matched
        """,
        agreement,
    )


BOTH = 'absolute = "0.10", percent = "1"'


@pytest.mark.parametrize(
    ("tolerance", "one", "other", "within"),
    [
        (BOTH, "1.00", "1.10", True),  # absolute alone
        (BOTH, "100.00", "101.00", True),  # percent alone
        (BOTH, "100.00", "102.00", False),  # neither
        (f'{BOTH}, within = "any"', "1.00", "1.10", True),
        (f'{BOTH}, within = "all"', "1.00", "1.10", False),
        (f'{BOTH}, within = "all"', "100.00", "101.00", False),
        (f'{BOTH}, within = "all"', "10.00", "10.10", True),
        (f'{BOTH}, within = "all"', "10.00", "10.11", False),
    ],
)
def test_any_or_all(rules: RuleBook, tolerance: str, one: str, other: str, *, within: bool) -> None:
    """R-TOL-4."""
    assert ties_out(rules, number(tolerance), one, other) is within


@pytest.mark.parametrize(
    ("drift", "one", "other", "within"),
    [
        (0, "2026-02-28", "2026-03-01", False),
        (1, "2026-02-28", "2026-03-01", True),
        (1, "2024-02-28", "2024-03-01", False),
        (3652058, "0001-01-01", "9999-12-31", True),
        (3652057, "0001-01-01", "9999-12-31", False),
    ],
)
def test_days_of_drift(rules: RuleBook, drift: int, one: str, other: str, *, within: bool) -> None:
    """R-TOL-5."""
    field = f'type = "date"\noptional = true\ndrift_days = {drift}\n'
    assert ties_out(rules, field, one, other) is within


def test_differences_are_in_the_unit_of_the_field(rules: RuleBook) -> None:
    """R-MATCH-2, R-TOL-5."""
    play(
        rules,
        """
        seller T1 r1 2026-02-28 2026-02-28T00:00Z 7 abc
        bank T1 r1 2026-02-26 2026-02-28T00:01:30.5Z -7 abd
        breaks
            T1 mismatch day bank 2026-02-26 against 2026-02-28 seller -2
            T1 mismatch at bank 2026-02-28T00:01:30.500000Z against 2026-02-28T00:00:00Z seller +90.5
            T1 mismatch count bank -7 against 7 seller -14
            T1 mismatch name bank abd against abc seller
        """,  # noqa: E501
        """
name = "t"
version = 1
roles = ["seller", "bank"]
[fields.day]
type = "date"
drift_days = 1
[fields.at]
type = "time"
[fields.count]
type = "integer"
[fields.name]
type = "code"
length = 3
[benchmark]
default = "seller"
""",
    )
