"""Frames: one block with what it did, as it stands in a segment.

The problem: a frame must tell three things apart years later: that it is whole, that it was never
completely written, and that it was changed. And a block of ten thousand rows must not be hashed a
second time, as its rows are committed to by the signed roots already.

The model: header, table of items, items, events, frame hash, end mark. The header has a hash of its
own, so that a size in it can be believed. The frame hash covers everything but the rows of batches
that were applied: the table says how many bytes of each item it covers. The rows are held by
`rows_root` in the covered batch header. Begin and end marks contain no zero byte, so that a sector
that was never written is recognised wherever it lies. Layout: docs/formats/journal.md.

What is not here: files (`segment`), judging what does not fit (`recovery`).
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tieout.journal.limits import MAX_FRAME_BYTES
from tieout.merkle.tree import leaf_hash, root
from tieout.wire.batch import BATCH_TAG, HEADER_BYTES, parse_header
from tieout.wire.block import Block, BlockResult, ItemResult
from tieout.wire.codes import ItemOutcome, RowOutcome
from tieout.wire.ed25519 import SIGNATURE_BYTES
from tieout.wire.errors import WireError
from tieout.wire.events import EVENT_BYTES, EVENT_DTYPE

Buffer = bytes | memoryview

BEGIN: Final = b"[TIEOUT>"
END: Final = b"<TIEOUT]"
FRAME_TAG: Final = b"tieout/frame/1\0\0"
NO_LEAF: Final = (1 << 64) - 1
NO_BAD_ROW: Final = (1 << 32) - 1
HASH_BYTES: Final = 32
_HEADER: Final = struct.Struct("<8sQQqIIQQ32s32s")
_ITEM: Final = struct.Struct(f"<IIQHHI{len(RowOutcome)}I")
FRAME_HEADER_BYTES: Final = _HEADER.size + HASH_BYTES
ITEM_ENTRY_BYTES: Final = _ITEM.size
TRAILER_BYTES: Final = HASH_BYTES + len(END)
SMALLEST_FRAME_BYTES: Final = FRAME_HEADER_BYTES + TRAILER_BYTES
SIGNED_HEAD_BYTES: Final = HEADER_BYTES + SIGNATURE_BYTES
ROWS_ROOT_HELD: Final = (ItemOutcome.ACCEPTED, ItemOutcome.MALFORMED_ROW)
"""Outcomes of batches that leave out their rows, which have the signed root (R-ITEM-1)."""


class FrameError(ValueError):
    """Bytes that are no frame; the message says which part does not fit. Wrapped by its readers."""


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What stands before a block.

    `log_size` is the number of leaves after it, `synced_height` the block up to which everything
    was durable when this frame was written, `previous` the frame hash of the block before it.
    """

    frame_bytes: int
    height: int
    time_us: int
    item_count: int
    event_count: int
    log_size: int
    synced_height: int
    previous: bytes
    app_hash: bytes

    def to_bytes(self) -> bytes:
        """The header with its own hash behind it."""
        fields = _HEADER.pack(
            BEGIN,
            self.frame_bytes,
            self.height,
            self.time_us,
            self.item_count,
            self.event_count,
            self.log_size,
            self.synced_height,
            self.previous,
            self.app_hash,
        )
        return fields + hashlib.sha256(FRAME_TAG + fields).digest()


def parse_frame_header(data: Buffer) -> FrameHeader | None:
    """The header at the start of `data`; None unless it is whole and has its own hash."""
    if len(data) < FRAME_HEADER_BYTES:
        return None
    fields = bytes(data[: _HEADER.size])
    own_hash = bytes(data[_HEADER.size : FRAME_HEADER_BYTES])
    if hashlib.sha256(FRAME_TAG + fields).digest() != own_hash:
        return None
    begin, *values = _HEADER.unpack(fields)
    header = FrameHeader(*values)
    sizes_fit = SMALLEST_FRAME_BYTES <= header.frame_bytes <= MAX_FRAME_BYTES
    return header if begin == BEGIN and sizes_fit else None


@dataclass(frozen=True, slots=True)
class Entry:
    """A block as it is kept: what was ordered, what it did, and its place in the chain.

    Items and events are views of one buffer that belongs to this entry alone.
    """

    block: Block
    result: BlockResult
    header: FrameHeader
    frame_hash: bytes


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """The buffers of a frame in order, and the hash that the next frame names."""

    header: FrameHeader
    buffers: list[Buffer]
    frame_hash: bytes


def encode_frame(
    block: Block, result: BlockResult, previous: bytes, log_size: int, synced_height: int
) -> EncodedFrame:
    """Frame a block; `log_size` counts the leaves after it. Items are not copied."""
    covered = [
        _covered_bytes(item, each.outcome)
        for item, each in zip(block.items, result.items, strict=True)
    ]
    table = b"".join(map(_table_entry, block.items, covered, result.items))
    events = np.ascontiguousarray(result.events).view(np.uint8).data
    size = len(table) + sum(map(len, block.items)) + len(events)
    header = FrameHeader(
        frame_bytes=SMALLEST_FRAME_BYTES + size,
        height=block.height,
        time_us=block.time_us,
        item_count=len(block.items),
        event_count=len(result.events),
        log_size=log_size,
        synced_height=synced_height,
        previous=previous,
        app_hash=result.app_hash,
    )
    head = header.to_bytes() + table
    frame_hash = _frame_hash(head, block.items, covered, events)
    return EncodedFrame(header, [head, *block.items, events, frame_hash + END], frame_hash)


def decode_frame(header: FrameHeader, frame: memoryview) -> Entry:
    """Read a whole frame whose header is known, and check its hash. Rows are not looked at.

    Raises FrameError naming the part that does not fit.
    """
    if bytes(frame[-len(END) :]) != END:
        raise FrameError("its end mark is missing")
    table_end = FRAME_HEADER_BYTES + header.item_count * ITEM_ENTRY_BYTES
    events_end = len(frame) - TRAILER_BYTES
    events_start = events_end - header.event_count * EVENT_BYTES
    if table_end > events_start:
        raise FrameError("its items and events do not fit into its size")
    entries = list(_ITEM.iter_unpack(frame[FRAME_HEADER_BYTES:table_end]))
    sizes = [entry[0] for entry in entries]
    covered = [entry[1] for entry in entries]
    if table_end + sum(sizes) != events_start or any(map(int.__gt__, covered, sizes)):
        raise FrameError("the sizes of its items do not add up")
    items, at = [], table_end
    for size in sizes:
        items.append(frame[at : at + size])
        at += size
    frame_hash = bytes(frame[events_end : events_end + HASH_BYTES])
    events = frame[events_start:events_end]
    if _frame_hash(frame[:table_end], items, covered, events) != frame_hash:
        raise FrameError("it does not have its hash")
    try:
        results = tuple(_item_result(entry) for entry in entries)
    except ValueError as error:
        raise FrameError("it has an outcome that nobody knows") from error
    for item, bytes_covered, each in zip(items, covered, results, strict=True):
        if bytes_covered != _covered_bytes(item, each.outcome):
            raise FrameError("its hash does not cover what it should")
    return Entry(
        Block(header.height, header.time_us, tuple(items)),
        BlockResult(
            header.height, header.app_hash, results, np.frombuffer(events, dtype=EVENT_DTYPE)
        ),
        header,
        frame_hash,
    )


def check_rows(entry: Entry) -> None:
    """Check the rows that the frame hash leaves out against the roots that their parties signed.

    Raises FrameError for the first item whose rows do not have their root.
    """
    for position, (item, result) in enumerate(
        zip(entry.block.items, entry.result.items, strict=True)
    ):
        if _covered_bytes(item, result.outcome) == len(item):
            continue
        try:
            header = parse_header(item)
        except WireError as error:
            raise FrameError(f"item {position} has no batch header: {error}") from error
        rows = item[SIGNED_HEAD_BYTES:]
        width = header.row_bytes
        if width == 0 or len(rows) != header.row_count * width:
            raise FrameError(f"item {position} has rows of another size")
        hashes = [leaf_hash(bytes(rows[at : at + width])) for at in range(0, len(rows), width)]
        if root(hashes) != header.rows_root:
            raise FrameError(f"the rows of item {position} do not have their root")


def _covered_bytes(item: Buffer, outcome: ItemOutcome) -> int:
    """Bytes of an item that the frame hash covers; the rest is held by the signed root."""
    if outcome in ROWS_ROOT_HELD and item[: len(BATCH_TAG)] == BATCH_TAG:
        return min(SIGNED_HEAD_BYTES, len(item))
    return len(item)


def _frame_hash(
    head: Buffer, items: Sequence[Buffer], covered: Sequence[int], events: Buffer
) -> bytes:
    pieces = [item[:count] for item, count in zip(items, covered, strict=True)]
    digest = hashlib.sha256(head)
    digest.update(b"".join(pieces))
    digest.update(events)
    return digest.digest()


def _table_entry(item: Buffer, covered: int, result: ItemResult) -> bytes:
    return _ITEM.pack(
        len(item),
        covered,
        NO_LEAF if result.leaf is None else result.leaf,
        result.outcome,
        0,
        NO_BAD_ROW if result.bad_row is None else result.bad_row,
        *(result.rows or (0,) * len(RowOutcome)),
    )


def _item_result(entry: tuple[int, ...]) -> ItemResult:
    _, _, leaf, outcome, _, bad_row, *rows = entry
    return ItemResult(
        ItemOutcome(outcome),
        None if leaf == NO_LEAF else leaf,
        tuple(rows) if any(rows) else (),
        None if bad_row == NO_BAD_ROW else bad_row,
    )
