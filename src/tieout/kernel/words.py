"""Numbers in bytes: unaligned little-endian loads and stores, hashing of keys, prefetching.

Slots and rows are packed without padding, so their numbers stand at any address. numba's own array
access cannot read them; assembling them from bytes costs eight loads where the machine needs one.
So here are the few primitives that read and write words at byte offsets.

A constant that is handed to another compiled function is a numpy number: Python's own would make
numba compile that function once more for each of them.

Every number is an int64 outside this file, bit masks too (bit 63 is the sign): mixing signed with
unsigned 64-bit numbers makes binary fractions in numpy and numba alike. `bit` makes masks.

There are two forms. The compiled one trusts its offsets. The checked one (`CHECKED`) goes byte by
byte through checked indexing; the histories run through it as well, which is what allows the other
to trust. Both give the same numbers, except for `hash_key` under the interpreter, which is never
an outcome.
"""

from typing import Any, Final, TypeAlias

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from tieout.kernel.compiled import CHECKED, INTERPRETED, helper, inlined

Int64: TypeAlias = Any
"""A number in compiled code: int64 there, numpy's or Python's own under the interpreter."""

M32: Final = 0xFFFFFFFF
ZERO: Final = np.int64(0)
NO: Final[Any] = np.bool_(0)
KEY_BYTES: Final = np.int64(39)
"""Id, originator and stage: the key, with which rows and slots begin (R-KEY-1)."""
HASH_WORDS: Final = 11
_KEY_PAIRS: Final = 5
TOP_BITS: Final = np.int64(-0x7F7F7F7F7F7F7F80)
"""The top bit of each of eight bytes."""
_TOPS: Final = 0x8080808080808080
_SEVENS: Final = 0x7F7F7F7F7F7F7F7F
_ONES: Final = 0x0101010101010101
_SPACES: Final = 0x2020202020202020


@inlined
def bit(position: Int64) -> Int64:
    """The mask of one bit, 0 to 63."""
    return np.int64(1) << np.int64(position)


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


def _address(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    at = context.cast(builder, args[1], signature.args[1], types.int64)
    return builder.gep(array.data, [at])


def _trusting_load(size: int, *, signed: bool) -> Any:
    word = ir.IntType(8 * size)

    def load(_typing: Any, buffer: Any, at: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer = _address(context, builder, signature, args)
            value = builder.load(builder.bitcast(pointer, word.as_pointer()), align=1)
            if size == 8:
                return value
            extend = builder.sext if signed else builder.zext
            return extend(value, ir.IntType(64))

        return types.int64(buffer, at), codegen

    return intrinsic(load)


def _trusting_store(size: int) -> Any:
    word = ir.IntType(8 * size)

    def store(_typing: Any, buffer: Any, at: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer = _address(context, builder, signature, args)
            number = context.cast(builder, args[2], signature.args[2], types.int64)
            if size < 8:
                number = builder.trunc(number, word)
            builder.store(number, builder.bitcast(pointer, word.as_pointer()), align=1)
            return context.get_dummy_value()

        return types.void(buffer, at, value), codegen

    return intrinsic(store)


_load = _checked_load if CHECKED else _trusting_load
_store = _checked_store if CHECKED else _trusting_store

load8 = _load(1, signed=False)
load16 = _load(2, signed=False)
load32 = _load(4, signed=False)
load32_signed = _load(4, signed=True)
load64 = _load(8, signed=True)
store8 = _store(1)
store16 = _store(2)
store32 = _store(4)
store64 = _store(8)


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


def _trusting_number_at(_typing: Any, numbers: Any, i: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_address(context, builder, signature, args))

    return types.int64(numbers, i), codegen


def _trusting_put_number(_typing: Any, numbers: Any, i: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number = context.cast(builder, args[2], signature.args[2], types.int64)
        builder.store(number, _address(context, builder, signature, args))
        return context.get_dummy_value()

    return types.void(numbers, i, value), codegen


number_at: Any = _checked_number_at if CHECKED else intrinsic(_trusting_number_at)
"""A number of an int64 array; the index is not negative, so nothing is counted from the end."""
put_number: Any = _checked_put_number if CHECKED else intrinsic(_trusting_put_number)
"""Write a number of an int64 array."""


def _prefetch(_typing: Any, buffer: Any, at: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _address(context, builder, signature, args)
        number = ir.IntType(32)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch",
            [pointer.type],
            ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number]),
        )
        # For reading, into the second cache, data: the first one can wait for a few lines only.
        builder.call(function, [pointer, number(0), number(2), number(1)])
        return context.get_dummy_value()

    return types.void(buffer, at), codegen


@helper
def _no_prefetch(_buffer: Any, _at: Int64) -> None:
    """Nothing: memory is slow enough already."""


prefetch: Any = _no_prefetch if CHECKED else intrinsic(_prefetch)
"""Ask for the cache line of a byte; the offset may lie outside."""


@inlined
def _last_bytes(buffer: Any, at: Int64, count: Int64) -> Int64:
    """The `count` bytes (1 to 7) before `at`, as the high bytes of a word. `at` is 8 or more."""
    return load64(buffer, at - 8) >> (64 - 8 * count)


@inlined
def short_word(buffer: Any, at: Int64, count: Int64) -> Int64:
    """`count` bytes (1 to 7) as a word, zero above. `at` + `count` is 8 or more."""
    return _last_bytes(buffer, at + count, count) & ~(np.int64(-1) << (8 * count))


@inlined
def zero_bytes(buffer: Any, at: Int64, count: Int64) -> bool:
    """Whether `count` bytes are zero. They end 8 bytes or more behind the buffer's beginning."""
    end = at + count
    while at + 8 <= end:
        if load64(buffer, at) != 0:
            return False
        at += 8
    return at >= end or _last_bytes(buffer, end, end - at) == 0


@inlined
def same_bytes(left: Any, left_at: Int64, right: Any, right_at: Int64, count: Int64) -> bool:
    """Whether `count` bytes are equal. They end 8 bytes or more behind the buffers' beginnings."""
    i = 0
    while i + 8 <= count:
        if load64(left, left_at + i) != load64(right, right_at + i):
            return False
        i += 8
    if i >= count:
        return True
    rest = count - i
    return _last_bytes(left, left_at + count, rest) == _last_bytes(right, right_at + count, rest)


@inlined
def copy_bytes(target: Any, target_at: Int64, source: Any, source_at: Int64, count: Int64) -> None:
    """Copy `count` bytes; the ranges do not overlap."""
    i = 0
    while i + 8 <= count:
        store64(target, target_at + i, load64(source, source_at + i))
        i += 8
    if i < count and count >= 8:
        # The last word once more, moved back so that it ends where the range ends.
        store64(target, target_at + count - 8, load64(source, source_at + count - 8))
        return
    while i < count:
        store8(target, target_at + i, load8(source, source_at + i))
        i += 1


@helper
def clear_bytes(target: Any, at: Int64, count: Int64) -> None:
    """Set `count` bytes to zero."""
    i = 0
    while i + 8 <= count:
        store64(target, at + i, 0)
        i += 8
    while i < count:
        store8(target, at + i, 0)
        i += 1


@inlined
def same_key(left: Any, left_at: Int64, right: Any, right_at: Int64) -> bool:
    """Whether the first KEY_BYTES bytes are equal: ids are compared whole (R-KEY-1)."""
    return (
        load64(left, left_at) == load64(right, right_at)
        and load64(left, left_at + 8) == load64(right, right_at + 8)
        and load64(left, left_at + 16) == load64(right, right_at + 16)
        and load64(left, left_at + 24) == load64(right, right_at + 24)
        and load64(left, left_at + 31) == load64(right, right_at + 31)
    )


@inlined
def _ascii_marks_compiled(word: Int64) -> tuple[Int64, Int64, Int64]:
    w = np.uint64(word)
    filled = (w + np.uint64(_SEVENS)) & np.uint64(_TOPS)
    printable = (w + np.uint64(3 * _SPACES)) & ~(w + np.uint64(_ONES)) & np.uint64(_TOPS)
    spaces = ~((w ^ np.uint64(_SPACES)) + np.uint64(_SEVENS)) & np.uint64(_TOPS)
    return np.int64(filled), np.int64(printable), np.int64(spaces)


def _ascii_marks_interpreted(word: Int64) -> tuple[Int64, Int64, Int64]:
    w = int(word)
    filled = (w + _SEVENS) & _TOPS
    printable = (w + 3 * _SPACES) & ~(w + _ONES) & _TOPS
    spaces = ~((w ^ _SPACES) + _SEVENS) & _TOPS
    marks = np.array([filled, printable, spaces], np.uint64).astype(np.int64)
    return marks[0], marks[1], marks[2]


ascii_marks: Any = _ascii_marks_interpreted if INTERPRETED else _ascii_marks_compiled
"""For eight bytes below 0x80: masks with the top bit of each byte that is not NUL, that is
printable, that is a space. Adding 0x80 − n to such a byte sets its top bit when it is n or more."""


@inlined
def _key_word(buffer: Any, at: Int64, number: Int64) -> Int64:
    if number < 9:
        return load32(buffer, at + 4 * number)
    return load16(buffer, at + 36) | (load8(buffer, at + 38) << 16)


@inlined
def _hash_key_compiled(buffer: Any, at: Int64, secret: Any) -> Int64:
    total = np.uint64(secret[0])
    for pair in range(_KEY_PAIRS):
        even = np.uint64(_key_word(buffer, at, 2 * pair))
        odd = np.uint64(_key_word(buffer, at, 2 * pair + 1))
        total += (np.uint64(secret[2 * pair + 1]) + odd) * (np.uint64(secret[2 * pair + 2]) + even)
    return np.int64(total >> np.uint64(32))


def _hash_key_interpreted(buffer: Any, at: Int64, secret: Any) -> Int64:
    key = bytes(buffer[at : at + KEY_BYTES]) + b"\0"
    total = int(secret[0])
    for pair in range(_KEY_PAIRS):
        even = int.from_bytes(key[8 * pair : 8 * pair + 4], "little")
        odd = int.from_bytes(key[8 * pair + 4 : 8 * pair + 8], "little")
        total += (int(secret[2 * pair + 1]) + odd) * (int(secret[2 * pair + 2]) + even)
    return np.int64((total >> 32) & M32)


hash_key = _hash_key_interpreted if INTERPRETED else _hash_key_compiled
"""Hash the key at an offset to 32 bits, under a secret of HASH_WORDS random uint64.

Pair-multiply-shift (Thorup, "High speed hashing for integers and strings", 2015, section 3.5): two
keys that somebody chose without knowing the secret meet with probability 2^-32.
"""
