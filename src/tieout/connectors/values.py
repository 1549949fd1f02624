"""From the text of one cell to the value of a row: the definition (R-ROW-1).

This is the slow and readable way; the compiled one (`csv_fast`) takes only what is plain and leaves
the rest to this module, so that there is one meaning of every text. Local forms are turned into
those of `units` first: an amount in parentheses into a minus sign, a date of 30.06.2013 into ISO
8601. Texts and ids are brought into Unicode's NFC, so that two systems that compose an é in
different ways say the same; nothing else about them is changed.
"""

import re
import unicodedata
from typing import Final

from tieout.agreement.model import Field
from tieout.connectors.mapping import Mapping, NumberForm, Spaces
from tieout.units.dates import parse_date, parse_time
from tieout.units.errors import UnitsError
from tieout.units.ids import check_code, check_text, check_transaction_id, pad
from tieout.units.numbers import parse_scaled, shown
from tieout.wire.limits import ID_BYTES
from tieout.wire.rows import Column, ColumnKind

PLAIN_NUMBERS: Final = NumberForm()
_GROUPS: Final = re.compile(r"[0-9]{1,3}(?:x[0-9]{3})+|[0-9]*")
"""Digits in groups of three after the first, or without any marks; x stands for the mark."""
_DIGITS: Final = re.compile(r"[0-9]*")


def tidy(text: str, spaces: Spaces) -> str:
    """Treat the white space of a cell or of a column's name as the mapping says."""
    match spaces:
        case Spaces.KEEP:
            return text
        case Spaces.TRIM:
            return text.strip()
        case Spaces.COLLAPSE:
            return " ".join(text.split())


def id_bytes(text: str) -> bytes:
    """Return the 36 bytes of a transaction id, NUL padded. Raises UnitsError."""
    return pad(check_transaction_id(unicodedata.normalize("NFC", text)), ID_BYTES)


def value_bytes(text: str, field: Field, column: Column, mapping: Mapping) -> bytes:
    """Return the bytes of a value that is not blank, `column.width` long. Raises UnitsError."""
    match column.kind:
        case ColumnKind.NUMBER:
            number = parse_scaled(plain_number(text, mapping.numbers), field.scale)
            return number.to_bytes(8, "little", signed=True)
        case ColumnKind.DATE:
            form = mapping.date_format
            days = parse_date(text) if form is None else form.date(text)
            return days.to_bytes(4, "little", signed=True)
        case ColumnKind.TIME:
            clock = mapping.time_format
            zone = mapping.zone_minutes
            time_us = parse_time(text, zone) if clock is None else clock.time(text, zone)
            return time_us.to_bytes(8, "little", signed=True)
        case ColumnKind.CODE:
            return pad(check_code(text, field.length), column.width)
        case ColumnKind.TEXT:
            composed = unicodedata.normalize("NFC", text)
            return pad(check_text(composed, field.length), column.width)


def plain_number(text: str, form: NumberForm) -> str:
    """Return a number in the form that `parse_scaled` reads: sign, digits, point, digits.

    Symbols, parentheses and signs are taken off from the outside in, in any order; at most one of
    the latter two may be there. Raises UnitsError when what is left is not digits with the stated
    marks; every other judgement is left to `parse_scaled`.
    """
    if form == PLAIN_NUMBERS:
        return text
    rest, minus, signs = text, False, 0
    while True:
        if rest in form.zero:
            rest = "0"
            break
        symbol = next((s for s in form.symbols if rest.startswith(s) or rest.endswith(s)), None)
        if symbol is not None:
            bare = rest.removeprefix(symbol)
            rest = (rest.removesuffix(symbol) if bare == rest else bare).strip(" ")
        elif form.parentheses and rest.startswith("(") and rest.endswith(")"):
            rest, minus, signs = rest[1:-1].strip(" "), True, signs + 1
        elif form.trailing_minus and rest.endswith("-"):
            rest, minus, signs = rest[:-1], True, signs + 1
        elif rest.startswith(("+", "-")):
            rest, minus, signs = rest[1:], rest.startswith("-"), signs + 1
        else:
            break
    if signs > 1:
        raise UnitsError(f"{shown(text)} has more than one sign")
    return ("-" if minus else "") + _unmarked(rest, text, form)


def _unmarked(digits: str, text: str, form: NumberForm) -> str:
    """Return digits without thousands marks and with a point for the decimal mark."""
    whole, point, decimals = digits.partition(form.decimal)
    if form.thousands:
        grouped = whole.replace("x", "?").replace(form.thousands, "x")
        if _GROUPS.fullmatch(grouped) is None:
            raise UnitsError(
                f"{shown(text)} is not a number with {shown(form.thousands)} between thousands"
                f" and {shown(form.decimal)} before decimals"
            )
        whole = grouped.replace("x", "")
    if _DIGITS.fullmatch(whole) is None or _DIGITS.fullmatch(decimals) is None:
        raise UnitsError(
            f"{shown(text)} is not a number: digits, at most one sign, and {shown(form.decimal)}"
            " before decimals"
        )
    return whole + ("." if point else "") + decimals
