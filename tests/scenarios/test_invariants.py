"""Invariants: R-INV-1 to R-INV-5."""

import pytest

from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.testing.workbench import refined_genesis

SUBSCRIPTION = """
name = "subscription"
version = 1
roles = ["seller", "registrar", "bank"]
[fields.amount]
type = "money"
scale = 2
currency = "CNY"
[fields.shares]
type = "quantity"
scale = 4
roles = ["seller", "registrar"]
[fields.nav]
type = "price"
scale = 4
roles = ["seller", "registrar"]
[fields.fee]
type = "money"
scale = 2
roles = ["seller", "registrar"]
optional = true
[benchmark]
default = "registrar"
amount = "bank"
[adjustment]
mode = "compensate"
automatic_up_to = { amount = { CNY = "10.00" }, shares = "10.0000" }
[invariants]
"""


def judged(rules: RuleBook, invariants: str, script: str) -> None:
    """Act out a script under an agreement with these invariants."""
    play(rules, script, SUBSCRIPTION + invariants, genesis=refined_genesis())


def test_each_record_must_obey_the_formula(rules: RuleBook) -> None:
    """R-INV-1, R-INV-5: two parties agree, and are wrong; nobody is asked for a correction."""
    judged(
        rules,
        'gross = "amount = round(shares * nav, 2, half_even) + fee"\n',
        """
        seller T1 r1 1003.36 100.0000 10.0235 1.01
        told
            transaction_pending T1
        registrar T1 r1 1003.37 100.0000 10.0235 1.01
        told
            break_opened mismatch amount seller T1 awaiting
            break_opened mismatch amount registrar T1 awaiting
            break_opened invariant gross registrar T1
            transaction_broken T1
            alarm_raised T1 1
        bank T1 r1 1003.37
        breaks
            T1 mismatch amount seller 1003.36 against 1003.37 bank -0.01
            T1 invariant gross registrar
        adjustments
            T1 seller approved amount 1003.37
        posted T1 seller
        seller T1 r2 1003.37 100.0000 10.0235 1.01
        breaks
            T1 invariant gross seller
            T1 invariant gross registrar
        registrar T1 r2 1003.37 100.0000 10.0235 1.02
        seller T1 r3 1003.37 100.0000 10.0235 1.02
        expect T1 matched
        told
            adjustment_verified seller T1
            break_closed mismatch fee seller T1 decided
            break_closed invariant gross seller T1
            transaction_matched T1
            alarm_cleared T1 1
        """,
    )


def test_what_is_not_stated_is_not_judged(rules: RuleBook) -> None:
    """R-INV-1: a blank optional field, a withdrawn record, a role that does not report it."""
    judged(
        rules,
        'gross = "amount = round(shares * nav, 2, half_even) + fee"\n',
        """
        seller T1 r1 5.00 100.0000 10.0000 -
        expect T1 pending
        seller T1 r2 5.00 100.0000 10.0000 1.00
        breaks
            T1 invariant gross seller
        seller T1 r3 withdrawn
        breaks
            none
        bank T2 r1 5.00
        expect T2 pending
        """,
    )


def test_across_roles_everybody_named_is_concerned(rules: RuleBook) -> None:
    """R-INV-2."""
    judged(
        rules,
        'kept = "registrar.shares >= seller.shares + 1"\n',
        """
        seller T1 r1 10.00 5.0000 2.0000 0.00
        expect T1 pending
        bank T1 r1 10.00
        registrar T1 r1 10.00 5.0000 2.0000 0.00
        breaks
            T1 invariant kept seller
            T1 invariant kept registrar
        expect T1 broken raised
        seller T1 r2 withdrawn
        breaks
            none
        """,
    )


def test_a_change_after_the_match_is_judged_too(rules: RuleBook) -> None:
    """R-INV-1, R-CHANGE-1."""
    judged(
        rules,
        'some = "fee < 5"\n',
        """
        seller T1 r1 10.00 5.0000 2.0000 -
        registrar T1 r1 10.00 5.0000 2.0000 4.99
        bank T1 r1 10.00
        expect T1 matched
        registrar T1 r2 10.00 5.0000 2.0000 5.00
        breaks
            T1 changed_after_match registrar
            T1 invariant some registrar
        registrar T1 r3 10.00 5.0000 2.0000 4.00
        expect T1 matched
        """,
    )


LARGEST = str((1 << 62) - 1)


@pytest.mark.parametrize(
    ("says", "a", "b", "holds"),
    [
        ("a = b", "1.50", "1.50", True),
        ("a != b", "1.50", "1.50", False),
        ("a < b", "-1.50", "-1.49", True),
        ("a <= b", "-1.49", "-1.50", False),
        ("a > b", "0.00", "-0.01", True),
        ("a >= b", "0.01", "0.01", True),
        ("a = b + 0.005", "1.50", "1.49", False),
        ("a * b = 2.2350", "1.49", "1.50", True),
        ("a * 2 - b * (2 - 1) = 1.5", "1.49", "1.48", True),
        ("abs(a - b) <= 0.01", "1.49", "1.50", True),
        ("abs(a - b) <= 0.01", "1.48", "1.50", False),
        ("min(a, b) + 1.5 = 0", "-1.50", "1.00", True),
        ("max(a, b) + 1.5 = 0", "-1.50", "-1.51", True),
        # Rounding, on both sides of zero.
        ("round(a, 1, half_even) = b", "0.25", "0.20", True),
        ("round(a, 1, half_even) = b", "0.35", "0.40", True),
        ("round(a, 1, half_even) = b", "-0.25", "-0.20", True),
        ("round(a, 1, half_up) = b", "0.25", "0.30", True),
        ("round(a, 1, half_up) = b", "-0.25", "-0.30", True),
        ("round(a, 1, floor) = b", "-0.21", "-0.30", True),
        ("round(a, 1, ceiling) = b", "-0.29", "-0.20", True),
        ("round(a, 1, ceiling) = b", "0.21", "0.30", True),
        ("round(a, 1, truncate) = b", "-0.29", "-0.20", True),
        ("round(a, 0, floor) = b", "-0.01", "-1.00", True),
        ("round(a, 18, floor) = b", "0.25", "0.25", True),
        ("div(a, b, 2, half_even) = 0.33", "1.00", "3.00", True),
        ("div(a, b, 2, ceiling) = 0.34", "1.00", "3.00", True),
        ("div(a, b, 2, floor) = 0 - 0.34", "1.00", "-3.00", True),
        ("div(a, b, 2, truncate) = 0.33", "-1.00", "-3.00", True),
        ("div(a, b, 0, half_up) = 3", "2.50", "1.00", True),
        ("div(a, b, 0, half_even) = 2", "2.50", "1.00", True),
        # Division by zero never holds, whatever is compared (R-INV-4).
        ("div(a, b, 2, floor) = div(a, b, 2, floor)", "1.00", "0.00", False),
        ("div(a, b, 2, floor) != 0", "1.00", "0.00", False),
        ("0 * div(a, b - b, 2, floor) = 0", "1.00", "1.00", False),
        # Beyond 64 bits.
        ("a * b = b * a", LARGEST[:-2] + ".03", "-" + LARGEST[:-2] + ".03", True),
        ("a * a * b > 0", LARGEST[:-2] + ".03", "-" + LARGEST[:-2] + ".03", False),
        ("div(a * a, b, 2, floor) = a", LARGEST[:-2] + ".03", LARGEST[:-2] + ".03", True),
        ("a * a = b * b + a + b", "46116860184273879.03", "46116860184273878.03", True),
        ("a * a = b * b + a + b + 0.01", "46116860184273879.03", "46116860184273878.03", False),
    ],
)
def test_formulas_are_exact(rules: RuleBook, says: str, a: str, b: str, *, holds: bool) -> None:
    """R-INV-3, R-INV-4, R-ROUND-1."""
    agreement = f"""
name = "pair"
version = 1
roles = ["seller", "bank"]
[fields.a]
type = "quantity"
scale = 2
[fields.b]
type = "quantity"
scale = 2
[invariants]
rule = "{says}"
"""
    stage = play(rules, f"seller T1 r1 {a} {b}", agreement, genesis=refined_genesis())
    assert stage.breaks() == ([] if holds else ["T1 invariant rule seller"])


@pytest.mark.parametrize(("settled", "holds"), [("2026-03-05", True), ("2026-03-06", False)])
def test_a_date_counts_as_its_day(rules: RuleBook, settled: str, *, holds: bool) -> None:
    """R-INV-3."""
    agreement = """
name = "pair"
version = 1
roles = ["seller", "bank"]
[fields.traded]
type = "date"
roles = ["seller"]
[fields.settled]
type = "date"
roles = ["bank"]
[invariants]
in_time = "bank.settled - seller.traded <= 3"
"""
    script = f"""
        seller T1 r1 2026-03-02
        bank T1 r1 {settled}
        """
    stage = play(rules, script, agreement, genesis=refined_genesis())
    assert (stage.breaks() == []) is holds


def test_an_earlier_ledger_does_not_know_invariants(rules: RuleBook) -> None:
    """R-AGREE-3."""
    plain = SUBSCRIPTION.partition("[invariants]")[0]
    play(
        rules,
        "enact v2 by north -> malformed_agreement",
        plain,
        SUBSCRIPTION.replace("version = 1", "version = 2") + 'some = "fee < 5"\n',
    )
