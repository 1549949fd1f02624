"""Counting the books: money is conserved by adjustments.

Somebody who sees everything keeps a count of each party's books: what the business booked, and what
the adjustments that were approved on the ledger make of it, each once. After every step the books
must come to exactly that, entry by entry added up, in each field that adds up and each currency.
Nothing of this uses the connector that posts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from tieout.agreement.model import Agreement, FieldType
from tieout.reference.adjusting import id_of
from tieout.reference.state import Book
from tieout.reference.transaction import Adjustment
from tieout.reference.values import Money, Value, amount_of
from tieout.testing.simulator.house import ADJUSTMENT, KEY, Deal, House, column_of, reported
from tieout.testing.simulator.promises import Promise, require

_ADDING_UP: Final = (FieldType.MONEY, FieldType.QUANTITY, FieldType.INTEGER)
_Sums = dict[int, dict[bytes, int]]
"""By field, and by currency in a field of its own (empty where there is none)."""


@dataclass(frozen=True, slots=True)
class Approved:
    """An adjustment that the ledger approved in a block: who may post what."""

    height: int
    party: int
    deal: Deal
    benchmarks: Mapping[int, Value]


@dataclass(slots=True)
class _Count:
    """What the books of one house must come to."""

    deals: dict[Deal, dict[int, int | bytes]] = field(default_factory=dict)
    posted: list[str] = field(default_factory=list)
    changes: int = -1
    """How many changes the database had seen when it was last counted."""


class Counter:
    """Counts all houses. `approved` are the adjustments that may be posted, by id."""

    def __init__(self, ledger_id: bytes) -> None:
        self._ledger_id = ledger_id
        self._counts: dict[int, _Count] = {}
        self.approved: dict[str, Approved] = {}
        self.postings = 0

    def approve(self, height: int, book: Book, adjustment: Adjustment) -> None:
        """The ledger approved an adjustment in the block of this height."""
        transaction = book.transactions[adjustment.serial]
        role = book.agreement.roles[adjustment.role]
        told = transaction.transaction_id.rstrip(b"\0").decode()
        self.approved[id_of(self._ledger_id, book, adjustment).hex()] = Approved(
            height,
            transaction.roles[adjustment.role].party,
            Deal(role, told),
            dict(adjustment.benchmarks),
        )

    def enter(self, house: House, deal: Deal, values: Mapping[int, int | bytes]) -> None:
        """The business booked a deal."""
        count = self._counts.setdefault(house.party, _Count())
        count.deals[deal] = dict(values)

    def check(self, house: House, agreement: Agreement, height: int) -> None:
        """The books come to what was counted; its node has seen blocks up to `height`.

        Raises Broken.
        """
        count = self._counts.setdefault(house.party, _Count())
        if count.changes == house.books.total_changes:
            return
        count.changes = house.books.total_changes
        for name, deal in self._new_postings(house, count):
            self._post(house, count, name, deal, agreement, height)
        for role, role_name in enumerate(agreement.roles):
            self._compare(house, count, agreement, role, role_name)

    def _new_postings(self, house: House, count: _Count) -> Iterator[tuple[str, str]]:
        tables = house.books.cursor().execute(
            "SELECT name FROM sqlite_master WHERE name = 'tieout_postings'"
        )
        if not tables.fetchone():
            return
        rows = house.books.cursor().execute(
            "SELECT adjustment_id, transaction_id FROM tieout_postings ORDER BY rowid"
        )
        found = rows.fetchall()
        known = [name for name, _ in found[: len(count.posted)]]
        told = f"party {house.party} has lost a posting"
        require(Promise.CONSERVATION, told, holds=known == count.posted)
        yield from found[len(count.posted) :]

    def _post(
        self,
        house: House,
        count: _Count,
        name: str,
        transaction_id: str,
        agreement: Agreement,
        height: int,
    ) -> None:
        asked = self.approved.get(name)
        told = f"party {house.party} posted what was not approved: {transaction_id}"
        require(Promise.CONSERVATION, told, holds=asked is not None)
        assert asked is not None
        fits = (asked.party, asked.deal.transaction_id) == (house.party, transaction_id)
        require(Promise.CONSERVATION, told, holds=fits and asked.height <= height)
        require(Promise.CONSERVATION, told + ", again", holds=name not in count.posted)
        count.posted.append(name)
        self.postings += 1
        values = count.deals[asked.deal]
        for f, benchmark in asked.benchmarks.items():
            amount = amount_of(benchmark)
            assert amount is not None
            values[f] = amount
            currency = agreement.fields[f].currency_field
            if isinstance(benchmark, Money) and currency is not None:
                values[currency] = benchmark.currency

    def _compare(
        self, house: House, count: _Count, agreement: Agreement, role: int, role_name: str
    ) -> None:
        adding = [
            (f, each.currency_field)
            for f, each in reported(agreement, role)
            if each.type in _ADDING_UP
        ]
        expected: dict[str, _Sums] = {}
        for deal, values in count.deals.items():
            if deal.role == role_name:
                sums = expected.setdefault(deal.transaction_id, {})
                for f, currency in adding:
                    _add(
                        sums,
                        f,
                        values.get(f),
                        values.get(currency, b"") if currency is not None else b"",
                    )
        actual: dict[str, _Sums] = {}
        for transaction_id, entry in _entries(house, agreement, role, role_name):
            sums = actual.setdefault(transaction_id, {})
            for f, currency in adding:
                stated = entry.get(currency) if currency is not None else None
                _add(sums, f, entry.get(f), str(stated or "").encode())
        for transaction_id in sorted(expected.keys() | actual.keys()):
            require(
                Promise.CONSERVATION,
                f"the books of party {house.party} as {role_name} come to something else than was"
                f" booked and approved: {transaction_id}",
                holds=expected.get(transaction_id) == actual.get(transaction_id),
            )


def _entries(
    house: House, agreement: Agreement, role: int, role_name: str
) -> Iterator[tuple[str, dict[int, object]]]:
    """Each entry of a role as it stands: the id, and the cells by field."""
    fields = [f for f, _ in reported(agreement, role)]
    names = ", ".join([KEY, ADJUSTMENT, *map(column_of, fields)])
    for transaction_id, _, *cells in house.books.cursor().execute(
        f"SELECT {names} FROM {role_name}"  # noqa: S608 - names of fields and roles
    ):
        yield transaction_id, dict(zip(fields, cells, strict=True))


def _add(sums: _Sums, f: int, amount: object, currency: int | bytes | None) -> None:
    """Add an amount; what comes to nothing is not there."""
    if isinstance(amount, int) and isinstance(currency, bytes):
        by_currency = sums.setdefault(f, {})
        total = by_currency.get(currency, 0) + amount
        by_currency[currency] = total
        if not total:
            del by_currency[currency]
