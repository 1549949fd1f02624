"""Decimal text and scaled integers.

A number of a field with scale s is held as the integer value × 10**s. Reading is exact: what the
scale cannot hold is refused, never rounded. Exponents, thousands marks and spaces are refused,
since their meaning differs from system to system.
"""

import re
from typing import Final

from tieout.units.errors import UnitsError

MAX_SCALE: Final = 18
"""Most decimals of a number: 10**18 still fits the 62 bits of a value."""

MAX_ABS_SCALED: Final = (1 << 62) - 1
"""Largest magnitude of a scaled integer: the difference of two fits a signed 64-bit integer."""

_DIGITS_AT_MOST: Final = len(str(MAX_ABS_SCALED))
_NUMBER: Final = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?")


def parse_scaled(text: str, scale: int) -> int:
    """Return the value of `text` × 10**`scale`, exactly.

    `text` is an optional sign, digits, and optionally a point with further digits; decimals beyond
    the scale must be zeros. `scale` is 0 to 18. Raises UnitsError, saying why, for anything else
    and for magnitudes of 2**62 and more.
    """
    check_scale(scale)
    sign, whole, decimals = _split(text)
    kept, beyond = decimals[:scale], decimals[scale:]
    if beyond.strip("0"):
        raise UnitsError(f"{shown(text)} has more than {scale} decimals")
    digits = (whole + kept.ljust(scale, "0")).lstrip("0")
    if len(digits) > _DIGITS_AT_MOST:
        raise UnitsError(f"{shown(text)} is too large for a number of scale {scale}")
    magnitude = int(digits or "0")
    if magnitude > MAX_ABS_SCALED:
        raise UnitsError(f"{shown(text)} is too large for a number of scale {scale}")
    return -magnitude if sign == "-" else magnitude


def format_scaled(value: int, scale: int) -> str:
    """Return `value` / 10**`scale` as text with exactly `scale` decimals."""
    check_scale(scale)
    digits = str(abs(value)).rjust(scale + 1, "0")
    sign = "-" if value < 0 else ""
    if scale == 0:
        return sign + digits
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}"


def normalise_decimal(text: str) -> str:
    """Return the shortest text of the same number: `+001.50` becomes `1.5`, `-0.0` becomes `0`.

    Raises UnitsError where `parse_scaled` would refuse the text at every scale for its form.
    """
    sign, whole, decimals = _split(text)
    whole = whole.lstrip("0") or "0"
    decimals = decimals.rstrip("0")
    number = f"{whole}.{decimals}" if decimals else whole
    return "-" + number if sign == "-" and number != "0" else number


def count_decimals(normalised: str) -> int:
    """Return how many decimals a text of `normalise_decimal` has."""
    return len(normalised.partition(".")[2])


def check_scale(scale: int) -> None:
    """Raise UnitsError unless 0 ≤ `scale` ≤ 18."""
    if not 0 <= scale <= MAX_SCALE:
        raise UnitsError(f"a scale is 0 to {MAX_SCALE}, not {scale}")


def shown(text: str) -> str:
    """Quote `text` for a message: control characters escaped, long text cut."""
    at_most = 60
    return repr(text if len(text) <= at_most else text[: at_most - 1] + "…")


def _split(text: str) -> tuple[str, str, str]:
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise UnitsError(_reason(text))
    sign, whole, decimals = match[1], match[2], match[3] or ""
    if not whole and not decimals:
        raise UnitsError("an empty text is not a number" if not text else _reason(text))
    return sign, whole, decimals


def _reason(text: str) -> str:
    if text.strip() != text or " " in text:
        return f"{shown(text)} is not a number: it has spaces in it"
    if re.fullmatch(r"[+-]?[0-9.]+[eE][+-]?[0-9]+", text):
        return f"{shown(text)} has an exponent; write all digits"
    if "," in text:
        return f"{shown(text)} is not a number: it has a comma in it"
    return f"{shown(text)} is not a number: digits, and at most one sign and one point"
