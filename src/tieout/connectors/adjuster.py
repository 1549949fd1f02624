"""A party's adjuster: carries an approved adjustment out in the books, and says what they say then.

The problem: between the ledger's approval and the party's next record anything may stop, twice or
in the middle, and the books must have changed once, or not at all and with a word to the ledger.

The model: nothing is remembered here. Whoever drives the adjuster looks at the ledger, and asks it
to carry out what is approved there until the ledger has heard of it; the books know by the
adjustment's id what was posted. After that the books are published as they are.

Not here: what is approved and in which revision the books are published (whoever drives it).
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from tieout.connectors.books import Books, Change, Posting, Stated, Value
from tieout.connectors.csv_known import REVISION_OFFSET
from tieout.connectors.errors import BooksError
from tieout.wire.rows import PREFIX_BYTES, ColumnKind

REVISION_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Correction:
    """An approved adjustment, as a ledger tells it.

    `fields` has bit f for each field that is adjusted, `presence` for each that the role states;
    `benchmarks` and `values` are row bytes behind the prefix: where to, and from where.
    """

    adjustment_id: bytes
    transaction_id: str
    fields: int
    benchmarks: bytes
    presence: int
    values: bytes


class Carried(Enum):
    """What became of a correction."""

    POSTED = auto()
    """The books have it, by this attempt or an earlier one."""
    FAILED = auto()
    """The books do not have it, and cannot take it: they say something else, or cannot hold it."""
    UNKNOWN = auto()
    """Nobody knows yet; the same attempt again will tell."""


class Adjuster:
    """Works on the books of one role; knows nothing of how they were written."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def close(self) -> None:
        """Close the books."""
        self._books.close()

    def carry_out(self, correction: Correction, reason: str, now_us: int) -> Carried:
        """Bring the books from what was published to the benchmarks, unless that was done."""
        try:
            self.post(correction, reason, now_us)
        except BooksError as error:
            return Carried.UNKNOWN if error.retry else Carried.FAILED
        return Carried.POSTED

    def post(self, correction: Correction, reason: str, now_us: int) -> None:
        """As `carry_out`, but raises BooksError; BooksChangedError when the books differ."""
        self._books.post(
            Posting(
                adjustment_id=correction.adjustment_id,
                transaction_id=correction.transaction_id,
                changes=self._changes(correction),
                reason=reason,
                posted_us=now_us,
            )
        )

    def restated(self, transaction_id: str, revision: int) -> bytes | None:
        """What the books say now, as a row with this revision; None: nothing."""
        booking = self._books.booking(transaction_id)
        if booking is None:
            return None
        end = REVISION_OFFSET + REVISION_BYTES
        stated = revision.to_bytes(REVISION_BYTES, "little")
        return booking[:REVISION_OFFSET] + stated + booking[end:]

    def _changes(self, correction: Correction) -> tuple[Change, ...]:
        """Every field that is adjusted, and with money its currency."""
        fields = self._books.agreement.fields
        indices = {i for i in range(len(fields)) if correction.fields >> i & 1}
        currencies = {fields[i].currency_field for i in indices} - {None}
        changes = []
        for index in sorted(indices | {each for each in currencies if each is not None}):
            stated = correction.presence >> index & 1
            before: Stated = self._value(index, correction.values) if stated else None
            changes.append(Change(index, before, self._value(index, correction.benchmarks)))
        return tuple(changes)

    def _value(self, index: int, values: bytes) -> Value:
        """A field's value from row bytes behind the prefix."""
        column = self._books.agreement.layout.columns[index]
        start = column.offset - PREFIX_BYTES
        data = values[start : start + column.width]
        if column.kind in (ColumnKind.CODE, ColumnKind.TEXT):
            return data.rstrip(b"\0")
        return int.from_bytes(data, "little", signed=True)
