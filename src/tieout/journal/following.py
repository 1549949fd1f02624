"""Following: what another process wrote behind the end that a reader knows.

The frame behind the known end, or the segment that begins there, is looked for; what is found is
judged as at opening (`recovery`). A frame that is being written just now is not there yet.
"""

from pathlib import Path

from tieout.journal.chain import Chain
from tieout.journal.errors import JournalDamaged
from tieout.journal.recovery import find_tail
from tieout.journal.segment import (
    SEGMENT_HEADER_BYTES,
    Located,
    Segment,
    is_base,
    segment_name,
)


def follow(chain: Chain, folder: Path, ledger_id: bytes) -> None:
    """Take up all blocks behind `chain.durable`, segment by segment. Raises JournalDamaged."""
    while _took_frames(chain) or _took_segment(chain, folder, ledger_id):
        pass


def _took_frames(chain: Chain) -> bool:
    segments = chain.segments
    if not segments:
        return False
    last, durable = segments[-1], chain.durable
    known: Located | None = None
    end = SEGMENT_HEADER_BYTES
    if durable.height >= last.first_height:
        _, known = chain.locate(durable.height)
        if last.frame_hash(known) != durable.frame_hash:
            reason = "another block stands there than was read before"
            raise JournalDamaged(durable.height, known.offset, last.path, reason)
        end = known.end
    if last.frame_header(end) is None:
        return False
    tail = find_tail(last, known, is_followed=True)
    fault = tail.fault
    if fault is not None and not fault.torn:
        raise JournalDamaged(fault.height, fault.offset, last.path, fault.reason)
    news = [frame for frame in tail.frames if frame.header.height > durable.height]
    for frame in news:
        chain.add(None, frame.header.height, frame.offset)
    if news:
        chain.durable = tail.point
    return bool(news)


def _took_segment(chain: Chain, folder: Path, ledger_id: bytes) -> bool:
    """Whether a segment has begun behind the end, and has a block."""
    durable, segments = chain.durable, chain.segments
    if segments and durable.height < segments[-1].first_height:
        return False
    segment = _begun(folder, durable.height + 1, ledger_id, is_first=not segments)
    if segment is None:
        return False
    if segments and segment.start.frame_hash != durable.frame_hash:
        segment.close()
        reason = "it does not follow the one before"
        raise JournalDamaged(durable.height + 1, 0, segment.path, reason)
    header = segment.frame_header(SEGMENT_HEADER_BYTES)
    if header is None:
        segment.close()
        return False
    chain.begin(segment)
    return True


def _begun(folder: Path, height: int, ledger_id: bytes, *, is_first: bool) -> Segment | None:
    """The segment that begins with a block; None when there is none that is whole."""
    path = folder / segment_name(height)
    if not is_first:
        return Segment.open(path, ledger_id) if path.exists() else None
    for found in sorted(folder.glob("*" + path.suffix))[:1]:
        segment = Segment.open(found, ledger_id)
        if segment is not None and is_base(ledger_id, segment.start):
            return segment
    return None
