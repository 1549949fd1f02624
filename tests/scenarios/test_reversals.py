"""Reversals: R-REVERSE-1 to R-REVERSE-3."""

from tests.scenarios.agreements import pair, trio
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.testing.workbench import newest_genesis


def test_what_matched_is_reversed_when_all_of_its_parties_agree(rules: RuleBook) -> None:
    """R-REVERSE-1 to R-REVERSE-3, R-STATUS-1: it stands for nothing, and nobody is missing."""
    play(
        rules,
        """
        block
            seller T1 r1 100.00
            registrar T1 r1 100.00
            bank T1 r1 100.00
        cutoff
        reverse T1 by north/2: it was sent twice
        told
            motion_moved T1 north/2
        agree T1 by south
        expect T1 matched
        agree T1 by east
        told
            motion_voted T1 east/2 for
            motion_carried T1
            transaction_withdrawn T1
        expect T1 withdrawn
        seller T1 r2 withdrawn
        bank T1 r2 withdrawn
        wait 1d
        cutoff
        breaks
            none
        expect T1 withdrawn
        """,
        trio('[deadlines]\nbank = "1h"\n'),
        genesis=newest_genesis(),
    )


def test_one_party_against_it_keeps_a_transaction(rules: RuleBook) -> None:
    """R-REVERSE-2."""
    play(
        rules,
        """
        seller T1 r1 100.00
        reverse T1 by north -> not_applicable       # the bank has not spoken
        bank T1 r1 100.00
        reverse T1 by harbour -> not_entitled
        reverse T1 within 0s by north -> not_applicable
        reverse T1 by north
        reverse T1 by south -> motion_open
        disagree T1 by south
        told
            motion_voted T1 south/2 against
            motion_refused T1
        expect T1 matched
        reverse T1 within 1h by south
        bank T1 r2 100.01
        agree T1 by north -> not_applicable         # it does not tie out any more
        bank T1 r3 100.00
        agree T1 by north
        expect T1 withdrawn
        reverse T1 by north -> not_applicable
        """,
        pair(),
        genesis=newest_genesis(),
    )


def test_a_dispute_is_settled_by_a_reversal(rules: RuleBook) -> None:
    """R-REVERSE-1, R-REVERSE-2, R-DISPUTE-3."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.00
        dispute T1 bank: we know of no such order
        reverse T1 by south
        agree T1 by north
        told
            motion_voted T1 north/2 for
            motion_carried T1
            dispute_settled bank T1
            break_closed disputed bank T1
            transaction_withdrawn T1
            alarm_cleared T1 1
        """,
        pair(),
        genesis=newest_genesis(),
    )


def test_who_states_something_else_afterwards_is_told(rules: RuleBook) -> None:
    """R-REVERSE-3, R-CHANGE-1: nothing is compared, but a change is a break until withdrawn."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.00
        reverse T1 by north
        agree T1 by south
        seller T1 r2 100.00                 # the same again
        expect T1 withdrawn
        bank T1 r2 withdrawn
        bank T1 r3 80.00
        breaks
            T1 changed_after_match bank
        expect T1 broken raised
        seller T1 r3 withdrawn
        breaks
            T1 changed_after_match bank
        bank T1 r4 withdrawn
        expect T1 withdrawn
        breaks
            none
        """,
        pair(),
        genesis=newest_genesis(),
    )
