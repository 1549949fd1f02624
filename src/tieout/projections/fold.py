"""The fold: from blocks to lines of tables.

The problem: readers want lists, and the rules keep images. Values, agreed values and differences
follow from the rules alone; to compute them a second time from events would be a third
implementation of the rules.

The model: a fold has a state of its own and applies every block to it, as every node does, and the
app hash must come out as the journal has it. Which transactions a block touched is found through
its rows and its events; their lines are then read from the state. Transactions and records are
written as they stand at the end of a chunk of blocks, in whatever chunks they come; breaks, alarms
and adjustments are followed block by block, so the lines do not depend on the chunks.

What is not here: the database (`write`), when to fold and what to do when it fails (`follower`).
"""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tieout import kernel
from tieout.journal.frame import Entry
from tieout.projections import tables
from tieout.projections.changes import Changes, Line
from tieout.projections.entries import Entries
from tieout.projections.errors import ProjectionError
from tieout.projections.items import ItemLines, cutoff_line
from tieout.projections.members import agreement_line, member_lines
from tieout.projections.records import (
    AdjustmentRecord,
    AlarmRecord,
    BreakRecord,
    adjustment_cells,
    alarm_cells,
    break_cells,
)
from tieout.projections.stated import documents
from tieout.projections.tables import ID_SHIFT, KEY_SHIFT
from tieout.projections.troubles import ENDS, URGENT, Happening, Moment, Troubles
from tieout.wire.codes import NO_FIELD, NO_ITEM, NO_ROLE, NO_ROW, NO_SERIAL, EventKind, Status

_ABOUT_TRANSACTIONS: Final = np.isin(
    np.arange(256),
    [
        *range(EventKind.ROW_NOT_APPLIED, EventKind.ADJUSTMENT_FAILED + 1),
        *range(EventKind.DISPUTE_SETTLED, EventKind.MOTION_EXPIRED + 1),
        EventKind.GROUP_CHANGED,
        EventKind.DISPUTE_RAISED,
        EventKind.DISPUTE_WITHDRAWN,
        EventKind.SEVERITY_CHANGED,
        EventKind.ALARM_ESCALATED,
    ],
)
"""Which kinds are about a transaction, by number."""
_NEW: Final = 255
_STATUSES: Final = [status.name.lower() for status in Status]
_KINDS: Final = {kind.value: kind.name.lower() for kind in EventKind}
_ACTIONS: Final = ("state", "withdraw")

Numbers = NDArray[np.int64]


class Fold:
    """A state, and what has changed in it since `take` was last called.

    `add` takes the next block; after an exception the fold is unusable. One thread at a time.
    """

    def __init__(
        self,
        state: kernel.State,
        frame_hash: bytes,
        breaks: Iterable[BreakRecord] = (),
        alarms: Iterable[AlarmRecord] = (),
        adjustments: Iterable[AdjustmentRecord] = (),
    ) -> None:
        """Begin after the last block of `state`, with what is open then."""
        self.state = state
        self._frame_hash = frame_hash
        self._troubles = Troubles(breaks, alarms)
        self._entries = Entries(adjustments)
        self._members: object = state.members if state.height else None
        self._written: dict[int, NDArray[np.uint8]] = {}
        self._counts: dict[int, Numbers] = {}
        for book in state.books:
            statuses = kernel.statuses_of(state, book.number)
            self._written[book.number] = statuses
            self._counts[book.number] = np.bincount(statuses, minlength=len(Status))
        self._begin()

    def _begin(self) -> None:
        self._from = self._before = self.state.height
        self._touched: dict[int, list[tuple[int, Numbers]]] = {}
        self._spoken: dict[tuple[int, int], list[Numbers]] = {}
        self._blocks: list[Line] = []
        self._events: list[Line] = []
        self._items = ItemLines()
        self._cutoffs: list[Line] = []
        self._log_sizes: list[int] = [self.state.log.size]
        self._opened: dict[int, list[int]] = {
            book.number: [book.count] for book in self.state.books
        }
        self._enacted: list[tuple[int, Moment]] = []
        self.size = 0
        """How many rows and events wait to be taken."""

    def begin_with_everything(self) -> None:
        """Take up the whole state, of a copy of the ledger that begins after its last block.

        Then nothing is known of what came before: things are told as begun with that block.
        """
        state = self.state
        moment = Moment(state.height, state.time_us)
        self._from, self._before = 0, state.height - 1
        self._log_sizes = [0, state.log.size]
        app_hash = kernel.app_hash(state).hex()
        self._blocks = [(*moment, 0, 0, state.log.size, app_hash)]
        self._members = None
        for book in state.books:
            number, serials = book.number, np.arange(book.count, dtype=np.int64)
            self._enacted.append((number, moment))
            self._written[number] = np.zeros(0, np.uint8)
            self._counts[number] = np.zeros(len(Status), np.int64)
            self._opened[number] = [0, book.count]
            self._touched[number] = [(moment.height, serials)]
            for role in range(len(book.agreement.roles)):
                self._spoken[number, role] = [serials]
            for index in range(book.adjustment_count):
                self._entries.look(state, moment, number, index)
        self._troubles.begin_with(state, moment)

    # ------------------------------------------------------------------ blocks

    def add(self, entry: Entry) -> None:
        """Apply the next block. Raises ProjectionError when it does not give what the journal has.

        Raises BlockError for a block that is not next.
        """
        block, kept = entry.block, entry.result
        self.state, result = kernel.apply_block(self.state, block)
        if result.app_hash != kept.app_hash:
            raise ProjectionError(
                f"block {block.height} gives another app hash than the journal has",
                "run `tieout audit`: this copy of the ledger is damaged, or these rules are",
            )
        moment = Moment(block.height, block.time_us)
        self._frame_hash = entry.frame_hash
        self._log_sizes.append(entry.header.log_size)
        line = (*moment, len(block.items), len(result.events), entry.header.log_size)
        self._blocks.append((*line, result.app_hash.hex()))
        touched: dict[int, list[Numbers]] = {}
        for number, role, serials in self._items.add(self.state, entry):
            touched.setdefault(number, []).append(serials)
            self._spoken.setdefault((number, role), []).append(serials)
            self.size += len(serials)
        if len(result.events):
            self._note_events(moment, entry, touched)
        self._look(moment, touched)
        for book in self.state.books:
            counts = self._opened.setdefault(book.number, [0] * len(self._blocks))
            counts.append(book.count)

    def _note_events(self, moment: Moment, entry: Entry, touched: dict[int, list[Numbers]]) -> None:
        events = entry.result.events
        kinds, agreements = events["kind"], events["agreement"].astype(np.int64)
        serials = events["serial"].view(np.int64)
        is_about = _ABOUT_TRANSACTIONS[kinds] & (events["serial"] != NO_SERIAL)
        for number in np.unique(agreements[is_about]).tolist():
            touched.setdefault(number, []).append(serials[is_about & (agreements == number)])
        keys = np.where(is_about, agreements << KEY_SHIFT | serials, -1).tolist()
        self._keep_events(moment, events, keys)
        happenings = self._happenings(events, keys)
        if happenings:
            self._troubles.follow(self.state, moment, happenings)
        for event in events[kinds > EventKind.ALARM_CLEARED]:
            self._note_rare(moment, entry, event)
        self.size += len(events)

    def _keep_events(self, moment: Moment, events: NDArray[np.void], keys: list[int]) -> None:
        def column(name: str, unused: int) -> list[int]:
            numbers = events[name].astype(np.int64)
            cells: list[int] = np.where(numbers == unused, -1, numbers).tolist()
            return cells

        first = moment.height << ID_SHIFT
        self._events += zip(
            range(first, first + len(events)),
            [moment.height] * len(events),
            [_KINDS[kind] for kind in events["kind"].tolist()],
            events["agreement"].tolist(),
            [None if key < 0 else key for key in keys],
            column("role", NO_ROLE),
            column("field", NO_FIELD),
            events["detail"].tolist(),
            events["extra"].tolist(),
            column("item", NO_ITEM),
            column("row", NO_ROW),
            events["serial"].view(np.int64).tolist(),
            strict=True,
        )

    def _happenings(self, events: NDArray[np.void], keys: list[int]) -> list[Happening]:
        """What is about breaks and alarms: few of the events of a good day."""
        begun: set[int] = set()
        chosen = []
        for i, kind in enumerate(events["kind"].tolist()):
            if kind in ENDS:
                if keys[i] in begun or self._troubles.has_alarm(keys[i]):
                    chosen.append(i)
            elif EventKind.TRANSACTION_BROKEN <= kind <= EventKind.ALARM_CLEARED or kind in URGENT:
                chosen.append(i)
                if kind == EventKind.TRANSACTION_BROKEN:
                    begun.add(keys[i])
        names = ["kind", "role", "field", "detail", "extra"]
        lines = events[names][chosen].tolist()
        return [
            Happening(i, kind, keys[i], *rest)
            for i, (kind, *rest) in zip(chosen, lines, strict=True)
        ]

    def _note_rare(self, moment: Moment, entry: Entry, event: np.void) -> None:
        """Adjustments, agreements and cut-offs."""
        kind, number = int(event["kind"]), int(event["agreement"])
        if kind <= EventKind.ADJUSTMENT_FAILED:
            self._entries.look(self.state, moment, number, int(event["extra"]))
        elif kind == EventKind.AGREEMENT_ENACTED:
            self._enacted.append((number, moment))
            self._written[number] = np.zeros(0, np.uint8)
            self._counts[number] = np.zeros(len(Status), np.int64)
        elif kind == EventKind.CUTOFF_CLOSED:
            item, judged = int(event["item"]), int(event["serial"])
            name = self.state.books[number - 1].agreement.name
            counts = kernel.counts(self.state, name)
            head = cutoff_line(entry, item, name)
            told = (counts.pending, counts.matched, counts.broken, counts.withdrawn)
            self._cutoffs.append((*head, judged, counts.transactions, *told))

    def _look(self, moment: Moment, touched: dict[int, list[Numbers]]) -> None:
        """Note which transactions a block touched; and what stands in their open breaks."""
        for number, parts in touched.items():
            serials = np.unique(np.concatenate(parts))
            self._touched.setdefault(number, []).append((moment.height, serials))
            statuses = kernel.statuses_of(self.state, number, serials)
            may_break = (statuses == Status.BROKEN) | (statuses == Status.WITHDRAWN)
            if may_break.any():
                self._troubles.look(self.state, moment, number, serials[may_break])

    # ------------------------------------------------------------------ taking

    def take(self) -> Changes:
        """What the blocks since the last call have changed."""
        state = self.state
        changes = Changes(
            from_height=self._from,
            height=state.height,
            time_us=state.time_us,
            log_size=state.log.size,
            frame_hash=self._frame_hash.hex(),
            app_hash=kernel.app_hash(state).hex(),
        )
        changes.add(tables.blocks, self._blocks)
        changes.add(tables.batches, self._items.batches)
        changes.add(tables.operations, self._items.operations)
        changes.add(tables.events, self._events)
        changes.add(tables.cutoffs, self._cutoffs)
        for number, touched in self._touched.items():
            changes.add(tables.transactions, self._transaction_lines(number, touched))
        for (number, role), parts in self._spoken.items():
            changes.add(tables.standing_records, self._record_lines(number, role, parts))
        breaks, alarms, confirmations = self._troubles.take()
        changes.add(tables.breaks, map(break_cells, breaks))
        changes.add(tables.alarms, map(alarm_cells, alarms))
        changes.add(tables.confirmations, confirmations)
        changes.add(tables.adjustments, map(adjustment_cells, self._entries.take()))
        self._take_agreements(changes)
        self._begin()
        return changes

    def _take_agreements(self, changes: Changes) -> None:
        state = self.state
        enacted = dict(self._enacted)
        for book in state.books:
            moment = enacted.get(book.number, Moment(0, 0))
            counts = self._counts[book.number].tolist()
            changes.add(tables.agreements, [agreement_line(book, moment, counts)])
        if enacted or state.members is not self._members:
            self._members = state.members
            for table, lines in member_lines(state).items():
                changes.replace(table, lines)

    def _transaction_lines(self, number: int, touched: list[tuple[int, Numbers]]) -> Iterator[Line]:
        """Transactions as they stand now; the block of opening is that of new ones only."""
        serials = np.concatenate([part for _, part in touched])
        heights = np.repeat([height for height, _ in touched], [len(part) for _, part in touched])
        # The last block that touched each: the first one from behind.
        serials, places = np.unique(serials[::-1], return_index=True)
        heights = heights[::-1][places]
        slots = kernel.slots_of(self.state, number, serials)
        self._count(number, serials, slots["status"])
        opened = self._before + np.searchsorted(self._opened[number], serials, side="right")
        times = {line[0]: line[1] for line in self._blocks}
        changed = heights.tolist()
        return zip(
            (serials | number << KEY_SHIFT).tolist(),
            [number] * len(serials),
            slots["originator"].tolist(),
            [each.decode("utf-8") for each in slots["id"].tolist()],
            slots["stage"].tolist(),
            [_STATUSES[status] for status in slots["status"].tolist()],
            opened.tolist(),
            slots["opened_us"].tolist(),
            changed,
            [times[height] for height in changed],
            slots["episode"].tolist(),
            strict=True,
        )

    def _count(self, number: int, serials: Numbers, statuses: NDArray[np.uint8]) -> None:
        """Keep the counts by status, from how these transactions were written before."""
        written = self._written[number]
        missing = self.state.books[number - 1].count - len(written)
        if missing > 0:
            room = np.full(missing, _NEW, np.uint8)
            written = self._written[number] = np.concatenate([written, room])
        before = written[serials]
        counts = self._counts[number]
        counts -= np.bincount(before[before != _NEW], minlength=len(Status))
        counts += np.bincount(statuses, minlength=len(Status))
        written[serials] = statuses

    def _record_lines(self, number: int, role: int, parts: list[Numbers]) -> Iterator[Line]:
        """The records of a role that came with these blocks, and stand."""
        serials = np.unique(np.concatenate(parts))
        blocks = kernel.slots_of(self.state, number, serials)["roles"][:, role]
        leaves = (blocks["place"] >> np.uint64(16)).astype(np.int64)
        is_new = (blocks["revision"] != 0) & (leaves >= self._log_sizes[0])
        serials, blocks, leaves = serials[is_new], blocks[is_new], leaves[is_new]
        at = np.searchsorted(self._log_sizes, leaves, side="right") - 1
        heights = [self._blocks[i][0] for i in at.tolist()]
        times = [self._blocks[i][1] for i in at.tolist()]
        agreement = self.state.books[number - 1].agreement
        texts, exact = documents(agreement, blocks["values"], blocks["presence"])
        return zip(
            (serials | number << KEY_SHIFT).tolist(),
            [role] * len(serials),
            blocks["party"].tolist(),
            [_ACTIONS[flag] for flag in (blocks["flags"] >> 1 & 1).tolist()],
            blocks["revision"].tolist(),
            leaves.tolist(),
            (blocks["place"] & np.uint64(0xFFFF)).tolist(),
            heights,
            times,
            texts,
            exact,
            strict=True,
        )
