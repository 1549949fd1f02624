"""Mapping files, read strictly (docs/mapping.md).

A mapping is stated by a person: a key that is not known, or does not fit the agreement and the
role, is named with what to write instead, and one reading names all of them.
"""

from typing import Final

from tieout.agreement.errors import Findings
from tieout.agreement.file import read_toml
from tieout.agreement.model import Agreement
from tieout.agreement.table import Table
from tieout.connectors.errors import MappingError
from tieout.connectors.formats import Format, parse_format, parse_zone
from tieout.connectors.limits import MAX_MARKER_BYTES, MAX_MARKERS, MAX_SKIP_LINES
from tieout.connectors.mapping import TRANSACTION_ID, Mapping, NumberForm, Spaces, reported
from tieout.connectors.values import value_bytes
from tieout.units.errors import UnitsError

TOP: Final = (
    *("encoding", "separator", "quote", "skip_lines", "spaces", "blank", "ignore"),
    *("columns", "constants", "numbers", "dates", "times"),
)
NUMBERS: Final = (*("decimal", "thousands", "parentheses", "trailing_minus", "symbols", "zero"),)
DATES: Final = ("format",)
TIMES: Final = ("format", "zone")

ENCODINGS: Final = (
    *("utf-8", "utf-16", "utf-16-le", "utf-16-be"),
    *("latin-1", "iso-8859-15", "cp1252", "gb18030"),
)
SEPARATORS: Final = (",", ";", "\t", "|", "^", "~")
QUOTES: Final = ('"', "'", "")
DECIMALS: Final = (".", ",")
THOUSANDS: Final = ("", ",", ".", "'", " ", "_", "\u2019", "\u00a0", "\u202f")
_NUMBER_CHARACTERS: Final = frozenset("0123456789+.,()")


def parse_mapping(text: str, agreement: Agreement, role: int, source: str = "mapping") -> Mapping:
    """Read the text of a mapping file for one role of an agreement (docs/mapping.md).

    `source` names the text in errors. Raises MappingError with every problem that was found.
    """
    findings = Findings()
    tree = read_toml(text, findings)
    mapping = None if tree is None else _read(Table(tree, "", findings), agreement, role)
    if mapping is None or len(findings):
        raise MappingError(source, findings.error(source).problems)
    return mapping


def _read(top: Table, agreement: Agreement, role: int) -> Mapping:
    top.reject_others(TOP)
    numbers = _section(top, "numbers", NUMBERS)
    dates = _section(top, "dates", DATES)
    times = _section(top, "times", TIMES)
    columns = _columns(_section(top, "columns", None), agreement, role)
    constants = read_constants(_section(top, "constants", None), agreement, role, columns)
    quote = top.choice("quote", QUOTES)
    ignore = top.names("ignore", "List names of columns, or ['*'] for all that are not mapped.")
    for name in ignore or ():
        if name in columns.values():
            top.reject("ignore", f"{name!r} is mapped to a field", "Keep one of the two.")
    return Mapping(
        encoding=top.choice("encoding", ENCODINGS) or "utf-8",
        separator=top.choice("separator", SEPARATORS) or ",",
        quote='"' if quote is None else quote,
        skip_lines=top.whole("skip_lines", 0, MAX_SKIP_LINES) or 0,
        spaces=Spaces(top.choice("spaces", tuple(Spaces)) or Spaces.KEEP),
        blank=_markers(top, "blank"),
        ignore=ignore or (),
        columns=columns,
        constants=constants,
        numbers=_number_form(numbers),
        date_format=_format(dates, "date"),
        time_format=_format(times, "time"),
        zone_minutes=_zone(times),
    )


def _section(top: Table, key: str, known: tuple[str, ...] | None) -> Table:
    table = top.table(key, f"Write [{key}] and its keys below it.") or top.empty(key)
    if known is not None:
        table.reject_others(known)
    return table


def _columns(table: Table, agreement: Agreement, role: int) -> dict[str, str]:
    names = (TRANSACTION_ID, *reported(agreement, role))
    table.reject_others(names, f"field that {agreement.roles[role]} reports")
    columns: dict[str, str] = {}
    for key in table.listed():
        column = table.text(key, "Write the name of the column.")
        if column is None:
            continue
        if column in columns.values():
            table.reject(key, f"the column {column!r} is used twice", "Use each column once.")
        columns[key] = column
    return columns


def read_constants(
    table: Table, agreement: Agreement, role: int, columns: dict[str, str]
) -> dict[str, str]:
    """Read a table that leads from fields of a role to their texts, each as the field holds it."""
    table.reject_others(reported(agreement, role), f"field that {agreement.roles[role]} reports")
    constants: dict[str, str] = {}
    for key in table.listed():
        text = table.text(key, "Write the value in quotes, as in a file without a mapping.")
        if text is None:
            continue
        if key in columns:
            table.reject(key, "the field has a column, too", "Keep one of the two.")
        _judge_constant(table, key, text, agreement)
        constants[key] = text
    return constants


def _judge_constant(table: Table, key: str, text: str, agreement: Agreement) -> None:
    index = next((i for i, each in enumerate(agreement.fields) if each.name == key), None)
    if index is None:
        return
    try:
        value_bytes(text, agreement.fields[index], agreement.layout.columns[index], Mapping())
    except UnitsError as error:
        table.reject(key, str(error), "Write a value that the field can hold.")


def _number_form(table: Table) -> NumberForm:
    decimal = table.choice("decimal", DECIMALS) or "."
    thousands = table.choice("thousands", THOUSANDS) or ""
    if decimal == thousands:
        remedy = "State decimal, too, where it is not '.'."
        table.reject("thousands", "is the decimal mark as well", remedy)
    symbols = _markers(table, "symbols")
    for symbol in symbols:
        if _NUMBER_CHARACTERS.intersection(symbol) or "-" in symbol or symbol != symbol.strip():
            table.reject(
                "symbols",
                f"{symbol!r} has a digit, sign, mark or outer space in it",
                "Write only the symbol, such as '$' or 'EUR'.",
            )
    zero = _markers(table, "zero")
    for text in zero:
        if any(character.isdigit() for character in text):
            table.reject("zero", f"{text!r} has digits in it", "Such a text is read as a number.")
    return NumberForm(
        decimal=decimal,
        thousands=thousands,
        parentheses=table.flag("parentheses") or False,
        trailing_minus=table.flag("trailing_minus") or False,
        symbols=tuple(sorted(symbols, key=len, reverse=True)),
        zero=zero,
    )


def _markers(table: Table, key: str) -> tuple[str, ...]:
    texts = table.names(key, "List texts, such as ['N/A', '-'].") or ()
    if len(texts) > MAX_MARKERS:
        table.reject(key, f"{len(texts)} texts are listed", f"At most {MAX_MARKERS} are allowed.")
    for text in texts:
        if not 0 < len(text.encode("utf-8", "replace")) <= MAX_MARKER_BYTES:
            remedy = f"Write 1 to {MAX_MARKER_BYTES} bytes; an empty value is always blank."
            table.reject(key, f"{text!r} is empty or too long", remedy)
    return texts


def _format(table: Table, kind: str) -> Format | None:
    text = table.text("format", "Write a format such as '%d.%m.%Y'.")
    if text is None:
        return None
    try:
        return parse_format(text, kind)
    except UnitsError as error:
        table.reject("format", str(error), "See docs/mapping.md for the directives.")
        return None


def _zone(table: Table) -> int | None:
    text = table.text("zone", "Write an offset from UTC such as '+08:00'.")
    if text is None:
        return None
    try:
        return parse_zone(text)
    except UnitsError as error:
        table.reject("zone", str(error), "Write 'Z', or hours and minutes with a sign.")
        return None
