"""Sequence numbers: nothing twice, nothing lost unseen (R-SEQ-1 to R-SEQ-4)."""

from tieout.reference.events import Events
from tieout.reference.items import Item
from tieout.reference.state import State, Stream
from tieout.wire.codes import EventKind, ItemOutcome
from tieout.wire.limits import SEQUENCE_GAP_US, SEQUENCE_WINDOW


def judge(state: State, item: Item) -> ItemOutcome:
    """ACCEPTED when the number may be used now, else REPEATED, EQUIVOCATION or OUT_OF_WINDOW."""
    stream = state.streams.get(item.stream, Stream())
    first = stream.used.get(item.sequence)
    if first is not None:  # R-SEQ-3
        same = first == item.digest()
        return ItemOutcome.REPEATED if same else ItemOutcome.EQUIVOCATION
    # R-SEQ-1. Numbers below the lowest unused one are used, though too old to tell by which bytes.
    # An unused number is never too old: the highest is less than a window above the lowest unused.
    if stream.lowest_unused <= item.sequence < stream.lowest_unused + SEQUENCE_WINDOW:
        return ItemOutcome.ACCEPTED
    return ItemOutcome.OUT_OF_WINDOW


def use(state: State, item: Item) -> None:
    """Use a number up, whatever becomes of its item (R-SEQ-2)."""
    stream = state.streams.setdefault(item.stream, Stream())
    was_lowest = stream.lowest_unused
    stream.used[item.sequence] = item.digest()
    while stream.lowest_unused in stream.used:
        stream.lowest_unused += 1
    if item.sequence > stream.highest_used:
        for old in range(stream.highest_used, item.sequence):
            stream.used.pop(old - SEQUENCE_WINDOW + 1, None)
        stream.highest_used = item.sequence
    if stream.lowest_unused > stream.highest_used:
        stream.gap_since_us, stream.gap_named = 0, False
    elif stream.lowest_unused != was_lowest or stream.gap_since_us == 0:
        stream.gap_since_us, stream.gap_named = state.time_us, False


def tell_equivocation(item: Item, events: Events) -> None:
    """Name the signer of two different things under one number (R-SEQ-3)."""
    party, stream = item.stream
    events.add(EventKind.EQUIVOCATION, extra=party << 16 | stream, serial=item.sequence)


def name_gaps(state: State, events: Events) -> None:
    """Name each gap that stays open for too long, once (R-SEQ-4)."""
    for key in sorted(key for key, stream in state.streams.items() if stream.gap_since_us):
        stream = state.streams[key]
        is_long = state.time_us - stream.gap_since_us > SEQUENCE_GAP_US
        if is_long and not stream.gap_named:
            stream.gap_named = True
            extra = key.party << 16 | key.stream
            events.add(EventKind.SEQUENCE_GAP, extra=extra, serial=stream.lowest_unused)
