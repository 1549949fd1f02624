"""What the columns and values of somebody's CSV mean, as `mapping_file` reads it from a file.

Without a mapping the columns are named as the fields are, and values are written as `units` reads
them. Nothing is ever guessed from the data: not the encoding, not the separator, not whether 1.234
is one or a thousand.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from tieout.agreement.model import Agreement
from tieout.connectors.formats import Format

TRANSACTION_ID: Final = "transaction_id"
EVERY_OTHER: Final = "*"
"""In `ignore`: every column that is not mapped."""


class Spaces(StrEnum):
    """What becomes of white space in values and column names."""

    KEEP = "keep"
    """It stands as it is."""
    TRIM = "trim"
    """It is removed at both ends."""
    COLLAPSE = "collapse"
    """As TRIM, and each run of it inside, line breaks included, becomes one space."""


@dataclass(frozen=True, slots=True)
class NumberForm:
    """How numbers are written. `symbols` are longest first; `zero` has no digits in it."""

    decimal: str = "."
    thousands: str = ""
    parentheses: bool = False
    trailing_minus: bool = False
    symbols: tuple[str, ...] = ()
    zero: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mapping:
    """What a CSV file of one role means; the defaults are those of a file without a mapping.

    `columns` leads from a field, or `transaction_id`, to the name of its column; a field that is
    not in it has a column of its own name. `constants` leads from a field to its text, which is
    written as in a file without a mapping. `zone_minutes` (east of UTC) is the offset of times
    that name none.
    """

    encoding: str = "utf-8"
    separator: str = ","
    quote: str = '"'
    skip_lines: int = 0
    spaces: Spaces = Spaces.KEEP
    blank: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    columns: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    numbers: NumberForm = NumberForm()
    date_format: Format | None = None
    time_format: Format | None = None
    zone_minutes: int | None = None


def reported(agreement: Agreement, role: int) -> tuple[str, ...]:
    """Return the names of the fields that a role reports, in the agreement's order."""
    return tuple(each.name for each in agreement.fields if role in each.roles)
