"""Proofs of leaves: the log with the hashes of all leaves, read from the journal when first asked.

The rules keep only what the root grows from. Here all hashes stay, 64 bytes a leaf; the first
question reads the whole journal, the next ones what came since.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tieout import kernel
from tieout.engines.errors import EngineError
from tieout.evidence.reader import SIGNED_HEAD_BYTES, leaf_hash_of
from tieout.journal.journal import Journal
from tieout.merkle.log import Log
from tieout.wire.batch import BATCH_TAG


class ProvenLeaf(NamedTuple):
    """A leaf with its place, the signed bytes and signature in it, and its path to the root."""

    height: int
    time_us: int
    item: int
    outcome: int
    signed: bytes
    path: Sequence[bytes]


class LeafLog:
    """The log of a journal. For one thread at a time; it may be another one than the writer's."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._height = journal.base.height
        self._log: Log | None = None

    def prove(self, leaf: int, log_size: int) -> ProvenLeaf | None:
        """A leaf and its path to the root at `log_size`; None when it is not kept here.

        Raises the journal's errors.
        """
        place = self._journal.find_leaf(leaf)
        if place is None or not leaf < log_size <= self._journal.durable.log_size:
            return None
        entry = self._journal.read(place.height)
        data = entry.block.items[place.item]
        is_batch = data[: len(BATCH_TAG)] == BATCH_TAG
        return ProvenLeaf(
            place.height,
            entry.block.time_us,
            place.item,
            entry.result.items[place.item].outcome,
            bytes(data[:SIGNED_HEAD_BYTES] if is_batch else data),
            self._grown().inclusion_path(leaf, log_size),
        )

    def _grown(self) -> Log:
        """The log with everything that is durable."""
        log = self._log or self._begun()
        for entry in self._journal.entries(self._height + 1):
            for index, result in enumerate(entry.result.items):
                if result.leaf is not None:
                    log.append(leaf_hash_of(entry.block, index, result.outcome))
            self._height = entry.block.height
        self._log = log
        return log

    def _begun(self) -> Log:
        if self._journal.base.height == 0:
            return Log()
        parts = self._journal.base_parts()
        if parts is None:
            raise EngineError(
                "the state with which this copy of the ledger begins is not there any more",
                "ask another node, or take a copy over anew",
            )
        return Log.after(kernel.log_frontier(parts))
