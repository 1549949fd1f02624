"""A party's books: what they say of a transaction, and adjustments posted to them.

The problem: an adjustment must change the books exactly once, exactly to the agreed value, and only
if they still say what it was decided upon; crashes and second attempts included. And the
books must show afterwards what was done and why.

The model: a transaction has *entries*, rows of one table. Amounts, quantities and integers add up
over them; any other field (also prices and rates, which do not add up) is as the last entry says.
That is its *booking*. An adjustment is posted in one SQL transaction together with a row of
`tieout_postings`, whose primary key is the adjustment's id:

- *compensate*, all fields add up: one further entry for the difference;
- *compensate*, any other field: an entry that cancels the booking and one that books it anew;
- *replace*: the last entry is overwritten.

Before committing the booking is read again and must be what was to be reached. Amounts are exact: a
column of integers holds value × 10**scale, one of text or of exact decimals the value in digits;
columns that would turn them into binary fractions are refused, and so is a fraction found anywhere.

How a kind of database is read and written is a `Store` (`books_sqlite`, `books_postgres`). Not
here: who approved what, and publishing the next revision.
"""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple, Protocol, Self

from tieout.agreement.model import NUMBERS, AdjustmentMode, Agreement, Field, FieldType
from tieout.connectors.books_config import BooksConfig
from tieout.connectors.csv_known import PRESENCE_OFFSET, REVISION_OFFSET
from tieout.connectors.errors import BooksChangedError, BooksError
from tieout.connectors.mapping import Mapping
from tieout.connectors.values import id_bytes, value_bytes
from tieout.units.dates import format_date, format_time
from tieout.units.errors import UnitsError
from tieout.units.ids import pad, unpad
from tieout.units.numbers import MAX_ABS_SCALED, format_scaled
from tieout.wire.limits import ID_BYTES
from tieout.wire.rows import Column, ColumnKind

Value = int | bytes
"""A number × 10**scale, days, microseconds, or the bytes of a code or text without padding."""
Stated = Value | None
"""None: the field is blank."""

ADDING_UP: Final = (FieldType.MONEY, FieldType.QUANTITY, FieldType.INTEGER)
"""Types whose values add up over the entries of a transaction."""

_PLAIN: Final = Mapping()
Cell = str | int | None
"""What a column holds: text as people print it, or the integer value × 10**scale."""


class ColumnType(Enum):
    """What a column of the books holds, as far as it is exact."""

    TEXT = "text"
    INTEGER = "integer"
    """Whole numbers: of a field with decimals the value × 10**scale."""
    DECIMAL = "decimal"
    """Numbers of a stated count of decimals; read and written as text."""
    DATE = "date"
    TIME = "time"
    OTHER = "other"
    """Whatever does not keep amounts exactly, or is not known."""


_FITTING: Final = {
    ColumnType.TEXT: tuple(FieldType),
    ColumnType.INTEGER: NUMBERS,
    ColumnType.DECIMAL: NUMBERS,
    ColumnType.DATE: (FieldType.DATE,),
    ColumnType.TIME: (FieldType.TIME,),
    ColumnType.OTHER: (),
}
"""The types of fields that a column of each type can hold."""

Entry = tuple[object, Sequence[object]]
"""What names an entry in its database, and the cells of the columns asked for."""


class Store(Protocol):
    """The table of entries in one kind of database, and `tieout_postings` beside it.

    All methods raise BooksError for what the database says; `retry` where a second attempt may do.
    """

    def column_types(self) -> dict[str, tuple[ColumnType, str]]:
        """The columns of the table, each with what the database itself calls its type."""
        ...

    def entries(self, transaction_id: str, columns: Sequence[str]) -> list[Entry]:
        """The entries of a transaction, in their order."""
        ...

    def append(self, row: dict[str, Cell], carried: Sequence[str], last: object) -> None:
        """Add an entry; `carried` columns are copied from the entry that `last` names."""
        ...

    def overwrite(self, row: dict[str, Cell], last: object) -> None:
        """Change columns of an entry."""
        ...

    def posting(self, adjustment_id: str) -> tuple[str, str] | None:
        """(transaction id, changes) of a posting."""
        ...

    def note(self, values: tuple[str, str, str, str, str, int]) -> None:
        """Add a row to `tieout_postings`: id, transaction, manner, changes, reason, time."""
        ...

    def posting_to(self) -> AbstractContextManager[None]:
        """One transaction in which nobody else writes entries, and `tieout_postings` is there.

        Durable at the end; undone by an exception. Whether a commit that failed happened is not
        known; its error then says that a retry is worth it.
        """
        ...

    def close(self) -> None:
        """Close the database."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """One field of an adjustment: its index, what the books must say, and what they shall say.

    A money field whose currency is a field is accompanied by a change of that field, which may lead
    from a currency to itself.
    """

    field: int
    before: Stated
    after: Value


@dataclass(frozen=True, slots=True)
class Posting:
    """An adjustment to be posted: its id (32 bytes), and why and when (microseconds UTC)."""

    adjustment_id: bytes
    transaction_id: str
    changes: tuple[Change, ...]
    reason: str
    posted_us: int


class _Entry(NamedTuple):
    """One entry of a transaction: what names it, and what it says of each field in the books."""

    name: object
    values: dict[int, Stated]


class Books:
    """The books of one role. For one thread; other processes may use the database meanwhile.

    Raises BooksError when tables or columns do not fit.
    """

    def __init__(self, config: BooksConfig, agreement: Agreement, role: int, store: Store) -> None:
        self.config = config
        self.agreement = agreement
        self.role = role
        self._store = store
        names = [each.name for each in agreement.fields]
        self._indices = tuple(i for i, name in enumerate(names) if name in config.columns)
        self._constants: dict[int, Stated] = {
            names.index(name): self._read(names.index(name), text, "[constants]")
            for name, text in config.constants.items()
        }
        self._types = self._judge_columns()

    def close(self) -> None:
        """Close the database."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def booking(self, transaction_id: str) -> bytes | None:
        """Return what the books say of a transaction, net of corrections, as a row; None: nothing.

        The row has the agreement's layout, revision 1, and originator and salt zero. Raises
        BooksError when an entry cannot be held exactly.
        """
        entries = self._entries(transaction_id)
        if not entries:
            return None
        layout = self.agreement.layout
        row = bytearray(layout.row_bytes)
        row[:ID_BYTES] = id_bytes(transaction_id)
        row[REVISION_OFFSET] = 1
        presence = 0
        for index, value in (self._constants | self._net(entries)).items():
            if value is not None:
                column = layout.columns[index]
                row[column.offset : column.offset + column.width] = _packed(value, column)
                presence |= 1 << index
        row[PRESENCE_OFFSET : PRESENCE_OFFSET + 8] = presence.to_bytes(8, "little")
        return bytes(row)

    def post(self, posting: Posting) -> bool:
        """Bring the booking from `before` to `after`; False when that was done already.

        When this returns, the change is durable. Raises BooksChangedError when the books do not say
        `before`, BooksError otherwise. When it raises, the books are as they were; but not for sure
        when the error says that a retry is worth it: then the same posting again tells.
        """
        if self.agreement.mode is AdjustmentMode.NOTIFY:
            raise BooksError("the agreement's adjustment mode is notify: nothing is posted")
        with self._store.posting_to():
            if self._was_posted(posting):
                return False
            entries = self._entries(posting.transaction_id)
            self._judge_before(posting, entries)
            manner = self._write(posting, entries)
            self._note(posting, manner)
            self._judge_after(posting)
        return True

    def _entries(self, transaction_id: str) -> list[_Entry]:
        columns = [self._column(index) for index in self._indices]
        entries = []
        for name, cells in self._store.entries(transaction_id, columns):
            read = {
                index: self._read(index, cell, transaction_id)
                for index, cell in zip(self._indices, cells, strict=True)
            }
            entries.append(_Entry(name, read))
        return entries

    def _read(self, index: int, cell: object, transaction_id: str) -> Stated:
        field = self.agreement.fields[index]
        try:
            match cell:
                case None | "":
                    return None
                case str():
                    column = self.agreement.layout.columns[index]
                    return _unpacked(value_bytes(cell, field, column, _PLAIN), column)
                case int() if abs(cell) <= MAX_ABS_SCALED:
                    return cell
        except UnitsError as error:
            raise BooksError(f"{transaction_id!r}, {field.name}: {error}") from error
        raise BooksError(
            f"{transaction_id!r}, {field.name}: the books hold {cell!r}, which is neither exact"
            " text nor an integer within the limits"
        )

    def _net(self, entries: list[_Entry]) -> dict[int, Stated]:
        """Return the booking: sums of what adds up, and of other fields the last entry's value."""
        net = dict(entries[-1].values)
        for index in filter(self._adds_up, self._indices):
            field = self.agreement.fields[index]
            sums: dict[Stated, int] = {}
            for entry in entries:
                amount = entry.values[index]
                if isinstance(amount, int):
                    currency = self._currency(field, entry.values)
                    sums[currency] = sums.get(currency, 0) + amount
            current = self._currency(field, net)
            if any(total for currency, total in sums.items() if currency != current):
                raise BooksError(f"entries of {field.name} in another currency do not cancel out")
            if any(abs(total) > MAX_ABS_SCALED for total in sums.values()):
                raise BooksError(f"the entries of {field.name} add up to more than can be held")
            net[index] = sums.get(current, 0) if sums else None
        return net

    def _currency(self, field: Field, values: dict[int, Stated]) -> Stated:
        """Return the currency of a field in an entry, where the entries hold it."""
        return None if field.currency_field is None else values.get(field.currency_field)

    def _judge_before(self, posting: Posting, entries: list[_Entry]) -> None:
        net = self._constants | self._net(entries) if entries else {}
        differences: list[tuple[str, str, str]] = []
        for change in posting.changes:
            if change.field not in self._indices and change.after != self._constants.get(
                change.field
            ):
                name = self.agreement.fields[change.field].name
                raise BooksError(f"the books have no column for {name}: name it in [columns]")
            booked = net.get(change.field)
            if booked != change.before or not entries:
                expected, found = (self._printed(change.field, v) for v in (change.before, booked))
                differences.append((self.agreement.fields[change.field].name, expected, found))
        if differences:
            raise BooksChangedError(posting.transaction_id, tuple(differences))

    def _judge_after(self, posting: Posting) -> None:
        net = self._constants | self._net(self._entries(posting.transaction_id))
        for change in posting.changes:
            if net[change.field] != change.after:
                name = self.agreement.fields[change.field].name
                raise BooksError(
                    f"{posting.transaction_id!r}: after posting, the books say"
                    f" {self._printed(change.field, net[change.field])} of {name}, not"
                    f" {self._printed(change.field, change.after)}; does a trigger change entries?"
                )

    def _was_posted(self, posting: Posting) -> bool:
        found = self._store.posting(posting.adjustment_id.hex())
        if found is None:
            return False
        if found != (posting.transaction_id, self._told(posting)):
            raise BooksError(
                f"adjustment {posting.adjustment_id.hex()} was posted before, as another change of"
                f" {found[0]!r}: {found[1]}"
            )
        return True

    def _note(self, posting: Posting, manner: str) -> None:
        self._store.note(
            (
                posting.adjustment_id.hex(),
                posting.transaction_id,
                manner,
                self._told(posting),
                posting.reason,
                posting.posted_us,
            )
        )

    def _told(self, posting: Posting) -> str:
        """Return the changes of a posting as JSON: field → [before, after], printed."""
        return json.dumps(
            {
                self.agreement.fields[change.field].name: [
                    self._printed(change.field, change.before),
                    self._printed(change.field, change.after),
                ]
                for change in posting.changes
            },
            ensure_ascii=False,
        )

    def _write(self, posting: Posting, entries: list[_Entry]) -> str:
        """Write the entries that a posting needs; return its manner."""
        net = self._net(entries)
        after: dict[int, Stated] = {
            change.field: change.after for change in posting.changes if change.field in net
        }
        changed = [index for index, value in after.items() if value != net[index]]
        if not changed:
            return "nothing to change"
        if self.agreement.mode is AdjustmentMode.REPLACE:
            self._replace(posting, entries[-1], net, after)
            return "replace"
        if all(self._adds_up(index) for index in changed):
            difference = {
                index: _plus(after.get(index, net[index]), net[index], -1)
                if self._adds_up(index)
                else net[index]
                for index in self._indices
            }
            self._append(posting, entries[-1], difference)
            return "compensate"
        cancelled = {i: _plus(0, v, -1) if self._adds_up(i) else v for i, v in net.items()}
        self._append(posting, entries[-1], cancelled)
        self._append(posting, entries[-1], net | after)
        return "cancel and rebook"

    def _append(self, posting: Posting, last: _Entry, values: dict[int, Stated]) -> None:
        """Add an entry; what is carried is copied from the last one."""
        row: dict[str, Cell] = {self.config.id_column: posting.transaction_id}
        row |= {self._column(index): self._cell(index, value) for index, value in values.items()}
        row |= self._marks(posting, with_reason=True)
        self._store.append(row, self.config.carried, last.name)

    def _replace(
        self, posting: Posting, last: _Entry, net: dict[int, Stated], after: dict[int, Stated]
    ) -> None:
        """Overwrite the last entry so that all of them together come to what is to be reached."""
        row: dict[str, Cell] = {}
        for index, value in after.items():
            own: Stated = value
            if self._adds_up(index):
                own = _plus(value, _plus(net[index], last.values[index], -1), -1)
            row[self._column(index)] = self._cell(index, own)
        row |= self._marks(posting, with_reason=False)
        self._store.overwrite(row, last.name)

    def _marks(self, posting: Posting, *, with_reason: bool) -> dict[str, Cell]:
        """Return what links an entry to its adjustment, in the columns that there are for it."""
        marks: dict[str, Cell] = {}
        if self.config.adjustment_column is not None:
            marks[self.config.adjustment_column] = posting.adjustment_id.hex()
        if with_reason and self.config.reason_column is not None:
            marks[self.config.reason_column] = posting.reason
        return marks

    def _adds_up(self, index: int) -> bool:
        return self.agreement.fields[index].type in ADDING_UP

    def _column(self, index: int) -> str:
        return self.config.columns[self.agreement.fields[index].name]

    def _cell(self, index: int, value: Stated) -> Cell:
        """Return a value as its column holds it."""
        if value is None:
            return None
        if isinstance(value, int) and self._types[self._column(index)] is ColumnType.INTEGER:
            return value
        return self._printed(index, value)

    def _printed(self, index: int, value: Stated) -> str:
        field = self.agreement.fields[index]
        match value:
            case None:
                return ""
            case bytes():
                return unpad(value)
            case int() if field.type is FieldType.DATE:
                return format_date(value)
            case int() if field.type is FieldType.TIME:
                return format_time(value)
        return format_scaled(value, field.scale)

    def _judge_columns(self) -> dict[str, ColumnType]:
        """Return the type of each column, after seeing that every field can be held exactly."""
        config = self.config
        found = self._store.column_types()
        if not found:
            raise BooksError(f"the database has no table {config.table!r}")
        optional = (config.reason_column, config.adjustment_column)
        texts = [config.id_column, *(name for name in optional if name is not None)]
        orders = [] if config.order_column is None else [config.order_column]
        for name in (*texts, *config.columns.values(), *config.carried, *orders):
            if name not in found:
                known = ", ".join(found)
                raise BooksError(
                    f"the table {config.table!r} has no column {name!r}; it has {known}"
                )
        for name in texts:
            if found[name][0] is not ColumnType.TEXT:
                raise BooksError(f"the column {name!r} must hold TEXT")
        for index in self._indices:
            self._judge_column(self.agreement.fields[index], *found[self._column(index)])
        return {name: kind for name, (kind, _) in found.items()}

    def _judge_column(self, field: Field, kind: ColumnType, called: str) -> None:
        if field.type in _FITTING[kind]:
            return
        exact = "TEXT"
        if field.type in NUMBERS:
            exact = "TEXT, or INTEGER with the value × 10**scale"
        column = self.config.columns[field.name]
        raise BooksError(
            f"the column {column!r} of {field.name} has the type {called}, which does not keep it"
            f" exactly: declare it as {exact}"
        )


def _plus(left: Stated, right: Stated, sign: int) -> Stated:
    """Return left + sign × right of numbers; blank when both are."""
    if left is None and right is None:
        return None
    return (left if isinstance(left, int) else 0) + sign * (right if isinstance(right, int) else 0)


def _packed(value: Value, column: Column) -> bytes:
    if isinstance(value, int):
        return value.to_bytes(column.width, "little", signed=True)
    return pad(value, column.width)


def _unpacked(data: bytes, column: Column) -> Value:
    if column.kind in (ColumnKind.CODE, ColumnKind.TEXT):
        return data.rstrip(b"\0")
    return int.from_bytes(data, "little", signed=True)
