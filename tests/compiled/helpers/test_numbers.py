"""The arithmetic of compiled code against Python's own integers."""

import numba
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tieout.compiled import memory
from tieout.kernel import words
from tieout.kernel.compare import product_at_most

MAX_VALUE = (1 << 63) - 1
MAX_FACTOR = 10**12
FAR_FROM_THE_EDGE = 16  # offset at which every word has its eight bytes before it


@numba.njit
def compiled_at_most(left: int, left_factor: int, right: int, right_factor: int) -> bool:
    return product_at_most(left, left_factor, right, right_factor)


@numba.njit
def reload(buffer: np.ndarray, at: int, value: int) -> tuple[int, int, int, int, int]:
    memory.store64(buffer, at, value)
    return (
        memory.load64(buffer, at),
        memory.load32(buffer, at),
        memory.load32_signed(buffer, at),
        memory.load16(buffer, at),
        memory.load8(buffer, at),
    )


@numba.njit
def compare_and_copy(left: np.ndarray, right: np.ndarray, count: int) -> tuple[bool, bool, bool]:
    at = np.int64(FAR_FROM_THE_EDGE)
    same = words.same_bytes(left, at, right, at, count)
    words.copy_bytes(left, at, right, at, count)
    return same, words.same_bytes(left, at, right, at, count), words.zero_bytes(left, at, count)


@st.composite
def products(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """Two products that are often equal, or one unit apart."""
    left = draw(st.integers(0, MAX_VALUE))
    left_factor = draw(st.integers(0, MAX_FACTOR))
    right_factor = draw(st.integers(1, MAX_FACTOR) | st.just(max(left_factor, 1)))
    near = left * left_factor // right_factor + draw(st.integers(-1, 1))
    right = near if 0 <= near <= MAX_VALUE else draw(st.integers(0, MAX_VALUE))
    return left, left_factor, right, right_factor


@given(products())
def test_products_compare_as_exact_integers_do(product: tuple[int, int, int, int]) -> None:
    left, left_factor, right, right_factor = product
    expected = left * left_factor <= right * right_factor  # R-TOL-3
    assert expected == compiled_at_most(*(np.int64(number) for number in product))


@given(st.integers(-(1 << 63), MAX_VALUE), st.integers(0, 15))
def test_words_are_little_endian_at_any_offset(value: int, at: int) -> None:
    buffer = np.zeros(32, np.uint8)
    loaded = reload(buffer, np.int64(at), np.int64(value))
    raw = value.to_bytes(8, "little", signed=True)
    assert buffer[at : at + 8].tobytes() == raw
    assert [int(number) for number in loaded] == [
        value,
        int.from_bytes(raw[:4], "little"),
        int.from_bytes(raw[:4], "little", signed=True),
        int.from_bytes(raw[:2], "little"),
        raw[0],
    ]


@given(st.binary(max_size=40), st.data())
def test_ranges_compare_and_copy_as_bytes_do(first: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, max(0, len(first) - 1)))
    flip = data.draw(st.sampled_from((0, 1, 0x80)))
    second = bytes(byte ^ flip if i == place else byte for i, byte in enumerate(first))
    left, right = (
        np.frombuffer(b"\xaa" * FAR_FROM_THE_EDGE + part + b"\xbb" * 8, np.uint8).copy()
        for part in (first, second)
    )
    same, same_after, is_zero = compare_and_copy(left, right, np.int64(len(first)))
    assert (same, same_after, is_zero) == (first == second, True, not any(second))
    assert left.tobytes() == right.tobytes()


@given(st.binary(min_size=8, max_size=8).map(lambda raw: bytes(byte & 0x7F for byte in raw)))
def test_ascii_marks_tell_what_each_byte_is(raw: bytes) -> None:
    @numba.njit
    def marks_of(word: int) -> tuple[int, int, int]:
        return words.ascii_marks(word)

    marks = marks_of(np.int64(int.from_bytes(raw, "little", signed=True)))
    expected = [
        sum(0x80 << 8 * i for i, byte in enumerate(raw) if is_so(byte))
        for is_so in (lambda b: b != 0, lambda b: 0x20 <= b <= 0x7E, lambda b: b == 0x20)
    ]
    assert [int(mark) % (1 << 64) for mark in marks] == expected
