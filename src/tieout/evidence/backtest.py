"""The backtest: what a new version of an agreement would have said of everything recorded.

The problem: parties vote on a tighter tolerance without knowing how many alarms it would have
raised last month. The model: two worlds are played side by side with the readable rules. In the
one stands what was recorded, under the versions that were in force. In the other the new version
has been in force from the beginning, and every row is laid out anew for it (`refit.py`). Rows,
deadlines, cut-offs and what people did reach both worlds in the same order at the same times; the
verdicts that differ are told (`verdictchange.py`), each with the rules that decided in both.

What happened is not invented: the parties publish in the other world what they published in this
one. What somebody said about a correcting entry counts there when the same role is asked for the
same values; otherwise it falls away, and is counted.

Memory is bounded: a pass plays the transactions of one range of ids, and a ledger with more rows
than fit is read several times. Signatures and roots are not checked again (`audit.py` does), and
nothing is written. In each world all deadlines that are due are judged in the block in which they
are, but for the limit of R-TIME-1, which counts those of one pass.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from msgspec import structs

from tieout.agreement.model import Agreement
from tieout.agreement.stages import terms_of
from tieout.evidence.errors import MissingError
from tieout.evidence.limits import BACKTEST_ROWS, BACKTEST_SAMPLES
from tieout.evidence.refit import Refit
from tieout.evidence.verdictchange import VerdictChange, compare
from tieout.evidence.world import World
from tieout.reference.adjusting import id_of, latest_adjustment
from tieout.reference.cutoffs import close_cutoff
from tieout.reference.deadlines import judge_deadlines
from tieout.reference.governing import begin_block
from tieout.reference.items import Signer, parse_item, rows_of
from tieout.reference.motions import expire, key_of
from tieout.reference.operations import apply_operation
from tieout.reference.records import PLACE_SHIFT, apply_row
from tieout.reference.state import Book, TransactionKey, initial_state
from tieout.reference.transaction import Transaction
from tieout.reference.values import RowReader, amount_of
from tieout.units.ids import pad
from tieout.wire.batch import Batch
from tieout.wire.block import Block, BlockResult
from tieout.wire.codes import ItemOutcome, RowOutcome
from tieout.wire.genesis import Genesis
from tieout.wire.limits import ID_BYTES
from tieout.wire.members import ProposeChange, Vote
from tieout.wire.operations import (
    Acknowledge,
    AdjustmentStep,
    ByPeople,
    CloseCutoff,
    Confirm,
    Dispute,
    Enact,
    MoveReversal,
    MoveValue,
    Operation,
    Propose,
    VoteOnMotion,
    WithdrawDispute,
)
from tieout.wire.statements import StateDay

Kept = Iterable[tuple[Block, BlockResult]]
Word = Confirm | Acknowledge | Propose | AdjustmentStep | ByPeople

_FIRST_ID: Final = bytes(ID_BYTES)
_AFTER_LAST_ID: Final = b"\xff" * (ID_BYTES + 1)


@dataclass(slots=True)
class Backtest:
    """What a backtest went through. Counts are complete when all changes have been taken.

    `recorded` are the versions whose transactions were judged anew, each with what was taken for
    what. `kinds` counts differences by (kind of break, what would become of it), `statuses` by
    (status now, status under the new version).
    """

    agreement: Agreement
    recorded: list[Refit] = field(default_factory=list)
    records: int = 0
    transactions: int = 0
    changed: int = 0
    fallen_away: int = 0
    passes: int = 0
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    statuses: Counter[tuple[str, str]] = field(default_factory=Counter)


def survey(
    kept: Callable[[], Kept],
    genesis: Genesis,
    agreement: Agreement,
    progress: Callable[[int], None] = lambda _done: None,
) -> "Backtester":
    """Read the whole ledger once: which versions there are, how many rows, how ids lie.

    `kept` begins at the first block each time that it is called. Raises MissingError when no
    agreement of this name is in force, or the rules of the ledger do not know all that the new
    version states (R-AGREE-3).
    """
    if agreement.needs_rules > genesis.rules_version:
        what = (
            f"needs rules version {agreement.needs_rules}; the ledger has {genesis.rules_version}"
        )
        raise MissingError(agreement.name, what)
    report = Backtest(agreement)
    sample = _Sample()
    replay = _Replay(genesis, report, sample=sample)
    for height, (block, result) in enumerate(kept(), start=1):
        replay.take(block, result)
        progress(height)
    names = [book.agreement.name for book in replay.recorded.state.books]
    if agreement.name not in names:
        known = ", ".join(dict.fromkeys(names)) or "none"
        raise MissingError(agreement.name, f"is not in force; in force are: {known}")
    report.recorded = list(replay.refits.values())
    return Backtester(kept, genesis, report, sample)


@dataclass(slots=True)
class Backtester:
    """A surveyed ledger, ready to be played. `report` grows while `changes` is taken."""

    kept: Callable[[], Kept]
    genesis: Genesis
    report: Backtest
    sample: "_Sample"

    @property
    def passes(self) -> int:
        """How often the ledger will be read."""
        return len(self._ranges())

    def changes(
        self,
        since_us: int = 0,
        progress: Callable[[int], None] = lambda _done: None,
    ) -> Iterator[VerdictChange]:
        """Each transaction of which something would be judged otherwise, in the order of ids.

        Only those opened at `since_us` or later. `progress` is called with the number of blocks
        read so far, in all passes.
        """
        done = 0
        for first, end in self._ranges():
            replay = _Replay(self.genesis, self.report, since_us, first, end)
            for block, result in self.kept():
                replay.take(block, result)
                done += 1
                progress(done)
            self.report.passes += 1
            yield from replay.changes()

    def _ranges(self) -> list[tuple[bytes, bytes]]:
        """Ranges of ids with about as many rows as a pass may have."""
        count = max(1, -(-self.sample.rows // BACKTEST_ROWS))
        ids = sorted(self.sample.ids)
        borders = sorted({ids[len(ids) * place // count] for place in range(1, count)})
        return list(zip([_FIRST_ID, *borders], [*borders, _AFTER_LAST_ID], strict=True))


@dataclass(slots=True)
class _Sample:
    """How many rows there are, and the ids of every so many-th of them."""

    rows: int = 0
    step: int = 1
    ids: list[bytes] = field(default_factory=list)

    def take(self, transaction_id: bytes) -> None:
        if self.rows % self.step == 0:
            self.ids.append(transaction_id)
        self.rows += 1
        if len(self.ids) > BACKTEST_SAMPLES:
            self.ids = self.ids[::2]
            self.step *= 2


class _Replay:
    """Plays the blocks of a ledger in both worlds, as far as ids from `first` to before `end` go.

    Without a range nothing but enactments and changes of members is played.
    """

    def __init__(
        self,
        genesis: Genesis,
        report: Backtest,
        since_us: int = 0,
        first: bytes = _FIRST_ID,
        end: bytes = _FIRST_ID,
        sample: _Sample | None = None,
    ) -> None:
        self.recorded = World(initial_state(genesis))
        self.anew = World(initial_state(genesis))
        self.refits: dict[int, Refit] = {}
        self._report = report
        self._since_us = since_us
        self._first, self._end = first, end
        self._sample = sample
        new = report.agreement
        holders: tuple[tuple[int, ...], ...] = ((),) * len(new.roles)
        self._book = Book(1, new, holders, bytes(32), RowReader(new), terms_of(new))
        self.anew.state.books.append(self._book)
        self.anew.state.newest[new.name] = self._book

    def take(self, block: Block, result: BlockResult) -> None:
        """Play one block: what the ledger accepted of it, then the deadlines (R-BLOCK-2)."""
        for world in (self.recorded, self.anew):
            world.state.height, world.state.time_us = block.height, block.time_us
        state = self.recorded.state
        if state.genesis.rules_version > 1:
            begin_block(state, self.recorded.events)
            self.anew.state.members = state.members
        for world in (self.recorded, self.anew):
            expire(world.state, world.events)
        for data, item_result in zip(block.items, result.items, strict=True):
            if item_result.outcome is ItemOutcome.ACCEPTED:
                self._take_item(data, item_result.leaf or 0)
        for world in (self.recorded, self.anew):
            judge_deadlines(world.state, world.events)
        self._learn()

    def changes(self) -> Iterator[VerdictChange]:
        """What would be judged otherwise; counted as it is taken."""
        name = self._report.agreement.name
        played = [
            each
            for book in self.recorded.state.books
            if book.agreement.name == name
            for each in book.transactions
            if each.opened_us >= self._since_us
        ]
        played.sort(key=lambda each: (each.transaction_id, each.originator))
        for transaction in played:
            self._report.transactions += 1
            change = compare(self.recorded, self.anew, transaction)
            if change is not None:
                self._count(change)
                yield change

    def _count(self, change: VerdictChange) -> None:
        self._report.changed += 1
        if change.status != change.status_anew:
            self._report.statuses[change.status, change.status_anew] += 1
        for each in change.differences:
            self._report.kinds[each.kind, each.fate.value] += 1

    def _learn(self) -> None:
        """Both worlds have seen the same: now each can say what it makes of the other's breaks."""
        self.recorded.learn(self.anew)
        self.anew.learn(self.recorded)

    def _take_item(self, data: bytes | memoryview, leaf: int) -> None:
        state = self.recorded.state
        item = parse_item(data, state.genesis.rules_version)
        if item is None:
            return
        if isinstance(item.content, Batch):
            if item.content.header.agreement == self._report.agreement.name:
                self._take_batch(item.content, leaf)
            return
        party = state.members.find(item.party)
        found = party.find_key(item.key) if party else None
        if found is not None:
            self._take_operation(item.content, Signer(item.party, found[0].number))
        self._learn()

    # ------------------------------------------------------------ records

    def _take_batch(self, batch: Batch, leaf: int) -> None:
        header = batch.header
        book = self.recorded.state.find_book(header.agreement, header.version)
        if book is None:
            return
        refit = self._refit(book)
        for index, image in enumerate(rows_of(batch)):
            transaction_id = image[:ID_BYTES]
            if self._sample is not None:
                self._sample.take(transaction_id)
            if self._first <= transaction_id < self._end:
                place = leaf << PLACE_SHIFT | index
                self._take_row(book, refit, header.party, header.role, image, place)

    def _take_row(
        self, book: Book, refit: Refit, party: int, role: int, image: bytes, place: int
    ) -> None:
        """Let both worlds judge a row; the other one, only if it may be spoken of (R-PIN-1)."""
        row = book.reader.read(image, role, place)
        if row is None:
            return
        state = self.recorded.state
        outcome = apply_row(state, book, party, role, row, self.recorded.events)
        if outcome is RowOutcome.WRONG_VERSION:
            return
        key = TransactionKey(book.agreement.name, row.originator, row.transaction_id, row.stage)
        if state.transactions[key].opened_us >= self._since_us:
            self._report.records += 1
            taken, fitted = refit.role(role), refit.row(image, row, role)
            if taken is not None and fitted is not None:
                apply_row(self.anew.state, self._book, party, taken, fitted, self.anew.events)
        self._learn()

    def _refit(self, book: Book) -> Refit:
        """From a recorded version to the new one."""
        if book.number not in self.refits:
            known = {each.old.version: each for each in self._report.recorded}
            refit = known.get(book.agreement.version)
            self.refits[book.number] = refit or Refit(book.agreement, self._book.agreement)
        return self.refits[book.number]

    # ------------------------------------------------------------ operations

    def _take_operation(self, operation: Operation, signer: Signer) -> None:
        """Let both worlds do what somebody asked for, as far as it means something in the other."""
        body = operation.body
        if isinstance(body, StateDay):
            return  # what it says changes no verdict
        if not isinstance(body, Enact | ProposeChange | Vote | CloseCutoff):
            self._take_word(operation, body, signer)
            return
        apply_operation(self.recorded.state, operation, signer, self.recorded.events)
        if isinstance(body, CloseCutoff) and body.agreement == self._report.agreement.name:
            self._book.holders = ((signer.party,),)  # the ledger has said that it may
            close_cutoff(self.anew.state, body, signer.party, self.anew.events)

    def _take_word(self, operation: Operation, body: Word, signer: Signer) -> None:
        """What somebody said about one transaction, in words that the other world understands."""
        padded = pad(body.transaction_id.encode("utf-8"), ID_BYTES)
        key = TransactionKey(body.agreement, body.originator, padded, 0)
        transaction = self.recorded.state.transactions.get(key)
        if transaction is None:
            return
        twin = self.anew.state.transactions.get(key)
        self._book.holders = ((signer.party,),) * len(self._book.agreement.roles)
        meant = self._meant(body, transaction, twin) if twin else None
        apply_operation(self.recorded.state, operation, signer, self.recorded.events)
        if transaction.opened_us < self._since_us:
            return
        outcome = ItemOutcome.NOT_APPLICABLE
        if meant is not None:
            anew = replace(operation, body=meant)
            outcome = apply_operation(self.anew.state, anew, signer, self.anew.events)
        if outcome is not ItemOutcome.ACCEPTED:
            self._report.fallen_away += 1

    def _meant(self, body: Word, transaction: Transaction, twin: Transaction) -> Word | None:
        """The same word about the twin in the other world; None where it has no meaning there."""
        if isinstance(body, MoveReversal):
            return body
        if isinstance(body, Confirm | Acknowledge):
            return structs.replace(body, episode=twin.episode)
        book = self.recorded.state.book_of(transaction)
        refit = self._refit(book)
        if isinstance(body, VoteOnMotion):
            motion = self.anew.state.motions.get(key_of(twin))
            return structs.replace(body, motion=motion.name) if motion else None
        if isinstance(body, MoveValue):
            return refit.motion(body)
        role = refit.role(body.role)
        if role is None:
            return None
        if isinstance(body, Propose | Dispute | WithdrawDispute):
            return structs.replace(body, role=role)
        was = latest_adjustment(book, transaction, body.role)
        now = latest_adjustment(self._book, twin, role)
        if was is None or now is None:
            return None
        asked = {f: amount_of(value) for f, value in now.benchmarks.items()}
        if refit.values(was.benchmarks) != asked:
            return None
        return structs.replace(
            body, role=role, adjustment=id_of(self.anew.state.ledger_id, self._book, now)
        )
