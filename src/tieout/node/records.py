"""From JSON to a row: what a system sends about one transaction, for one role.

A record is an object with `transaction_id` and a member for each field that the role reports, as in
a CSV file. Values are strings, written as in a CSV file, or whole numbers; a member that is null or
left out is blank. Numbers with decimals are strings: a JSON number with decimals passes through
binary fractions in too many programs to be trusted with money.
"""

from typing import Final

import msgspec

from tieout.agreement.model import Agreement
from tieout.connectors.csv_header import IDENTITY, Header
from tieout.connectors.csv_read import PLAIN
from tieout.connectors.csv_records import Record
from tieout.connectors.csv_rows import Refused, RowForm
from tieout.connectors.mapping import TRANSACTION_ID, reported
from tieout.node.problems import ProblemError
from tieout.wire.codes import Action

ORIGINATOR_OFFSET: Final = 36
ACTION_OFFSET: Final = 39
Values = dict[str, str | int | None]
_DECODER: Final = msgspec.json.Decoder(Values)
FLOAT_ADVICE: Final = "write numbers with decimals as strings"


class RecordForm:
    """Makes rows of one role's records. Reused for many."""

    def __init__(self, agreement: Agreement, role: int) -> None:
        names = (TRANSACTION_ID, *reported(agreement, role))
        indices = {field.name: index for index, field in enumerate(agreement.fields)}
        targets = (IDENTITY, *(indices[name] for name in names[1:]))
        self.names = names
        self.agreement = agreement
        self._known = frozenset(names)
        self._form = RowForm(agreement, PLAIN, Header(names, targets))
        self._role = agreement.roles[role]

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


def with_originator(row: bytes, originator: int) -> bytes:
    """The same row, with its id counted by another originator."""
    if not originator:
        return row
    at = ORIGINATOR_OFFSET
    return row[:at] + originator.to_bytes(2, "little") + row[at + 2 :]
