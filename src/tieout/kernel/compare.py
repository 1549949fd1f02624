"""When two values tie out: equality, currencies, tolerances (R-MATCH-4, R-TOL-1 to R-TOL-12).

A value is named by the buffer and the offset of the values that it stands among, so that a standing
record and the benchmarks of an adjustment compare alike. Percentages multiply up to 2^63 by up to
2^40: a product is kept as three limbs, the two low ones of 21 bits, so that every step fits an
int64; equal values have equal limbs.
"""

from typing import Any, Final

import numpy as np

from tieout.agreement.model import Base
from tieout.compiled.loops import helper, inlined
from tieout.compiled.memory import Int64, load8, load16, load32_signed, load64, number_at
from tieout.kernel import layout as at
from tieout.kernel.businessdays import business_days_between
from tieout.kernel.codes import behind, group_of, is_meant, same_code
from tieout.kernel.words import same_bytes
from tieout.wire.rows import ColumnKind

_DATE: Final = np.int64(ColumnKind.DATE)
_CODE: Final = np.int64(ColumnKind.CODE)
_SMALLER: Final = np.int64(Base.SMALLER)
_AVERAGE: Final = np.int64(Base.AVERAGE)
_LIMB_BITS: Final = 21
_LIMB: Final = (1 << _LIMB_BITS) - 1


@helper
def product_at_most(left: Int64, left_factor: Int64, right: Int64, right_factor: Int64) -> bool:
    """Whether left · left_factor ≤ right · right_factor.

    left and right are 0 to 2^63 − 1, the factors 0 to 10^12.
    """
    low = (left & _LIMB) * left_factor
    middle = ((left >> _LIMB_BITS) & _LIMB) * left_factor + (low >> _LIMB_BITS)
    high = (left >> (2 * _LIMB_BITS)) * left_factor + (middle >> _LIMB_BITS)
    other_low = (right & _LIMB) * right_factor
    other_middle = ((right >> _LIMB_BITS) & _LIMB) * right_factor + (other_low >> _LIMB_BITS)
    other_high = (right >> (2 * _LIMB_BITS)) * right_factor + (other_middle >> _LIMB_BITS)
    if high != other_high:
        return high < other_high
    if (middle & _LIMB) != (other_middle & _LIMB):
        return (middle & _LIMB) < (other_middle & _LIMB)
    return (low & _LIMB) <= (other_low & _LIMB)


@inlined
def same_currency(plan: Any, line: Int64, a: Any, a_at: Int64, b: Any, b_at: Int64) -> bool:
    """Whether two values of a field are in exactly one currency."""
    if number_at(plan, line + at.F_CURRENCY) < 0:
        return True
    offset = number_at(plan, line + at.F_CURRENCY_AT)
    return same_bytes(
        a, a_at + offset, b, b_at + offset, number_at(plan, line + at.F_CURRENCY_WIDTH)
    )


@inlined
def same_value(plan: Any, line: Int64, a: Any, a_at: Int64, b: Any, b_at: Int64) -> bool:
    """Whether two values of a field are exactly the same, currency included."""
    offset = number_at(plan, line + at.F_AT)
    width = number_at(plan, line + at.F_WIDTH)
    return same_bytes(a, a_at + offset, b, b_at + offset, width) and same_currency(
        plan, line, a, a_at, b, b_at
    )


@helper
def alike_currency(plan: Any, line: Int64, a: Any, a_at: Int64, b: Any, b_at: Int64) -> bool:
    """Whether two values count as of one currency; a blank one equals a blank one only."""
    if same_currency(plan, line, a, a_at, b, b_at):
        return True
    codes = number_at(plan, line + at.F_CODES)
    offset = number_at(plan, line + at.F_CURRENCY_AT)
    if codes == 0 or load8(a, a_at + offset) == 0 or load8(b, b_at + offset) == 0:
        return False
    width = number_at(plan, line + at.F_CURRENCY_WIDTH)
    return same_code(plan, codes, a, a_at + offset, b, b_at + offset, width)


@helper
def rounded(number: Int64, unit: Int64, mode: Int64) -> Int64:
    """How many of `unit` (1 to 10^18) a number is, rounded (R-ROUND-1)."""
    if unit == 1:
        return number
    below = number // unit
    rest = number - below * unit
    if mode == at.ROUND_FLOOR or rest == 0:
        return below
    if mode == at.ROUND_CEILING:
        return below + 1
    if mode == at.ROUND_TRUNCATE:
        return below + 1 if below < 0 else below
    half = unit - rest
    if rest != half:
        return below + 1 if rest > half else below
    if mode == at.ROUND_HALF_UP:
        return below + 1 if below >= 0 else below
    return below + (below & 1)


@inlined
def _compared_number(plan: Any, line: Int64, buffer: Any, values: Int64) -> Int64:
    """The number of a field that is compared, in units of what it is rounded to."""
    return rounded(
        load64(buffer, values + number_at(plan, line + at.F_AT)),
        number_at(plan, line + at.F_ROUND_UNIT),
        number_at(plan, line + at.F_ROUND_MODE),
    )


@helper
def _stated_values(plan: Any, field: Int64, role: Int64, slots: Any, base: Int64) -> Int64:
    """Where the values of a role stand that states a field, −1 when it does not."""
    block = base + at.ROLE_BLOCKS + role * plan[at.P_ROLE_BYTES]
    states = load16(slots, block + at.FLAGS) & at.STATES
    if states == 0 or (load64(slots, block + at.PRESENCE) >> field) & 1 == 0:
        return np.int64(-1)
    return block + at.VALUES


@helper
def _chosen_tolerance(plan: Any, choice: Int64, slots: Any, base: Int64) -> Int64:
    """Where the tolerance is that another field chooses, −1 when it chooses none (R-TOL-11)."""
    field, rule = plan[choice + at.CH_FIELD], plan[choice + at.CH_CODES]
    line = at.P_TABLES + plan[at.P_ROLES] * at.ROLE_LINE + field * at.FIELD_LINE
    offset, width = number_at(plan, line + at.F_AT), number_at(plan, line + at.F_WIDTH)
    first = np.int64(-1)
    for role in range(plan[at.P_ROLES]):
        values = _stated_values(plan, field, np.int64(role), slots, base)
        if values < 0:
            continue
        if first < 0:
            first = values + offset
        elif not same_code(plan, rule, slots, first, slots, values + offset, width):
            return np.int64(-1)
    if first < 0:
        return np.int64(-1)
    group = group_of(plan, rule, slots, first, width)
    tolerance = choice + at.CHOICE_HEAD
    for _ in range(plan[choice + at.CH_COUNT]):
        listed = tolerance + at.TOLERANCE_WORDS
        if is_meant(plan, rule, listed, group, slots, first, width):
            return tolerance
        tolerance = behind(plan, listed)
    return np.int64(-1)


@helper
def _within_percent(
    plan: Any,
    line: Int64,
    tolerance: Int64,
    field: Int64,
    a: Any,
    a_at: Int64,
    number: Int64,
    other: Int64,
    slots: Any,
    base: Int64,
) -> bool:
    """R-TOL-3, R-TOL-6; the two compared numbers differ and are in one currency."""
    of = number_at(plan, tolerance + at.T_OF)
    kind = number_at(plan, tolerance + at.T_BASE)
    factor = number_at(plan, tolerance + at.T_PERCENT_FACTOR)
    reference = max(abs(number), abs(other))
    if of >= 0:
        values = _stated_values(plan, field, of, slots, base)
        if values < 0 or not alike_currency(plan, line, a, a_at, slots, values):
            return False
        reference = abs(_compared_number(plan, line, slots, values))
    elif kind == _SMALLER:
        reference = min(abs(number), abs(other))
    elif kind == _AVERAGE:
        reference = abs(number) + abs(other)
        factor *= 2
    return product_at_most(
        abs(number - other), factor, reference, number_at(plan, tolerance + at.T_PERCENT)
    )


@helper
def _within_other(
    plan: Any, line: Int64, kind: Int64, a: Any, a_at: Int64, b: Any, b_at: Int64
) -> bool:
    """R-TOL-5, R-TOL-8 to R-TOL-10, R-TOL-12, for values that are no numbers and differ."""
    if kind == _DATE:
        day, other = np.int64(load32_signed(a, a_at)), np.int64(load32_signed(b, b_at))
        days = day - other
        calendar = number_at(plan, line + at.F_CALENDAR)
        if calendar != 0:
            days = business_days_between(plan, calendar, other, day)
        if days < 0:
            return -days <= number_at(plan, line + at.F_DRIFT_BEFORE)
        return days <= number_at(plan, line + at.F_DRIFT_AFTER)
    codes = number_at(plan, line + at.F_CODES)
    if kind != _CODE or codes == 0:
        return False
    return same_code(plan, codes, a, a_at, b, b_at, number_at(plan, line + at.F_WIDTH))


@helper
def within(
    plan: Any, field: Int64, a: Any, a_at: Int64, b: Any, b_at: Int64, slots: Any, base: Int64
) -> bool:
    """Whether a value (a) is within tolerance of the one that stands, or another role's (b).

    `slots` and `base` name the transaction, for the base of a percentage and what another field
    chooses.
    """
    line = at.P_TABLES + plan[at.P_ROLES] * at.ROLE_LINE + field * at.FIELD_LINE
    if not alike_currency(plan, line, a, a_at, b, b_at):
        return False
    offset = number_at(plan, line + at.F_AT)
    if same_bytes(a, a_at + offset, b, b_at + offset, number_at(plan, line + at.F_WIDTH)):
        return True
    if number_at(plan, line + at.F_IS_NUMBER) == 0:
        kind = number_at(plan, line + at.F_KIND)
        return _within_other(plan, line, kind, a, a_at + offset, b, b_at + offset)
    number = _compared_number(plan, line, a, a_at)
    other = _compared_number(plan, line, b, b_at)
    if number == other:
        return True
    tolerance = line + at.F_TOLERANCE
    choice = number_at(plan, line + at.F_CHOICE)
    if choice != 0:
        chosen = _chosen_tolerance(plan, choice, slots, base)
        if chosen >= 0:
            tolerance = chosen
    absolute = number_at(plan, tolerance + at.T_ABSOLUTE)
    percent = number_at(plan, tolerance + at.T_PERCENT)
    if absolute < 0 and percent < 0:
        return False
    needs_all = number_at(plan, tolerance + at.T_WITHIN_ALL) != 0
    if absolute >= 0:
        fits = abs(number - other) <= absolute // number_at(plan, line + at.F_ROUND_UNIT)
        if percent < 0 or fits != needs_all:
            return fits
    return _within_percent(plan, line, tolerance, field, a, a_at, number, other, slots, base)
