"""The journal: what is kept for ever, and how it is asked.

The problem: the blocks are the ledger. They must be durable before anybody acts on them, be read
back the same years later, and say so when they are not.

The model, in the order of reading: `frame` (one block as bytes), `segment` (a file of them),
`chain` (the segments in order), `recovery` and `opening` (where it ends after a crash), `writer`
(append and sync); and beside the segments what can always be computed anew: `index` and `records`,
asked through `lookup`, and `snapshot` (the state after a block). This file puts them together.

    DIR/segments/00000000000000000001.seg      frames, for ever
                 00000000000000000001.ids      the records of a sealed segment, sorted
                 *.torn                        what a power cut left unfinished
        snapshots/00000000000000004711.snap    the newest two
        index.sqlite
        lock                                   held by the one process that writes

Readers see durable blocks only. One thread appends; any thread may sync and ask.
What is not here: what a block means (`kernel`), who decides the order (the engines).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

from tieout.journal.chain import Chain
from tieout.journal.disk import SYSTEM_DISK, Disk
from tieout.journal.errors import JournalDamaged, JournalError, NoJournal
from tieout.journal.following import follow
from tieout.journal.frame import Entry, encode_frame
from tieout.journal.index import block_lines
from tieout.journal.limits import SEGMENT_BYTES
from tieout.journal.lock import WriterLock
from tieout.journal.lookup import Episode, ItemPlace, Lookup
from tieout.journal.opening import Opened, height_in, open_chain
from tieout.journal.records import Place
from tieout.journal.segment import Point, Segment, after, segment_name
from tieout.journal.snapshot import (
    Allocate,
    Snapshot,
    SnapshotWriter,
    read_snapshot,
    snapshot_files,
)
from tieout.journal.writer import SegmentWriter
from tieout.wire.block import Block, BlockResult

SEGMENTS = "segments"
SNAPSHOTS = "snapshots"
INDEX = "index.sqlite"
LOCK = "lock"


class LoadedSnapshot(NamedTuple):
    """The state after a block, as the kernel dumped it: names of parts and their bytes."""

    height: int
    app_hash: bytes
    parts: dict[str, memoryview]


class Journal:
    """The blocks of one ledger. Made by `open`; close it, or use it as a context manager."""

    def __init__(
        self,
        directory: Path,
        ledger_id: bytes,
        lock: WriterLock | None,
        lookup: Lookup,
        opened: Opened,
        segment_bytes: int,
        disk: Disk = SYSTEM_DISK,
    ) -> None:
        self.directory = directory
        self.ledger_id = ledger_id
        self.torn = opened.torn
        """What a power cut left unfinished (and where it was moved), in words; None without any."""
        self.damaged_snapshots: list[JournalDamaged] = []
        """Snapshots that `load_snapshot` had to pass over."""
        self._lock = lock
        self._disk = disk
        self._lookup = lookup
        self._chain: Chain = opened.chain
        self._writer: SegmentWriter | None = None
        if lock is not None:
            folder = directory / SEGMENTS
            durable = self._chain.durable
            self._writer = SegmentWriter(folder, ledger_id, durable, segment_bytes, disk)
            for last in self._chain.segments[-1:]:
                self._writer.resume(last.path, opened.end)

    @classmethod
    def open(
        cls,
        directory: Path,
        ledger_id: bytes,
        *,
        read_only: bool = False,
        segment_bytes: int = SEGMENT_BYTES,
        disk: Disk = SYSTEM_DISK,
    ) -> Self:
        """Open the journal of a ledger. A writer begins one where there is none.

        A torn tail is moved aside by a writer, and passed over by a reader (`torn`). Raises
        JournalDamaged for anything else that does not fit, JournalLocked when another process
        writes, NoJournal when a reader finds nothing.
        """
        folder = directory / SEGMENTS
        if read_only and not folder.is_dir():
            raise NoJournal(directory)
        folder.mkdir(parents=True, exist_ok=True)
        lock = None if read_only else WriterLock(directory / LOCK)
        # Index and snapshots before the chain: a process that writes may go on meanwhile.
        lookup = Lookup(directory / INDEX, ledger_id, read_only=read_only)
        try:
            snapshots = _sound_snapshots(directory / SNAPSHOTS, ledger_id)
            opened = open_chain(
                folder, ledger_id, lookup.known_place, may_move=not read_only, disk=disk
            )
            try:
                _refuse_newer(snapshots, opened.chain.durable.height)
                lookup.attach(opened.chain)
                journal = cls(directory, ledger_id, lock, lookup, opened, segment_bytes, disk)
            except BaseException:
                opened.chain.close()
                raise
        except BaseException:
            lookup.close()
            if lock is not None:
                lock.release()
            raise
        return journal

    def close(self) -> None:
        """Sync what was appended, write the index, and let other processes in."""
        try:
            if self._writer is not None:
                if not self._writer.has_failed:
                    self.sync()
                    self._lookup.write()
                self._writer.close()
        finally:
            self._writer = None
            self._lookup.close()
            self._chain.close()
            if self._lock is not None:
                self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ writing

    @property
    def appended(self) -> Point:
        """The point after the last block that was appended, durable or not."""
        return self._chain.durable if self._writer is None else self._writer.point

    @property
    def base(self) -> Point:
        """The point after which the first block stands; height 0 unless this copy began later."""
        return self._chain.base

    @property
    def durable(self) -> Point:
        """The point up to which everything is durable, and can be read."""
        return self._chain.durable

    def append(self, block: Block, result: BlockResult) -> None:
        """Take the next block with what it did; durable, and to be read, after `sync`.

        Raises JournalFailed when it cannot be written, ValueError for a block that is not next.
        """
        writer = self._writing()
        point = writer.point
        leaves = [each.leaf for each in result.items if each.leaf is not None]
        log_size = point.log_size + len(leaves)
        if (block.height, result.height) != (point.height + 1, point.height + 1):
            raise ValueError(f"block {point.height + 1} is next, not {block.height}")
        if block.time_us < point.time_us or len(result.app_hash) != len(point.app_hash):
            raise ValueError("a block's time never runs backwards, and its app hash has 32 bytes")
        if leaves != list(range(point.log_size, log_size)):
            raise ValueError(f"the leaves of this block count on from {point.log_size}")
        frame = encode_frame(block, result, point.frame_hash, log_size, writer.durable.height)
        offset = writer.append(frame, after(frame.header, frame.frame_hash))
        self._chain.add(self._new_segment(writer.first_height), block.height, offset)
        entry = Entry(block, result, frame.header, frame.frame_hash)
        self._lookup.offer(block_lines(entry, writer.first_height, offset))

    def sync(self) -> Point:
        """Make everything that was appended durable; the point up to which it is.

        Raises JournalFailed, after which this journal takes and promises nothing more.
        """
        point = self._writing().sync()
        if point.height > self._chain.durable.height:
            self._chain.durable = point
        return point

    def drop_behind(self) -> None:
        """From now on let the system forget what was synced instead of keeping it in memory.

        For who writes much and reads none of it soon: pages that are given back are written again,
        and memory that is new costs more than the writing does.
        """
        self._writing().drops_behind = True

    def maintain(self) -> None:
        """Do what waits for idle time: write the index, sort the records of sealed segments.

        Safe in any thread, beside appending and syncing.
        """
        self._lookup.write()
        self._lookup.sort_records()

    def _writing(self) -> SegmentWriter:
        if self._writer is None:
            raise JournalError(f"{self.directory} was closed, or opened to be read only")
        return self._writer

    def _new_segment(self, first_height: int) -> Segment | None:
        """The segment that the writer has just begun, to be read; None if it went on in one."""
        segments = self._chain.segments
        if segments and segments[-1].first_height == first_height:
            return None
        path = self.directory / SEGMENTS / segment_name(first_height)
        segment = Segment.open(path, self.ledger_id)
        if segment is None:
            raise JournalDamaged(first_height, 0, path, "the header just written is not there")
        return segment

    # ------------------------------------------------------------------ reading

    def refresh(self) -> Point:
        """Look for blocks that another process has written since; the point up to which it is.

        For a journal that was opened to be read only; to one that writes nothing comes from
        elsewhere. One thread at a time. Raises JournalDamaged, also when the blocks that were
        there at the end are others now, as after a power cut: then open the journal anew.
        """
        if self._writer is None:
            follow(self._chain, self.directory / SEGMENTS, self.ledger_id)
        return self._chain.durable

    def durable_files(self) -> list[tuple[Path, int]]:
        """The segments in order, each with how many of its bytes are durable blocks.

        Copied up to there, and no further, they are a journal with this durable end; what else
        stands in the folder can be computed anew.
        """
        segments, durable = self._chain.segments, self._chain.durable
        files = [(segment.path, segment.size()) for segment in segments[:-1]]
        if segments and durable.height >= segments[-1].first_height:
            last, located = self._chain.locate(durable.height)
            files.append((last.path, located.end))
        return files

    def read(self, height: int) -> Entry:
        """A durable block with what it did. Raises NoSuchBlock, JournalDamaged."""
        return self._chain.read(height)

    def entries(self, first: int = 1, last: int | None = None) -> Iterator[Entry]:
        """Durable blocks in order, each checked to follow the one before it; `last` included.

        Frame hashes are checked, rows are not: applying a block again checks their roots.
        Raises JournalDamaged at the first that does not fit, NoSuchBlock when `first` is before the
        block with which this journal begins.
        """
        end = self._chain.durable.height if last is None else last
        return (kept.entry for kept in self._chain.blocks(first, end))

    def find_leaf(self, leaf: int) -> ItemPlace | None:
        """Where the item stands that is this leaf of the log; None when it is not kept here."""
        return self._lookup.find_leaf(leaf)

    def find_items(self, party: int, stream: int, sequence: int) -> list[ItemPlace]:
        """Where the leaves stand that have a sender's number; more than one: equivocation."""
        return self._lookup.find_items(party, stream, sequence)

    def find_records(self, agreement: str, originator: int, transaction_id: str) -> list[Place]:
        """Where the records of a transaction stand, under all versions, in the ledger's order.

        Rows of accepted batches, whatever became of the row. Raises UnitsError for an id that is
        too long.
        """
        return self._lookup.find_records(agreement, originator, transaction_id)

    def episodes(self, agreement: int, serial: int) -> list[Episode]:
        """When a transaction (agreement number, serial in its book) was broken, in order."""
        return self._lookup.episodes(agreement, serial)

    def open_episodes(self) -> list[Episode]:
        """The transactions that are broken now, in the order in which they became so.

        As far as the blocks in which they did are kept here.
        """
        return self._lookup.open_episodes()

    # ------------------------------------------------------------------ snapshots

    def snapshot_writer(self, parts: Iterable[tuple[str, Any]]) -> SnapshotWriter:
        """Begin a snapshot of the state after the last block, which must be durable.

        `parts` are (name, contiguous buffer or ReadPart); they must not change until `finish`.
        Raises ValueError while a block is not durable, SnapshotFailed.
        """
        point = self._chain.durable
        if self.appended != point or point.height == 0:
            raise ValueError("a snapshot is taken of a state that is durable")
        folder, kept = self.directory / SNAPSHOTS, self.base.height
        return SnapshotWriter(
            folder, self.ledger_id, point, parts, kept_height=kept, disk=self._disk
        )

    def load_snapshot(
        self, allocate: Allocate | None = None, up_to: int | None = None
    ) -> LoadedSnapshot | None:
        """The newest snapshot that is whole and of this chain; None when all must be replayed.

        With `up_to`, the newest that is not of a later block. Those passed over are in
        `damaged_snapshots`. `allocate(name, size)` gives the buffer that a part is read into; it
        may be called again for an older snapshot.
        """
        for path in snapshot_files(self.directory / SNAPSHOTS):
            if up_to is not None and height_in(path) > up_to:
                continue
            try:
                snapshot = read_snapshot(path, self.ledger_id)
                self._check_place(snapshot)
                parts = snapshot.load(allocate)
            except FileNotFoundError:
                # Dropped by the process that writes, which has a newer one by now.
                continue
            except JournalDamaged as error:
                self.damaged_snapshots.append(error)
            else:
                return LoadedSnapshot(snapshot.height, snapshot.app_hash, parts)
        return None

    def base_parts(self) -> dict[str, memoryview] | None:
        """The state with which this journal begins, as it was dumped; None without any.

        Raises JournalDamaged.
        """
        for path in snapshot_files(self.directory / SNAPSHOTS):
            if path.stem == f"{self.base.height:020d}":
                snapshot = read_snapshot(path, self.ledger_id)
                self._check_place(snapshot)
                return snapshot.load()
        return None

    def _check_place(self, snapshot: Snapshot) -> None:
        frame_hash = self.base.frame_hash
        if snapshot.height != self.base.height:
            segment, located = self._chain.locate(snapshot.height)
            frame_hash = segment.frame_hash(located)
        if frame_hash != snapshot.frame_hash:
            reason = "the snapshot was taken after another block of this height"
            raise JournalDamaged(snapshot.height, 0, snapshot.path, reason)


def _sound_snapshots(folder: Path, ledger_id: bytes) -> list[Snapshot]:
    found = []
    for path in snapshot_files(folder):
        try:
            found.append(read_snapshot(path, ledger_id))
        except (JournalDamaged, FileNotFoundError):
            # Named when it is to be loaded; or dropped by the writer just now.
            continue
    return found


def _refuse_newer(snapshots: list[Snapshot], height: int) -> None:
    """Only durable blocks have snapshots; one of a block that is not there proves a loss."""
    for snapshot in snapshots:
        if snapshot.height > height:
            reason = f"the journal ends at block {height}, before this snapshot"
            raise JournalDamaged(snapshot.height, 0, snapshot.path, reason)
