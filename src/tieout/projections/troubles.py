"""Breaks and alarms, followed from event to event.

A break begins with its BREAK_OPENED and ends with its BREAK_CLOSED. What stands in it (values,
agreed value, basis) is what the rules list after each block while it is open; of one that opened
and closed within one block there is nothing to list. An alarm begins with the event by which the
transaction became broken, which is its first finding.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tieout import kernel
from tieout.agreement.breakrow import BreakRow
from tieout.agreement.model import Agreement, Field, FieldType
from tieout.evidence.breaklist import KINDS, line_of, summed_field
from tieout.projections.errors import ProjectionError
from tieout.projections.records import AlarmRecord, BreakRecord
from tieout.projections.stated import currency_of
from tieout.projections.tables import ID_SHIFT, KEY_SHIFT
from tieout.wire.codes import NO_FIELD, AlarmState, BreakKind, EventKind, Severity

BreakKey = tuple[int, int, int, int]
"""transaction_key, role, field (NO_FIELD: the whole record), kind."""

OPEN: Final = "open"
CLOSED: Final = "closed"
CLEARED: Final = "cleared"
SERIAL_MASK: Final = (1 << KEY_SHIFT) - 1
_PERSON_MASK: Final = 0xFFFF


class Moment(NamedTuple):
    """A block, for what happens in it."""

    height: int
    time_us: int


class Happening(NamedTuple):
    """An event about a transaction."""

    place: int
    kind: int
    transaction_key: int
    role: int
    field: int
    detail: int
    extra: int


class Troubles:
    """Open breaks and alarms. `take` gives what has changed since it was last asked."""

    def __init__(self, breaks: Iterable[BreakRecord], alarms: Iterable[AlarmRecord]) -> None:
        self._breaks = {_key_of(each): each for each in breaks}
        self._alarms = {each.transaction_key: each for each in alarms}
        self._changed_breaks: dict[int, BreakRecord] = {}
        self._changed_alarms: dict[int, AlarmRecord] = {}
        self._confirmations: list[tuple[int, int, int, int, int]] = []

    def has_alarm(self, transaction_key: int) -> bool:
        """Whether a transaction is broken."""
        return transaction_key in self._alarms

    def take(
        self,
    ) -> tuple[list[BreakRecord], list[AlarmRecord], list[tuple[int, int, int, int, int]]]:
        """Breaks and alarms that changed, and confirmations as lines of their table."""
        taken = (
            list(self._changed_breaks.values()),
            list(self._changed_alarms.values()),
            self._confirmations,
        )
        self._changed_breaks, self._changed_alarms, self._confirmations = {}, {}, []
        return taken

    def begin_with(self, state: kernel.State, moment: Moment) -> None:
        """Take up what is open in a state of which nothing earlier is known, as begun just now."""
        told: list[Happening] = []

        def tell(kind: EventKind, key: int, *about: int) -> None:
            told.append(Happening(len(told), kind, key, *about))

        for name in state.newest:
            for line in kernel.break_table(state, name):
                key = int(line["agreement"]) << KEY_SHIFT | int(line["serial"])
                role, field, kind = int(line["role"]), int(line["field"]), int(line["kind"])
                tell(EventKind.BREAK_OPENED, key, role, field, kind, 0)
            for each in kernel.alarms(state, name):
                key = each.agreement << KEY_SHIFT | each.serial
                tell(EventKind.TRANSACTION_BROKEN, key, 0, 0, 0, 0)
                for findings, party in enumerate(each.confirmed_by, start=2):
                    tell(EventKind.ALARM_CONFIRMED, key, 0, 0, findings, party)
                if each.alarm >= AlarmState.RAISED:
                    tell(EventKind.ALARM_RAISED, key, 0, 0, 0, each.episode)
                self._begin_with_urgency(state, key, each, tell)
                if each.alarm is AlarmState.ACKNOWLEDGED:
                    tell(EventKind.ALARM_ACKNOWLEDGED, key, 0, 0, 0, 0)
        self.follow(state, moment, told)
        keys = {each.transaction_key for each in told if each.kind == EventKind.BREAK_OPENED}
        for number in sorted({key >> KEY_SHIFT for key in keys}):
            serials = sorted(key & SERIAL_MASK for key in keys if key >> KEY_SHIFT == number)
            self.look(state, moment, number, np.array(serials, np.int64))

    def _begin_with_urgency(
        self,
        state: kernel.State,
        key: int,
        found: kernel.Transaction,
        tell: Callable[..., None],
    ) -> None:
        severity, steps = kernel.urgency_of(state, found.agreement, found.serial)
        if severity:
            tell(EventKind.SEVERITY_CHANGED, key, 0, 0, severity, found.episode)
        if steps:
            tell(EventKind.ALARM_ESCALATED, key, 0, 0, steps, found.episode)

    # ------------------------------------------------------------------ one block

    def follow(self, state: kernel.State, moment: Moment, happenings: Sequence[Happening]) -> None:
        """Take the events of a block, in order, with the state after it."""
        begun: dict[int, list[AlarmRecord]] = {}
        for each in happenings:
            if each.kind == EventKind.BREAK_OPENED:
                self._open_break(state, moment, each)
            elif each.kind == EventKind.BREAK_CLOSED:
                self._close_break(moment, each)
            elif each.kind == EventKind.TRANSACTION_BROKEN:
                record = self._begin_alarm(state, moment, each)
                begun.setdefault(each.transaction_key, []).append(record)
            elif each.transaction_key in self._alarms:
                self._follow_alarm(state, moment, each)
        for key, records in begun.items():
            last = int(slot_of(state, key)["episode"])
            for episode, record in enumerate(records, last + 1 - len(records)):
                record.episode = episode

    def look(
        self, state: kernel.State, moment: Moment, number: int, serials: NDArray[np.int64]
    ) -> None:
        """Write down what stands now in the open breaks of transactions of a book."""
        agreement = state.books[number - 1].agreement
        places = {serial: i for i, serial in enumerate(serials.tolist())}
        slots = kernel.slots_of(state, number, serials)
        for line in kernel.breaks_of(state, number, serials):
            row = kernel.break_row(agreement, line)
            serial = int(line["serial"])
            slot = slots[places[serial]]["roles"][row.role]
            record = self._fill(agreement, moment, number << KEY_SHIFT | serial, row, slot)
            if agreement.severity is not None:
                self._grade(moment, record, kernel.urgency_of(state, number, serial)[0])

    # ------------------------------------------------------------------ one break

    def _open_break(self, state: kernel.State, moment: Moment, event: Happening) -> None:
        number = event.transaction_key >> KEY_SHIFT
        agreement = state.books[number - 1].agreement
        place = None if event.field == NO_FIELD else event.field
        originator, transaction_id = identity_of(state, event.transaction_key)
        record = BreakRecord(
            id=moment.height << ID_SHIFT | event.place,
            transaction_key=event.transaction_key,
            agreement=number,
            originator=originator,
            transaction_id=transaction_id,
            kind=KINDS[BreakKind(event.detail)],
            field_number=-1 if place is None else place,
            field="" if place is None else agreement.name_of_place(place),
            role_number=event.role,
            role=agreement.roles[event.role],
            party=0,
            status=OPEN,
            reported="",
            benchmark="",
            basis="",
            difference="",
            currency="",
            reported_exact=None,
            benchmark_exact=None,
            difference_exact=None,
            scale=_scale_of(agreement, place),
            opened_height=moment.height,
            opened_us=moment.time_us,
            changed_height=moment.height,
            changed_us=moment.time_us,
        )
        self._breaks[_key_of(record)] = record
        self._changed_breaks[record.id] = record

    def _close_break(self, moment: Moment, event: Happening) -> None:
        key = (event.transaction_key, event.role, event.field, event.detail)
        record = self._breaks.pop(key, None)
        if record is None:
            raise ProjectionError(f"block {moment.height} closes a break that is not open")
        record.status = CLOSED
        record.changed_height = record.closed_height = moment.height
        record.changed_us = record.closed_us = moment.time_us
        self._changed_breaks[record.id] = record

    def _fill(
        self, agreement: Agreement, moment: Moment, key: int, row: BreakRow, slot: np.void
    ) -> BreakRecord:
        field_number = NO_FIELD if row.field is None else row.field
        record = self._breaks.get((key, row.role, field_number, row.kind))
        if record is None:
            raise ProjectionError(f"after block {moment.height} a break is open that never opened")
        before = _content(record)
        line = line_of(agreement, row)
        record.status, record.basis = line.status, line.basis
        record.reported, record.benchmark = line.reported, line.benchmark
        record.difference, record.difference_exact = line.difference, row.difference
        record.reported_exact = row.reported if isinstance(row.reported, int) else None
        record.benchmark_exact = row.benchmark if isinstance(row.benchmark, int) else None
        is_intruder = row.kind is BreakKind.UNEXPECTED and int(slot["intruder"]) != 0
        record.party = int(slot["intruder" if is_intruder else "party"])
        field = _field_of(agreement, row.field)
        if field is not None and field.type is FieldType.MONEY and row.reported is not None:
            stated = slot["values"].tobytes()
            record.currency = currency_of(agreement, field, stated, int(slot["presence"]))
        if _content(record) != before:
            record.changed_height, record.changed_us = moment
            self._changed_breaks[record.id] = record
        return record

    def _grade(self, moment: Moment, record: BreakRecord, severity: Severity) -> None:
        """Write down how severe a transaction is; one that is not broken keeps what it had."""
        name = severity.name.lower() if severity else record.severity
        if name != record.severity:
            record.severity = name
            record.changed_height, record.changed_us = moment
            self._changed_breaks[record.id] = record

    # ------------------------------------------------------------------ one alarm

    def _begin_alarm(self, state: kernel.State, moment: Moment, event: Happening) -> AlarmRecord:
        key = event.transaction_key
        number = key >> KEY_SHIFT
        originator, transaction_id = identity_of(state, key)
        record = AlarmRecord(
            id=moment.height << ID_SHIFT | event.place,
            transaction_key=key,
            agreement=number,
            originator=originator,
            transaction_id=transaction_id,
            episode=0,
            state=AlarmState.FOUND.name.lower(),
            quorum=state.books[number - 1].agreement.quorum,
            findings=1,
            found_height=moment.height,
            found_us=moment.time_us,
        )
        self._alarms[key] = record
        self._changed_alarms[record.id] = record
        return record

    def _follow_alarm(self, state: kernel.State, moment: Moment, event: Happening) -> None:
        record = self._alarms[event.transaction_key]
        height, time_us = moment
        if event.kind == EventKind.ALARM_RAISED:
            record.state = AlarmState.RAISED.name.lower()
            record.raised_height, record.raised_us = height, time_us
            record.escalation_step, record.escalated_to = 0, ""
            record.escalated_height = record.escalated_us = None
        elif event.kind == EventKind.SEVERITY_CHANGED:
            record.severity = Severity(event.detail).name.lower()
        elif event.kind == EventKind.ALARM_ESCALATED:
            agreement = state.books[(event.transaction_key >> KEY_SHIFT) - 1].agreement
            record.state = AlarmState.ESCALATED.name.lower()
            record.escalation_step = event.detail
            record.escalated_to = agreement.escalation[event.detail - 1].to
            record.escalated_height, record.escalated_us = height, time_us
        elif event.kind == EventKind.ALARM_CONFIRMED:
            record.findings = event.detail
            line = (height << ID_SHIFT | event.place, record.id, event.extra, height, time_us)
            self._confirmations.append(line)
        elif event.kind == EventKind.ALARM_ACKNOWLEDGED:
            record.state = AlarmState.ACKNOWLEDGED.name.lower()
            record.acknowledged_height, record.acknowledged_us = height, time_us
            record.acknowledged_party = event.extra >> 16
            record.acknowledged_person = event.extra & _PERSON_MASK
        elif event.kind in ENDS:
            record.state = CLEARED
            record.cleared_height, record.cleared_us = height, time_us
            del self._alarms[event.transaction_key]
        else:
            return
        self._changed_alarms[record.id] = record


ENDS: Final = (
    EventKind.TRANSACTION_PENDING,
    EventKind.TRANSACTION_MATCHED,
    EventKind.TRANSACTION_WITHDRAWN,
)
"""The events after which a transaction is not broken, if it was."""
URGENT: Final = (EventKind.SEVERITY_CHANGED, EventKind.ALARM_ESCALATED)
"""The events that tell how much an alarm wants to be looked at."""


def slot_of(state: kernel.State, transaction_key: int) -> np.void:
    """The slot image of a transaction."""
    serial = np.array([transaction_key & SERIAL_MASK], np.int64)
    slot: np.void = kernel.slots_of(state, transaction_key >> KEY_SHIFT, serial)[0]
    return slot


def identity_of(state: kernel.State, transaction_key: int) -> tuple[int, str]:
    """Originator and id of a transaction."""
    slot = slot_of(state, transaction_key)
    return int(slot["originator"]), slot["id"].decode("utf-8")


def _field_of(agreement: Agreement, place: int | None) -> Field | None:
    """The field whose values a break tells; None for whole records and invariants."""
    if place is None:
        return None
    match agreement.break_kind(place):
        case BreakKind.MISMATCH:
            return agreement.fields[place]
        case BreakKind.GROUP:
            return summed_field(agreement, place)
        case _:
            return None


def _scale_of(agreement: Agreement, place: int | None) -> int:
    field = _field_of(agreement, place)
    return 0 if field is None else field.scale


def _key_of(record: BreakRecord) -> BreakKey:
    field = NO_FIELD if record.field_number < 0 else record.field_number
    return record.transaction_key, record.role_number, field, BreakKind[record.kind.upper()]


def _content(record: BreakRecord) -> tuple[object, ...]:
    return (
        record.status,
        record.reported,
        record.benchmark,
        record.basis,
        record.difference,
        record.currency,
        record.party,
    )
