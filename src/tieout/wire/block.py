"""Blocks: items in agreed order, at an agreed time; and what applying one gave."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tieout.wire.codes import ItemOutcome


@dataclass(frozen=True, slots=True)
class Block:
    """Items (whole signed batches and operations) in order, at a time.

    Heights count from 1; time is microseconds UTC.
    """

    height: int
    time_us: int
    items: tuple[bytes | memoryview, ...]


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one item.

    `leaf` is its index in the log, None when it is not kept (R-ITEM-2). `rows` counts a batch's
    rows by RowOutcome number (length 7); empty for operations and refused batches. `bad_row` is the
    first malformed row of a refused batch.
    """

    outcome: ItemOutcome
    leaf: int | None = None
    rows: tuple[int, ...] = ()
    bad_row: int | None = None


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What a block did: a result for each item, the events (EVENT_DTYPE), the app hash after it."""

    height: int
    app_hash: bytes
    items: tuple[ItemResult, ...]
    events: NDArray[np.void] = field(repr=False)
