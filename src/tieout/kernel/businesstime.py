"""Deadlines in business time, for many transactions at once (R-TIME-2).

Transactions are opened on few different days: the day on which each of these is due is found once.
"""

import numpy as np
from numpy.typing import NDArray

from tieout.agreement.calendars import WEEKDAYS, weekday_of
from tieout.agreement.model import BusinessDeadline
from tieout.units.dates import US_PER_DAY

Numbers = NDArray[np.int64]


def deadlines_us(deadline: BusinessDeadline, opened_us: Numbers) -> Numbers:
    """When a role is asked about transactions that were opened then, ascending as they are."""
    changes = np.array([moment for moment, _ in deadline.calendar.changes], np.int64)
    latest = np.searchsorted(changes, opened_us, "right")
    due = _due_us(deadline, opened_us)
    if not changes.size:
        return due
    # What was opened before the clocks were put back is not asked later than what came after.
    before = _due_us(deadline, changes - 1)[np.maximum(latest - 1, 0)]
    return np.where(latest > 0, np.maximum(due, before), due)


def _due_us(deadline: BusinessDeadline, opened_us: Numbers) -> Numbers:
    calendar = deadline.calendar
    moments = np.array([moment for moment, _ in calendar.changes], np.int64)
    offsets = np.array([calendar.offset_us, *(each for _, each in calendar.changes)], np.int64)
    shown_us = opened_us + offsets[np.searchsorted(moments, opened_us, "right")]
    days, times_us = np.divmod(shown_us, US_PER_DAY)
    if deadline.until_us is not None:
        days += times_us > deadline.until_us
    starts, places = np.unique(days, return_inverse=True)
    due = np.array([_due_day(deadline, day) for day in starts.tolist()], np.int64)
    at_us = due * US_PER_DAY + deadline.at_us
    return (at_us - offsets[np.searchsorted(moments + offsets[1:], at_us, "right")])[places]


def _due_day(deadline: BusinessDeadline, day: int) -> int:
    """The day on which is due what counts as opened on a day."""
    calendar, left = deadline.calendar, deadline.days
    free, busy = frozenset(calendar.holidays), frozenset(calendar.workdays)
    is_free = [weekday in calendar.weekend for weekday in range(len(WEEKDAYS))]
    while True:
        is_off = day in free or is_free[weekday_of(day)]
        if not is_off or day in busy:
            if left == 0:
                return day
            left -= 1
        day += 1
