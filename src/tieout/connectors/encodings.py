"""Bytes of any stated encoding as pages of whole UTF-8 lines, with what cannot be decoded marked.

The problem: a file of a hundred megabytes is read in pieces, in one of several encodings, with now
and then a byte that does not belong there; the rows around it must be taken all the same, and the
byte be named and given back as it was.

The model: whatever the encoding, a *page* holds UTF-8 lines that end in a line feed. A byte b that
cannot be decoded becomes the character U+DC00 + b, which no text has; in UTF-8 files it stays as it
is until its line is decoded, since such bytes cannot be taken for anything else. A line that is
longer than a record may be is cut, so that it is refused without being held whole.
"""

import codecs
import os
import re
from pathlib import Path
from typing import Final

from tieout.connectors.errors import SourceError
from tieout.connectors.limits import MAX_RECORD_BYTES, PAGE_BYTES

UNDECODED: Final = re.compile("[\udc00-\udcff]")
"""A byte that could not be decoded, in a text that `decoded` returned."""
SLACK_BYTES: Final = 192
"""Readable bytes behind a page: compiled code looks at whole words."""

_ESCAPE: Final = "tieout-escape"
_FIRST_ESCAPE: Final = 0xDC00
_BYTE_ORDER_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(chr(_FIRST_ESCAPE + byte) for byte in wrong), error.end


codecs.register_error(_ESCAPE, _escape)


def encoded(text: str, encoding: str) -> bytes:
    """Encode text; marked bytes come out as they were, other unknown characters as `?`."""
    parts = re.split(f"({UNDECODED.pattern}+)", text)
    return b"".join(
        bytes(ord(each) - _FIRST_ESCAPE for each in part)
        if UNDECODED.match(part)
        else part.encode(encoding, "replace")
        for part in parts
        if part
    )


class Pages:
    """The lines of one file, read page by page; not for use by several threads at once.

    `buffer[pos:end]` holds whole lines that were not taken yet; the reader moves `pos`. `more()`
    brings further lines, and may replace the buffer. `page_bytes` of the file are read at once.
    """

    def __init__(self, path: Path, encoding: str, page_bytes: int = PAGE_BYTES) -> None:
        self.path = path
        self.encoding = encoding
        self.page_bytes = page_bytes
        self.buffer = bytearray(page_bytes + MAX_RECORD_BYTES + SLACK_BYTES)
        self.pos = 0
        self.end = 0
        self.bytes_read = 0
        """Bytes of the file so far, in its own encoding."""
        self.size = 0
        """Bytes of the file, as it was when it was opened; 0 when that is not known."""
        self._have = 0
        self._cutting = False
        self._errors = "surrogateescape" if encoding == "utf-8" else "surrogatepass"
        try:
            self._file = path.open("rb", buffering=0)
            self.size = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            self._decoder = self._open_decoder()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def decoded(self, start: int, stop: int) -> str:
        """Return bytes of the buffer as text, undecodable bytes marked."""
        return self.buffer[start:stop].decode("utf-8", self._errors)

    def more(self) -> bool:
        """Bring further lines behind those not taken yet; False at the end of the file.

        Raises SourceError when the file cannot be read.
        """
        before = self.end - self.pos
        self._move_to_front()
        while self.end - self.pos == before:
            if not self._fill():
                return self._finish()
        return True

    def _open_decoder(self) -> codecs.IncrementalDecoder | None:
        head = self._read_bytes(2)
        if self.encoding == "utf-16" and head not in _BYTE_ORDER_MARKS:
            raise SourceError(
                self.path,
                "the file has no byte order mark, which the encoding utf-16 needs",
                "State utf-16-le or utf-16-be, or the encoding that it really has.",
            )
        if self.encoding == "utf-8" and head in _BYTE_ORDER_MARKS:
            raise SourceError(
                self.path,
                "the file is in UTF-16, not in utf-8",
                "State encoding = 'utf-16' in a mapping.",
            )
        decoder = None
        if self.encoding != "utf-8":
            decoder = codecs.getincrementaldecoder(self.encoding)(_ESCAPE)
        data = head + self._read_bytes(self.page_bytes)
        if decoder is not None:
            data = _to_utf8(decoder, data, final=False)
        self._append(data.removeprefix(codecs.BOM_UTF8))
        return decoder

    def _fill(self) -> bool:
        """Read once; False at the end of the file."""
        if self._decoder is not None or self._cutting:
            data = self._read_bytes(self.page_bytes)
            decoder = self._decoder
            self._append(data if decoder is None else _to_utf8(decoder, data, final=not data))
            return bool(data)
        self._make_room(self.page_bytes)
        try:
            count = self._file.readinto(memoryview(self.buffer)[self._have :][: self.page_bytes])
        except OSError as error:
            raise self._unreadable(error) from error
        self.bytes_read += count
        self._took(count)
        return count > 0

    def _read_bytes(self, count: int) -> bytes:
        try:
            data = self._file.read(count)
        except OSError as error:
            raise self._unreadable(error) from error
        self.bytes_read += len(data)
        return data

    def _move_to_front(self) -> None:
        kept = self._have - self.pos
        self.buffer[:kept] = self.buffer[self.pos : self._have]
        self.end -= self.pos
        self._have = kept
        self.pos = 0

    def _append(self, data: bytes) -> None:
        start = 0
        if self._cutting:
            start = data.find(b"\n")
            if start < 0:
                return
            self._cutting = False
        count = len(data) - start
        self._make_room(count)
        self.buffer[self._have : self._have + count] = data[start:]
        self._took(count)

    def _took(self, count: int) -> None:
        """Move on over bytes that stand in the buffer: whole lines, and the beginning of one."""
        self._have += count
        last = self.buffer.rfind(b"\n", self.end, self._have)
        self.end = self.end if last < 0 else last + 1
        if self._have - self.end > MAX_RECORD_BYTES:
            self._have = self.end + MAX_RECORD_BYTES
            self._cutting = True

    def _make_room(self, count: int) -> None:
        needed = self._have + count + SLACK_BYTES
        if needed > len(self.buffer):
            larger = bytearray(max(needed, 2 * len(self.buffer)))
            larger[: self._have] = self.buffer[: self._have]
            self.buffer = larger

    def _finish(self) -> bool:
        """End a last line that has no line feed."""
        self._cutting = False
        if self._have == self.end:
            return False
        self._append(b"\n")
        return True

    def _unreadable(self, error: OSError) -> SourceError:
        return SourceError(
            self.path,
            f"the file cannot be read: {error.strerror or error}",
            "Check its name and rights.",
        )


def _to_utf8(decoder: codecs.IncrementalDecoder, data: bytes, *, final: bool) -> bytes:
    return decoder.decode(data, final).encode("utf-8", "surrogatepass")
