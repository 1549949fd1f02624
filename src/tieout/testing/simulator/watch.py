"""What must hold whatever happens: checked after every step, by somebody who sees everything.

`promises.py` says what each of it is. What a node tells is held against the reference, and against
all that was told before: both implementations could be wrong alike.
"""

import hashlib
from typing import Final

import numpy as np

from tieout.reference.items import parse_item
from tieout.reference.state import State
from tieout.testing.simulator.count import Counter
from tieout.testing.simulator.node import Node
from tieout.testing.simulator.promises import Promise, require
from tieout.wire.block import Block, BlockResult
from tieout.wire.codes import EventKind, ItemOutcome
from tieout.wire.genesis import Genesis

_PARTY_SHIFT: Final = 16
Number = tuple[int, int, int]
"""Party, stream and sequence number."""


class Watch:
    """Knows the ordered blocks and what the reference made of them."""

    def __init__(self, genesis: Genesis) -> None:
        self._genesis = genesis
        self.blocks: list[Block] = []
        self.expected: list[BlockResult] = []
        self._used: dict[Number, bytes] = {}
        self._approved: set[tuple[int, int]] = set()
        self._posted: set[tuple[int, int]] = set()
        self.counter = Counter(genesis.ledger_id())
        self.first_unseen = 1
        """The height of the first block that no node has judged."""
        self.conflicts = 0
        """How many were named so far."""

    def order(self, block: Block, expected: BlockResult, state: State) -> None:
        """Take the next block that the orderer agreed on, and what the reference says it does."""
        self.blocks.append(block)
        self.expected.append(expected)
        for event in expected.events[expected.events["kind"] == int(EventKind.ADJUSTMENT_APPROVED)]:
            book = state.books[int(event["agreement"]) - 1]
            self.counter.approve(block.height, book, book.adjustments[int(event["extra"])])

    def check_judged(self, node: Node, block: Block, result: BlockResult) -> None:
        """A node's outcome of a block is the reference's. Raises Broken."""
        expected = self.expected[block.height - 1]
        require(
            Promise.AGREEMENT,
            f"node {node.number} has another app hash at block {block.height}",
            holds=result.app_hash == expected.app_hash,
        )
        require(
            Promise.AGREEMENT,
            f"node {node.number} tells other outcomes or events of block {block.height}",
            holds=result.items == expected.items and bytes(result.events) == bytes(expected.events),
        )

    def check_first_judged(self, block: Block, result: BlockResult) -> None:
        """What the first node to judge a block says agrees with all blocks before. Raises Broken.

        Told by the node's own outcomes, not by the reference's: both could be wrong alike.
        """
        self.first_unseen = block.height + 1
        named = _named_equivocations(result)
        for index, (data, told) in enumerate(zip(block.items, result.items, strict=True)):
            item = parse_item(data, self._genesis.rules_version) if told.leaf is not None else None
            if item is None:
                told_of = f"block {block.height} keeps what nobody can read"
                require(Promise.SEQUENCES, told_of, holds=told.leaf is None)
                continue
            number = (item.party, item.stream.stream, item.sequence)
            if told.outcome is ItemOutcome.EQUIVOCATION:
                require(
                    Promise.CONFLICTS,
                    f"the conflicting signer {number} in block {block.height} is not named",
                    holds=(index, *number) in named,
                )
                require(
                    Promise.CONFLICTS,
                    f"{number} is named in block {block.height} without a conflict",
                    holds=self._used.get(number) not in (None, item.digest()),
                )
            else:
                told_of = f"the number {number} is used twice"
                require(Promise.SEQUENCES, told_of, holds=number not in self._used)
                self._used[number] = item.digest()
        self._check_postings(block, result)
        self.conflicts += len(named)

    def _check_postings(self, block: Block, result: BlockResult) -> None:
        for event in result.events:
            adjustment = (int(event["agreement"]), int(event["extra"]))
            if event["kind"] == EventKind.ADJUSTMENT_APPROVED:
                self._approved.add(adjustment)
            elif event["kind"] == EventKind.ADJUSTMENT_POSTED:
                require(
                    Promise.POSTINGS,
                    f"adjustment {adjustment} is posted again, or unasked, in block {block.height}",
                    holds=adjustment in self._approved and adjustment not in self._posted,
                )
                self._posted.add(adjustment)

    def check_opened(self, node: Node) -> None:
        """A node that was opened has what it promised, and goes on from there. Raises Broken."""
        assert node.replica is not None
        durable = node.replica.journal.durable
        require(
            Promise.RECEIPTS,
            f"node {node.number} gave receipts up to block {node.promised}, has {durable.height}",
            holds=durable.height >= node.promised,
        )
        require(
            Promise.RECOVERY,
            f"node {node.number} has a state of block {node.height}, a journal of {durable.height}",
            holds=node.height == durable.height <= len(self.blocks),
        )
        if durable.height:
            self._check_kept(node, durable.height)
        # What it judged just before it stopped was told to nobody, and may be the first.
        for height in range(self.first_unseen, durable.height + 1):
            entry = node.replica.journal.read(height)
            self._check_kept(node, height)
            self.check_first_judged(entry.block, entry.result)

    def check_journal(self, node: Node) -> None:
        """All that a node keeps is what was ordered. Raises Broken."""
        assert node.replica is not None
        for height in range(1, node.replica.journal.durable.height + 1):
            self._check_kept(node, height)

    def _check_kept(self, node: Node, height: int) -> None:
        assert node.replica is not None
        entry = node.replica.journal.read(height)
        expected = self.blocks[height - 1]
        kept = (entry.block.height, entry.block.time_us, tuple(map(bytes, entry.block.items)))
        require(
            Promise.ORDER,
            f"node {node.number} keeps another block {height} than was ordered",
            holds=kept == (expected.height, expected.time_us, tuple(map(bytes, expected.items)))
            and entry.header.app_hash == self.expected[height - 1].app_hash,
        )
        result = self.expected[height - 1]
        require(
            Promise.RECEIPTS,
            f"node {node.number} keeps other receipts of block {height} than it had to give",
            holds=entry.result.items == result.items
            and bytes(entry.result.events) == bytes(result.events),
        )


def digest_of(result: BlockResult) -> str:
    """A few letters for a block's outcome, for the trace."""
    return hashlib.sha256(result.app_hash + bytes(result.events)).hexdigest()[:16]


def _named_equivocations(result: BlockResult) -> set[tuple[int, int, int, int]]:
    events = result.events[result.events["kind"] == int(EventKind.EQUIVOCATION)]
    return {_equivocation(event) for event in events}


def _equivocation(event: np.void) -> tuple[int, int, int, int]:
    party, stream = divmod(int(event["extra"]), 1 << _PARTY_SHIFT)
    return int(event["item"]), party, stream, int(event["serial"])
