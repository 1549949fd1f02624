from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.units.dates import (
    FIRST_DAY,
    LAST_DAY,
    US_PER_DAY,
    format_date,
    format_seconds,
    format_time,
    parse_date,
    parse_time,
)
from tieout.units.errors import UnitsError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ONE_US = timedelta(microseconds=1)
offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59)
wire_times = st.integers(-(1 << 62) + 1, (1 << 62) - 1)


@given(st.dates())
def test_dates_are_those_of_the_calendar(day: date) -> None:
    days = (day - EPOCH.date()).days
    assert parse_date(day.isoformat()) == days
    assert format_date(days) == day.isoformat()


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("1970-01-01", 0),
        ("1969-12-31", -1),
        ("2000-02-29", 11_016),
        ("0001-01-01", FIRST_DAY),
        ("9999-12-31", LAST_DAY),
    ],
)
def test_dates(text: str, days: int) -> None:
    assert parse_date(text) == days
    assert format_date(days) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "2013-6-30", "2013-02-29", "1900-02-29", "2013-04-31", "2013-13-01", "2013-00-10"),
        *(
            "0000-01-01",
            "20130630",
            "2013-06-30 ",
            "30.06.2013",
            "2013-01-00",
            "\uff12\uff10\uff11\uff13-06-30",
        ),
    ],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(UnitsError):
        parse_date(text)


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)), offsets)  # noqa: DTZ001
def test_times_are_those_of_the_calendar(local: datetime, offset_minutes: int) -> None:
    zoned = local.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    time_us = (zoned - EPOCH) // ONE_US
    assert parse_time(zoned.isoformat()) == time_us
    assert parse_time(zoned.isoformat(" ")) == time_us
    assert parse_time(local.isoformat(), offset_minutes) == time_us
    assert datetime.fromisoformat(format_time(time_us)) == zoned


@given(st.integers(FIRST_DAY * US_PER_DAY, (LAST_DAY + 1) * US_PER_DAY - 1))
def test_a_time_that_is_written_is_read_back(time_us: int) -> None:
    assert parse_time(format_time(time_us)) == time_us


@given(wire_times)
def test_every_time_that_the_wire_allows_can_be_written(time_us: int) -> None:
    year = format_time(time_us).rpartition("-")[0].rpartition("-")[0]
    assert len(year.lstrip("+-")) >= 4


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2013-06-30T16:00:00+08:00", "2013-06-30T08:00:00Z"),
        ("2013-06-30T16:00:00.5+0800", "2013-06-30T08:00:00.500000Z"),
        ("2013-06-30 00:30-01", "2013-06-30T01:30:00Z"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
    ],
)
def test_times(text: str, written: str) -> None:
    assert format_time(parse_time(text)) == written


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2013-06-30T16:00:00", "does not say its offset from UTC: add Z or one such as +08:00"),
        ("2013-06-30T24:00:00Z", "is not a time of day: 00:00:00 to 23:59:59"),
        ("2013-06-30T23:59:60Z", "is not a time of day: 00:00:00 to 23:59:59"),
        ("2013-06-31T10:00:00Z", "is not a date: that month has 30 days"),
        ("2013-06-30T10:00:00+24:00", "has an impossible offset from UTC"),
        ("0001-01-01T00:00:00+00:01", "is outside the years 0001 to 9999 in UTC"),
        ("9999-12-31T23:59:59-00:01", "is outside the years 0001 to 9999 in UTC"),
        ("2013-06-30T10:00:00.1234567Z", "is not a time: write it as"),
        ("10:00:00Z", "is not a time: write it as"),
    ],
)
def test_what_is_no_time_says_why(text: str, reason: str) -> None:
    with pytest.raises(UnitsError) as refused:
        parse_time(text)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("difference_us", "text"),
    [(0, "0"), (-1_500_000, "-1.5"), (3_600_000_000, "3600"), (1, "0.000001"), (-10, "-0.00001")],
)
def test_differences_of_times_are_seconds(difference_us: int, text: str) -> None:
    assert format_seconds(difference_us) == text
