"""From JSON to a row: what a system sends about one transaction, for one role.

A record is an object with `transaction_id` and a member for each field that the role reports, as in
a CSV file. Values are strings, written as in a CSV file, or whole numbers; a member that is null or
left out is blank. Numbers with decimals are strings: a JSON number with decimals passes through
binary fractions in too many programs to be trusted with money.
"""

import re
from functools import lru_cache
from typing import Final

import msgspec

from tieout.agreement.model import Agreement
from tieout.connectors.csv_header import IDENTITY, Header
from tieout.connectors.csv_known import PRESENCE_OFFSET, REVISION_OFFSET
from tieout.connectors.csv_read import PLAIN
from tieout.connectors.csv_records import Record
from tieout.connectors.csv_rows import Refused, RowForm
from tieout.connectors.mapping import TRANSACTION_ID, reported
from tieout.node.problems import ProblemError
from tieout.units.dates import parse_date
from tieout.units.errors import UnitsError
from tieout.wire.codes import Action
from tieout.wire.limits import ID_BYTES
from tieout.wire.rows import ColumnKind

ORIGINATOR_OFFSET: Final = 36
ACTION_OFFSET: Final = 39
Values = dict[str, str | int | None]
_DECODER: Final = msgspec.json.Decoder(Values)
PLAIN_TEXT: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:/ -]*[A-Za-z0-9])?")
PLAIN_NUMBER: Final = re.compile(r"([0-9]{1,17})(?:\.([0-9]{1,18}))?", re.ASCII)
PLAIN_DIGITS: Final = 18
"""Whatever they are, they fit."""
FLOAT_ADVICE: Final = "write numbers with decimals as strings"


class RecordForm:
    """Makes rows of one role's records. Reused for many."""

    def __init__(self, agreement: Agreement, role: int) -> None:
        """Raises ProblemError for an agreement with stages, of which a record would name one."""
        if agreement.stages:
            raise ProblemError(
                "conflict",
                f"records of {agreement.name} have stages, which cannot be named here yet:"
                " publish files with `tieout network publish` or `tieout reconcile`",
            )
        names = (TRANSACTION_ID, *reported(agreement, role))
        indices = {field.name: index for index, field in enumerate(agreement.fields)}
        targets = (IDENTITY, *(indices[name] for name in names[1:]))
        self.names = names
        self.agreement = agreement
        self._known = frozenset(names)
        self._form = RowForm(agreement, PLAIN, Header(names, targets))
        self._role = agreement.roles[role]
        self._quick = QuickForm(agreement, role)

    def row(self, body: bytes, originator: int) -> bytes:
        """The row of a record in JSON. Raises ProblemError."""
        try:
            values = _DECODER.decode(body)
        except msgspec.DecodeError as error:
            advice = f"; {FLOAT_ADVICE}" if "float" in str(error) else ""
            raise ProblemError("malformed_body", f"{error}{advice}") from error
        return self._row(values, originator)

    def _row(self, values: Values, originator: int) -> bytes:
        if not self._known.issuperset(values):
            unknown = sorted(set(values) - self._known)
            raise ProblemError(
                "invalid_value",
                f"{self._role} reports no {', '.join(map(repr, unknown))};"
                f" it reports {', '.join(self.names)}",
                field=unknown[0],
            )
        if originator == 0 and (quick := self._quick.row(values)) is not None:
            return quick
        cells = tuple(
            "" if (value := values.get(name)) is None else str(value) for name in self.names
        )
        row = self._form.row(Record(1, "", cells, ""))
        if isinstance(row, Refused):
            raise ProblemError("invalid_value", row.reason, field=row.field or None)
        return with_originator(row, originator)

    def withdrawal(self, transaction_id: str, originator: int) -> bytes:
        """The row that takes the role's record back. Raises ProblemError."""
        row = bytearray(self._row({TRANSACTION_ID: transaction_id}, originator))
        row[ACTION_OFFSET] = Action.WITHDRAW
        return bytes(row)


class QuickForm:
    """The same for plain records at a third of the cost: most that ever come.

    Plain are short ids, codes and texts of letters, digits and a few marks, numbers of digits with
    the field's decimals or fewer, and dates after 1970; everything else is left to the definition.
    What it makes is equal by test.
    """

    def __init__(self, agreement: Agreement, role: int) -> None:
        self._template = bytearray(agreement.layout.row_bytes)
        self._template[REVISION_OFFSET] = 1
        self._fields = tuple(
            (field.name, column.kind, column.offset, column.width, field.length, field.scale, index)
            for index, (field, column) in enumerate(
                zip(agreement.fields, agreement.layout.columns, strict=True)
            )
            if role in field.roles
        )

    def row(self, values: Values) -> bytes | None:
        """The row of a plain record; None for any other, good or bad."""
        name = values.get(TRANSACTION_ID)
        if not isinstance(name, str) or len(name) > ID_BYTES or not PLAIN_TEXT.fullmatch(name):
            return None
        row = self._template.copy()
        row[: len(name)] = name.encode()
        presence = 0
        for key, kind, offset, width, length, scale, index in self._fields:
            value = values.get(key)
            if value is None or value == "":
                continue
            if type(value) is not str:
                return None
            match kind:
                case ColumnKind.NUMBER:
                    found = PLAIN_NUMBER.fullmatch(value)
                    if found is None or len(found[2] or "") > scale:
                        return None
                    digits = found[1] + (found[2] or "").ljust(scale, "0")
                    if len(digits) > PLAIN_DIGITS:
                        return None
                    row[offset : offset + width] = int(digits).to_bytes(8, "little")
                case ColumnKind.CODE | ColumnKind.TEXT:
                    if len(value) > length or not PLAIN_TEXT.fullmatch(value):
                        return None
                    row[offset : offset + len(value)] = value.encode()
                case ColumnKind.DATE:
                    days = plain_days(value)
                    if days is None:
                        return None
                    row[offset : offset + width] = days.to_bytes(4, "little")
                case _:
                    return None
            presence |= 1 << index
        row[PRESENCE_OFFSET : PRESENCE_OFFSET + 8] = presence.to_bytes(8, "little")
        return bytes(row)


@lru_cache(maxsize=4_096)
def plain_days(text: str) -> int | None:
    """The days since 1970 of a date; None for any text that the definition has to look at."""
    try:
        days = parse_date(text)
    except UnitsError:
        return None
    return days if days >= 0 else None


def with_originator(row: bytes, originator: int) -> bytes:
    """The same row, with its id counted by another originator."""
    if not originator:
        return row
    at = ORIGINATOR_OFFSET
    return row[:at] + originator.to_bytes(2, "little") + row[at + 2 :]
