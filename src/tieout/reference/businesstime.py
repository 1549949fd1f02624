"""Business days and deadlines (R-TIME-2, R-TOL-12): a calendar is data, nothing is looked up."""

from tieout.agreement.calendars import WEEKDAYS, weekday_of
from tieout.agreement.model import Agreement, BusinessDeadline, Calendar
from tieout.units.dates import US_PER_DAY


def deadlines_of(agreement: Agreement, opened_us: int) -> list[tuple[int, int]]:
    """When each role with a deadline is asked about a transaction: (microseconds UTC, role)."""
    asked = [
        (opened_us + duration_us, role)
        for role, duration_us in enumerate(agreement.deadlines_us)
        if duration_us is not None
    ]
    return asked + [
        (deadline_us(deadline, opened_us), role)
        for role, deadline in enumerate(agreement.business_deadlines)
        if deadline is not None
    ]


def deadline_us(deadline: BusinessDeadline, opened_us: int) -> int:
    """When a role is asked about what was opened then; what is opened later is not asked sooner.

    When clocks are put back, what is opened in the hour that they show twice counts as opened at
    the end of its first run, if that is later.
    """
    changes = [moment_us for moment_us, _ in deadline.calendar.changes if moment_us <= opened_us]
    moments = [opened_us, *(moment_us - 1 for moment_us in changes[-1:])]
    return max(_due_us(deadline, moment_us) for moment_us in moments)


def business_days_between(calendar: Calendar, day: int, later: int) -> int:
    """How many business days come after a day, up to a later one (R-TOL-12)."""
    weeks, rest = divmod(later - day, len(WEEKDAYS))
    working = weeks * (len(WEEKDAYS) - len(calendar.weekend))
    working += sum(weekday_of(day + 1 + i) not in calendar.weekend for i in range(rest))
    for holiday in calendar.holidays:
        if day < holiday <= later and weekday_of(holiday) not in calendar.weekend:
            working -= 1
    for workday in calendar.workdays:
        if day < workday <= later and weekday_of(workday) in calendar.weekend:
            working += 1
    return working


def _due_us(deadline: BusinessDeadline, opened_us: int) -> int:
    calendar = deadline.calendar
    day, time_us = divmod(opened_us + _offset_us(calendar, opened_us), US_PER_DAY)
    if deadline.until_us is not None and time_us > deadline.until_us:
        day += 1
    day = _business_day_from(calendar, day)
    for _ in range(deadline.days):
        day = _business_day_from(calendar, day + 1)
    return _moment_us(calendar, day * US_PER_DAY + deadline.at_us)


def _business_day_from(calendar: Calendar, day: int) -> int:
    """The first business day that is not before a day."""
    while not _is_business_day(calendar, day):
        day += 1
    return day


def _is_business_day(calendar: Calendar, day: int) -> bool:
    if day in calendar.workdays:
        return True
    return weekday_of(day) not in calendar.weekend and day not in calendar.holidays


def _offset_us(calendar: Calendar, moment_us: int) -> int:
    """By how much clocks are ahead of UTC at a moment."""
    offset_us = calendar.offset_us
    for change_us, new_offset_us in calendar.changes:
        if change_us <= moment_us:
            offset_us = new_offset_us
    return offset_us


def _moment_us(calendar: Calendar, shown_us: int) -> int:
    """The moment at which clocks show a time: the last one, when they show it twice.

    A time that they leave out is taken as if they had not been put forward yet.
    """
    offset_us = calendar.offset_us
    for change_us, new_offset_us in calendar.changes:
        if change_us + new_offset_us <= shown_us:
            offset_us = new_offset_us
    return shown_us - offset_us
