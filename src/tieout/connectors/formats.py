"""Date and time formats: a small, exact subset of strptime.

A format is turned into a pattern, and what matches into the ISO 8601 form that `units` reads, so
that calendar and ranges are judged in one place. Two-digit years, names of weekdays and twelve-hour
clocks are not here: the first need a guess, the others have not been met.
"""

import re
from dataclasses import dataclass
from typing import Final

from tieout.connectors.limits import MAX_FORMAT_CHARACTERS
from tieout.units.dates import parse_date, parse_time
from tieout.units.errors import UnitsError
from tieout.units.numbers import shown

MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
DIRECTIVES: Final = {
    "%Y": "(?P<year>[0-9]{4})",
    "%m": "(?P<month>[0-9]{2})",
    "%-m": "(?P<month>[0-9]{1,2})",
    "%b": f"(?P<month>{'|'.join(MONTHS)})",
    "%d": "(?P<day>[0-9]{2})",
    "%-d": "(?P<day>[0-9]{1,2})",
    "%H": "(?P<hour>[0-9]{2})",
    "%M": "(?P<minute>[0-9]{2})",
    "%S": "(?P<second>[0-9]{2})",
    "%f": "(?P<decimals>[0-9]{1,6})",
    "%z": "(?P<zone>Z|[+-][0-9]{2}(?::?[0-9]{2})?)",
    "%%": "%",
}
FIXED: Final = {"%Y": "YYYY", "%m": "mm", "%d": "dd", "%H": "HH", "%M": "MM", "%S": "SS"}
"""Directives of one width, as `Format.template` marks them."""
DATE_PARTS: Final = ("year", "month", "day")
TIME_PARTS: Final = (*DATE_PARTS, "hour", "minute", "second", "decimals", "zone")
_REQUIRED: Final = {"date": DATE_PARTS, "time": (*DATE_PARTS, "hour", "minute")}
_TAKEN: Final = frozenset("YmdHMS0123456789")
"""Literals that a template could not tell from parts."""
_TOKEN: Final = re.compile(r"%-?.|[^%]|%")
_ZONE: Final = re.compile(r"Z|[+-][0-9]{2}(?::?[0-9]{2})?")


@dataclass(frozen=True, slots=True)
class Format:
    """One format of dates or times.

    `template` is the text with every part spelled by its letters (`dd.mm.YYYY`), when all of its
    parts have one width and its literals are ASCII; else None: such a format has no fixed places.
    """

    text: str
    pattern: re.Pattern[str]
    template: str | None

    def date(self, text: str) -> int:
        """Return the days from 1970-01-01. Raises UnitsError."""
        return parse_date(self._iso_date(self._match(text)))

    def time(self, text: str, zone_minutes: int | None) -> int:
        """Return the microseconds from 1970-01-01T00:00:00Z; `zone_minutes` as in `parse_time`.

        Raises UnitsError.
        """
        match = self._match(text)
        parts = match.groupdict()
        clock = f"{parts['hour']}:{parts['minute']}:{parts.get('second') or '00'}"
        decimals = f".{parts['decimals']}" if parts.get("decimals") else ""
        iso = f"{self._iso_date(match)}T{clock}{decimals}{parts.get('zone') or ''}"
        return parse_time(iso, zone_minutes)

    def _match(self, text: str) -> re.Match[str]:
        match = self.pattern.fullmatch(text)
        if match is None:
            raise UnitsError(f"{shown(text)} does not have the form {self.text}")
        return match

    def _iso_date(self, match: re.Match[str]) -> str:
        month = match["month"]
        number = MONTHS.index(month) + 1 if month in MONTHS else int(month)
        return f"{match['year']}-{number:02}-{int(match['day']):02}"


def parse_format(text: str, kind: str) -> Format:
    """Read a format of dates (`kind` "date") or times ("time"). Raises UnitsError with a reason."""
    if not 0 < len(text) <= MAX_FORMAT_CHARACTERS:
        raise UnitsError(f"a format has 1 to {MAX_FORMAT_CHARACTERS} characters")
    tokens: list[str] = _TOKEN.findall(text)
    patterns = []
    for token in tokens:
        if token.startswith("%") and token not in DIRECTIVES:
            known = ", ".join(DIRECTIVES)
            raise UnitsError(f"{shown(token)} is not a directive; known are {known}")
        patterns.append(DIRECTIVES.get(token, re.escape(token)))
    parts = [part for p in patterns for part in re.findall(r"\?P<([a-z]+)>", p)]
    allowed = DATE_PARTS if kind == "date" else TIME_PARTS
    for part in parts:
        if part not in allowed:
            raise UnitsError(f"a {kind} has no {part}")
        if parts.count(part) > 1:
            raise UnitsError(f"the {part} stands twice")
    for part in _REQUIRED[kind]:
        if part not in parts:
            raise UnitsError(f"the {part} is missing")
    return Format(text, re.compile("".join(patterns)), _template(tokens))


def parse_zone(text: str) -> int:
    """Return the minutes east of UTC of `Z`, `+08:00`, `-0530` or `+08`. Raises UnitsError."""
    if _ZONE.fullmatch(text) is None:
        raise UnitsError(f"{shown(text)} is not an offset from UTC such as +08:00")
    noon_us = parse_time(f"2000-01-01T12:00{text}")
    utc_us = parse_time("2000-01-01T12:00Z")
    return (utc_us - noon_us) // 60_000_000


def _template(parts: list[str]) -> str | None:
    written = []
    for part in parts:
        literal = "%" if part == "%%" else part
        if part in FIXED:
            written.append(FIXED[part])
        elif part.startswith("%") and part != "%%":
            return None
        elif literal.isascii() and literal.isprintable() and literal not in _TAKEN:
            written.append(literal)
        else:
            return None
    return "".join(written)
