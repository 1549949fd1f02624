"""Invariants in compiled code: formulas as steps over a stack of wide numbers (R-INV-1 to R-INV-4).

An invariant that does not hold is noted as a bit behind the fields in the mismatches of each role
concerned. The steps of a formula and what they mean stand in `layout.py`; `steps.py` makes them.
"""

from typing import Any, Final

import numpy as np

from tieout.compiled.loops import helper
from tieout.compiled.memory import Int64, load16, load32_signed, load64
from tieout.kernel import layout as at
from tieout.kernel import wide
from tieout.kernel.words import ZERO, bit
from tieout.wire.rows import ColumnKind

_DATE: Final = np.int64(ColumnKind.DATE)


@helper
def _states_all(plan: Any, slots: Any, base: Int64, role: Int64, fields: Int64) -> bool:
    """Whether a role states all of some fields."""
    block = base + at.ROLE_BLOCKS + role * plan[at.P_ROLE_BYTES]
    states = load16(slots, block + at.FLAGS) & at.STATES
    return states != 0 and fields & ~load64(slots, block + at.PRESENCE) == 0


@helper
def _put_value(
    plan: Any, slots: Any, base: Int64, role: Int64, field: Int64, cursor: Any, top: Int64
) -> None:
    line = at.P_TABLES + plan[at.P_ROLES] * at.ROLE_LINE + field * at.FIELD_LINE
    values = base + at.ROLE_BLOCKS + role * plan[at.P_ROLE_BYTES] + at.VALUES
    start = values + plan[line + at.F_AT]
    if plan[line + at.F_KIND] == _DATE:
        wide.put(cursor, top, np.int64(load32_signed(slots, start)))
    else:
        wide.put(cursor, top, load64(slots, start))


@helper
def _operate(cursor: Any, left: Int64, right: Int64, operator: Int64, mode: Int64) -> bool:
    """Put what two numbers come to in the place of the left one; False: divided by zero."""
    scratch = np.int64(at.V_SCRATCH)
    if operator == at.OP_ADD:
        wide.add(cursor, left, left, right, ZERO)
    elif operator == at.OP_SUB:
        wide.add(cursor, left, left, right, np.int64(1))
    elif operator == at.OP_MUL:
        wide.multiply(cursor, scratch, left, right)
        wide.copy(cursor, left, cursor, scratch)
    elif operator == at.OP_DIV:
        if wide.is_zero(cursor, right):
            return False
        rest = scratch + at.WIDE_WORDS
        wide.quotient(cursor, scratch, left, right, rest, mode)
        wide.copy(cursor, left, cursor, scratch)
    else:
        compared = wide.compare(cursor, left, right)
        if (compared > 0) == (operator == at.OP_MIN):
            wide.copy(cursor, left, cursor, right)
    return True


@helper
def _holds(plan: Any, invariant: Int64, slots: Any, base: Int64, own: Int64, cursor: Any) -> bool:
    """Whether an invariant holds, for the record of role `own` where it names no roles."""
    step = plan[invariant + at.IV_STEPS]
    top = np.int64(at.V_STACK) - at.WIDE_WORDS
    for _ in range(plan[invariant + at.IV_STEP_COUNT]):
        operator, about, more = plan[step], plan[step + 1], plan[step + 2]
        step += at.STEP_WORDS
        if operator == at.OP_LITERAL:
            top += at.WIDE_WORDS
            wide.copy(cursor, top, plan, about)
        elif operator == at.OP_TERM:
            top += at.WIDE_WORDS
            role = own if more < 0 else more
            _put_value(plan, slots, base, role, about, cursor, top)
        elif operator == at.OP_ABS:
            cursor[top] = 0
        else:
            top -= at.WIDE_WORDS
            if not _operate(cursor, top, top + at.WIDE_WORDS, operator, about):
                return False
    compared = wide.compare(cursor, np.int64(at.V_STACK), np.int64(at.V_STACK) + at.WIDE_WORDS)
    return plan[invariant + at.IV_COMPARISON] & bit(compared + 1) != 0


@helper
def _is_stated(plan: Any, invariant: Int64, slots: Any, base: Int64) -> bool:
    """Whether every role that an invariant names states what it is about."""
    line = invariant + at.IV_HEAD
    for _ in range(plan[invariant + at.IV_NEED_COUNT]):
        if not _states_all(plan, slots, base, plan[line], plan[line + 1]):
            return False
        line += at.NEED_WORDS
    return True


@helper
def judge_invariants(plan: Any, slots: Any, base: Int64, cursor: Any) -> None:
    """Note the invariants that do not hold."""
    place = plan[at.P_FIELDS]
    for index in range(plan[at.P_INVARIANT_COUNT]):
        invariant = plan[plan[at.P_INVARIANTS] + index]
        roles = plan[invariant + at.IV_ROLES]
        concerned = np.int64(0)
        if plan[invariant + at.IV_NEED_COUNT] != 0:
            if _is_stated(plan, invariant, slots, base) and not _holds(
                plan, invariant, slots, base, np.int64(-1), cursor
            ):
                concerned = roles
        else:
            fields = plan[invariant + at.IV_FIELDS]
            for role in range(plan[at.P_ROLES]):
                if (
                    roles & bit(role)
                    and _states_all(plan, slots, base, np.int64(role), fields)
                    and not _holds(plan, invariant, slots, base, np.int64(role), cursor)
                ):
                    concerned |= bit(role)
        cursor[at.V_FIELDS + (place + index) * at.V_FIELD_LINE] = 0
        for role in range(plan[at.P_ROLES]):
            if concerned & bit(role):
                cursor[at.V_ROLES + role * at.V_ROLE_LINE + 1] |= bit(place + index)
