"""Tolerance: when two values of a field tie out (R-TOL-1 to R-TOL-12, R-MATCH-4).

Everything is an integer, and nothing is rounded but what the agreement says is to be rounded first:
a percentage is compared by multiplying both sides out. Rules change the comparison, never the data.
"""

from collections.abc import Mapping

from tieout.agreement.codes import settled
from tieout.agreement.model import NUMBERS, Agreement, Base, Field, FieldType, Tolerance
from tieout.reference.businesstime import business_days_between
from tieout.reference.rounding import divide
from tieout.reference.transaction import Transaction
from tieout.reference.values import Money, Value


def tolerance_of(agreement: Agreement, field: Field, transaction: Transaction) -> Tolerance | None:
    """The tolerance that holds for a field of a transaction now (R-TOL-11)."""
    if field.choice is None:
        return field.tolerance
    f = field.choice.field
    chooser = agreement.fields[f]
    stated = [
        settled(chooser.codes, code)
        for code in transaction.values_of(f, chooser.roles).values()
        if isinstance(code, bytes)
    ]
    if not stated or stated != stated[:1] * len(stated):
        return field.tolerance
    return dict(field.choice.by_value).get(stated[0], field.tolerance)


def within(
    field: Field,
    tolerance: Tolerance | None,
    value: Value,
    mark: Value,
    values: Mapping[int, Value],
) -> bool:
    """Whether `value` is within a tolerance of `mark`, the value that stands or another role's.

    `values` holds what each role states for the field now, by role; the base of a percentage is
    looked up there.
    """
    if value == mark:  # R-TOL-1
        return True
    if isinstance(value, Money) and isinstance(mark, Money):
        if not is_same_currency(field, value, mark):  # R-MATCH-4
            return False
    elif isinstance(value, bytes) or isinstance(mark, bytes):
        return _is_same_code(field, value, mark)
    if field.type is FieldType.DATE:  # R-TOL-5, R-TOL-8
        drift = _drift(field, _number(value), _number(mark))
        return -field.drift_before <= drift <= field.drift_after
    a, b = _as_compared(field, value), _as_compared(field, mark)
    return a == b or _within_number(
        tolerance, a, b, _twice_base(field, tolerance, value, mark, values)
    )


def _drift(field: Field, day: int, mark: int) -> int:
    """How many days a date lies after another one, less than 0 before it."""
    calendar = field.drift_calendar
    if calendar is None:
        return day - mark
    if day < mark:  # R-TOL-12
        return -business_days_between(calendar, day, mark)
    return business_days_between(calendar, mark, day)


def either_way(
    field: Field, tolerance: Tolerance | None, a: Value, b: Value, values: Mapping[int, Value]
) -> bool:
    """Whether one of two values is within tolerance of the other (R-MATCH-3)."""
    return within(field, tolerance, a, b, values) or within(field, tolerance, b, a, values)


def is_same_currency(field: Field, a: Money, b: Money) -> bool:
    """R-MATCH-4: a blank currency equals only a blank one."""
    if not a.currency or not b.currency:
        return a.currency == b.currency
    return settled(field.codes, a.currency) == settled(field.codes, b.currency)


def _is_same_code(field: Field, a: Value, b: Value) -> bool:
    """R-TOL-9, R-TOL-10. Texts have no such rule."""
    if field.codes is None or not isinstance(a, bytes) or not isinstance(b, bytes):
        return a == b
    return settled(field.codes, a) == settled(field.codes, b)


def _within_number(tolerance: Tolerance | None, a: int, b: int, twice_base: int) -> bool:
    """R-TOL-2 to R-TOL-4 for two different amounts."""
    if tolerance is None:
        return False
    distance = abs(a - b)
    stated = []
    if tolerance.absolute is not None:
        stated.append(distance <= tolerance.absolute)  # R-TOL-2
    if tolerance.percent_units is not None:
        scale = 10**tolerance.percent_scale
        allowed = tolerance.percent_units * twice_base
        stated.append(2 * distance * 100 * scale <= allowed)  # R-TOL-3
    if not stated:
        return False
    return all(stated) if tolerance.within_all else any(stated)  # R-TOL-4


def _twice_base(
    field: Field,
    tolerance: Tolerance | None,
    value: Value,
    mark: Value,
    values: Mapping[int, Value],
) -> int:
    """Twice the base of the percentage, so that an average is whole (R-TOL-3, R-TOL-6).

    0 when the named role states none in this currency.
    """
    if tolerance is None or tolerance.percent_units is None:
        return 0
    if tolerance.of is None:
        a, b = abs(_as_compared(field, value)), abs(_as_compared(field, mark))
        match tolerance.base:
            case Base.LARGER:
                return 2 * max(a, b)
            case Base.SMALLER:
                return 2 * min(a, b)
            case Base.AVERAGE:
                return a + b
    stated = values.get(tolerance.of)
    if stated is None:
        return 0
    if (
        isinstance(stated, Money)
        and isinstance(value, Money)
        and not is_same_currency(field, stated, value)
    ):
        return 0
    return 2 * abs(_as_compared(field, stated))


def _as_compared(field: Field, value: Value) -> int:
    """The number that is compared: what is stated, or what is left after rounding (R-TOL-7)."""
    number = _number(value)
    if field.rounding is None:
        return number
    unit: int = 10 ** (field.scale - field.rounding.decimals)
    return unit * divide(number, unit, field.rounding.mode)


def _number(value: Value) -> int:
    amount = value.amount if isinstance(value, Money) else value
    return amount if isinstance(amount, int) else 0


def difference(field: Field, reported: Value, benchmark: Value) -> int | None:
    """Reported − benchmark; None for codes, texts, and money in different currencies."""
    if isinstance(reported, Money) and isinstance(benchmark, Money):
        same = is_same_currency(field, reported, benchmark)  # R-MATCH-4
        return reported.amount - benchmark.amount if same else None
    if isinstance(reported, int) and isinstance(benchmark, int):
        return reported - benchmark
    return None


def tolerance_rules(field: Field, tolerance: Tolerance | None) -> tuple[str, ...]:
    """The numbers of the rules by which values of this field are compared."""
    if field.type is FieldType.DATE and field.drift_calendar is not None:
        return ("R-TOL-12",)
    if field.type is FieldType.DATE:
        return ("R-TOL-5",) if field.drift_before == field.drift_after else ("R-TOL-8",)
    decided = []
    if field.rounding is not None:
        decided.append("R-TOL-7")
    if field.type is FieldType.CODE and field.codes is not None:
        ignores = field.codes.ignores_case or field.codes.ignores_punctuation
        if ignores or field.codes.ignores_leading_zeros:
            decided.append("R-TOL-9")
        if field.codes.equivalent:
            decided.append("R-TOL-10")
    if field.choice is not None:
        decided.append("R-TOL-11")
    if tolerance is not None and tolerance.absolute is not None:
        decided.append("R-TOL-2")
    if tolerance is not None and tolerance.percent_units is not None:
        is_plain = tolerance.of is not None or tolerance.base is Base.LARGER
        decided.append("R-TOL-3" if is_plain else "R-TOL-6")
    is_limited = tolerance is not None and (
        tolerance.absolute is not None or tolerance.percent_units is not None
    )
    if field.type in NUMBERS and not is_limited:
        decided.append("R-TOL-1")
    return tuple(decided) or ("R-TOL-1",)
