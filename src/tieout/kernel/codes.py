"""When two different codes count as the same (R-TOL-9, R-TOL-10).

Codes are never folded into a buffer: what is ignored is stepped over while two of them are read
side by side. The rule of a field's codes stands in the plan (`layout.py`).
"""

from typing import Any, Final

import numpy as np

from tieout.compiled.loops import helper, inlined
from tieout.compiled.memory import Int64, load8
from tieout.kernel import layout as at

_ZERO: Final = np.int64(ord("0"))
_NINE: Final = np.int64(ord("9"))
_UPPER_A: Final = np.int64(ord("A"))
_UPPER_Z: Final = np.int64(ord("Z"))
_LOWER_A: Final = np.int64(ord("a"))
_LOWER_Z: Final = np.int64(ord("z"))


@inlined
def _folded(flags: Int64, byte: Int64) -> Int64:
    if flags & at.IGNORE_CASE != 0 and _LOWER_A <= byte <= _LOWER_Z:
        return byte - (_LOWER_A - _UPPER_A)
    return byte


@helper
def _next_kept(flags: Int64, buffer: Any, i: Int64, end: Int64) -> Int64:
    """Where the first byte from `i` on is that is not ignored; `end` when there is none."""
    while i < end:
        byte = load8(buffer, i)
        if byte == 0:
            return end
        is_alphanumeric = (
            _ZERO <= byte <= _NINE or _UPPER_A <= byte <= _UPPER_Z or _LOWER_A <= byte <= _LOWER_Z
        )
        if flags & at.IGNORE_PUNCTUATION == 0 or is_alphanumeric:
            return i
        i += 1
    return end


@helper
def _first_kept(flags: Int64, buffer: Any, i: Int64, end: Int64) -> Int64:
    """Likewise, behind leading zeros where they are ignored; the last of all bytes is kept."""
    i = _next_kept(flags, buffer, i, end)
    if flags & at.IGNORE_ZEROS == 0:
        return i
    while i < end and load8(buffer, i) == _ZERO:
        following = _next_kept(flags, buffer, i + 1, end)
        if following >= end:
            break
        i = following
    return i


@helper
def _same_when_ignoring(
    flags: Int64, a: Any, a_at: Int64, b: Any, b_at: Int64, width: Int64
) -> bool:
    a_end, b_end = a_at + width, b_at + width
    i = _first_kept(flags, a, a_at, a_end)
    j = _first_kept(flags, b, b_at, b_end)
    while i < a_end and j < b_end:
        if _folded(flags, load8(a, i)) != _folded(flags, load8(b, j)):
            return False
        i = _next_kept(flags, a, i + 1, a_end)
        j = _next_kept(flags, b, j + 1, b_end)
    return i >= a_end and j >= b_end


@helper
def _is_listed(
    plan: Any, flags: Int64, listed: Int64, buffer: Any, start: Int64, width: Int64
) -> bool:
    """Whether a code is the listed one, of which nothing is to be ignored any more."""
    length = plan[listed + at.LC_LENGTH]
    words = listed + at.LISTED_CODE_HEAD
    end = start + width
    i = _first_kept(flags, buffer, start, end)
    for j in range(length):
        byte = (plan[words + (j >> 3)] >> (8 * (j & 7))) & 0xFF
        if i >= end or _folded(flags, load8(buffer, i)) != byte:
            return False
        i = _next_kept(flags, buffer, i + 1, end)
    return i >= end


@inlined
def behind(plan: Any, listed: Int64) -> Int64:
    """Where a listed code ends."""
    return listed + at.LISTED_CODE_HEAD + ((plan[listed + at.LC_LENGTH] + 7) >> 3)


@helper
def group_of(plan: Any, rule: Int64, buffer: Any, start: Int64, width: Int64) -> Int64:
    """The group of equivalent codes that a code belongs to, −1 for none."""
    flags = plan[rule + at.CR_FLAGS]
    listed = rule + at.CODE_RULE_HEAD
    for _ in range(plan[rule + at.CR_COUNT]):
        if _is_listed(plan, flags, listed, buffer, start, width):
            return plan[listed + at.LC_GROUP]
        listed = behind(plan, listed)
    return np.int64(-1)


@helper
def same_code(
    plan: Any, rule: Int64, a: Any, a_at: Int64, b: Any, b_at: Int64, width: Int64
) -> bool:
    """Whether two codes of a field, neither of them blank, count as the same."""
    if _same_when_ignoring(plan[rule + at.CR_FLAGS], a, a_at, b, b_at, width):
        return True
    group = group_of(plan, rule, a, a_at, width)
    return group >= 0 and group == group_of(plan, rule, b, b_at, width)


@helper
def is_meant(
    plan: Any, rule: Int64, listed: Int64, group: Int64, buffer: Any, start: Int64, width: Int64
) -> bool:
    """Whether a code, which is of `group`, counts as one of the listed ones of a choice."""
    if group >= 0:
        return plan[listed + at.LC_GROUP] == group
    return _is_listed(plan, plan[rule + at.CR_FLAGS], listed, buffer, start, width)
