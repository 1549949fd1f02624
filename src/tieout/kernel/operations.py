"""Control operations: what each of them needs, what refuses it, what it does (R-OP-2, R-AGREE-1).

They are rare, so they are plain Python over the images; whatever changes a verdict goes through the
compiled loop.
"""

from typing import Final

import numpy as np

from tieout.agreement.model import AdjustmentMode
from tieout.kernel import completeness, disputes, governing, motions, timing
from tieout.kernel import layout as at
from tieout.kernel.agreeing import enactment_key, must_agree, put_into_force
from tieout.kernel.binding import bound, sound_agreement
from tieout.kernel.book import Book
from tieout.kernel.digest import is_episode
from tieout.kernel.found import Found, Speaker, find
from tieout.kernel.state import Confirmations, State
from tieout.wire.codes import (
    UNSEEN_ALARMS,
    AdjustmentStatus,
    AlarmState,
    EventKind,
    ItemOutcome,
    OperationKind,
)
from tieout.wire.ids import adjustment_id
from tieout.wire.limits import ID_BYTES
from tieout.wire.members import ProposeChange, Vote
from tieout.wire.operations import (
    Acknowledge,
    AdjustmentStep,
    CloseCutoff,
    Confirm,
    Dispute,
    Enact,
    MoveReversal,
    MoveValue,
    Operation,
    VoteOnMotion,
    WithdrawDispute,
)
from tieout.wire.statements import StateDay

_MAX_DETAIL: Final = 255

_STEPS: Final = {
    OperationKind.REFUSE: (
        (AdjustmentStatus.PROPOSED, AdjustmentStatus.APPROVED),
        AdjustmentStatus.REFUSED,
        EventKind.ADJUSTMENT_REFUSED,
    ),
    OperationKind.POSTED: (
        (AdjustmentStatus.APPROVED,),
        AdjustmentStatus.POSTED,
        EventKind.ADJUSTMENT_POSTED,
    ),
    OperationKind.FAILED: (
        (AdjustmentStatus.APPROVED, AdjustmentStatus.POSTED),
        AdjustmentStatus.FAILED,
        EventKind.ADJUSTMENT_FAILED,
    ),
}
"""From which statuses a step is allowed, where it leads, what is told (R-ADJ-6)."""


def apply_operation(state: State, operation: Operation, speaker: Speaker) -> ItemOutcome:
    """Do what an operation asks for, or say which check refuses it."""
    body = operation.body
    if isinstance(body, Enact):
        return _enact(state, body, speaker)
    if isinstance(body, CloseCutoff):
        return _close_cutoff(state, body, speaker)
    if isinstance(body, ProposeChange):
        name = operation.digest()
        return governing.propose(state, body, name, speaker.party, speaker.person, speaker.item)
    if isinstance(body, Vote):
        return governing.vote(state, body, speaker.party, speaker.person, speaker.item)
    if isinstance(body, StateDay):
        return completeness.state_day(state, body, speaker.party, speaker.item)
    found = find(state, body)
    if isinstance(found, ItemOutcome):
        return found
    if isinstance(body, Confirm):
        return _confirm(state, found, body, speaker)
    if isinstance(body, Acknowledge):
        return _acknowledge(state, found, body, speaker)
    if isinstance(body, Dispute):
        return disputes.dispute(state, found, body, speaker)
    if isinstance(body, WithdrawDispute):
        return disputes.withdraw(state, found, body, speaker)
    if isinstance(body, MoveValue):
        return motions.move_value(state, found, body, operation.digest(), speaker)
    if isinstance(body, MoveReversal):
        return motions.move_reversal(state, found, body, operation.digest(), speaker)
    if isinstance(body, VoteOnMotion):
        return motions.vote(state, found, body, speaker)
    if not 0 <= body.role < len(found.book.holders):
        return ItemOutcome.UNKNOWN_ROLE
    block = found.book.role_offset(body.role)
    if found.number(block + at.PARTY, 2) != speaker.party:
        return ItemOutcome.NOT_ENTITLED
    if isinstance(body, AdjustmentStep):
        return _step(state, found, operation.kind, body, speaker)
    is_proposed = timing.propose(
        state, found.book, speaker.item, found.serial, body.role, speaker.code
    )
    return ItemOutcome.ACCEPTED if is_proposed else ItemOutcome.NOT_APPLICABLE


def _enact(state: State, body: Enact, speaker: Speaker) -> ItemOutcome:
    """R-AGREE-1, R-AGREE-2."""
    agreement = sound_agreement(body, state.genesis.rules_version)
    if agreement is None or not all(map(state.members.is_member, bound(body))):
        return ItemOutcome.MALFORMED_AGREEMENT
    newest = state.newest.get(agreement.name)
    if newest is not None and agreement.version != newest.agreement.version + 1:
        return ItemOutcome.WRONG_VERSION
    needed = must_agree(state, agreement.name, body)
    if speaker.party not in needed:
        return ItemOutcome.NOT_ENTITLED
    key = enactment_key(agreement, body)
    before = state.enactments.get(key, [])
    said = sorted({*before, speaker.party})
    if not set(said).issuperset(needed):
        state.enactments[key] = said
        return ItemOutcome.NO_EFFECT if said == before else ItemOutcome.ACCEPTED
    put_into_force(state, agreement, body, speaker.item)
    governing.look_again(state, speaker.item)  # R-AGREE-6
    return ItemOutcome.ACCEPTED


def _close_cutoff(state: State, body: CloseCutoff, speaker: Speaker) -> ItemOutcome:
    newest = state.newest.get(body.agreement)
    if newest is None:
        return ItemOutcome.UNKNOWN_AGREEMENT
    if not any(speaker.party in holders for holders in newest.holders):
        return ItemOutcome.NOT_ENTITLED
    outcome, judged = timing.close_cutoff(state, body.agreement, body.cutoff_us, speaker.item)
    if outcome is ItemOutcome.ACCEPTED:
        state.is_digest_due = True
        state.events.tell(
            EventKind.CUTOFF_CLOSED,
            item=speaker.item,
            agreement=newest.number,
            serial=judged,
        )
    return outcome


def _confirm(state: State, found: Found, body: Confirm, speaker: Speaker) -> ItemOutcome:
    """R-ALARM-2."""
    book, serial = found.book, found.serial
    if not is_episode(book, serial, body.episode):
        return ItemOutcome.NOT_APPLICABLE
    key = (book.number, serial)
    confirmed = state.confirmations.get(key)
    if confirmed is None or confirmed.episode != body.episode:
        confirmed = Confirmations(body.episode, [])
    if speaker.party in confirmed.parties:
        return ItemOutcome.NOT_APPLICABLE
    confirmed.parties = sorted([*confirmed.parties, speaker.party])
    state.confirmations[key] = confirmed
    findings = 1 + len(confirmed.parties)
    state.events.tell(
        EventKind.ALARM_CONFIRMED,
        item=speaker.item,
        agreement=book.number,
        serial=serial,
        detail=min(findings, _MAX_DETAIL),
        extra=speaker.party,
    )
    if found.number(at.ALARM, 1) == AlarmState.FOUND and findings >= book.agreement.quorum:
        found.put_byte(at.ALARM, AlarmState.RAISED)
        state.events.tell(
            EventKind.ALARM_RAISED,
            item=speaker.item,
            agreement=book.number,
            serial=serial,
            extra=body.episode,
        )
    return ItemOutcome.ACCEPTED


def _acknowledge(state: State, found: Found, body: Acknowledge, speaker: Speaker) -> ItemOutcome:
    """R-ALARM-3."""
    is_unseen = found.number(at.ALARM, 1) in UNSEEN_ALARMS
    if not is_unseen or found.number(at.EPISODE, 4) != body.episode:
        return ItemOutcome.NOT_APPLICABLE
    found.put_byte(at.ALARM, AlarmState.ACKNOWLEDGED)
    urgency = state.urgencies.get((found.book.number, found.serial))
    if urgency is not None:  # R-ESCALATE-1
        urgency.raised_us = 0
    state.events.tell(
        EventKind.ALARM_ACKNOWLEDGED,
        item=speaker.item,
        agreement=found.book.number,
        serial=found.serial,
        extra=speaker.code,
    )
    return ItemOutcome.ACCEPTED


class _Latest:
    """The latest adjustment of a role: its image, to be read and written."""

    def __init__(self, book: Book, index: int) -> None:
        self.index = index
        self._book = book
        self._images = book.adjustments
        self._start = index * book.adjustments.image_bytes

    def number(self, offset: int, size: int) -> int:
        start = self._start + offset
        return int.from_bytes(self._images.data[start : start + size].tobytes(), "little")

    def put(self, offset: int, value: int, size: int) -> None:
        self._book.keep(np.full(1, self.number(at.ADJ_SERIAL, 8), np.int64))
        start = self._start + offset
        encoded = value.to_bytes(size, "little")
        self._images.data[start : start + size] = np.frombuffer(encoded, np.uint8)
        self._images.marks[start >> at.PAGE_SHIFT] = 1
        self._images.marks[(start + size - 1) >> at.PAGE_SHIFT] = 1

    def values(self) -> bytes:
        end = self._start + self._images.image_bytes
        return self._images.data[self._start + at.ADJ_VALUES : end].tobytes()


def adjustment_id_of(state: State, book: Book, index: int) -> bytes:
    """The id of a book's adjustment (R-ADJ-2); 32 bytes."""
    image = _Latest(book, index)
    found = Found(book, image.number(at.ADJ_SERIAL, 8))
    fields = image.number(at.ADJ_FIELDS, 8)
    start = found.serial * book.slots.image_bytes
    return adjustment_id(
        state.ledger_id,
        book.agreement.hash,
        found.number(at.KEY_ORIGINATOR, 2),
        book.slots.data[start : start + ID_BYTES].tobytes(),
        image.number(at.ADJ_ROLE, 1),
        image.number(at.ADJ_REVISION, 4),
        fields,
        image.values(),
        found.number(at.KEY_STAGE, 1),
    )


def _step(
    state: State, found: Found, kind: OperationKind, body: AdjustmentStep, speaker: Speaker
) -> ItemOutcome:
    """R-ADJ-4, R-ADJ-6."""
    book = found.book
    latest = found.number(book.role_offset(body.role) + at.LATEST, 8)
    if latest == 0 or body.adjustment != adjustment_id_of(state, book, latest - 1):
        return ItemOutcome.NOT_APPLICABLE
    image = _Latest(book, latest - 1)
    if kind is OperationKind.APPROVE:
        return _approve(state, found, image, body.role, speaker)
    allowed, status, event = _STEPS[kind]
    if image.number(at.ADJ_STATUS, 1) not in allowed:
        return ItemOutcome.NOT_APPLICABLE
    image.put(at.ADJ_STATUS, status, 1)
    _tell_adjustment(state, event, found, image, body.role, speaker)
    if kind is not OperationKind.POSTED:
        # What was frozen is not any more (R-FREEZE-1).
        timing.judge_again(state, book, speaker.item, found.serial)
    return ItemOutcome.ACCEPTED


def _approve(
    state: State, found: Found, image: _Latest, role: int, speaker: Speaker
) -> ItemOutcome:
    """R-ADJ-4: two different persons stand behind an adjustment, a proposer among them."""
    proposer = image.number(at.ADJ_PROPOSER, 4)
    first = image.number(at.ADJ_FIRST, 4)
    if (
        found.book.agreement.mode is AdjustmentMode.NOTIFY
        or image.number(at.ADJ_STATUS, 1) != AdjustmentStatus.PROPOSED
        or speaker.code in (proposer, first)
    ):
        return ItemOutcome.NOT_APPLICABLE
    image.put(at.ADJ_FIRST if first == 0 else at.ADJ_SECOND, speaker.code, 4)
    count = 1 if first == 0 else 2
    _tell_adjustment(state, EventKind.ADJUSTMENT_APPROVAL, found, image, role, speaker, count)
    if proposer or first:
        image.put(at.ADJ_STATUS, AdjustmentStatus.APPROVED, 1)
        _tell_adjustment(state, EventKind.ADJUSTMENT_APPROVED, found, image, role, speaker)
    return ItemOutcome.ACCEPTED


def _tell_adjustment(
    state: State,
    kind: EventKind,
    found: Found,
    image: _Latest,
    role: int,
    speaker: Speaker,
    detail: int = 0,
) -> None:
    state.events.tell(
        kind,
        item=speaker.item,
        agreement=found.book.number,
        serial=found.serial,
        role=role,
        detail=detail,
        extra=image.index,
    )
