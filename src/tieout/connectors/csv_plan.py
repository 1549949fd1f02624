"""What the compiled pass has to know about a file, as arrays; and the calls into it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tieout.agreement.model import Agreement
from tieout.connectors import csv_fast as fast
from tieout.connectors import csv_ids as ids
from tieout.connectors.csv_header import IDENTITY, IGNORED, Header
from tieout.connectors.csv_known import PRESENCE_OFFSET, KnownRows
from tieout.connectors.encodings import Pages
from tieout.connectors.formats import Format, parse_format
from tieout.connectors.limits import MAX_MARKER_BYTES, MAX_RECORD_BYTES
from tieout.connectors.mapping import Mapping, Spaces
from tieout.units.dates import US_PER_MINUTE
from tieout.wire.batch import HEAD_BYTES
from tieout.wire.limits import ID_BYTES
from tieout.wire.rows import Column, ColumnKind

KINDS = {
    ColumnKind.NUMBER: fast.NUMBER,
    ColumnKind.DATE: fast.DATE,
    ColumnKind.TIME: fast.TIME,
    ColumnKind.CODE: fast.CODE,
    ColumnKind.TEXT: fast.TEXT,
}
SPACES = {Spaces.KEEP: 0, Spaces.TRIM: 1, Spaces.COLLAPSE: 2}
PARTS = {
    "YYYY": fast.YEAR,
    "mm": fast.MONTH,
    "dd": fast.DAY,
    "HH": fast.HOUR,
    "MM": fast.MINUTE,
    "SS": fast.SECOND,
}
ISO_DATE = parse_format("%Y-%m-%d", "date")
ISO_TIME = parse_format("%Y-%m-%dT%H:%M:%S", "time")
"""Without its tail of decimals and offset, and with a T where a space may stand, too."""


class Plan(NamedTuple):
    """The arrays of one file that `scan_page` takes.

    `columns` has COLUMN_FACTS numbers for each column of the file, `form` FORM_NUMBERS numbers,
    `formats` PLACES words for dates and as many for times; `markers` are the texts that mean blank,
    each behind its size; `template` is what every row begins as, in whole words.
    """

    columns: NDArray[np.int64]
    form: NDArray[np.int64]
    formats: NDArray[np.uint64]
    markers: NDArray[np.uint8]
    template: NDArray[np.uint8]


def plan_of(agreement: Agreement, mapping: Mapping, header: Header, template: bytes) -> Plan:
    """Describe a file to the compiled pass."""
    dates = _places(mapping.date_format or ISO_DATE, with_gap=False)
    times = _places(mapping.time_format or ISO_TIME, with_gap=mapping.time_format is None)
    markers = np.zeros((len(mapping.blank), 1 + MAX_MARKER_BYTES), np.uint8)
    for marker, text in zip(markers, mapping.blank, strict=True):
        data = np.frombuffer(text.encode("utf-8"), np.uint8)
        marker[0] = len(data)
        marker[1 : 1 + len(data)] = data
    words = -(-len(template) // 8)
    return Plan(
        columns=_columns(agreement, mapping, header),
        form=_form(mapping),
        formats=np.concatenate([dates, times]),
        markers=markers,
        template=np.frombuffer(template.ljust(8 * words, b"\0"), np.uint8),
    )


def scan(
    plan: Plan,
    pages: Pages,
    known: KnownRows,
    rows: int,
    line: int,
    starts: NDArray[np.int64],
) -> tuple[int, int]:
    """Write up to `rows` rows of the page behind the known ones; (rows written, last line taken).

    They are all of one batch, and room for them has been reserved. Moves on in the page, to the
    first line that is not plain at the latest. `starts` are the places of the rows in the page.
    """
    reached = np.empty(fast.REACHED, np.int64)
    row = fast.scan_page(
        np.frombuffer(pages.buffer, np.uint8),
        pages.pos,
        pages.end,
        *plan,
        _facts(known),
        known.flat[known.place_of(known.count) :],
        0,
        rows,
        line,
        known.all_lines[known.count :],
        starts,
        reached,
    )
    pages.pos, line = reached.tolist()
    return row, line


def settle(
    known: KnownRows, rows: int, starts: NDArray[np.int64], found: NDArray[np.int64]
) -> tuple[int, int, int]:
    """Take rows behind the known ones; (known now, repeats, conflicts noted in `found`)."""
    hashes = np.empty(rows, np.uint64)
    counts = np.empty(ids.COUNTS, np.int64)
    taken = ids.settle_rows(
        known.flat,
        known.count,
        rows,
        known.all_lines,
        starts,
        known.table,
        _facts(known),
        hashes,
        found,
        counts,
    )
    repeats, conflicts, _ = counts.tolist()
    return taken, repeats, conflicts


def table_of(known: KnownRows, slots: int) -> NDArray[np.uint64]:
    """Return a table of at least so many slots that holds the known rows."""
    # Written, not left for the system to hand out as zeros: a page that is read before it is
    # written costs two faults, and the threads on other cores wait for the second.
    table = np.empty(1 << (slots - 1).bit_length(), np.uint64)
    table.fill(0)
    ids.fill_table(known.flat, known.count, table, _facts(known))
    return table


def _facts(known: KnownRows) -> NDArray[np.uint64]:
    facts = np.zeros(fast.FACTS, np.uint64)
    facts[fast.ROW_BYTES] = known.row_bytes
    facts[fast.BATCH_ROWS] = known.batch_rows
    facts[fast.BATCH_HEAD] = HEAD_BYTES
    facts[fast.PRESENCE_AT] = PRESENCE_OFFSET
    facts[fast.HASH_SEED] = known.seed
    facts[fast.LONGEST_LINE] = MAX_RECORD_BYTES
    return facts


def _columns(agreement: Agreement, mapping: Mapping, header: Header) -> NDArray[np.int64]:
    columns = np.zeros((fast.COLUMN_FACTS, len(header.targets)), np.int64)
    for index, target in enumerate(header.targets):
        if target == IDENTITY:
            columns[fast.KIND, index] = fast.ID
            columns[fast.WIDTH, index] = ID_BYTES
        elif target != IGNORED:
            column = agreement.layout.columns[target]
            columns[fast.KIND, index] = _kind(column, mapping)
            columns[fast.SCALE, index] = agreement.fields[target].scale
            columns[fast.PLACE, index] = column.offset
            columns[fast.WIDTH, index] = column.width
            columns[fast.BIT, index] = target
    return columns


def _kind(column: Column, mapping: Mapping) -> int:
    form = {ColumnKind.DATE: mapping.date_format, ColumnKind.TIME: mapping.time_format}.get(
        column.kind
    )
    return fast.OTHER if form is not None and form.template is None else KINDS[column.kind]


def _form(mapping: Mapping) -> NDArray[np.int64]:
    numbers = mapping.numbers
    form = np.zeros(fast.FORM_NUMBERS, np.int64)
    form[fast.SEPARATOR] = _byte(mapping.separator)
    form[fast.QUOTE] = _byte(mapping.quote)
    form[fast.DECIMAL] = _byte(numbers.decimal)
    form[fast.THOUSANDS] = _byte(numbers.thousands)
    form[fast.PARENTHESES] = numbers.parentheses
    form[fast.TRAILING_MINUS] = numbers.trailing_minus
    form[fast.SPACES] = SPACES[mapping.spaces]
    form[fast.ZONE_KNOWN] = mapping.zone_minutes is not None
    form[fast.ZONE_US] = (mapping.zone_minutes or 0) * US_PER_MINUTE
    form[fast.TIME_TAIL] = mapping.time_format is None
    return form


def _byte(mark: str) -> int:
    """Return the byte of a mark; 0, which no plain value has, for none or one beyond ASCII."""
    return ord(mark) if mark and mark.isascii() else 0


def _places(form: Format, *, with_gap: bool) -> NDArray[np.uint64]:
    """Describe a format of fixed places; one without is never asked for."""
    places = np.full(fast.PLACES, fast.NOWHERE, np.uint64)
    template = form.template
    if template is None or len(template) > 8 * fast.FORMAT_WORDS:
        return places
    places[fast.LENGTH] = len(template)
    for letters, part in PARTS.items():
        if letters in template:
            places[part] = template.index(letters)
    gap = template.index("T") if with_gap else fast.NOWHERE
    places[fast.GAP] = gap
    expected, reach, mask = bytearray(24), bytearray(24), bytearray(24)
    for index, character in enumerate(template):
        is_digit = character in "YmdHMS"
        expected[index] = ord("0" if is_digit else character)
        reach[index] = 0x76 if is_digit else 0x7F
        mask[index] = 0 if index == gap else 0xFF
    for start, data in ((fast.EXPECTED, expected), (fast.RANGE, reach), (fast.MASK, mask)):
        places[start : start + fast.FORMAT_WORDS] = np.frombuffer(bytes(data), np.uint64)
    return places
