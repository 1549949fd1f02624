"""From the verdict to the slot and the events: steps 3 to 6 of docs/formats/events.md.

`settle` evaluates a slot, writes what has changed, and tells it: breaks that opened and closed,
benchmarks, the status (R-STATUS-1), the alarm (R-ALARM-1, R-ALARM-3, R-ALARM-4), adjustments. It is
what every cause ends in, and doing it twice does nothing the second time.
"""

from typing import Any, Final

import numpy as np

from tieout.compiled.loops import helper
from tieout.compiled.memory import (
    Int64,
    load8,
    load16,
    load32,
    load64,
    store8,
    store16,
    store32,
    store64,
)
from tieout.kernel import layout as at
from tieout.kernel.adjust import adjust_after_verdict
from tieout.kernel.stages import beside, is_final, plan_at
from tieout.kernel.telling import NOBODY, NOWHERE, mark_pages, tell
from tieout.kernel.verdict import (
    AWAITING,
    DECIDED,
    UNDECIDED,
    evaluate,
    expected_roles,
    kind_at,
    role_block,
    waits_for_groups,
)
from tieout.kernel.words import NO, ZERO, bit
from tieout.wire.codes import AlarmState, BreakKind, EventKind, Status

PENDING: Final = np.int64(Status.PENDING)
MATCHED: Final = np.int64(Status.MATCHED)
BROKEN: Final = np.int64(Status.BROKEN)
WITHDRAWN: Final = np.int64(Status.WITHDRAWN)

_NO_ALARM: Final = np.int64(AlarmState.NONE)
_FOUND: Final = np.int64(AlarmState.FOUND)
_RAISED: Final = np.int64(AlarmState.RAISED)
_ACKNOWLEDGED: Final = np.int64(AlarmState.ACKNOWLEDGED)

_OPENED: Final = np.int64(EventKind.BREAK_OPENED)
_CLOSED: Final = np.int64(EventKind.BREAK_CLOSED)
_BENCHMARK_CHANGED: Final = np.int64(EventKind.BENCHMARK_CHANGED)
_ALARM_RAISED: Final = np.int64(EventKind.ALARM_RAISED)
_ALARM_CLEARED: Final = np.int64(EventKind.ALARM_CLEARED)
_FIRST_STATUS: Final = np.int64(EventKind.TRANSACTION_PENDING)

_MISSING: Final = np.int64(BreakKind.MISSING)
_FOLLOWING: Final = np.int64(at.FOLLOWING)
_KIND_SHIFT: Final = 2  # the flag of a whole-record break is bit kind + 2
_LAST_WHOLE_RECORD_KIND: Final = np.int64(BreakKind.OUT_OF_ORDER)


@helper
def _all_breaks(plan: Any, cursor: Any) -> Int64:
    """The whole-record breaks of all roles as a mask; any field's break counts as DUPLICATE."""
    found = np.int64(0)
    for role in range(plan[at.P_ROLES]):
        line = at.V_ROLES + role * at.V_ROLE_LINE
        found |= cursor[line] & at.WHOLE_RECORD_BREAKS
        if cursor[line + 1] != 0 or cursor[line + 2] != 0:
            found |= at.DUPLICATE
    return found


@helper
def _settle_flags(plan: Any, cursor: Any, duplicate_on: Int64, duplicate_off: Int64) -> bool:
    """Set what history decides: duplicates, and the end of changes after match (R-CHANGE-1).

    True when a break is open.
    """
    for role in range(plan[at.P_ROLES]):
        line = at.V_ROLES + role * at.V_ROLE_LINE
        if duplicate_on & bit(role):
            cursor[line] |= at.DUPLICATE
        if duplicate_off & bit(role):
            cursor[line] &= ~at.DUPLICATE
    states = cursor[at.V_STATES]
    if cursor[at.V_REVERSED] != 0:  # R-REVERSE-3
        for role in range(plan[at.P_ROLES]):
            if states & bit(role) == 0:
                cursor[at.V_ROLES + role * at.V_ROLE_LINE] &= ~at.CHANGED
        return _all_breaks(plan, cursor) != 0
    found = _all_breaks(plan, cursor)
    quiet = found == at.CHANGED and expected_roles(plan, states) & ~states == 0
    if found & at.CHANGED and (quiet or states == 0):
        for role in range(plan[at.P_ROLES]):
            cursor[at.V_ROLES + role * at.V_ROLE_LINE] &= ~at.CHANGED
        found &= ~at.CHANGED
    return found != 0


@helper
def _tell_whole_records(
    plan: Any, slots: Any, base: Int64, serial: Int64, events: Any, cursor: Any
) -> bool:
    """Step 3 for whole records; True when a break opened."""
    agreement = plan[at.P_AGREEMENT]
    opened = False
    for role in range(plan[at.P_ROLES]):
        before = load16(slots, role_block(plan, base, role) + at.FLAGS)
        after = cursor[at.V_ROLES + role * at.V_ROLE_LINE]
        if (before ^ after) & at.WHOLE_RECORD_BREAKS == 0:
            continue
        for kind in range(_MISSING, _LAST_WHOLE_RECORD_KIND + 1):
            flag = bit(kind + _KIND_SHIFT)
            if after & ~before & flag:
                opened = True
                tell(events, cursor, agreement, serial, _OPENED, role, NOWHERE, kind, ZERO)
            elif before & ~after & flag:
                tell(events, cursor, agreement, serial, _CLOSED, role, NOWHERE, kind, ZERO)
    return opened


@helper
def _changed_fields(plan: Any, slots: Any, base: Int64, cursor: Any) -> Int64:
    changed = (load64(slots, base + at.AWAITING_BITS) ^ cursor[at.V_AWAITING]) | (
        load64(slots, base + at.UNDECIDED_BITS) ^ cursor[at.V_UNDECIDED]
    )
    for role in range(plan[at.P_ROLES]):
        block = role_block(plan, base, role)
        line = at.V_ROLES + role * at.V_ROLE_LINE
        changed |= load64(slots, block + at.MISMATCH) ^ cursor[line + 1]
        changed |= load64(slots, block + at.BLANK) ^ cursor[line + 2]
    return changed


@helper
def _state_before(plan: Any, slots: Any, base: Int64, field: Int64) -> Int64:
    """The benchmark state of a field that mismatched before this verdict."""
    if field >= plan[at.P_FIELDS]:
        return ZERO
    if load64(slots, base + at.AWAITING_BITS) & bit(field):
        return AWAITING
    if load64(slots, base + at.UNDECIDED_BITS) & bit(field):
        return UNDECIDED
    return DECIDED


@helper
def _tell_field(
    plan: Any, slots: Any, base: Int64, serial: Int64, events: Any, cursor: Any, field: Int64
) -> bool:
    """Step 3 for one field, one invariant or one group; True when a break opened."""
    agreement = plan[at.P_AGREEMENT]
    mask = bit(field)
    kind = kind_at(plan, field)
    state_before = _state_before(plan, slots, base, field)
    state_after = cursor[at.V_FIELDS + field * at.V_FIELD_LINE]
    opened, was, now = False, False, False
    for role in range(plan[at.P_ROLES]):
        block = role_block(plan, base, role)
        line = at.V_ROLES + role * at.V_ROLE_LINE
        blank_before = load64(slots, block + at.BLANK) & mask
        blank_after = cursor[line + 2] & mask
        if blank_after != 0 and blank_before == 0:
            opened = True
            tell(events, cursor, agreement, serial, _OPENED, role, field, _MISSING, ZERO)
        elif blank_before != 0 and blank_after == 0:
            tell(events, cursor, agreement, serial, _CLOSED, role, field, _MISSING, ZERO)
        before = load64(slots, block + at.MISMATCH) & mask
        after = cursor[line + 1] & mask
        was = was or before != 0
        now = now or after != 0
        if after != 0 and before == 0:
            opened = True
            tell(events, cursor, agreement, serial, _OPENED, role, field, kind, state_after)
        elif before != 0 and after == 0:
            tell(events, cursor, agreement, serial, _CLOSED, role, field, kind, state_before)
    if was and now and state_before != state_after:
        tell(
            events, cursor, agreement, serial, _BENCHMARK_CHANGED, NOBODY, field, ZERO, state_after
        )  # fmt: skip
    return opened


@helper
def _write(plan: Any, slots: Any, base: Int64, cursor: Any) -> None:
    for role in range(plan[at.P_ROLES]):
        block = role_block(plan, base, role)
        line = at.V_ROLES + role * at.V_ROLE_LINE
        store16(slots, block + at.FLAGS, cursor[line])
        store64(slots, block + at.MISMATCH, cursor[line + 1])
        store64(slots, block + at.BLANK, cursor[line + 2])
    store64(slots, base + at.AWAITING_BITS, cursor[at.V_AWAITING])
    store64(slots, base + at.UNDECIDED_BITS, cursor[at.V_UNDECIDED])


@helper
def _status(plan: Any, slots: Any, base: Int64, cursor: Any, has_breaks: bool) -> Int64:
    """R-STATUS-1."""
    states = cursor[at.V_STATES]
    if states == 0 or (cursor[at.V_REVERSED] != 0 and not has_breaks):
        return WITHDRAWN
    if has_breaks:
        return BROKEN
    if expected_roles(plan, states) & ~states != 0:
        return PENDING
    return PENDING if waits_for_groups(plan, slots, base, states) else MATCHED


@helper
def _put_alarm(
    plan: Any,
    slots: Any,
    base: Int64,
    serial: Int64,
    events: Any,
    cursor: Any,
    was_broken: bool,
    is_broken: bool,
    opened: bool,
) -> None:
    """Step 5: R-ALARM-1, R-ALARM-3, R-ALARM-4."""
    agreement = plan[at.P_AGREEMENT]
    alarm = load8(slots, base + at.ALARM)
    episode = load32(slots, base + at.EPISODE)
    if is_broken and not was_broken:
        episode += 1
        store32(slots, base + at.EPISODE, episode)
        alarm = np.int64(_FOUND)
        if plan[at.P_QUORUM] <= 1:
            alarm = np.int64(_RAISED)
            tell(events, cursor, agreement, serial, _ALARM_RAISED, NOBODY, NOWHERE, ZERO, episode)
    elif is_broken and opened and alarm == _ACKNOWLEDGED:
        alarm = np.int64(_RAISED)
        tell(events, cursor, agreement, serial, _ALARM_RAISED, NOBODY, NOWHERE, ZERO, episode)
    elif not is_broken and alarm != _NO_ALARM:
        if alarm != _FOUND:
            tell(events, cursor, agreement, serial, _ALARM_CLEARED, NOBODY, NOWHERE, ZERO, episode)
        alarm = np.int64(_NO_ALARM)
    store8(slots, base + at.ALARM, alarm)


@helper
def _settle_stage(
    plan: Any,
    slots: Any,
    serial: Int64,
    adjustments: Any,
    events: Any,
    cursor: Any,
    slot_marks: Any,
    adjustment_marks: Any,
    is_first: bool,
    has_opened: bool,
    duplicate_on: Int64,
    duplicate_off: Int64,
) -> None:
    """Judge one slot anew, under the plan of its stage."""
    base = serial * plan[at.P_SLOT_BYTES]
    evaluate(plan, slots, base, adjustments, cursor)
    has_breaks = _settle_flags(plan, cursor, duplicate_on, duplicate_off)
    opened = _tell_whole_records(plan, slots, base, serial, events, cursor) or has_opened
    changed = _changed_fields(plan, slots, base, cursor)
    if changed != 0:
        for field in range(plan[at.P_PLACES]):
            if changed & bit(field):
                told = _tell_field(plan, slots, base, serial, events, cursor, field)
                opened = opened or told
    _write(plan, slots, base, cursor)
    before = load8(slots, base + at.STATUS)
    after = _status(plan, slots, base, cursor, has_breaks)
    store8(slots, base + at.STATUS, after)
    if is_first or after != before:
        kind = _FIRST_STATUS + after
        tell(events, cursor, plan[at.P_AGREEMENT], serial, kind, NOBODY, NOWHERE, ZERO, ZERO)
    if load8(slots, base + at.JUDGED) & 1 == 0 or has_breaks:
        store64(slots, base + at.CLOSED, 0)
    elif load64(slots, base + at.CLOSED) == 0:
        store64(slots, base + at.CLOSED, cursor[at.C_TIME])
    was_broken = before == BROKEN and not is_first
    _put_alarm(
        plan, slots, base, serial, events, cursor, was_broken, after == BROKEN, opened
    )  # fmt: skip
    mark_pages(slot_marks, base, plan[at.P_SLOT_BYTES])
    adjust_after_verdict(
        plan, slots, base, serial, adjustments, events, cursor, slot_marks, adjustment_marks
    )


@helper
def settle(
    plan: Any,
    slots: Any,
    serial: Int64,
    adjustments: Any,
    events: Any,
    cursor: Any,
    slot_marks: Any,
    adjustment_marks: Any,
    is_first: bool,
    has_opened: bool,
    duplicate_on: Int64,
    duplicate_off: Int64,
) -> None:
    """Judge a transaction anew, write the verdict and tell what has changed.

    `is_first`: the transaction was just opened. `has_opened`: step 2 opened a break.
    `duplicate_on`, `duplicate_off`: masks of roles whose `duplicate` opens or closes (R-SAME-2).
    The stages behind it follow, as long as they may build on it, or might before (R-STAGE-7).
    """
    if plan[at.P_LINKS] == 0:
        _settle_stage(
            plan, slots, serial, adjustments, events, cursor, slot_marks, adjustment_marks,
            is_first, has_opened, duplicate_on, duplicate_off,
        )  # fmt: skip
        return
    base = serial * plan[at.P_SLOT_BYTES]
    was_final = not is_first and is_final(slots, base)
    _settle_stage(
        plan_at(plan, load8(slots, base + at.KEY_STAGE)), slots, serial, adjustments, events,
        cursor, slot_marks, adjustment_marks, is_first, has_opened, duplicate_on, duplicate_off,
    )  # fmt: skip
    for _ in range(plan[at.P_STAGES] - 1):
        following = beside(plan, slots, base, _FOLLOWING)
        if following < 0 or not (was_final or is_final(slots, base)):
            return
        base = following
        was_final = is_final(slots, base)
        _settle_stage(
            plan_at(plan, load8(slots, base + at.KEY_STAGE)), slots,
            base // plan[at.P_SLOT_BYTES], adjustments, events, cursor, slot_marks,
            adjustment_marks, NO, NO, ZERO, ZERO,
        )  # fmt: skip
