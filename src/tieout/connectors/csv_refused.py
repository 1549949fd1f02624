"""Refused rows out: a CSV that says what is wrong and can be mended and fed again as it is.

Before each row stand its line, the field at fault and the reason; then the row exactly as it stood
in the file, in the file's own separator, quotes and encoding, undecodable bytes included. The
reader knows these three columns by their names and ignores them.
"""

from collections.abc import Iterable
from pathlib import Path

from tieout.connectors.csv_header import REFUSED_COLUMNS
from tieout.connectors.csv_rows import Refused
from tieout.connectors.encodings import encoded
from tieout.connectors.mapping import Mapping


def write_refused(
    path: Path, columns: tuple[str, ...], refused: Iterable[Refused], mapping: Mapping
) -> int:
    """Write the refused rows of one role's files; return how many.

    `columns` are those of the reader that refused them, `mapping` the one it read with. The rows
    of a file that was itself such a file do not get the three columns twice.
    """
    fed_again = columns[: len(REFUSED_COLUMNS)] == REFUSED_COLUMNS
    own = columns[len(REFUSED_COLUMNS) :] if fed_again else columns
    count = 0
    with path.open("wb") as file:
        header = _joined((*REFUSED_COLUMNS, *own), mapping)
        file.write(encoded(header + "\n", mapping.encoding))
        encoding = "utf-16-le" if mapping.encoding == "utf-16" else mapping.encoding
        for each in refused:
            text = _behind(each.text, len(REFUSED_COLUMNS), mapping) if fed_again else each.text
            told = _joined((str(each.line), each.field, each.reason), mapping)
            file.write(encoded(f"{told}{mapping.separator}{text}\n", encoding))
            count += 1
    return count


def _joined(cells: tuple[str, ...], mapping: Mapping) -> str:
    return mapping.separator.join(_cell(cell, mapping) for cell in cells)


def _cell(text: str, mapping: Mapping) -> str:
    separator, quote = mapping.separator, mapping.quote
    if not quote:
        return text.replace(separator, " ").replace("\n", " ")
    if separator in text or quote in text or "\n" in text or "\r" in text:
        return quote + text.replace(quote, 2 * quote) + quote
    return text


def _behind(text: str, cells: int, mapping: Mapping) -> str:
    """Return a row's text behind its first cells; the whole text when it has not so many."""
    at = 0
    for _ in range(cells):
        if mapping.quote and text.startswith(mapping.quote, at):
            at = text.find(mapping.quote, at + 1)
            while at >= 0 and text.startswith(mapping.quote, at + 1):
                at = text.find(mapping.quote, at + 2)
        at = text.find(mapping.separator, at) + 1 if at >= 0 else 0
        if at == 0:
            return text
    return text[at:]
