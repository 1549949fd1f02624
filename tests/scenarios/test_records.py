"""Records: R-ROW-2, R-KEY-1, R-PIN-1, R-BIND-1, R-SAME-1 to R-SAME-3, R-CHANGE-1, R-KEEP-1."""

import pytest

from tests.scenarios.agreements import pair, trio
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play


def test_two_records_that_agree_match(rules: RuleBook) -> None:
    """R-KEY-1, R-STATUS-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        told
            transaction_pending T1
        bank T1 r1 100.00
        told
            transaction_matched T1
        expect T1 matched
        breaks
            none
        """,
        pair(),
    )


def test_ids_are_compared_whole(rules: RuleBook) -> None:
    """R-KEY-1."""
    play(
        rules,
        """
        seller 123456789012345678901234567890123456 r1 1.00
        bank 123456789012345678901234567890123457 r1 1.00
        bank 12345678901234567890123456789012345 r1 1.00
        expect 123456789012345678901234567890123456 pending
        expect 123456789012345678901234567890123457 pending
        expect 12345678901234567890123456789012345 pending
        """,
        pair(),
    )


def test_a_withdrawal_that_comes_first_makes_what_it_withdraws_stale(rules: RuleBook) -> None:
    """R-KEY-1, R-SAME-3."""
    play(
        rules,
        """
        seller T1 r2 withdrawn
        told
            transaction_withdrawn T1
        seller T1 r1 100.00 -> stale
        told
            row_not_applied stale seller T1
        expect T1 withdrawn
        """,
        pair(),
    )


def test_the_same_row_again_is_a_repeat(rules: RuleBook) -> None:
    """R-SAME-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        seller T1 r1 100.00 -> repeat
        told
            row_not_applied repeat seller T1
        seller T1 r3 withdrawn
        seller T1 r3 withdrawn -> repeat
        """,
        pair(),
    )


def test_another_row_of_the_same_revision_is_a_duplicate_until_the_next_one(
    rules: RuleBook,
) -> None:
    """R-SAME-2."""
    play(
        rules,
        """
        seller T1 r1 100.00
        seller T1 r1 100.01 -> duplicate
        told
            row_not_applied duplicate seller T1
            break_opened duplicate seller T1
            transaction_broken T1
            alarm_raised T1 1
        bank T1 r1 100.00
        breaks
            T1 duplicate seller
        seller T1 r1 100.02 -> duplicate
        told
            row_not_applied duplicate seller T1
        seller T1 r1 withdrawn -> duplicate
        seller T1 r2 100.00
        told
            break_closed duplicate seller T1
            transaction_matched T1
            alarm_cleared T1 1
        """,
        pair(),
    )


def test_a_lower_revision_is_stale(rules: RuleBook) -> None:
    """R-SAME-3."""
    play(
        rules,
        """
        seller T1 r5 100.00
        seller T1 r4 999.00 -> stale
        bank T1 r1 100.00
        expect T1 matched
        """,
        pair(),
    )


def test_rows_of_a_batch_are_applied_in_order(rules: RuleBook) -> None:
    """R-ROW-2."""
    play(
        rules,
        """
        seller T1 r1 1.00 & T1 r3 3.00 & T1 r2 2.00 & T1 r3 3.00 & T1 r3 4.00 & T2 r1 1.00 -> accepted accepted stale repeat duplicate accepted
        breaks
            T1 duplicate seller
        """,  # noqa: E501
        pair(),
    )


def test_a_role_is_bound_to_the_first_party_that_speaks_for_it(rules: RuleBook) -> None:
    """R-BIND-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank@west T1 r1 100.00
        bank@south T1 r1 100.00 -> unexpected
        told
            row_not_applied unexpected bank T1
            break_opened unexpected bank T1
            transaction_broken T1
            alarm_raised T1 1
        bank@south T1 r2 999.00 -> unexpected
        told
            row_not_applied unexpected bank T1
        breaks
            T1 unexpected bank
        bank@south T1 r1 withdrawn -> unexpected
        told
            row_not_applied unexpected bank T1
            break_closed unexpected bank T1
            transaction_matched T1
            alarm_cleared T1 1
        bank@south T2 r1 100.00
        """,
        pair(),
        holders={"bank": "south west"},
    )


def test_a_third_party_neither_takes_over_nor_takes_back_what_an_intruder_said(
    rules: RuleBook,
) -> None:
    """R-BIND-1."""
    play(
        rules,
        """
        bank@south T1 r1 100.00
        bank@west T1 r1 withdrawn -> unexpected
        told
            row_not_applied unexpected bank T1
        bank@west T1 r1 100.00 -> unexpected
        bank@harbour T1 r1 100.00 -> unexpected
        bank@harbour T1 r2 withdrawn -> unexpected
        breaks
            T1 unexpected bank
        bank@west T1 r9 withdrawn -> unexpected
        breaks
            none
        bank@harbour T1 r3 100.00 -> unexpected
        breaks
            T1 unexpected bank
        """,
        pair(),
        holders={"bank": "south west harbour"},
    )


def test_a_change_after_the_match_is_a_break_until_the_others_follow(rules: RuleBook) -> None:
    """R-CHANGE-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.00
        seller T1 r2 101.00
        told
            break_opened changed_after_match seller T1
            break_opened mismatch amount seller T1 undecided
            break_opened mismatch amount bank T1 undecided
            transaction_broken T1
            alarm_raised T1 1
        bank T1 r2 101.00
        told
            break_closed changed_after_match seller T1
            break_closed mismatch amount seller T1 undecided
            break_closed mismatch amount bank T1 undecided
            transaction_matched T1
            alarm_cleared T1 1
        """,
        pair(),
    )


def test_a_change_within_tolerance_is_told_and_closes_at_once(rules: RuleBook) -> None:
    """R-CHANGE-1, R-KEEP-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.00
        seller T1 r2 100.01
        told
            break_opened changed_after_match seller T1
            break_closed changed_after_match seller T1
        expect T1 matched
        """,
        pair(field='tolerance = { absolute = "0.01" }'),
    )


def test_a_new_revision_that_says_the_same_is_no_change(rules: RuleBook) -> None:
    """R-CHANGE-1."""
    play(
        rules,
        """
        seller T1 r1 100.00 once
        bank T1 r1 100.00 once
        seller T1 r2 100.00 twice
        told
            none
        seller T1 r3 - twice
        told
            break_opened changed_after_match seller T1
            break_opened missing amount seller T1
            transaction_broken T1
            alarm_raised T1 1
        """,
        pair('[fields.remark]\ntype = "text"\nlength = 9\ncompare = false\n'),
    )


def test_a_withdrawal_after_the_match_stays_a_break_until_the_role_states_again(
    rules: RuleBook,
) -> None:
    """R-CHANGE-1, R-STATUS-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.00
        bank T1 r2 withdrawn
        breaks
            T1 changed_after_match bank
        expect T1 broken raised
        bank T1 r3 100.00
        told
            break_closed changed_after_match bank T1
            transaction_matched T1
            alarm_cleared T1 1
        """,
        pair(),
    )


def test_when_everybody_withdraws_nothing_is_left_to_explain(rules: RuleBook) -> None:
    """R-CHANGE-1, R-STATUS-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.00
        bank T1 r2 withdrawn
        seller T1 r2 withdrawn
        told
            break_closed changed_after_match bank T1
            transaction_withdrawn T1
            alarm_cleared T1 1
        breaks
            none
        cutoff
        expect T1 withdrawn
        """,
        pair(),
    )


RETAINED = '[retention]\nclosed = "1h"\n'


def test_a_closed_transaction_is_kept_for_as_long_as_agreed(rules: RuleBook) -> None:
    """R-KEEP-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.00
        cutoff
        wait 1h
        seller T1 r1 100.00 -> repeat
        wait 1us
        seller T1 r1 100.00 -> expired
        told
            row_not_applied expired seller T1
        bank T1 r2 999.00 -> expired
        expect T1 matched
        """,
        pair(RETAINED),
    )


def test_what_is_broken_does_not_expire_and_is_kept_from_when_it_is_mended(
    rules: RuleBook,
) -> None:
    """R-KEEP-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        seller T2 r1 100.00
        cutoff
        wait 2h
        bank T1 r1 100.00
        wait 1h
        bank T1 r2 101.00
        bank T1 r3 100.00
        wait 1h
        bank T1 r4 100.00
        wait 1us
        bank T1 r5 100.00 -> expired
        bank T2 r1 100.00
        """,
        pair(RETAINED),
    )


def test_what_was_never_judged_at_a_cutoff_does_not_expire(rules: RuleBook) -> None:
    """R-KEEP-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.00
        wait 400d
        seller T1 r2 100.00
        """,
        pair(RETAINED),
    )


def version(number: int, more: str = "") -> str:
    return trio(more).replace("version = 1", f"version = {number}")


def test_a_transaction_stays_under_the_version_that_opened_it(rules: RuleBook) -> None:
    """R-PIN-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        enact v2
        seller under v1 T2 r1 100.00 -> wrong_version
        told
            row_not_applied wrong_version seller
        seller T2 r1 100.00
        registrar T1 r1 100.00 -> wrong_version
        registrar under v1 T1 r1 100.00
        bank under v1 T2 r1 100.00 -> wrong_version
        bank under v1 T1 r1 100.00
        expect T1 matched
        expect T2 pending
        """,
        version(1),
        version(2),
    )


@pytest.mark.parametrize("late", ["wrong_version", "expired"])
def test_the_first_reason_is_the_outcome(rules: RuleBook, late: str) -> None:
    """R-ROW-2."""
    step = {
        "wrong_version": "seller@west T1 r1 1.00 -> wrong_version",
        "expired": "seller@west under v1 T1 r1 1.00 -> expired",
    }
    play(
        rules,
        f"""
        seller@north T1 r2 100.00
        registrar T1 r1 100.00
        bank T1 r1 100.00
        cutoff
        enact v2
        wait 2h
        {step[late]}
        """,
        version(1, RETAINED),
        version(2, RETAINED),
        holders={"seller": "north west"},
    )
