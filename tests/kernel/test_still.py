"""A still says what the dump said, whatever blocks did while it was read."""

import json
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.golden.days import DAYS
from tests.golden.form import FOLDER, blocks_of, genesis_of
from tests.kernel.replaying import assert_as_told, replay, shrink
from tieout import kernel
from tieout.kernel import still as stills
from tieout.testing.governed import agreed_histories, governed_histories
from tieout.testing.histories import History, histories
from tieout.testing.stating import stating_histories
from tieout.testing.timely import timely_histories

some = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])


class Reader:
    """Takes a still after a block, and reads it in pieces between the blocks that follow."""

    def __init__(self, state: kernel.State, piece_bytes: int) -> None:
        self.expected = {name: bytes(part) for name, part in kernel.dump(state)}
        self.still = kernel.Still(state)
        self._piece_bytes = piece_bytes
        self._read = {name: bytes(part) for name, part in self.still.small}
        self._pieces = self._cut()

    def _cut(self) -> Iterator[None]:
        for name, part in self.still.large:
            self._read[name] = b""
            for start in range(0, part.size, self._piece_bytes):
                end = min(start + self._piece_bytes, part.size)
                self._read[name] += bytes(part.read(start, end))
                yield

    def read_a_piece(self) -> None:
        next(self._pieces, None)

    def finish(self) -> dict[str, bytes]:
        """Everything that was read, from before and now."""
        for _ in self._pieces:
            pass
        self.still.end()
        return self._read


@some
@given(
    histories()
    | governed_histories()
    | agreed_histories()
    | timely_histories()
    | stating_histories(),
    st.integers(1, 14),
    st.integers(1, 2_000),
    st.sampled_from([0, 1, 1, 2]),
    st.sampled_from([shrink, lambda state: state]),
)
def test_a_still_is_what_the_dump_was(
    history: History,
    height: int,
    piece_bytes: int,
    pieces: int,
    room: Callable[[kernel.State], kernel.State],
) -> None:
    taken: list[Reader] = []

    def look(state: kernel.State) -> kernel.State:
        if state.height == height and not taken:
            taken.append(Reader(state, piece_bytes))
        for _ in range(pieces if taken else 0):
            taken[0].read_a_piece()
        return room(state)

    state, results = replay(history, look)
    assert_as_told(history, results)
    for reader in taken:
        assert reader.finish() == reader.expected
        assert all(book.still is None for book in state.books)


@pytest.mark.parametrize("name", DAYS)
def test_stills_of_golden_ledgers_hold_whatever_came_after(name: str) -> None:
    """Every kind of operation, event and outcome comes after some still of some ledger."""
    ledger = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    genesis, blocks = genesis_of(ledger), blocks_of(ledger)
    for height in range(1, len(blocks)):
        state = kernel.initial_state(genesis)
        for block in blocks[:height]:
            state, _ = kernel.apply_block(state, block)
        reader = Reader(state, 1 << 20)
        for block in blocks[height:]:
            state, _ = kernel.apply_block(state, block)
        assert reader.finish() == reader.expected


def numbered(count: int, image_bytes: int) -> stills.Images:
    """Images that hold their own numbers."""
    images = stills.Images(image_bytes, count)
    images.data[:] = np.repeat(np.arange(count) % 251, image_bytes)
    return images


@settings(max_examples=40)
@given(st.data(), st.integers(1, 9_000), st.integers(1, 40))
def test_many_images_are_kept_across_segments(
    data: st.DataObject, count: int, image_bytes: int
) -> None:
    images = numbered(count, image_bytes)
    expected = images.data.tobytes()
    still = stills.StillImages(images, count)
    step = data.draw(st.integers(1, still.size))
    read = b""
    for start in range(0, min(still.size, 50 * step), step):
        low = data.draw(st.integers(0, count - 1))
        changing = np.arange(low, data.draw(st.integers(low, count - 1)) + 1)
        assert still.keep(changing)
        images.data[: still.size].reshape(count, image_bytes)[changing] = 255
        if start == 0:
            images.make_room(4 * count)
        read += bytes(still.read(start, min(start + step, still.size)))
    assert read == expected[: len(read)]


def test_too_much_at_once_loses_the_still_and_harms_no_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stills, "KEPT_AT_ONCE", 1)
    lost = 0

    @settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], database=None)
    @given(histories())
    def holds(history: History) -> None:
        nonlocal lost
        taken: list[Reader] = []

        def look(state: kernel.State) -> kernel.State:
            if state.height == 4:
                taken.append(Reader(state, 100))
            return state

        state, results = replay(history, look)
        assert_as_told(history, results)
        for reader in taken:
            if reader.still.is_lost:
                lost += 1
                with pytest.raises(kernel.SnapshotError, match="too much changed"):
                    reader.finish()
            else:
                assert reader.finish() == reader.expected
            reader.still.end()
            assert kernel.Still(state).is_lost is False

    holds()
    assert lost > 0


def test_there_is_one_still_at_a_time() -> None:
    @settings(max_examples=5, database=None)
    @given(histories())
    def holds(history: History) -> None:
        state, _ = replay(history)
        if not state.books:
            return
        first = kernel.Still(state)
        with pytest.raises(kernel.SnapshotError, match="not ended"):
            kernel.Still(state)
        first.end()
        kernel.Still(state).end()

    holds()
