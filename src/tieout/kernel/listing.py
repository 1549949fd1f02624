"""The compiled loops behind `queries.py`: breaks as lines, rows against what stands."""

from typing import Any, Final

import numpy as np

from tieout.agreement.model import Policy
from tieout.compiled.loops import (
    BYTES,
    FIXED_BYTES,
    NOTHING,
    NUMBER,
    NUMBERS,
    WORDS32,
    entry,
    helper,
)
from tieout.compiled.memory import (
    Int64,
    load8,
    load16,
    load32,
    load32_signed,
    load64,
    prefetch,
    store8,
    store16,
    store64,
)
from tieout.kernel import layout as at
from tieout.kernel.apply import same_record
from tieout.kernel.compare import alike_currency
from tieout.kernel.stages import plan_at
from tieout.kernel.telling import NOWHERE
from tieout.kernel.verdict import (
    DECIDED,
    field_line,
    kind_at,
    look,
    note_benchmark,
    role_block,
    source_values,
)
from tieout.kernel.words import KEY_BYTES, bit, copy_bytes
from tieout.wire.codes import BreakKind
from tieout.wire.rows import ColumnKind

# A line of the break table; reported and benchmark follow, each as wide as the widest field.
B_KIND: Final = 39
B_FIELD: Final = 40
B_ROLE: Final = 41
B_STATE: Final = 42
B_BASIS: Final = 43
B_HAS_DIFFERENCE: Final = 44
B_AGREEMENT: Final = 46
B_SERIAL: Final = 48
B_DIFFERENCE: Final = 56
B_REPORTED: Final = 64

BY_DECISION: Final = 252
BY_PREVIOUS_STAGE: Final = 253
BY_MAJORITY: Final = 254
NO_BASIS: Final = 255
WORDS_OF_BASIS: Final = {BY_MAJORITY: "majority", BY_DECISION: "decision"}

NEW: Final = 0
"""The role has no standing record for the transaction."""
UNCHANGED: Final = 1
"""The row says what the standing record says."""
CHANGED: Final = 2
"""The row says something else."""
OTHER_VERSION: Final = 3
"""The transaction is pinned to another version of the agreement (R-PIN-1)."""
EXPIRED: Final = 4
"""The transaction has been closed for longer than the agreement keeps it (R-KEEP-1)."""

_AHEAD: Final = 8
_MISSING: Final = np.int64(BreakKind.MISSING)
_LAST_WHOLE_RECORD_KIND: Final = np.int64(BreakKind.DISPUTED)
_MISMATCH: Final = np.int64(BreakKind.MISMATCH)
_DATE: Final = np.int64(ColumnKind.DATE)
_CODE: Final = np.int64(ColumnKind.CODE)
_AUTHORITY: Final = np.int64(Policy.AUTHORITY)
_PREVIOUS_STAGE: Final = np.int64(Policy.PREVIOUS_STAGE)


@helper
def _put_line(
    plan: Any,
    slots: Any,
    serial: Int64,
    table: Any,
    line: Int64,
    role: Int64,
    field: Int64,
    kind: Int64,
) -> None:
    copy_bytes(table, line, slots, serial * plan[at.P_SLOT_BYTES], KEY_BYTES)
    store8(table, line + B_KIND, kind)
    store8(table, line + B_FIELD, field)
    store8(table, line + B_ROLE, role)
    store8(table, line + B_BASIS, NO_BASIS)
    store16(table, line + B_AGREEMENT, plan[at.P_AGREEMENT])
    store64(table, line + B_SERIAL, serial)


@helper
def _put_values(
    plan: Any,
    slots: Any,
    base: Int64,
    adjustments: Any,
    cursor: Any,
    table: Any,
    line: Int64,
    role: Int64,
    field: Int64,
    width: Int64,
) -> None:
    """What a mismatching role reports, the benchmark, and the difference."""
    about = field_line(plan, field)
    offset, own_width = plan[about + at.F_AT], plan[about + at.F_WIDTH]
    values = role_block(plan, base, role) + at.VALUES
    copy_bytes(table, line + B_REPORTED, slots, values + offset, own_width)
    note = at.V_FIELDS + field * at.V_FIELD_LINE
    store8(table, line + B_STATE, cursor[note])
    if cursor[note] != DECIDED:
        return
    policy = plan[about + at.F_POLICY]
    basis = np.int64(BY_PREVIOUS_STAGE if policy == _PREVIOUS_STAGE else BY_MAJORITY)
    if policy == _AUTHORITY:
        basis = plan[about + at.F_AUTHORITY]
    if cursor[at.V_DECIDED] & bit(field):
        basis = np.int64(BY_DECISION)
    store8(table, line + B_BASIS, basis)
    source = cursor[note + 1]
    if source >= 0:
        mark = source_values(plan, base, source)
        copy_bytes(table, line + B_REPORTED + width, slots, mark + offset, own_width)
        alike = alike_currency(plan, about, slots, values, slots, mark)
    else:
        mark = (at.FROZEN_BASE - source) * plan[at.P_ADJUSTMENT_BYTES] + at.ADJ_VALUES
        copy_bytes(table, line + B_REPORTED + width, adjustments, mark + offset, own_width)
        alike = alike_currency(plan, about, slots, values, adjustments, mark)
    kind = plan[about + at.F_KIND]
    if kind >= _CODE or not alike:
        return
    store8(table, line + B_HAS_DIFFERENCE, 1)
    if kind == _DATE:
        days = load32_signed(table, line + B_REPORTED)
        other_days = load32_signed(table, line + B_REPORTED + width)
        store64(table, line + B_DIFFERENCE, days - other_days)
    else:
        number = load64(table, line + B_REPORTED)
        other = load64(table, line + B_REPORTED + width)
        store64(table, line + B_DIFFERENCE, number - other)


@entry(NOTHING, NUMBERS, BYTES, NUMBERS, NUMBERS)
def count_breaks(plan: Any, slots: Any, serials: Any, counts: Any) -> None:
    """Write how many open breaks each transaction has."""
    for i in range(np.int64(serials.size)):
        base = serials[i] * plan[at.P_SLOT_BYTES]
        count = np.int64(0)
        for role in range(plan[at.P_ROLES]):
            block = role_block(plan, base, role)
            flags = load16(slots, block + at.FLAGS)
            for kind in range(_MISSING, _LAST_WHOLE_RECORD_KIND + 1):
                count += ((flags & at.WHOLE_RECORD_BREAKS) >> (kind + 2)) & 1
            mismatch, blank = load64(slots, block + at.MISMATCH), load64(slots, block + at.BLANK)
            if mismatch | blank != 0:
                for field in range(plan[at.P_PLACES]):
                    count += ((mismatch >> field) & 1) + ((blank >> field) & 1)
        counts[i] = count


@helper
def _fetch(slots: Any, start: Int64, size: Int64) -> None:
    for line in range(0, size, 64):
        prefetch(slots, start + line)


@helper
def _list_whole_records(
    plan: Any, slots: Any, serial: Int64, table: Any, line: Int64, line_bytes: Int64
) -> Int64:
    """Write the breaks of whole records; where the next line goes."""
    base = serial * plan[at.P_SLOT_BYTES]
    for role in range(plan[at.P_ROLES]):
        flags = load16(slots, role_block(plan, base, role) + at.FLAGS)
        if flags & at.WHOLE_RECORD_BREAKS == 0:
            continue
        for kind in range(_MISSING, _LAST_WHOLE_RECORD_KIND + 1):
            if flags & at.WHOLE_RECORD_BREAKS & bit(kind + 2):
                _put_line(plan, slots, serial, table, line, role, NOWHERE, np.int64(kind))
                line += line_bytes
    return line


@entry(NOTHING, NUMBERS, BYTES, BYTES, NUMBERS, NUMBERS, NUMBERS, BYTES, NUMBER)
def list_breaks(
    plan: Any,
    slots: Any,
    adjustments: Any,
    cursor: Any,
    serials: Any,
    lines: Any,
    table: Any,
    width: Int64,
) -> None:
    """Write the open breaks of transactions, those of serials[i] from line number lines[i] on.

    `table` is all zero; a line has B_REPORTED + 2 · width bytes.
    """
    line_bytes, slot_bytes = B_REPORTED + 2 * width, plan[at.P_SLOT_BYTES]
    roles, count = plan[at.P_ROLES], np.int64(serials.size)
    for i in range(count):
        if i + _AHEAD < count:
            _fetch(slots, serials[i + _AHEAD] * slot_bytes, slot_bytes)
        serial = serials[i]
        base = serial * slot_bytes
        here = plan_at(plan, load8(slots, base + at.KEY_STAGE))
        line = _list_whole_records(plan, slots, serial, table, lines[i] * line_bytes, line_bytes)
        mismatch, blank = np.int64(0), np.int64(0)
        for role in range(roles):
            block = role_block(plan, base, role)
            mismatch |= load64(slots, block + at.MISMATCH)
            blank |= load64(slots, block + at.BLANK)
        if mismatch != 0:
            look(here, slots, base, adjustments, cursor)
        for field in range(plan[at.P_PLACES]):
            if (mismatch | blank) & bit(field) == 0:
                continue
            is_field = field < plan[at.P_FIELDS]
            if is_field and mismatch & bit(field):
                note_benchmark(here, field, slots, base, adjustments, cursor)
            for role in range(roles):
                block = role_block(plan, base, role)
                if load64(slots, block + at.BLANK) & bit(field):
                    _put_line(plan, slots, serial, table, line, role, field, _MISSING)
                    line += line_bytes
                if load64(slots, block + at.MISMATCH) & bit(field) == 0:
                    continue
                if is_field:
                    _put_line(plan, slots, serial, table, line, role, field, _MISMATCH)
                    _put_values(
                        here, slots, base, adjustments, cursor, table, line, role, field, width
                    )
                else:
                    kind = kind_at(plan, field)
                    _put_line(plan, slots, serial, table, line, role, field, kind)
                line += line_bytes


@entry(NOTHING, NUMBERS, BYTES, NUMBERS, FIXED_BYTES, NUMBER, BYTES, WORDS32)
def compare_standing(
    plan: Any, slots: Any, serials: Any, rows: Any, role: Int64, status: Any, revisions: Any
) -> None:
    """How each row stands to the role's standing record in transaction serials[i] (−1: none)."""
    count, slot_bytes = np.int64(serials.size), plan[at.P_SLOT_BYTES]
    for i in range(count):
        if i + _AHEAD < count and serials[i + _AHEAD] >= 0:
            ahead = role_block(plan, serials[i + _AHEAD] * slot_bytes, role)
            _fetch(slots, ahead, plan[at.P_ROLE_BYTES])
        if serials[i] < 0:
            continue
        block = role_block(plan, serials[i] * slot_bytes, role)
        revision = load32(slots, block + at.REVISION)
        revisions[i] = np.uint32(revision)
        if revision != 0:
            is_same = same_record(plan, slots, block, rows, i * plan[at.P_ROW_BYTES])
            status[i] = UNCHANGED if is_same else CHANGED
