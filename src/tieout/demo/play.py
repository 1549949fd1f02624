"""The day, played live: publish, find, adjust, approve, verify again, close.

Each step is a block. In it stand, in this order: what the adjusters report (the entry is in the
books) and publish again, what people approve, and what the parties have booked since the last
block. So everything that is found in one block is answered in a later one, as between institutions.

Adjusters act at once on what is approved. People take a while: both approvers of a party look at
what waits for them every quarter of an hour, one a few minutes after the other.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from tieout import kernel
from tieout.agreement.model import Agreement
from tieout.demo.adjuster import Adjuster
from tieout.demo.books import Books
from tieout.demo.cast import INSTITUTIONS, Role
from tieout.demo.day import MAX_BLOCK_GAP_US, Day, fund_day
from tieout.demo.founding import demo_agreement, found_demo
from tieout.demo.records import FIELDS, Records
from tieout.demo.rows import rows_of
from tieout.demo.screen import CLOSED, VERIFIED, Counters, Line, Screen
from tieout.demo.tally import FoundBreak, Tally
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.errors import Refused
from tieout.engines.publisher import Publisher
from tieout.evidence.breaklist import BreakLine, lines_of
from tieout.wire.codes import (
    NO_FIELD,
    AdjustmentStatus,
    BreakKind,
    EventKind,
    ItemOutcome,
    OperationKind,
    Purpose,
)
from tieout.wire.operations import AdjustmentStep, CloseCutoff

BOOKS: Final = "books"
"""The folder of the three parties' books beside the ledger."""
STEP_US: Final = MAX_BLOCK_GAP_US
PEOPLE_LOOK_EVERY: Final = 3
"""Steps between two looks of a person at what waits for approval."""
ADJUSTMENT_EVENTS: Final = range(EventKind.ADJUSTMENT_PROPOSED, EventKind.ADJUSTMENT_FAILED + 1)
STATES: Final = {
    EventKind.ADJUSTMENT_PROPOSED: "waits for two approvals",
    EventKind.ADJUSTMENT_APPROVAL: "waits for a second approval",
    EventKind.ADJUSTMENT_APPROVED: "approved",
    EventKind.ADJUSTMENT_POSTED: "posted to the books",
    EventKind.ADJUSTMENT_VERIFIED: VERIFIED,
    EventKind.ADJUSTMENT_REFUSED: "refused",
    EventKind.ADJUSTMENT_SUPERSEDED: "superseded",
    EventKind.ADJUSTMENT_FAILED: "failed",
}
WHOLE_RECORD: Final = {
    BreakKind.MISSING: "record missing",
    BreakKind.DUPLICATE: "two records",
    BreakKind.UNEXPECTED: "unexpected record",
    BreakKind.CHANGED_AFTER_MATCH: "changed after match",
    BreakKind.OUT_OF_ORDER: "out of order",
}

Item = tuple[bytes, npt.NDArray[np.void] | None]


@dataclass(slots=True)
class Play:
    """One day on one ledger. Use `run` once; leaving it as a context closes ledger and books."""

    day: Day
    ledger: EmbeddedLedger
    agreement: Agreement
    books: dict[Role, Books]
    adjusters: dict[Role, Adjuster]
    tally: Tally = field(default_factory=Tally)
    counters: Counters = field(default_factory=Counters)
    verified_after_approval: list[str] = field(default_factory=list)
    """Transactions with an adjustment that two people approved and that was verified again."""
    _publishers: dict[int, Publisher] = field(default_factory=dict)
    _approved: list[int] = field(default_factory=list)
    _waiting: dict[int, int] = field(default_factory=dict)
    _by_people: set[int] = field(default_factory=set)
    _lines: dict[FoundBreak, Line] = field(default_factory=dict)
    _shown: set[FoundBreak] = field(default_factory=set)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for role in Role:
            self.adjusters[role].close()
            self.books[role].close()
        self.ledger.__exit__(kind, error, trace)

    def run(self, screen: Screen, seconds: float) -> None:
        """Play the whole day within so many seconds, and close the cut-off."""
        numbers = sorted({each.number for each in INSTITUTIONS.values()})
        self._publishers = {number: self.ledger.publisher(number) for number in numbers}
        steps = -(-(self.day.cutoff_us - self.day.opens_us) // STEP_US)
        started = time.monotonic()
        with screen:
            for number, (now_us, due) in enumerate(self._steps(), start=1):
                lines = self._step(number, now_us, due)
                screen.show(now_us, self.counters, lines)
                rest = started + seconds * number / steps - time.monotonic()
                if rest > 0:
                    time.sleep(rest)
            screen.show(self.day.cutoff_us, self.counters, self._close())

    def _steps(self) -> Iterator[tuple[int, Records]]:
        """The times of the blocks, and what the parties have booked since the one before."""
        at_us = self.day.records["at_us"]
        first = 0
        for now_us in range(self.day.opens_us + STEP_US, self.day.cutoff_us + 1, STEP_US):
            last = int(np.searchsorted(at_us, now_us, side="right"))
            yield now_us, self.day.records[first:last]
            first = last

    def _step(self, number: int, now_us: int, due: Records) -> list[Line]:
        items = [*self._adjust(now_us), *self._approve(number), *self._publish(due)]
        return self._apply(items, now_us)

    def _close(self) -> list[Line]:
        """Close the cut-off: everything that was opened and not heard is judged."""
        close = CloseCutoff(self.agreement.name, self.day.cutoff_us)
        registrar = self._publishers[INSTITUTIONS[Role.REGISTRAR].number]
        operation = registrar.operation(OperationKind.CLOSE_CUTOFF, Purpose.PUBLISH, close)
        return self._apply([(operation, None)], self.day.cutoff_us)

    # ------------------------------------------------------------------ what the parties send

    def _publish(self, due: Records) -> Iterator[Item]:
        """What each party has booked, entered into its books and published, a batch for a role."""
        senders = zip(due["party"].tolist(), due["role"].tolist(), strict=True)
        for party, role in sorted(set(senders)):
            mine = due[(due["party"] == party) & (due["role"] == role)]
            self.books[Role(role)].enter(mine)
            yield self._batch(party, role, rows_of(self.agreement, mine))

    def _adjust(self, now_us: int) -> Iterator[Item]:
        """Post what was approved to the books, say so, and publish what the books say now."""
        approved, self._approved = self._approved, []
        if not approved:
            return
        adjustments = self._adjustments()
        restated: dict[int, list[npt.NDArray[np.uint8]]] = defaultdict(list)
        for index in approved:
            adjustment = adjustments[index]
            if adjustment.status is not AdjustmentStatus.APPROVED:
                continue
            adjuster = self.adjusters[Role(adjustment.role)]
            adjuster.post(adjustment, self._standing(adjustment), now_us)
            party = INSTITUTIONS[Role(adjustment.role)].number
            yield self._operation(party, OperationKind.POSTED, adjustment, "by the adjuster"), None
            transaction_id = adjustment.transaction_id.decode()
            row = adjuster.restated(transaction_id, adjustment.revision + 1)
            restated[adjustment.role].append(row)
        for role, rows in restated.items():
            yield self._batch(INSTITUTIONS[Role(role)].number, role, np.stack(rows))

    def _approve(self, number: int) -> Iterator[Item]:
        """Each of the two approvers of a party approves what waits, in turn."""
        person = number % PEOPLE_LOOK_EVERY
        waiting = [index for index, approvals in self._waiting.items() if approvals == person]
        if person > 1 or not waiting:
            return
        adjustments = self._adjustments()
        for index in waiting:
            adjustment = adjustments[index]
            institution = INSTITUTIONS[Role(adjustment.role)]
            if adjustment.status is not AdjustmentStatus.PROPOSED:
                del self._waiting[index]
                continue
            name = institution.people[person]
            signed = self._operation(
                institution.number, OperationKind.APPROVE, adjustment, "checked", name
            )
            yield signed, None

    def _batch(self, party: int, role: int, rows: npt.NDArray[np.uint8]) -> Item:
        signed = self._publishers[party].batch(self.agreement, role, rows)
        return signed, rows.reshape(-1).view(self.agreement.layout.dtype())

    def _operation(
        self,
        party: int,
        kind: OperationKind,
        adjustment: kernel.Adjustment,
        reason: str,
        person: str | None = None,
    ) -> bytes:
        step = AdjustmentStep(
            agreement=self.agreement.name,
            originator=adjustment.originator,
            transaction_id=adjustment.transaction_id.decode(),
            role=adjustment.role,
            adjustment=adjustment.id,
            reason=reason,
            stage=adjustment.stage,
        )
        purpose = Purpose.APPROVE if kind is OperationKind.APPROVE else Purpose.PUBLISH
        return self._publishers[party].operation(kind, purpose, step, person)

    def _standing(self, adjustment: kernel.Adjustment) -> kernel.Standing:
        """What the role that is to be adjusted states on the ledger."""
        found = kernel.transaction(
            self.ledger.state,
            self.agreement.name,
            adjustment.originator,
            adjustment.transaction_id,
            adjustment.stage,
        )
        if found is None:
            raise Refused("an adjustment", "unknown_transaction")
        return found.roles[adjustment.role]

    def _adjustments(self) -> list[kernel.Adjustment]:
        return kernel.adjustments(self.ledger.state, self.agreement.name)

    # ------------------------------------------------------------------ what the ledger answers

    def _apply(self, items: list[Item], now_us: int) -> list[Line]:
        """One durable block; the lines of what broke in it."""
        result = self.ledger.apply([item for item, _ in items], now_us)
        self.ledger.sync()
        for item in result.items:
            if item.outcome is not ItemOutcome.ACCEPTED:
                raise Refused("an item of the demonstration", item.outcome.name.lower())
        self.tally.take(result.events, [rows for _, rows in items])
        self.counters.records += sum(sum(item.rows) for item in result.items)
        lines = self._new_lines(now_us)
        self._close_lines(result.events)
        self._follow_adjustments(result.events)
        counts = kernel.counts(self.ledger.state, self.agreement.name)
        self.counters.transactions = counts.transactions
        self.counters.matched = counts.matched
        self.counters.broken = counts.broken
        self.counters.breaks = len(self.tally.found)
        return lines

    def _new_lines(self, now_us: int) -> list[Line]:
        new = self.tally.found - self._shown
        if not new:
            return []
        self._shown |= new
        told = {
            (line.transaction_id, line.kind, line.role, line.field): line
            for line in lines_of(
                {1: self.agreement}, kernel.breaks(self.ledger.state, self.agreement.name)
            )
        }
        lines = []
        for each in sorted(new):
            transaction_id = self.tally.transaction_ids[each.serial]
            field_name = "" if each.field == NO_FIELD else FIELDS[each.field]
            key = (transaction_id, each.kind.name.lower(), self.agreement.roles[each.role])
            line = _line(now_us, transaction_id, each, told.get((*key, field_name)))
            self._lines[each] = line
            lines.append(line)
        return lines

    def _follow_adjustments(self, events: npt.NDArray[np.void]) -> None:
        """Note what adjusters and people have to do next, and rewrite the lines on the screen."""
        about = np.isin(events["kind"], list(ADJUSTMENT_EVENTS))
        for event in events[about].tolist():
            kind, role, _, detail, _, _, _, index, serial = event
            if kind == EventKind.ADJUSTMENT_PROPOSED:
                self._waiting[index] = 0
            elif kind == EventKind.ADJUSTMENT_APPROVAL:
                self._waiting[index] = detail
            else:
                self._waiting.pop(index, None)
            if kind == EventKind.ADJUSTMENT_APPROVED:
                self._approved.append(index)
                if not detail:
                    self._by_people.add(index)
            if kind == EventKind.ADJUSTMENT_VERIFIED:
                self.counters.adjusted += 1
                if index in self._by_people:
                    self.verified_after_approval.append(self.tally.transaction_ids[serial])
            for number in range(len(FIELDS)):
                line = self._lines.get(FoundBreak(serial, BreakKind.MISMATCH, role, number))
                if line is not None:
                    line.state = STATES[EventKind(kind)]

    def _close_lines(self, events: npt.NDArray[np.void]) -> None:
        """What closed without an adjustment: somebody spoke late, or cleared it up."""
        for event in events[events["kind"] == EventKind.BREAK_CLOSED].tolist():
            _, role, number, detail, _, _, _, _, serial = event
            line = self._lines.get(FoundBreak(serial, BreakKind(detail), role, number))
            if line is not None and line.state != VERIFIED:
                line.state = CLOSED


def play_day(seed: int, transactions: int, directory: Path) -> Play:
    """A day of this seed on a new ledger in a directory, with empty books beside it.

    Raises EngineError when the directory cannot be used.
    """
    day = fund_day(seed, transactions)
    ledger = found_demo(directory, day.opens_us - 1)
    folder = directory / BOOKS
    folder.mkdir()
    agreement = demo_agreement()
    books = {role: Books(folder, role) for role in Role}
    adjusters = {role: Adjuster(folder, role, agreement) for role in Role}
    return Play(day, ledger, agreement, books, adjusters)


def _line(now_us: int, transaction_id: str, each: FoundBreak, told: BreakLine | None) -> Line:
    """One break in the words of the audience; `told` is None when it is closed again already."""
    where = "" if each.field == NO_FIELD else FIELDS[each.field].replace("_", " ")
    if each.kind is BreakKind.MISSING and where:
        where = f"{where} blank"
    return Line(
        at_us=now_us,
        transaction_id=transaction_id,
        what=where or WHOLE_RECORD[each.kind],
        party=INSTITUTIONS[Role(each.role)].name,
        role=Role(each.role).name.lower(),
        reported=told.reported if told else "",
        agreed=told.benchmark if told else "",
        state=told.status if told else CLOSED,
    )
