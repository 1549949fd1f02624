"""Counting what was found against what was seeded, from nothing but the events of the ledger.

A break counts as found once it stands: when it opens with its benchmark decided or undecided, or
is still open when an awaited benchmark comes or can no longer come. A mismatch that is only ever
awaited, and closes by itself when the third role has spoken, was a suspicion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tieout.demo.cast import Role
from tieout.demo.faults import Fault, SeededBreak
from tieout.demo.records import FIELDS
from tieout.wire.codes import NO_FIELD, NO_SERIAL, BenchmarkState, BreakKind, EventKind

STATUS_EVENTS: Final = (
    EventKind.TRANSACTION_PENDING,
    EventKind.TRANSACTION_MATCHED,
    EventKind.TRANSACTION_BROKEN,
    EventKind.TRANSACTION_WITHDRAWN,
)
BREAK_EVENTS: Final = (
    EventKind.BREAK_OPENED,
    EventKind.BREAK_CLOSED,
    EventKind.BENCHMARK_CHANGED,
)


class FoundBreak(NamedTuple):
    """A break of one transaction, by its place in the book."""

    serial: int
    kind: BreakKind
    role: int
    field: int


@dataclass(frozen=True, slots=True)
class Score:
    """The result: breaks that were seeded and found, seeded and not found, found and not seeded.

    `unmended` are breaks that should be closed by now, `mended` such as should still be open.
    """

    found: int
    missed: tuple[tuple[str, SeededBreak], ...]
    invented: tuple[tuple[str, SeededBreak], ...]
    unmended: tuple[tuple[str, SeededBreak], ...]
    mended: tuple[tuple[str, SeededBreak], ...]

    @property
    def seeded(self) -> int:
        """How many breaks were seeded."""
        return self.found + len(self.missed)

    @property
    def exact(self) -> bool:
        """Whether everything seeded was found, nothing else, and what lasts is what must last."""
        return not (self.missed or self.invented or self.unmended or self.mended)


class Tally:
    """Follows the events of one book, block by block, from the first block on."""

    def __init__(self) -> None:
        self.transaction_ids: list[str] = []
        """By serial."""
        self.standing: set[FoundBreak] = set()
        """The breaks that are open now, suspicions among them."""
        self.found: set[FoundBreak] = set()

    def take(
        self, events: npt.NDArray[np.void], rows_of_items: Sequence[npt.NDArray[np.void] | None]
    ) -> None:
        """Count a block: its events (EVENT_DTYPE) and each item's rows, None for operations."""
        self._name_opened(events, rows_of_items)
        for event in events[np.isin(events["kind"], BREAK_EVENTS)].tolist():
            kind, role, field, detail, _, _, _, extra, serial = event
            if kind == EventKind.BENCHMARK_CHANGED:
                if extra != BenchmarkState.AWAITING:
                    self.found |= {
                        each
                        for each in self.standing
                        if (each.serial, each.field) == (serial, field)
                        and each.kind == BreakKind.MISMATCH
                    }
                continue
            one = FoundBreak(serial, BreakKind(detail), role, field)
            if kind == EventKind.BREAK_CLOSED:
                self.standing.discard(one)
                continue
            self.standing.add(one)
            if extra != BenchmarkState.AWAITING:
                self.found.add(one)

    def _name_opened(
        self, events: npt.NDArray[np.void], rows_of_items: Sequence[npt.NDArray[np.void] | None]
    ) -> None:
        """The first status of a transaction names the row that opened it; serials have no holes."""
        told = events[np.isin(events["kind"], STATUS_EVENTS) & (events["serial"] != NO_SERIAL)]
        new = told[told["serial"] >= len(self.transaction_ids)]
        _, first = np.unique(new["serial"], return_index=True)
        for event in new[first]:
            rows = rows_of_items[event["item"]]
            if rows is None or event["serial"] != len(self.transaction_ids):
                raise ValueError(f"no row has opened transaction {event['serial']}")
            self.transaction_ids.append(rows[event["row"]]["id"].decode())

    def score(self, faults: Sequence[Fault]) -> Score:
        """Compare with what was seeded; at the end of the day."""
        seeded = {(fault.transaction_id, each) for fault in faults for each in fault.breaks}
        lasting = {(fault.transaction_id, each) for fault in faults for each in fault.lasting}
        found = {self._named(each) for each in self.found}
        standing = {self._named(each) for each in self.standing}
        return Score(
            found=len(seeded & found),
            missed=tuple(sorted(seeded - found, key=_order)),
            invented=tuple(sorted(found - seeded, key=_order)),
            unmended=tuple(sorted(standing - lasting, key=_order)),
            mended=tuple(sorted(lasting - standing, key=_order)),
        )

    def _named(self, each: FoundBreak) -> tuple[str, SeededBreak]:
        field = None if each.field == NO_FIELD else FIELDS[each.field]
        named = SeededBreak(each.kind, Role(each.role), field)
        return self.transaction_ids[each.serial], named


def _order(each: tuple[str, SeededBreak]) -> tuple[str, int, int, str]:
    name, seeded = each
    return name, seeded.kind, seeded.role, seeded.field or ""
