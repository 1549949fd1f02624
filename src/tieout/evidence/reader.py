"""What packs and checkpoints need of a ledger, read from its journal.

The problem: a proof needs the hashes of all leaves, and the rules keep only the few that the root
grows from. The model: the blocks are read once, in order, and each leaf's hash goes into a log that
can prove; beside it stand the places of leaves, operations and block times. 64 bytes a leaf and two
numbers a block stay in memory; items are read again when they are asked for.

What is not here: writing, and judging: the journal's word for what became of an item is checked by
whoever verifies a pack, and by `audit`.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence

from tieout.evidence.checkpoint import Checkpoint
from tieout.evidence.cutoffs import note_cutoffs
from tieout.evidence.errors import MissingError
from tieout.evidence.membership import LoggedItem
from tieout.journal.journal import Journal
from tieout.merkle.log import Log
from tieout.merkle.tree import leaf_hash
from tieout.wire.batch import BATCH_TAG, HEADER_BYTES
from tieout.wire.block import Block, BlockResult
from tieout.wire.codes import ItemOutcome
from tieout.wire.ed25519 import SIGNATURE_BYTES
from tieout.wire.genesis import Genesis
from tieout.wire.leaf import leaf_bytes

SIGNED_HEAD_BYTES = HEADER_BYTES + SIGNATURE_BYTES


def leaf_hash_of(block: Block, index: int, outcome: ItemOutcome) -> bytes:
    """The hash of the leaf that an item of a block became (R-ITEM-2)."""
    data = block.items[index]
    is_batch = bytes(data[: len(BATCH_TAG)]) == BATCH_TAG
    signed = bytes(data[:SIGNED_HEAD_BYTES]) if is_batch else bytes(data)
    return leaf_hash(leaf_bytes(block.height, block.time_us, index, outcome, signed, b""))


class JournalReader:
    """The durable blocks of a journal, as `build_pack` asks for them."""

    def __init__(
        self,
        journal: Journal,
        genesis: Genesis,
        progress: Callable[[int], None] = lambda _height: None,
        *,
        height: int | None = None,
    ) -> None:
        """Reads all blocks, or those up to `height`; `progress` is called with each height.

        Blocks that come later are read by `catch_up`; what is asked of an earlier height stays.
        Raises JournalDamaged.
        """
        self._genesis = genesis
        self._journal = journal
        self._log = Log()
        self._operations: list[int] = []
        self._times_us = array("q", (0,))
        self._log_sizes = array("Q", (0,))
        self._app_hashes: list[bytes] = [b""]
        self._cutoffs_us: dict[str, list[int]] = {}
        self.catch_up(height, progress)

    def catch_up(
        self, height: int | None = None, progress: Callable[[int], None] = lambda _height: None
    ) -> None:
        """Read the blocks that were not read yet, up to a height. Raises JournalDamaged."""
        for entry in self._journal.entries(self.height + 1, height):
            self._note(entry.block, entry.result)
            progress(entry.block.height)

    @property
    def genesis(self) -> Genesis:
        """The genesis of the ledger."""
        return self._genesis

    @property
    def height(self) -> int:
        """The height of the last block that was read."""
        return len(self._times_us) - 1

    def checkpoint(self, height: int | None = None) -> Checkpoint:
        """What a checkpoint of a height commits to; without one, of the last block.

        Raises MissingError for a height that the ledger does not have.
        """
        height = self.height if height is None else height
        if not 1 <= height <= self.height:
            raise MissingError("height", f"there is no block {height}")
        size = self._log_sizes[height]
        return Checkpoint(
            ledger_id=self._genesis.ledger_id(),
            log_size=size,
            log_root=self._log.root_at(size),
            height=height,
            time_us=self._times_us[height],
            app_hash=self._app_hashes[height],
        )

    @property
    def cutoffs_us(self) -> Mapping[str, Sequence[int]]:
        """Times of the cut-offs that were closed up to `height`, by agreement, each once."""
        return self._cutoffs_us

    def find_records(
        self, agreement: str, originator: int, transaction_id: str
    ) -> list[tuple[int, int]]:
        """(leaf, row) of every row of accepted batches about the transaction."""
        places = self._journal.find_records(agreement, originator, transaction_id)
        return [(leaf, row) for leaf, row in places if leaf < self._log.size]

    def find_operations(self, _agreement: str, _originator: int, _transaction_id: str) -> list[int]:
        """Leaves of all accepted operations: they are few, and `build_pack` reads them anyway."""
        return self._operations

    def logged_item(self, leaf: int) -> LoggedItem:
        """The item at a leaf of the log. Raises MissingError beyond its end."""
        height = bisect_right(self._log_sizes, leaf)
        if height > self.height:
            raise MissingError("leaf", f"the log has {self._log.size} leaves, not {leaf + 1}")
        entry = self._journal.read(height)
        for index, result in enumerate(entry.result.items):
            if result.leaf == leaf:
                block = entry.block
                data = block.items[index]
                return LoggedItem(height, block.time_us, index, result.outcome, data)
        raise MissingError("leaf", f"block {height} does not have leaf {leaf}")

    def block_time_us(self, height: int) -> int:
        """The time of a block, microseconds UTC."""
        return self._times_us[height]

    def inclusion_path(self, leaf: int, log_size: int) -> Sequence[bytes]:
        """The RFC 6962 path of a leaf to the root of the first `log_size` leaves."""
        return self._log.inclusion_path(leaf, log_size)

    def leaf_hash(self, leaf: int) -> bytes:
        """The hash of a leaf. RangeError beyond the log's end."""
        return self._log.leaf_hash(leaf)

    def consistency_path(self, older_size: int, log_size: int) -> Sequence[bytes]:
        """The RFC 6962 path from the root of the first `older_size` leaves to that of `log_size`.

        RangeError unless 0 < older_size <= log_size <= the log's size.
        """
        return self._log.consistency_path(older_size, log_size)

    def _note(self, block: Block, result: BlockResult) -> None:
        for index, (data, became) in enumerate(zip(block.items, result.items, strict=True)):
            if became.leaf is None:
                continue
            is_batch = bytes(data[: len(BATCH_TAG)]) == BATCH_TAG
            self._log.append(leaf_hash_of(block, index, became.outcome))
            if not is_batch and became.outcome is ItemOutcome.ACCEPTED:
                self._operations.append(became.leaf)
        self._times_us.append(block.time_us)
        self._log_sizes.append(self._log.size)
        self._app_hashes.append(result.app_hash)
        note_cutoffs(self._cutoffs_us, block, result)
