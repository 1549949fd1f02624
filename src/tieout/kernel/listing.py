"""The compiled loops behind `queries.py`: breaks as lines, rows against what stands."""

from typing import Any, Final

import numpy as np
from numba import types

from tieout.agreement.model import Policy
from tieout.kernel import layout as at
from tieout.kernel.apply import same_record
from tieout.kernel.compare import same_currency
from tieout.kernel.compiled import entry, helper
from tieout.kernel.telling import NOWHERE
from tieout.kernel.verdict import DECIDED, evaluate, field_line, role_block
from tieout.kernel.words import (
    KEY_BYTES,
    Int64,
    bit,
    copy_bytes,
    load16,
    load32,
    load32_signed,
    load64,
    store8,
    store16,
    store64,
)
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

BY_MAJORITY: Final = 254
NO_BASIS: Final = 255

NEW: Final = 0
"""The role has no standing record for the transaction."""
UNCHANGED: Final = 1
"""The row says what the standing record says."""
CHANGED: Final = 2
"""The row says something else."""
OTHER_VERSION: Final = 3
"""The transaction is pinned to another version of the agreement (R-PIN-1)."""

_MISSING: Final = np.int64(BreakKind.MISSING)
_CHANGED_KIND: Final = np.int64(BreakKind.CHANGED_AFTER_MATCH)
_MISMATCH: Final = np.int64(BreakKind.MISMATCH)
_DATE: Final = np.int64(ColumnKind.DATE)
_CODE: Final = np.int64(ColumnKind.CODE)
_AUTHORITY: Final = np.int64(Policy.AUTHORITY)


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
    is_by_role = plan[about + at.F_POLICY] == _AUTHORITY
    store8(table, line + B_BASIS, plan[about + at.F_AUTHORITY] if is_by_role else BY_MAJORITY)
    source = cursor[note + 1]
    if source >= 0:
        mark = role_block(plan, base, source) + at.VALUES
        copy_bytes(table, line + B_REPORTED + width, slots, mark + offset, own_width)
        alike = same_currency(plan, about, slots, values, slots, mark)
    else:
        mark = (at.FROZEN_BASE - source) * plan[at.P_ADJUSTMENT_BYTES] + at.ADJ_VALUES
        copy_bytes(table, line + B_REPORTED + width, adjustments, mark + offset, own_width)
        alike = same_currency(plan, about, slots, values, adjustments, mark)
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


@entry(
    types.void(
        types.int64[::1],
        types.uint8[::1],
        types.uint8[::1],
        types.int64[::1],
        types.int64[::1],
        types.int64[::1],
        types.uint8[::1],
        types.int64,
    )
)
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
    line_bytes = B_REPORTED + 2 * width
    roles = plan[at.P_ROLES]
    for i in range(np.int64(serials.size)):
        serial, line = serials[i], lines[i] * line_bytes
        base = serial * plan[at.P_SLOT_BYTES]
        evaluate(plan, slots, base, adjustments, cursor)
        of_fields = np.int64(0)
        for role in range(roles):
            block = role_block(plan, base, role)
            of_fields |= load64(slots, block + at.MISMATCH) | load64(slots, block + at.BLANK)
            flags = load16(slots, block + at.FLAGS)
            for kind in range(_MISSING, _CHANGED_KIND + 1):
                if flags & bit(kind + 2):
                    _put_line(plan, slots, serial, table, line, role, NOWHERE, kind)
                    line += line_bytes
        for field in range(plan[at.P_FIELDS]):
            if of_fields & bit(field) == 0:
                continue
            for role in range(roles):
                block = role_block(plan, base, role)
                if load64(slots, block + at.BLANK) & bit(field):
                    _put_line(plan, slots, serial, table, line, role, field, _MISSING)
                    line += line_bytes
                if load64(slots, block + at.MISMATCH) & bit(field):
                    _put_line(plan, slots, serial, table, line, role, field, _MISMATCH)
                    _put_values(
                        plan, slots, base, adjustments, cursor, table, line, role, field, width
                    )
                    line += line_bytes


@entry(
    types.void(
        types.int64[::1],
        types.uint8[::1],
        types.int64[::1],
        types.Array(types.uint8, 1, "C", readonly=True),
        types.int64,
        types.uint8[::1],
        types.uint32[::1],
    )
)
def compare_standing(
    plan: Any, slots: Any, serials: Any, rows: Any, role: Int64, status: Any, revisions: Any
) -> None:
    """How each row stands to the role's standing record in transaction serials[i] (−1: none)."""
    for i in range(np.int64(serials.size)):
        if serials[i] < 0:
            continue
        block = role_block(plan, serials[i] * plan[at.P_SLOT_BYTES], role)
        revision = load32(slots, block + at.REVISION)
        revisions[i] = np.uint32(revision)
        if revision != 0:
            is_same = same_record(plan, slots, block, rows, i * plan[at.P_ROW_BYTES])
            status[i] = UNCHANGED if is_same else CHANGED
