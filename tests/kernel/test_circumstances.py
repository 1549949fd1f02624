"""What must not matter: room in buffers, the quick way, the secret of the index, restarts."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kernel.replaying import assert_as_told, replay, shrink
from tieout import kernel
from tieout.testing.governed import agreed_histories, governed_histories
from tieout.testing.grouped import grouped_histories
from tieout.testing.histories import History, histories
from tieout.testing.stating import stating_histories
from tieout.testing.timely import timely_histories
from tieout.wire.block import Block
from tieout.wire.errors import BlockError

few = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])


@few
@given(histories())
def test_loops_go_on_after_room_was_made(history: History) -> None:
    _, results = replay(history, shrink)
    assert_as_told(history, results)


@few
@given(histories(), st.binary(max_size=40))
def test_the_general_way_says_what_the_quick_way_says(history: History, index_key: bytes) -> None:
    def take_the_general_way(state: kernel.State) -> kernel.State:
        state.takes_slow_way = True
        return state

    slow, results = replay(history, take_the_general_way, index_key)
    assert_as_told(history, results)
    quick, _ = replay(history)
    assert kernel.state_digest(slow) == kernel.state_digest(quick)


def _read_into(room: kernel.SnapshotRoom, dumped: dict[str, bytes]) -> dict[str, memoryview]:
    """What a journal does when it loads a snapshot."""
    buffers = {name: room.buffer(name, len(part)).data for name, part in dumped.items()}
    for name, part in dumped.items():
        buffers[name][:] = part
    return buffers


@few
@given(
    histories()
    | governed_histories()
    | agreed_histories()
    | timely_histories()
    | grouped_histories()
    | stating_histories(),
    st.sets(st.integers(1, 22)),
)
def test_a_restart_from_a_snapshot_changes_nothing(history: History, heights: set[int]) -> None:
    def restart(state: kernel.State) -> kernel.State:
        if state.height not in heights:
            return state
        dumped = {name: bytes(buffer) for name, buffer in kernel.dump(state)}
        room = kernel.SnapshotRoom() if state.height % 2 else None
        buffers = dumped if room is None else _read_into(room, dumped)
        loaded = kernel.load(history.genesis, buffers, b"another secret", room)
        assert kernel.state_digest(loaded) == kernel.state_digest(state)
        assert kernel.app_hash(loaded) == kernel.app_hash(state)
        assert kernel.validators(loaded) == kernel.validators(state)
        return loaded

    state, results = replay(history, restart)
    assert_as_told(history, results)
    undisturbed, _ = replay(history)
    for name, buffer in kernel.dump(undisturbed):
        assert bytes(dict(kernel.dump(state))[name]) == bytes(buffer)


@few
@given(histories())
def test_reserved_room_changes_nothing(history: History) -> None:
    def reserve(state: kernel.State) -> kernel.State:
        if state.books:
            kernel.reserve(state, history.name, 3_000)
        return state

    state, results = replay(history, reserve)
    assert_as_told(history, results)
    assert kernel.state_digest(state) == kernel.state_digest(replay(history)[0])


@few
@given(histories(), st.data())
def test_the_digest_of_touched_pages_is_the_digest_of_all(
    history: History, data: st.DataObject
) -> None:
    looks = data.draw(st.sets(st.integers(1, 14)))

    def look(state: kernel.State) -> kernel.State:
        if state.height in looks:
            kernel.state_digest(state)
        return state

    state, results = replay(history, look)
    assert_as_told(history, results)
    assert kernel.state_digest(state) == kernel.state_digest(replay(history)[0])


@few
@given(histories())
def test_a_block_that_does_not_follow_changes_nothing(history: History) -> None:
    state, _ = replay(history)
    before = {name: bytes(buffer) for name, buffer in kernel.dump(state)}
    last = history.blocks[-1]
    follower = replace(last, height=last.height + 1)
    for wrong in (
        last,
        replace(follower, height=last.height + 2),
        replace(follower, time_us=last.time_us - 1),
        replace(follower, time_us=1 << 62),
    ):
        with pytest.raises(BlockError):
            kernel.apply_block(state, wrong)
    assert before == {name: bytes(buffer) for name, buffer in kernel.dump(state)}
    kernel.apply_block(state, follower)


def test_a_half_written_state_is_never_used_again() -> None:
    state = kernel.initial_state(kernel.selftest.known_genesis())
    not_bytes = 7
    with pytest.raises(TypeError):
        kernel.apply_block(state, Block(1, 1, (not_bytes,)))  # type: ignore[arg-type]
    with pytest.raises(kernel.PoisonedError, match="start again from the journal"):
        kernel.apply_block(state, Block(1, 1, ()))


REPLAY = """
import random
from tests.kernel.replaying import assert_as_told, replay, shrink
from tieout import kernel
from tieout.testing.histories import tell

kernel.warm()
for seed in range({count}):
    history = tell(random.Random(seed).randbytes(900))
    state, results = replay(history)
    assert_as_told(history, results)
    assert_as_told(history, replay(history, shrink)[1])
    assert len(kernel.breaks(state, history.name)) == len(kernel.break_table(state, history.name))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("switch", "count", "hash_seed"),
    [("NUMBA_DISABLE_JIT", 4, "1"), ("NUMBA_BOUNDSCHECK", 60, "2"), ("TIEOUT_AS_USUAL", 60, "3")],
)
def test_checked_and_interpreted_code_says_the_same(
    switch: str, count: int, hash_seed: str
) -> None:
    environment = os.environ | {switch: "1", "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-W", "error", "-c", REPLAY.format(count=count)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (run.stderr, run.returncode) == ("", 0)
