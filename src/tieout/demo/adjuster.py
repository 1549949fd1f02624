"""A party's adjuster: posts what was approved to the party's books, and says what they say now."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tieout import kernel
from tieout.agreement.model import Agreement
from tieout.connectors.books_sqlite import Change, Posting, SqliteBooks, Stated, Value
from tieout.demo.books import HOUSES
from tieout.demo.cast import Role
from tieout.wire.rows import PREFIX_BYTES, ColumnKind


class Adjuster:
    """Works for one role, through the connector; knows nothing of how the books were written."""

    def __init__(self, folder: Path, role: Role, agreement: Agreement) -> None:
        """The books must be there. Raises BooksError when they do not fit."""
        self._books = SqliteBooks(HOUSES[role].config(folder), agreement, role)
        self._agreement = agreement

    def close(self) -> None:
        """Close the books."""
        self._books.close()

    def post(self, adjustment: kernel.Adjustment, standing: kernel.Standing, now_us: int) -> None:
        """Bring the books from what the role published to the benchmarks.

        Raises BooksChangedError when the books say something else than was published.
        """
        self._books.post(
            Posting(
                adjustment_id=adjustment.id,
                transaction_id=adjustment.transaction_id.decode(),
                changes=self._changes(adjustment, standing),
                reason="brought to the agreed value",
                posted_us=now_us,
            )
        )

    def restated(self, transaction_id: str, revision: int) -> npt.NDArray[np.uint8]:
        """What the books say now, as a row (uint8[row_bytes]) with this revision."""
        booking = self._books.booking(transaction_id)
        if booking is None:
            raise ValueError(f"{transaction_id} is not in the books")
        row = np.frombuffer(booking, self._agreement.layout.dtype()).copy()
        row["revision"] = revision
        return row.view(np.uint8)

    def _changes(
        self, adjustment: kernel.Adjustment, standing: kernel.Standing
    ) -> tuple[Change, ...]:
        """Every field that is adjusted, and with money its currency."""
        indices = {i for i in range(len(self._agreement.fields)) if adjustment.fields >> i & 1}
        currencies = {self._agreement.fields[i].currency_field for i in indices} - {None}
        changes = []
        for index in sorted(indices | {each for each in currencies if each is not None}):
            after = self._value(index, adjustment.benchmarks)
            stated = standing.presence >> index & 1
            before: Stated = self._value(index, standing.values) if stated else None
            changes.append(Change(index, before, after))
        return tuple(changes)

    def _value(self, index: int, values: bytes) -> Value:
        """A field's value from row bytes behind the prefix."""
        column = self._agreement.layout.columns[index]
        start = column.offset - PREFIX_BYTES
        data = values[start : start + column.width]
        if column.kind in (ColumnKind.CODE, ColumnKind.TEXT):
            return data.rstrip(b"\0")
        return int.from_bytes(data, "little", signed=True)
