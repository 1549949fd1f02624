"""Rounding, where an agreement asks for it and nowhere else (R-ROUND-1)."""

from tieout.agreement.model import RoundingMode


def divide(numerator: int, denominator: int, mode: RoundingMode) -> int:
    """The quotient of two integers as a whole number, rounded; the denominator is not zero."""
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    below, rest = divmod(numerator, denominator)
    return below + 1 if _goes_up(below, rest, denominator, mode) else below


def _goes_up(below: int, rest: int, denominator: int, mode: RoundingMode) -> bool:
    """Whether `below` + `rest` / `denominator` is rounded to the whole number above `below`."""
    match mode:
        case RoundingMode.FLOOR:
            return False
        case RoundingMode.CEILING:
            return rest > 0
        case RoundingMode.TRUNCATE:
            return rest > 0 and below < 0
        case RoundingMode.HALF_UP:
            return 2 * rest > denominator or (2 * rest == denominator and below >= 0)
        case RoundingMode.HALF_EVEN:
            return 2 * rest > denominator or (2 * rest == denominator and below % 2 == 1)
