"""What records state, as JSON documents: printed texts, and exact integers, by field.

The problem: a day has millions of records of eight fields each, and printing them one by one takes
longer than judging them did. The model is that of `evidence.breaktable`: a matrix of bytes with a
row for each record, names and marks as constant columns, values as blocks written for all records
at once, NUL wherever there is nothing; without the NULs it is the documents, a line for each.

A field that the record leaves blank is null in the texts. The exact integers are those of numbers
(scaled), dates (days) and times (microseconds); codes and texts have none.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tieout.agreement.model import Agreement, Field
from tieout.evidence.breaktable import Bytes, scaled_texts, written_numbers
from tieout.wire.rows import NUMPY_KINDS, PREFIX_BYTES, Column

_NULL: Final = np.frombuffer(b"null", np.uint8)
_QUOTE: Final = np.frombuffer(b'"', np.uint8)
_SMALLEST_PLAIN: Final = 0x20
_ESCAPED: Final = np.frombuffer(b'"\\', np.uint8)


def documents(
    agreement: Agreement, values: NDArray[np.void], presence: NDArray[np.uint64]
) -> tuple[list[str], list[str]]:
    """(texts, exact integers) of records, as JSON; `values` are row bytes behind the prefix."""
    count = len(values)
    raw = np.ascontiguousarray(values).view(np.uint8).reshape(count, values.dtype.itemsize)
    texts: list[Bytes] = []
    exact: list[Bytes] = []
    for number, field in enumerate(agreement.fields):
        column = agreement.layout.columns[number]
        start = column.offset - PREFIX_BYTES
        cell = np.ascontiguousarray(raw[:, start : start + column.width])
        is_stated = (presence >> np.uint64(number)) & np.uint64(1) != 0
        name = msgspec.json.encode(field.name) + b":"
        if column.kind in NUMPY_KINDS:
            numbers = cell.view(NUMPY_KINDS[column.kind]).reshape(-1).astype(np.int64)
            texts += _member(name, _quoted(written_numbers(field, numbers)), is_stated, count)
            exact += _member(name, scaled_texts(numbers, 0), is_stated, count)
        else:
            texts += _member(name, _quoted(_escaped(cell)), is_stated, count)
    return _lines(texts, count), _lines(exact, count)


def _member(name: bytes, value: Bytes, is_stated: NDArray[np.bool_], count: int) -> list[Bytes]:
    """A member of an object with a comma behind it."""
    width = max(value.shape[1], len(_NULL))
    block = np.zeros((count, width), np.uint8)
    block[:, : value.shape[1]] = value
    blank = np.zeros(width, np.uint8)
    blank[: len(_NULL)] = _NULL
    block[~is_stated] = blank
    return [_constant(name, count), block, _constant(b",", count)]


def _lines(members: list[Bytes], count: int) -> list[str]:
    if not members:
        return ["{}"] * count
    parts = [_constant(b"{", count), *members[:-1], _constant(b"}\n", count)]
    plain = np.concatenate(parts, axis=1).tobytes().translate(None, b"\0")
    return plain.decode("utf-8").split("\n")[:count]


def _constant(text: bytes, count: int) -> Bytes:
    return np.broadcast_to(np.frombuffer(text, np.uint8), (count, len(text)))


def _quoted(value: Bytes) -> Bytes:
    mark = np.broadcast_to(_QUOTE, (len(value), 1))
    return np.concatenate([mark, value, mark], axis=1)


def _escaped(cell: Bytes) -> Bytes:
    """Codes and texts as they stand inside the quotes of JSON."""
    special = np.isin(cell, _ESCAPED) | ((cell < _SMALLEST_PLAIN) & (cell != 0))
    marked = np.flatnonzero(special.any(axis=1))
    if len(marked) == 0:
        return cell
    told: list[bytes] = cell.view(f"S{cell.shape[1]}").reshape(-1).tolist()
    for place in marked.tolist():
        told[place] = msgspec.json.encode(told[place].decode("utf-8"))[1:-1]
    flat = np.array(told, dtype=np.bytes_)
    return flat.view(np.uint8).reshape(len(told), flat.dtype.itemsize)


def currency_of(agreement: Agreement, field: Field, values: bytes, presence: int) -> str:
    """The currency that a record states for a money field; empty for anything else."""
    if field.currency is not None:
        return field.currency
    if field.currency_field is None or not presence >> field.currency_field & 1:
        return ""
    column: Column = agreement.layout.columns[field.currency_field]
    start = column.offset - PREFIX_BYTES
    return values[start : start + column.width].rstrip(b"\0").decode("utf-8")
