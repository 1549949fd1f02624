"""What came in blocks: batches and operations, each as a line."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from tieout import kernel
from tieout.journal.frame import Entry
from tieout.kernel.book import Numbers
from tieout.projections.changes import Line
from tieout.wire.batch import BATCH_TAG, Batch, parse_batch
from tieout.wire.block import ItemResult
from tieout.wire.codes import ItemOutcome, RowOutcome
from tieout.wire.errors import WireError
from tieout.wire.operations import AboutTransaction, CloseCutoff, Operation, parse_operation
from tieout.wire.statements import StateDay

UNREADABLE: Final = "unreadable"
"""The kind of an operation, and the agreement of a batch, that is none."""
LARGEST: Final = (1 << 63) - 1
"""What a sender may claim in a refused item is bounded by what a column holds."""


class ItemLines:
    """Lines of the items of some blocks."""

    def __init__(self) -> None:
        self.batches: list[Line] = []
        self.operations: list[Line] = []

    def add(self, state: kernel.State, entry: Entry) -> Iterator[tuple[int, int, Numbers]]:
        """Note the items of a block; with the state after it: what the accepted batches are about.

        Yields (book number, role, serials of the transactions that are in that book).
        """
        height = entry.block.height
        for index, (item, became) in enumerate(
            zip(entry.block.items, entry.result.items, strict=True)
        ):
            place = (height, index, became.leaf, became.outcome.name.lower())
            if bytes(item[: len(BATCH_TAG)]) != BATCH_TAG:
                self.operations.append((*place, *_operation_cells(item)))
                continue
            try:
                batch = parse_batch(item)
            except WireError:
                self.batches.append((*place, 0, "", UNREADABLE, 0, 0, 0, 0, *_rows(became)))
                continue
            self.batches.append((*place, *_batch_cells(state, batch), *_rows(became)))
            if became.outcome is ItemOutcome.ACCEPTED:
                header = batch.header
                book = state.by_version[header.agreement, header.version]
                rows = np.frombuffer(batch.rows, np.uint8)
                serials = kernel.located(state, book.number, rows)
                yield book.number, header.role, serials[serials >= 0]


def _batch_cells(state: kernel.State, batch: Batch) -> Line:
    header = batch.header
    book = state.by_version.get((header.agreement, header.version))
    role = ""
    if book is not None and header.role < len(book.agreement.roles):
        role = book.agreement.roles[header.role]
    return (
        header.party,
        role,
        header.agreement,
        header.version,
        header.stream,
        min(header.sequence, LARGEST),
        header.row_count,
    )


def _rows(became: ItemResult) -> Line:
    return became.rows or (0,) * len(RowOutcome)


def _operation_cells(item: bytes | memoryview) -> Line:
    try:
        operation = parse_operation(item)
    except WireError:
        return (UNREADABLE, 0, 0, "", 0, "", "")
    return (
        operation.kind.name.lower(),
        operation.party,
        operation.key,
        *_about(operation),
    )


def _about(operation: Operation) -> tuple[str, int, str, str]:
    """Agreement, originator, transaction id and reason, as far as an operation names them."""
    body = operation.body
    reason = _plain(getattr(body, "reason", ""))
    if isinstance(body, AboutTransaction):
        originator = max(-1, min(body.originator, LARGEST))
        return _plain(body.agreement), originator, _plain(body.transaction_id), reason
    if isinstance(body, CloseCutoff | StateDay):
        return _plain(body.agreement), 0, "", reason
    return "", 0, "", reason


def _plain(text: str) -> str:
    """A text that every database takes: NUL, which only a refused operation has, is shown."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}")


def cutoff_line(entry: Entry, item: int, agreement: str) -> Line:
    """The beginning of the line of a cut-off: who closed it, for what time."""
    operation = parse_operation(entry.block.items[item])
    body = operation.body
    if not isinstance(body, CloseCutoff):
        raise TypeError("a cut-off is closed by the operation of that name")
    place = (entry.block.height, item)
    return (*place, agreement, body.cutoff_us, entry.block.time_us, operation.party)
