"""The hot loop: the rows of one accepted batch, in order (R-ROW-2 to R-CHANGE-1).

While a row is applied, the slots of rows further on are already being fetched: the place in the
index 24 rows ahead, then the slot that it names 12 rows ahead. A miss costs ten times the work on a
row, so this is what makes the loop fast; it never decides anything.

There are two ways through for an accepted row. The fast one (`_quick`) takes the first record of a
role in a transaction where nothing is broken, judged or adjusted, when it equals what stands in
everything that is compared: then nothing can mismatch (R-TOL-1), and the status follows from who
states. Everything else goes through `settle`. Both give the same, bit for bit; a property holds
them together, through `takes_slow_way`.

The loop stops before a row for which the events or the adjustments might not have room; the caller
makes room and comes back.
"""

from typing import Any, Final

import numpy as np

from tieout.compiled.loops import (
    BYTES,
    FIXED_BYTES,
    FLAG,
    NUMBER,
    NUMBERS,
    WORDS,
    entry,
    helper,
    inlined,
)
from tieout.compiled.memory import (
    Int64,
    load8,
    load16,
    load32,
    load64,
    number_at,
    prefetch,
    put_number,
    store8,
    store16,
    store32,
    store64,
)
from tieout.kernel import layout as at
from tieout.kernel.adjust import answer_open_adjustment
from tieout.kernel.index import find, find_likely, insert
from tieout.kernel.settle import MATCHED, PENDING, settle
from tieout.kernel.stages import link, plan_at
from tieout.kernel.telling import NOBODY, NOWHERE, mark_pages, tell
from tieout.kernel.verdict import role_block
from tieout.kernel.words import KEY_BYTES, ZERO, bit, copy_bytes, same_bytes
from tieout.wire.codes import BreakKind, EventKind, RowOutcome

_ACCEPTED: Final = np.int64(RowOutcome.ACCEPTED)
_WRONG_VERSION: Final = np.int64(RowOutcome.WRONG_VERSION)
_EXPIRED: Final = np.int64(RowOutcome.EXPIRED)
_UNEXPECTED: Final = np.int64(RowOutcome.UNEXPECTED)
_STALE: Final = np.int64(RowOutcome.STALE)
_REPEAT: Final = np.int64(RowOutcome.REPEAT)
_DUPLICATE: Final = np.int64(RowOutcome.DUPLICATE)
_NOT_APPLIED: Final = np.int64(EventKind.ROW_NOT_APPLIED)
_BREAK_OPENED: Final = np.int64(EventKind.BREAK_OPENED)
_FIRST_STATUS: Final = np.int64(EventKind.TRANSACTION_PENDING)
_CHANGED_KIND: Final = np.int64(BreakKind.CHANGED_AFTER_MATCH)
ELSEWHERE: Final = 1
"""The transaction stands in the book of another version."""
BEGUN: Final = 2
"""It stands in this book, at another stage."""
_LOOK_AHEAD: Final = 24
_FETCH_AHEAD: Final = 12
_LINE_BYTES: Final = 64


@inlined
def _fetch(table: Any, slots: Any, hashes: Any, i: Int64, slot_bytes: Int64) -> None:
    """Ask for the memory of rows further on."""
    last = np.int64(table.size) - 1
    n = np.int64(hashes.size)
    if i + _LOOK_AHEAD < n:
        prefetch(table, number_at(hashes, i + _LOOK_AHEAD) & last)
    if i + _FETCH_AHEAD < n:
        serial = find_likely(table, number_at(hashes, i + _FETCH_AHEAD))
        if serial >= 0:
            start = serial * slot_bytes
            for line in range(0, slot_bytes, _LINE_BYTES):
                prefetch(slots, start + line)


@helper
def same_record(plan: Any, slots: Any, block: Int64, rows: Any, row: Int64) -> bool:
    """R-SAME-1: action, presence and values; the salt is ignored."""
    withdrew = load16(slots, block + at.FLAGS) & at.WITHDREW
    return (
        (withdrew != 0) == (load8(rows, row + at.ROW_ACTION) != 0)
        and load64(slots, block + at.PRESENCE) == load64(rows, row + at.ROW_PRESENCE)
        and same_bytes(slots, block + at.VALUES, rows, row + at.ROW_VALUES, plan[at.P_VALUES_BYTES])
    )


@helper
def _compared_changes(plan: Any, slots: Any, block: Int64, rows: Any, row: Int64) -> bool:
    """Whether a row is a withdrawal or changes a compared field (R-CHANGE-1)."""
    if load8(rows, row + at.ROW_ACTION) != 0:
        return True
    changed = load64(slots, block + at.PRESENCE) ^ load64(rows, row + at.ROW_PRESENCE)
    if changed & plan[at.P_COMPARED] != 0:
        return True
    line = at.P_TABLES + plan[at.P_ROLES] * at.ROLE_LINE
    for _ in range(plan[at.P_FIELDS]):
        offset = plan[line + at.F_AT]
        if plan[line + at.F_COMPARE] != 0 and not same_bytes(
            slots,
            block + at.VALUES + offset,
            rows,
            row + at.ROW_VALUES + offset,
            plan[line + at.F_WIDTH],
        ):
            return True
        line += at.FIELD_LINE
    return False


@inlined
def _write_record(plan: Any, slots: Any, block: Int64, rows: Any, row: Int64, cursor: Any) -> None:
    """Make a row the role's standing record."""
    withdraws = load8(rows, row + at.ROW_ACTION) != 0
    flags = load16(slots, block + at.FLAGS) & ~(at.STATES | at.WITHDREW)
    store16(slots, block + at.PARTY, cursor[at.C_PARTY])
    store16(slots, block + at.FLAGS, flags | (at.WITHDREW if withdraws else at.STATES))
    store32(slots, block + at.REVISION, load32(rows, row + at.ROW_REVISION))
    store64(slots, block + at.PRESENCE, load64(rows, row + at.ROW_PRESENCE))
    store64(slots, block + at.PLACE, (cursor[at.C_LEAF] << 16) | cursor[at.C_ROW])
    values_bytes = plan[at.P_VALUES_BYTES]
    copy_bytes(slots, block + at.VALUES, rows, row + at.ROW_VALUES, values_bytes)


@inlined
def _agrees(plan: Any, slots: Any, block: Int64, rows: Any, row: Int64, stretches: Int64) -> bool:
    """Whether a row equals a standing record in everything that both report and is compared."""
    word = stretches + 1
    for _ in range(number_at(plan, stretches)):
        offset = number_at(plan, word)
        if not same_bytes(
            rows,
            row + at.ROW_VALUES + offset,
            slots,
            block + at.VALUES + offset,
            number_at(plan, word + 1),
        ):
            return False
        word += 2
    return True


@inlined
def _quick(
    plan: Any,
    slots: Any,
    serial: Int64,
    rows: Any,
    row: Int64,
    events: Any,
    cursor: Any,
    is_first: bool,
) -> bool:
    """Take the fast way if it is open; False and nothing changed if it is not."""
    base = serial * plan[at.P_SLOT_BYTES]
    role = cursor[at.C_ROLE]
    line = at.P_TABLES + role * at.ROLE_LINE
    block = role_block(plan, base, role)
    required = number_at(plan, line + at.R_REQUIRED)
    if load8(rows, row + at.ROW_ACTION) != 0 or required & ~load64(rows, row + at.ROW_PRESENCE):
        return False
    all_state = True
    if is_first:
        all_state = plan[at.P_ROLES] == 1
    else:
        # No break, no alarm, not judged, no benchmark pending; nothing said by or about the role.
        if (
            load8(slots, base + at.STATUS) != PENDING
            or load16(slots, base + at.ALARM) != 0
            or load64(slots, block) != 0
        ):
            return False
        for other in range(plan[at.P_ROLES]):
            other_block = role_block(plan, base, other)
            if other == role:
                continue
            if load16(slots, other_block + at.FLAGS) & at.STATES == 0:
                all_state = False
            elif load64(slots, other_block + at.LATEST) != 0 or not _agrees(
                plan, slots, other_block, rows, row, number_at(plan, line + at.R_COMMON + other)
            ):
                return False
    _write_record(plan, slots, block, rows, row, cursor)
    status = MATCHED if all_state else PENDING
    if is_first or all_state:
        store8(slots, base + at.STATUS, status)
        agreement = plan[at.P_AGREEMENT]
        tell(events, cursor, agreement, serial, _FIRST_STATUS + status, NOBODY, NOWHERE, ZERO, ZERO)
    return True


@helper
def _accept(
    plan: Any,
    slots: Any,
    serial: Int64,
    rows: Any,
    row: Int64,
    adjustments: Any,
    events: Any,
    cursor: Any,
    adjustment_marks: Any,
    is_first: bool,
) -> bool:
    """The slow way: the record stands, then step 2; a verdict follows. True if a break opened."""
    base = serial * plan[at.P_SLOT_BYTES]
    role = cursor[at.C_ROLE]
    block = role_block(plan, base, role)
    # R-CHANGE-1, R-REVERSE-3: what is silent changes nothing while it matches.
    is_watched = (
        load8(slots, base + at.STATUS) == MATCHED
        and load16(slots, block + at.FLAGS) & at.STATES != 0
    ) or (
        load8(slots, base + at.JUDGED) & at.REVERSED != 0 and load8(rows, row + at.ROW_ACTION) == 0
    )
    changed = not is_first and is_watched and _compared_changes(plan, slots, block, rows, row)
    _write_record(plan, slots, block, rows, row, cursor)
    answer_open_adjustment(plan, slots, base, role, adjustments, events, cursor, adjustment_marks)
    flags = load16(slots, block + at.FLAGS)
    if not changed or flags & at.CHANGED != 0:
        return False
    store16(slots, block + at.FLAGS, flags | at.CHANGED)
    agreement = plan[at.P_AGREEMENT]
    tell(events, cursor, agreement, serial, _BREAK_OPENED, role, NOWHERE, _CHANGED_KIND, ZERO)
    return True


@helper
def _intrude(slots: Any, block: Int64, rows: Any, row: Int64, cursor: Any) -> bool:
    """R-BIND-1 for a row of a party that is not bound to the role; True when a verdict follows."""
    party = cursor[at.C_PARTY]
    intruder = load16(slots, block + at.INTRUDER)
    if load8(rows, row + at.ROW_ACTION) != 0:
        if intruder != party:
            return False
        store16(slots, block + at.INTRUDER, 0)
    elif intruder == 0:
        store16(slots, block + at.INTRUDER, party)
    return True


@inlined
def _open(
    plan: Any,
    slots: Any,
    slot_marks: Any,
    rows: Any,
    row: Int64,
    table: Any,
    secret: Any,
    cursor: Any,
) -> Int64:
    """Open a transaction for a row; its slot is still all zero. The serial."""
    serial = cursor[at.C_SLOTS]
    base = serial * plan[at.P_SLOT_BYTES]
    copy_bytes(slots, base, rows, row, KEY_BYTES)
    store64(slots, base + at.OPENED, cursor[at.C_TIME])
    cursor[at.C_SLOTS] = serial + 1
    if plan[at.P_LINKS] != 0:
        link(plan, slots, slot_marks, serial, table, secret)
    return serial


@inlined
def _count(cursor: Any, outcome: Int64) -> None:
    put_number(cursor, at.C_OUTCOMES + outcome, number_at(cursor, at.C_OUTCOMES + outcome) + 1)


@inlined
def _may_open(elsewhere: Int64, cursor: Any) -> bool:
    """Whether a transaction may be opened in this book, or at another stage (R-PIN-1)."""
    return elsewhere == BEGUN or (elsewhere == 0 and cursor[at.C_MAY_OPEN] != 0)


@helper
def _outcome(
    plan: Any,
    slots: Any,
    serial: Int64,
    rows: Any,
    row: Int64,
    cursor: Any,
    is_first: bool,
) -> Int64:
    """R-ROW-2. A serial of −1: the transaction is not in this book, and may not be opened in it."""
    if serial < 0:
        return _WRONG_VERSION
    if is_first:
        return _ACCEPTED
    base = serial * plan[at.P_SLOT_BYTES]
    block = role_block(plan, base, cursor[at.C_ROLE])
    closed = load64(slots, base + at.CLOSED)
    if closed != 0 and cursor[at.C_TIME] - closed > plan[at.P_RETENTION]:
        return _EXPIRED
    party = load16(slots, block + at.PARTY)
    if party != 0 and party != cursor[at.C_PARTY]:
        return _UNEXPECTED
    standing = load32(slots, block + at.REVISION)
    revision = load32(rows, row + at.ROW_REVISION)
    if revision > standing:
        return _ACCEPTED
    if revision < standing:
        return _STALE
    return _REPEAT if same_record(plan, slots, block, rows, row) else _DUPLICATE


@helper
def _refuse_row(
    plan: Any,
    slots: Any,
    serial: Int64,
    rows: Any,
    row: Int64,
    events: Any,
    cursor: Any,
    outcome: Int64,
) -> bool:
    """Tell that a row was not applied, and note whose it was; True when a verdict follows."""
    role = cursor[at.C_ROLE]
    agreement = plan[at.P_AGREEMENT]
    tell(events, cursor, agreement, serial, _NOT_APPLIED, role, NOWHERE, outcome, ZERO)
    if outcome == _UNEXPECTED:
        block = role_block(plan, serial * plan[at.P_SLOT_BYTES], role)
        return _intrude(slots, block, rows, row, cursor)
    return outcome == _DUPLICATE


@entry(
    NUMBER,
    NUMBERS,
    FIXED_BYTES,
    NUMBERS,
    BYTES,
    NUMBER,
    NUMBERS,
    BYTES,
    BYTES,
    BYTES,
    BYTES,
    BYTES,
    NUMBERS,
    WORDS,
    FLAG,
)
def apply_rows(
    plan: Any,
    rows: Any,
    hashes: Any,
    elsewhere: Any,
    start: Int64,
    table: Any,
    slots: Any,
    slot_marks: Any,
    adjustments: Any,
    adjustment_marks: Any,
    events: Any,
    cursor: Any,
    secret: Any,
    takes_slow_way: bool,
) -> Int64:
    """Apply the rows from `start`; the index of the first one not reached for lack of room.

    `hashes`: of the rows' keys, made with `secret`. `elsewhere[i]`: ELSEWHERE when another
    version's book has the transaction, BEGUN when this one has it at another stage.
    The caller keeps room in table and slots for as many transactions as there are rows, and has set
    the cursor's context. Row outcomes are counted in the cursor.
    """
    row_bytes, slot_bytes = plan[at.P_ROW_BYTES], plan[at.P_SLOT_BYTES]
    event_room = np.int64(events.size) - plan[at.P_VERDICT_BYTES]
    adjustment_room = np.int64(adjustments.size) // plan[at.P_ADJUSTMENT_BYTES]
    adjustment_room -= plan[at.P_PROPOSALS]
    mine = bit(cursor[at.C_ROLE])
    takes_slow_way = takes_slow_way or plan[at.P_SETTLES] != 0
    for i in range(start, np.int64(hashes.size)):
        if cursor[at.C_EVENTS] > event_room or cursor[at.C_ADJUSTMENTS] >= adjustment_room:
            return i
        _fetch(table, slots, hashes, i, slot_bytes)
        row = i * row_bytes
        cursor[at.C_ROW] = i
        key_hash = number_at(hashes, i)
        serial = find(table, slots, slot_bytes, key_hash, rows, row)
        is_first = serial < 0
        if is_first and _may_open(load8(elsewhere, i), cursor):
            serial = _open(plan, slots, slot_marks, rows, row, table, secret, cursor)
            insert(table, key_hash, serial)
        if (
            serial >= 0
            and not takes_slow_way
            and _quick(plan, slots, serial, rows, row, events, cursor, is_first)
        ):
            _count(cursor, _ACCEPTED)
            mark_pages(slot_marks, serial * slot_bytes, slot_bytes)
            continue
        here = plan_at(plan, load8(rows, row + at.ROW_STAGE))
        outcome = _outcome(here, slots, serial, rows, row, cursor, is_first)
        _count(cursor, outcome)
        follows, has_opened = True, False
        if outcome == _ACCEPTED:
            has_opened = _accept(
                here, slots, serial, rows, row, adjustments, events, cursor,
                adjustment_marks, is_first,
            )  # fmt: skip
        else:
            follows = _refuse_row(here, slots, serial, rows, row, events, cursor, outcome)
        if follows:
            settle(
                plan, slots, serial, adjustments, events, cursor, slot_marks, adjustment_marks,
                is_first, has_opened,
                mine if outcome == _DUPLICATE else ZERO, mine if outcome == _ACCEPTED else ZERO,
            )  # fmt: skip
    return np.int64(hashes.size)
