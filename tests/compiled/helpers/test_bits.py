"""Looking at 64 bytes at once gives what looking at each of them gives."""

import numba
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tieout.compiled import memory

WINDOW = 64
bytes_of_interest = st.one_of(
    st.integers(0, 255), st.sampled_from([0x0A, 0x1F, 0x20, 0x2C, 0x3B, 0x7E, 0x7F, 0x80, 0xFF])
)
windows = st.lists(bytes_of_interest, min_size=WINDOW + 3, max_size=WINDOW + 3)


@numba.njit
def looked_at(data: np.ndarray, at: int, value: int) -> tuple[int, int]:
    place = np.uint64(at)
    return memory.stop_bits(data, place, value), memory.high_bits(data, place, value)


@numba.njit
def lowest(word: int) -> int:
    return memory.trailing_zeros(np.uint64(word))


def bits_of(flags: list[bool]) -> int:
    return sum(1 << place for place, flag in enumerate(flags) if flag)


@given(windows, st.integers(0, 3), st.sampled_from([0x2C, 0x3B, 0x09, 0x22, 0x7F]))
def test_bits_tell_of_each_byte_in_order(data: list[int], at: int, value: int) -> None:
    seen = data[at : at + WINDOW]
    stops = bits_of([byte == value or byte < 0x20 for byte in seen])
    high = bits_of([byte >= value for byte in seen])
    assert looked_at(np.array(data, np.uint8), at, value) == (stops, high)


@given(st.integers(0, 63), st.integers(0, (1 << 64) - 1))
def test_the_lowest_bit_is_found(place: int, above: int) -> None:
    word = (above << place | 1 << place) & ((1 << 64) - 1)
    assert lowest(np.uint64(word)) == place


def test_a_word_without_bits_has_64_zeros() -> None:
    assert lowest(np.uint64(0)) == WINDOW
