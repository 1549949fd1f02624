"""Opening: from the files of a folder to a chain with a known end, or to a named damage."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tieout.journal.chain import Chain
from tieout.journal.disk import SYSTEM_DISK, Disk
from tieout.journal.errors import JournalDamaged, JournalFailed
from tieout.journal.recovery import find_tail, is_torn_header, used_bytes
from tieout.journal.segment import (
    ORIGIN,
    SEGMENT_HEADER_BYTES,
    SEGMENT_SUFFIX,
    Located,
    Segment,
    is_base,
)

TORN_SUFFIX = ".torn"
_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Opened:
    """A chain, the byte behind the last good frame of its last segment, and what was torn."""

    chain: Chain
    end: int
    torn: str | None
    """What a power cut left unfinished and, if it was moved, where; None without any."""


def open_chain(
    folder: Path,
    ledger_id: bytes,
    known_place: Callable[[Segment], Located | None],
    *,
    may_move: bool,
    disk: Disk = SYSTEM_DISK,
) -> Opened:
    """Open all segments and find the end of the last one.

    What is torn is moved to `*.torn` if `may_move`, else passed over. Raises JournalDamaged, and
    JournalFailed when it cannot be moved.
    """
    paths = segment_files(folder)
    torn = None
    if paths and _is_torn_segment(paths[-1], ledger_id):
        torn = f"{paths[-1].name} was never wholly written"
        if may_move:
            torn += f"; moved to {_moved(paths[-1], disk).name}"
        paths.pop()
    with ExitStack() as files:
        segments = _linked_segments(paths, ledger_id, files)
        if not segments:
            return Opened(Chain([], [], ORIGIN), SEGMENT_HEADER_BYTES, torn)
        last = segments[-1]
        tail = find_tail(last, known_place(last))
        if tail.fault is not None:
            fault = tail.fault
            if not fault.torn:
                raise JournalDamaged(fault.height, fault.offset, last.path, fault.reason)
            torn = f"block {fault.height} was never wholly written: {fault.reason}"
            if may_move:
                torn += f"; moved to {_copied(last, tail.end, disk).name}"
        files.pop_all()
    return Opened(Chain(segments, tail.frames, tail.point), tail.end, torn)


def segment_files(folder: Path) -> list[Path]:
    """The segments of a folder in order."""
    return sorted(folder.glob("*" + SEGMENT_SUFFIX))


def _linked_segments(paths: list[Path], ledger_id: bytes, files: ExitStack) -> list[Segment]:
    """Segments that each go on where the one before ends; `files` closes them."""
    segments: list[Segment] = []
    for path in paths:
        segment = Segment.open(path, ledger_id)
        if segment is None:
            raise JournalDamaged(
                height_in(path), 0, path, "it has no segment header of this ledger"
            )
        files.callback(segment.close)
        if segments:
            follows = segments[-1].last_hash() == segment.start.frame_hash
        else:
            follows = is_base(ledger_id, segment.start)
        if not follows or (segments and segment.first_height == 1):
            reason = "its segment does not go on where the one before ends"
            raise JournalDamaged(segment.first_height, 0, path, reason)
        segments.append(segment)
    return segments


def height_in(path: Path) -> int:
    """The height that a file is named after; 0 for another name."""
    return int(path.stem) if path.stem.isdecimal() else 0


def _is_torn_segment(path: Path, ledger_id: bytes) -> bool:
    segment = Segment.open(path, ledger_id)
    if segment is not None:
        segment.close()
        return False
    with path.open("rb") as file:
        return is_torn_header(file.read(SEGMENT_HEADER_BYTES))


def _moved(path: Path, disk: Disk) -> Path:
    torn = path.with_name(path.name + TORN_SUFFIX)
    disk.rename(path, torn)
    disk.sync_folder(path.parent)
    return torn


def _copied(segment: Segment, start: int, disk: Disk) -> Path:
    """Copy what stands behind `start` aside; the writer cuts it off only after that.

    Raises JournalFailed: a disk that was full when the tail was torn is likely to be full still.
    """
    torn = segment.path.with_name(f"{segment.path.name}.{start}{TORN_SUFFIX}")
    try:
        _copy(segment, start, torn, disk)
    except OSError as error:
        what = f"a block that was never wholly written cannot be set aside as {torn.name}"
        raise JournalFailed(what, error) from error
    return torn


def _copy(segment: Segment, start: int, torn: Path, disk: Disk) -> None:
    end = used_bytes(segment)
    fd = disk.open(torn, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        at = 0
        while start + at < end:
            piece = segment.pread(min(_COPY_BYTES, end - start - at), start + at)
            at += disk.write(fd, [piece], at)
        disk.sync(fd)
    finally:
        disk.close(fd)
    disk.sync_folder(torn.parent)
