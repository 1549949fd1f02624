"""Business calendars as an author writes them: text to days, moments and offsets, and back.

A calendar is data of the agreement: which days of the week are free, which days besides, on which
days people work all the same, and by how much the clocks there differ from UTC, from which moment
on. No node looks up a time zone; `tieout agreement calendar` does so once, for the author.
"""

import re
from typing import Final

from tieout.units.dates import US_PER_DAY, US_PER_MINUTE
from tieout.units.errors import UnitsError
from tieout.units.numbers import shown

WEEKDAYS: Final = (*("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),)
_OFFSET: Final = re.compile(r"([+-])([0-9]{2}):([0-9]{2})")
_CLOCK: Final = re.compile(r"([0-9]{2}):([0-9]{2})")
_DUE: Final = re.compile(r"(0|[1-9][0-9]{0,2})bd ([0-9]{2}:[0-9]{2})")
_HOURS, _MINUTES = 24, 60
_EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday."""


def weekday_of(day: int) -> int:
    """The day of the week of a day since 1970-01-01, 0 to 6 from Monday on."""
    return (day + _EPOCH_WEEKDAY) % len(WEEKDAYS)


def parse_offset(text: str) -> int:
    """Return the microseconds by which `+08:00` is ahead of UTC. Raises UnitsError."""
    match = _OFFSET.fullmatch(text)
    if match is None:
        raise UnitsError(f'{shown(text)} is not an offset: write it as "+08:00"')
    offset_us = parse_clock(f"{match[2]}:{match[3]}")
    return -offset_us if match[1] == "-" else offset_us


def format_offset(offset_us: int) -> str:
    """Return the text of an offset."""
    return ("-" if offset_us < 0 else "+") + format_clock(abs(offset_us))


def parse_clock(text: str) -> int:
    """Return the microseconds from midnight to `17:00`. Raises UnitsError."""
    match = _CLOCK.fullmatch(text)
    if match is None or int(match[1]) >= _HOURS or int(match[2]) >= _MINUTES:
        raise UnitsError(f'{shown(text)} is no time of the day: write it as "17:00"')
    return (int(match[1]) * _MINUTES + int(match[2])) * US_PER_MINUTE


def format_clock(time_us: int) -> str:
    """Return the text of a time of the day, to the minute."""
    hours, minutes = divmod(time_us % US_PER_DAY // US_PER_MINUTE, _MINUTES)
    return f"{hours:02}:{minutes:02}"


def parse_due(text: str) -> tuple[int, int]:
    """Return the business days and the time of the day of `1bd 17:00`. Raises UnitsError."""
    match = _DUE.fullmatch(text)
    if match is None:
        raise UnitsError(f'{shown(text)} is no business time: write it as "1bd 17:00"')
    return int(match[1]), parse_clock(match[2])


def format_due(days: int, time_us: int) -> str:
    """Return the text of business days and a time of the day."""
    return f"{days}bd {format_clock(time_us)}"
