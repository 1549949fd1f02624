"""Adjustments (correcting entries), followed from event to event.

Status, approvers and benchmarks are read from the state; when it was proposed and when it last
moved, from the events. What the role reported when it was proposed is kept beside its benchmarks,
as long as it still stood at the end of that block.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from tieout import kernel
from tieout.agreement.model import Agreement, FieldType
from tieout.evidence.breaklist import difference_text, value_text
from tieout.projections.records import AdjustmentRecord
from tieout.projections.stated import currency_of
from tieout.projections.tables import KEY_SHIFT
from tieout.projections.troubles import Moment, slot_of
from tieout.wire.codes import OPEN_ADJUSTMENTS, AdjustmentStatus
from tieout.wire.rows import PREFIX_BYTES


class Entries:
    """Adjustments that are open. `take` gives what has changed since it was last asked."""

    def __init__(self, records: Iterable[AdjustmentRecord]) -> None:
        self._open = {each.id: each for each in records}
        self._changed: dict[int, AdjustmentRecord] = {}

    def take(self) -> list[AdjustmentRecord]:
        """Adjustments that changed."""
        changed = list(self._changed.values())
        self._changed = {}
        return changed

    def look(self, state: kernel.State, moment: Moment, number: int, index: int) -> None:
        """Write down how an adjustment stands, of which a block has told."""
        key = number << KEY_SHIFT | index
        now = kernel.adjustment(state, number, index)
        record = self._open.get(key)
        if record is None:
            record = self._open[key] = _proposed(state, moment, now)
        record.status = now.status.name.lower()
        record.at_once = int(now.approved_at_once)
        record.approvers = _people(now.approvers)
        record.changed_height, record.changed_us = moment
        if now.status not in OPEN_ADJUSTMENTS:
            del self._open[key]
        self._changed[key] = record


def _proposed(state: kernel.State, moment: Moment, now: kernel.Adjustment) -> AdjustmentRecord:
    agreement = state.books[now.agreement - 1].agreement
    transaction_key = now.agreement << KEY_SHIFT | now.serial
    role = slot_of(state, transaction_key)["roles"][now.role]
    return AdjustmentRecord(
        id=now.agreement << KEY_SHIFT | now.index,
        adjustment_id=now.id.hex(),
        transaction_key=transaction_key,
        agreement=now.agreement,
        originator=now.originator,
        transaction_id=now.transaction_id.decode("utf-8"),
        role_number=now.role,
        role=agreement.roles[now.role],
        party=int(role["party"]),
        status=AdjustmentStatus.PROPOSED.name.lower(),
        revision=now.revision,
        at_once=0,
        proposer_party=now.proposer >> 16,
        proposer_person=now.proposer & 0xFFFF,
        approvers="[]",
        fields=_fields(agreement, now, role),
        proposed_height=moment.height,
        proposed_us=moment.time_us,
        changed_height=moment.height,
        changed_us=moment.time_us,
    )


def _fields(agreement: Agreement, now: kernel.Adjustment, role: Any) -> str:
    """What the entry goes from and to, field by field."""
    stands = int(role["revision"]) == now.revision
    stated, presence = role["values"].tobytes(), int(role["presence"]) if stands else 0
    told = []
    for number, field in enumerate(agreement.fields):
        if not now.fields >> number & 1:
            continue
        column = agreement.layout.columns[number]
        place = slice(column.offset - PREFIX_BYTES, column.offset - PREFIX_BYTES + column.width)
        benchmark = column.value_of(now.benchmarks[place])
        reported = column.value_of(stated[place]) if presence >> number & 1 else None
        currency = ""
        if field.type is FieldType.MONEY:
            currency = currency_of(agreement, field, now.benchmarks, (1 << 64) - 1)
        difference = None
        if isinstance(benchmark, int) and isinstance(reported, int):
            is_alike = field.type is not FieldType.MONEY or currency == currency_of(
                agreement, field, stated, presence
            )
            difference = reported - benchmark if is_alike else None
        told.append(
            {
                "field": field.name,
                "reported": value_text(field, reported),
                "benchmark": value_text(field, benchmark),
                "difference": difference_text(field, difference),
                "currency": currency,
                "reported_exact": reported if isinstance(reported, int) else None,
                "benchmark_exact": benchmark if isinstance(benchmark, int) else None,
                "difference_exact": difference,
                "scale": field.scale,
            }
        )
    return msgspec.json.encode(told).decode()


def _people(people: Iterable[int]) -> str:
    told = [{"party": each >> 16, "person": each & 0xFFFF} for each in people]
    return msgspec.json.encode(told).decode()
