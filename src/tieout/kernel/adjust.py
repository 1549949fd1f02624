"""Adjustments in compiled code: proposed, superseded, verified (R-ADJ-1 to R-ADJ-3, 7, 8).

The image behind the last adjustment is free and serves as scratch: the benchmarks that a role would
be asked for are written there, compared with what its latest adjustment asks, and become a new
adjustment only when they are new. Callers keep room for one image more than roles.
"""

from typing import Any, Final

import numpy as np

from tieout.compiled.loops import helper, inlined
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
from tieout.kernel.compare import alike_currency, within
from tieout.kernel.telling import NOWHERE, mark_pages, tell
from tieout.kernel.verdict import (
    APPROVED,
    DECIDED,
    POSTED,
    PROPOSED,
    field_line,
    role_block,
    source_values,
)
from tieout.kernel.words import ZERO, bit, clear_bytes, copy_bytes, same_bytes
from tieout.wire.codes import AdjustmentStatus, EventKind
from tieout.wire.limits import MAX_AUTOMATIC_ROUNDS

_VERIFIED: Final = np.int64(AdjustmentStatus.VERIFIED)
_SUPERSEDED: Final = np.int64(AdjustmentStatus.SUPERSEDED)
_FAILED: Final = np.int64(AdjustmentStatus.FAILED)
_AT_ONCE: Final = np.int64(1)
_TELL_PROPOSED: Final = np.int64(EventKind.ADJUSTMENT_PROPOSED)
_TELL_APPROVED: Final = np.int64(EventKind.ADJUSTMENT_APPROVED)
_TELL_VERIFIED: Final = np.int64(EventKind.ADJUSTMENT_VERIFIED)
_TELL_SUPERSEDED: Final = np.int64(EventKind.ADJUSTMENT_SUPERSEDED)
_TELL_FAILED: Final = np.int64(EventKind.ADJUSTMENT_FAILED)


@helper
def _end(
    plan: Any,
    adjustments: Any,
    events: Any,
    cursor: Any,
    marks: Any,
    latest: Int64,
    status: Int64,
    kind: Int64,
) -> None:
    """Give the adjustment with number `latest` (1 + index) its last status, and tell it."""
    image = (latest - 1) * plan[at.P_ADJUSTMENT_BYTES]
    store8(adjustments, image + at.ADJ_STATUS, status)
    mark_pages(marks, image, plan[at.P_ADJUSTMENT_BYTES])
    role = load8(adjustments, image + at.ADJ_ROLE)
    serial = load64(adjustments, image + at.ADJ_SERIAL)
    tell(events, cursor, plan[at.P_AGREEMENT], serial, kind, role, NOWHERE, ZERO, latest - 1)


@helper
def _ties_out_with(
    plan: Any, slots: Any, base: Int64, block: Int64, adjustments: Any, image: Int64
) -> bool:
    """Whether the role's standing record is within tolerance of all benchmarks of an adjustment."""
    if load16(slots, block + at.FLAGS) & at.STATES == 0:
        return False
    fields = load64(adjustments, image + at.ADJ_FIELDS)
    presence = load64(slots, block + at.PRESENCE)
    if fields & ~presence != 0:
        return False
    mark = image + at.ADJ_VALUES
    for field in range(plan[at.P_FIELDS]):
        if fields & bit(field) and not within(
            plan, field, slots, block + at.VALUES, adjustments, mark, slots, base
        ):
            return False
    return True


@helper
def answer_open_adjustment(
    plan: Any,
    slots: Any,
    base: Int64,
    role: Int64,
    adjustments: Any,
    events: Any,
    cursor: Any,
    marks: Any,
) -> None:
    """R-ADJ-7: what an accepted record of the role makes of its open adjustment."""
    block = role_block(plan, base, role)
    latest = load64(slots, block + at.LATEST)
    if latest == 0:
        return
    image = (latest - 1) * plan[at.P_ADJUSTMENT_BYTES]
    status = load8(adjustments, image + at.ADJ_STATUS)
    if status not in (PROPOSED, APPROVED, POSTED):
        return
    if _ties_out_with(plan, slots, base, block, adjustments, image):
        _end(plan, adjustments, events, cursor, marks, latest, _VERIFIED, _TELL_VERIFIED)
    elif status == POSTED:
        _end(plan, adjustments, events, cursor, marks, latest, _FAILED, _TELL_FAILED)
    else:
        _end(plan, adjustments, events, cursor, marks, latest, _SUPERSEDED, _TELL_SUPERSEDED)


@helper
def _put(target: Any, to: Int64, source: Any, start: Int64, width: Int64, asked: Int64) -> bool:
    """Ask for a value at its place; False when another one is asked for there already."""
    if asked != 0:
        return same_bytes(target, to, source, start, width)
    copy_bytes(target, to, source, start, width)
    return True


@helper
def _put_benchmark(
    plan: Any, field: Int64, source: Any, start: Int64, adjustments: Any, to: Int64, asked: Int64
) -> tuple[bool, int]:
    """Put the benchmark of a field, and its currency, at `to`.

    Whether that contradicts nothing, and the mask of fields that are asked for now.
    """
    line = field_line(plan, field)
    offset = plan[line + at.F_AT]
    width = plan[line + at.F_WIDTH]
    taken = asked & bit(field)
    if not _put(adjustments, to + offset, source, start + offset, width, taken):
        return False, asked
    asked |= bit(field)
    currency = plan[line + at.F_CURRENCY]
    if currency >= 0:
        offset = plan[line + at.F_CURRENCY_AT]
        width = plan[line + at.F_CURRENCY_WIDTH]
        taken = asked & bit(currency)
        if not _put(adjustments, to + offset, source, start + offset, width, taken):
            return False, asked
        asked |= bit(currency)
    return True, asked


@helper
def put_benchmarks(
    plan: Any, slots: Any, base: Int64, adjustments: Any, cursor: Any, fields: Int64
) -> bool:
    """Write the benchmarks of `fields` behind the last adjustment.

    False when one of them is not decided, or when two of them contradict each other in a currency
    (R-ADJ-1).
    """
    to = cursor[at.C_ADJUSTMENTS] * plan[at.P_ADJUSTMENT_BYTES] + at.ADJ_VALUES
    clear_bytes(adjustments, to, plan[at.P_VALUES_BYTES])
    asked: Int64 = np.int64(0)
    for field in range(plan[at.P_FIELDS]):
        if fields & bit(field) == 0:
            continue
        note = at.V_FIELDS + field * at.V_FIELD_LINE
        if cursor[note] != DECIDED:
            return False
        source = cursor[note + 1]
        if source >= 0:
            start = source_values(plan, base, source)
            fits, asked = _put_benchmark(plan, field, slots, start, adjustments, to, asked)
        else:
            start = (at.FROZEN_BASE - source) * plan[at.P_ADJUSTMENT_BYTES] + at.ADJ_VALUES
            fits, asked = _put_benchmark(plan, field, adjustments, start, adjustments, to, asked)
        if not fits:
            return False
    return True


@helper
def _asks_the_same(plan: Any, adjustments: Any, cursor: Any, image: Int64, fields: Int64) -> bool:
    """Whether an adjustment asks for exactly the benchmarks that `put_benchmarks` wrote."""
    written = cursor[at.C_ADJUSTMENTS] * plan[at.P_ADJUSTMENT_BYTES]
    return load64(adjustments, image + at.ADJ_FIELDS) == fields and same_bytes(
        adjustments,
        image + at.ADJ_VALUES,
        adjustments,
        written + at.ADJ_VALUES,
        plan[at.P_VALUES_BYTES],
    )


@helper
def _authority_of_frozen(plan: Any, cursor: Any, fields: Int64, role: Int64) -> bool:
    frozen = cursor[at.V_FROZEN] & fields
    for field in range(plan[at.P_FIELDS]):
        if frozen & bit(field) and plan[field_line(plan, field) + at.F_AUTHORITY] == role:
            return True
    return False


@inlined
def _mismatches(plan: Any, cursor: Any, role: Int64) -> Int64:
    """The fields in which a role mismatches; no benchmark mends an invariant (R-INV-5)."""
    return cursor[at.V_ROLES + role * at.V_ROLE_LINE + 1] & plan[at.P_FIELD_MASK]


@helper
def wanted(
    plan: Any, slots: Any, base: Int64, role: Int64, adjustments: Any, cursor: Any
) -> tuple[bool, bool]:
    """Whether R-ADJ-1 holds for a role, and whether its latest adjustment asked for the same.

    Writes what would be asked for behind the last adjustment. The verdict must be in the scratch.
    """
    block = role_block(plan, base, role)
    fields = _mismatches(plan, cursor, role)
    latest = load64(slots, block + at.LATEST)
    image = (latest - 1) * plan[at.P_ADJUSTMENT_BYTES]
    if latest != 0:
        status = load8(adjustments, image + at.ADJ_STATUS)
        if status in (PROPOSED, APPROVED, POSTED):
            return False, False
    if fields == 0 or _authority_of_frozen(plan, cursor, fields, role):
        return False, False
    if not put_benchmarks(plan, slots, base, adjustments, cursor, fields):
        return False, False
    if latest == 0:
        return True, False
    revision = load32(slots, block + at.REVISION)
    same = load32(adjustments, image + at.ADJ_REVISION) == revision and _asks_the_same(
        plan, adjustments, cursor, image, fields
    )
    return True, same


@helper
def propose(
    plan: Any,
    slots: Any,
    base: Int64,
    serial: Int64,
    role: Int64,
    adjustments: Any,
    events: Any,
    cursor: Any,
    slot_marks: Any,
    adjustment_marks: Any,
    proposer: Int64,
) -> None:
    """Make what `wanted` wrote the role's latest adjustment, and tell it."""
    index = cursor[at.C_ADJUSTMENTS]
    size = plan[at.P_ADJUSTMENT_BYTES]
    image = index * size
    block = role_block(plan, base, role)
    clear_bytes(adjustments, image, at.ADJ_VALUES)
    store64(adjustments, image + at.ADJ_SERIAL, serial)
    store8(adjustments, image + at.ADJ_ROLE, role)
    store8(adjustments, image + at.ADJ_STATUS, PROPOSED)
    store32(adjustments, image + at.ADJ_REVISION, load32(slots, block + at.REVISION))
    store64(adjustments, image + at.ADJ_FIELDS, _mismatches(plan, cursor, role))
    store32(adjustments, image + at.ADJ_PROPOSER, proposer)
    mark_pages(adjustment_marks, image, size)
    store64(slots, block + at.LATEST, index + 1)
    mark_pages(slot_marks, base, plan[at.P_SLOT_BYTES])
    cursor[at.C_ADJUSTMENTS] = index + 1
    detail = np.int64(0 if proposer == 0 else 1)
    agreement = plan[at.P_AGREEMENT]
    tell(events, cursor, agreement, serial, _TELL_PROPOSED, role, NOWHERE, detail, index)


@helper
def _limit_of(plan: Any, field: Int64, adjustments: Any, values: Int64) -> Int64:
    """The limit of a field in its benchmark's currency, −1 when there is none."""
    line = field_line(plan, field)
    limit = plan[line + at.F_LIMITS]
    offset, width = plan[line + at.F_CURRENCY_AT], plan[line + at.F_CURRENCY_WIDTH]
    for _ in range(plan[line + at.F_LIMIT_COUNT]):
        matches = True
        if plan[line + at.F_CURRENCY] >= 0:
            for i in range(width):
                byte = (plan[limit + 1 + (i >> 3)] >> (8 * (i & 7))) & 0xFF
                if byte != load8(adjustments, values + offset + i):
                    matches = False
        if matches:
            return plan[limit]
        limit += at.LIMIT_LINE
    return np.int64(-1)


@helper
def _within_limits(plan: Any, slots: Any, block: Int64, adjustments: Any, image: Int64) -> bool:
    """Whether every field may go to its benchmark without people (R-ADJ-3)."""
    fields = load64(adjustments, image + at.ADJ_FIELDS)
    values = image + at.ADJ_VALUES
    own = block + at.VALUES
    for field in range(plan[at.P_FIELDS]):
        if fields & bit(field) == 0:
            continue
        line = field_line(plan, field)
        if plan[line + at.F_IS_NUMBER] == 0:
            return False
        limit = _limit_of(plan, field, adjustments, values)
        if not alike_currency(plan, line, slots, own, adjustments, values):
            return False
        offset = plan[line + at.F_AT]
        if abs(load64(slots, own + offset) - load64(adjustments, values + offset)) > limit:
            return False
    return True


@helper
def _is_disputed(plan: Any, cursor: Any) -> bool:
    """Whether a role disputes the transaction, by the verdict in the scratch (R-DISPUTE-2)."""
    for role in range(plan[at.P_ROLES]):
        if cursor[at.V_ROLES + role * at.V_ROLE_LINE] & at.DISPUTED:
            return True
    return False


@helper
def _approve_at_once(
    plan: Any,
    slots: Any,
    base: Int64,
    serial: Int64,
    role: Int64,
    adjustments: Any,
    events: Any,
    cursor: Any,
) -> None:
    """R-ADJ-3 for the adjustment that was just proposed; its pages are marked already."""
    block = role_block(plan, base, role)
    rounds = load16(slots, block + at.ROUNDS)
    index = load64(slots, block + at.LATEST) - 1
    image = index * plan[at.P_ADJUSTMENT_BYTES]
    if plan[at.P_AUTOMATIC] == 0 or rounds >= MAX_AUTOMATIC_ROUNDS or _is_disputed(plan, cursor):
        return
    if not _within_limits(plan, slots, block, adjustments, image):
        return
    store8(adjustments, image + at.ADJ_STATUS, APPROVED)
    store8(adjustments, image + at.ADJ_AT_ONCE, 1)
    store16(slots, block + at.ROUNDS, rounds + 1)
    agreement = plan[at.P_AGREEMENT]
    tell(events, cursor, agreement, serial, _TELL_APPROVED, role, NOWHERE, _AT_ONCE, index)


@helper
def adjust_after_verdict(
    plan: Any,
    slots: Any,
    base: Int64,
    serial: Int64,
    adjustments: Any,
    events: Any,
    cursor: Any,
    slot_marks: Any,
    adjustment_marks: Any,
) -> None:
    """Step 6 of a verdict: superseded (R-ADJ-8), proposed (R-ADJ-1), approved at once (R-ADJ-3)."""
    for role in range(plan[at.P_ROLES]):
        block = role_block(plan, base, role)
        fields = _mismatches(plan, cursor, role)
        latest = load64(slots, block + at.LATEST)
        if latest != 0:
            image = (latest - 1) * plan[at.P_ADJUSTMENT_BYTES]
            if load8(adjustments, image + at.ADJ_STATUS) == PROPOSED and not (
                put_benchmarks(plan, slots, base, adjustments, cursor, fields)
                and _asks_the_same(plan, adjustments, cursor, image, fields)
            ):
                _end(
                    plan, adjustments, events, cursor, adjustment_marks, latest,
                    _SUPERSEDED, _TELL_SUPERSEDED,
                )  # fmt: skip
        if fields == 0:
            continue
        holds, same = wanted(plan, slots, base, role, adjustments, cursor)
        if holds and not same:
            propose(
                plan, slots, base, serial, role, adjustments, events, cursor,
                slot_marks, adjustment_marks, ZERO,
            )  # fmt: skip
            _approve_at_once(plan, slots, base, serial, role, adjustments, events, cursor)
