"""The breaks file at speed: the same CSV as `breaklist`, from columns.

The problem: a bad day has a hundred thousand open breaks, and writing a line of nine texts one by
one takes longer than finding the break did. The model: a matrix of bytes, a row for each line.
Every column of the file is a block of the matrix, as wide as its widest text and padded with NUL;
names are looked up in small tables, numbers are written digit by digit for all lines at once. Since
no text of a ledger has a NUL in it (R-ROW-1), deleting all of them leaves the file.

Input is the table of open breaks as the compiled rules list it: a structured array with the columns
`id, kind, field, role, state, basis, has_difference, agreement, difference, reported, benchmark`,
and where agreements have groups `group_key, suspect, suspicion, shown`;
`field` is 255 for a whole record, and counts invariants and groups behind the fields;
`basis` is a role's index, 254 for majority, 255 for none; values are the raw bytes of rows, NUL
padded.

What is not here: the meaning of the columns, which `breaklist` explains; both give the same bytes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tieout.agreement.breakrow import Suspicion
from tieout.agreement.keys import PREVIOUS_STAGE
from tieout.agreement.model import NUMBERS, Agreement, Field, FieldType
from tieout.evidence.breaklist import (
    DECISION,
    KINDS,
    MAJORITY,
    STATUSES,
    csv_bytes,
    group_text,
    quoted,
    summed_field,
)
from tieout.units.dates import format_date, format_seconds, format_time
from tieout.wire.codes import NO_FIELD, BenchmarkState
from tieout.wire.rows import ColumnKind

Bytes: TypeAlias = NDArray[np.uint8]
"""A matrix of bytes: a row for each line, NUL where there is nothing."""

CHUNK_LINES: Final = 1 << 15
"""Lines written at once: the matrix stays within a few megabytes."""
BY_DECISION: Final = 252
BY_PREVIOUS_STAGE: Final = 253
BY_MAJORITY: Final = 254
NO_BASIS: Final = 255
REPORTED_SHOWN: Final = 1
_NUMBER_BYTES: Final = 8
_CODES: Final = 256
_NEEDS_QUOTES: Final = np.frombuffer(b'",\r\n', dtype=np.uint8)
_NUMPY_KINDS: Final = {ColumnKind.NUMBER: "<i8", ColumnKind.DATE: "<i4", ColumnKind.TIME: "<i8"}


def table_csv(agreements: Mapping[int, Agreement], table: NDArray[np.void]) -> Iterator[bytes]:
    """The breaks file as RFC 4180 CSV, in pieces, in the order of the table.

    `agreements` has the agreement of each book number in the table.
    """
    yield csv_bytes(())
    for start in range(0, len(table), CHUNK_LINES):
        yield _lines(agreements, table[start : start + CHUNK_LINES])


def _lines(agreements: Mapping[int, Agreement], table: NDArray[np.void]) -> bytes:
    numbers = sorted(agreements)
    book = np.searchsorted(np.array(numbers), table["agreement"])
    books = [agreements[number] for number in numbers]
    columns = (
        _texts(_raw(table["id"])),
        _named(_codes_of(KINDS.items()), table["kind"]),
        _named(_field_names(books), book * _CODES + table["field"]),
        _named(_role_names(books), book * _CODES + table["role"]),
        *_values(books, book, table),
        _named(_codes_of(STATUSES.items()), table["state"]),
    )
    comma = np.full((len(table), 1), ord(","), dtype=np.uint8)
    end = np.tile(np.frombuffer(b"\r\n", dtype=np.uint8), (len(table), 1))
    parts = [part for column in columns for part in (column, comma)]
    matrix = np.concatenate([*parts[:-1], end], axis=1)
    return matrix.tobytes().translate(None, b"\0")


def _values(
    books: Sequence[Agreement], book: NDArray[np.intp], table: NDArray[np.void]
) -> tuple[Bytes, Bytes, Bytes, Bytes]:
    """The columns reported, benchmark, basis, difference: written field by field."""
    count = len(table)
    reported, benchmark, difference = _Column(count), _Column(count), _Column(count)
    keys = book * _CODES + table["field"]
    decided = table["state"] == BenchmarkState.DECIDED
    basis = _Column(count)
    named = np.where(decided, table["basis"], NO_BASIS)
    basis.put(np.arange(count), _named(_basis_names(books), book * _CODES + named))
    for key in np.unique(keys).tolist():
        index, f = divmod(key, _CODES)
        agreement = books[index]
        if f != NO_FIELD and f >= agreement.first_group_place:
            total = summed_field(agreement, f)
            places = np.flatnonzero((keys == key) & (table["shown"] & REPORTED_SHOWN != 0))
            reported.put(places, _number_texts(total, table["reported"], places))
            places = places[table["has_difference"][places] != 0]
            benchmark.put(places, _number_texts(total, table["benchmark"], places))
            difference.put(places, _differences(total, table["difference"][places]))
            places = np.flatnonzero(keys == key)
            basis.put(places, _group_texts(table[places]))
            continue
        if f >= len(agreement.fields):  # the whole record, or an invariant
            continue
        field, kind = agreement.fields[f], agreement.layout.columns[f].kind
        width = agreement.layout.columns[f].width
        places = np.flatnonzero((keys == key) & (table["state"] != BenchmarkState.NONE))
        reported.put(places, _written(field, kind, _cut(table["reported"], places, width)))
        places = places[table["state"][places] == BenchmarkState.DECIDED]
        benchmark.put(places, _written(field, kind, _cut(table["benchmark"], places, width)))
        places = places[table["has_difference"][places] != 0]
        difference.put(places, _differences(field, table["difference"][places]))
    return reported.matrix, benchmark.matrix, basis.matrix, difference.matrix


def _number_texts(field: Field, raw: NDArray[np.void], places: NDArray[np.intp]) -> Bytes:
    """The sums of a group, from their bytes."""
    return _written(field, ColumnKind.NUMBER, _cut(raw, places, _NUMBER_BYTES))


def _group_texts(lines: NDArray[np.void]) -> Bytes:
    """Which groups are meant, and the members that would explain their differences."""
    texts = [
        quoted(group_text(key, suspect, Suspicion(suspicion))).encode("utf-8")
        for key, suspect, suspicion in lines[["group_key", "suspect", "suspicion"]].tolist()
    ]
    return _raw(np.array(texts, dtype=np.bytes_))


class _Column:
    """A column that is filled group by group, and grows to the widest."""

    def __init__(self, count: int) -> None:
        self.matrix: Bytes = np.zeros((count, 0), dtype=np.uint8)

    def put(self, places: NDArray[np.intp], texts: Bytes) -> None:
        missing = texts.shape[1] - self.matrix.shape[1]
        if missing > 0:
            self.matrix = np.pad(self.matrix, ((0, 0), (0, missing)))
        self.matrix[places, : texts.shape[1]] = texts


# ---------------------------------------------------------------- names


def _codes_of(named: Iterable[tuple[int, str]]) -> Bytes:
    names = dict(named)
    return _name_table([names.get(code, "") for code in range(_CODES)])


def _field_names(books: Iterable[Agreement]) -> Bytes:
    """Names of fields, and behind them those of invariants and groups."""
    return _name_table(name for each in books for name in _padded(each.place_names))


def _role_names(books: Iterable[Agreement]) -> Bytes:
    return _name_table(name for each in books for name in _padded(each.roles))


def _basis_names(books: Iterable[Agreement]) -> Bytes:
    bases = []
    for each in books:
        names = _padded(each.roles)
        names[BY_DECISION] = DECISION
        names[BY_PREVIOUS_STAGE] = PREVIOUS_STAGE
        names[BY_MAJORITY] = MAJORITY
        bases += names
    return _name_table(bases)


def _padded(names: Iterable[str]) -> list[str]:
    """The names by their codes, empty for the rest."""
    listed = list(names)
    return listed + [""] * (_CODES - len(listed))


def _name_table(names: Iterable[str]) -> Bytes:
    return _raw(np.array([quoted(name).encode("utf-8") for name in names], dtype=np.bytes_))


def _named(names: Bytes, codes: NDArray[np.integer]) -> Bytes:
    return np.take(names, codes, axis=0)


# ---------------------------------------------------------------- values


def _raw(texts: NDArray[np.bytes_ | np.void]) -> Bytes:
    """Fixed-width texts as a matrix of bytes."""
    flat = np.ascontiguousarray(texts)
    return flat.view(np.uint8).reshape(len(flat), flat.dtype.itemsize)


def _cut(values: NDArray[np.void], places: NDArray[np.intp], width: int) -> Bytes:
    return np.ascontiguousarray(_raw(values[places])[:, :width])


def _written(field: Field, kind: ColumnKind, raw: Bytes) -> Bytes:
    """The values of a field, from their bytes in rows."""
    if kind not in _NUMPY_KINDS:
        return _texts(raw)
    return written_numbers(field, raw.view(_NUMPY_KINDS[kind]).reshape(-1).astype(np.int64))


def written_numbers(field: Field, numbers: NDArray[np.int64]) -> Bytes:
    """Numbers, dates or times of a field as `breaklist.value_text` writes them, NUL around."""
    if field.type in NUMBERS:
        return scaled_texts(numbers, field.scale)
    return _each(numbers, format_date if field.type is FieldType.DATE else format_time)


def _differences(field: Field, numbers: NDArray[np.int64]) -> Bytes:
    if field.type is FieldType.TIME:
        return _each(numbers, format_seconds)
    return scaled_texts(numbers, field.scale if field.type in NUMBERS else 0)


def scaled_texts(numbers: NDArray[np.int64], scale: int) -> Bytes:
    """As `format_scaled`, digit by digit, the last one first; NUL where there is nothing."""
    rest = np.abs(numbers).view(np.uint64)
    blocks: list[NDArray[np.uint8]] = []
    written = 0
    while written <= scale or rest.any():
        if written == scale and scale > 0:
            blocks.append(np.full(len(numbers), ord("."), dtype=np.uint8))
        above = rest // np.uint64(10)
        digits = (rest - above * np.uint64(10)).astype(np.uint8) + np.uint8(ord("0"))
        if written > scale:
            digits[rest == 0] = 0
        blocks.append(digits)
        rest = above
        written += 1
    blocks.append(np.where(numbers < 0, np.uint8(ord("-")), np.uint8(0)))
    return np.stack(blocks[::-1], axis=1)


def _each(numbers: NDArray[np.int64], write: Callable[[int], str]) -> Bytes:
    """Write each distinct number once: dates, times and their differences repeat."""
    distinct, places = np.unique(numbers, return_inverse=True)
    texts = np.array([write(number).encode("ascii") for number in distinct.tolist()] or [b""])
    return _raw(texts[places] if len(numbers) else texts[:0])


def _texts(raw: Bytes) -> Bytes:
    """Codes, texts and ids; those with a comma, quote or line end in it are put into quotes."""
    raw = np.ascontiguousarray(raw)
    marked = np.flatnonzero(np.isin(raw, _NEEDS_QUOTES).any(axis=1))
    if len(marked) == 0:
        return raw
    texts: list[bytes] = raw.view(f"S{raw.shape[1]}").reshape(-1).tolist()
    for place in marked.tolist():
        texts[place] = quoted(texts[place].decode("utf-8")).encode("utf-8")
    return _raw(np.array(texts, dtype=np.bytes_))
