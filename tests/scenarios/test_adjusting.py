"""Adjusting: R-ADJ-1 to R-ADJ-8, R-FREEZE-1. The bank is the authority for the amount."""

import pytest

from tests.scenarios.agreements import pair, trio
from tieout.agreement.parse import parse_agreement
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.wire.codes import ItemOutcome, OperationKind
from tieout.wire.operations import AdjustmentStep


def by_bank(mode: str = "compensate", limits: str = "") -> str:
    return f"""
[benchmark]
default = "bank"
[adjustment]
mode = "{mode}"
{limits}
"""


PEOPLE = pair(by_bank())
"""No limit: people decide."""
AT_ONCE = pair(by_bank(limits='automatic_up_to = { amount = "1.00" }'))
DEVIATION = """
        bank T1 r1 100.00
        seller T1 r1 100.50
"""


def test_the_rule_proposes_the_benchmark_to_who_deviates(rules: RuleBook) -> None:
    """R-ADJ-1."""
    play(
        rules,
        f"""
        {DEVIATION.strip()}
        told
            break_opened mismatch amount seller T1 decided
            transaction_broken T1
            alarm_raised T1 1
            adjustment_proposed seller T1
        adjustments
            T1 seller proposed amount 100.00
        """,
        PEOPLE,
    )


TWO_FIELDS = """
[fields.shares]
type = "quantity"
scale = 0
"""


def test_it_proposes_all_deviating_fields_together_once_all_are_decided(rules: RuleBook) -> None:
    """R-ADJ-1: the shares are the registrar's to say, the amount is the bank's."""
    play(
        rules,
        """
        bank T1 r1 100.00 5
        seller T1 r1 100.50 6
        expect T1 broken raised
        adjustments
            none
        registrar T1 r1 100.00 5
        adjustments
            T1 seller proposed amount 100.00 shares 5
        """,
        trio(TWO_FIELDS + '[benchmark]\namount = "bank"\nshares = "registrar"\n'),
    )


def test_small_deviations_are_approved_at_once(rules: RuleBook) -> None:
    """R-ADJ-3."""
    play(
        rules,
        """
        bank T1 r1 100.00
        seller T1 r1 101.00
        told
            break_opened mismatch amount seller T1 decided
            transaction_broken T1
            alarm_raised T1 1
            adjustment_proposed seller T1
            adjustment_approved seller T1 at_once
        seller T2 r1 98.99
        bank T2 r1 100.00
        adjustments
            T1 seller approved amount 100.00
            T2 seller proposed amount 100.00
        """,
        AT_ONCE,
    )


@pytest.mark.parametrize(
    ("mode", "limits", "status"),
    [
        ("compensate", 'automatic_up_to = { amount = "1.00", shares = "1" }', "approved"),
        ("replace", 'automatic_up_to = { amount = "1.00", shares = "1" }', "approved"),
        ("notify", "", "proposed"),
        ("compensate", 'automatic_up_to = { amount = "1.00" }', "proposed"),
        ("compensate", 'automatic_up_to = { amount = "1.00", shares = "0" }', "proposed"),
    ],
)
def test_each_field_needs_a_limit_and_the_mode_must_allow_it(
    rules: RuleBook, mode: str, limits: str, status: str
) -> None:
    """R-ADJ-3, R-ADJ-4."""
    play(
        rules,
        f"""
        bank T1 r1 100.00 5
        seller T1 r1 100.50 6
        adjustments
            T1 seller {status} amount 100.00 shares 5
        """,
        pair(TWO_FIELDS + by_bank(mode, limits)),
    )


MULTI = """
name = "multi"
version = 1
roles = ["seller", "bank"]
[fields.amount]
type = "money"
scale = 2
currency = { field = "currency" }
[fields.currency]
type = "code"
length = 3
compare = false
[benchmark]
amount = "bank"
[adjustment]
mode = "compensate"
automatic_up_to = { amount = { CNY = "1.00", USD = "0.10" } }
"""


def test_the_limit_is_that_of_the_benchmarks_currency(rules: RuleBook) -> None:
    """R-ADJ-3, R-MATCH-4: another currency has no difference that could be small enough."""
    play(
        rules,
        """
        bank T1 r1 100.00 CNY
        seller T1 r1 100.50 CNY
        bank T2 r1 100.00 USD
        seller T2 r1 100.50 USD
        bank T3 r1 100.00 CNY
        seller T3 r1 100.00 USD
        bank T4 r1 100.00 EUR
        seller T4 r1 100.01 EUR
        adjustments
            T1 seller approved amount 100.00
            T2 seller proposed amount 100.00
            T3 seller proposed amount 100.00
            T4 seller proposed amount 100.00
        seller T3 r2 100.00 CNY
        expect T3 matched
        """,
        MULTI,
    )


def test_benchmarks_that_contradict_each_other_are_left_to_people(rules: RuleBook) -> None:
    """R-ADJ-1: the amount is asked for in CNY, and the currency field to be USD."""
    agreement = (
        MULTI.replace("compare = false", "")
        .replace('"bank"]', '"bank", "registrar"]')
        .replace('amount = "bank"\n', 'amount = "bank"\ncurrency = "registrar"\n', 1)
    )
    play(
        rules,
        """
        bank T1 r1 100.00 CNY
        registrar T1 r1 100.00 USD
        seller T1 r1 100.00 EUR
        breaks
            T1 mismatch amount seller 100.00 against 100.00 bank
            T1 mismatch amount registrar 100.00 against 100.00 bank
            T1 mismatch currency seller EUR against USD registrar
            T1 mismatch currency bank CNY against USD registrar
        adjustments
            T1 bank proposed currency USD
            T1 registrar proposed amount 100.00
        """,
        agreement,
    )


def test_the_rule_does_not_repeat_itself_and_a_person_may(rules: RuleBook) -> None:
    """R-ADJ-2, R-ADJ-5."""
    play(
        rules,
        f"""
        {DEVIATION.strip()}
        propose T1 seller by north/2 -> not_applicable
        refuse T1 seller by north/2
        told
            adjustment_refused seller T1
        bank T1 r2 100.00
        adjustments
            T1 seller refused amount 100.00
        propose T1 seller by south/2 -> not_entitled
        propose T1 bank by south/2 -> not_applicable
        propose T1 seller by north/2
        told
            adjustment_proposed seller T1 by_person
        bank T1 r3 100.10
        told
            adjustment_superseded seller T1
            adjustment_proposed seller T1
        bank T1 r4 100.50
        expect T1 matched
        propose T1 seller by north/2 -> not_applicable
        """,
        PEOPLE,
    )


def test_another_revision_or_another_benchmark_is_another_proposal(rules: RuleBook) -> None:
    """R-ADJ-2."""
    play(
        rules,
        f"""
        {DEVIATION.strip()}
        refuse T1 seller by north/2
        seller T1 r2 100.50
        adjustments
            T1 seller refused amount 100.00
            T1 seller proposed amount 100.00
        refuse T1 seller by north/2
        bank T1 r2 100.10
        adjustments
            T1 seller refused amount 100.00
            T1 seller refused amount 100.00
            T1 seller proposed amount 100.10
        """,
        PEOPLE,
    )


def test_two_persons_stand_behind_what_the_rule_proposes(rules: RuleBook) -> None:
    """R-ADJ-4: the same person is the same with another key."""
    play(
        rules,
        f"""
        {DEVIATION.strip()}
        approve T1 seller by south/2 -> not_entitled
        approve T1 seller by north/3
        told
            adjustment_approval seller T1 1
        approve T1 seller by north/3 -> not_applicable
        approve T1 seller by north/13 -> not_applicable
        approve T1 seller by north/2
        told
            adjustment_approval seller T1 2
            adjustment_approved seller T1
        approve T1 seller by north/2 -> not_applicable
        adjustments
            T1 seller approved amount 100.00
        """,
        PEOPLE,
    )


def test_the_proposer_is_the_first_of_the_two(rules: RuleBook) -> None:
    """R-ADJ-4, R-ADJ-5: a person's proposal is never approved at once."""
    play(
        rules,
        """
        bank T1 r1 100.00
        seller T1 r1 100.50
        failed T1 seller
        propose T1 seller by north/2
        adjustments
            T1 seller failed amount 100.00
            T1 seller proposed amount 100.00
        approve T1 seller by north/2 -> not_applicable
        approve T1 seller by north/3
        told
            adjustment_approval seller T1 1
            adjustment_approved seller T1
        """,
        AT_ONCE,
    )


def test_in_mode_notify_nothing_is_approved(rules: RuleBook) -> None:
    """R-ADJ-4."""
    play(
        rules,
        f"""
        {DEVIATION.strip()}
        approve T1 seller by north/2 -> not_applicable
        posted T1 seller -> not_applicable
        seller T1 r2 100.00
        adjustments
            T1 seller verified amount 100.00
        """,
        pair(by_bank("notify")),
    )


def test_posted_and_verified(rules: RuleBook) -> None:
    """R-ADJ-6, R-ADJ-7."""
    play(
        rules,
        """
        bank T1 r1 100.00
        seller T1 r1 100.50
        posted T1 seller by south -> not_entitled
        posted T1 seller
        told
            adjustment_posted seller T1
        posted T1 seller -> not_applicable
        refuse T1 seller by north/2 -> not_applicable
        seller T1 r2 100.00
        told
            adjustment_verified seller T1
            break_closed mismatch amount seller T1 decided
            transaction_matched T1
            alarm_cleared T1 1
        failed T1 seller -> not_applicable
        """,
        AT_ONCE,
    )


def test_posted_and_not_tied_out_has_failed(rules: RuleBook) -> None:
    """R-ADJ-7: and a new record is a new reason to propose."""
    play(
        rules,
        """
        bank T1 r1 100.00
        seller T1 r1 100.50
        posted T1 seller
        seller T1 r2 100.40
        told
            adjustment_failed seller T1
            adjustment_proposed seller T1
            adjustment_approved seller T1 at_once
        seller T1 r3 withdrawn
        told
            adjustment_superseded seller T1
            break_closed mismatch amount seller T1 decided
            transaction_pending T1
            alarm_cleared T1 1
        """,
        AT_ONCE,
    )


def test_a_record_that_ties_out_verifies_what_was_only_proposed(rules: RuleBook) -> None:
    """R-ADJ-7: within tolerance of the benchmark is enough."""
    play(
        rules,
        f"""
        {DEVIATION.strip()}
        seller T1 r2 100.01
        adjustments
            T1 seller verified amount 100.00
        expect T1 matched
        """,
        pair(by_bank(), 'tolerance = { absolute = "0.01" }\n'),
    )


def test_after_three_rounds_it_goes_to_people(rules: RuleBook) -> None:
    """R-ADJ-3."""
    play(
        rules,
        """
        bank T1 r1 100.00
        seller T1 r1 100.01
        seller T1 r2 100.02
        seller T1 r3 100.03
        seller T1 r4 100.04
        adjustments
            T1 seller superseded amount 100.00
            T1 seller superseded amount 100.00
            T1 seller superseded amount 100.00
            T1 seller proposed amount 100.00
        """,
        AT_ONCE,
    )


def test_what_could_not_be_posted_has_failed(rules: RuleBook) -> None:
    """R-ADJ-6: from approved or posted, not from proposed; and the rule does not insist."""
    play(
        rules,
        """
        bank T1 r1 100.00
        seller T1 r1 102.00
        failed T1 seller -> not_applicable
        bank T2 r1 100.00
        seller T2 r1 100.50
        failed T2 seller
        bank T3 r1 100.00
        seller T3 r1 100.50
        posted T3 seller
        failed T3 seller
        adjustments
            T1 seller proposed amount 100.00
            T2 seller failed amount 100.00
            T3 seller failed amount 100.00
        """,
        AT_ONCE,
    )


def test_a_proposal_whose_reason_is_gone_is_superseded(rules: RuleBook) -> None:
    """R-ADJ-8."""
    play(
        rules,
        f"""
        {DEVIATION.strip()}
        bank T1 r2 100.50
        told
            break_closed mismatch amount seller T1 decided
            transaction_matched T1
            alarm_cleared T1 1
            adjustment_superseded seller T1
        """,
        PEOPLE,
    )


def test_the_benchmark_is_frozen_while_the_books_are_adjusted(rules: RuleBook) -> None:
    """R-FREEZE-1, R-ADJ-1: the authority itself is not told to go back to what it said before."""
    play(
        rules,
        """
        bank T1 r1 100.00
        seller T1 r1 100.50
        bank T1 r2 100.70
        told
            break_opened mismatch amount bank T1 decided
        breaks
            T1 mismatch amount seller 100.50 against 100.00 bank +0.50
            T1 mismatch amount bank 100.70 against 100.00 bank +0.70
        posted T1 seller
        bank T1 r3 100.80
        told
            none
        seller T1 r2 100.00
        told
            adjustment_verified seller T1
            break_closed mismatch amount bank T1 decided
            adjustment_proposed seller T1
            adjustment_approved seller T1 at_once
        breaks
            T1 mismatch amount seller 100.00 against 100.80 bank -0.80
        refuse T1 seller by north/2
        bank T1 r4 100.00
        expect T1 matched
        """,
        AT_ONCE,
    )


def test_a_refusal_thaws(rules: RuleBook) -> None:
    """R-FREEZE-1, R-ADJ-6: the new verdict follows at once."""
    play(
        rules,
        """
        bank T1 r1 100.00
        seller T1 r1 100.50
        bank T1 r2 100.50
        breaks
            T1 mismatch amount seller 100.50 against 100.00 bank +0.50
            T1 mismatch amount bank 100.50 against 100.00 bank +0.50
        refuse T1 seller by north/2
        told
            adjustment_refused seller T1
            break_closed mismatch amount seller T1 decided
            break_closed mismatch amount bank T1 decided
            transaction_matched T1
            alarm_cleared T1 1
        """,
        AT_ONCE,
    )


def test_a_frozen_benchmark_stands_when_a_majority_has_turned(rules: RuleBook) -> None:
    """R-FREEZE-1: all three state the same, and all three deviate from what was approved."""
    play(
        rules,
        """
        seller T1 r1 100.00
        registrar T1 r1 100.00
        bank T1 r1 100.50
        seller T1 r2 100.50
        registrar T1 r2 100.50
        breaks
            T1 mismatch amount seller 100.50 against 100.00 majority +0.50
            T1 mismatch amount registrar 100.50 against 100.00 majority +0.50
            T1 mismatch amount bank 100.50 against 100.00 majority +0.50
        """,
        trio('[adjustment]\nmode = "replace"\nautomatic_up_to = { amount = "1.00" }\n'),
    )


def test_a_person_names_exactly_what_is_approved(rules: RuleBook) -> None:
    """R-ADJ-2, R-OP-2: the id of an earlier adjustment is not that of the latest one."""
    stage = play(
        rules,
        f"""
        {DEVIATION.strip()}
        """,
        PEOPLE,
    )
    first = stage.adjustment_id("T1", 0)
    stage.act("bank T1 r2 100.10", [])
    second = stage.adjustment_id("T1", 0)
    agreement = parse_agreement(PEOPLE)

    def approve(name: bytes) -> ItemOutcome:
        body = AdjustmentStep(agreement.name, 0, "T1", 0, name, "seen")
        item = stage.bench.sender.operation(1, OperationKind.APPROVE, body, key=2)
        return stage.bench.apply(item).items[0].outcome

    assert first != second
    assert approve(first) is ItemOutcome.NOT_APPLICABLE
    assert approve(second) is ItemOutcome.ACCEPTED
