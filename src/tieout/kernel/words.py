"""Words of packed images: stretches of bytes, keys and their hashes.

A constant that is handed to another compiled function is a numpy number: Python's own would make
numba compile that function once more for each of them. Loads and stores: `compiled.memory`.
"""

from typing import Any, Final

import numpy as np

from tieout.compiled.loops import MODE, Mode, helper, inlined
from tieout.compiled.memory import (
    Int64,
    load8,
    load16,
    load32,
    load64,
    store8,
    store64,
)

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


ascii_marks: Any = _ascii_marks_compiled if MODE is Mode.NUMBA else _ascii_marks_interpreted
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


hash_key = _hash_key_compiled if MODE is Mode.NUMBA else _hash_key_interpreted
"""Hash the key at an offset to 32 bits, under a secret of HASH_WORDS random uint64.

Pair-multiply-shift (Thorup, "High speed hashing for integers and strings", 2015, section 3.5): two
keys that somebody chose without knowing the secret meet with probability 2^-32.
"""
