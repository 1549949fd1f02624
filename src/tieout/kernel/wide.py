"""Whole numbers of up to 248 bits, exactly: what the formulas of invariants are reckoned with.

A number is a stretch of WIDE_WORDS words of an int64 array: its sign (0, or 1 below zero; zero has
0), then eight limbs of 31 bits, the lowest first, so that a product of two limbs and all carries
fit a word. Callers see to it that no result is larger (`agreement.formula.measure`).
"""

from typing import Any, Final

import numpy as np

from tieout.compiled.loops import helper
from tieout.compiled.memory import Int64
from tieout.kernel import layout as at

LIMBS: Final = at.WIDE_WORDS - 1
_BITS: Final = 31
_MASK: Final = (1 << _BITS) - 1
_TOP_BIT: Final = _BITS - 1


@helper
def put(array: Any, to: Int64, number: Int64) -> None:
    """Write a number of at most 62 bits."""
    array[to] = 1 if number < 0 else 0
    magnitude = abs(number)
    array[to + 1] = magnitude & _MASK
    array[to + 2] = magnitude >> _BITS
    for i in range(3, at.WIDE_WORDS):
        array[to + i] = 0


@helper
def copy(array: Any, to: Int64, source: Any, start: Int64) -> None:
    """Copy a number."""
    for i in range(at.WIDE_WORDS):
        array[to + i] = source[start + i]


@helper
def _compare_magnitudes(array: Any, a: Int64, b: Int64) -> Int64:
    """−1, 0 or 1: whether |a| is smaller, equal or larger."""
    for i in range(LIMBS, 0, -1):
        if array[a + i] != array[b + i]:
            return np.int64(-1 if array[a + i] < array[b + i] else 1)
    return np.int64(0)


@helper
def compare(array: Any, a: Int64, b: Int64) -> Int64:
    """−1, 0 or 1: whether a is smaller, equal or larger."""
    if array[a] != array[b]:
        return np.int64(-1 if array[a] == 1 else 1)
    compared = _compare_magnitudes(array, a, b)
    return -compared if array[a] == 1 else compared


@helper
def is_zero(array: Any, a: Int64) -> bool:
    """Whether a number is zero."""
    found = np.int64(0)
    for i in range(1, at.WIDE_WORDS):
        found |= array[a + i]
    return found == 0


@helper
def _add_magnitudes(array: Any, to: Int64, a: Int64, b: Int64) -> None:
    carry = np.int64(0)
    for i in range(1, at.WIDE_WORDS):
        total = array[a + i] + array[b + i] + carry
        array[to + i] = total & _MASK
        carry = total >> _BITS


@helper
def _subtract_magnitudes(array: Any, to: Int64, a: Int64, b: Int64) -> None:
    """|a| − |b|, which is not below zero."""
    borrow = np.int64(0)
    for i in range(1, at.WIDE_WORDS):
        rest = array[a + i] - array[b + i] - borrow
        borrow = np.int64(1 if rest < 0 else 0)
        array[to + i] = rest & _MASK


@helper
def add(array: Any, to: Int64, a: Int64, b: Int64, flip: Int64) -> None:
    """Put a + b, or a − b when `flip` is 1; `to` may be one of them."""
    sign_a = array[a]
    sign_b = array[b] ^ flip
    if sign_a == sign_b:
        _add_magnitudes(array, to, a, b)
        array[to] = sign_a
    elif _compare_magnitudes(array, a, b) >= 0:
        _subtract_magnitudes(array, to, a, b)
        array[to] = sign_a
    else:
        _subtract_magnitudes(array, to, b, a)
        array[to] = sign_b
    if is_zero(array, to):
        array[to] = 0


@helper
def multiply(array: Any, to: Int64, a: Int64, b: Int64) -> None:
    """The product of a and b; `to` is neither of them."""
    for i in range(1, at.WIDE_WORDS):
        array[to + i] = 0
    for i in range(LIMBS):
        carry = np.int64(0)
        for j in range(LIMBS - i):
            total = array[a + 1 + i] * array[b + 1 + j] + array[to + 1 + i + j] + carry
            array[to + 1 + i + j] = total & _MASK
            carry = total >> _BITS
    array[to] = array[a] ^ array[b]
    if is_zero(array, to):
        array[to] = 0


@helper
def _double(array: Any, a: Int64, low: Int64) -> None:
    """2 · |a| + low, where low is 0 or 1."""
    carry = low
    for i in range(1, at.WIDE_WORDS):
        total = (array[a + i] << 1) | carry
        array[a + i] = total & _MASK
        carry = total >> _BITS


@helper
def quotient(array: Any, to: Int64, a: Int64, b: Int64, rest: Int64, mode: Int64) -> None:
    """Put a / b, rounded to a whole number (R-ROUND-1); b is not 0, `to` and `rest` are free."""
    for i in range(at.WIDE_WORDS):
        array[to + i] = 0
        array[rest + i] = 0
    for limb in range(LIMBS, 0, -1):
        for place in range(_TOP_BIT, -1, -1):
            _double(array, rest, (array[a + limb] >> place) & 1)
            if _compare_magnitudes(array, rest, b) >= 0:
                _subtract_magnitudes(array, rest, rest, b)
                array[to + limb] |= np.int64(1) << place
    is_negative = array[a] != array[b]
    if not is_zero(array, rest) and _goes_out(array, to, b, rest, mode, is_negative):
        _increment(array, to)
    array[to] = 1 if is_negative and not is_zero(array, to) else 0


@helper
def _increment(array: Any, a: Int64) -> None:
    carry = np.int64(1)
    for i in range(1, at.WIDE_WORDS):
        total = array[a + i] + carry
        array[a + i] = total & _MASK
        carry = total >> _BITS


@helper
def _goes_out(
    array: Any, whole: Int64, divisor: Int64, rest: Int64, mode: Int64, is_negative: bool
) -> bool:
    """Whether a quotient with a rest is rounded away from zero. Spoils the rest."""
    if mode == at.ROUND_TRUNCATE:
        return False
    if mode == at.ROUND_FLOOR:
        return is_negative
    if mode == at.ROUND_CEILING:
        return not is_negative
    _double(array, rest, np.int64(0))
    compared = _compare_magnitudes(array, rest, divisor)
    if compared != 0:
        return compared > 0
    return mode == at.ROUND_HALF_UP or array[whole + 1] & 1 == 1
