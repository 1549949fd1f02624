"""Defects as they happen to people, each planted into every node, or into every house."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from tieout import kernel
from tieout.engines.replica import Replica
from tieout.journal.errors import JournalFailed
from tieout.journal.frame import TRAILER_BYTES
from tieout.journal.journal import SEGMENTS
from tieout.testing.dice import Dice
from tieout.testing.simulator.house import Deal, House
from tieout.testing.simulator.promises import Promise
from tieout.testing.simulator.world import Practice
from tieout.wire.block import Block, BlockResult
from tieout.wire.codes import AdjustmentStatus, EventKind, ItemOutcome
from tieout.wire.genesis import Genesis

PROPOSED: Final = AdjustmentStatus.PROPOSED


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

    def _replay(self, until: int | None) -> None:
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


class TakesABlockTwice(Replica):
    """A block that comes again is answered as before, whatever its height."""

    answered: Any = None

    def judge(self, block: Block) -> BlockResult:
        """The last answer, for a block that is not the next one."""
        if block.height == self.state.height + 1:
            self.answered = super().judge(block)
        answer: BlockResult = self.answered
        return answer


class PostsBeforeApproval(House):
    """The adjuster does at once what nobody has approved yet."""

    def _look_at(
        self, state: kernel.State, deal: Deal, now_us: int, people: Dice | None
    ) -> Iterator[bytes]:
        """Post first, and then go on as ever."""
        found = kernel.transaction(state, self._agreement.name, 0, deal.transaction_id.encode())
        for role, standing in enumerate(found.roles if found else ()):
            if found and standing.party == self.party and standing.adjustment is not None:
                agreement = state.books[found.agreement - 1].agreement
                adjustment = kernel.adjustment(state, found.agreement, standing.adjustment)
                if agreement.roles[role] == deal.role and adjustment.status == PROPOSED:
                    adjuster = self._adjuster(agreement, role)
                    yield from self._carry_out(state, adjuster, adjustment, standing, now_us)
        yield from super()._look_at(state, deal, now_us, people)


class ForgetsWhatItPosted(House):
    """The books keep no record of what was posted; after a stop it is posted again."""

    def restart(self) -> None:
        """As if the table had been in memory."""
        super().restart()
        tables = self.books.cursor()
        tables.execute("DROP TABLE IF EXISTS tieout_postings")


class PostsPastTheBooks(House):
    """A difference is entered by hand, without the adjustment's id."""

    def _carry_out(self, *about: Any) -> Iterator[bytes]:
        """Enter the same again."""
        _, _, adjustment, *_ = about
        business = self.books.cursor()
        (name,) = {deal.role for deal in self.deals if self._names(adjustment, deal)} or {""}
        if name:
            business.execute(
                f"INSERT INTO {name} SELECT * FROM {name} WHERE transaction_id = ?",
                (adjustment.transaction_id.decode(),),
            )
        yield from super()._carry_out(*about)

    def _names(self, adjustment: kernel.Adjustment, deal: Deal) -> bool:
        is_it = deal.transaction_id.encode() == adjustment.transaction_id
        return is_it and self._agreement.roles[adjustment.role] == deal.role


class ForgetsToPublish(House):
    """What was posted is in the books, and nobody is told what they say now."""

    def _publish(self, *about: Any) -> Iterator[bytes]:
        """Only what is new."""
        state, book, *_, deal, _ = about
        found = kernel.transaction(state, book.agreement.name, 0, deal.transaction_id.encode())
        role = book.agreement.roles.index(deal.role)
        if found is None or found.roles[role].party == 0:
            yield from super()._publish(*about)


class ForgetsWhatItSaid(House):
    """What was lost on the way is never said again."""

    def work(self, *about: Any) -> Iterator[bytes]:
        """With an outbox that sends nothing twice."""
        for box in (self._system, self._people):
            for said in box._said.values():
                said.height = 1 << 40
        yield from super().work(*about)


DEFECTS: Final[Sequence[tuple[Practice, Promise, int]]] = (
    (Practice(replica=AnswersBeforeSync), Promise.RECEIPTS, 100),
    (Practice(replica=BelievesAFailedSync), Promise.COMPOSURE, 300),
    (Practice(replica=SkipsRecovery), Promise.RECOVERY, 100),
    (Practice(replica=DropsTheLastFrame), Promise.RECEIPTS, 100),
    (Practice(replica=ForgetsDeadlines), Promise.AGREEMENT, 100),
    (Practice(replica=ReordersABlock), Promise.AGREEMENT, 100),
    (Practice(replica=KeepsOtherItems), Promise.ORDER, 300),
    (Practice(replica=HidesConflicts), Promise.AGREEMENT, 300),
    (Practice(replica=TakesABlockTwice), Promise.REDELIVERY, 300),
    (Practice(house=PostsBeforeApproval), Promise.CONSERVATION, 100),
    (Practice(house=ForgetsWhatItPosted), Promise.CONSERVATION, 300),
    (Practice(house=PostsPastTheBooks), Promise.CONSERVATION, 300),
    (Practice(house=ForgetsToPublish), Promise.SETTLEMENT, 300),
    (Practice(house=ForgetsWhatItSaid), Promise.SETTLEMENT, 100),
)
"""Each defect, the promise that it breaks, and the steps of one of the first seeds within which it
has to be found."""


def name_of(practice: Practice) -> str:
    """The name of the defect."""
    shipped = Practice()
    is_house = practice.replica is shipped.replica
    return practice.house.__name__ if is_house else practice.replica.__name__
