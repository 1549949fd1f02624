"""The breaks file: what does not tie out, a line for each transaction, field and role.

The problem: the rules list open breaks as raw values (`BreakRow`); people and their spreadsheets
want text, exactly. A line says (R-MATCH-2, R-MATCH-3, R-MISS-1, R-MISS-2):

- transaction_id, kind, and field (empty where the whole record is meant) and role by name; an
  invariant that does not hold stands by its name in the place of a field, without values;
- reported, benchmark: numbers with exactly `scale` decimals, dates and times in ISO 8601;
- basis: the authority's role, `majority` or `previous_stage`;
- of a group (R-GROUP-7), which stands by its name in the place of a field: reported and benchmark
  are the two sums; basis is its key and, where a single member explains the difference exactly,
  `without` or `with` that member `twice`;
- difference, reported − benchmark: numbers as the field, dates in days, times in seconds; empty
  for codes, texts, and money in different currencies;
- status: `open`; or, where there is no benchmark, `undecided`, or `awaiting` while its authority
  may still speak. Then benchmark, basis and difference are empty.

Forms: RFC 4180 CSV (CRLF, quotes only where needed), and JSON with the same nine texts. The order
of the lines is the order of the rows. What is not here: speed; `breaktable.py` writes the same CSV
from columns.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from tieout.agreement.breakrow import BreakRow, Suspicion
from tieout.agreement.keys import PREVIOUS_STAGE
from tieout.agreement.model import NUMBERS, Agreement, Field, FieldType, Policy
from tieout.units.dates import format_date, format_seconds, format_time
from tieout.units.numbers import format_scaled
from tieout.wire.codes import BenchmarkState, BreakKind

MAJORITY: Final = "majority"
DECISION: Final = "decision"
KINDS: Final = {kind: kind.name.lower() for kind in BreakKind}
STATUSES: Final = {
    BenchmarkState.NONE: "open",
    BenchmarkState.AWAITING: "awaiting",
    BenchmarkState.UNDECIDED: "undecided",
    BenchmarkState.DECIDED: "open",
}


_SUSPICIONS: Final = {
    Suspicion.NONE: "{key}",
    Suspicion.WITHOUT: "{key} without {suspect}",
    Suspicion.TWICE: "{key} with {suspect} twice",
}


class BreakLine(NamedTuple):
    """One line, as texts; the names and their order are those of the file."""

    transaction_id: str
    kind: str
    field: str
    role: str
    reported: str
    benchmark: str
    basis: str
    difference: str
    status: str


class StagedLine(NamedTuple):
    """A line of an agreement with stages: the stage by name, and the line."""

    stage: str
    line: BreakLine


def staged_lines_of(
    agreements: Mapping[int, Agreement], rows: Sequence[BreakRow]
) -> list[StagedLine]:
    """As `lines_of`, for agreements with stages; the stage is empty where a version has none."""
    names = [[stage.name for stage in agreements[row.agreement].stages] for row in rows]
    return [
        StagedLine(stages[row.stage] if stages else "", line_of(agreements[row.agreement], row))
        for stages, row in zip(names, rows, strict=True)
    ]


def staged_csv(lines: Sequence[StagedLine]) -> bytes:
    """As `csv_bytes`, with the column `stage` behind the others."""
    cells = [(*each.line, each.stage) for each in lines]
    head = (*BreakLine._fields, "stage")
    return "".join(",".join(map(quoted, line)) + "\r\n" for line in (head, *cells)).encode("utf-8")


def staged_json(lines: Sequence[StagedLine]) -> bytes:
    """As `json_bytes`, with the key `stage` behind the others."""
    objects = [{**each.line._asdict(), "stage": each.stage} for each in lines]
    if not objects:
        return b"[]\n"
    encoded = msgspec.json.Encoder().encode_lines(objects)
    return b"[\n" + encoded.removesuffix(b"\n").replace(b"\n", b",\n") + b"\n]\n"


def lines_of(agreements: Mapping[int, Agreement], rows: Iterable[BreakRow]) -> list[BreakLine]:
    """The line of each row. `agreements` has the agreement of each book number in `rows`."""
    return [line_of(agreements[row.agreement], row) for row in rows]


def line_of(agreement: Agreement, row: BreakRow) -> BreakLine:
    """One open break of a transaction under `agreement`, as texts."""
    reported, benchmark, basis, difference = "", "", "", ""
    field = None
    if row.field is not None and row.kind is BreakKind.GROUP:
        total = summed_field(agreement, row.field)
        reported, benchmark = value_text(total, row.reported), value_text(total, row.benchmark)
        difference = difference_text(total, row.difference)
        basis = group_text(row.group_key or b"", row.suspect or b"", row.suspicion)
    elif row.field is not None and row.kind is not BreakKind.INVARIANT:
        field = agreement.fields[row.field]
        reported = value_text(field, row.reported)
        if row.state is BenchmarkState.DECIDED:
            benchmark = value_text(field, row.benchmark)
            basis = basis_text(agreement, field, row.basis)
            difference = difference_text(field, row.difference)
    return BreakLine(
        transaction_id=row.transaction_id.decode("utf-8"),
        kind=KINDS[row.kind],
        field="" if row.field is None else agreement.name_of_place(row.field),
        role=agreement.roles[row.role],
        reported=reported,
        benchmark=benchmark,
        basis=basis,
        difference=difference,
        status=STATUSES[row.state],
    )


def summed_field(agreement: Agreement, place: int) -> Field:
    """The field that the group at a place adds up."""
    return agreement.fields[agreement.groups[place - agreement.first_group_place].sum]


def group_text(key: bytes, suspect: bytes, suspicion: Suspicion) -> str:
    """Which group is meant, and the member that would explain its difference (R-GROUP-7)."""
    return _SUSPICIONS[suspicion].format(key=key.decode("ascii"), suspect=suspect.decode("utf-8"))


def value_text(field: Field, value: int | bytes | None) -> str:
    """A field's value in its own unit; empty for None."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if field.type is FieldType.DATE:
        return format_date(value)
    if field.type is FieldType.TIME:
        return format_time(value)
    return format_scaled(value, field.scale)


def difference_text(field: Field, difference: int | None) -> str:
    """A difference of two values of a field: at its scale, in days, or in seconds."""
    if difference is None:
        return ""
    if field.type is FieldType.TIME:
        return format_seconds(difference)
    return format_scaled(difference, field.scale if field.type in NUMBERS else 0)


def csv_bytes(lines: Sequence[BreakLine]) -> bytes:
    """The breaks file as RFC 4180 CSV, UTF-8, with its header line."""
    texts = [",".join(map(quoted, line)) + "\r\n" for line in (BreakLine._fields, *lines)]
    return "".join(texts).encode("utf-8")


def json_bytes(lines: Sequence[BreakLine]) -> bytes:
    """The breaks file as a JSON array with an object for each line, one to a line."""
    if not lines:
        return b"[]\n"
    # Inside a JSON text a newline is always escaped, so these stand between lines.
    encoded = msgspec.json.Encoder().encode_lines(line._asdict() for line in lines)
    return b"[\n" + encoded.removesuffix(b"\n").replace(b"\n", b",\n") + b"\n]\n"


def quoted(text: str) -> str:
    """A cell of RFC 4180 CSV: in quotes only where it must be."""
    if any(mark in text for mark in '",\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def basis_text(agreement: Agreement, field: Field, found: str | None = None) -> str:
    """Where a benchmark of the field comes from: the authority's role, or `majority`.

    At a stage that carries the field it was `found` in the one before, and where people have
    decided in their decision, whatever its policy.
    """
    if found in (PREVIOUS_STAGE, DECISION):
        return found
    if field.policy is Policy.AUTHORITY and field.authority is not None:
        return agreement.roles[field.authority]
    return MAJORITY
