"""Reading one table of a file: every value is asked for by key and type; the rest is unknown."""

import re
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from tieout.agreement.errors import Findings
from tieout.agreement.limits import MAX_DURATION_US, MAX_NAME_CHARACTERS
from tieout.units.durations import parse_duration
from tieout.units.errors import UnitsError
from tieout.units.numbers import normalise_decimal, shown

IDENTIFIER: Final = re.compile(r"[a-z][a-z0-9_]*")
_Value = TypeVar("_Value")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class BareDecimal:
    """A number with a point or an exponent that stands in the file without quotes."""

    def __init__(self, text: str) -> None:
        self.text = text


class Table:
    """A table of the file, with the path that leads to it; findings collect what does not fit.

    A reading method returns None for a key that is absent or that does not fit.
    """

    def __init__(self, values: dict[str, object], path: str, findings: Findings) -> None:
        self._values = values
        self._path = path
        self._findings = findings

    def at(self, key: str) -> str:
        """Return the dotted path of a key of this table."""
        return key_path(self._path, key)

    def has(self, key: str) -> bool:
        """Whether the key stands in the table."""
        return key in self._values

    def listed(self) -> tuple[str, ...]:
        """Return the keys in the order of the file."""
        return tuple(self._values)

    def reject(self, key: str, wrong: str, remedy: str) -> None:
        """Note a problem of a key."""
        self._findings.add(self.at(key), wrong, remedy)

    def require(self, key: str, remedy: str) -> None:
        """Note a problem when the key is absent."""
        if key not in self._values:
            self.reject(key, "is missing", remedy)

    def reject_others(self, known: Iterable[str], what: str = "key of this table") -> None:
        """Note every key that is not among the known ones."""
        names = tuple(known)
        for key in self._values:
            if key not in names:
                self._findings.add_unknown(self.at(key), key, what, names)

    def text(self, key: str, remedy: str) -> str | None:
        """Read a string."""
        value = self._values.get(key)
        if isinstance(value, str):
            return value
        if key in self._values:
            self.reject(key, f"{_described(value)} stands where a string belongs", remedy)
        return None

    def name(self, key: str, pattern: re.Pattern[str], remedy: str) -> str | None:
        """Read a string that is a name of at most 36 characters."""
        value = self.text(key, remedy)
        if value is not None and not is_name(value, pattern):
            self.reject(key, f"{shown(value)} is not a name", remedy)
            return None
        return value

    def choice(self, key: str, allowed: Iterable[str]) -> str | None:
        """Read a string that is one of those allowed."""
        names = tuple(allowed)
        value = self.text(key, f"Allowed are {', '.join(names)}.")
        if value is not None and value not in names:
            self._findings.add_unknown(self.at(key), value, "choice here", names)
            return None
        return value

    def whole(self, key: str, low: int, high: int) -> int | None:
        """Read an integer from `low` to `high`."""
        value = self._values.get(key)
        remedy = f"Write a whole number from {low} to {high}, without quotes."
        if isinstance(value, int) and not isinstance(value, bool):
            if low <= value <= high:
                return value
            self.reject(key, "the number is out of range", remedy)
        elif key in self._values:
            self.reject(key, f"{_described(value)} stands where a whole number belongs", remedy)
        return None

    def flag(self, key: str) -> bool | None:
        """Read true or false."""
        value = self._values.get(key)
        if isinstance(value, bool):
            return value
        if key in self._values:
            wrong = f"{_described(value)} stands where true or false belongs"
            self.reject(key, wrong, "Write true or false, without quotes.")
        return None

    def decimal(self, key: str) -> str | None:
        """Read a decimal number, written as a string and not negative; return it normalised."""
        value = self._values.get(key)
        if isinstance(value, BareDecimal) or (
            isinstance(value, int) and not isinstance(value, bool)
        ):
            written = value.text if isinstance(value, BareDecimal) else str(value)
            remedy = f'Put it in quotes, so that nothing is lost: "{written[:40]}".'
            self.reject(key, "a decimal number stands without quotes", remedy)
            return None
        remedy = 'Write digits and at most one point in quotes, such as "0.01".'
        text = self.text(key, remedy)
        return self.converted(key, text, _not_negative, remedy)

    def duration(self, key: str) -> int | None:
        """Read a duration in microseconds, longer than zero and at most a hundred years."""
        remedy = 'Write a whole number and d, h, m, s or ms in quotes, such as "30s".'
        return self.converted(key, self.text(key, remedy), _positive_duration, remedy)

    def names(self, key: str, remedy: str) -> tuple[str, ...] | None:
        """Read a list of at least one string, none of them twice."""
        value = self._values.get(key)
        if key not in self._values:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.reject(key, f"{_described(value)} stands where a list of names belongs", remedy)
            return None
        items: tuple[str, ...] = tuple(value)
        if not items:
            self.reject(key, "the list is empty", remedy)
            return None
        if len(dict.fromkeys(items)) != len(items):
            self.reject(key, "a name stands twice in the list", "Name each once.")
            return None
        return items

    def groups(self, key: str, remedy: str) -> tuple[tuple[str, ...], ...] | None:
        """Read a list of lists of strings, at least one, each of at least two."""
        value = self._values.get(key)
        if key not in self._values:
            return None
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(group, list) and len(group) > 1 for group in value)
            or not all(isinstance(item, str) for group in value for item in group)
        ):
            self.reject(key, f"{_described(value)} is no list of groups", remedy)
            return None
        return tuple(tuple(group) for group in value)

    def table(self, key: str, remedy: str) -> "Table | None":
        """Read a table below this one."""
        value = self._values.get(key)
        if isinstance(value, dict):
            return Table(value, self.at(key), self._findings)
        if key in self._values:
            self.reject(key, f"{_described(value)} stands where a table belongs", remedy)
        return None

    def tables(self, key: str, remedy: str) -> "list[Table]":
        """Read a list of tables; an empty one when there is none, or when it does not fit."""
        value = self._values.get(key, [])
        if isinstance(value, list) and all(isinstance(each, dict) for each in value):
            path = self.at(key)
            return [
                Table(each, f"{path}.{number}", self._findings)
                for number, each in enumerate(value, start=1)
            ]
        self.reject(key, f"{_described(value)} stands where tables belong", remedy)
        return []

    def empty(self, key: str) -> "Table":
        """Return an empty table at `key`."""
        return Table({}, self.at(key), self._findings)

    def problems(self) -> int:
        """Return how many problems were noted so far, anywhere in the file."""
        return len(self._findings)

    def holds_text(self, key: str) -> bool:
        """Whether a text stands at a key."""
        return isinstance(self._values.get(key), str)

    def holds_table(self, key: str) -> bool:
        """Whether the key's value is a table."""
        return isinstance(self._values.get(key), dict)

    def converted(
        self, key: str, text: str | None, read: Callable[[str], _Value], remedy: str
    ) -> _Value | None:
        """Return what `read` makes of a text; a UnitsError that it raises is noted."""
        if text is None:
            return None
        try:
            return read(text)
        except UnitsError as error:
            self.reject(key, str(error), remedy)
            return None


def key_path(path: str, key: str) -> str:
    """Return the dotted path of a key below `path`; a key that is no bare key of TOML is quoted."""
    written = key if _BARE_KEY.fullmatch(key) else shown(key)
    return f"{path}.{written}" if path else written


def is_name(text: str, pattern: re.Pattern[str]) -> bool:
    """Whether `text` fits the pattern and has at most 36 characters."""
    return len(text) <= MAX_NAME_CHARACTERS and pattern.fullmatch(text) is not None


def _not_negative(text: str) -> str:
    number = normalise_decimal(text)
    if number.startswith("-"):
        raise UnitsError(f"{shown(text)} is negative")
    return number


def _positive_duration(text: str) -> int:
    duration_us = parse_duration(text)
    if not 0 < duration_us <= MAX_DURATION_US:
        raise UnitsError(f"{shown(text)} is not between 1us and 36525d")
    return duration_us


def _described(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case BareDecimal():
            return "a decimal number"
        case str():
            return "a string"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or time"


def in_order(names: tuple[str, ...], order: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names in the order of `order`, unknown ones behind, as they came."""
    return tuple(sorted(names, key=lambda name: order.index(name) if name in order else len(order)))
