"""Replaying a history with the kernel, under circumstances that must not matter."""

from collections.abc import Callable

import numpy as np

from tieout import kernel
from tieout.testing.histories import History
from tieout.wire.block import BlockResult


def replay(
    history: History,
    before_each: Callable[[kernel.State], kernel.State] = lambda state: state,
    index_key: bytes = b"any secret",
) -> tuple[kernel.State, list[BlockResult]]:
    """The state in the end and all results; `before_each` may do to the state what it likes."""
    state = kernel.initial_state(history.genesis, index_key)
    results = []
    for block in history.blocks:
        state, result = kernel.apply_block(before_each(state), block)
        results.append(result)
    return state, results


def assert_as_told(history: History, results: list[BlockResult]) -> None:
    """The results are those of the reference."""
    for expected, actual in zip(history.results, results, strict=True):
        assert actual.items == expected.items
        assert actual.events.tolist() == expected.events.tolist()
        assert actual.app_hash == expected.app_hash


def shrink(state: kernel.State) -> kernel.State:
    """Leave no more room in the buffers than is in use."""
    state.events.data = np.zeros(0, np.uint8)
    for book in state.books:
        for images, count in (
            (book.slots, book.count),
            (book.adjustments, book.adjustment_count),
        ):
            images.data = images.data[: count * images.image_bytes].copy()
    return state
