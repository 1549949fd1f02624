"""Dates that may lie business days apart: R-TOL-12, on both sides of every edge."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.agreement.model import Calendar
from tieout.agreement.parse import parse_agreement
from tieout.kernel.businessdays import business_days_between as counted_at_speed
from tieout.kernel.businessdays import calendar_words
from tieout.reference.businesstime import business_days_between
from tieout.testing.agreements import to_toml
from tieout.testing.dice import Dice
from tieout.testing.refinements import choose_calendar
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.testing.workbench import newest_genesis, refined_genesis
from tieout.units.dates import parse_date

SHANGHAI = """
[calendars.shanghai]
weekend = ["saturday", "sunday"]
holidays = ["2026-10-01", "2026-10-02", "2026-10-05", "2026-10-06", "2026-10-07"]
workdays = ["2026-10-10"]
offset = "+08:00"
"""


def pair(drift: str, version: int = 1) -> str:
    return f"""
name = "pair"
version = {version}
roles = ["seller", "bank"]
[fields.value_date]
type = "date"
drift_days = {drift}
[benchmark]
value_date = "seller"
{SHANGHAI}"""


@pytest.mark.parametrize(
    ("seller", "bank", "within"),
    [
        ("2026-09-30", "2026-09-30", True),
        ("2026-09-30", "2026-10-08", True),  # the first business day after the National Day
        ("2026-09-30", "2026-10-09", True),
        ("2026-09-30", "2026-10-10", False),  # a Saturday that is worked is the third
        ("2026-09-30", "2026-10-07", True),  # no business day in between
        ("2026-10-08", "2026-10-07", True),  # one, the 8th itself, before
        ("2026-10-08", "2026-09-30", True),
        ("2026-10-08", "2026-09-29", False),
        ("2026-10-03", "2026-09-30", True),  # from a free day back: none
        ("2026-10-03", "2026-09-29", True),  # the 30th
        ("2026-10-03", "2026-09-28", False),
    ],
)
def test_business_days_of_drift(rules: RuleBook, seller: str, bank: str, *, within: bool) -> None:
    """R-TOL-12: a day before the seller's, two days after."""
    stage = play(
        rules,
        f"""
        seller T1 r1 {seller}
        bank T1 r1 {bank}
        """,
        pair('{ before = 1, after = 2, calendar = "shanghai" }'),
        genesis=newest_genesis(),
    )
    assert (stage.breaks() == []) is within


def test_an_earlier_ledger_does_not_count_business_days(rules: RuleBook) -> None:
    """R-AGREE-3, R-TOL-12."""
    script = "enact v2 by north -> malformed_agreement"
    later = pair('{ after = 2, calendar = "shanghai" }', version=2)
    play(rules, script, pair("{ after = 2 }"), later, genesis=refined_genesis())


DAYS = st.integers(parse_date("2023-10-20"), parse_date("2023-12-31"))


@given(st.binary(max_size=20), DAYS, DAYS)
def test_they_are_counted_as_one_would_on_a_wall_calendar(script: bytes, a: int, b: int) -> None:
    """R-TOL-12: by both implementations, whichever of the two days comes first."""
    calendar = calendar_of(script)
    day, later = sorted((a, b))
    counted = sum(is_business_day(calendar, each) for each in range(day + 1, later + 1))
    assert business_days_between(calendar, day, later) == counted
    words = np.array(calendar_words(calendar), np.int64)
    assert counted_at_speed(words, 0, np.int64(day), np.int64(later)) == counted
    assert counted_at_speed(words, 0, np.int64(later), np.int64(day)) == -counted


def test_the_longest_time_is_counted_at_once() -> None:
    """R-TOL-12."""
    calendar = replace(calendar_of(b""), weekend=(5, 6), holidays=(0,), workdays=(2,))
    first, last = parse_date("0001-01-01"), parse_date("9999-12-31")
    counted = business_days_between(calendar, first, last)
    words = np.array(calendar_words(calendar), np.int64)
    assert counted_at_speed(words, 0, np.int64(first), np.int64(last)) == counted
    assert counted == 5 * 521_722 + 4  # a Thursday less, a Saturday more


def calendar_of(script: bytes) -> Calendar:
    tree = {"calendars": {"there": choose_calendar(Dice(script))}}
    text = (
        'name = "a"\nversion = 1\nroles = ["x", "y"]\n[fields.n]\ntype = "integer"\n'
        '[deadlines]\nx = { at = "0bd 00:00", calendar = "there" }\n'
    )
    deadline = parse_agreement(text + to_toml(tree)).business_deadlines[0]
    assert deadline is not None
    return deadline.calendar


def is_business_day(calendar: Calendar, day: int) -> bool:
    return day in calendar.workdays or (
        (day + 3) % 7 not in calendar.weekend and day not in calendar.holidays
    )
