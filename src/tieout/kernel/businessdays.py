"""How many business days lie between two dates (R-TOL-12).

The plan has a calendar as counts: of the days of a week, and of the days that are exceptions from
it, running. So the business days up to a day are counted by one division and one search.
"""

from typing import Any, Final

import numpy as np

from tieout.agreement.calendars import WEEKDAYS, weekday_of
from tieout.agreement.model import Calendar
from tieout.compiled.loops import helper
from tieout.compiled.memory import Int64
from tieout.kernel import layout as at

_MONDAY: Final = -weekday_of(0)
"""A day on which a week begins."""


def calendar_words(calendar: Calendar) -> list[int]:
    """A calendar as the plan has it (`layout.py`)."""
    is_business = [int(day not in calendar.weekend) for day in range(len(WEEKDAYS))]
    counts = [sum(is_business[: day + 1]) for day in range(len(WEEKDAYS))]
    exceptions = [
        *((day, -1) for day in calendar.holidays if is_business[weekday_of(day)]),
        *((day, 1) for day in calendar.workdays if not is_business[weekday_of(day)]),
    ]
    words = [counts[-1], *counts, len(exceptions)]
    more = 0
    for day, by in sorted(exceptions):
        more += by
        words += [day, more]
    return words


@helper
def _business_days_until(plan: Any, calendar: Int64, day: Int64) -> Int64:
    """Business days up to and with a day, counted from some day long ago or yet to come."""
    since = day - _MONDAY
    weeks = since // 7
    count = weeks * plan[calendar + at.CA_WEEK] + plan[calendar + at.CA_DAYS + since - 7 * weeks]
    low, high = np.int64(0), plan[calendar + at.CA_COUNT]
    exceptions = calendar + at.CALENDAR_HEAD
    while low < high:  # the exceptions before `low` are not after the day
        middle = (low + high) >> 1
        exception = exceptions + at.EXCEPTION_WORDS * middle
        if plan[exception + at.EX_DAY] <= day:
            low = middle + 1
        else:
            high = middle
    if low > 0:
        last = exceptions + at.EXCEPTION_WORDS * (low - 1)
        count += plan[last + at.EX_MORE]
    return count


@helper
def business_days_between(plan: Any, calendar: Int64, day: Int64, later: Int64) -> Int64:
    """How many business days come after a day, up to a later one; less than 0 the other way."""
    return _business_days_until(plan, calendar, later) - _business_days_until(plan, calendar, day)
