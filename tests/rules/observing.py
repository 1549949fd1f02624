"""What an implementation of the rules lets happen to breaks, alarms, adjustments and the rest.

Events tell of the first three and of changes, one by one; versions of agreements and members are
looked up in the state after each block, in which they move at most once. Nothing here knows the
tables with which the observations are compared.
"""

from collections import Counter
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import msgspec
import numpy as np

from tieout.reference.lifecycles import AgreementState, BreakState, MemberState
from tieout.testing.rulebooks import RuleBook
from tieout.wire.block import Block
from tieout.wire.codes import (
    NO_FIELD,
    AdjustmentStatus,
    AlarmState,
    BenchmarkState,
    BreakKind,
    ChangeStatus,
    EventKind,
    MotionStatus,
)
from tieout.wire.genesis import Genesis

Step = tuple[str, IntEnum, IntEnum]

_STANDINGS = {
    BenchmarkState.NONE: BreakState.OPEN,
    BenchmarkState.AWAITING: BreakState.AWAITING,
    BenchmarkState.UNDECIDED: BreakState.UNDECIDED,
    BenchmarkState.DECIDED: BreakState.DECIDED,
}
_ALARMS = {
    EventKind.ALARM_RAISED: AlarmState.RAISED,
    EventKind.ALARM_ESCALATED: AlarmState.ESCALATED,
    EventKind.ALARM_ACKNOWLEDGED: AlarmState.ACKNOWLEDGED,
    EventKind.ALARM_CLEARED: AlarmState.NONE,
}
_ADJUSTMENTS = {
    EventKind.ADJUSTMENT_PROPOSED: AdjustmentStatus.PROPOSED,
    EventKind.ADJUSTMENT_APPROVED: AdjustmentStatus.APPROVED,
    EventKind.ADJUSTMENT_POSTED: AdjustmentStatus.POSTED,
    EventKind.ADJUSTMENT_VERIFIED: AdjustmentStatus.VERIFIED,
    EventKind.ADJUSTMENT_REFUSED: AdjustmentStatus.REFUSED,
    EventKind.ADJUSTMENT_SUPERSEDED: AdjustmentStatus.SUPERSEDED,
    EventKind.ADJUSTMENT_FAILED: AdjustmentStatus.FAILED,
}
_CHANGES = {
    EventKind.CHANGE_PROPOSED: ChangeStatus.PROPOSED,
    EventKind.CHANGE_SCHEDULED: ChangeStatus.SCHEDULED,
    EventKind.CHANGE_EFFECTIVE: ChangeStatus.EFFECTIVE,
    EventKind.CHANGE_REFUSED: ChangeStatus.REFUSED,
    EventKind.CHANGE_EXPIRED: ChangeStatus.EXPIRED,
    EventKind.CHANGE_SUPERSEDED: ChangeStatus.SUPERSEDED,
}
_MOTIONS = {
    EventKind.MOTION_MOVED: MotionStatus.OPEN,
    EventKind.MOTION_CARRIED: MotionStatus.CARRIED,
    EventKind.MOTION_REFUSED: MotionStatus.REFUSED,
    EventKind.MOTION_EXPIRED: MotionStatus.EXPIRED,
}
_MENDED = (
    EventKind.TRANSACTION_PENDING,
    EventKind.TRANSACTION_MATCHED,
    EventKind.TRANSACTION_WITHDRAWN,
)


class Observer:
    """Follows one ledger; `steps` counts who went from which state to which."""

    def __init__(self) -> None:
        self.steps: Counter[Step] = Counter()
        self._states: dict[tuple[Any, ...], IntEnum] = {}

    def watch(self, rules: RuleBook, genesis: Genesis, blocks: Sequence[Block]) -> None:
        """Let an implementation judge these blocks, and note what moves."""
        state = rules.initial_state(genesis)
        self._look_up(rules, state)
        for block in blocks:
            state, result = rules.apply_block(state, block)
            for event in result.events:
                self._hear(event)
            self._look_up(rules, state)
        self._states.clear()

    def _move(self, life: str, key: tuple[Any, ...], now: IntEnum) -> None:
        was = self._states.get((life, *key), type(now)(0))
        if was is not now:
            self.steps[life, was, now] += 1
        self._states[life, *key] = now

    def _hear(self, event: np.void) -> None:
        kind = EventKind(event["kind"])
        book, serial, extra = (int(event[name]) for name in ("agreement", "serial", "extra"))
        place = (int(event["field"]), int(event["role"]))
        if kind in (EventKind.BREAK_OPENED, EventKind.BREAK_CLOSED):
            opens = kind is EventKind.BREAK_OPENED
            standing = _STANDINGS[BenchmarkState(extra)] if opens else BreakState.NONE
            self._move("break", (book, serial, *place, BreakKind(event["detail"])), standing)
        elif kind is EventKind.BENCHMARK_CHANGED:
            for key, state in list(self._states.items()):
                same = key[:4] == ("break", book, serial, place[0]) and place[0] != NO_FIELD
                if same and key[-1] is BreakKind.MISMATCH and state is not BreakState.NONE:
                    self._move("break", key[1:], _STANDINGS[BenchmarkState(extra)])
        elif kind is EventKind.TRANSACTION_BROKEN:
            self._move("alarm", (book, serial), AlarmState.FOUND)
        elif kind in _MENDED and self._states.get(("alarm", book, serial)) is AlarmState.FOUND:
            self._move("alarm", (book, serial), AlarmState.NONE)  # nobody had been told of it
        elif kind in _ALARMS:
            if kind is EventKind.ALARM_ESCALATED and self._is_escalated(book, serial):
                self.steps["alarm", AlarmState.ESCALATED, AlarmState.ESCALATED] += 1
            self._move("alarm", (book, serial), _ALARMS[kind])
        elif kind in _ADJUSTMENTS:
            self._move("adjustment", (book, extra), _ADJUSTMENTS[kind])
        elif kind in _MOTIONS:
            if kind is EventKind.MOTION_MOVED:
                self._states.pop(("motion", book, serial), None)  # another one
            self._move("motion", (book, serial), _MOTIONS[kind])
        elif kind in _CHANGES:
            self._move("change", (serial,), _CHANGES[kind])

    def _is_escalated(self, book: int, serial: int) -> bool:
        return self._states.get(("alarm", book, serial)) is AlarmState.ESCALATED

    def _look_up(self, rules: RuleBook, state: Any) -> None:
        for number, _, until_height, *_ in msgspec.msgpack.decode(rules.members_document(state))[0]:
            has_left = 0 < until_height < state.height + 1
            self._move("member", (number,), MemberState.LEFT if has_left else MemberState.MEMBER)
        for book in state.books:
            key = (book.agreement.name, book.agreement.version, bytes(book.body_digest))
            is_newest = state.newest[book.agreement.name] is book
            now = AgreementState.IN_FORCE if is_newest else AgreementState.SUCCEEDED
            self._move("agreement", key, now)
        for key in state.enactments:
            newest = state.newest.get(key[0])
            is_late = newest is not None and key[1] <= newest.agreement.version
            now = AgreementState.OVERTAKEN if is_late else AgreementState.WANTED
            self._move("agreement", tuple(key), now)
