"""Judging without a row: at cut-offs, deadlines, after operations (R-CUT-1, R-TIME-1).

One loop over (serial, role) pairs does all of them, by mode. It stops when the events or the
adjustments might not have room, as `apply` does.
"""

from typing import Any, Final

import numpy as np

from tieout.compiled.loops import BYTES, NUMBER, NUMBERS, entry, helper
from tieout.compiled.memory import Int64, load8, load16, load64, store8, store16, store64
from tieout.kernel import layout as at
from tieout.kernel.adjust import propose, wanted
from tieout.kernel.settle import MATCHED, settle
from tieout.kernel.stages import plan_at
from tieout.kernel.telling import mark_pages
from tieout.kernel.verdict import evaluate, role_block
from tieout.kernel.words import NO, ZERO, bit

CUT_OFF: Final = 0
"""Judge at a cut-off."""
DEADLINE: Final = 1
"""Ask a role whose deadline has passed."""
AGAIN: Final = 2
"""Judge anew, after an operation."""
PROPOSE: Final = 3
"""A person proposes an adjustment for the role (R-ADJ-5)."""
OPENED: Final = 4
"""Judge anew, after an operation that opened a break of its own."""


@helper
def _cut_off(plan: Any, slots: Any, base: Int64, cursor: Any, slot_marks: Any) -> bool:
    """Note that a transaction was judged; True when a verdict must follow."""
    store8(slots, base + at.JUDGED, load8(slots, base + at.JUDGED) | 1)
    if load8(slots, base + at.STATUS) != MATCHED or load64(slots, base + at.CLOSED) != 0:
        return True
    # Every role that is expected states, so every role was heard before: the verdict is the same.
    store64(slots, base + at.CLOSED, cursor[at.C_TIME])
    mark_pages(slot_marks, base, plan[at.P_SLOT_BYTES])
    return False


@helper
def _ask(plan: Any, slots: Any, base: Int64, role: Int64) -> bool:
    """Ask a role whose deadline has passed; True when it takes part and is silent."""
    block = role_block(plan, base, role)
    flags = load16(slots, block + at.FLAGS)
    if flags & at.STATES != 0 or plan[at.P_ALL_ROLES] & bit(role) == 0:
        return False
    store16(slots, block + at.FLAGS, flags | at.OVERDUE)
    return True


@helper
def _propose(
    plan: Any,
    slots: Any,
    serial: Int64,
    role: Int64,
    adjustments: Any,
    events: Any,
    cursor: Any,
    slot_marks: Any,
    adjustment_marks: Any,
) -> bool:
    base = serial * plan[at.P_SLOT_BYTES]
    evaluate(plan, slots, base, adjustments, cursor)
    holds, same = wanted(plan, slots, base, role, adjustments, cursor)
    if not (holds and same):
        return False
    propose(
        plan, slots, base, serial, role, adjustments, events, cursor,
        slot_marks, adjustment_marks, cursor[at.C_PERSON],
    )  # fmt: skip
    return True


@entry(
    NUMBER, NUMBER, NUMBERS, NUMBERS, NUMBERS, NUMBER, BYTES, BYTES, BYTES, BYTES, BYTES, NUMBERS
)
def judge(
    mode: Int64,
    plan: Any,
    serials: Any,
    roles: Any,
    start: Int64,
    slots: Any,
    slot_marks: Any,
    adjustments: Any,
    adjustment_marks: Any,
    events: Any,
    cursor: Any,
) -> Int64:
    """Judge the pairs from `start`; the index of the first one that was not reached.

    `roles` has a role for each serial when the mode is about roles. With PROPOSE, −1 tells that the
    adjustment was refused.
    """
    event_room = np.int64(events.size) - plan[at.P_VERDICT_BYTES]
    adjustment_room = (
        np.int64(adjustments.size) // plan[at.P_ADJUSTMENT_BYTES] - plan[at.P_PROPOSALS]
    )
    for i in range(start, np.int64(serials.size)):
        if cursor[at.C_EVENTS] > event_room or cursor[at.C_ADJUSTMENTS] >= adjustment_room:
            return i
        serial = serials[i]
        base = serial * plan[at.P_SLOT_BYTES]
        here = plan_at(plan, load8(slots, base + at.KEY_STAGE))
        follows = mode != PROPOSE
        if mode == CUT_OFF:
            follows = _cut_off(plan, slots, base, cursor, slot_marks)
        elif mode == DEADLINE:
            follows = _ask(here, slots, base, roles[i])
        elif mode == PROPOSE and not _propose(
            here, slots, serial, roles[i], adjustments, events, cursor,
            slot_marks, adjustment_marks,
        ):  # fmt: skip
            return np.int64(-1)
        if follows:
            settle(
                plan, slots, serial, adjustments, events, cursor, slot_marks, adjustment_marks,
                NO, mode == OPENED, ZERO, ZERO,
            )  # fmt: skip
    return np.int64(serials.size)
