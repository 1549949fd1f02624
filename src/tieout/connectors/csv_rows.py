"""From the cells of a record to the bytes of a row, or to the reason why not: the definition."""

from dataclasses import dataclass

from tieout.agreement.model import Agreement
from tieout.connectors.csv_header import IDENTITY, IGNORED, Header
from tieout.connectors.csv_known import PRESENCE_OFFSET, REVISION_OFFSET, STAGE_OFFSET
from tieout.connectors.csv_records import Record, undecoded_reason
from tieout.connectors.encodings import UNDECODED
from tieout.connectors.mapping import TRANSACTION_ID, Mapping
from tieout.connectors.values import id_bytes, tidy, value_bytes
from tieout.units.errors import UnitsError
from tieout.wire.limits import ID_BYTES


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that was not taken.

    `line` is where it begins, `field` the field or `transaction_id` at fault (empty: the whole
    row), `text` the row as it stands in the file, without the line end.
    """

    line: int
    field: str
    reason: str
    text: str


class RowForm:
    """Turns the records of one file into rows of the agreement's layout.

    A row has originator, action and salt zero, revision 1, and the stage at which the agreement is
    meant to hold; its publisher fills in its own. Raises UnitsError for a constant that does not
    fit its field.
    """

    def __init__(self, agreement: Agreement, mapping: Mapping, header: Header) -> None:
        self.agreement = agreement
        self.mapping = mapping
        self.header = header
        self.template = self._template()

    def row(self, record: Record) -> bytes | Refused:
        """Return the row of a record, or why there is none."""
        if record.fault:
            return Refused(record.line, "", record.fault, record.text)
        expected = len(self.header.targets)
        if len(record.cells) != expected:
            reason = f"{len(record.cells)} columns stand where the header has {expected}"
            return Refused(record.line, "", reason, record.text)
        row = bytearray(self.template)
        presence = int.from_bytes(_presence(row), "little")
        for target, cell in zip(self.header.targets, record.cells, strict=True):
            if target == IGNORED:
                continue
            name = TRANSACTION_ID if target == IDENTITY else self.agreement.fields[target].name
            if UNDECODED.search(cell):
                reason = undecoded_reason(record, self.mapping.encoding)
                return Refused(record.line, name, reason, record.text)
            try:
                presence |= self._put(row, target, tidy(cell, self.mapping.spaces))
            except UnitsError as error:
                return Refused(record.line, name, str(error), record.text)
        _presence(row)[:] = presence.to_bytes(8, "little")
        return bytes(row)

    def _put(self, row: bytearray, target: int, text: str) -> int:
        """Write one value; return its presence bit."""
        blank = not text or text in self.mapping.blank
        if target == IDENTITY:
            if blank:
                raise UnitsError("the row has no transaction id")
            row[:ID_BYTES] = id_bytes(text)
            return 0
        if blank:
            return 0
        column = self.agreement.layout.columns[target]
        field = self.agreement.fields[target]
        value = value_bytes(text, field, column, self.mapping)
        row[column.offset : column.offset + column.width] = value
        return 1 << target

    def _template(self) -> bytes:
        row = bytearray(self.agreement.layout.row_bytes)
        row[REVISION_OFFSET] = 1
        row[STAGE_OFFSET] = self.agreement.stage_number
        presence = 0
        plain = Mapping()
        for index, field in enumerate(self.agreement.fields):
            text = self.mapping.constants.get(field.name)
            if text is None:
                continue
            column = self.agreement.layout.columns[index]
            value = value_bytes(text, field, column, plain)
            row[column.offset : column.offset + column.width] = value
            presence |= 1 << index
        _presence(row)[:] = presence.to_bytes(8, "little")
        return bytes(row)


def _presence(row: bytearray) -> memoryview:
    return memoryview(row)[PRESENCE_OFFSET : PRESENCE_OFFSET + 8]
