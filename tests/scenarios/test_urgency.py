"""How much a break wants to be looked at: R-SEVERITY-1 to R-SEVERITY-4, R-ESCALATE-1, -2."""

import pytest

from tests.scenarios.agreements import pair
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import Stage, play
from tieout.testing.workbench import newest_genesis, refined_genesis
from tieout.units.dates import parse_time

PAYMENT = """
name = "payment"
version = 1
roles = ["seller", "registrar", "bank"]
[fields.currency]
type = "code"
length = 3
equivalent = [["CNY", "156"]]
[fields.amount]
type = "money"
scale = 2
currency = { field = "currency" }
[fields.shares]
type = "integer"
[benchmark]
amount = "bank"
shares = "registrar"
"""
SEVERE = """
[severity]
kinds = { missing = "medium" }
[severity.amounts.amount]
high = { CNY = "100.00", USD = "10.00" }
critical = { CNY = "10000.00" }
[severity.amounts.shares]
medium = "5"
high = "50"
"""
AGES = '[severity.ages]\nmedium = "10m"\ncritical = "1h"\n'
STEPS = """
[[escalation]]
after = "30m"
to = "desk"
[[escalation]]
after = "2h"
to = "head_of_operations"
"""


def acted(rules: RuleBook, script: str, *agreements: str) -> Stage:
    return play(rules, script, *agreements, genesis=newest_genesis())


# ---------------------------------------------------------------- severity


def test_a_break_is_as_severe_as_the_gravest_thing_about_it(rules: RuleBook) -> None:
    """R-SEVERITY-1, R-SEVERITY-2, R-SEVERITY-4: told when the block is over, and only a change."""
    acted(
        rules,
        """
        seller T1 r1 CNY 500.00 10
        registrar T1 r1 CNY 500.00 10
        bank T1 r1 CNY 499.00 10
        told
            break_opened mismatch amount seller T1 decided
            break_opened mismatch amount registrar T1 decided
            transaction_broken T1
            alarm_raised T1 1
            adjustment_proposed seller T1
            adjustment_proposed registrar T1
            severity_changed T1 low
        registrar T1 r2 CNY 500.00 15
        told
            adjustment_superseded registrar T1
            break_opened mismatch shares seller T1 decided
            break_opened mismatch shares bank T1 decided
            adjustment_superseded seller T1
            adjustment_proposed seller T1
            adjustment_proposed registrar T1
            adjustment_proposed bank T1
            severity_changed T1 medium
        bank T1 r2 CNY 400.00 15
        told
            adjustment_verified bank T1
            break_closed mismatch shares bank T1 decided
            adjustment_superseded seller T1
            adjustment_proposed seller T1
            adjustment_superseded registrar T1
            adjustment_proposed registrar T1
            severity_changed T1 high
        bank T1 r3 CNY 10500.00 15
        told
            adjustment_superseded seller T1
            adjustment_proposed seller T1
            adjustment_superseded registrar T1
            adjustment_proposed registrar T1
            severity_changed T1 critical
        bank T1 r4 CNY 500.00 15
        told
            break_closed mismatch amount seller T1 decided
            break_closed mismatch amount registrar T1 decided
            adjustment_superseded seller T1
            adjustment_proposed seller T1
            adjustment_superseded registrar T1
            severity_changed T1 medium
        bank T1 r4 CNY 500.00 15 -> repeat
        told
            row_not_applied repeat bank T1
        """,
        PAYMENT + SEVERE,
    )


@pytest.mark.parametrize(
    ("seller", "registrar", "bank", "severity"),
    [
        ("CNY 500.00 1", "CNY 500.00 1", "CNY 400.01 1", "low"),
        ("CNY 500.00 1", "CNY 500.00 1", "CNY 400.00 1", "high"),
        ("CNY 500.00 1", "CNY 500.00 1", "CNY 10499.99 1", "high"),
        ("CNY 500.00 1", "CNY 500.00 1", "CNY 10500.00 1", "critical"),
        ("156 500.00 1", "CNY 500.00 1", "156 400.00 1", "high"),  # one currency
        ("USD 500.00 1", "USD 500.00 1", "USD 489.99 1", "high"),
        ("USD 500.00 1", "USD 500.00 1", "USD 99999.00 1", "high"),  # dollars are never critical
        ("EUR 500.00 1", "EUR 500.00 1", "EUR 99999.00 1", "low"),  # not listed
        ("CNY 500.00 1", "CNY 500.00 1", "USD 500.00 1", "critical"),  # nobody knows how much
        ("CNY 5.00 1", "CNY 5.00 6", "CNY 5.00 6", "medium"),
        ("CNY 5.00 1", "CNY 5.00 5", "CNY 5.00 5", "low"),
    ],
)
def test_severity_by_the_amount_of_the_difference(
    rules: RuleBook, seller: str, registrar: str, bank: str, severity: str
) -> None:
    """R-SEVERITY-2, on both sides of every edge."""
    stage = acted(
        rules,
        f"""
        block
            seller T1 r1 {seller}
            registrar T1 r1 {registrar}
            bank T1 r1 {bank}
        """,
        PAYMENT + SEVERE,
    )
    assert stage.told()[-1] == f"severity_changed T1 {severity}"


def test_while_no_value_stands_the_roles_are_compared_with_each_other(rules: RuleBook) -> None:
    """R-SEVERITY-2: the distance between those who state, until the authority has spoken."""
    acted(
        rules,
        """
        seller T1 r1 CNY 500.00 1
        registrar T1 r1 CNY 400.00 1
        told
            break_opened mismatch amount seller T1 awaiting
            break_opened mismatch amount registrar T1 awaiting
            transaction_broken T1
            alarm_raised T1 1
            severity_changed T1 high
        bank T1 r1 CNY 450.00 1
        told
            benchmark_changed amount T1 decided
            adjustment_proposed seller T1
            adjustment_proposed registrar T1
            severity_changed T1 low
        """,
        PAYMENT + SEVERE,
    )


def test_what_nobody_mends_becomes_more_severe(rules: RuleBook) -> None:
    """R-SEVERITY-3: by block time, and a next episode begins without age."""
    acted(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.01
        wait 10m
        told
            none
        wait 1us
        told
            severity_changed T1 medium
        wait 50m
        told
            severity_changed T1 critical
        bank T1 r2 100.00
        told
            break_closed mismatch amount seller T1 undecided
            break_closed mismatch amount bank T1 undecided
            transaction_matched T1
            alarm_cleared T1 1
        bank T1 r3 100.01
        told
            break_opened changed_after_match bank T1
            break_opened mismatch amount seller T1 undecided
            break_opened mismatch amount bank T1 undecided
            transaction_broken T1
            alarm_raised T1 2
            severity_changed T1 low
        wait 2h
        told
            severity_changed T1 critical
        """,
        pair(AGES),
    )


def test_an_amount_that_was_severe_before_does_not_hide_what_age_brings(rules: RuleBook) -> None:
    """R-SEVERITY-1, R-SEVERITY-3: an age that changes nothing is told to nobody."""
    acted(
        rules,
        """
        block
            seller T1 r1 CNY 500.00 1
            registrar T1 r1 CNY 500.00 1
            bank T1 r1 CNY 300.00 1
        wait 11m
        told
            none
        bank T1 r2 CNY 499.00 1
        told
            adjustment_superseded seller T1
            adjustment_proposed seller T1
            adjustment_superseded registrar T1
            adjustment_proposed registrar T1
            severity_changed T1 medium
        wait 50m
        told
            severity_changed T1 critical
        """,
        PAYMENT + SEVERE + AGES,
    )


# ---------------------------------------------------------------- escalation


def test_an_alarm_that_nobody_acknowledges_is_escalated_step_by_step(rules: RuleBook) -> None:
    """R-ESCALATE-1, R-ESCALATE-2: each step once, until somebody has seen it."""
    acted(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.01
        wait 30m
        expect T1 broken raised
        wait 1us
        told
            alarm_escalated T1 1
        expect T1 broken escalated
        wait 1h
        told
            none
        bank T1 r1 100.02 -> duplicate  # another break, and nobody is told anew
        expect T1 broken escalated
        wait 31m
        told
            alarm_escalated T1 2
        wait 10d
        told
            none
        acknowledge T1 by west/2
        told
            alarm_acknowledged T1 west/2
        expect T1 broken acknowledged
        acknowledge T1 by west/3 -> not_applicable
        """,
        pair(STEPS),
    )


def test_acknowledging_stops_it_and_a_new_break_begins_it_anew(rules: RuleBook) -> None:
    """R-ESCALATE-1, R-ALARM-3."""
    acted(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.01
        wait 29m
        acknowledge T1 by west/2
        wait 1d
        told
            none
        bank T1 r1 100.02 -> duplicate
        expect T1 broken raised
        wait 29m
        told
            none
        block
            acknowledge T1 by west/2
            seller T1 r1 100.03 -> duplicate  # raised again in the same block: time begins anew
        expect T1 broken raised
        wait 2m
        told
            none
        wait 29m
        told
            alarm_escalated T1 1
        """,
        pair(STEPS),
    )


def test_both_steps_of_a_long_silence_are_told_and_what_is_mended_is_not(rules: RuleBook) -> None:
    """R-SEVERITY-4, R-ESCALATE-1: by when it was due, then by transaction; age all at once."""
    acted(
        rules,
        """
        block
            seller T1 r1 1.00 & T2 r1 1.00 & T3 r1 1.00
            bank T1 r1 2.00
            bank T2 r1 2.00
        wait 1m
        bank T3 r1 2.00
        bank T1 r2 1.00
        wait 3h
        told
            severity_changed T2 critical
            severity_changed T3 critical
            alarm_escalated T2 1
            alarm_escalated T3 1
            alarm_escalated T2 2
            alarm_escalated T3 2
        expect T1 matched
        bank T2 r2 1.00
        expect T2 matched
        """,
        pair(AGES + STEPS),
    )


def test_the_quorum_comes_first(rules: RuleBook) -> None:
    """R-ESCALATE-1, R-ALARM-1: nobody has to acknowledge what has not been raised."""
    acted(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.01
        wait 1d
        told
            none
        confirm T1 by north
        wait 31m
        told
            alarm_escalated T1 1
        """,
        pair("[alarm]\nquorum = 2\n" + STEPS),
    )


OFFICE = """
[[escalation]]
after = { at = "0bd 17:00", calendar = "shanghai" }
to = "desk"
[[escalation]]
after = { at = "1bd 09:00", calendar = "shanghai" }
to = "head"
[calendars.shanghai]
weekend = ["saturday", "sunday"]
holidays = ["2026-10-01", "2026-10-02", "2026-10-05", "2026-10-06", "2026-10-07"]
offset = "+08:00"
"""


def test_nobody_is_told_over_a_holiday(rules: RuleBook) -> None:
    """R-ESCALATE-1, R-TIME-2."""
    stage = acted(rules, "", pair(OFFICE))
    until_us = parse_time("2026-09-30T16:00+08:00") - stage.bench.time_us
    for line, below in (
        (f"wait {until_us}us", []),
        ("seller T1 r1 100.00", []),
        ("bank T1 r1 100.01", []),
        ("wait 61m", []),
        ("told", ["alarm_escalated T1 1"]),
        ("wait 7d", []),
        ("told", ["none"]),
        ("wait 16h", []),  # 09:01 of the first business day
        ("told", ["alarm_escalated T1 2"]),
    ):
        stage.act(line, below)


def test_what_is_due_in_one_block_is_limited(rules: RuleBook) -> None:
    """R-SEVERITY-4: 10,000 at a time, the rest in the next block."""
    ids = [f"T{number:05}" for number in range(10_007)]
    lines = "\n".join(
        f"            {role} " + " & ".join(f"{each} r1 {value}" for each in ids[i : i + 5_100])
        for i in (0, 5_100)
        for role, value in (("seller", "1.00"), ("bank", "2.00"))
    )
    stage = acted(rules, f"        block\n{lines}\n        wait 31m\n", pair(STEPS))
    assert stage.told() == [f"alarm_escalated {each} 1" for each in ids[:10_000]]
    stage.act("blocks 1", [])
    assert stage.told() == [f"alarm_escalated {each} 1" for each in ids[10_000:]]
    stage.act("blocks 1", [])
    assert stage.told() == []


def test_an_earlier_ledger_knows_nothing_of_it(rules: RuleBook) -> None:
    """R-AGREE-3."""
    for stated in (SEVERE.partition("[severity.amounts.amount]")[0], STEPS):
        later = pair(stated).replace("version = 1", "version = 2")
        script = "enact v2 by north -> malformed_agreement"
        play(rules, script, pair(), later, genesis=refined_genesis())


# ---------------------------------------------------------------- who is silent, by name


def test_who_is_late_is_named_and_what_comes_late_closes_the_break(rules: RuleBook) -> None:
    """R-TIME-1, R-MISS-1, R-SEVERITY-1: it stays in the history of the ledger."""
    acted(
        rules,
        """
        seller T1 r1 100.00
        wait 31s
        told
            break_opened missing bank T1
            transaction_broken T1
            alarm_raised T1 1
            severity_changed T1 high
        breaks
            T1 missing bank
        bank T1 r1 100.00
        told
            break_closed missing bank T1
            transaction_matched T1
            alarm_cleared T1 1
        breaks
            none
        """,
        pair('[severity]\nkinds = { missing = "high" }\n[deadlines]\nbank = "30s"\n'),
    )
