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

from tieout.kernel.compiled import CHECKED, INTERPRETED, helper

Int64: TypeAlias = Any
"""A number in compiled code: int64 there, numpy's or Python's own under the interpreter."""

M32: Final = 0xFFFFFFFF
ZERO: Final = np.int64(0)
NO: Final[Any] = np.bool_(0)
KEY_BYTES: Final = np.int64(39)
"""Id, originator and stage: the key, with which rows and slots begin (R-KEY-1)."""
HASH_WORDS: Final = 11
_KEY_PAIRS: Final = 5


@helper
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


def _prefetch(_typing: Any, buffer: Any, at: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _address(context, builder, signature, args)
        number = ir.IntType(32)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch",
            [pointer.type],
            ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number]),
        )
        # For reading and soon writing, to the nearest cache, data.
        builder.call(function, [pointer, number(1), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(buffer, at), codegen


@helper
def _no_prefetch(_buffer: Any, _at: Int64) -> None:
    """Nothing: memory is slow enough already."""


prefetch: Any = _no_prefetch if CHECKED else intrinsic(_prefetch)
"""Ask for the cache line of a byte; the offset may lie outside."""


@helper
def same_bytes(left: Any, left_at: Int64, right: Any, right_at: Int64, count: Int64) -> bool:
    """Whether `count` bytes are equal."""
    i = 0
    while i + 8 <= count:
        if load64(left, left_at + i) != load64(right, right_at + i):
            return False
        i += 8
    while i < count:
        if load8(left, left_at + i) != load8(right, right_at + i):
            return False
        i += 1
    return True


@helper
def copy_bytes(target: Any, target_at: Int64, source: Any, source_at: Int64, count: Int64) -> None:
    """Copy `count` bytes; the ranges do not overlap."""
    i = 0
    while i + 8 <= count:
        store64(target, target_at + i, load64(source, source_at + i))
        i += 8
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


@helper
def same_key(left: Any, left_at: Int64, right: Any, right_at: Int64) -> bool:
    """Whether the first KEY_BYTES bytes are equal: ids are compared whole (R-KEY-1)."""
    return (
        load64(left, left_at) == load64(right, right_at)
        and load64(left, left_at + 8) == load64(right, right_at + 8)
        and load64(left, left_at + 16) == load64(right, right_at + 16)
        and load64(left, left_at + 24) == load64(right, right_at + 24)
        and load64(left, left_at + 31) == load64(right, right_at + 31)
    )


@helper
def _key_word(buffer: Any, at: Int64, number: Int64) -> Int64:
    if number < 9:
        return load32(buffer, at + 4 * number)
    return load16(buffer, at + 36) | (load8(buffer, at + 38) << 16)


@helper
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
