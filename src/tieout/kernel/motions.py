"""Motions: the parties of a transaction decide about it by vote (R-DECIDE-1, R-REVERSE-1).

What was decided stands behind the roles of a slot, laid out as one more role's record, so that the
compiled loops take it for a benchmark as they take an authority's value.
"""

from typing import Final

import numpy as np

from tieout.agreement.model import Agreement
from tieout.kernel import disputes, timing
from tieout.kernel import layout as at
from tieout.kernel.found import Found, Speaker
from tieout.kernel.rowcheck import check_rows
from tieout.kernel.state import Motion, State
from tieout.wire.codes import NO_FIELD, NO_ITEM, BenchmarkState, EventKind, ItemOutcome
from tieout.wire.limits import MAX_MOTION_US
from tieout.wire.operations import MoveReversal, MoveValue, VoteOnMotion
from tieout.wire.rows import PREFIX_BYTES

_UNDECIDED: Final = int(BenchmarkState.UNDECIDED)


def move_value(
    state: State, found: Found, body: MoveValue, name: bytes, speaker: Speaker
) -> ItemOutcome:
    """R-DECIDE-1."""
    if speaker.party not in voters(state, found):
        return ItemOutcome.NOT_ENTITLED
    in_time = _is_in_time(state, body.expires_us)
    if not in_time or not _may_be_decided(state, found, body.field):
        return ItemOutcome.NOT_APPLICABLE
    if (found.book.number, found.serial) in state.motions:
        return ItemOutcome.MOTION_OPEN
    if not _is_sound(state, found, body):
        return ItemOutcome.MALFORMED_VALUE
    if _contradicts(found, body):
        return ItemOutcome.NOT_APPLICABLE
    motion = Motion(
        name,
        body.field,
        body.value,
        body.currency,
        body.reason,
        speaker.code,
        body.expires_us,
        [speaker.party],
        [],
    )
    return _move(state, found, motion, speaker.item)


def move_reversal(
    state: State, found: Found, body: MoveReversal, name: bytes, speaker: Speaker
) -> ItemOutcome:
    """R-REVERSE-1."""
    if speaker.party not in voters(state, found):
        return ItemOutcome.NOT_ENTITLED
    in_time = _is_in_time(state, body.expires_us)
    if not in_time or not _may_be_reversed(found) or found.is_expired(state.time_us):
        return ItemOutcome.NOT_APPLICABLE
    if (found.book.number, found.serial) in state.motions:
        return ItemOutcome.MOTION_OPEN
    motion = Motion(
        name,
        NO_FIELD,
        b"",
        b"",
        body.reason,
        speaker.code,
        body.expires_us,
        [speaker.party],
        [],
    )
    return _move(state, found, motion, speaker.item)


def vote(state: State, found: Found, body: VoteOnMotion, speaker: Speaker) -> ItemOutcome:
    """R-DECIDE-2."""
    motion = state.motions.get((found.book.number, found.serial))
    if motion is None or motion.name != body.motion:
        return ItemOutcome.UNKNOWN_MOTION
    if speaker.party not in voters(state, found):
        return ItemOutcome.NOT_ENTITLED
    if speaker.party in motion.in_favour or speaker.party in motion.against:
        return ItemOutcome.NO_EFFECT
    if motion.place == NO_FIELD and body.in_favour and not _may_be_reversed(found):
        return ItemOutcome.NOT_APPLICABLE
    if body.in_favour:
        motion.in_favour = sorted([*motion.in_favour, speaker.party])
    else:
        motion.against = sorted([*motion.against, speaker.party])
    detail = int(body.in_favour)
    _tell(state, EventKind.MOTION_VOTED, found, motion, speaker.item, detail, speaker.code)
    _count(state, found, motion, speaker.item)
    return ItemOutcome.ACCEPTED


def expire(state: State) -> None:
    """R-DECIDE-4."""
    for number, serial in sorted(state.motions):
        motion = state.motions[number, serial]
        if motion.expires_us < state.time_us:
            found = Found(state.books[number - 1], serial)
            del state.motions[number, serial]
            _tell(state, EventKind.MOTION_EXPIRED, found, motion, NO_ITEM)


def open_motion(state: State, agreement_number: int, serial: int) -> Motion | None:
    """The open motion about a transaction, None when there is none."""
    return state.motions.get((agreement_number, serial))


def voters(state: State, found: Found) -> list[int]:
    """The members that are bound to a role of the transaction, ascending."""
    book = found.book
    bound = {
        found.number(book.role_offset(role) + at.PARTY, 2) for role in range(len(book.holders))
    }
    return sorted(party for party in bound if party and state.members.is_member(party))


def votes_needed(agreement: Agreement, voting: int) -> int:
    """How many of so many parties decide upon a value (R-DECIDE-2)."""
    return agreement.votes or voting // 2 + 1


def _may_be_decided(state: State, found: Found, field: int) -> bool:
    """Whether people may decide a field now (R-DECIDE-1)."""
    book = found.book
    if book.agreement.votes is None or not 0 <= field < len(book.agreement.fields):
        return False
    if not book.agreement.fields[field].compare or found.is_expired(state.time_us):
        return False
    if found.number(at.JUDGED, 1) & at.REVERSED:
        return False
    voting = len(voters(state, found))
    if voting < votes_needed(book.agreement, voting):
        return False
    is_undecided = found.number(at.UNDECIDED_BITS, 8) >> field & 1 == 1
    return is_undecided or any(
        (book.number, found.serial, role) in state.disputes for role in range(len(book.holders))
    )


def _may_be_reversed(found: Found) -> bool:
    """Whether every role states and nothing but a dispute is open (R-REVERSE-1)."""
    agreement = found.book.agreement
    if agreement.groups or agreement.stages or found.number(at.JUDGED, 1) & at.REVERSED:
        return False
    for role in range(len(found.book.holders)):
        block = found.book.role_offset(role)
        flags = found.number(block + at.FLAGS, 2)
        if not flags & at.STATES or flags & at.WHOLE_RECORD_BREAKS & ~at.DISPUTED:
            return False
        if found.number(block + at.MISMATCH, 8) or found.number(block + at.BLANK, 8):
            return False
    return True


def _is_in_time(state: State, expires_us: int) -> bool:
    return state.time_us < expires_us <= state.time_us + MAX_MOTION_US


def _stated(found: Found, body: MoveValue) -> dict[int, bytes]:
    """The values that a motion asks for, by field: its own, and its currency."""
    holder = found.book.agreement.fields[body.field].currency_field
    return (
        {body.field: body.value}
        if holder is None
        else {holder: body.currency, body.field: body.value}
    )


def _is_sound(state: State, found: Found, body: MoveValue) -> bool:
    """Whether the field could have the value in a record (R-ROW-1)."""
    book = found.book
    agreement = book.agreement
    field = agreement.fields[body.field]
    if field.currency_field is None and body.currency:
        return False
    row = np.zeros(int(book.plan[at.P_ROW_BYTES]), np.uint8)
    row[0], row[at.ROW_REVISION] = ord("-"), 1
    presence = 0
    for f, value in _stated(found, body).items():
        column = agreement.layout.columns[f]
        if len(value) != column.width:
            return False
        row[column.offset : column.offset + column.width] = np.frombuffer(value, np.uint8)
        presence |= 1 << f
    row[at.ROW_PRESENCE : at.ROW_PRESENCE + 8] = np.frombuffer(
        presence.to_bytes(8, "little"), np.uint8
    )
    hashes = np.zeros(1, np.int64)
    return check_rows(book.plan, row, 1, field.roles[0], state.index_secret, hashes) < 0


def _contradicts(found: Found, body: MoveValue) -> bool:
    """Whether a field would be asked for two values, with what was decided before (R-ADJ-1)."""
    agreement = found.book.agreement
    block = found.book.role_offset(len(found.book.holders))
    decided = found.number(block + at.PRESENCE, 8)
    asked = _stated(found, body)
    for f, field in enumerate(agreement.fields):
        if f == body.field or not decided >> f & 1:
            continue
        for place in (f, field.currency_field):
            if place is None or place not in asked:
                continue
            column = agreement.layout.columns[place]
            start = block + at.VALUES + column.offset - PREFIX_BYTES
            if found.bytes_at(start, column.width) != asked[place]:
                return True
    return False


def _move(state: State, found: Found, motion: Motion, item: int) -> ItemOutcome:
    """Open a motion, for which its party has voted."""
    state.motions[found.book.number, found.serial] = motion
    _tell(state, EventKind.MOTION_MOVED, found, motion, item, extra=motion.moved_by)
    _count(state, found, motion, item)
    return ItemOutcome.ACCEPTED


def _count(state: State, found: Found, motion: Motion, item: int) -> None:
    """Decide a motion if its votes decide it (R-DECIDE-2, R-REVERSE-2)."""
    voting = voters(state, found)
    needed = len(voting)
    if motion.place != NO_FIELD:
        needed = votes_needed(found.book.agreement, len(voting))
    key = (found.book.number, found.serial)
    if sum(party in voting for party in motion.in_favour) >= needed:
        del state.motions[key]
        _tell(state, EventKind.MOTION_CARRIED, found, motion, item)
        if motion.place == NO_FIELD:
            found.put_byte(at.JUDGED, found.number(at.JUDGED, 1) | at.REVERSED)
        else:
            _decide(found, motion)
        disputes.settle_all(state, found, item)
        timing.judge_again(state, found.book, item, found.serial)
    elif len(voting) - sum(party in voting for party in motion.against) < needed:
        del state.motions[key]
        _tell(state, EventKind.MOTION_REFUSED, found, motion, item)


def _decide(found: Found, motion: Motion) -> None:
    """Let a value stand (R-DECIDE-3)."""
    agreement = found.book.agreement
    block = found.book.role_offset(len(found.book.holders))
    decided = found.number(block + at.PRESENCE, 8) | 1 << motion.place
    found.put(block + at.PRESENCE, decided.to_bytes(8, "little"))
    holder = agreement.fields[motion.place].currency_field
    for f, value in ((motion.place, motion.value), (holder, motion.currency)):
        if f is not None:
            column = agreement.layout.columns[f]
            found.put(block + at.VALUES + column.offset - PREFIX_BYTES, value)


def _tell(
    state: State,
    kind: EventKind,
    found: Found,
    motion: Motion,
    item: int,
    detail: int = 0,
    extra: int = 0,
) -> None:
    state.events.tell(
        kind,
        item=item,
        agreement=found.book.number,
        serial=found.serial,
        field=motion.place,
        detail=detail,
        extra=extra,
    )
