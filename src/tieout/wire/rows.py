"""Rows: what one role says about one transaction, as fixed-width bytes.

A row is a prefix that every agreement shares and then the agreement's fields, packed,
little-endian, without padding between them (docs/formats/batch.md). Untrusted rows are read with
`numpy.frombuffer` and a structured dtype, which is exact and bounds-checked; whether the bytes are
well formed (R-ROW-1) is judged by the rules, not here.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from tieout.wire.errors import WireError
from tieout.wire.limits import ID_BYTES, MAX_FIELDS, MAX_ROW_BYTES


class ColumnKind(IntEnum):
    """How the bytes of a field are to be read."""

    NUMBER = 1
    """int64, scaled by the field's scale; also prices, rates, quantities and integers."""
    DATE = 2
    """int32, days since 1970-01-01."""
    TIME = 3
    """int64, microseconds since 1970-01-01T00:00:00Z."""
    CODE = 4
    """Printable ASCII, NUL padded."""
    TEXT = 5
    """UTF-8, NUL padded."""


PREFIX_DTYPE: Final = np.dtype(
    [
        ("id", f"S{ID_BYTES}"),
        ("originator", "<u2"),
        ("stage", "u1"),
        ("action", "u1"),
        ("revision", "<u4"),
        ("presence", "<u8"),
        ("salt", "V16"),
    ]
)
PREFIX_BYTES: Final = PREFIX_DTYPE.itemsize
SALT_OFFSET: Final = 52
SALT_BYTES: Final = 16
WIDTHS: Final = {ColumnKind.NUMBER: 8, ColumnKind.DATE: 4, ColumnKind.TIME: 8}
NUMPY_KINDS: Final = {ColumnKind.NUMBER: "<i8", ColumnKind.DATE: "<i4", ColumnKind.TIME: "<i8"}


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a row. `offset` (from the start of the row) and `width` are bytes."""

    name: str
    kind: ColumnKind
    offset: int
    width: int

    def value_of(self, raw: bytes) -> int | bytes:
        """What the bytes of this field say: a number, or a code or text without its padding."""
        if self.kind in (ColumnKind.CODE, ColumnKind.TEXT):
            return raw.rstrip(b"\0")
        return int.from_bytes(raw, "little", signed=True)


@dataclass(frozen=True, slots=True)
class RowLayout:
    """Where each field of an agreement stands in a row, and how wide the row is (bytes)."""

    columns: tuple[Column, ...]
    row_bytes: int

    @property
    def values_bytes(self) -> int:
        """Bytes of the field values behind the prefix."""
        return self.row_bytes - PREFIX_BYTES

    def dtype(self) -> np.dtype[np.void]:
        """Structured dtype of a row: the prefix's names, then one `f_<name>` for each field."""
        columns = [
            (f"f_{column.name}", NUMPY_KINDS.get(column.kind, f"S{column.width}"))
            for column in self.columns
        ]
        return np.dtype([*PREFIX_DTYPE.descr, *columns])


def row_layout(fields: list[tuple[str, ColumnKind, int]]) -> RowLayout:
    """Lay out (name, kind, length in bytes for codes and texts) in the agreement's order.

    Raises WireError when there are more than 64 fields or a row would be wider than 1,024 bytes.
    """
    if len(fields) > MAX_FIELDS:
        raise WireError(f"{len(fields)} fields; at most {MAX_FIELDS} fit")
    columns = []
    offset = PREFIX_BYTES
    for name, kind, length in fields:
        width = WIDTHS.get(kind, length)
        columns.append(Column(name, kind, offset, width))
        offset += width
    if offset > MAX_ROW_BYTES:
        raise WireError(f"a row would have {offset} bytes; at most {MAX_ROW_BYTES} are allowed")
    return RowLayout(tuple(columns), offset)
