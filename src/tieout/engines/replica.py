"""One copy of a ledger: its state in memory, its journal on disk, and the order between the two.

The problem: every engine orders blocks in its own way and must keep them in the same one, or a
ledger's promises would depend on who orders it.

The model: a block is *judged* (applied to the state), *kept* (framed into the journal) and
*synced*. The commit point is the return of `sync`: what an engine answers, and what anybody else
may read, comes after it. What was judged but not synced when the process dies did not happen;
opening replays what the journal has through the same `apply_block`. A failure to write is final, as
nobody knows what the disk holds: what was promised is kept, and the ledger has to be opened again.

What is not here: who orders blocks, and at what time (the engines); which items are worth a block.
"""

import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from tieout import kernel
from tieout.engines.cores import on_two_cores
from tieout.engines.errors import EngineError, LedgerDamaged
from tieout.engines.warm import warm
from tieout.journal.disk import SYSTEM_DISK, Disk
from tieout.journal.journal import Journal
from tieout.journal.limits import SEGMENT_BYTES
from tieout.journal.snapshot import ReadPart
from tieout.wire.block import Block, BlockResult
from tieout.wire.errors import BlockError
from tieout.wire.genesis import Genesis

SNAPSHOT_AFTER_BYTES: Final = 64 * 1024 * 1024
"""Replaying more than this takes about half a second: then a snapshot is worth it."""


class RunningSnapshot:
    """A snapshot that is written while blocks go on. Made by `Replica.begin_snapshot`; finish it.

    `finish` may run in a thread of its own. A block waits for one piece to be read, and no longer.
    """

    def __init__(self, journal: Journal, still: kernel.Still, guard: threading.Lock) -> None:
        """`guard` is held by whoever applies a block. Raises SnapshotFailed."""
        self._still = still
        self._guard = guard
        self.is_over = False
        """Whether nothing is read any more, for whatever reason."""
        large = [(name, ReadPart(part.size, self._reader(part))) for name, part in still.large]
        self._writer = journal.snapshot_writer([*still.small, *large])

    def _reader(self, part: kernel.StillPart) -> Callable[[int, int], memoryview]:
        def read(start: int, end: int) -> memoryview:
            with self._guard:
                return part.read(start, end)

        return read

    @property
    def is_lost(self) -> bool:
        """Whether a block changed so much at once that the snapshot was given up."""
        return self._still.is_lost

    def finish(self) -> Path | None:
        """Write what is left; the path, None when the snapshot was lost. Raises SnapshotFailed."""
        try:
            return self._writer.finish()
        except kernel.SnapshotError:
            self._writer.abandon()
            return None
        finally:
            with self._guard:
                self._still.end()
            self.is_over = True


class Replica:
    """An open copy of a ledger. Made by `open`; close it.

    One writer at a time. `judge` may run in one thread while another keeps and syncs the blocks
    before. `state` is the kernel's, as of the last judged block; nothing may be asked of it while
    `judge` runs.
    """

    def __init__(self, genesis: Genesis, journal: Journal, state: kernel.State) -> None:
        self.genesis = genesis
        self.journal = journal
        self.state = state
        state.spread = on_two_cores
        self.replayed_bytes = 0
        """How much of the journal was replayed when this copy was opened."""
        self._failure: BaseException | None = None
        self._applying = threading.Lock()

    @classmethod
    def open(
        cls,
        directory: Path,
        genesis: Genesis,
        *,
        read_only: bool = False,
        segment_bytes: int = SEGMENT_BYTES,
        disk: Disk = SYSTEM_DISK,
        at_height: int | None = None,
    ) -> Self:
        """Open the journal in `directory`, replaying what its newest snapshot does not have.

        With `at_height`, for reading alone, the state is that after this block. Raises EngineError,
        and the journal's errors (damaged, locked).
        """
        warm()
        journal = Journal.open(
            directory,
            genesis.ledger_id(),
            read_only=read_only,
            segment_bytes=segment_bytes,
            disk=disk,
        )
        try:
            replica = cls(genesis, journal, _restored(genesis, journal, at_height))
            replica._replay(at_height)
        except BaseException:
            journal.close()
            raise
        return replica

    def _replay(self, until: int | None) -> None:
        for entry in self.journal.entries(self.state.height + 1):
            if until is not None and entry.block.height > until:
                return
            try:
                self.state, result = kernel.apply_block(self.state, entry.block)
            except BlockError as error:
                raise LedgerDamaged(entry.block.height, f"cannot be applied: {error}") from error
            self.replayed_bytes += entry.header.frame_bytes
            if result.app_hash != entry.header.app_hash:
                what = "gives another app hash than the journal has"
                raise LedgerDamaged(entry.block.height, what)

    # ------------------------------------------------------------------ writing

    def judge(self, block: Block) -> BlockResult:
        """Apply the next block to the state alone; `keep` must follow, block by block, in order.

        Raises BlockError, with nothing changed, for a block that is not next or runs backwards, and
        EngineError once writing has failed.
        """
        if self._failure is not None:
            raise EngineError(
                f"the ledger could not be written: {self._failure}",
                "what was receipted is kept; mend the disk, then open the ledger again",
            ) from self._failure
        with self._applying:
            self.state, result = kernel.apply_block(self.state, block)
        return result

    def keep(self, block: Block, result: BlockResult) -> None:
        """Write a block that was judged. It is not durable before `sync` has returned."""
        try:
            self.journal.append(block, result)
        except BaseException as error:
            self._failure = error
            raise

    def sync(self) -> None:
        """Make everything that was kept durable. Raises JournalFailed; nothing is taken after."""
        try:
            self.journal.sync()
        except BaseException as error:
            self._failure = error
            raise

    # ------------------------------------------------------------------ closing

    def snapshot(self) -> Path:
        """Write the state after the last durable block, so that the next start is quick."""
        self.sync()
        return self.journal.snapshot_writer(kernel.dump(self.state)).finish()

    def begin_snapshot(self) -> RunningSnapshot:
        """Begin to write the state after the last durable block, while further blocks go on.

        Everything that was judged must be durable. Raises SnapshotError while another one is being
        written and is not lost, ValueError, SnapshotFailed.
        """
        with self._applying:
            still = kernel.Still(self.state)
            try:
                return RunningSnapshot(self.journal, still, self._applying)
            except BaseException:
                still.end()
                raise

    @property
    def is_worth_a_snapshot(self) -> bool:
        """Whether opening had to replay so much that the next one should not have to."""
        return self.replayed_bytes > SNAPSHOT_AFTER_BYTES


def _restored(genesis: Genesis, journal: Journal, at_most: int | None) -> kernel.State:
    """The state of the newest snapshot that is sound, or the state before the first block.

    The snapshot is not after the block `at_most`.
    """
    index_key = secrets.token_bytes(32)
    room = kernel.SnapshotRoom()
    loaded = journal.load_snapshot(room.buffer, at_most)
    if loaded is None:
        if at_most is not None and journal.base.height:
            raise EngineError(
                f"this copy of the ledger cannot tell its state after block {at_most}",
                "it began with the state of others; ask a party that has every block",
            )
        if journal.base.height:
            what = "has no sound snapshot here, and this copy of the ledger begins after it"
            raise LedgerDamaged(journal.base.height, what)
        return kernel.initial_state(genesis, index_key)
    try:
        state = kernel.load(genesis, loaded.parts, index_key, room)
    except kernel.SnapshotError as error:
        raise LedgerDamaged(loaded.height, f"has a snapshot that does not fit: {error}") from error
    if kernel.app_hash(state) != loaded.app_hash:
        raise LedgerDamaged(loaded.height, "had another state than its snapshot has")
    return state
