"""Alarms: R-ALARM-1 to R-ALARM-4."""

from tests.scenarios.agreements import pair
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play

THREE = "[alarm]\nquorum = 3\n"


def test_with_a_quorum_of_one_the_alarm_is_raised_at_once(rules: RuleBook) -> None:
    """R-ALARM-1, R-ALARM-4."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.01
        expect T1 broken raised
        bank T1 r2 100.00
        expect T1 matched
        told
            break_closed mismatch amount seller T1 undecided
            break_closed mismatch amount bank T1 undecided
            transaction_matched T1
            alarm_cleared T1 1
        """,
        pair(),
    )


def test_a_quorum_counts_the_rule_and_each_party_once(rules: RuleBook) -> None:
    """R-ALARM-1, R-ALARM-2."""
    play(
        rules,
        """
        seller T1 r1 100.00
        confirm T1 by north -> not_applicable
        bank T1 r1 100.01
        expect T1 broken found
        confirm T1 by north
        told
            alarm_confirmed T1 2 north
        confirm T1 by north -> not_applicable
        expect T1 broken found
        confirm T1 by harbour
        told
            alarm_confirmed T1 3 harbour
            alarm_raised T1 1
        confirm T1 by south
        told
            alarm_confirmed T1 4 south
        expect T1 broken raised
        """,
        pair(THREE),
    )


def test_an_episode_begins_anew(rules: RuleBook) -> None:
    """R-ALARM-1, R-ALARM-2, R-ALARM-4: what was found and never raised is cleared in silence."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.01
        confirm T1 by north
        bank T1 r2 100.00
        told
            break_closed mismatch amount seller T1 undecided
            break_closed mismatch amount bank T1 undecided
            transaction_matched T1
        bank T1 r3 100.01
        expect T1 broken found
        confirm T1 episode 1 by south -> not_applicable
        confirm T1 by south
        told
            alarm_confirmed T1 2 south
        confirm T1 by north
        told
            alarm_confirmed T1 3 north
            alarm_raised T1 2
        """,
        pair(THREE),
    )


def test_a_person_acknowledges_what_is_raised(rules: RuleBook) -> None:
    """R-ALARM-3."""
    play(
        rules,
        """
        seller T1 r1 100.00
        acknowledge T1 by west/2 -> not_applicable
        bank T1 r1 100.01
        acknowledge T1 episode 2 by west/2 -> not_applicable
        acknowledge T1 by west/2
        told
            alarm_acknowledged T1 west/2
        expect T1 broken acknowledged
        acknowledge T1 by west/3 -> not_applicable
        bank T1 r2 100.00
        told
            break_closed mismatch amount seller T1 undecided
            break_closed mismatch amount bank T1 undecided
            transaction_matched T1
            alarm_cleared T1 1
        """,
        pair(),
    )


def test_what_was_only_found_cannot_be_acknowledged(rules: RuleBook) -> None:
    """R-ALARM-3."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.01
        acknowledge T1 by west/2 -> not_applicable
        """,
        pair(THREE),
    )


def test_a_break_that_opens_later_raises_the_alarm_again(rules: RuleBook) -> None:
    """R-ALARM-3."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.01
        acknowledge T1 by north/2
        bank T1 r2 100.02
        expect T1 broken acknowledged
        seller T1 r1 99.00 -> duplicate
        told
            row_not_applied duplicate seller T1
            break_opened duplicate seller T1
            alarm_raised T1 1
        expect T1 broken raised
        """,
        pair(),
    )
