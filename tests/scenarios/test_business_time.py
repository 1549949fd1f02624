"""Deadlines in business time: R-TIME-2."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.agreement.model import BusinessDeadline, Calendar
from tieout.agreement.parse import parse_agreement
from tieout.kernel.businesstime import deadlines_us
from tieout.reference.businesstime import deadline_us
from tieout.testing.agreements import to_toml
from tieout.testing.dice import Dice
from tieout.testing.refinements import choose_calendar
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.testing.workbench import START_US, governed_genesis, refined_genesis
from tieout.units.dates import format_time, parse_time

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "holiday" / "agreement.toml"
SHANGHAI, FRANKFURT = "registrar", "bank"


def due(role: str, opened: str, **changes: object) -> str:
    """When a role of the example is asked about what was opened then."""
    agreement = parse_agreement(EXAMPLE.read_text(encoding="utf-8"))
    deadline = agreement.business_deadlines[agreement.roles.index(role)]
    assert deadline is not None
    deadline = replace(deadline, **changes)  # type: ignore[arg-type]
    opened_us = parse_time(opened)
    scalar = deadline_us(deadline, opened_us)
    assert deadlines_us(deadline, np.array([opened_us], np.int64)).tolist() == [scalar]
    return format_time(scalar)


@pytest.mark.parametrize(
    ("opened", "asked"),
    [
        ("2026-09-28T10:00+08:00", "2026-09-29T17:00+08:00"),  # a Monday
        ("2026-09-28T15:00+08:00", "2026-09-29T17:00+08:00"),  # in time, to the minute
        ("2026-09-28T15:00:00.000001+08:00", "2026-09-30T17:00+08:00"),  # the next day's
        ("2026-09-25T10:00+08:00", "2026-09-28T17:00+08:00"),  # over a weekend
        ("2026-09-26T10:00+08:00", "2026-09-29T17:00+08:00"),  # on a Saturday: as on Monday
        ("2026-09-30T10:00+08:00", "2026-10-08T17:00+08:00"),  # over the National Day
        ("2026-09-30T16:00+08:00", "2026-10-09T17:00+08:00"),
        ("2026-10-03T10:00+08:00", "2026-10-09T17:00+08:00"),
        ("2026-10-09T10:00+08:00", "2026-10-10T17:00+08:00"),  # a Saturday that is worked
        ("2026-09-28T23:00Z", "2026-09-30T17:00+08:00"),  # already Tuesday there
    ],
)
def test_holidays_weekends_and_working_saturdays(opened: str, asked: str) -> None:
    """R-TIME-2."""
    assert due(SHANGHAI, opened) == format_time(parse_time(asked))


@pytest.mark.parametrize(
    ("opened", "asked"),
    [
        ("2026-10-21T10:00+02:00", "2026-10-23T16:00+02:00"),
        ("2026-10-23T10:00+02:00", "2026-10-27T16:00+01:00"),  # clocks were put back
        ("2026-12-23T10:00+01:00", "2026-12-28T16:00+01:00"),
        ("2027-03-26T10:00+01:00", "2027-03-30T16:00+02:00"),  # and forward
    ],
)
def test_clocks_that_change(opened: str, asked: str) -> None:
    """R-TIME-2."""
    assert due(FRANKFURT, opened) == format_time(parse_time(asked))


def test_no_business_day_later_is_the_same_day() -> None:
    """R-TIME-2."""
    assert due(FRANKFURT, "2026-10-21T10:00+02:00", days=0) == "2026-10-21T14:00:00Z"
    assert due(FRANKFURT, "2026-10-24T10:00+02:00", days=0) == "2026-10-26T15:00:00Z"


def test_times_that_clocks_show_twice_or_not_at_all() -> None:
    """R-TIME-2: the last of two; a time left out as if clocks had not been put forward yet."""
    shown = {"days": 0, "at_us": 150 * 60_000_000}  # 02:30
    sundays = Calendar(
        (), (), (), 7_200_000_000, ((parse_time("2026-10-25T01:00Z"), 3_600_000_000),)
    )
    twice = due(FRANKFURT, "2026-10-24T23:00Z", **shown, calendar=sundays)
    assert twice == "2026-10-25T01:30:00Z"
    forward = replace(sundays, changes=((parse_time("2027-03-28T00:00Z"), 10_800_000_000),))
    left_out = due(FRANKFURT, "2027-03-27T23:00Z", **shown, calendar=forward)
    assert left_out == "2027-03-28T00:30:00Z"


def test_a_holiday_deadline(rules: RuleBook) -> None:
    """R-TIME-2, R-MISS-1: over the holiday nobody is late; the day after, the registrar is."""
    stage = play(rules, "", EXAMPLE.read_text(encoding="utf-8"), genesis=refined_genesis())
    until_us = parse_time("2026-09-30T10:00+08:00") - stage.bench.time_us
    for line, below in (
        (f"wait {until_us}us", []),
        ("seller T1 r1 250000.00", []),
        ("bank T1 r1 250000.00", []),
        ("wait 8d", []),
        ("expect T1 pending", []),
        ("wait 7h", []),  # 17:00 of the first business day after the holiday
        ("expect T1 pending", []),
        ("wait 1s", []),
        ("breaks", ["T1 missing registrar"]),
        ("expect T1 broken raised", []),
        ("registrar T1 r1 250000.00", []),
        ("expect T1 matched", []),
    ):
        stage.act(line, below)


def test_an_earlier_ledger_does_not_know_calendars(rules: RuleBook) -> None:
    """R-AGREE-3."""
    later = EXAMPLE.read_text(encoding="utf-8").replace("version = 1", "version = 2")
    plain = later.partition("[deadlines]")[0].replace("version = 2", "version = 1")
    script = "enact v2 by north -> malformed_agreement"
    play(rules, script, plain, later, genesis=governed_genesis())


def made(script: bytes, days: int, at: int, until: int | None) -> BusinessDeadline:
    """A deadline under a calendar whose clocks change while it runs."""
    calendar = choose_calendar(Dice(script))
    minute = 60_000_000
    text = (
        'name = "a"\nversion = 1\nroles = ["x", "y"]\n[fields.n]\ntype = "integer"\n'
        '[deadlines]\nx = { at = "0bd 00:00", calendar = "there" }\n'
    )
    tree = parse_agreement(text + to_toml({"calendars": {"there": calendar}}))
    read = tree.business_deadlines[0]
    assert read is not None
    until_us = None if until is None else until * minute
    return BusinessDeadline(days, at * minute, until_us, read.calendar)


@given(
    st.binary(max_size=20),
    st.integers(0, 40),
    st.integers(0, 1439),
    st.none() | st.integers(0, 1439),
    st.lists(st.integers(0, 40 * 86_400_000_000), min_size=2, max_size=8),
)
def test_who_is_opened_later_is_never_asked_sooner(
    script: bytes, days: int, at: int, until: int | None, after: list[int]
) -> None:
    """R-TIME-2; and many at once are asked as they are one by one."""
    deadline = made(script, days, at, until)
    opened = sorted(START_US - 86_400_000_000 + each for each in after)
    asked = [deadline_us(deadline, each) for each in opened]
    assert asked == sorted(asked)
    assert deadlines_us(deadline, np.array(opened, np.int64)).tolist() == asked
