"""A small ledger whose blocks hold what real ones do; what they did is made up, but adds up."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.wire import golden
from tieout.journal.journal import Journal
from tieout.wire.block import Block, BlockResult, ItemResult
from tieout.wire.codes import EventKind, ItemOutcome
from tieout.wire.events import EVENT_DTYPE
from tieout.wire.rows import ColumnKind, row_layout
from tieout.wire.salts import salts
from tieout.wire.signing import sign_batch

LEDGER_ID = golden.LEDGER_ID
LAYOUT = row_layout([("amount", ColumnKind.NUMBER, 8)])
PART_NAMES = ("slots/1", "control", "empty")


def rows_of(sequence: int, count: int) -> bytes:
    stated = np.zeros(count, dtype=LAYOUT.dtype())
    stated["id"] = [f"T-{sequence % 7:03}-{row:04}".encode() for row in range(count)]
    stated["revision"] = sequence
    stated["presence"] = 1
    stated["f_amount"] = np.arange(count) * 100 + sequence
    salted = salts(golden.SECRET, LEDGER_ID, 1, 0, sequence, count)
    stated["salt"] = np.frombuffer(salted, "V16")
    return stated.tobytes()


def batch(sequence: int, count: int = 3) -> bytes:
    data, width = rows_of(sequence, count), LAYOUT.row_bytes
    header = replace(
        golden.header(),
        sequence=sequence,
        stream=0,
        agreement="orders",
        row_count=count,
        row_bytes=width,
        rows_root=golden.subtree_root([data[i : i + width] for i in range(0, len(data), width)]),
    )
    return sign_batch(golden.KEY, header, data)


def blocks(count: int, rows: int = 3) -> Iterator[tuple[Block, BlockResult]]:
    """Blocks from the first one on: mostly a batch each, sometimes more, sometimes nothing."""
    leaf = 0
    for height in range(1, count + 1):
        items = items_of(height, rows)
        results = []
        for _, result, is_leaf in items:
            results.append(replace(result, leaf=leaf if is_leaf else None))
            leaf += is_leaf
        app_hash = hashlib.sha256(f"app {height}".encode()).digest()
        yield (
            Block(height, 1_000_000 * height, tuple(item for item, _, _ in items)),
            BlockResult(height, app_hash, tuple(results), events_at(height)),
        )


def items_of(height: int, rows: int) -> list[tuple[bytes, ItemResult, bool]]:
    """(item, what became of it, whether it is a leaf)."""
    if height % 5 == 0:
        return []
    applied = ItemResult(ItemOutcome.ACCEPTED, rows=(rows, 0, 0, 0, 0, 0, 0))
    items = [(batch(height, rows), applied, True)]
    if height % 3 == 0:
        changed = batch(height, rows)[:-1] + b"\xff"
        items += [
            (golden.operations()[0].to_bytes(), ItemResult(ItemOutcome.ACCEPTED), True),
            (b"stray bytes", ItemResult(ItemOutcome.MALFORMED), False),
            (changed, ItemResult(ItemOutcome.WRONG_ROOT), False),
            (batch(height, rows + 1), ItemResult(ItemOutcome.EQUIVOCATION), True),
        ]
    if height % 4 == 0:
        bad_row = ItemResult(ItemOutcome.MALFORMED_ROW, bad_row=1)
        items.append((batch(1000 + height, rows), bad_row, True))
    return items


def events_at(height: int) -> NDArray[np.void]:
    """Transaction `height` breaks at even heights, and is mended two blocks later if it can be."""
    events = []
    if height % 5:
        events.append(("TRANSACTION_PENDING", height))
    if height % 2 == 0:
        events += [("BREAK_OPENED", height), ("TRANSACTION_BROKEN", height)]
    if height % 4 == 0:
        mended = height - 2
        events += [("BREAK_CLOSED", mended), ("TRANSACTION_MATCHED", mended)]
    return events_of(events)


def events_of(events: list[tuple[str, int]]) -> NDArray[np.void]:
    """Events of (name of kind, serial) in book 1."""
    made = np.zeros(len(events), dtype=EVENT_DTYPE)
    made["agreement"] = 1
    made["kind"] = [EventKind[kind] for kind, _ in events]
    made["serial"] = [serial for _, serial in events]
    return made


def write(directory: Path, count: int, *, segment_bytes: int = 4096, rows: int = 3) -> None:
    with Journal.open(directory, LEDGER_ID, segment_bytes=segment_bytes) as journal:
        for block, result in blocks(count, rows):
            if block.height > journal.appended.height:
                journal.append(block, result)
                journal.sync()


def parts_at(height: int) -> list[tuple[str, bytes]]:
    """What a kernel might dump: a large part, a small one, an empty one."""
    return list(zip(PART_NAMES, (bytes([height]) * 700, b"control", b""), strict=True))
