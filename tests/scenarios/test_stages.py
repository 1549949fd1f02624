"""Stages: R-STAGE-1 to R-STAGE-8, R-PIN-1."""

import pytest

from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.testing.workbench import newest_genesis, refined_genesis

REDEMPTION = """
name = "redemption"
version = 1
roles = ["seller", "registrar", "bank"]
[fields.shares]
type = "quantity"
scale = 2
roles = ["seller", "registrar"]
[fields.amount]
type = "money"
scale = 2
currency = "CNY"
[benchmark]
default = "registrar"
[stages.ordered]
roles = ["seller", "registrar"]
fields = ["shares"]
[stages.confirmed]
roles = ["seller", "registrar"]
carried = ["shares"]
[stages.settled]
fields = ["amount"]
carried = ["amount"]
"""
ADJUSTING = """
[adjustment]
mode = "compensate"
automatic_up_to = { shares = "1.00", amount = "1.00" }
"""
ORDERED = """
seller T1/ordered r1 100.00
registrar T1/ordered r1 100.00
expect T1/ordered matched
"""


def judged(rules: RuleBook, script: str, more: str = "") -> None:
    play(rules, script, REDEMPTION + more, genesis=newest_genesis())


def test_each_stage_ties_out_by_itself_among_its_roles(rules: RuleBook) -> None:
    """R-STAGE-1, R-STAGE-2: nobody waits for a role that takes no part."""
    judged(
        rules,
        ORDERED
        + """
        seller T1/confirmed r1 100.00 512.30
        expect T1/confirmed pending
        registrar T1/confirmed r1 100.00 512.30
        expect T1/confirmed matched
        bank T1/settled r1 512.30
        seller T1/settled r1 512.30
        registrar T1/settled r1 512.30
        expect T1/settled matched
        cutoff
        breaks
            none
        """,
    )


def test_a_role_that_takes_no_part_is_never_missing_and_cannot_speak(rules: RuleBook) -> None:
    """R-STAGE-2, R-ROW-1, R-TIME-1: a bank is asked about the stage that it settles alone."""
    judged(
        rules,
        """
        seller T1/ordered r1 100.00
        bank T1/ordered r1 withdrawn -> malformed_row
        wait 2h
        wait 1us
        told
            none
        cutoff
        breaks
            T1/ordered missing registrar
        """,
        '[deadlines]\nbank = "1h"\n',
    )


def test_a_record_ahead_of_its_time_is_kept_and_compared_later(rules: RuleBook) -> None:
    """R-STAGE-3, R-STAGE-4, R-STAGE-7: nothing has to be sent again."""
    judged(
        rules,
        """
        seller T1/confirmed r1 100.00 512.30
        told
            break_opened out_of_order seller T1/confirmed
            transaction_broken T1/confirmed
            alarm_raised T1/confirmed 1
        registrar T1/confirmed r1 100.00 512.35
        breaks
            T1/confirmed out_of_order seller
            T1/confirmed out_of_order registrar
        seller T1/ordered r1 100.00
        expect T1/confirmed broken raised
        registrar T1/ordered r1 100.00
        told
            transaction_matched T1/ordered
            break_closed out_of_order seller T1/confirmed
            break_closed out_of_order registrar T1/confirmed
            break_opened mismatch amount seller T1/confirmed decided
            adjustment_proposed seller T1/confirmed
        breaks
            T1/confirmed mismatch amount seller 512.30 against 512.35 registrar -0.05
        """,
    )


def test_a_carried_value_must_be_the_one_agreed_on_before(rules: RuleBook) -> None:
    """R-STAGE-5, R-STAGE-6: both confirm the same, and not what was ordered."""
    judged(
        rules,
        ORDERED
        + """
        block
            seller T1/confirmed r1 99.50 512.30
            registrar T1/confirmed r1 99.50 512.30
        breaks
            T1/confirmed mismatch shares seller 99.50 against 100.00 previous_stage -0.50
            T1/confirmed mismatch shares registrar 99.50 against 100.00 previous_stage -0.50
        """,
    )


def test_a_correction_opens_the_stages_behind_anew(rules: RuleBook) -> None:
    """R-STAGE-7, R-CHANGE-1: ordered, confirmed and settled; then the confirmation is corrected."""
    judged(
        rules,
        ORDERED
        + """
        seller T1/confirmed r1 100.00 512.30
        registrar T1/confirmed r1 100.00 512.30
        bank T1/settled r1 512.30
        seller T1/settled r1 512.30
        registrar T1/settled r1 512.30
        expect T1/settled matched
        registrar T1/confirmed r2 100.00 512.80
        told
            break_opened changed_after_match registrar T1/confirmed
            break_opened mismatch amount seller T1/confirmed decided
            transaction_broken T1/confirmed
            alarm_raised T1/confirmed 1
            break_opened out_of_order seller T1/settled
            break_opened out_of_order registrar T1/settled
            break_opened out_of_order bank T1/settled
            transaction_broken T1/settled
            alarm_raised T1/settled 1
        seller T1/confirmed r2 100.00 512.80
        expect T1/confirmed matched
        breaks
            T1/settled mismatch amount seller 512.30 against 512.80 previous_stage -0.50
            T1/settled mismatch amount registrar 512.30 against 512.80 previous_stage -0.50
            T1/settled mismatch amount bank 512.30 against 512.80 previous_stage -0.50
        bank T1/settled r2 512.80
        seller T1/settled r2 512.80
        registrar T1/settled r2 512.80
        expect T1/settled matched
        breaks
            none
        """,
    )


def test_a_withdrawal_takes_the_ground_from_the_stages_behind(rules: RuleBook) -> None:
    """R-STAGE-3, R-STATUS-1: a withdrawn stage is not final either."""
    judged(
        rules,
        ORDERED
        + """
        seller T1/confirmed r1 100.00 512.30
        expect T1/confirmed pending
        seller T1/ordered r2 withdrawn
        expect T1/confirmed broken raised
        registrar T1/ordered r2 withdrawn
        expect T1/ordered withdrawn
        breaks
            T1/confirmed out_of_order seller
        """,
    )


def test_a_change_within_tolerance_reaches_the_stage_behind(rules: RuleBook) -> None:
    """R-STAGE-7: the stage stays matched, what it agreed on is another value."""
    tolerant = REDEMPTION.replace(
        "scale = 2\nroles", 'scale = 2\ntolerance = { absolute = "1" }\nroles'
    )
    play(
        rules,
        ORDERED
        + """
        seller T1/confirmed r1 99.00 512.30
        registrar T1/ordered r2 100.50
        expect T1/ordered matched
        breaks
            T1/confirmed mismatch shares seller 99.00 against 100.50 previous_stage -1.50
        """,
        tolerant,
        genesis=newest_genesis(),
    )


def test_what_was_agreed_on_is_handed_on_through_all_stages(rules: RuleBook) -> None:
    """R-STAGE-6: a value does not drift from stage to stage."""
    drifting = """
    name = "drift"
    version = 1
    roles = ["seller", "bank"]
    [fields.amount]
    type = "money"
    scale = 2
    tolerance = { absolute = "0.10" }
    [benchmark]
    amount = "seller"
    [stages.first]
    [stages.second]
    carried = ["amount"]
    [stages.third]
    carried = ["amount"]
    """
    play(
        rules,
        """
        seller T1/first r1 5.00
        bank T1/first r1 5.00
        seller T1/second r1 5.10
        bank T1/second r1 5.10
        expect T1/second matched
        seller T1/third r1 5.20
        breaks
            T1/third mismatch amount seller 5.20 against 5.00 previous_stage +0.20
        """,
        drifting,
        genesis=newest_genesis(),
    )


@pytest.mark.parametrize(
    ("bank", "status"), [("5.00", "matched"), ("5.10", "broken raised")], ids=["same", "other"]
)
def test_without_an_agreed_value_the_roles_are_compared(
    rules: RuleBook, bank: str, status: str
) -> None:
    """R-STAGE-5, R-STAGE-6: two values within tolerance, and no majority, are no agreed value."""
    undecided = """
    name = "pair"
    version = 1
    roles = ["seller", "bank"]
    [fields.amount]
    type = "money"
    scale = 2
    tolerance = { absolute = "0.05" }
    [stages.first]
    [stages.second]
    carried = ["amount"]
    """
    play(
        rules,
        f"""
        seller T1/first r1 9.00
        bank T1/first r1 9.05
        expect T1/first matched
        seller T1/second r1 5.00
        bank T1/second r1 {bank}
        expect T1/second {status}
        """,
        undecided,
        genesis=newest_genesis(),
    )


def test_the_stage_before_can_be_the_benchmark_alone(rules: RuleBook) -> None:
    """R-STAGE-6: at the first stage the majority is; later the value before, when roles differ."""
    policy = """
    name = "pair"
    version = 1
    roles = ["seller", "bank"]
    [fields.amount]
    type = "money"
    scale = 2
    [benchmark]
    amount = "previous_stage"
    [stages.first]
    [stages.second]
    """
    play(
        rules,
        """
        seller T1/first r1 9.00
        bank T1/first r1 9.10
        breaks
            T1/first mismatch amount seller 9.00 undecided
            T1/first mismatch amount bank 9.10 undecided
        bank T1/first r2 9.00
        seller T1/second r1 9.00
        bank T1/second r1 9.20
        breaks
            T1/second mismatch amount bank 9.20 against 9.00 previous_stage +0.20
        seller T1/second r2 9.20
        breaks
            none
        """,
        policy,
        genesis=newest_genesis(),
    )


def test_operations_name_the_stage(rules: RuleBook) -> None:
    """R-STAGE-8, R-OP-2: the bank corrects its settlement, and nothing of another stage."""
    judged(
        rules,
        ORDERED
        + """
        seller T1/confirmed r1 100.00 512.30
        registrar T1/confirmed r1 100.00 512.30
        bank T1/settled r1 512.80
        told
            break_opened mismatch amount bank T1/settled decided
            transaction_broken T1/settled
            alarm_raised T1/settled 1
            adjustment_proposed bank T1/settled
            adjustment_approved bank T1/settled at_once
        confirm T1/settled by west
        confirm T1/confirmed episode 1 by west -> not_applicable
        acknowledge T1/settled by west
        posted T1/settled bank by east
        bank T1/settled r2 512.30
        adjustments
            T1/settled bank verified amount 512.30
        """,
        ADJUSTING,
    )


def test_what_is_out_of_order_asks_for_no_correction(rules: RuleBook) -> None:
    """R-STAGE-4, R-ADJ-8: what was proposed is superseded, and proposed again for another value."""
    judged(
        rules,
        ORDERED
        + """
        seller T1/confirmed r1 90.00 512.30
        adjustments
            T1/confirmed seller proposed shares 100.00
        seller T1/ordered r2 95.00
        adjustments
            T1/confirmed seller superseded shares 100.00
            T1/ordered seller proposed shares 100.00
        registrar T1/ordered r2 95.00
        adjustments
            T1/confirmed seller superseded shares 100.00
            T1/ordered seller superseded shares 100.00
            T1/confirmed seller proposed shares 95.00
        """,
        ADJUSTING,
    )


def test_all_stages_stand_under_one_version(rules: RuleBook) -> None:
    """R-PIN-1: a later stage of what was begun under v1 is of v1, and nothing new is."""
    play(
        rules,
        ORDERED
        + """
        enact v2
        seller under v2 T1/confirmed r1 100.00 512.30 -> wrong_version
        seller under v1 T1/confirmed r1 100.00 512.30 & T2/ordered r1 5.00 -> accepted wrong_version
        seller under v2 T2/confirmed r1 5.00 25.00
        seller under v1 T2/ordered r1 5.00 -> wrong_version
        """,
        REDEMPTION,
        REDEMPTION.replace("version = 1", "version = 2"),
        genesis=newest_genesis(),
    )


def test_stages_are_of_rules_version_4(rules: RuleBook) -> None:
    """R-AGREE-3."""
    with pytest.raises(AssertionError, match="malformed_agreement"):
        play(rules, "", REDEMPTION, genesis=refined_genesis())
