"""The header of a CSV file: which column is which field, or why that cannot be said."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tieout.agreement.model import Agreement
from tieout.connectors.csv_records import Records, undecoded_reason
from tieout.connectors.errors import HeaderError, SourceError
from tieout.connectors.mapping import EVERY_OTHER, TRANSACTION_ID, Mapping, reported
from tieout.connectors.values import tidy

REFUSED_COLUMNS: Final = ("line", "field", "reason")
"""What `write_refused` puts before the columns of a file, so that it can be fed again."""

IGNORED: Final = -2
IDENTITY: Final = -1


@dataclass(frozen=True, slots=True)
class Header:
    """What each column is: `targets` holds a field's index, IDENTITY or IGNORED for each.

    `names` are the columns as the file writes them.
    """

    names: tuple[str, ...]
    targets: tuple[int, ...]


def read_header(records: Records, agreement: Agreement, role: int, mapping: Mapping) -> Header:
    """Take the lines before the first row. Raises HeaderError, or SourceError without a header."""
    path = records.pages.path
    first = tuple(records.peek_line().replace(mapping.quote or "\0", "").split(mapping.separator))
    if first[: len(REFUSED_COLUMNS)] != REFUSED_COLUMNS:
        for _ in range(mapping.skip_lines):
            records.skip_line()
    record = records.take()
    if record is None:
        raise SourceError(path, "the file has no header", "Its first line names the columns.")
    wrong = record.fault or undecoded_reason(record, mapping.encoding)
    if not wrong and "\r" in record.text and '"' not in record.text:
        wrong = "the lines end in CR alone"
    if wrong:
        remedy = "Mend the line, or state encoding, separator, quote or skip_lines in a mapping."
        raise SourceError(path, f"the header in line {record.line} cannot be read: {wrong}", remedy)
    fed_again = record.cells[: len(REFUSED_COLUMNS)] == REFUSED_COLUMNS
    names = tuple(tidy(cell, mapping.spaces) for cell in record.cells)
    return Header(
        record.cells, _targets(path, names, agreement, role, mapping, fed_again=fed_again)
    )


def _targets(
    path: Path,
    names: tuple[str, ...],
    agreement: Agreement,
    role: int,
    mapping: Mapping,
    *,
    fed_again: bool,
) -> tuple[int, ...]:
    wanted = _wanted(agreement, role, mapping)
    unreported = {each.name for each in agreement.fields} - {*reported(agreement, role)}
    skipped = len(REFUSED_COLUMNS) if fed_again else 0
    targets = [IGNORED] * skipped
    wrong: dict[str, list[str]] = {"unknown": [], "unreported": [], "duplicate": [], "constant": []}
    for name in names[skipped:]:
        mapped = name in mapping.columns.values()
        if not mapped and name in mapping.ignore:
            targets.append(IGNORED)
        elif name in wanted:
            if wanted[name] in targets:
                wrong["duplicate"].append(name)
            targets.append(wanted[name])
        elif EVERY_OTHER in mapping.ignore:
            targets.append(IGNORED)
        elif name in mapping.constants:
            wrong["constant"].append(name)
        else:
            wrong["unreported" if name in unreported else "unknown"].append(name)
    optional = {i for i, each in enumerate(agreement.fields) if each.optional}
    absent = [
        name
        for name, target in wanted.items()
        if target not in targets and (target not in optional or name in mapping.columns.values())
    ]
    if absent or any(wrong.values()):
        raise HeaderError(
            path,
            absent=tuple(absent),
            known=tuple(wanted),
            role=agreement.roles[role],
            **{group: tuple(found) for group, found in wrong.items()},
        )
    return tuple(targets)


def _wanted(agreement: Agreement, role: int, mapping: Mapping) -> dict[str, int]:
    """Return which column leads to which target."""
    wanted = {mapping.columns.get(TRANSACTION_ID, TRANSACTION_ID): IDENTITY}
    for index, each in enumerate(agreement.fields):
        if role in each.roles and each.name not in mapping.constants:
            wanted.setdefault(mapping.columns.get(each.name, each.name), index)
    return wanted
