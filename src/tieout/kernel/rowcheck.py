"""Whether the rows of a batch are well formed (R-ROW-1), before anything is written.

One pass over the rows that also hashes their keys. Ids, codes and texts are NUL-padded bytes; the
usual case, plain ASCII, is checked eight bytes at a time. Anything else goes byte by byte through
UTF-8 (RFC 3629).
"""

from typing import Any, Final

import numpy as np

from tieout.compiled.loops import FIXED_BYTES, NUMBER, NUMBERS, WORDS, entry, helper, inlined
from tieout.compiled.memory import Int64, load8, load32, load32_signed, load64, number_at
from tieout.kernel import layout as at
from tieout.kernel.stages import plan_at
from tieout.kernel.words import TOP_BITS, ZERO, ascii_marks, bit, hash_key, short_word, zero_bytes
from tieout.wire.limits import ID_BYTES, MAX_ABS_NUMBER
from tieout.wire.rows import ColumnKind

_NUMBER: Final = np.int64(ColumnKind.NUMBER)
_DATE: Final = np.int64(ColumnKind.DATE)
_TIME: Final = np.int64(ColumnKind.TIME)
_CODE: Final = np.int64(ColumnKind.CODE)

FIRST_DAY: Final = -719_162  # 0001-01-01
LAST_DAY: Final = 2_932_896  # 9999-12-31

_SPACE: Final = 0x20
_ID_BYTES: Final = np.int64(ID_BYTES)

# How a text may look.
OUTER_SPACES: Final = np.int64(1)
BEYOND_ASCII: Final = np.int64(2)


@inlined
def _plain(rows: Any, start: Int64, width: Int64) -> bool:
    """Whether a field holds printable ASCII without outer spaces, NUL padded, not empty.

    False also when bytes are beyond ASCII, or spaces outside: then `_text` decides.
    """
    before = np.int64(_SPACE)  # the byte before this word; a space, so that none may begin it
    i = np.int64(0)
    while i < width:
        left = width - i
        word = load64(rows, start + i) if left >= 8 else short_word(rows, start + i, left)
        if word & TOP_BITS != 0:
            return False
        filled, printable, spaces = ascii_marks(word)
        if filled & ~printable != 0 or (i == 0 and word & 0xFF == _SPACE):
            return False
        whole = TOP_BITS if left >= 8 else TOP_BITS & ~(np.int64(-1) << (8 * left))
        if filled != whole:
            # It ends here: no byte follows a NUL, and none of the NULs a space.
            after_filled = (filled << 8) | 0x80
            after_space = (spaces << 8) | (0x80 if before == _SPACE else 0)
            return (
                filled & ~after_filled == 0
                and after_space & ~filled & whole == 0
                and (left <= 8 or zero_bytes(rows, start + i + 8, left - 8))
            )
        before = (word >> (8 * (min(left, 8) - 1))) & 0xFF
        i += 8
    return before != _SPACE


@helper
def _sequence_length(lead: Int64) -> Int64:
    """Bytes of the UTF-8 sequence that a byte beyond ASCII begins, 0 when it begins none."""
    if 0xC2 <= lead <= 0xDF:
        return 2
    if 0xE0 <= lead <= 0xEF:
        return 3
    if 0xF0 <= lead <= 0xF4:
        return 4
    return 0


@helper
def _second_byte_fits(lead: Int64, second: Int64) -> bool:
    """Whether the second byte keeps out overlong forms, surrogates, C1, and above U+10FFFF."""
    low, high = 0x80, 0xBF
    if lead in (0xC2, 0xE0):
        low = 0xA0
    elif lead == 0xF0:
        low = 0x90
    elif lead == 0xED:
        high = 0x9F
    elif lead == 0xF4:
        high = 0x8F
    return low <= second <= high


@helper
def _text(rows: Any, start: Int64, width: Int64, allowed: Int64) -> bool:
    """Whether a field holds UTF-8 without control characters, NUL padded, not empty."""
    i = 0
    while i < width:
        lead = load8(rows, start + i)
        if lead == 0:
            break
        if lead < 0x80:
            if lead < _SPACE or lead == 0x7F:
                return False
            i += 1
            continue
        length = _sequence_length(lead)
        if allowed & BEYOND_ASCII == 0 or length == 0 or i + length > width:
            return False
        if not _second_byte_fits(lead, load8(rows, start + i + 1)):
            return False
        for j in range(2, length):
            if load8(rows, start + i + j) & 0xC0 != 0x80:
                return False
        i += length
    if i == 0 or not zero_bytes(rows, start + i, width - i):
        return False
    if allowed & OUTER_SPACES:
        return True
    return load8(rows, start) != _SPACE and load8(rows, start + i - 1) != _SPACE


@inlined
def _value(plan: Any, line: Int64, rows: Any, start: Int64) -> bool:
    """Whether the value that stands at `start` is one of its kind."""
    kind = number_at(plan, line + at.F_KIND)
    if kind in (_NUMBER, _TIME):
        number = load64(rows, start)
        return -MAX_ABS_NUMBER <= number <= MAX_ABS_NUMBER
    if kind == _DATE:
        day = load32_signed(rows, start)
        return FIRST_DAY <= day <= LAST_DAY
    width = number_at(plan, line + at.F_WIDTH)
    if _plain(rows, start, width):
        return True
    return kind != _CODE and _text(rows, start, width, OUTER_SPACES | BEYOND_ASCII)


@helper
def _well_formed(plan: Any, rows: Any, start: Int64, reports: Int64) -> bool:
    if not _plain(rows, start, _ID_BYTES) and not _text(rows, start, _ID_BYTES, BEYOND_ASCII):
        return False
    action = load8(rows, start + at.ROW_ACTION)
    presence = load64(rows, start + at.ROW_PRESENCE)
    values = start + at.ROW_VALUES
    if load32(rows, start + at.ROW_REVISION) == 0:
        return False
    if action != 0:
        return action == 1 and presence == 0 and zero_bytes(rows, values, plan[at.P_VALUES_BYTES])
    if presence & ~reports != 0:
        return False
    line = at.P_TABLES + plan[at.P_ROLES] * at.ROLE_LINE
    for field in range(plan[at.P_FIELDS]):
        value = values + number_at(plan, line + at.F_AT)
        if presence & bit(field):
            if not _value(plan, line, rows, value):
                return False
        elif not zero_bytes(rows, value, number_at(plan, line + at.F_WIDTH)):
            return False
        line += at.FIELD_LINE
    return True


@helper
def _part_of(plan: Any, role: Int64, stage: Int64) -> tuple[bool, Int64]:
    """Whether a role takes part in a stage, and what it reports there (R-STAGE-2)."""
    if stage >= plan[at.P_STAGES]:
        return False, ZERO
    here = plan_at(plan, stage)
    takes_part = here[at.P_ALL_ROLES] & bit(role) != 0
    return takes_part, here[at.P_TABLES + role * at.ROLE_LINE + at.R_REPORTS]


@entry(NUMBER, NUMBERS, FIXED_BYTES, NUMBER, NUMBER, WORDS, NUMBERS)
def check_rows(plan: Any, rows: Any, count: Int64, role: Int64, secret: Any, hashes: Any) -> Int64:
    """The index of the first malformed row, −1 for none; writes the hash of each row's key."""
    row_bytes = plan[at.P_ROW_BYTES]
    stage = np.int64(0)
    takes_part, reports = _part_of(plan, role, stage)
    for i in range(count):
        start = i * row_bytes
        if load8(rows, start + at.ROW_STAGE) != stage:
            stage = load8(rows, start + at.ROW_STAGE)
            takes_part, reports = _part_of(plan, role, stage)
        if not takes_part or not _well_formed(plan, rows, start, reports):
            return i
        hashes[i] = hash_key(rows, start, secret)
    return -1
