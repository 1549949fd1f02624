"""Disputes: R-DISPUTE-1 to R-DISPUTE-3."""

from tests.scenarios.agreements import pair
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.testing.workbench import newest_genesis, refined_genesis

AUTOMATIC = """
[benchmark]
amount = "seller"
[adjustment]
mode = "compensate"
automatic_up_to = { amount = "5.00" }
"""


def test_a_party_disputes_what_ties_out_and_withdraws_it(rules: RuleBook) -> None:
    """R-DISPUTE-1, R-DISPUTE-3: the dispute is a break of its role, with an alarm."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.00
        expect T1 matched
        dispute T1 bank by south/3: this order was cancelled
        told
            dispute_raised bank T1 south/3
            break_opened disputed bank T1
            transaction_broken T1
            alarm_raised T1 1
        breaks
            T1 disputed bank
        expect T1 broken raised
        undispute T1 bank by south/2
        told
            dispute_withdrawn bank T1 south/2
            break_closed disputed bank T1
            transaction_matched T1
            alarm_cleared T1 1
        expect T1 matched
        """,
        pair(),
        genesis=newest_genesis(),
    )


def test_who_may_dispute(rules: RuleBook) -> None:
    """R-DISPUTE-1, R-DISPUTE-3, R-OP-1, R-OP-2."""
    play(
        rules,
        """
        dispute T1 bank by south -> unknown_transaction
        seller T1 r1 100.00
        dispute T1 bank by north -> not_entitled
        dispute T1 bank by south              # entitled, though it has not spoken yet
        breaks
            T1 disputed bank
        dispute T1 bank by south -> not_applicable
        undispute T1 bank by north -> not_entitled
        undispute T1 seller -> not_applicable
        bank T1 r1 100.00
        breaks
            T1 disputed bank
        dispute T1 seller by north/1          # its verifier
        undispute T1 bank
        breaks
            T1 disputed seller
        wait 1d
        """,
        pair(),
        genesis=newest_genesis(),
    )


def test_an_acknowledged_alarm_is_raised_again_by_a_dispute(rules: RuleBook) -> None:
    """R-DISPUTE-1, R-ALARM-3."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.01
        acknowledge T1 by south
        dispute T1 seller
        told
            dispute_raised seller T1 north/2
            break_opened disputed seller T1
            alarm_raised T1 1
        """,
        pair(),
        genesis=newest_genesis(),
    )


def test_while_disputed_nothing_is_approved_at_once(rules: RuleBook) -> None:
    """R-DISPUTE-2, R-ADJ-3."""
    play(
        rules,
        """
        block
            seller T1 r1 100.00 & T2 r1 100.00
            bank T2 r1 101.00
        adjustments
            T2 bank approved amount 100.00
        dispute T1 seller: another price was agreed
        bank T1 r1 101.00
        adjustments
            T2 bank approved amount 100.00
            T1 bank proposed amount 100.00
        undispute T1 seller
        approve T1 bank by south/2
        approve T1 bank by south/3
        adjustments
            T2 bank approved amount 100.00
            T1 bank approved amount 100.00
        """,
        pair(AUTOMATIC),
        genesis=newest_genesis(),
    )


def test_under_earlier_rules_there_are_no_disputes(rules: RuleBook) -> None:
    """R-ITEM-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        dispute T1 seller -> malformed
        """,
        pair(),
        genesis=refined_genesis(),
    )
