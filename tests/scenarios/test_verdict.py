"""The verdict: R-FINAL-1, R-MISS-1 to R-MISS-3, R-OPEN-1, R-MATCH-1 to R-MATCH-4, R-STATUS-1."""

from tests.scenarios.agreements import pair, trio
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play

FUND = """
name = "fund"
version = 1
roles = ["seller", "registrar", "bank"]
[fields.currency]
type = "code"
length = 3
[fields.amount]
type = "money"
scale = 2
currency = { field = "currency" }
tolerance = { absolute = "0.01" }
[fields.shares]
type = "quantity"
scale = 4
roles = ["seller", "registrar"]
[fields.remark]
type = "text"
length = 20
optional = true
compare = false
"""


def test_a_role_that_is_not_heard_may_still_speak(rules: RuleBook) -> None:
    """R-FINAL-1, R-MISS-1, R-STATUS-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.00
        expect T1 pending
        cutoff
        expect T1 broken raised
        breaks
            T1 missing registrar
        registrar T1 r1 100.00
        expect T1 matched
        """,
        trio(),
    )


def test_a_role_whose_deadline_passed_in_silence_is_heard(rules: RuleBook) -> None:
    """R-FINAL-1, R-MISS-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        wait 31s
        breaks
            T1 missing bank
        """,
        trio('[deadlines]\nbank = "30s"\n'),
    )


def test_nobody_is_missing_where_nobody_states(rules: RuleBook) -> None:
    """R-MISS-1, R-STATUS-1."""
    play(
        rules,
        """
        seller T1 r1 withdrawn
        cutoff
        expect T1 withdrawn
        breaks
            none
        bank T1 r1 100.00
        breaks
            T1 missing seller
            T1 missing registrar
        """,
        trio(),
    )


def test_a_blank_is_missing_at_once_unless_it_is_optional(rules: RuleBook) -> None:
    """R-MISS-2, R-MATCH-1."""
    play(
        rules,
        """
        seller T1 r1 CNY - 5.0000 -
        breaks
            T1 missing amount seller
        told
            break_opened missing amount seller T1
            transaction_broken T1
            alarm_raised T1 1
        registrar T1 r1 CNY 100.00 5.0000 paid
        bank T1 r1 CNY 100.00 unpaid
        breaks
            T1 missing amount seller
        seller T1 r2 CNY 100.00 5.0000 -
        expect T1 matched
        """,
        FUND,
    )


def test_what_is_missing_does_not_keep_the_others_from_being_compared(rules: RuleBook) -> None:
    """R-MISS-3."""
    play(
        rules,
        """
        seller T1 r1 CNY 100.00 5.0000 -
        registrar T1 r1 CNY 100.05 - -
        cutoff
        breaks
            T1 missing bank
            T1 mismatch amount seller 100.00 undecided
            T1 mismatch amount registrar 100.05 undecided
            T1 missing shares registrar
        """,
        FUND,
    )


def test_what_no_opening_role_has_opened_is_unexpected(rules: RuleBook) -> None:
    """R-OPEN-1."""
    play(
        rules,
        """
        bank T1 r1 100.00
        registrar T1 r1 100.00
        expect T1 pending
        cutoff
        told
            break_opened unexpected registrar T1
            break_opened unexpected bank T1
            transaction_broken T1
            alarm_raised T1 1
            cutoff_closed 1
        seller T1 r1 100.00
        told
            break_closed unexpected registrar T1
            break_closed unexpected bank T1
            transaction_matched T1
            alarm_cleared T1 1
        """,
        trio().replace("[fields", 'opened_by = ["seller"]\n[fields', 1),
    )


def test_one_opening_role_is_enough(rules: RuleBook) -> None:
    """R-OPEN-1, R-MISS-1."""
    play(
        rules,
        """
        bank T1 r1 100.00
        cutoff
        breaks
            T1 missing seller
            T1 missing registrar
        bank T1 r2 withdrawn
        expect T1 withdrawn
        """,
        trio().replace("[fields", 'opened_by = ["bank", "seller"]\n[fields', 1),
    )


def test_an_intruder_and_an_unopened_transaction_are_one_break_of_the_role(
    rules: RuleBook,
) -> None:
    """R-OPEN-1, R-BIND-1."""
    play(
        rules,
        """
        bank T1 r1 100.00
        bank@west T1 r1 100.00 -> unexpected
        cutoff
        breaks
            T1 unexpected bank
        bank@west T1 r2 withdrawn -> unexpected
        told
            row_not_applied unexpected bank T1
        """,
        trio().replace("[fields", 'opened_by = ["seller"]\n[fields', 1),
        holders={"bank": "east west"},
    )


def test_who_does_not_report_a_field_takes_no_part_in_it(rules: RuleBook) -> None:
    """R-MATCH-1."""
    play(
        rules,
        """
        bank T1 r1 CNY 100.00 -
        seller T1 r1 CNY 100.00 5.0000 -
        registrar T1 r1 CNY 100.00 5.0001 -
        breaks
            T1 mismatch shares seller 5.0000 undecided
            T1 mismatch shares registrar 5.0001 undecided
        """,
        FUND,
    )


def test_each_role_outside_the_benchmark_is_a_mismatch(rules: RuleBook) -> None:
    """R-MATCH-2."""
    play(
        rules,
        """
        bank T1 r1 100.00
        seller T1 r1 100.01
        registrar T1 r1 99.98
        breaks
            T1 mismatch amount registrar 99.98 against 100.00 bank -0.02
        """,
        trio('[benchmark]\namount = "bank"\n', 'tolerance = { absolute = "0.01" }\n'),
    )


def test_without_a_benchmark_every_pair_has_to_tie_out(rules: RuleBook) -> None:
    """R-MATCH-3: 99.99 and 100.00 do, 100.00 and 100.01 do, 99.99 and 100.01 do not."""
    play(
        rules,
        """
        seller T1 r1 99.99
        registrar T1 r1 100.00
        expect T1 pending
        bank T1 r1 100.01
        breaks
            T1 mismatch amount seller 99.99 undecided
            T1 mismatch amount registrar 100.00 undecided
            T1 mismatch amount bank 100.01 undecided
        """,
        trio('[benchmark]\namount = "decision"\n', 'tolerance = { absolute = "0.01" }\n'),
    )


def test_money_in_two_currencies_never_ties_out_and_has_no_difference(rules: RuleBook) -> None:
    """R-MATCH-4."""
    play(
        rules,
        """
        seller T1 r1 CNY 100.00 5.0000 -
        registrar T1 r1 CNY 100.00 5.0000 -
        bank T1 r1 USD 100.00 -
        breaks
            T1 mismatch currency bank USD against CNY majority
            T1 mismatch amount bank 100.00 against 100.00 majority
        """,
        FUND,
    )


def test_a_blank_currency_equals_only_a_blank_currency(rules: RuleBook) -> None:
    """R-MATCH-4."""
    agreement = FUND.replace("length = 3", "length = 3\noptional = true\ncompare = false")
    play(
        rules,
        """
        seller T1 r1 - 100.00 5.0000 -
        registrar T1 r1 - 100.01 5.0000 -
        bank T1 r1 CNY 100.00 -
        breaks
            T1 mismatch amount seller 100.00 undecided
            T1 mismatch amount registrar 100.01 undecided
            T1 mismatch amount bank 100.00 undecided
        bank T1 r2 - 100.00 -
        expect T1 matched
        """,
        agreement,
    )


def test_a_field_that_is_not_compared_never_mismatches(rules: RuleBook) -> None:
    """R-MATCH-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 999.00
        expect T1 matched
        """,
        pair(field="compare = false\n"),
    )


def test_status_is_the_first_that_holds(rules: RuleBook) -> None:
    """R-STATUS-1: a duplicate in a transaction that nobody states is told, and alarms nobody."""
    play(
        rules,
        """
        seller T1 r1 withdrawn
        seller T1 r1 100.00 -> duplicate
        expect T1 withdrawn
        breaks
            T1 duplicate seller
        bank T1 r1 100.00
        expect T1 broken raised
        """,
        pair(),
    )


def test_breaks_are_listed_by_id_then_field_then_role_then_kind(rules: RuleBook) -> None:
    """R-MISS-1, R-MATCH-2: ids by code point, whole records first."""
    play(
        rules,
        """
        seller b r1 100.00
        seller Ä r1 100.00
        seller T2 r1 100.00
        bank T2 r1 100.01
        bank T2 r1 100.02 -> duplicate
        bank@west T2 r1 100.02 -> unexpected
        seller T10 r1 -
        cutoff
        breaks
            T10 missing registrar
            T10 missing bank
            T10 missing amount seller
            T2 missing registrar
            T2 duplicate bank
            T2 unexpected bank
            T2 mismatch amount seller 100.00 undecided
            T2 mismatch amount bank 100.01 undecided
            b missing registrar
            b missing bank
            Ä missing registrar
            Ä missing bank
        """,
        trio(),
        holders={"bank": "east west"},
    )
