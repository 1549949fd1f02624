"""Dates and times of the proleptic Gregorian calendar, as days and microseconds since 1970-01-01.

Text is ISO 8601: `2013-06-30`, `2013-06-30T16:00:00.5+08:00`. A time names its offset from UTC, or
its reader does: a bare local time means a different moment in every office. Leap seconds are not
counted (POSIX). Writing is total: a value outside the years 0001 to 9999 is written with a sign and
at least four digits of the year (the expanded form of ISO 8601), though reading refuses it.
"""

import re
from typing import Final

from tieout.units.errors import UnitsError
from tieout.units.numbers import format_scaled, shown

US_PER_SECOND: Final = 1_000_000
US_PER_MINUTE: Final = 60 * US_PER_SECOND
US_PER_HOUR: Final = 60 * US_PER_MINUTE
US_PER_DAY: Final = 24 * US_PER_HOUR

FIRST_DAY: Final = -719_162
"""0001-01-01."""
LAST_DAY: Final = 2_932_896
"""9999-12-31."""

_LAST_YEAR: Final = 9_999
_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?"
    r"(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_MONTH_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FEBRUARY: Final = 2

# The calendar repeats after 400 years; years are counted from 1 March:
# the leap day is last.
_DAYS_OF_400_YEARS: Final = 146_097
_DAYS_TO_EPOCH: Final = 719_468


def parse_date(text: str) -> int:
    """Return the days from 1970-01-01 to `text`: `YYYY-MM-DD`, years 0001 to 9999.

    Raises UnitsError.
    """
    match = _DATE.fullmatch(text)
    if match is None:
        raise UnitsError(f"{shown(text)} is not a date: write it as YYYY-MM-DD")
    return _days(int(match[1]), int(match[2]), int(match[3]), text)


def format_date(days: int) -> str:
    """Return `days` since 1970-01-01 as `YYYY-MM-DD`."""
    year, month, day = _civil(days)
    if 0 < year <= _LAST_YEAR:
        return f"{year:04}-{month:02}-{day:02}"
    return f"{year:+05}-{month:02}-{day:02}"


def parse_time(text: str, default_offset_minutes: int | None = None) -> int:
    """Return the microseconds from 1970-01-01T00:00:00Z to `text`.

    `text` is a date, `T` or one space, hours and minutes, optionally seconds with at most six
    decimals, and `Z` or an offset from UTC. Without an offset `default_offset_minutes` (east is
    positive) is taken; without that, too, the text is refused. Raises UnitsError.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise UnitsError(
            f"{shown(text)} is not a time: write it as YYYY-MM-DDThh:mm:ssZ, or with an offset such"
            " as +08:00 instead of Z, and at most six decimals of a second"
        )
    days = parse_date(match[1])
    hour, minute, second = int(match[2]), int(match[3]), int(match[4] or "0")
    if hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004 - the clock
        raise UnitsError(f"{shown(text)} is not a time of day: 00:00:00 to 23:59:59")
    local_us = (
        days * US_PER_DAY
        + hour * US_PER_HOUR
        + minute * US_PER_MINUTE
        + second * US_PER_SECOND
        + int((match[5] or "").ljust(6, "0"))
    )
    time_us = local_us - _offset_minutes(text, match[6], default_offset_minutes) * US_PER_MINUTE
    if not FIRST_DAY * US_PER_DAY <= time_us < (LAST_DAY + 1) * US_PER_DAY:
        raise UnitsError(f"{shown(text)} is outside the years 0001 to 9999 in UTC")
    return time_us


def format_time(time_us: int) -> str:
    """Return microseconds since 1970-01-01T00:00:00Z as ISO 8601 in UTC.

    Six decimals of the second are written unless they are all zero.
    """
    days, of_day_us = divmod(time_us, US_PER_DAY)
    hour, rest_us = divmod(of_day_us, US_PER_HOUR)
    minute, rest_us = divmod(rest_us, US_PER_MINUTE)
    second, rest_us = divmod(rest_us, US_PER_SECOND)
    decimals = f".{rest_us:06}" if rest_us else ""
    return f"{format_date(days)}T{hour:02}:{minute:02}:{second:02}{decimals}Z"


def format_seconds(difference_us: int) -> str:
    """Return a difference of times as seconds, without superfluous zeros: `-1.5`, `3600`."""
    text = format_scaled(difference_us, 6)
    return text.rstrip("0").rstrip(".")


def _offset_minutes(text: str, offset: str | None, default_minutes: int | None) -> int:
    if offset is None:
        if default_minutes is None:
            raise UnitsError(
                f"{shown(text)} does not say its offset from UTC: add Z or one such as +08:00"
            )
        return default_minutes
    if offset == "Z":
        return 0
    hours, minutes = int(offset[1:3]), int(offset[3:].lstrip(":") or "0")
    if hours > 23 or minutes > 59:  # noqa: PLR2004 - RFC 3339, time-numoffset
        raise UnitsError(f"{shown(text)} has an impossible offset from UTC")
    total = hours * 60 + minutes
    return -total if offset[0] == "-" else total


def _days(year: int, month: int, day: int, text: str) -> int:
    if year == 0 or not 1 <= month <= len(_MONTH_DAYS):
        raise UnitsError(f"{shown(text)} is not a date: years are 0001 to 9999, months 01 to 12")
    leap = month == _FEBRUARY and (year % 4 == 0) and (year % 100 != 0 or year % 400 == 0)
    last = _MONTH_DAYS[month - 1] + leap
    if not 1 <= day <= last:
        raise UnitsError(f"{shown(text)} is not a date: that month has {last} days")
    march_year = year - (month <= _FEBRUARY)
    march_month = (month + 9) % 12
    day_of_year = (153 * march_month + 2) // 5 + day - 1
    leap_days = march_year // 4 - march_year // 100 + march_year // 400
    return march_year * 365 + leap_days + day_of_year - _DAYS_TO_EPOCH


def _civil(days: int) -> tuple[int, int, int]:
    era, day_of_era = divmod(days + _DAYS_TO_EPOCH, _DAYS_OF_400_YEARS)
    # Take the leap days out, so that every year has 365.
    year_of_era = (
        day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * march_month + 2) // 5 + 1
    month = (march_month + 2) % 12 + 1
    return era * 400 + year_of_era + (month <= _FEBRUARY), month, day
