"""A journal that begins after a block whose predecessors are elsewhere.

A new node may take the state after a block from others, instead of every block from the first on.
Its journal then has that state as its first snapshot, which is never dropped, and its first segment
goes on from there. What the blocks before it were must be asked of a node that has them.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tieout.journal.disk import SYSTEM_DISK
from tieout.journal.journal import SEGMENTS, SNAPSHOTS
from tieout.journal.segment import Point, segment_header, segment_name
from tieout.journal.snapshot import SnapshotWriter


def begin_journal(
    directory: Path, ledger_id: bytes, base: Point, parts: Iterable[tuple[str, Any]]
) -> None:
    """Write the files of a journal that goes on from `base` (of `base_point`, not the origin).

    `parts` are the state after that block, as the kernel dumps it. Durable on return; until then
    `directory`, which must not exist, is no journal. Raises SnapshotFailed, OSError.
    """
    segments = directory / SEGMENTS
    segments.mkdir(parents=True)
    SnapshotWriter(directory / SNAPSHOTS, ledger_id, base, parts).finish()
    path = segments / segment_name(base.height + 1)
    path.write_bytes(segment_header(ledger_id, base))
    with path.open("rb") as file:
        os.fsync(file.fileno())
    SYSTEM_DISK.sync_folder(segments)
    SYSTEM_DISK.sync_folder(directory)
    SYSTEM_DISK.sync_folder(directory.parent)
