"""Decisions by vote: R-DECIDE-1 to R-DECIDE-4."""

from tests.scenarios.agreements import pair, trio
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.testing.workbench import newest_genesis

TWO = "[decision]\nvotes = 2\n"
MAJORITY = '[decision]\nvotes = "majority"\n'
ADJUSTED = """
[adjustment]
mode = "compensate"
automatic_up_to = { amount = "1.00" }
"""


def test_two_of_three_decide_and_the_third_adjusts(rules: RuleBook) -> None:
    """R-DECIDE-1 to R-DECIDE-3, R-ADJ-1: the agreed value has the basis `decision`."""
    play(
        rules,
        """
        seller T1 r1 100.00
        registrar T1 r1 101.00
        bank T1 r1 150.00
        breaks
            T1 mismatch amount seller 100.00 undecided
            T1 mismatch amount registrar 101.00 undecided
            T1 mismatch amount bank 150.00 undecided
        decide T1 amount 101.00 by north/2: as the order has it
        told
            motion_moved amount T1 north/2
        agree T1 by east/3
        told
            motion_voted amount T1 east/3 for
            motion_carried amount T1
            break_closed mismatch amount registrar T1 undecided
            benchmark_changed amount T1 decided
            adjustment_proposed seller T1
            adjustment_approved seller T1 at_once
            adjustment_proposed bank T1
        breaks
            T1 mismatch amount seller 100.00 against 101.00 decision -1.00
            T1 mismatch amount bank 150.00 against 101.00 decision +49.00
        seller T1 r2 101.00
        bank T1 r2 101.00
        expect T1 matched
        registrar T1 r2 100.00      # what was decided stands
        breaks
            T1 changed_after_match registrar
            T1 mismatch amount registrar 100.00 against 101.00 decision -1.00
        """,
        trio(TWO + ADJUSTED),
        genesis=newest_genesis(),
    )


def test_what_keeps_a_motion_from_being_moved(rules: RuleBook) -> None:
    """R-DECIDE-1, R-DECIDE-2, R-OP-2."""
    play(
        rules,
        """
        decide T1 amount 100.00 by north -> unknown_transaction
        block
            seller T1 r1 100.00
            registrar T1 r1 101.00
        decide T1 amount 100.00 by east -> not_entitled     # it has not spoken yet
        decide T1 amount 100.00 by north -> not_applicable  # the bank may give a majority
        bank T1 r1 102.00
        decide T1 amount 100.00 by harbour -> not_entitled
        decide T1 amount 100.00 within 0s by north -> not_applicable
        decide T1 amount 100.00 within 367d by north -> not_applicable
        decide T1 amount 9999999999999999.99 by north
        decide T1 amount 100.00 by south -> motion_open
        agree T1 by harbour -> not_entitled
        agree T1 by north -> no_effect
        agree T2 by north -> unknown_transaction
        disagree T1 by south
        disagree T1 by east
        told
            motion_voted amount T1 east/2 against
            motion_refused amount T1
        agree T1 by south -> unknown_motion
        decide T1 amount 100.00 by south
        """,
        trio(TWO),
        genesis=newest_genesis(),
    )


def test_without_the_table_nobody_decides(rules: RuleBook) -> None:
    """R-DECIDE-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 101.00
        decide T1 amount 100.00 by north -> not_applicable
        """,
        pair(),
        genesis=newest_genesis(),
    )


def test_a_dispute_is_settled_by_a_decision_even_against_the_authority(rules: RuleBook) -> None:
    """R-DECIDE-1, R-DECIDE-3, R-DISPUTE-3, R-BENCH-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.00
        decide T1 amount 90.00 by south -> not_applicable
        dispute T1 bank: ninety were agreed on
        decide T1 amount 90.00 by south/2
        agree T1 by north
        told
            motion_voted amount T1 north/2 for
            motion_carried amount T1
            dispute_settled bank T1
            break_closed disputed bank T1
            break_opened mismatch amount seller T1 decided
            break_opened mismatch amount bank T1 decided
            adjustment_proposed seller T1
            adjustment_proposed bank T1
        adjustments
            T1 seller proposed amount 90.00
            T1 bank proposed amount 90.00
        """,
        pair(MAJORITY + ADJUSTED + '[benchmark]\namount = "seller"\n'),
        genesis=newest_genesis(),
    )


def test_a_decision_stands_until_a_later_one(rules: RuleBook) -> None:
    """R-DECIDE-3, R-FREEZE-1: also against what an adjustment has frozen."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.50
        adjustments
            T1 bank approved amount 100.00
        dispute T1 bank: it was another price
        decide T1 amount 100.50 by south
        agree T1 by north
        adjustments
            T1 bank approved amount 100.00
            T1 seller approved amount 100.50
        seller T1 r2 100.50
        expect T1 matched
        dispute T1 seller: it was not
        decide T1 amount 100.00 by north
        agree T1 by south
        breaks
            T1 mismatch amount seller 100.50 against 100.00 decision +0.50
            T1 mismatch amount bank 100.50 against 100.00 decision +0.50
        """,
        pair(MAJORITY + ADJUSTED + '[benchmark]\namount = "seller"\n'),
        genesis=newest_genesis(),
    )


def test_a_motion_expires_at_the_beginning_of_a_later_block(rules: RuleBook) -> None:
    """R-DECIDE-4."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 101.00
        decide T1 amount 100.00 within 30s by north
        wait 30s
        wait 1us
        told
            motion_expired amount T1
        agree T1 by south -> unknown_motion
        decide T1 amount 100.00 by south
        """,
        pair(TWO),
        genesis=newest_genesis(),
    )
