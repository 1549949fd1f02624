"""Durations as people write them into settings: a whole number and one unit."""

import re
from typing import Final

from tieout.units.dates import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND
from tieout.units.errors import UnitsError
from tieout.units.numbers import MAX_ABS_SCALED, shown

_UNITS_US: Final = {
    "d": US_PER_DAY,
    "h": US_PER_HOUR,
    "m": US_PER_MINUTE,
    "s": US_PER_SECOND,
    "ms": 1_000,
    "us": 1,
}
"""Longest first, as `format_duration` tries them."""
_DURATION: Final = re.compile(r"([0-9]{1,19})(us|ms|s|m|h|d)")


def parse_duration(text: str) -> int:
    """Return the microseconds of `400d`, `2h`, `15m`, `30s`, `250ms` or `10us`.

    Raises UnitsError.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UnitsError(
            f"{shown(text)} is not a duration: a whole number and d, h, m, s, ms or us"
        )
    duration_us = int(match[1]) * _UNITS_US[match[2]]
    if duration_us > MAX_ABS_SCALED:
        raise UnitsError(f"{shown(text)} is too long")
    return duration_us


def format_duration(duration_us: int) -> str:
    """Return the one text of a duration ≥ 0: in the longest unit that divides it; zero is `0s`."""
    if duration_us < 0:
        raise UnitsError(f"a duration is not negative: {duration_us} microseconds")
    if duration_us == 0:
        return "0s"
    unit, unit_us = next(item for item in _UNITS_US.items() if duration_us % item[1] == 0)
    return f"{duration_us // unit_us}{unit}"
