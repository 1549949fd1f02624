"""Wide numbers against Python's own integers."""

import numba
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tieout.agreement.model import RoundingMode
from tieout.kernel import layout as at
from tieout.kernel import wide
from tieout.kernel.steps import ROUNDING
from tieout.reference.rounding import divide

WORDS = at.WIDE_WORDS
numbers = st.integers(0, 240).flatmap(lambda bits: st.integers(-(1 << bits), 1 << bits))
halves = st.integers(0, 118).flatmap(lambda bits: st.integers(-(1 << bits), 1 << bits))


@numba.njit
def added(array: np.ndarray, flip: int) -> None:
    wide.add(array, np.int64(0), np.int64(0), np.int64(WORDS), flip)


@numba.njit
def multiplied(array: np.ndarray) -> None:
    wide.multiply(array, np.int64(2 * WORDS), np.int64(0), np.int64(WORDS))


@numba.njit
def divided(array: np.ndarray, mode: int) -> None:
    to, rest = np.int64(2 * WORDS), np.int64(3 * WORDS)
    wide.quotient(array, to, np.int64(0), np.int64(WORDS), rest, mode)


@numba.njit
def compared(array: np.ndarray) -> int:
    return wide.compare(array, np.int64(0), np.int64(WORDS))


def written(*values: int) -> np.ndarray:
    """Numbers one behind the other, and room for two more."""
    array = np.zeros((len(values) + 2) * WORDS, np.int64)
    for place, value in enumerate(values):
        array[place * WORDS] = int(value < 0)
        for limb in range(WORDS - 1):
            array[place * WORDS + 1 + limb] = abs(value) >> 31 * limb & ((1 << 31) - 1)
    return array


def read(array: np.ndarray, place: int) -> int:
    words = array[place * WORDS : (place + 1) * WORDS].tolist()
    assert all(0 <= limb < 1 << 31 for limb in words[1:])
    magnitude = sum(limb << 31 * i for i, limb in enumerate(words[1:]))
    assert words[0] in ((0, 1) if magnitude else (0,))
    return -magnitude if words[0] else magnitude


@given(numbers, numbers)
def test_sums_and_differences(a: int, b: int) -> None:
    for flip, expected in ((0, a + b), (1, a - b)):
        array = written(a, b)
        added(array, np.int64(flip))
        assert read(array, 0) == expected


@given(halves, halves)
def test_products(a: int, b: int) -> None:
    array = written(a, b)
    multiplied(array)
    assert read(array, 2) == a * b


@given(numbers, numbers)
def test_order(a: int, b: int) -> None:
    assert compared(written(a, b)) == (a > b) - (a < b)
    assert compared(written(a, a)) == 0


@pytest.mark.parametrize("mode", RoundingMode)
@given(numbers, halves | st.integers(-5, 5))
def test_quotients_are_rounded_as_the_reference_rounds(mode: RoundingMode, a: int, b: int) -> None:
    """R-ROUND-1."""
    assume(b != 0)
    array = written(a, b)
    divided(array, np.int64(ROUNDING[mode]))
    assert read(array, 2) == divide(a, b, mode)
