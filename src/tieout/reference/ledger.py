"""The ledger: how a block of signed items changes the state (R-BLOCK-1 to R-ITEM-3).

Start reading here: the functions below are the table of contents of the rule book, in its order,
and every chapter is a file of this room.
"""

from collections.abc import Callable, Mapping
from typing import Final

from tieout.merkle.tree import leaf_hash
from tieout.reference import governing, motions, sequences
from tieout.reference.deadlines import judge_deadlines
from tieout.reference.digest import app_hash, state_digest
from tieout.reference.events import Events
from tieout.reference.items import Item, Signer, check_signer, has_signed_root, parse_item
from tieout.reference.operations import apply_operation
from tieout.reference.records import apply_batch
from tieout.reference.state import State
from tieout.reference.urgency import judge_urgency
from tieout.wire.batch import Batch
from tieout.wire.block import Block, BlockResult, ItemResult
from tieout.wire.codes import EventKind, ItemOutcome
from tieout.wire.errors import BlockError
from tieout.wire.ids import next_events_chain
from tieout.wire.leaf import leaf_bytes

LAST_TIME_US: Final = (1 << 62) - 1


def apply_block(state: State, block: Block) -> tuple[State, BlockResult]:
    """Apply a block under the rules version of the genesis.

    The given state is changed in place and returned. Raises BlockError, before anything is changed,
    for a block that breaks R-BLOCK-1.
    """
    return RULES[state.genesis.rules_version](state, block)


def _apply_block_1(state: State, block: Block) -> tuple[State, BlockResult]:
    _check_block(state, block)  # R-BLOCK-1
    state.height, state.time_us = block.height, block.time_us
    return _apply_content_of(state, block, Events())


def _apply_block_2(state: State, block: Block) -> tuple[State, BlockResult]:
    """As version 1, but members change by vote (R-MEMBER-6)."""
    _check_block(state, block)  # R-BLOCK-1
    state.height, state.time_us = block.height, block.time_us
    events = Events()
    governing.begin_block(state, events)
    return _apply_content_of(state, block, events)


def _apply_block_4(state: State, block: Block) -> tuple[State, BlockResult]:
    """As version 2, but people decide about transactions, too (R-DECIDE-4)."""
    _check_block(state, block)  # R-BLOCK-1
    state.height, state.time_us = block.height, block.time_us
    events = Events()
    governing.begin_block(state, events)
    motions.expire(state, events)
    return _apply_content_of(state, block, events)


def _apply_content_of(state: State, block: Block, events: Events) -> tuple[State, BlockResult]:
    """What a block brings, once it has begun (R-BLOCK-2)."""
    items = tuple(_apply_item(state, events, index, data) for index, data in enumerate(block.items))
    events.nothing_is_applied()
    judge_deadlines(state, events)  # R-TIME-1
    judge_urgency(state, events)  # R-SEVERITY-4
    sequences.name_gaps(state, events)  # R-SEQ-4
    if events.contain(EventKind.CUTOFF_CLOSED):
        state.state_digest = state_digest(state)
    told = events.to_array()
    state.events_chain = next_events_chain(state.events_chain, told.tobytes())  # R-BLOCK-3
    return state, BlockResult(block.height, app_hash(state), items, told)


RULES: Final[Mapping[int, Callable[[State, Block], tuple[State, BlockResult]]]] = {
    1: _apply_block_1,
    2: _apply_block_2,
    3: _apply_block_2,
    4: _apply_block_4,
}
"""The rule books by version; genesis says which one holds.

Versions 3 and 4 know more of agreements (R-AGREE-3) and of operations (`wire.operations`), which
are all that differs."""


def _check_block(state: State, block: Block) -> None:
    """R-BLOCK-1."""
    if block.height != state.height + 1:
        raise BlockError(f"block {block.height} does not follow block {state.height}")
    if not max(1, state.time_us) <= block.time_us <= LAST_TIME_US:
        raise BlockError(
            f"block {block.height}: its time {block.time_us} µs is before {state.time_us} µs,"
            " that of the block before it, or outside what a ledger can hold"
        )


def _apply_item(state: State, events: Events, index: int, data: bytes | memoryview) -> ItemResult:
    """Judge one item and keep what passed as a leaf (R-ITEM-1 to R-ITEM-3)."""
    item = parse_item(data, state.genesis.rules_version)
    if item is None:
        return ItemResult(ItemOutcome.MALFORMED)
    signer = check_signer(state, item)
    if isinstance(signer, ItemOutcome):
        return ItemResult(signer)
    if not has_signed_root(item):
        return ItemResult(ItemOutcome.WRONG_ROOT)
    events.item_is_applied(index)
    place = sequences.judge(state, item)  # R-SEQ-1, R-SEQ-3
    if place in (ItemOutcome.REPEATED, ItemOutcome.OUT_OF_WINDOW):
        return ItemResult(place)
    if place is ItemOutcome.EQUIVOCATION:
        sequences.tell_equivocation(item, events)
        result = ItemResult(place)
    else:
        sequences.use(state, item)  # R-SEQ-2
        result = _apply_content(state, events, item, signer)
    leaf = leaf_bytes(
        state.height, state.time_us, index, result.outcome, item.signed, item.signature
    )
    state.log.append(leaf_hash(leaf))  # R-ITEM-2
    return ItemResult(result.outcome, state.log.size - 1, result.rows, result.bad_row)


def _apply_content(state: State, events: Events, item: Item, signer: Signer) -> ItemResult:
    """What an item in time says; a refusal changes nothing (R-ITEM-3)."""
    if item.valid_until_us < state.time_us:
        return ItemResult(ItemOutcome.TOO_LATE)
    if isinstance(item.content, Batch):
        return apply_batch(state, item.content, events)
    return ItemResult(apply_operation(state, item.content, signer, events))
