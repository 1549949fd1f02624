"""The verdict on one transaction, as a function of its slot (R-FINAL-1 to R-BENCH-4, R-FREEZE-1).

`evaluate` reads the slot and the adjustments that freeze benchmarks, and writes what holds into the
scratch of the cursor: for each role its flags and the masks of fields in which it mismatches or is
blank, for each mismatching field whether a benchmark stands and whose value it is. Nothing else
goes in: rows, deadlines, cut-offs and operations all end here, so any order of them ends the same
(R-ORDER-1). Comparing with what held before, and telling it, is `settle.py`.
"""

from typing import Any, Final

import numpy as np

from tieout.agreement.model import Policy
from tieout.compiled.loops import helper, inlined
from tieout.compiled.memory import Int64, load8, load16, load64, number_at
from tieout.kernel import layout as at
from tieout.kernel.compare import same_value, within
from tieout.kernel.invariants import judge_invariants
from tieout.kernel.stages import beside, is_out_of_order
from tieout.kernel.words import ZERO, bit
from tieout.wire.codes import AdjustmentStatus, BenchmarkState, BreakKind

AWAITING: Final = np.int64(BenchmarkState.AWAITING)
UNDECIDED: Final = np.int64(BenchmarkState.UNDECIDED)
DECIDED: Final = np.int64(BenchmarkState.DECIDED)
_AUTHORITY: Final = np.int64(Policy.AUTHORITY)
_MAJORITY: Final = np.int64(Policy.MAJORITY)
_PREVIOUS_STAGE: Final = np.int64(Policy.PREVIOUS_STAGE)
_PREVIOUS: Final = np.int64(at.PREVIOUS)
_FOLLOWING: Final = np.int64(at.FOLLOWING)
PROPOSED: Final = np.int64(AdjustmentStatus.PROPOSED)
APPROVED: Final = np.int64(AdjustmentStatus.APPROVED)
POSTED: Final = np.int64(AdjustmentStatus.POSTED)

MISMATCH: Final = np.int64(BreakKind.MISMATCH)
_INVARIANT: Final = np.int64(BreakKind.INVARIANT)
_GROUP: Final = np.int64(BreakKind.GROUP)

# What a verdict keeps of the old flags; the others follow from the slot.
_KEPT: Final = at.STATES | at.WITHDREW | at.OVERDUE | at.DUPLICATE | at.CHANGED | at.DISPUTED


@inlined
def role_block(plan: Any, base: Int64, role: Int64) -> Int64:
    """Where the block of a role begins in the slot at `base`."""
    return base + at.ROLE_BLOCKS + role * plan[at.P_ROLE_BYTES]


@inlined
def field_line(plan: Any, field: Int64) -> Int64:
    """Where the line of a field begins in the plan."""
    return at.P_TABLES + plan[at.P_ROLES] * at.ROLE_LINE + field * at.FIELD_LINE


@helper
def frozen_fields(plan: Any, slots: Any, block: Int64, adjustments: Any) -> Int64:
    """The fields whose benchmarks the role's latest adjustment freezes (R-FREEZE-1)."""
    latest = load64(slots, block + at.LATEST)
    if latest == 0:
        return np.int64(0)
    image = (latest - 1) * plan[at.P_ADJUSTMENT_BYTES]
    status = load8(adjustments, image + at.ADJ_STATUS)
    if status not in (APPROVED, POSTED):
        return np.int64(0)
    return load64(adjustments, image + at.ADJ_FIELDS)


@helper
def look(plan: Any, slots: Any, base: Int64, adjustments: Any, cursor: Any) -> None:
    """Who states, who is heard, what is frozen."""
    judged = load8(slots, base + at.JUDGED) & 1
    states, heard, frozen = np.int64(0), plan[at.P_APART], np.int64(0)
    for role in range(plan[at.P_ROLES]):
        block = role_block(plan, base, role)
        flags = load16(slots, block + at.FLAGS)
        if flags & at.STATES:
            states |= bit(role)
        if judged != 0 or flags & (at.STATES | at.OVERDUE):
            heard |= bit(role)
        frozen |= frozen_fields(plan, slots, block, adjustments)
    decided = np.int64(0)
    if plan[at.P_DECIDES] != 0:
        decided = load64(slots, role_block(plan, base, plan[at.P_ROLES]) + at.PRESENCE)
    cursor[at.V_STATES] = states
    cursor[at.V_HEARD] = heard
    cursor[at.V_FROZEN] = frozen & ~decided
    cursor[at.V_DECIDED] = decided
    cursor[at.V_REVERSED] = load8(slots, base + at.JUDGED) & at.REVERSED
    cursor[at.V_AWAITING] = 0
    cursor[at.V_UNDECIDED] = 0


@helper
def kind_at(plan: Any, place: Int64) -> Int64:
    """The kind of a break in a field or, behind the fields, of an invariant or a group."""
    if place < plan[at.P_FIELDS]:
        return MISMATCH
    return _INVARIANT if place < plan[at.P_FIRST_GROUP] else _GROUP


@inlined
def expected_roles(plan: Any, states: Int64) -> Int64:
    """The roles that a transaction waits for when these state in it, as masks (R-GROUP-2)."""
    together = plan[at.P_ALL_ROLES] & ~plan[at.P_APART]
    return np.int64(together if states & together != 0 else 0)


@helper
def waits_for_groups(plan: Any, slots: Any, base: Int64, states: Int64) -> bool:
    """Whether a counterpart's record stands in a group that is not tied out (R-GROUP-5)."""
    line = plan[at.P_GROUPS]
    for group in range(plan[at.P_GROUP_COUNT]):
        counterparts, key = number_at(plan, line), number_at(plan, line + 1)
        for role in range(plan[at.P_ROLES]):
            block = role_block(plan, base, role)
            if (
                counterparts & states & bit(role) != 0
                and load64(slots, block + at.PRESENCE) & bit(key) != 0
                and load16(slots, block + at.TIED_GROUPS) & bit(group) == 0
            ):
                return True
        line += at.GROUP_LINE
    return False


@helper
def _judge_roles(plan: Any, slots: Any, base: Int64, cursor: Any) -> None:
    """Whole records, blanks and groups (R-MISS-1, R-MISS-2, R-OPEN-1, R-BIND-1, R-GROUP-2)."""
    states, heard = cursor[at.V_STATES], cursor[at.V_HEARD]
    opened_by, apart = plan[at.P_OPENED_BY], plan[at.P_APART]
    expected = expected_roles(plan, states)
    judged = load8(slots, base + at.JUDGED) & 1
    is_early = is_out_of_order(plan, slots, base)
    is_compared = cursor[at.V_REVERSED] == 0
    opened_wrongly = (
        is_compared and judged != 0 and opened_by != 0 and expected != 0 and states & opened_by == 0
    )
    for role in range(plan[at.P_ROLES]):
        block = role_block(plan, base, role)
        flags = load16(slots, block + at.FLAGS) & _KEPT
        blank, broken = np.int64(0), np.int64(0)
        if load16(slots, block + at.INTRUDER) != 0:
            flags |= at.UNEXPECTED
        if not is_compared:
            pass  # R-REVERSE-3: nothing is missing
        elif states & bit(role):
            required = plan[at.P_TABLES + role * at.ROLE_LINE + at.R_REQUIRED]
            blank = required & ~load64(slots, block + at.PRESENCE)
            if opened_wrongly or (apart & bit(role) != 0 and states != bit(role)):
                flags |= at.UNEXPECTED
            if is_early:
                flags |= at.OUT_OF_ORDER
            broken = load16(slots, block + at.BROKEN_GROUPS) << plan[at.P_FIRST_GROUP]
        elif expected & heard & bit(role) != 0 and not opened_wrongly:
            flags |= at.MISSING
        line = at.V_ROLES + role * at.V_ROLE_LINE
        cursor[line] = flags
        cursor[line + 1] = broken  # R-GROUP-5
        cursor[line + 2] = blank


@inlined
def taking_part(plan: Any, field: Int64, slots: Any, base: Int64, states: Int64) -> Int64:
    """The roles that report the field and state a value for it (R-MATCH-1), as a mask."""
    candidates = states & number_at(plan, field_line(plan, field) + at.F_ROLES)
    taking = np.int64(0)
    for role in range(plan[at.P_ROLES]):
        if candidates & bit(role):
            presence = load64(slots, role_block(plan, base, role) + at.PRESENCE)
            if presence & bit(field):
                taking |= bit(role)
    return taking


@helper
def _majority(
    plan: Any, line: Int64, slots: Any, base: Int64, taking: Int64, waiting: Int64
) -> tuple[Int64, Int64]:
    """R-BENCH-2: (state, role with the majority's value or NO_SOURCE)."""
    roles = plan[at.P_ROLES]
    stated = np.int64(0)
    best, best_role = np.int64(0), np.int64(at.NO_SOURCE)
    for role in range(roles):
        if taking & bit(role) == 0:
            continue
        stated += 1
        values = role_block(plan, base, role) + at.VALUES
        alike = np.int64(0)
        for other in range(roles):
            if taking & bit(other):
                other_values = role_block(plan, base, other) + at.VALUES
                if same_value(plan, line, slots, values, slots, other_values):
                    alike += 1
        if alike > best:
            best, best_role = alike, np.int64(role)
    unheard = np.int64(0)
    for role in range(roles):
        if waiting & bit(role):
            unheard += 1
    if 2 * best > stated + unheard:
        return DECIDED, best_role
    return (AWAITING if unheard > 0 else UNDECIDED), np.int64(at.NO_SOURCE)


@helper
def _frozen_source(plan: Any, field: Int64, slots: Any, base: Int64, adjustments: Any) -> Int64:
    for role in range(plan[at.P_ROLES]):
        block = role_block(plan, base, role)
        if frozen_fields(plan, slots, block, adjustments) & bit(field):
            return at.FROZEN_BASE - (load64(slots, block + at.LATEST) - 1)
    return np.int64(at.NO_SOURCE)


@inlined
def _all_alike(plan: Any, line: Int64, slots: Any, base: Int64, taking: Int64) -> bool:
    first = np.int64(-1)
    for role in range(plan[at.P_ROLES]):
        if taking & bit(role):
            values = role_block(plan, base, role) + at.VALUES
            if first < 0:
                first = values
            elif not same_value(plan, line, slots, first, slots, values):
                return False
    return True


@helper
def _agreed_at(
    plan: Any, field: Int64, slots: Any, base: Int64, stage: Int64, handed_on: Int64
) -> Int64:
    """Where the values stand that hold what an earlier stage agreed on, −1 for none (R-STAGE-6).

    `base` is its slot, `handed_on` what the stage before that one agreed on.
    """
    earlier = plan[at.P_EARLIER] + (stage * plan[at.P_FIELDS] + field) * at.EARLIER_LINE
    policy = number_at(plan, earlier + at.E_POLICY)
    if policy == _PREVIOUS_STAGE and handed_on >= 0:
        return handed_on
    states = number_at(plan, earlier + at.E_ROLES)  # of a final stage every role states
    taking, first = np.int64(0), np.int64(-1)
    for role in range(plan[at.P_ROLES]):
        block = role_block(plan, base, role)
        if states & bit(role) == 0 or load64(slots, block + at.PRESENCE) & bit(field) == 0:
            continue
        taking |= bit(role)
        if first < 0:
            first = block + at.VALUES
    if policy == _AUTHORITY:
        authority = number_at(plan, earlier + at.E_AUTHORITY)
        if taking & bit(authority):
            return role_block(plan, base, authority) + at.VALUES
    line = field_line(plan, field)
    if policy == _MAJORITY:
        state, role = _majority(plan, line, slots, base, taking, np.int64(0))
        if state == DECIDED:
            return role_block(plan, base, role) + at.VALUES
    return first if _all_alike(plan, line, slots, base, taking) else np.int64(-1)


@helper
def _previous_stage(plan: Any, field: Int64, slots: Any, base: Int64) -> tuple[Int64, Int64]:
    """R-STAGE-6: (state, where the values stand among the slots)."""
    if is_out_of_order(plan, slots, base):
        return AWAITING, np.int64(at.NO_SOURCE)
    stage = load8(slots, base + at.KEY_STAGE)
    other = base
    for _ in range(stage):
        other = beside(plan, slots, other, _PREVIOUS)
    agreed = np.int64(-1)
    for earlier in range(stage):
        agreed = _agreed_at(plan, field, slots, other, np.int64(earlier), agreed)
        other = beside(plan, slots, other, _FOLLOWING)
    if agreed < 0:
        return UNDECIDED, np.int64(at.NO_SOURCE)
    return DECIDED, agreed


@inlined
def source_values(plan: Any, base: Int64, source: Int64) -> Int64:
    """Where the values of a benchmark stand among the slots; `source` is not a frozen one."""
    return source if source >= at.MAX_ROLES else role_block(plan, base, source) + at.VALUES


@helper
def benchmark(
    plan: Any, field: Int64, slots: Any, base: Int64, adjustments: Any, cursor: Any, taking: Int64
) -> tuple[Int64, Int64]:
    """The benchmark of a field: (state, source), of the verdict that `look` has begun."""
    if cursor[at.V_DECIDED] & bit(field):
        return np.int64(DECIDED), np.int64(plan[at.P_ROLES])
    if cursor[at.V_FROZEN] & bit(field):
        return np.int64(DECIDED), _frozen_source(plan, field, slots, base, adjustments)
    line = field_line(plan, field)
    policy = number_at(plan, line + at.F_POLICY)
    if policy == _AUTHORITY:
        authority = number_at(plan, line + at.F_AUTHORITY)
        if taking & bit(authority):
            return np.int64(DECIDED), authority
        heard = cursor[at.V_HEARD] & bit(authority)
        return np.int64(UNDECIDED if heard else AWAITING), np.int64(at.NO_SOURCE)
    if policy == _PREVIOUS_STAGE:
        state, source = _previous_stage(plan, field, slots, base)
        return np.int64(state), source
    if policy == _MAJORITY:
        waiting = number_at(plan, line + at.F_ROLES) & ~cursor[at.V_HEARD]
        state, source = _majority(plan, line, slots, base, taking, waiting)
        return np.int64(state), source
    return np.int64(UNDECIDED), np.int64(at.NO_SOURCE)


@helper
def note_benchmark(
    plan: Any, field: Int64, slots: Any, base: Int64, adjustments: Any, cursor: Any
) -> None:
    """Write the benchmark of a field into the scratch, for a verdict that `look` has begun."""
    taking = taking_part(plan, field, slots, base, cursor[at.V_STATES])
    state, source = benchmark(plan, field, slots, base, adjustments, cursor, taking)
    note = at.V_FIELDS + field * at.V_FIELD_LINE
    cursor[note] = state
    cursor[note + 1] = source


@helper
def _some_pair_apart(plan: Any, field: Int64, slots: Any, base: Int64, taking: Int64) -> bool:
    roles = plan[at.P_ROLES]
    for role in range(roles):
        if taking & bit(role):
            values = role_block(plan, base, role) + at.VALUES
            for other in range(role + 1, roles):
                if taking & bit(other):
                    others = role_block(plan, base, other) + at.VALUES
                    if not (
                        within(plan, field, slots, values, slots, others, slots, base)
                        or within(plan, field, slots, others, slots, values, slots, base)
                    ):
                        return True
    return False


@helper
def _outside(
    plan: Any, field: Int64, slots: Any, base: Int64, adjustments: Any, taking: Int64, source: Int64
) -> Int64:
    """The roles that are not within tolerance of the benchmark (R-MATCH-2)."""
    outside = np.int64(0)
    for role in range(plan[at.P_ROLES]):
        if taking & bit(role) == 0:
            continue
        values = role_block(plan, base, role) + at.VALUES
        if source >= 0:
            mark = source_values(plan, base, source)
            fits = within(plan, field, slots, values, slots, mark, slots, base)
        else:
            mark = (at.FROZEN_BASE - source) * plan[at.P_ADJUSTMENT_BYTES] + at.ADJ_VALUES
            fits = within(plan, field, slots, values, adjustments, mark, slots, base)
        if not fits:
            outside |= bit(role)
    return outside


@helper
def _judge_field(
    plan: Any, field: Int64, slots: Any, base: Int64, adjustments: Any, cursor: Any
) -> None:
    """R-MATCH-1 to R-MATCH-3 for one field that is compared."""
    note = at.V_FIELDS + field * at.V_FIELD_LINE
    cursor[note] = 0
    cursor[note + 1] = at.NO_SOURCE
    taking = taking_part(plan, field, slots, base, cursor[at.V_STATES])
    stands = (cursor[at.V_FROZEN] | cursor[at.V_DECIDED] | plan[at.P_CARRIED]) & bit(field)
    if stands == 0 and _all_alike(plan, field_line(plan, field), slots, base, taking):
        return
    state, source = benchmark(plan, field, slots, base, adjustments, cursor, taking)
    if state == DECIDED:
        outside = _outside(plan, field, slots, base, adjustments, taking, source)
    elif _some_pair_apart(plan, field, slots, base, taking):
        outside = taking
    else:
        outside = np.int64(0)
    if outside == 0:
        return
    cursor[note] = state
    cursor[note + 1] = source
    if state == AWAITING:
        cursor[at.V_AWAITING] |= bit(field)
    elif state == UNDECIDED:
        cursor[at.V_UNDECIDED] |= bit(field)
    for role in range(plan[at.P_ROLES]):
        if outside & bit(role):
            cursor[at.V_ROLES + role * at.V_ROLE_LINE + 1] |= bit(field)


@helper
def evaluate(plan: Any, slots: Any, base: Int64, adjustments: Any, cursor: Any) -> None:
    """Write the verdict on the slot at `base` into the scratch of the cursor."""
    look(plan, slots, base, adjustments, cursor)
    _judge_roles(plan, slots, base, cursor)
    # What is out of order is kept, and compared later (R-STAGE-4); what is reversed never again.
    is_apart = is_out_of_order(plan, slots, base) or cursor[at.V_REVERSED] != 0
    compared = ZERO if is_apart else plan[at.P_COMPARED]
    for field in range(plan[at.P_FIELDS]):
        if compared & bit(field):
            _judge_field(plan, field, slots, base, adjustments, cursor)
        else:
            cursor[at.V_FIELDS + field * at.V_FIELD_LINE] = 0
    if plan[at.P_INVARIANT_COUNT] != 0 and not is_apart:
        judge_invariants(plan, slots, base, cursor)
    for place in range(plan[at.P_FIRST_GROUP], plan[at.P_PLACES]):
        cursor[at.V_FIELDS + place * at.V_FIELD_LINE] = 0
