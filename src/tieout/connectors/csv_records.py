"""Records of a CSV file one by one, by the standard library's reader: the definition (RFC 4180).

A quoted value may hold separators, doubled quotes and line breaks; a quote inside of an unquoted
value is a character like any other. A record whose quotes do not fit would swallow all that
follows, so only its first line is given up, and reading goes on with the next one. Lines that are
wholly empty are passed over. A line ends in LF or CR LF.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass

from tieout.connectors.encodings import UNDECODED, Pages, encoded
from tieout.connectors.limits import MAX_RECORD_BYTES

_SHOWN_OF_TOO_LONG = 1_000


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its first line (from 1), its text without the line end, and its cells.

    `fault` says why the text has no cells, and is empty otherwise.
    """

    line: int
    text: str
    cells: tuple[str, ...]
    fault: str


class Records:
    """Takes records from pages.

    `line` is the number of the last line taken; whoever takes lines from the pages in another way
    moves it on.
    """

    def __init__(self, pages: Pages, separator: str, quote: str) -> None:
        self.pages = pages
        self.separator = separator
        self.quote = quote
        self.line = 0

    def skip_line(self) -> bool:
        """Pass over a line, whatever is in it; False at the end of the file."""
        size = self._line_bytes(0)
        if size:
            self._take(size, 1)
        return size > 0

    def peek_line(self) -> str:
        """Return the next line without taking it; empty at the end of the file."""
        return _ended(self._text(0, self._line_bytes(0)))

    def take(self) -> Record | None:
        """Take the next record; None at the end of the file."""
        while size := self._line_bytes(0):
            if _ended(self._text(0, size)):
                return self._record(size)
            self._take(size, 1)
        return None

    def _record(self, size: int) -> Record:
        number = self.line + 1
        text = _ended(self._text(0, size))
        if size > MAX_RECORD_BYTES:
            self._take(size, 1)
            fault = f"the line is longer than {MAX_RECORD_BYTES} bytes"
            return Record(number, text[:_SHOWN_OF_TOO_LONG], (), fault)
        if not self.quote or self.quote not in text:
            self._take(size, 1)
            return Record(number, text, tuple(text.split(self.separator)), "")
        sizes: list[int] = []
        reader = csv.reader(
            self._lines(sizes), delimiter=self.separator, quotechar=self.quote, strict=True
        )
        try:
            cells = tuple(next(reader))
        except csv.Error as error:
            self._take(size, 1)
            closed = "a quote is not closed" if "end of data" in str(error) else str(error)
            return Record(number, text, (), f"the quotes do not fit: {closed}")
        text = _ended(self._text(0, sum(sizes)))
        self._take(sum(sizes), len(sizes))
        return Record(number, text, cells, "")

    def _lines(self, sizes: list[int]) -> Iterator[str]:
        """Yield lines from here on, as long as they fit one record, and note their sizes."""
        offset = 0
        while (size := self._line_bytes(offset)) and offset + size <= MAX_RECORD_BYTES:
            sizes.append(size)
            yield self._text(offset, size)
            offset += size

    def _line_bytes(self, offset: int) -> int:
        """Return the size of the line that begins `offset` bytes on; 0 at the end of the file."""
        pages = self.pages
        if pages.pos + offset >= pages.end and not pages.more():
            return 0
        start = pages.pos + offset
        return pages.buffer.index(b"\n", start, pages.end) + 1 - start

    def _text(self, offset: int, size: int) -> str:
        start = self.pages.pos + offset
        return self.pages.decoded(start, start + size)

    def _take(self, size: int, lines: int) -> None:
        self.pages.pos += size
        self.line += lines


def _ended(line: str) -> str:
    """Return a line without its line end."""
    return line.removesuffix("\n").removesuffix("\r")


def undecoded_reason(record: Record, encoding: str) -> str:
    """Say which byte of a record could not be decoded first; empty when all could."""
    match = UNDECODED.search(record.text)
    if match is None:
        return ""
    before = record.text[: match.start()]
    line = record.line + before.count("\n")
    without_mark = "utf-16-le" if encoding == "utf-16" else encoding
    place = len(encoded(before[before.rfind("\n") + 1 :], without_mark)) + 1
    return f"byte {place} of line {line} (0x{ord(match[0]) - 0xDC00:02x}) is not {encoding}"
