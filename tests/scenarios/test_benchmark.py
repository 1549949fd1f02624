"""Benchmarks: R-BENCH-1 to R-BENCH-4."""

from tests.scenarios.agreements import trio
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play

BY_BANK = '[benchmark]\namount = "bank"\n'
BY_SELLER = '[benchmark]\namount = "seller"\n'
OPTIONAL = "optional = true\n"


def test_the_authority_decides_as_soon_as_it_states_a_value(rules: RuleBook) -> None:
    """R-BENCH-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        registrar T1 r1 100.00
        bank T1 r1 100.05
        told
            break_opened mismatch amount seller T1 decided
            break_opened mismatch amount registrar T1 decided
            transaction_broken T1
            alarm_raised T1 1
            adjustment_proposed seller T1
            adjustment_proposed registrar T1
        breaks
            T1 mismatch amount seller 100.00 against 100.05 bank -0.05
            T1 mismatch amount registrar 100.00 against 100.05 bank -0.05
        """,
        trio(BY_BANK),
    )


def test_an_authority_is_awaited_until_it_is_heard_and_never_guessed(rules: RuleBook) -> None:
    """R-BENCH-1, R-FINAL-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        registrar T1 r1 100.01
        breaks
            T1 mismatch amount seller 100.00 awaiting
            T1 mismatch amount registrar 100.01 awaiting
        cutoff
        told
            break_opened missing bank T1
            benchmark_changed amount T1 undecided
            cutoff_closed 1
        bank T1 r1 100.00
        told
            break_closed missing bank T1
            break_closed mismatch amount seller T1 undecided
            benchmark_changed amount T1 decided
            adjustment_proposed registrar T1
        """,
        trio(BY_BANK),
    )


def test_an_authority_that_leaves_the_field_blank_is_undecided(rules: RuleBook) -> None:
    """R-BENCH-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        registrar T1 r1 100.01
        bank T1 r1 -
        breaks
            T1 mismatch amount seller 100.00 undecided
            T1 mismatch amount registrar 100.01 undecided
        """,
        trio(BY_BANK, OPTIONAL),
    )


def test_a_majority_that_nobody_could_take_away_decides_early(rules: RuleBook) -> None:
    """R-BENCH-2, R-BENCH-4."""
    four = trio().replace('"bank"]', '"bank", "custodian"]')
    play(
        rules,
        """
        seller T1 r1 100.00
        registrar T1 r1 100.05
        told
            break_opened mismatch amount seller T1 awaiting
            break_opened mismatch amount registrar T1 awaiting
            transaction_broken T1
            alarm_raised T1 1
        bank T1 r1 100.00
        breaks
            T1 mismatch amount seller 100.00 awaiting
            T1 mismatch amount registrar 100.05 awaiting
            T1 mismatch amount bank 100.00 awaiting
        custodian T1 r1 100.00
        breaks
            T1 mismatch amount registrar 100.05 against 100.00 majority +0.05
        registrar T2 r1 100.05
        seller T2 r1 100.00
        bank T2 r1 100.05
        custodian T2 r1 100.00
        breaks
            T1 mismatch amount registrar 100.05 against 100.00 majority +0.05
            T2 mismatch amount seller 100.00 undecided
            T2 mismatch amount registrar 100.05 undecided
            T2 mismatch amount bank 100.05 undecided
            T2 mismatch amount custodian 100.00 undecided
        """,
        four,
    )


def test_silence_that_was_heard_does_not_count_against_a_majority(rules: RuleBook) -> None:
    """R-BENCH-2: three of five are not a majority while two may still speak for the others."""
    five = trio('[deadlines]\ne = "1m"\n').replace('"bank"]', '"bank", "d", "e"]')
    play(
        rules,
        """
        seller T1 r1 1.00
        registrar T1 r1 2.00
        bank T1 r1 1.00
        breaks
            T1 mismatch amount seller 1.00 awaiting
            T1 mismatch amount registrar 2.00 awaiting
            T1 mismatch amount bank 1.00 awaiting
        wait 61s
        breaks
            T1 missing e
            T1 mismatch amount seller 1.00 awaiting
            T1 mismatch amount registrar 2.00 awaiting
            T1 mismatch amount bank 1.00 awaiting
        cutoff
        breaks
            T1 missing d
            T1 missing e
            T1 mismatch amount registrar 2.00 against 1.00 majority +1.00
        """,
        five,
    )


def test_a_majority_states_exactly_the_same_value(rules: RuleBook) -> None:
    """R-BENCH-2: values within tolerance of each other are still different values."""
    play(
        rules,
        """
        seller T1 r1 100.00
        registrar T1 r1 100.01
        bank T1 r1 100.05
        breaks
            T1 mismatch amount seller 100.00 undecided
            T1 mismatch amount registrar 100.01 undecided
            T1 mismatch amount bank 100.05 undecided
        """,
        trio(field='tolerance = { absolute = "0.01" }\n'),
    )


def test_of_two_there_is_no_majority(rules: RuleBook) -> None:
    """R-BENCH-4: a tie is never guessed."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.01
        cutoff
        breaks
            T1 missing registrar
            T1 mismatch amount seller 100.00 undecided
            T1 mismatch amount bank 100.01 undecided
        """,
        trio(),
    )


def test_decision_leaves_it_to_people(rules: RuleBook) -> None:
    """R-BENCH-3."""
    play(
        rules,
        """
        seller T1 r1 100.00
        registrar T1 r1 100.00
        bank T1 r1 100.01
        breaks
            T1 mismatch amount seller 100.00 undecided
            T1 mismatch amount registrar 100.00 undecided
            T1 mismatch amount bank 100.01 undecided
        """,
        trio('[benchmark]\namount = "decision"\n'),
    )


def test_an_authority_that_states_decides_before_the_others_have_spoken(rules: RuleBook) -> None:
    """R-BENCH-1, R-MATCH-2."""
    play(
        rules,
        """
        seller T1 r1 100.00
        registrar T1 r1 100.02
        breaks
            T1 mismatch amount registrar 100.02 against 100.00 seller +0.02
        """,
        trio(BY_SELLER),
    )
