"""Where episodes begin and end is read off the events of a block, quickly and rightly."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tieout.journal.frame import Entry, FrameHeader
from tieout.journal.index import Line, block_lines
from tieout.wire.block import Block, BlockResult
from tieout.wire.codes import EventKind
from tieout.wire.events import EVENT_DTYPE

HEIGHT = 7
ENDS = {
    EventKind.TRANSACTION_PENDING,
    EventKind.TRANSACTION_MATCHED,
    EventKind.TRANSACTION_WITHDRAWN,
}
serials = st.builds(lambda high, low: high << 16 | low, st.integers(0, 2), st.integers(0, 3))
"""Few serials, of which many are alike in their low bits."""
events = st.lists(st.tuples(st.sampled_from(EventKind), st.integers(1, 3), serials), max_size=40)


def entry_of(told: list[tuple[EventKind, int, int]]) -> Entry:
    """A block without items that told these events."""
    rows = np.zeros(len(told), EVENT_DTYPE)
    for row, (kind, agreement, serial) in zip(rows, told, strict=True):
        row["kind"], row["agreement"], row["serial"] = kind, agreement, serial
    none = bytes(32)
    header = FrameHeader(0, HEIGHT, 1, 0, len(told), 0, 0, none, none)
    return Entry(Block(HEIGHT, 1, ()), BlockResult(HEIGHT, none, (), rows), header, none)


def lines_of(
    told: list[tuple[EventKind, int, int]], kinds: set[EventKind], among: set[tuple[int, int]]
) -> list[Line]:
    return [
        (HEIGHT, place, agreement, serial)
        for place, (kind, agreement, serial) in enumerate(told)
        if kind in kinds and (agreement, serial) in among
    ]


@given(events)
def test_an_episode_ends_with_another_status_of_a_transaction_that_closed_a_break(
    told: list[tuple[EventKind, int, int]],
) -> None:
    everybody = {(agreement, serial) for _, agreement, serial in told}
    closed = {
        (agreement, serial) for kind, agreement, serial in told if kind is EventKind.BREAK_CLOSED
    }
    lines = block_lines(entry_of(told), 1, 0)
    assert lines.opened == lines_of(told, {EventKind.TRANSACTION_BROKEN}, everybody)
    assert lines.closed == lines_of(told, ENDS, closed)
