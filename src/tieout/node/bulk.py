"""Many records in one body: CSV or NDJSON, read like the files of `tieout reconcile`.

The body is spooled to disk as it arrives, so that memory does not grow with it. NDJSON becomes CSV
on the way, line n becoming line n + 1 behind a header; so both are read by the same reader, which
has one meaning for every text, takes good rows whatever stands beside them, and is compiled. What
cannot be read as JSON is noted, and leaves an empty line, so that line numbers stay true.

Every transaction is taken once: a second line that says the same is a repeat, one that says
something else is refused.
"""

import csv
import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, Self

import msgspec
import numpy as np

from tieout import kernel
from tieout.agreement.model import Agreement
from tieout.connectors.csv_read import PLAIN, read_rows
from tieout.connectors.errors import ConnectorError, HeaderError
from tieout.connectors.mapping import TRANSACTION_ID, reported
from tieout.kernel import listing
from tieout.kernel.book import Book
from tieout.node.desk import EXPIRED, PINNED, Desk, prefixes, settled_of
from tieout.node.limits import (
    MAX_BATCHES_TOLD,
    MAX_LINE_BYTES,
    MAX_REFUSED_TOLD,
)
from tieout.node.problems import ProblemError
from tieout.node.records import FLOAT_ADVICE
from tieout.node.verdicts import STATUS_WORDS
from tieout.wire.codes import ItemOutcome, RowOutcome

_ESCAPED_BREAKS: Final = (rb"\n", rb"\r", rb"\u000")
"""JSON escapes that would break a line of the CSV; such lines go the slow way, and are refused."""
_GZIP_BITS: Final = 31
_PIECE_BYTES: Final = 1 << 20


class RefusedLine(msgspec.Struct, frozen=True):
    """A line that was not taken; `field` is empty where the whole line is at fault."""

    line: int
    field: str
    reason: str


class BatchReceipt(msgspec.Struct, frozen=True):
    """A batch that was made of the records."""

    height: int
    item: int
    leaf: int
    records: int
    not_applied: int


class BulkReceipt(msgspec.Struct, frozen=True):
    """What became of a bulk of records.

    `lines` = `published` + `unchanged` + `repeated` + `refused_count`. `refused` lists the first
    thousand. `verdicts` counts the transactions that were named, by status.
    """

    lines: int
    published: int
    unchanged: int
    repeated: int
    refused_count: int
    refused: tuple[RefusedLine, ...]
    batches: tuple[BatchReceipt, ...]
    verdicts: dict[str, int]


class Spool:
    """A body on disk: CSV as it came, or NDJSON turned into CSV. Use it as a context manager."""

    def __init__(
        self, path: Path, agreement: Agreement, role: int, *, is_json: bool, is_gzip: bool,
        max_bytes: int,
    ) -> None:  # fmt: skip
        self.path = path
        self.refused: list[RefusedLine] = []
        self.empty_lines = 0
        self._room = max_bytes
        self._inflate = zlib.decompressobj(_GZIP_BITS) if is_gzip else None
        self._json = JsonLines(agreement, role, self.refused) if is_json else None
        self._file: IO[bytes] = path.open("wb")
        if self._json is not None:
            self._file.write(self._json.header)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Take a piece of the body. Raises ProblemError when it is too large, or not gzip."""
        if self._inflate is None:
            self._take(data)
            return
        rest = data
        while rest:
            try:
                # Bounded, so that a bomb unfolds by pieces and is refused long before it is whole.
                piece = self._inflate.decompress(rest, _PIECE_BYTES)
            except zlib.error as error:
                raise ProblemError("malformed_body", f"not gzip: {error}") from error
            self._take(piece)
            rest = self._inflate.unconsumed_tail
            if self._inflate.unused_data:
                raise ProblemError("malformed_body", "something follows the end of the gzip data")

    def _take(self, data: bytes) -> None:
        self._room -= len(data)
        if self._room < 0:
            raise ProblemError("too_large", "send the records in several bodies")
        self._file.write(data if self._json is None else self._json.convert(data))

    def finish(self) -> None:
        """The body is whole. Raises ProblemError when its gzip data are not."""
        if self._inflate is not None and not self._inflate.eof:
            raise ProblemError("malformed_body", "the gzip data end early")
        if self._json is not None:
            self._file.write(self._json.finish())
            self.empty_lines = self._json.empty_lines
        self._file.flush()


class JsonLines:
    """NDJSON into the lines of a CSV file, piece by piece."""

    def __init__(self, agreement: Agreement, role: int, refused: list[RefusedLine]) -> None:
        names = [TRANSACTION_ID, *reported(agreement, role)]
        attributes = {f"f{i}": name for i, name in enumerate(names)}
        fields: list[Any] = [(each, str | int | None, None) for each in attributes]
        kind = msgspec.defstruct(
            "Line", fields, rename=attributes, forbid_unknown_fields=True, gc=False
        )
        self.header = (",".join(names) + "\r\n").encode()
        self.empty_lines = 0
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind)
        self._refused = refused
        self._rest = b""
        self._line = 0

    def convert(self, data: bytes) -> bytes:
        """The CSV of the lines that are whole by now."""
        data = self._rest + data if self._rest else data
        end = data.rfind(b"\n") + 1
        self._rest = data[end:]
        if len(self._rest) > MAX_LINE_BYTES:
            raise ProblemError("too_large", f"line {self._line + 1} is too long for a record")
        return self._converted(data[:end]) if end else b""

    def finish(self) -> bytes:
        """The CSV of what is left."""
        rest, self._rest = self._rest, b""
        return self._converted(rest + b"\n") if rest else b""

    def _converted(self, whole: bytes) -> bytes:
        count = whole.count(b"\n")
        out = io.StringIO(newline="")
        writer = csv.writer(out)
        if not any(mark in whole for mark in _ESCAPED_BREAKS):
            try:
                lines = self._decoder.decode_lines(whole)
            except (msgspec.DecodeError, UnicodeDecodeError):
                lines = []
            if len(lines) == count:
                self._line += count
                writer.writerows(map(msgspec.structs.astuple, lines))
                return _encoded(out)
        for line in whole.split(b"\n")[:-1]:
            self._line += 1
            self._one(line, writer, out)
        return _encoded(out)

    def _one(self, line: bytes, writer: Any, out: io.StringIO) -> None:
        if not line.strip():
            self.empty_lines += 1
            out.write("\r\n")
            return
        try:
            values = msgspec.structs.astuple(self._decoder.decode(line))
            if any(isinstance(value, str) and ("\n" in value or "\r" in value) for value in values):
                raise ValueError("a value has a line break in it")
        except (msgspec.DecodeError, ValueError) as error:
            advice = f"; {FLOAT_ADVICE}" if "float" in str(error) else ""
            self._refused.append(RefusedLine(self._line, "", f"{error}{advice}"))
            out.write("\r\n")
            return
        writer.writerow(values)


def _encoded(out: io.StringIO) -> bytes:
    return out.getvalue().encode("utf-8", "surrogatepass")


def publish_spool(
    desk: Desk, spool: Spool, book: Book, role: int, party: int, originator: int, *, is_json: bool
) -> BulkReceipt:
    """Read a spooled body and publish what can be taken. Called in a thread of its own.

    Raises ProblemError when nothing of it can be read.
    """
    tally = _Tally(desk, book, role, party, originator)
    behind = 1 if is_json else 0
    try:
        reader = read_rows(spool.path, book.agreement, role, PLAIN)
        for chunk in reader:
            tally.repeated += chunk.repeats
            tally.refuse(
                RefusedLine(each.line - behind, each.field, each.reason) for each in chunk.refused
            )
            if len(chunk.rows):
                tally.publish(chunk.rows, chunk.lines - behind)
    except HeaderError as error:
        detail = "the columns do not fit the agreement"
        raise ProblemError("invalid_value", detail, problems=error.problems) from error
    except ConnectorError as error:
        told = str(error).replace(str(spool.path), "the body")
        raise ProblemError("malformed_body", told) from error
    tally.refuse(spool.refused)
    return tally.receipt()


class _Tally:
    """Publishes chunks and counts."""

    def __init__(self, desk: Desk, book: Book, role: int, party: int, originator: int) -> None:
        self.repeated = 0
        self._desk, self._book, self._role, self._party = desk, book, role, party
        self._originator = originator
        self._published = 0
        self._unchanged = 0
        self._refused: list[RefusedLine] = []
        self._batches: list[BatchReceipt] = []
        self._verdicts = np.zeros(256, np.int64)

    def refuse(self, lines: "Iterator[RefusedLine] | list[RefusedLine]") -> None:
        """Note lines that were not taken."""
        self._refused.extend(lines)

    def publish(self, rows: Any, lines: Any) -> None:
        """Publish rows that begin in these lines."""
        if self._originator:
            rows = rows.copy()
            prefixes(rows)["originator"] = self._originator
        desk, name = self._desk, self._book.agreement.name
        done = desk.publish_rows(self._book, self._role, self._party, rows)
        for standing, reason in _REASONS.items():
            wrong = lines[done.standing == standing].tolist()
            self.refuse([RefusedLine(line, TRANSACTION_ID, reason) for line in wrong])
        self._unchanged += int(np.count_nonzero(done.standing == listing.UNCHANGED))
        for future in done.batches:
            receipt = settled_of(future).receipt
            if receipt.result.outcome is not ItemOutcome.ACCEPTED:
                outcome = receipt.result.outcome.name.lower()
                raise ProblemError("refused_by_the_rules", "a batch was refused", outcome=outcome)
            count = sum(receipt.result.rows)
            failed = count - receipt.result.rows[RowOutcome.ACCEPTED]
            self._published += count
            leaf = receipt.result.leaf or 0
            self._batches.append(BatchReceipt(receipt.height, receipt.item, leaf, count, failed))
        with desk.ordering.reading() as state:
            statuses = kernel.row_statuses(state, name, rows)
        self._verdicts += np.bincount(statuses, minlength=256)

    def receipt(self) -> BulkReceipt:
        """All that was counted."""
        refused = sorted(self._refused, key=lambda each: each.line)
        return BulkReceipt(
            lines=self._published + self._unchanged + self.repeated + len(refused),
            published=self._published,
            unchanged=self._unchanged,
            repeated=self.repeated,
            refused_count=len(refused),
            refused=tuple(refused[:MAX_REFUSED_TOLD]),
            batches=tuple(self._batches[:MAX_BATCHES_TOLD]),
            verdicts={
                word: int(self._verdicts[status])
                for status, word in STATUS_WORDS.items()
                if self._verdicts[status]
            },
        )


_REASONS: Final = {
    listing.OTHER_VERSION: PINNED,
    listing.EXPIRED: EXPIRED,
}


def empty_spool(directory: Path) -> None:
    """Remove bodies that a killed node left behind."""
    directory.mkdir(mode=0o700, exist_ok=True)
    for path in directory.iterdir():
        path.unlink()


def spool_path(directory: Path) -> Path:
    """A new name in the spool."""
    return directory / f"{os.urandom(8).hex()}.csv"
