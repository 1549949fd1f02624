"""Reading what an author states of time: deadlines and calendars."""

from collections.abc import Callable
from itertools import pairwise
from typing import Final

from tieout.agreement import keys
from tieout.agreement.calendars import WEEKDAYS, parse_clock, parse_due, parse_offset
from tieout.agreement.limits import MAX_CALENDAR_DAYS, MAX_CALENDARS, MAX_OFFSET_CHANGES
from tieout.agreement.stated import StatedCalendar, StatedDeadline, StatedDelay
from tieout.agreement.table import Table, is_name
from tieout.units.dates import US_PER_DAY, US_PER_HOUR, parse_date, parse_time
from tieout.units.errors import UnitsError

LARGEST_CHANGE_US: Final = 3 * US_PER_HOUR
"""Larger ones are of the past. With a day between two of them a deadline never goes back."""
_DAYS_REMEDY: Final = 'List days, such as ["2026-10-01"].'


def read_deadlines(table: Table) -> tuple[dict[str, int], dict[str, StatedDeadline]]:
    """Return durations, and deadlines in business time, by role."""
    durations: dict[str, int] = {}
    in_business_time: dict[str, StatedDeadline] = {}
    for role in table.listed():
        if table.holds_table(role):
            deadline = read_deadline(table, role)
            if deadline is not None:
                in_business_time[role] = deadline
        else:
            duration_us = table.duration(role)
            if duration_us is not None:
                durations[role] = duration_us
    return durations, in_business_time


def read_delay(table: Table, key: str) -> StatedDelay | None:
    """Return a duration, or a time of a business day."""
    return read_deadline(table, key) if table.holds_table(key) else table.duration(key)


def read_deadline(table: Table, key: str) -> StatedDeadline | None:
    """Return a time of a business day."""
    below = table.table(key, "Write a table.")
    if below is None:
        return None
    below.reject_others(keys.DEADLINE)
    remedy = 'Write business days and a time of the day, such as "1bd 17:00".'
    below.require("at", remedy)
    at = below.converted("at", below.text("at", remedy), parse_due, remedy)
    named = "Name one of [calendars]."
    below.require("calendar", named)
    calendar = below.text("calendar", named)
    until_remedy = 'Write a time of the day, such as "15:00".'
    until_us = below.converted(
        "until", below.text("until", until_remedy), parse_clock, until_remedy
    )
    return None if at is None or calendar is None else StatedDeadline(*at, calendar, until_us)


def read_calendars(table: Table) -> dict[str, StatedCalendar]:
    """Return the calendars that fit, by name."""
    names = table.listed()
    if len(names) > MAX_CALENDARS:
        table.reject(names[-1], f"{len(names)} calendars", f"At most {MAX_CALENDARS}.")
        return {}
    read = {}
    for name in sorted(names):
        if not is_name(name, keys.FIELD_NAME):
            table.reject(name, "this is not a name", "Write lower-case letters, digits and _.")
            continue
        below = table.table(name, "Write a table.")
        if below is not None:
            calendar = _calendar(below)
            if calendar is not None:
                read[name] = calendar
    return read


def _calendar(table: Table) -> StatedCalendar | None:
    before = table.problems()
    table.reject_others(keys.CALENDAR)
    weekend = table.names("weekend", 'List days of the week, such as ["saturday", "sunday"].')
    for day in weekend or ():
        if day not in WEEKDAYS:
            remedy = f"Write {', '.join(WEEKDAYS)}."
            table.reject("weekend", f"{day[:20]} is no day of the week", remedy)
    if weekend is not None and len(weekend) == len(WEEKDAYS):
        table.reject("weekend", "no day is left", "Leave one out.")
    holidays, workdays = _days(table, "holidays"), _days(table, "workdays")
    both = [day for day in holidays or () if day in (workdays or ())]
    if both:
        table.reject("workdays", "a day is a holiday too", "Keep it in one of the lists.")
    remedy = 'Write by how much clocks are ahead of UTC, such as "+08:00".'
    table.require("offset", remedy)
    offset_us = table.converted("offset", table.text("offset", remedy), parse_offset, remedy)
    changes = _changes(table)
    jump_us = 0 if offset_us is None or not changes else changes[0][1] - offset_us
    if abs(jump_us) > LARGEST_CHANGE_US:
        table.reject("changes", "clocks jump by more than 3 hours", "Mend the list.")
    if offset_us is None or table.problems() > before:
        return None
    in_order = None if weekend is None else tuple(day for day in WEEKDAYS if day in weekend)
    return StatedCalendar(in_order, holidays, workdays, offset_us, changes)


def _days(table: Table, key: str) -> tuple[int, ...] | None:
    texts = table.names(key, _DAYS_REMEDY)
    if texts is None:
        return None
    if len(texts) > MAX_CALENDAR_DAYS:
        table.reject(key, f"{len(texts)} days", f"At most {MAX_CALENDAR_DAYS}.")
        return None
    days = [table.converted(key, text, parse_date, _DAYS_REMEDY) for text in texts]
    return tuple(sorted(day for day in days if day is not None))


def _changes(table: Table) -> tuple[tuple[int, int], ...] | None:
    remedy = 'List moments and offsets: [["2026-03-29T01:00:00Z", "+02:00"]].'
    pairs = table.groups("changes", remedy)
    if pairs is None:
        return None
    if len(pairs) > MAX_OFFSET_CHANGES or any(len(pair) != len(("", "")) for pair in pairs):
        table.reject("changes", "not pairs, or too many", f"At most {MAX_OFFSET_CHANGES} pairs.")
        return None
    read = []
    for moment, offset in pairs:
        moment_us = table.converted("changes", moment, _reader(parse_time), remedy)
        offset_us = table.converted("changes", offset, parse_offset, remedy)
        if moment_us is not None and offset_us is not None:
            read.append((moment_us, offset_us))
    read.sort()
    for (sooner, old_us), (later, new_us) in pairwise(read):
        if later - sooner < US_PER_DAY or abs(new_us - old_us) > LARGEST_CHANGE_US:
            wrong = "two changes are less than a day apart, or clocks jump by more than 3 hours"
            table.reject("changes", wrong, "Mend the list.")
    return tuple(read)


def _reader(read: Callable[[str], int]) -> Callable[[str], int]:
    """A reader of moments that takes whole seconds only."""

    def whole_seconds(text: str) -> int:
        moment_us = read(text)
        if moment_us % 1_000_000:
            raise UnitsError("a change of clocks comes at a whole second")
        return moment_us

    return whole_seconds
