"""The ledger: how a block of signed items changes the state (R-BLOCK-1 to R-ITEM-3).

Start reading here: the functions below are the order of the rule book. Rows go through the compiled
loops (`apply`, `judge`); items, sequences and operations are plain Python around them.
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from tieout.kernel import governing, motions
from tieout.kernel.batches import apply_batch, has_signed_root, vouched_for
from tieout.kernel.digest import app_hash, state_digest
from tieout.kernel.found import Speaker
from tieout.kernel.items import Item, check_signer, parse_item
from tieout.kernel.operations import apply_operation
from tieout.kernel.sequences import Stream
from tieout.kernel.state import PoisonedError, State
from tieout.kernel.timing import judge_deadlines
from tieout.kernel.urgency import judge_urgency
from tieout.merkle.tree import leaf_hash
from tieout.wire.batch import Batch
from tieout.wire.block import Block, BlockResult, ItemResult
from tieout.wire.codes import NO_ITEM, EventKind, ItemOutcome
from tieout.wire.errors import BlockError
from tieout.wire.events import EVENT_DTYPE
from tieout.wire.ids import next_events_chain
from tieout.wire.leaf import leaf_bytes
from tieout.wire.limits import MAX_ABS_NUMBER, SEQUENCE_GAP_US


def apply_block(state: State, block: Block) -> tuple[State, BlockResult]:
    """Apply a block under the rules version of the genesis.

    The given state is changed in place and returned. Raises BlockError, before anything is changed,
    for a block that breaks R-BLOCK-1. Any other exception leaves the state poisoned: the process
    must stop; applying another block then raises PoisonedError.
    """
    if state.is_poisoned:
        raise PoisonedError(
            f"the state after block {state.height} is half written; "
            "stop this process and start again from the journal"
        )
    _check_block(state, block)  # R-BLOCK-1
    state.is_poisoned = True
    result = RULES[state.genesis.rules_version](state, block)
    state.is_poisoned = False
    return state, result


def _apply_block_1(state: State, block: Block) -> BlockResult:
    state.height, state.time_us = block.height, block.time_us
    return _apply_content(state, block)


def _apply_block_2(state: State, block: Block) -> BlockResult:
    """As version 1, but members change by vote."""
    state.height, state.time_us = block.height, block.time_us
    governing.begin_block(state)  # R-MEMBER-6
    return _apply_content(state, block)


def _apply_block_4(state: State, block: Block) -> BlockResult:
    """As version 2, but people decide about transactions, too."""
    state.height, state.time_us = block.height, block.time_us
    governing.begin_block(state)  # R-MEMBER-6
    motions.expire(state)  # R-DECIDE-4
    return _apply_content(state, block)


def _apply_content(state: State, block: Block) -> BlockResult:
    """What a block brings, once it has begun (R-BLOCK-2)."""
    items = tuple([_apply_item(state, i, data) for i, data in enumerate(block.items)])
    judge_deadlines(state)  # R-TIME-1
    judge_urgency(state)  # R-SEVERITY-4
    _name_gaps(state)  # R-SEQ-4
    if state.is_digest_due:
        state.state_digest = state_digest(state)
        state.is_digest_due = False
    told = state.events.take()
    state.events_chain = next_events_chain(state.events_chain, told)  # R-BLOCK-3
    return BlockResult(block.height, app_hash(state), items, np.frombuffer(told, EVENT_DTYPE))


RULES: Final[Mapping[int, Callable[[State, Block], BlockResult]]] = {
    1: _apply_block_1,
    2: _apply_block_2,
    3: _apply_block_2,
    4: _apply_block_4,
}
"""The rule books by version; genesis says which one holds.

Versions 3 and 4 know more of agreements (R-AGREE-3) and of operations (`wire.operations`), which
are all that differs."""


def _check_block(state: State, block: Block) -> None:
    if block.height != state.height + 1:
        raise BlockError(f"block {block.height} does not follow block {state.height}")
    if not max(1, state.time_us) <= block.time_us <= MAX_ABS_NUMBER:
        raise BlockError(
            f"block {block.height}: its time {block.time_us} µs is before {state.time_us} µs, "
            "that of the block before it, or outside what a ledger can hold"
        )


def _apply_item(state: State, index: int, data: bytes | memoryview) -> ItemResult:
    """Judge one item and keep what passed as a leaf (R-ITEM-1 to R-ITEM-3)."""
    item = parse_item(data, state.genesis.rules_version)
    if item is None:
        return ItemResult(ItemOutcome.MALFORMED)
    key = check_signer(state, item)
    if isinstance(key, ItemOutcome):
        return ItemResult(key)
    vouched = vouched_for(state, item)
    if vouched is None and not has_signed_root(item):
        return ItemResult(ItemOutcome.WRONG_ROOT)
    place = _take_number(state, item)  # R-SEQ-1, R-SEQ-3
    if place is ItemOutcome.EQUIVOCATION:
        party, stream = item.stream
        extra = party << 16 | stream
        state.events.tell(EventKind.EQUIVOCATION, item=index, extra=extra, serial=item.sequence)
        result = ItemResult(place)
    elif place is not ItemOutcome.ACCEPTED:
        return ItemResult(place)
    elif item.valid_until_us < state.time_us:
        result = ItemResult(ItemOutcome.TOO_LATE)
    elif isinstance(item.content, Batch):
        result = apply_batch(state, item.content, index, vouched)
    else:
        speaker = Speaker(item.content.party, key.person, index)
        result = ItemResult(apply_operation(state, item.content, speaker))
    leaf = leaf_bytes(
        state.height, state.time_us, index, result.outcome, item.signed, item.signature
    )
    state.log.append(leaf_hash(leaf))  # R-ITEM-2
    return ItemResult(result.outcome, state.log.size - 1, result.rows, result.bad_row)


def _take_number(state: State, item: Item) -> ItemOutcome:
    """Judge the item's sequence number, and use it up when it is in its place (R-SEQ-2)."""
    stream = state.streams.get(item.stream)
    if stream is None:
        stream = Stream()
    outcome = stream.judge(item.sequence, item.digest)
    if outcome is ItemOutcome.ACCEPTED:
        stream.use(item.sequence, item.digest, state.time_us)
        state.streams[item.stream] = stream
        if stream.gap_since_us:
            state.gaps[item.stream] = stream
        else:
            state.gaps.pop(item.stream, None)
    return outcome


def _name_gaps(state: State) -> None:
    """Name each gap that stays open for too long, once (R-SEQ-4)."""
    for key in sorted(state.gaps):
        stream = state.gaps[key]
        is_long = state.time_us - stream.gap_since_us > SEQUENCE_GAP_US
        if is_long and not stream.gap_named:
            stream.gap_named = True
            extra = key[0] << 16 | key[1]
            serial = stream.lowest_unused
            state.events.tell(EventKind.SEQUENCE_GAP, item=NO_ITEM, extra=extra, serial=serial)
