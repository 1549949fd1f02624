"""Files written and read in one step, and results in a form that can be compared."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from tieout.agreement.model import Agreement
from tieout.agreement.parse import parse_agreement
from tieout.connectors.csv_known import KnownRows
from tieout.connectors.csv_read import PLAIN, read_rows
from tieout.connectors.csv_rows import Refused
from tieout.connectors.mapping import Mapping
from tieout.connectors.mapping_file import parse_mapping
from tieout.units.dates import format_date, format_time
from tieout.units.numbers import format_scaled
from tieout.wire.rows import ColumnKind

AGREEMENT = parse_agreement(
    """
    name = "orders"
    version = 1
    roles = ["seller", "bank"]

    [fields.fund]
    type = "code"
    length = 6

    [fields.amount]
    type = "money"
    scale = 2

    [fields.shares]
    type = "quantity"
    scale = 4
    roles = ["seller"]

    [fields.day]
    type = "date"
    optional = true

    [fields.at]
    type = "time"
    optional = true

    [fields.remark]
    type = "text"
    length = 12
    optional = true
    """
)
SELLER, BANK = 0, 1
Values = dict[str, str | None]


class Taken(NamedTuple):
    """All that reading a file gave."""

    rows: list[bytes]
    lines: list[int]
    refused: list[Refused]
    repeats: int


def read_all(
    path: Path,
    mapping: Mapping = PLAIN,
    *,
    agreement: Agreement = AGREEMENT,
    role: int = SELLER,
    known: KnownRows | None = None,
    compiled: bool = False,
    chunk_rows: int = 10_000,
    page_bytes: int = 1 << 20,
) -> Taken:
    reader = read_rows(
        path,
        agreement,
        role,
        mapping,
        known,
        chunk_rows=chunk_rows,
        compiled=compiled,
        page_bytes=page_bytes,
    )
    taken = Taken([], [], [], 0)
    for chunk in reader:
        assert len(chunk.rows) == len(chunk.lines) <= chunk_rows
        taken.rows.extend(bytes(row) for row in chunk.rows)
        taken.lines.extend(map(int, chunk.lines))
        taken.refused.extend(chunk.refused)
        taken = taken._replace(repeats=taken.repeats + chunk.repeats)
    return taken


def both_ways(folder: Path, data: bytes, toml: str = "", role: int = SELLER) -> Taken:
    """What a file gives, read the readable way; the compiled way is checked to give the same."""
    path = folder / "file.csv"
    path.write_bytes(data)
    mapping = parse_mapping(toml, AGREEMENT, role)
    readable = read_all(path, mapping, role=role)
    assert read_all(path, mapping, role=role, compiled=True) == readable
    return readable


def values_of(row: bytes, agreement: Agreement = AGREEMENT) -> Values:
    """The id and the values of a row, printed; None for what is absent."""
    prefix = np.frombuffer(row, agreement.layout.dtype(), 1)[0]
    printed: Values = {"transaction_id": prefix["id"].decode()}
    for index, (field, column) in enumerate(
        zip(agreement.fields, agreement.layout.columns, strict=True)
    ):
        value = prefix[f"f_{field.name}"]
        if not int(prefix["presence"]) >> index & 1:
            printed[field.name] = None
        elif column.kind is ColumnKind.NUMBER:
            printed[field.name] = format_scaled(int(value), field.scale)
        elif column.kind is ColumnKind.DATE:
            printed[field.name] = format_date(int(value))
        elif column.kind is ColumnKind.TIME:
            printed[field.name] = format_time(int(value))
        else:
            printed[field.name] = value.decode()
    return printed
