"""When two values tie out: equality, currencies, tolerances (R-MATCH-4, R-TOL-1 to R-TOL-5).

A value is named by the buffer and the offset of the values that it stands among, so that a standing
record and the benchmarks of an adjustment compare alike. Percentages multiply up to 2^63 by up to
2^40: a product is kept as three limbs, the two low ones of 21 bits, so that every step fits an
int64; equal values have equal limbs.
"""

from typing import Any, Final

import numpy as np

from tieout.compiled.loops import helper, inlined
from tieout.compiled.memory import Int64, load16, load32_signed, load64, number_at
from tieout.kernel import layout as at
from tieout.kernel.words import same_bytes
from tieout.wire.rows import ColumnKind

_DATE: Final = np.int64(ColumnKind.DATE)
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
    """Whether two values of a field are in one currency; a blank one equals a blank one only."""
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
def _within_percent(
    plan: Any, line: Int64, field: Int64, a: Any, a_at: Int64, other: Int64, slots: Any, base: Int64
) -> bool:
    """R-TOL-3; the two values differ and are in one currency."""
    number = load64(a, a_at + number_at(plan, line + at.F_AT))
    of = number_at(plan, line + at.F_OF)
    reference = max(abs(number), abs(other))
    if of >= 0:
        block = base + at.ROLE_BLOCKS + of * plan[at.P_ROLE_BYTES]
        states = load16(slots, block + at.FLAGS) & at.STATES
        presence = load64(slots, block + at.PRESENCE)
        values = block + at.VALUES
        if states == 0 or (presence >> field) & 1 == 0:
            return False
        if not same_currency(plan, line, a, a_at, slots, values):
            return False
        reference = abs(load64(slots, values + number_at(plan, line + at.F_AT)))
    factor = number_at(plan, line + at.F_PERCENT_FACTOR)
    return product_at_most(
        abs(number - other), factor, reference, number_at(plan, line + at.F_PERCENT)
    )


@helper
def within(
    plan: Any, field: Int64, a: Any, a_at: Int64, b: Any, b_at: Int64, slots: Any, base: Int64
) -> bool:
    """Whether two values of a field are within tolerance of each other.

    `slots` and `base` name the transaction, for the base of a percentage.
    """
    line = at.P_TABLES + plan[at.P_ROLES] * at.ROLE_LINE + field * at.FIELD_LINE
    if not same_currency(plan, line, a, a_at, b, b_at):
        return False
    offset = number_at(plan, line + at.F_AT)
    if same_bytes(a, a_at + offset, b, b_at + offset, number_at(plan, line + at.F_WIDTH)):
        return True
    if number_at(plan, line + at.F_KIND) == _DATE:
        days = abs(load32_signed(a, a_at + offset) - load32_signed(b, b_at + offset))
        return np.int64(days) <= number_at(plan, line + at.F_DRIFT)
    absolute = number_at(plan, line + at.F_ABSOLUTE)
    percent = number_at(plan, line + at.F_PERCENT)
    if number_at(plan, line + at.F_IS_NUMBER) == 0 or (absolute < 0 and percent < 0):
        return False
    other = load64(b, b_at + offset)
    needs_all = number_at(plan, line + at.F_WITHIN_ALL) != 0
    if absolute >= 0:
        fits = abs(load64(a, a_at + offset) - other) <= absolute
        if percent < 0 or fits != needs_all:
            return fits
    return _within_percent(plan, line, field, a, a_at, other, slots, base)
