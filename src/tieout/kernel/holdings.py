"""What is held of a role in a period: count, control totals, set hash (R-COMPLETE-3).

Filled from the slots of a book, or from rows of somebody's own files: in both, key, presence bits
and values are the same bytes. Sums are exact: numbers are added in two halves that cannot run over,
a chunk at a time, and joined as Python's integers.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tieout.agreement.model import Agreement, Field, FieldType
from tieout.kernel import layout as at
from tieout.kernel.book import Book, Bytes, Numbers
from tieout.kernel.words import KEY_BYTES
from tieout.merkle.sets import HASH_BYTES
from tieout.merkle.settree import SetTree, key_hashes, said_hashes
from tieout.wire.rows import PREFIX_BYTES
from tieout.wire.statements import StatedTotal, sum_bytes

CHUNK: Final = 1 << 16
_HALF: Final = np.int64(32)
_LOW_HALF: Final = np.int64((1 << 32) - 1)
_SUMMED: Final = (FieldType.MONEY, FieldType.QUANTITY)


class Total(NamedTuple):
    """How many records state a field in one currency, and the sum of what they state."""

    records: int
    sum: int


def summed_fields(agreement: Agreement, role: int) -> tuple[int, ...]:
    """The fields of which a role's statement has control totals."""
    return tuple(
        f
        for f, field in enumerate(agreement.fields)
        if field.type in _SUMMED and role in field.roles
    )


class Holding:
    """What is held of one role, record by record; withdrawn records are none.

    `fields` are those of which the set hash is (all, unless given); the totals are always of all.
    """

    def __init__(self, agreement: Agreement, role: int, fields: int | None = None) -> None:
        """`fields`: bit f for field f."""
        self._agreement = agreement
        self._summed = summed_fields(agreement, role)
        self._mask = None if fields is None else np.uint64(fields)
        self._hidden = _places_outside(agreement, fields)
        self._keys: list[Bytes] = []
        self._said: list[Bytes] = []
        self.count = 0
        self.totals: dict[tuple[int, bytes], Total] = {}
        """By field and currency, those that some record states."""

    def add(self, keys: Bytes, presence: NDArray[np.uint64], values: Bytes) -> None:
        """Further records: keys uint8[n, 39], presence bits, values uint8[n, V]."""
        self.count += len(keys)
        for f in self._summed:
            self._sum(f, presence, values)
        said = np.empty((len(keys), 8 + values.shape[1]), np.uint8)
        chosen = presence if self._mask is None else presence & self._mask
        said[:, :8] = np.ascontiguousarray(chosen, "<u8").view(np.uint8).reshape(-1, 8)
        said[:, 8:] = values
        for start, end in self._hidden:
            said[:, 8 + start : 8 + end] = 0
        self._keys.append(np.ascontiguousarray(keys))
        self._said.append(said)

    def tree(self) -> SetTree:
        """The set of the records; what takes time. Raises MerkleError for a key that is twice."""
        none = np.empty((0, HASH_BYTES), np.uint8)
        keys, said = map(key_hashes, self._keys), map(said_hashes, self._said)
        return SetTree(np.concatenate([none, *keys]), np.concatenate([none, *said]))

    def keys(self) -> Bytes:
        """The keys of the transactions in the order in which they were added; uint8[n, 39]."""
        return np.concatenate([np.empty((0, KEY_BYTES), np.uint8), *self._keys])

    def stated_totals(self) -> tuple[StatedTotal, ...]:
        """The totals as a statement has them."""
        return tuple(
            StatedTotal(f, currency, total.records, sum_bytes(total.sum))
            for (f, currency), total in sorted(self.totals.items())
        )

    def _sum(self, f: int, presence: NDArray[np.uint64], values: Bytes) -> None:
        """R-COMPLETE-3: each field by the currency that the same record states."""
        stating = np.flatnonzero(presence >> np.uint64(f) & np.uint64(1))
        if len(stating) == 0:
            return
        numbers = self._column(f, "<i8", values)[stating]
        field = self._agreement.fields[f]
        if field.currency_field is None:
            currency = (field.currency or "").encode()
            self._add_total(f, currency, numbers)
            return
        width = self._agreement.layout.columns[field.currency_field].width
        codes = self._column(field.currency_field, f"S{width}", values)[stating]
        currencies, which = np.unique(codes, return_inverse=True)
        order = np.argsort(which, kind="stable")
        borders = np.searchsorted(which[order], np.arange(len(currencies) + 1)).tolist()
        sorted_numbers = numbers[order]
        for i, code in enumerate(currencies.tolist()):
            self._add_total(f, code, sorted_numbers[borders[i] : borders[i + 1]])

    def _add_total(self, f: int, currency: bytes, numbers: Numbers) -> None:
        high, low = int(np.sum(numbers >> _HALF)), int(np.sum(numbers & _LOW_HALF))
        had = self.totals.get((f, currency), Total(0, 0))
        total = (high << int(_HALF)) + low
        self.totals[f, currency] = Total(had.records + len(numbers), had.sum + total)

    def _column(self, f: int, kind: str, values: Bytes) -> NDArray[Any]:
        dtype = np.dtype(kind)
        start = self._agreement.layout.columns[f].offset - PREFIX_BYTES
        return np.ascontiguousarray(values[:, start : start + dtype.itemsize]).view(dtype)[:, 0]


def _places_outside(agreement: Agreement, fields: int | None) -> list[tuple[int, int]]:
    """Where the values of the fields stand that are not chosen."""
    if fields is None:
        return []
    return [
        (column.offset - PREFIX_BYTES, column.offset - PREFIX_BYTES + column.width)
        for f, column in enumerate(agreement.layout.columns)
        if not fields >> f & 1
    ]


def common_fields(agreement: Agreement, one: int, other: int) -> int:
    """The compared fields that both roles report, as bits; those of one role are all it reports."""

    def is_common(field: Field) -> bool:
        both = one in field.roles and other in field.roles
        return both and (field.compare or one == other)

    return sum(1 << f for f, field in enumerate(agreement.fields) if is_common(field))


def held(
    book: Book,
    role: int,
    party: int | None,
    after_us: int,
    until_us: int,
    fields: int | None = None,
) -> Holding:
    """What a book holds of a role, of the transactions opened in a period.

    `party`: where the role is bound to that party; None: to whomever.
    """
    holding = Holding(book.agreement, role, fields)
    for images in _slots_between(book, after_us, until_us):
        offset = book.role_offset(role)
        block = images[:, offset : offset + int(book.plan[at.P_ROLE_BYTES])]
        parties = np.ascontiguousarray(block[:, at.PARTY : at.PARTY + 2]).view("<u2")[:, 0]
        states = block[:, at.FLAGS] & at.STATES != 0
        stating = np.flatnonzero(states if party is None else states & (parties == party))
        if len(stating) == 0:
            continue
        chosen = block[stating]
        presence = np.ascontiguousarray(chosen[:, at.PRESENCE : at.PRESENCE + 8]).view("<u8")[:, 0]
        holding.add(images[stating, :KEY_BYTES], presence, chosen[:, at.VALUES :])
    return holding


def _slots_between(book: Book, after_us: int, until_us: int) -> Iterator[Bytes]:
    """The images of the transactions opened after one time and at or before another, in chunks."""
    start, end = _opened_until(book, after_us), _opened_until(book, until_us)
    size = book.slots.image_bytes
    for first in range(start, end, CHUNK):
        last = min(first + CHUNK, end)
        yield book.slots.data[first * size : last * size].reshape(last - first, size)


def _opened_until(book: Book, time_us: int) -> int:
    """How many transactions were opened at or before a time; they stand in that order."""
    low, high = 0, book.count
    while low < high:
        middle = (low + high) // 2
        if int(book.opened_us(middle, middle + 1)[0]) <= time_us:
            low = middle + 1
        else:
            high = middle
    return low
