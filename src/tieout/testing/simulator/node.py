"""A node of the simulated network: the real replica, journal and kernel on a faulty disk.

The simulator asks a node for what an engine asks: take blocks, answer after the sync, begin again
after a stop, say what it has. `promised` is kept outside of the node's memory, as those are who
hold its receipts.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Final

from tieout import kernel
from tieout.engines.errors import EngineError
from tieout.engines.replica import Replica
from tieout.journal.errors import JournalError, JournalFailed, SnapshotFailed
from tieout.testing.simulator.disk import FaultyDisk, Stopped
from tieout.testing.simulator.promises import Broken, Promise, require
from tieout.wire.block import Block, BlockResult
from tieout.wire.errors import BlockError
from tieout.wire.genesis import Genesis

SEGMENT_BYTES: Final = 16 * 1024
"""Small, so that a run of some hundred blocks has several."""


class Boundary(IntEnum):
    """Where a node can stop between two calls; NEVER, or only inside one, by its disk."""

    NEVER = 0
    BEFORE_JUDGING = 1
    AFTER_JUDGING = 2
    AFTER_KEEPING = 3
    AFTER_SYNCING = 4


@dataclass(slots=True)
class Node:
    """One party's node. `replica` is None while it is down."""

    number: int
    directory: Path
    genesis: Genesis
    practice: type[Replica]
    disk: FaultyDisk = field(default_factory=FaultyDisk)
    replica: Replica | None = None
    promised: int = 0
    """The height up to which it gave receipts."""
    clock_us: int = 0
    """How far its clock is off."""

    @property
    def is_up(self) -> bool:
        """Whether its process runs."""
        return self.replica is not None

    @property
    def height(self) -> int:
        """Of the last block that it has judged; 0 while it is down."""
        return self.replica.state.height if self.replica else 0

    def open(self) -> bool:
        """Start the process; False when it stopped while doing so. Raises Broken."""
        try:
            self.replica = self.practice.open(
                self.directory, self.genesis, segment_bytes=SEGMENT_BYTES, disk=self.disk
            )
        except Stopped:
            return False
        except OSError:
            if not self.disk.faults:
                raise
            return False
        except (JournalError, EngineError) as error:
            if self.disk.faults:
                return False
            raise Broken(Promise.RECOVERY, f"cannot be opened again: {error}") from error
        return True

    def take(self, blocks: Sequence[Block], boundary: Boundary) -> list[BlockResult]:
        """Judge, keep and sync blocks; what they did. Raises Stopped, JournalFailed."""
        assert self.replica is not None
        results = []
        for block in blocks:
            self._stop_at(boundary, Boundary.BEFORE_JUDGING)
            result = self.replica.judge(block)
            self._stop_at(boundary, Boundary.AFTER_JUDGING)
            self.replica.keep(block, result)
            results.append(result)
        self._stop_at(boundary, Boundary.AFTER_KEEPING)
        self.replica.sync()
        self._stop_at(boundary, Boundary.AFTER_SYNCING)
        self.promised = max(self.promised, self.height)
        return results

    def refuse(self, block: Block) -> None:
        """Be handed a block that is not the next one. Raises Broken unless it is refused."""
        assert self.replica is not None
        state = self.replica.state
        before = kernel.app_hash(state), kernel.state_digest(state), state.height
        told = f"node {self.number} took block {block.height} after block {self.height}"
        try:
            self.replica.judge(block)
        except BlockError:
            state = self.replica.state
            after = kernel.app_hash(state), kernel.state_digest(state), state.height
            require(Promise.REDELIVERY, told + " half", holds=before == after)
            return
        raise Broken(Promise.REDELIVERY, told)

    def snapshot(self) -> None:
        """Write the state down, if there is a state; a disk that refuses is no harm."""
        assert self.replica is not None
        if self.replica.state.height:
            try:
                self.replica.snapshot()
            except SnapshotFailed:
                if not self.disk.faults:
                    raise

    def stop(self) -> None:
        """End the process as a kill does: nothing is written any more, every file is closed."""
        self.disk.stop()
        replica, self.replica = self.replica, None
        if replica is not None:
            with suppress(Stopped, JournalFailed):
                replica.journal.close()

    def leave(self) -> None:
        """End the process in good order."""
        replica, self.replica = self.replica, None
        if replica is not None:
            replica.journal.close()

    def _stop_at(self, boundary: Boundary, here: Boundary) -> None:
        if boundary is here:
            raise Stopped
