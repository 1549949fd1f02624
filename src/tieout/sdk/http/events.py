"""The live stream as a client sees it: every event once, in order, through whatever breaks.

The model: an event's id is its place in the journal, `height.index`, the same for ever. A stream is
nothing but the place up to which it was read; when its connection breaks, another one goes on
behind that place (`Last-Event-ID`). An event counts as read when all of it has come, so half a one
is asked for again; and what is not behind the place is passed over, so that nothing comes twice.

A stream that begins "now" fixes its place before it connects the first time: what happens while
the first connection fails is not lost either.
"""

import contextlib
import threading
import time
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import Final, Self

import msgspec

from tieout.sdk.errors import NodeConfused, NodeUnreachable, RequestRefused
from tieout.sdk.http.connections import Connections, Lines
from tieout.sdk.http.forms import Event
from tieout.sdk.limits import STREAM_SILENCE_S

_BEHIND_ALL: Final = 1 << 32
"""The place behind every event of a block."""
_DECODER: Final = msgspec.json.Decoder(Event)


def place_of(text: str) -> tuple[int, int]:
    """The place that an event's id names. Raises ValueError."""
    height, _, index = text.partition(".")
    if not (height.isascii() and height.isdecimal() and index.isascii() and index.isdecimal()):
        raise ValueError(f"an event's id is HEIGHT.INDEX, not {text!r}")
    return int(height), int(index)


class EventStream:
    """Events as they happen, an iterator; one thread reads, any may close it.

    It ends when it is closed, or after `timeout_s`. It raises NodeUnreachable when the node stays
    away for longer than the client's patience, RequestRefused, and NodeConfused; `last_id` then
    says where to go on.
    """

    def __init__(
        self, connections: Connections, target: str, after: int | str, timeout_s: float | None
    ) -> None:
        """`target` holds the filters. Nothing is sent yet. Raises ValueError for a bad `after`."""
        self._connections = connections
        self._target = target
        self._place = (after, _BEHIND_ALL) if isinstance(after, int) else place_of(after)
        self._until = None if timeout_s is None else time.monotonic() + timeout_s
        self._lines: Lines | None = None
        self._closed = threading.Event()
        self._events = self._read()

    @property
    def last_id(self) -> str:
        """The id behind which the stream goes on, also for `stream(after=…)` another day."""
        height, index = self._place
        return f"{height}.{index}"

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        return next(self._events)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it. A thread that waits for the next event gets StopIteration."""
        self._closed.set()
        lines = self._lines
        if lines is not None:
            lines.hang_up()
        # Where another thread is reading, it has just been woken and ends by itself.
        with contextlib.suppress(ValueError):
            self._events.close()

    def _read(self) -> Generator[Event, None, None]:
        waits = self._connections.patience.waits_s()
        while not self._is_over():
            trouble: NodeUnreachable | RequestRefused
            try:
                with contextlib.closing(self._connected()) as events:
                    for event in events:
                        # It answers again: the next outage has all the patience to itself.
                        waits = self._connections.patience.waits_s()
                        if event is not None:
                            yield event
                trouble = NodeUnreachable(self._connections.name, "the stream ended")
            except (NodeUnreachable, RequestRefused) as error:
                if not error.may_help:
                    raise
                trouble = error
            if self._is_over():
                return
            wait_s = next(waits, None)
            if wait_s is None:
                raise trouble
            self._closed.wait(wait_s)

    def _connected(self) -> Generator[Event | None, None, None]:
        """Events of one connection, None for a sign of life, until it ends."""
        headers = {"Accept": "text/event-stream", "Last-Event-ID": self.last_id}
        lines = self._connections.listen(self._target, headers, self._silence_s())
        try:
            self._lines = lines
            name, data = "", b""
            while not self._is_over() and (line := lines.read(self._silence_s())) is not None:
                key, _, value = line.partition(b": ")
                if key == b"id":
                    name = value.decode("ascii", "replace")
                elif key == b"data":
                    data = value
                elif not key and value:
                    yield None
                elif not key and data:
                    yield from self._event(name, data)
                    name, data = "", b""
        finally:
            self._lines = None
            lines.close()

    def _event(self, name: str, data: bytes) -> Iterator[Event]:
        try:
            place = place_of(name)
            event = msgspec.structs.replace(_DECODER.decode(data), id=name)
        except (ValueError, msgspec.MsgspecError) as error:
            raise NodeConfused(self._connections.name, f"an event: {error}") from error
        if place > self._place:
            self._place = place
            yield event

    def _silence_s(self) -> float:
        """How long the next line may take; never nothing, which would mean not to wait at all."""
        if self._until is None:
            return STREAM_SILENCE_S
        return max(0.001, min(STREAM_SILENCE_S, self._until - time.monotonic()))

    def _is_over(self) -> bool:
        is_late = self._until is not None and time.monotonic() >= self._until
        return is_late or self._closed.is_set()
