"""Tolerance: when two values of a field tie out (R-TOL-1 to R-TOL-5, R-MATCH-4).

Everything is an integer and nothing is rounded: a percentage is compared by multiplying both sides
out. Rules change the comparison, never the data.
"""

from collections.abc import Mapping

from tieout.agreement.model import Field, FieldType, Tolerance
from tieout.reference.values import Money, Value


def within(field: Field, a: Value, b: Value, values: Mapping[int, Value]) -> bool:
    """Whether `a` and `b` are within the field's tolerance of each other.

    `values` holds what each role states for the field now, by role; the base of a percentage is
    looked up there.
    """
    if a == b:  # R-TOL-1
        return True
    if isinstance(a, Money) and isinstance(b, Money):
        if a.currency != b.currency:  # R-MATCH-4
            return False
        return _within_number(field.tolerance, a.amount, b.amount, _base(field, a, b, values))
    if isinstance(a, int) and isinstance(b, int):
        if field.type is FieldType.DATE:  # R-TOL-5
            return abs(a - b) <= field.drift_days
        return _within_number(field.tolerance, a, b, _base(field, a, b, values))
    return False


def _within_number(tolerance: Tolerance | None, a: int, b: int, base: int) -> bool:
    """R-TOL-2 to R-TOL-4 for two different amounts; `base` is that of the percentage."""
    if tolerance is None:
        return False
    distance = abs(a - b)
    stated = []
    if tolerance.absolute is not None:
        stated.append(distance <= tolerance.absolute)  # R-TOL-2
    if tolerance.percent_units is not None:
        scale = 10**tolerance.percent_scale
        allowed = tolerance.percent_units * abs(base)
        stated.append(distance * 100 * scale <= allowed)  # R-TOL-3
    return all(stated) if tolerance.within_all else any(stated)  # R-TOL-4


def _base(field: Field, a: Value, b: Value, values: Mapping[int, Value]) -> int:
    """The base of the percentage; 0 when the named role states none in this currency (R-TOL-3)."""
    if field.tolerance is None or field.tolerance.percent_units is None:
        return 0
    if field.tolerance.of is None:
        return max(abs(_number(a)), abs(_number(b)))
    stated = values.get(field.tolerance.of)
    if stated is None:
        return 0
    if isinstance(stated, Money) and isinstance(a, Money) and stated.currency != a.currency:
        return 0
    return _number(stated)


def _number(value: Value) -> int:
    amount = value.amount if isinstance(value, Money) else value
    return amount if isinstance(amount, int) else 0


def difference(reported: Value, benchmark: Value) -> int | None:
    """Reported − benchmark; None for codes, texts, and money in different currencies."""
    if isinstance(reported, Money) and isinstance(benchmark, Money):
        same = reported.currency == benchmark.currency  # R-MATCH-4
        return reported.amount - benchmark.amount if same else None
    if isinstance(reported, int) and isinstance(benchmark, int):
        return reported - benchmark
    return None


def tolerance_rules(field: Field) -> tuple[str, ...]:
    """The numbers of the rules by which values of this field are compared."""
    if field.type is FieldType.DATE:
        return ("R-TOL-5",)
    if field.tolerance is None:
        return ("R-TOL-1",)
    stated = []
    if field.tolerance.absolute is not None:
        stated.append("R-TOL-2")
    if field.tolerance.percent_units is not None:
        stated.append("R-TOL-3")
    return tuple(stated)
