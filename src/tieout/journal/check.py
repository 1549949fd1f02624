"""The check: every byte of segments and snapshots against what it must be.

Opening a journal looks at its end only, reading at what is read. The check looks at everything:
headers, chain, frame hashes, rows against their signed roots, numbers of leaves, times, the space
behind the last block, and each snapshot. It goes on behind a damage as far as the files allow, so
that one run names what there is to name. It writes nothing, and needs no lock.

What is not here: whether the blocks mean what they say (`evidence` replays them); index and
sidecars, which are checked whenever they answer, and made anew.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tieout.journal.errors import JournalDamaged, NoJournal
from tieout.journal.frame import Entry, FrameError, check_rows
from tieout.journal.journal import SEGMENTS, SNAPSHOTS
from tieout.journal.opening import height_in, segment_files
from tieout.journal.recovery import find_tail, is_torn_header
from tieout.journal.segment import (
    ORIGIN,
    SEGMENT_HEADER_BYTES,
    Located,
    Point,
    Segment,
    after,
    is_base,
)
from tieout.journal.snapshot import read_snapshot, snapshot_files

Progress = Callable[[int], None]
"""Called with the height of each block that was looked at."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What the check found: damage in the order of the ledger, and the last block it looked at.

    `torn` tells in words that the last block was never wholly written, which is no damage.
    """

    damages: tuple[JournalDamaged, ...]
    torn: str | None
    height: int

    @property
    def is_sound(self) -> bool:
        """Whether there is no damage."""
        return not self.damages


@dataclass(slots=True)
class _Check:
    ledger_id: bytes
    progress: Progress | None
    snapshot_heights: frozenset[int]
    frame_hashes: dict[int, bytes] = field(default_factory=dict)
    damages: list[JournalDamaged] = field(default_factory=list)
    torn: str | None = None
    point: Point = ORIGIN


def check_journal(
    directory: Path, ledger_id: bytes, progress: Progress | None = None
) -> CheckReport:
    """Look at every byte of the segments and snapshots of a journal. Raises NoJournal."""
    folder = directory / SEGMENTS
    if not folder.is_dir():
        raise NoJournal(directory)
    snapshots = snapshot_files(directory / SNAPSHOTS)
    check = _Check(ledger_id, progress, frozenset(map(height_in, snapshots)))
    paths = segment_files(folder)
    for path in paths:
        _check_file(check, path, is_last=path == paths[-1])
    for path in reversed(snapshots):
        _check_snapshot(check, path)
    return CheckReport(tuple(check.damages), check.torn, check.point.height)


def _check_file(check: _Check, path: Path, *, is_last: bool) -> None:
    segment = Segment.open(path, check.ledger_id)
    if segment is None:
        with path.open("rb") as file:
            if is_last and is_torn_header(file.read(SEGMENT_HEADER_BYTES)):
                check.torn = f"{path.name} was never wholly written"
                return
        reason = "it has no segment header of this ledger"
        check.damages.append(JournalDamaged(height_in(path), 0, path, reason))
        return
    if check.point == ORIGIN and is_base(check.ledger_id, segment.start):
        check.point = segment.start
        check.frame_hashes[segment.start.height] = segment.start.frame_hash
    if segment.start != check.point:
        reason = "its segment does not go on where the one before ends"
        check.damages.append(JournalDamaged(segment.first_height, 0, path, reason))
    _check_segment(check, segment, is_last=is_last)
    segment.close()


def _check_segment(check: _Check, segment: Segment, *, is_last: bool) -> None:
    tail = find_tail(segment)
    check.point = segment.start
    for located in tail.frames:
        try:
            entry = segment.read(located)
            _check_entry(entry, check.point, segment, located)
        except JournalDamaged as damage:
            check.damages.append(damage)
            return
        check.point = after(entry.header, entry.frame_hash)
        height = check.point.height
        if height in check.snapshot_heights:
            check.frame_hashes[height] = entry.frame_hash
        if check.progress is not None:
            check.progress(height)
    fault = tail.fault
    if fault is None:
        return
    if fault.torn and is_last:
        check.torn = f"block {fault.height} was never wholly written: {fault.reason}"
    else:
        check.damages.append(JournalDamaged(fault.height, fault.offset, segment.path, fault.reason))


def _check_entry(entry: Entry, before: Point, segment: Segment, located: Located) -> None:
    leaves = [each.leaf for each in entry.result.items if each.leaf is not None]
    try:
        check_rows(entry)
        if leaves != list(range(before.log_size, entry.header.log_size)):
            raise FrameError("its leaves do not count on from those before")
        if entry.block.time_us < before.time_us:
            raise FrameError("its time is before that of the block before it")
    except FrameError as error:
        raise JournalDamaged(
            entry.block.height, located.offset, segment.path, str(error)
        ) from error


def _check_snapshot(check: _Check, path: Path) -> None:
    try:
        snapshot = read_snapshot(path, check.ledger_id)
        snapshot.load()
        if check.frame_hashes.get(snapshot.height) != snapshot.frame_hash:
            reason = "there is no sound block after which this snapshot was taken"
            raise JournalDamaged(snapshot.height, 0, path, reason)
    except JournalDamaged as damage:
        check.damages.append(damage)
