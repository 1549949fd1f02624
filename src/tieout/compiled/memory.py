"""Numbers in bytes: unaligned little-endian loads and stores at byte offsets, and prefetching.

Slots and rows are packed without padding, so their numbers stand at any address. numba's own array
access cannot read them; assembling them from bytes costs eight loads where the machine needs one.
So here are the few primitives that read and write words at byte offsets.

Every number is an int64 outside this file, bit masks too (bit 63 is the sign): mixing signed with
unsigned 64-bit numbers makes binary fractions in numpy and numba alike.

There are two forms. The trusting one (`intrinsics`) is what is compiled as a rule; it trusts its
offsets. The checked one, here, goes byte by byte through checked indexing; the histories run
through it as well, which is what allows the other to trust. Both give the same numbers.
"""

from typing import Any, Final, TypeAlias

import numpy as np

from tieout.compiled.loops import CHECKED, MODE, Mode, helper

Int64: TypeAlias = Any
"""A number in compiled code: int64 there, numpy's or Python's own under the interpreter."""

TRUSTING: Final = MODE is Mode.NUMBA and not CHECKED


def _checked_load(size: int, *, signed: bool) -> Any:
    shift = 64 - 8 * size if signed else 0

    @helper
    def load(buffer: Any, at: Int64) -> Int64:
        if at < 0:
            raise IndexError
        value = np.int64(0)
        for i in range(size):
            value |= np.int64(buffer[at + i]) << np.int64(8 * i)
        return (value << np.int64(shift)) >> np.int64(shift)

    return load


def _checked_store(size: int) -> Any:
    @helper
    def store(buffer: Any, at: Int64, value: Int64) -> None:
        if at < 0:
            raise IndexError
        for i in range(size):
            buffer[at + i] = np.uint8((np.int64(value) >> np.int64(8 * i)) & np.int64(0xFF))

    return store


@helper
def _checked_number_at(numbers: Any, i: Int64) -> Int64:
    if i < 0:
        raise IndexError
    return numbers[i]


@helper
def _checked_put_number(numbers: Any, i: Int64, value: Int64) -> None:
    if i < 0:
        raise IndexError
    numbers[i] = value


@helper
def _no_prefetch(_buffer: Any, _at: Int64) -> None:
    """Nothing: memory is slow enough already."""


@helper
def _usual_vectors() -> None:
    """Nothing: the compiler chooses."""


@helper
def _checked_trailing_zeros(word: Any) -> Any:
    count = np.uint64(0)
    while count < np.uint64(64) and (word >> count) & np.uint64(1) == np.uint64(0):
        count += np.uint64(1)
    return count


@helper
def _checked_stop_bits(buffer: Any, at: Any, value: Any) -> Any:
    bits = np.uint64(0)
    for i in range(64):
        byte = buffer[at + np.uint64(i)]
        if byte == value or byte < 0x20:
            bits |= np.uint64(1) << np.uint64(i)
    return bits


@helper
def _checked_high_bits(buffer: Any, at: Any, value: Any) -> Any:
    bits = np.uint64(0)
    for i in range(64):
        if buffer[at + np.uint64(i)] >= value:
            bits |= np.uint64(1) << np.uint64(i)
    return bits


if TRUSTING:
    from tieout.compiled import intrinsics as form

    _load, _store = form.load, form.store
    number_at: Any = form.number_at
    put_number: Any = form.put_number
    prefetch: Any = form.prefetch
    widest_vectors: Any = form.widest_vectors
    trailing_zeros: Any = form.trailing_zeros
    stop_bits: Any = form.stop_bits
    high_bits: Any = form.high_bits
else:
    _load, _store = _checked_load, _checked_store
    number_at = _checked_number_at
    put_number = _checked_put_number
    prefetch = _no_prefetch
    widest_vectors = _usual_vectors
    trailing_zeros = _checked_trailing_zeros
    stop_bits = _checked_stop_bits
    high_bits = _checked_high_bits

load8 = _load(1, signed=False)
load16 = _load(2, signed=False)
load32 = _load(4, signed=False)
load32_signed = _load(4, signed=True)
load64 = _load(8, signed=True)
store8 = _store(1)
store16 = _store(2)
store32 = _store(4)
store64 = _store(8)
# number_at, put_number: a number of an int64 array; the index is not negative, so nothing is
# counted from the end. prefetch: ask for the cache line of a byte; the offset may lie outside.
# widest_vectors: compile the calling function for the widest vectors of the machine. Compilers hold
# those of 512 bits back where they lower the clock of what runs besides; in the lanes of SHA-256
# they take a third off the time, and nothing else runs meanwhile.
# trailing_zeros: the position of the lowest bit of a uint64, 64 when there is none. stop_bits and
# high_bits look at 64 bytes from an offset and give a uint64 with a bit for each that is a value or
# below 0x20, or that is not below a value.
