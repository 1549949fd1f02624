"""`tieout agreement calendar`: a time zone's clocks, written down for an agreement.

This is the one place that looks into a time zone database, and its result is text for an author: no
node does so, as two nodes might not find the same (R-TIME-2).
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tieout.cli.outcome import Failure, Outcome

_STEP = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_FIRST_YEAR, _LAST_YEAR = 1970, 9998


def calendar(zone: str, first: int, last: int, /) -> int:
    """Write a calendar with the clocks of a time zone, to be completed with holidays.

    Parameters
    ----------
    zone
        Its name in the time zone database, such as Europe/Berlin.
    first
        The first year.
    last
        The last year.

    """
    try:
        clocks = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        advice = "write one such as Asia/Shanghai"
        raise Failure(f"{zone}: no such time zone here", advice) from error
    if not _FIRST_YEAR <= first <= last <= _LAST_YEAR:
        raise Failure("no such years", "write the first and the last one, from 1970 on")
    start, end = datetime(first, 1, 1, tzinfo=UTC), datetime(last + 1, 1, 1, tzinfo=UTC)
    name = zone.rpartition("/")[2].lower().replace("-", "_")
    lines = [
        f"[calendars.{name}]",
        'weekend = ["saturday", "sunday"]',
        "# holidays = []  # the parties agree on them",
        f'offset = "{_offset(clocks, start)}"',
    ]
    changes = _changes(clocks, start, end)
    if changes:
        lines.append("changes = [")
        lines += [f'    ["{at:%Y-%m-%dT%H:%M:%SZ}", "{_offset(clocks, at)}"],' for at in changes]
        lines.append("]")
    print("\n".join(lines))
    return Outcome.COMPLETE


def _changes(clocks: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """The moments at which the offset becomes another one."""
    found = []
    while start < end:
        if _offset(clocks, start) != _offset(clocks, start + _STEP):
            before, after = start, start + _STEP
            while after - before > _SECOND:
                middle = before + (after - before) // 2
                middle = middle.replace(microsecond=0)
                if _offset(clocks, middle) == _offset(clocks, start):
                    before = middle
                else:
                    after = middle
            found.append(after)
        start += _STEP
    return found


def _offset(clocks: ZoneInfo, moment: datetime) -> str:
    """By how much clocks are ahead of UTC, to the minute."""
    ahead = moment.astimezone(clocks).utcoffset() or timedelta()
    minutes = abs(ahead) // timedelta(minutes=1)
    return f"{'-' if ahead < timedelta() else '+'}{minutes // 60:02}:{minutes % 60:02}"
