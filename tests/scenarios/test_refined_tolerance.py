"""Tolerance in full: R-TOL-6 to R-TOL-11, R-ROUND-1, on both sides of every edge."""

import pytest

from tests.scenarios.agreements import trio
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.testing.workbench import governed_genesis, refined_genesis


def ties_out(rules: RuleBook, field: str, seller: str, bank: str) -> bool:
    """Whether the bank's value ties out with the seller's, which is the benchmark."""
    agreement = f"""
name = "pair"
version = 1
roles = ["seller", "bank"]
[fields.value]
{field}
[benchmark]
value = "seller"
"""
    script = f"""
        seller T1 r1 {seller}
        bank T1 r1 {bank}
        """
    stage = play(rules, script, agreement, genesis=refined_genesis())
    return stage.breaks() == []


@pytest.mark.parametrize(
    ("base", "seller", "bank", "within"),
    [
        ("larger", "100.00", "99.00", True),
        ("larger", "100.00", "98.99", False),
        ("smaller", "100.00", "101.00", True),
        ("smaller", "101.00", "99.99", False),  # 1.01 is more than 1% of 99.99
        ("smaller", "0.00", "0.01", False),
        ("average", "100.00", "101.00", True),
        ("average", "99.50", "100.50", True),  # exactly 1% of 100.00
        ("average", "99.49", "100.49", False),
        ("average", "-99.50", "-100.50", True),
    ],
)
def test_percent_of_the_larger_the_smaller_or_the_average(
    rules: RuleBook, base: str, seller: str, bank: str, *, within: bool
) -> None:
    """R-TOL-6."""
    field = f'type = "price"\nscale = 2\ntolerance = {{ percent = "1", base = "{base}" }}'
    assert ties_out(rules, field, seller, bank) is within
    assert ties_out(rules, field, bank, seller) is within


def test_the_average_of_the_largest_values_does_not_wrap(rules: RuleBook) -> None:
    """R-TOL-6."""
    largest = str((1 << 62) - 1)
    tolerance = 'tolerance = {{ percent = "{}", base = "average" }}'
    within, outside = (
        'type = "integer"\n' + tolerance.format(percent) for percent in ("200", "199.999999")
    )
    assert ties_out(rules, within, largest, f"-{largest}")
    assert not ties_out(rules, outside, largest, f"-{largest}")


ROUNDED = {
    # stated:      0.005   0.015  −0.005  −0.015   0.006  −0.006   0.004
    "half_even": ("0.00", "0.02", "0.00", "-0.02", "0.01", "-0.01", "0.00"),
    "half_up": ("0.01", "0.02", "-0.01", "-0.02", "0.01", "-0.01", "0.00"),
    "floor": ("0.00", "0.01", "-0.01", "-0.02", "0.00", "-0.01", "0.00"),
    "ceiling": ("0.01", "0.02", "0.00", "-0.01", "0.01", "0.00", "0.01"),
    "truncate": ("0.00", "0.01", "0.00", "-0.01", "0.00", "0.00", "0.00"),
}
STATED = ("0.005", "0.015", "-0.005", "-0.015", "0.006", "-0.006", "0.004")


@pytest.mark.parametrize("mode", ROUNDED)
def test_values_are_rounded_before_they_are_compared(rules: RuleBook, mode: str) -> None:
    """R-TOL-7, R-ROUND-1."""
    field = f'type = "price"\nscale = 3\nrounded = {{ decimals = 2, mode = "{mode}" }}'
    for stated, rounded in zip(STATED, ROUNDED[mode], strict=True):
        assert ties_out(rules, field, f"{rounded}0", stated)
        cent_off = f"{float(rounded) + 0.01:.2f}0"
        assert not ties_out(rules, field, cent_off, stated)


@pytest.mark.parametrize(
    ("seller", "bank", "within"),
    [
        ("1.004", "1.015", True),  # 1.00 and 1.02
        ("1.004", "1.025", True),  # 1.00 and 1.02
        ("1.004", "1.026", False),  # 1.00 and 1.03
        ("1.005", "0.985", True),  # 1.00 and 0.98
        ("1.005", "0.975", True),  # 1.00 and 0.98
        ("1.005", "0.974", False),  # 1.00 and 0.97
    ],
)
def test_the_tolerance_is_one_of_rounded_values(
    rules: RuleBook, seller: str, bank: str, *, within: bool
) -> None:
    """R-TOL-7, R-TOL-2."""
    field = (
        'type = "price"\nscale = 3\nrounded = { decimals = 2, mode = "half_even" }\n'
        'tolerance = { absolute = "0.029" }'
    )
    assert ties_out(rules, field, seller, bank) is within


def test_rounding_changes_the_comparison_and_never_the_data(rules: RuleBook) -> None:
    """R-TOL-7: breaks, differences and corrections are of what was stated."""
    play(
        rules,
        """
        seller T1 r1 10.0049
        bank T1 r1 10.0151
        breaks
            T1 mismatch value bank 10.0151 against 10.0049 seller +0.0102
        adjustments
            T1 bank approved value 10.0049
        posted T1 bank
        bank T1 r2 9.9950
        expect T1 matched
        """,
        """
name = "pair"
version = 1
roles = ["seller", "bank"]
[fields.value]
type = "price"
scale = 4
rounded = { decimals = 2, mode = "half_even" }
[benchmark]
value = "seller"
[adjustment]
mode = "replace"
automatic_up_to = { value = "1.0000" }
""",
        genesis=refined_genesis(),
    )


@pytest.mark.parametrize(
    ("bank", "within"),
    [
        ("2026-03-01", False),
        ("2026-03-02", True),
        ("2026-03-03", True),
        ("2026-03-05", True),
        ("2026-03-06", False),
    ],
)
def test_dates_may_lie_further_to_one_side(rules: RuleBook, bank: str, *, within: bool) -> None:
    """R-TOL-8: a day before the seller's, two days after."""
    field = 'type = "date"\ndrift_days = { before = 1, after = 2 }'
    assert ties_out(rules, field, "2026-03-03", bank) is within


def test_while_no_date_stands_one_of_a_pair_must_fit_the_other(rules: RuleBook) -> None:
    """R-TOL-8, R-MATCH-3: the registrar, when it speaks, says which way it was."""
    play(
        rules,
        """
        seller T1 r1 2026-03-03
        bank T1 r1 2026-03-05
        expect T1 pending
        registrar T1 r1 2026-03-05
        breaks
            T1 mismatch day seller 2026-03-03 against 2026-03-05 registrar -2
        registrar T1 r2 2026-03-03
        expect T1 matched
        bank T1 r2 2026-03-06
        breaks
            T1 changed_after_match bank
            T1 mismatch day bank 2026-03-06 against 2026-03-03 registrar +3
        """,
        """
name = "trio"
version = 1
roles = ["seller", "registrar", "bank"]
[fields.day]
type = "date"
drift_days = { after = 2 }
[benchmark]
day = "registrar"
""",
        genesis=refined_genesis(),
    )


ALL_IGNORED = 'ignore = ["case", "punctuation", "leading_zeros"]'


@pytest.mark.parametrize(
    ("rule", "seller", "bank", "within"),
    [
        ('ignore = ["case"]', "cny", "CNY", True),
        ('ignore = ["case"]', "C-Y", "CY", False),
        ('ignore = ["case"]', "[", "{", False),  # 32 apart, and no letters
        ('ignore = ["punctuation"]', "12-34.5", "1/2345", True),
        ('ignore = ["punctuation"]', "12-34", "12-34a", False),
        ('ignore = ["punctuation"]', "--", "..", True),
        ('ignore = ["leading_zeros"]', "0012", "12", True),
        ('ignore = ["leading_zeros"]', "0012", "120", False),
        ('ignore = ["leading_zeros"]', "000", "0", True),
        ('ignore = ["leading_zeros"]', "00-1", "0-1", True),
        (ALL_IGNORED, "de-00.1a", "DE001A", True),
        (ALL_IGNORED, "0-0-7b", "7B", True),
        (ALL_IGNORED, "0-0", "0", True),
        (ALL_IGNORED, "0-0", "--", False),
        ('equivalent = [["EUR", "978"]]', "EUR", "978", True),
        ('equivalent = [["EUR", "978"], ["USD", "840"]]', "EUR", "840", False),
        ('equivalent = [["EUR", "978"]]', "EUR", "eur", False),
        ('equivalent = [["EUR", "978", "E"]]', "E", "978", True),
        (f'{ALL_IGNORED}\nequivalent = [["EUR", "978"]]', "0978", "e.u.r", True),
    ],
)
def test_codes_that_count_as_the_same(
    rules: RuleBook, rule: str, seller: str, bank: str, *, within: bool
) -> None:
    """R-TOL-9, R-TOL-10."""
    field = f'type = "code"\nlength = 12\n{rule}'
    assert ties_out(rules, field, seller, bank) is within
    assert ties_out(rules, field, bank, seller) is within


CURRENCIES = """
name = "pair"
version = 1
roles = ["seller", "bank"]
[fields.amount]
type = "money"
scale = 2
currency = { field = "currency" }
[fields.amount.tolerance]
absolute = "0.01"
by = { field = "currency", values = { JPY = { absolute = "1.00" }, EUR = { percent = "1" } } }
[fields.currency]
type = "code"
length = 3
ignore = ["case"]
equivalent = [["EUR", "978"], ["JPY", "392"]]
optional = true
[benchmark]
default = "seller"
[adjustment]
mode = "replace"
automatic_up_to = { amount = { EUR = "100.00" } }
"""


def test_money_in_equivalent_currencies_is_in_one_currency(rules: RuleBook) -> None:
    """R-MATCH-4, R-TOL-10; R-ADJ-3: up to the limit in the benchmark's currency."""
    play(
        rules,
        """
        seller T1 r1 100.00 EUR
        bank T1 r1 102.00 978
        breaks
            T1 mismatch amount bank 102.00 against 100.00 seller +2.00
        adjustments
            T1 bank approved amount 100.00
        bank T1 r2 100.50 eur
        expect T1 matched
        bank T2 r1 100.00 USD
        seller T2 r1 100.00 EUR
        breaks
            T2 mismatch amount bank 100.00 against 100.00 seller
            T2 mismatch currency bank USD against EUR seller
        """,
        CURRENCIES,
        genesis=refined_genesis(),
    )


@pytest.mark.parametrize(
    ("seller", "bank", "within"),
    [
        ("100.00 JPY", "101.00 JPY", True),
        ("100.00 jpy", "101.00 392", True),
        ("100.00 JPY", "101.01 JPY", False),
        ("100.00 EUR", "101.00 978", True),
        ("100.00 EUR", "101.02 978", False),
        ("100.00 CNY", "100.01 CNY", True),  # no tolerance of its own: the field's
        ("100.00 CNY", "100.02 CNY", False),
        ("100.00 -", "100.02 -", False),  # nobody states a currency
    ],
)
def test_a_value_chooses_the_tolerance(
    rules: RuleBook, seller: str, bank: str, *, within: bool
) -> None:
    """R-TOL-11."""
    script = f"""
        seller T1 r1 {seller}
        bank T1 r1 {bank}
        """
    stage = play(rules, script, CURRENCIES, genesis=refined_genesis())
    assert (stage.breaks() == []) is within


def test_whoever_states_the_choosing_field_chooses_for_all(rules: RuleBook) -> None:
    """R-TOL-11: also for values of roles that do not report it, and only while it is agreed on."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.50
        expect T1 pending
        registrar T1 r1 - STRICT
        breaks
            T1 mismatch price seller 100.00 undecided
            T1 mismatch price bank 100.50 undecided
        registrar T1 r2 - LOOSE
        expect T1 matched
        """,
        """
name = "trio"
version = 1
roles = ["seller", "registrar", "bank"]
[fields.price]
type = "price"
scale = 2
optional = true
[fields.price.tolerance]
absolute = "1.00"
by = { field = "terms", values = { STRICT = { absolute = "0.00" } } }
[fields.terms]
type = "code"
length = 6
roles = ["registrar"]
compare = false
[benchmark]
default = "decision"
""",
        genesis=refined_genesis(),
    )


@pytest.mark.parametrize(
    "key",
    [
        'tolerance = { percent = "1", base = "larger" }',
        'rounded = { decimals = 0, mode = "floor" }',
    ],
)
def test_an_earlier_ledger_does_not_know_them(rules: RuleBook, key: str) -> None:
    """R-AGREE-3."""
    for genesis in (None, governed_genesis()):
        play(
            rules,
            "enact v2 by north -> malformed_agreement",
            trio(),
            trio("", f"{key}\n").replace("version = 1", "version = 2"),
            genesis=genesis,
        )
    play(
        rules,
        "enact v2",
        trio(),
        trio("", f"{key}\n").replace("version = 1", "version = 2"),
        genesis=refined_genesis(),
    )
