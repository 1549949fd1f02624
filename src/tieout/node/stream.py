"""The live stream: what happened, as server-sent events, read from the journal.

The problem: a screen or program first lists, then listens, and must not lose what happens between;
a connection breaks, and it must go on where it was, even if the node was killed meanwhile.

The model: a message is one event of a durable block. Its id is `height.index`, which is the same on
every node and at every time. A listener is nothing but a position in the journal: it is told the
messages after it, so there is no queue to overflow and nothing to lose. Every list says in
`Tieout-Height` as of which block it holds; `?after=` takes that number, and `Last-Event-ID` the id
of the last message. Messages of recent blocks are kept in memory, so that many listeners share one
decoding.

What is not here: folding events into answers (`projections/`), and alarms to people.
"""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from tieout import kernel
from tieout.agreement.model import Agreement
from tieout.kernel.words import KEY_BYTES
from tieout.node.limits import (
    STREAM_ALIVE_S,
    STREAM_CHUNK_MESSAGES,
    STREAM_KEPT_BLOCKS,
    STREAM_KEPT_MESSAGES,
)
from tieout.node.ordering import Ordering
from tieout.node.problems import ProblemError
from tieout.units.dates import format_time
from tieout.units.ids import unpad
from tieout.wire.codes import (
    NO_FIELD,
    NO_ROLE,
    NO_SERIAL,
    BenchmarkState,
    BreakKind,
    EventKind,
    RowOutcome,
)
from tieout.wire.codes import Severity as Degree
from tieout.wire.limits import ID_BYTES


class Severity(StrEnum):
    """How much a message wants to be looked at."""

    INFO = "info"
    NOTICE = "notice"
    WARNING = "warning"
    ALARM = "alarm"


SEVERITIES: Final[dict[EventKind, Severity]] = {
    EventKind.ALARM_RAISED: Severity.ALARM,
    EventKind.ALARM_ESCALATED: Severity.ALARM,
    EventKind.EQUIVOCATION: Severity.ALARM,
    EventKind.TRANSACTION_BROKEN: Severity.WARNING,
    EventKind.BREAK_OPENED: Severity.WARNING,
    EventKind.ADJUSTMENT_FAILED: Severity.WARNING,
    EventKind.DISPUTE_RAISED: Severity.WARNING,
    EventKind.SEQUENCE_GAP: Severity.WARNING,
    EventKind.STATEMENT_DIFFERS: Severity.WARNING,
    EventKind.TOTAL_DIFFERS: Severity.WARNING,
    EventKind.BATCH_OMITTED: Severity.WARNING,
    EventKind.BATCH_UNSTATED: Severity.WARNING,
    EventKind.STATEMENT_TIES_OUT: Severity.NOTICE,
    EventKind.ROW_NOT_APPLIED: Severity.WARNING,
    EventKind.BREAK_CLOSED: Severity.NOTICE,
    EventKind.ALARM_CLEARED: Severity.NOTICE,
    EventKind.ALARM_ACKNOWLEDGED: Severity.NOTICE,
    EventKind.ALARM_CONFIRMED: Severity.NOTICE,
    EventKind.DISPUTE_WITHDRAWN: Severity.NOTICE,
    EventKind.DISPUTE_SETTLED: Severity.NOTICE,
    EventKind.MOTION_MOVED: Severity.NOTICE,
    EventKind.MOTION_CARRIED: Severity.NOTICE,
    EventKind.MOTION_REFUSED: Severity.NOTICE,
    EventKind.MOTION_EXPIRED: Severity.NOTICE,
    EventKind.ADJUSTMENT_PROPOSED: Severity.NOTICE,
    EventKind.ADJUSTMENT_REFUSED: Severity.NOTICE,
    EventKind.CUTOFF_CLOSED: Severity.NOTICE,
    EventKind.AGREEMENT_ENACTED: Severity.NOTICE,
}
"""What is not named is `info`; how severe an agreement says that an alarm is, is in `LEVELS`."""
LEVELS: Final[dict[str, Severity]] = {
    "low": Severity.NOTICE,
    "medium": Severity.WARNING,
    "high": Severity.ALARM,
    "critical": Severity.ALARM,
}
"""Where the agreement states severities, an alarm wants to be looked at as much as they say."""
ORDER: Final = tuple(Severity)
KINDS: Final = {kind.name.lower(): kind for kind in EventKind}
_ADJUSTMENTS: Final = frozenset(kind for kind in EventKind if kind.name.startswith("ADJUSTMENT"))
_BREAKS: Final = frozenset({EventKind.BREAK_OPENED, EventKind.BREAK_CLOSED})
_WITH_BENCHMARK: Final = frozenset({*_BREAKS, EventKind.BENCHMARK_CHANGED})


class Position(NamedTuple):
    """A place in the journal: after this event. −1: after nothing of the block."""

    height: int
    event: int


AFTER_ALL: Final = 1 << 32
"""Behind every event of a block."""


class Happening(msgspec.Struct, frozen=True, omit_defaults=True):
    """The data of a message: what happened, to which transaction, in which block."""

    kind: str
    severity: str
    height: int
    time: str
    agreement: str = ""
    transaction_id: str = ""
    originator: int = 0
    role: str = ""
    field: str = ""
    break_kind: str = ""
    benchmark: str = ""
    outcome: str = ""
    level: str = ""
    """Of alarms and severities: how severe the agreement says that it is, where it says so."""
    to: str = ""
    """Of escalations: who is told."""
    number: int | None = None
    """Of alarms the episode, of escalations the step, of adjustments the index in the book, of
    cut-offs how many were judged."""


class Message(NamedTuple):
    """A happening, its place, and its bytes on the line."""

    position: Position
    told: Happening
    line: bytes


class Filter(msgspec.Struct, frozen=True):
    """What a listener wants; empty: everything. `severity` is the least."""

    kinds: frozenset[str] = frozenset()
    agreements: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    severity: str = Severity.INFO.value

    def takes(self, told: Happening) -> bool:
        """Whether it is wanted."""
        return (
            (not self.kinds or told.kind in self.kinds)
            and (not self.agreements or told.agreement in self.agreements)
            and (not self.roles or told.role in self.roles)
            and ORDER.index(Severity(told.severity)) >= ORDER.index(Severity(self.severity))
        )


def parse_position(text: str) -> Position:
    """`height.index` as a position. Raises ProblemError."""
    height, _, index = text.partition(".")
    if not (height.isascii() and height.isdigit() and index.isascii() and index.isdigit()):
        raise ProblemError(
            "invalid_parameter", "Last-Event-ID is an id of this stream: height.index"
        )
    return Position(min(int(height), (1 << 62)), min(int(index), AFTER_ALL))


class Stream:
    """Messages by block, and those who wait for more. `tell` may be called from any thread."""

    def __init__(self, ordering: Ordering) -> None:
        self._ordering = ordering
        self._kept: OrderedDict[int, tuple[Message, ...]] = OrderedDict()
        self._kept_messages = 0
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._more: asyncio.Event | None = None
        self._told_height = ordering.journal.durable.height
        self._ended = False
        self.listeners = 0

    @property
    def ledger_id(self) -> bytes:
        """Of which ledger."""
        return self._ordering.genesis.ledger_id()

    @property
    def height(self) -> int:
        """The last durable block."""
        return self._ordering.journal.durable.height

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake listeners in this loop from now on."""
        self._loop, self._more = loop, asyncio.Event()

    def tell(self) -> None:
        """There may be new blocks."""
        height = self.height
        if height > self._told_height and self._loop is not None:
            if self.listeners:
                for each in range(self._told_height + 1, height + 1):
                    self.messages(each)
            self._told_height = height
            self._loop.call_soon_threadsafe(self._wake)

    def end(self) -> None:
        """Let all listeners go. In the loop."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._more is not None:
            self._more.set()
            self._more = asyncio.Event()

    async def listen(self, after: Position, wanted: Filter) -> AsyncIterator[bytes]:
        """The lines of all messages after a position, as long as somebody listens."""
        self.listeners += 1
        try:
            yield b"retry: 1000\n\n"
            while not self._ended:
                more = self._more
                lines, after = await self._next(after, wanted)
                if lines:
                    yield lines
                elif after.height >= self.height and more is not None:
                    try:
                        await asyncio.wait_for(more.wait(), STREAM_ALIVE_S)
                    except TimeoutError:
                        yield b": alive\n\n"
        finally:
            self.listeners -= 1

    async def _next(self, after: Position, wanted: Filter) -> tuple[bytes, Position]:
        """Some of the messages after a position, and the position after them."""
        height = self.height
        lines: list[bytes] = []
        looked_at = 0
        while after.height <= height and looked_at < STREAM_CHUNK_MESSAGES:
            messages = self._kept.get(after.height)
            if messages is None:
                messages = await asyncio.to_thread(self.messages, after.height)
            lines += [
                message.line
                for message in messages
                if message.position > after and wanted.takes(message.told)
            ]
            looked_at += len(messages) + 1
            if after.height == height:
                return b"".join(lines), Position(height, AFTER_ALL)
            after = Position(after.height + 1, -1)
        return b"".join(lines), after

    def messages(self, height: int) -> tuple[Message, ...]:
        """The messages of a durable block; in any thread."""
        with self._lock:
            known = self._kept.get(height)
        if known is not None:
            return known
        told = tuple(self._decoded(height)) if height > self._ordering.journal.base.height else ()
        with self._lock:
            if height not in self._kept:
                self._kept[height] = told
                self._kept_messages += len(told)
            while len(self._kept) > 1 and (
                len(self._kept) > STREAM_KEPT_BLOCKS or self._kept_messages > STREAM_KEPT_MESSAGES
            ):
                self._kept_messages -= len(self._kept.popitem(last=False)[1])
        return told

    def _decoded(self, height: int) -> Iterable[Message]:
        entry = self._ordering.journal.read(height)
        events = entry.result.events
        with self._ordering.reading() as state:
            names = _keys(state, events)
            agreements = [book.agreement for book in state.books]
        time_text = format_time(entry.block.time_us)
        levels = _levels(events)
        for index, event in enumerate(events.tolist()):
            told = _happening(event, height, time_text, agreements, names, levels)
            position = Position(height, index)
            data = _ENCODER.encode(told)
            line = b"id: %d.%d\nevent: %s\ndata: %s\n\n" % (height, index, told.kind.encode(), data)
            yield Message(position, told, line)


_ENCODER: Final = msgspec.json.Encoder()
_Event = tuple[int, int, int, int, int, int, int, int, int]
_Keys = dict[tuple[int, int], tuple[str, int]]
_WITHOUT_TRANSACTION: Final = frozenset(
    {
        EventKind.AGREEMENT_ENACTED,
        EventKind.CUTOFF_CLOSED,
        EventKind.EQUIVOCATION,
        EventKind.SEQUENCE_GAP,
        EventKind.STATEMENT_TIES_OUT,
        EventKind.STATEMENT_DIFFERS,
        EventKind.BATCH_OMITTED,
        EventKind.BATCH_UNSTATED,
        *(kind for kind in EventKind if kind.name.startswith("CHANGE_")),
    }
)
_COUNTING: Final = frozenset(
    {
        EventKind.CUTOFF_CLOSED,
        EventKind.STATEMENT_TIES_OUT,
        EventKind.STATEMENT_DIFFERS,
        EventKind.BATCH_OMITTED,
        EventKind.BATCH_UNSTATED,
    }
)
"""What counts in its serial: transactions, records, or the number of a batch."""
_WITH_LEVEL: Final = frozenset({EventKind.ALARM_RAISED, EventKind.ALARM_ESCALATED})
_WITH_NUMBER: Final = frozenset({EventKind.ALARM_RAISED, EventKind.ALARM_CLEARED, *_ADJUSTMENTS})


def _keys(state: kernel.State, events: NDArray[np.void]) -> _Keys:
    """(transaction id, originator) by (agreement number, serial), of those that events name."""
    keys: _Keys = {}
    for agreement, serial, kind in zip(
        events["agreement"].tolist(),
        events["serial"].tolist(),
        events["kind"].tolist(),
        strict=True,
    ):
        if serial == NO_SERIAL or kind in _WITHOUT_TRANSACTION or (agreement, serial) in keys:
            continue
        slots = state.books[agreement - 1].slots
        start = serial * slots.image_bytes
        key = slots.data[start : start + KEY_BYTES].tobytes()
        originator = int.from_bytes(key[ID_BYTES : ID_BYTES + 2], "little")
        keys[agreement, serial] = (unpad(key[:ID_BYTES]), originator)
    return keys


def _levels(events: NDArray[np.void]) -> dict[tuple[int, int], str]:
    """How severe the transactions are of which a block tells it, by (agreement number, serial).

    An alarm is raised before that is judged, in the same block (R-SEVERITY-4).
    """
    told = events[events["kind"] == EventKind.SEVERITY_CHANGED]
    lines = told[["agreement", "serial", "detail"]].tolist()
    return {(number, serial): Degree(detail).name.lower() for number, serial, detail in lines}


def _happening(
    event: _Event,
    height: int,
    time: str,
    agreements: list[Agreement],
    keys: _Keys,
    levels: dict[tuple[int, int], str],
) -> Happening:
    number, role, field, detail, agreement, _row, _item, extra, serial = event
    kind = EventKind(number)
    stated = agreements[agreement - 1] if agreement else None
    transaction_id, originator = keys.get((agreement, serial), ("", 0))
    count = extra if kind in _WITH_NUMBER else None
    level, to, severity = "", "", SEVERITIES.get(kind, Severity.INFO)
    if kind is EventKind.SEVERITY_CHANGED:
        level = Degree(detail).name.lower()
    elif kind in _WITH_LEVEL:
        level = levels.get((agreement, serial), "")
    if level and kind is not EventKind.ALARM_ESCALATED:
        severity = LEVELS[level]
    if stated and kind is EventKind.ALARM_ESCALATED:
        to, count = stated.escalation[detail - 1].to, detail
    return Happening(
        kind=kind.name.lower(),
        severity=severity.value,
        height=height,
        time=time,
        agreement=stated.name if stated else "",
        transaction_id=transaction_id,
        originator=originator,
        role=stated.roles[role] if stated and role != NO_ROLE else "",
        field=stated.name_of_place(field) if stated and field != NO_FIELD else "",
        break_kind=BreakKind(detail).name.lower() if kind in _BREAKS else "",
        benchmark=BenchmarkState(extra).name.lower() if kind in _WITH_BENCHMARK and extra else "",
        outcome=RowOutcome(detail).name.lower() if kind is EventKind.ROW_NOT_APPLIED else "",
        level=level,
        to=to,
        number=serial if kind in _COUNTING else count,
    )
