"""CSV files in: rows of the agreement, rows that were refused with the reason, and repeats.

The problem: parties hand in what their systems print, large and not always clean. Good rows must be
taken whatever stands beside them, nothing may be guessed or rounded, and a million rows must pass
in a fraction of a second.

The model: `read_rows` reads the header, and fails there if the columns do not fit; iterating over
the result then gives chunks. Each line goes one of two ways to the same row. The readable one
(`csv_records`, `csv_rows`, `values`) is the definition. The compiled one (`csv_fast`) runs ahead
over plain lines and stops before the first that is not, which then goes the readable way; what it
takes is equal by test. Memory is bounded by one page and the rows taken (`csv_known`).

Not here: which rows are published and as which revision; the breaks file.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tieout.agreement.model import Agreement
from tieout.connectors.csv_header import read_header
from tieout.connectors.csv_known import Conflict, KnownRows
from tieout.connectors.csv_records import Records
from tieout.connectors.csv_rows import Refused, RowForm
from tieout.connectors.encodings import Pages
from tieout.connectors.errors import SourceError
from tieout.connectors.limits import COMPILED_FROM_BYTES, MAX_REFUSED_PER_CHUNK, PAGE_BYTES
from tieout.connectors.mapping import TRANSACTION_ID, Mapping
from tieout.units.ids import unpad
from tieout.units.numbers import shown
from tieout.wire.limits import ID_BYTES, MAX_BATCH_ROWS

PLAIN: Final = Mapping()
"""A file without a mapping."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a file, in its order.

    `rows` are (n, row_bytes) bytes in the agreement's layout, views into the `KnownRows`; `lines`
    says in which line each begins. `refused` and `repeats` are those met on the way; `bytes_read`
    is how much of the file has been read by then.
    """

    rows: NDArray[np.uint8]
    lines: NDArray[np.int64]
    refused: tuple[Refused, ...]
    repeats: int
    bytes_read: int


def read_rows(
    path: Path,
    agreement: Agreement,
    role: int,
    mapping: Mapping = PLAIN,
    known: KnownRows | None = None,
    *,
    chunk_rows: int = MAX_BATCH_ROWS,
    compiled: bool | None = None,
    page_bytes: int = PAGE_BYTES,
) -> "RowReader":
    """Open a CSV file of one role (an index of the agreement's roles) and read its header.

    `known` are the rows of the role's earlier files. `compiled` says which of the two ways is
    taken; without it the size of the file decides. Raises HeaderError when the columns do not fit,
    and SourceError when the file cannot be read at all; close the reader, or iterate to the end.
    """
    known = KnownRows(agreement.layout.row_bytes) if known is None else known
    pages = Pages(path, mapping.encoding, page_bytes)
    try:
        records = Records(pages, mapping.separator, mapping.quote)
        form = RowForm(agreement, mapping, read_header(records, agreement, role, mapping))
        if compiled is None:
            compiled = known.compiled or pages.size >= COMPILED_FROM_BYTES
        known.begin(path)
        if compiled:
            known.compile()
        return RowReader(records, form, known, chunk_rows, compiled=compiled)
    except BaseException:
        pages.close()
        raise


def text_of_lines(path: Path, mapping: Mapping, lines: list[int]) -> list[str]:
    """Return the records that begin in these lines (ascending), as they stand in the file.

    Raises SourceError when the file cannot be read.
    """
    pages = Pages(path, mapping.encoding)
    try:
        records = Records(pages, mapping.separator, mapping.quote)
        texts: list[str] = []
        while len(texts) < len(lines):
            record = records.take()
            if record is None:
                raise SourceError(path, "it changed while it was read", "Run the command again")
            if record.line == lines[len(texts)]:
                texts.append(record.text)
        return texts
    finally:
        pages.close()


class RowReader:
    """The rows of one file, chunk by chunk; iterate once; for one thread.

    `columns` are the names in the header, as the file writes them; `known` the rows so
    far. The compiled way releases the GIL, so that other files can be read beside it.
    """

    def __init__(
        self, records: Records, form: RowForm, known: KnownRows, chunk_rows: int, *, compiled: bool
    ) -> None:
        self.columns = form.header.names
        self.known = known
        self._earlier = known.count
        self._records = records
        self._form = form
        self._chunk_rows = chunk_rows
        self._compiled = compiled
        self._starts = np.empty(chunk_rows, np.int64)
        self._refused: list[Refused] = []
        self._repeats = 0
        self._ended = False

    def close(self) -> None:
        """Close the file; iterating to the end does so, too."""
        self._records.pages.close()

    def __iter__(self) -> Iterator[Chunk]:
        """Yield chunks of `chunk_rows` rows; shorter are the last of a batch, and of the file.

        And those with much refused.

        Raises SourceError when the file cannot be read on.
        """
        advance = self._by_page() if self._compiled else self._take_record
        try:
            while not self._ended:
                first = self.known.count
                while (room := self._room(first)) > 0:
                    advance(room)
                yield self._chunk(first)
        finally:
            self.close()

    def _room(self, first: int) -> int:
        """Return how many rows the chunk may still take."""
        if self._ended or len(self._refused) >= MAX_REFUSED_PER_CHUNK:
            return 0
        in_batch = self.known.batch_rows - first % self.known.batch_rows
        return first + min(self._chunk_rows, in_batch) - self.known.count

    def _chunk(self, first: int) -> Chunk:
        rows = self.known.rows(first, self.known.count)
        lines = self.known.all_lines[first : self.known.count]
        read = self._records.pages.bytes_read
        chunk = Chunk(rows, lines, tuple(self._refused), self._repeats, read)
        self._refused = []
        self._repeats = 0
        return chunk

    def _take_record(self, _room: int = 1) -> None:
        """Take one record the readable way."""
        record = self._records.take()
        if record is None:
            self._ended = True
            return
        row = self._form.row(record)
        if isinstance(row, Refused):
            self._refused.append(row)
            return
        match self.known.add(row, record.line):
            case Conflict() as conflict:
                self._refuse(conflict, unpad(row[:ID_BYTES]), record.text)
            case False:
                self._repeats += 1

    def _by_page(self) -> Callable[[int], None]:
        """Return what takes plain lines of a page the compiled way, and one line that is not."""
        from tieout.connectors import csv_plan  # noqa: PLC0415 - a small file needs no machine code

        form, records, known = self._form, self._records, self.known
        plan = csv_plan.plan_of(form.agreement, form.mapping, form.header, form.template)
        pages = records.pages

        def take_page(room: int) -> None:
            if pages.pos >= pages.end and not pages.more():
                self._ended = True
                return
            known.reserve(room, likely=self._likely_rows())
            rows, records.line = csv_plan.scan(plan, pages, known, room, records.line, self._starts)
            if rows:
                repeats, conflicts = known.settle(rows, self._starts)
                self._repeats += repeats
                for conflict in conflicts:
                    text, name = self._row_at(conflict)
                    self._refuse(conflict, name, text)
            if rows < room and pages.pos < pages.end:
                self._take_record()

        return take_page

    def _likely_rows(self) -> int:
        """Return how many rows there will be, with those of earlier files, if this goes on so."""
        pages = self._records.pages
        taken = pages.bytes_read - (pages.end - pages.pos)
        own = self.known.count - self._earlier
        return self._earlier + own * pages.size // taken * 51 // 50 if taken > 0 else 0

    def _row_at(self, conflict: Conflict) -> tuple[str, str]:
        """Return the text of a row of the page, and its transaction id."""
        pages = self._records.pages
        stop = pages.buffer.index(b"\n", conflict.start)
        text = pages.decoded(conflict.start, stop).removesuffix("\r")
        first = self.known.rows(conflict.first_row, conflict.first_row + 1)
        return text, unpad(first[0, :ID_BYTES].tobytes())

    def _refuse(self, conflict: Conflict, name: str, text: str) -> None:
        place = self.known.place(conflict.first_row, self._records.pages.path)
        reason = f"the id {shown(name)} stands in {place} with other values; that row was taken"
        self._refused.append(Refused(conflict.line, TRANSACTION_ID, reason, text))
