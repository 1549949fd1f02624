"""Defects as they happen to people, each planted into the replica of every node."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from tieout.engines.replica import Replica
from tieout.journal.errors import JournalFailed
from tieout.journal.frame import TRAILER_BYTES
from tieout.journal.journal import SEGMENTS
from tieout.wire.block import Block, BlockResult
from tieout.wire.codes import EventKind, ItemOutcome
from tieout.wire.genesis import Genesis


class AnswersBeforeSync(Replica):
    """Receipts go out while the block is on its way to the disk."""

    def sync(self) -> None:
        """Later, perhaps."""

    def snapshot(self) -> Path:
        """Of a state that is durable, as ever."""
        super().sync()
        return super().snapshot()


class BelievesAFailedSync(Replica):
    """A sync that failed is taken for one that was done."""

    def sync(self) -> None:
        """Whatever comes of it."""
        with suppress(JournalFailed):
            super().sync()


class SkipsRecovery(Replica):
    """What the journal has behind the newest snapshot is not replayed."""

    def _replay(self) -> None:
        """Not at all."""


class DropsTheLastFrame(Replica):
    """Opening takes a whole last frame for a torn one, and cuts it off."""

    @classmethod
    def open(cls, directory: Path, genesis: Genesis, **how: Any) -> Self:
        """Cut the end of the last segment before it is read."""
        for path in sorted((directory / SEGMENTS).glob("*.seg"))[-1:]:
            written = path.read_bytes().rstrip(b"\0")
            path.write_bytes(written[:-TRAILER_BYTES])
        return super().open(directory, genesis, **how)


class ForgetsDeadlines(Replica):
    """What is due in a block is judged as if no time had passed."""

    def judge(self, block: Block) -> BlockResult:
        """At the time of the block before."""
        time_us = self.state.time_us if self.state.height else block.time_us
        return super().judge(replace(block, time_us=time_us))


class ReordersABlock(Replica):
    """The items of a block are taken as they sort, not as they were agreed on."""

    def judge(self, block: Block) -> BlockResult:
        """In an order of this node's own."""
        return super().judge(replace(block, items=tuple(sorted(map(bytes, block.items)))))


class KeepsOtherItems(Replica):
    """A block is kept in other bytes than it was judged by."""

    def keep(self, block: Block, result: BlockResult) -> None:
        """Refused items are not thought worth keeping, though they have their places."""
        items = tuple(
            b"" if told.outcome is ItemOutcome.MALFORMED else item
            for item, told in zip(block.items, result.items, strict=True)
        )
        super().keep(replace(block, items=items), result)


class HidesConflicts(Replica):
    """Who signs two things under one number is refused, and not named."""

    def judge(self, block: Block) -> BlockResult:
        """Without the event."""
        result = super().judge(block)
        kept: Any = result.events["kind"] != np.uint8(EventKind.EQUIVOCATION)
        return replace(result, events=result.events[kept])


DEFECTS: Final[Sequence[tuple[type[Replica], int]]] = (
    (AnswersBeforeSync, 600),
    (BelievesAFailedSync, 2_000),
    (SkipsRecovery, 300),
    (DropsTheLastFrame, 300),
    (ForgetsDeadlines, 300),
    (ReordersABlock, 300),
    (KeepsOtherItems, 1_000),
    (HidesConflicts, 600),
)
"""Each defect, and the steps of one of the first seeds within which it has to be found."""
