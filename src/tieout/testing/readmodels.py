"""The suite that every database of read models must pass.

The problem: two databases sort, compare and count in their own ways, and a read model must not show
it. The model: `ReadModelSuite` holds the tests; whoever has a database subclasses it, and gives a
pytest fixture `database`: one that is migrated and may be emptied, by every test.

What the lists say is held against what the rules list, after every block of random histories.
"""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from tieout import kernel
from tieout.agreement.model import Agreement
from tieout.evidence.breaklist import BreakLine, lines_of, value_text
from tieout.journal.journal import Journal
from tieout.projections import tables
from tieout.projections.answers import BreakItem, Page
from tieout.projections.database import Database
from tieout.projections.filters import (
    AdjustmentFilter,
    AlarmFilter,
    BreakFilter,
    TransactionFilter,
)
from tieout.projections.follower import Follower
from tieout.projections.lists import Turn
from tieout.projections.reader import Reader
from tieout.projections.schema import empty
from tieout.testing.governed import governed_histories
from tieout.testing.histories import History, histories, refined_histories
from tieout.wire.codes import Status

SMALL_PAGE: Final = 3
some = settings(
    max_examples=12,
    suppress_health_check=[
        HealthCheck.too_slow,
        # A database is made once, and emptied by each example.
        HealthCheck.function_scoped_fixture,
        # The suite is inherited; no example is kept from one class for the other.
        HealthCheck.differing_executors,
    ],
)
few = settings(some, max_examples=4)


class Kept:
    """A history in a journal, handed over block by block, beside the state that the rules have."""

    def __init__(self, history: History, journal: Journal) -> None:
        self.history = history
        self.journal = journal
        self.state = kernel.initial_state(history.genesis)

    def blocks(self) -> Iterator[int]:
        """Keep one block after the other; its height, once it is durable."""
        for block, result in zip(self.history.blocks, self.history.results, strict=True):
            self.state, _ = kernel.apply_block(self.state, block)
            self.journal.append(block, result)
            self.journal.sync()
            yield block.height

    def follower(self, database: Database) -> Follower:
        """A follower from this journal into a database."""
        return Follower(self.journal, self.history.genesis, database)


@contextmanager
def kept(history: History) -> Iterator[Kept]:
    """A history, and an empty journal for it."""
    with tempfile.TemporaryDirectory() as folder:
        ledger_id = history.genesis.ledger_id()
        with Journal.open(Path(folder) / "journal", ledger_id) as journal:
            yield Kept(history, journal)


def whole(page: Any, *filters: Any) -> list[Any]:
    """A whole list, page by page."""
    items: list[Any] = []
    answer: Page[Any] = page(*filters, Turn(size=SMALL_PAGE))
    items += answer.items
    while answer.next is not None:
        answer = page(*filters, Turn(size=SMALL_PAGE, cursor=answer.next))
        items += answer.items
    return items


def line(item: BreakItem) -> BreakLine:
    """A break as a line of the breaks file."""
    return BreakLine(*(getattr(item, name) for name in BreakLine._fields))


def content(database: Database) -> dict[str, list[Any]]:
    """All lines of all tables of the read models."""
    with database.reading() as connection:
        return {
            name: [
                tuple(found)
                for found in connection.execute(
                    sa.select(table).order_by(*table.primary_key.columns)
                )
            ]
            for name, table in tables.READ_MODEL.tables.items()
        }


def assert_as_the_rules_say(reader: Reader, state: kernel.State, name: str) -> None:
    """Breaks, counts, alarms and adjustments are those of the state."""
    agreements = {book.number: book.agreement for book in state.books}
    expected = lines_of(agreements, kernel.breaks(state, name))
    found = whole(reader.breaks, BreakFilter())
    assert sorted(map(line, found)) == sorted(expected)
    counts = kernel.counts(state, name)
    overview = reader.overview()
    told = [overview.transactions[status.name.lower()] for status in Status]
    assert told == [counts.pending, counts.matched, counts.broken, counts.withdrawn]
    alarms = [
        (each.transaction_id.decode(), each.episode, each.alarm.name.lower())
        for each in kernel.alarms(state, name)
    ]
    open_alarms = whole(reader.alarms, AlarmFilter())
    assert sorted((a.transaction_id, a.episode, a.state) for a in open_alarms) == sorted(alarms)
    assert [
        (each.id, each.status, each.at_once, len(each.approvers))
        for each in whole(reader.adjustments, AdjustmentFilter())
    ] == [
        (each.id.hex(), each.status.name.lower(), each.approved_at_once, len(each.approvers))
        for each in kernel.adjustments(state, name)
    ]


def assert_transactions_stand(reader: Reader, state: kernel.State, name: str) -> None:
    """Every transaction has the status and the records that the state has."""
    agreements = {book.number: book.agreement for book in state.books}
    for each in whole(reader.transactions, TransactionFilter()):
        transaction_id = each.transaction_id.encode()
        stands = kernel.transaction(state, name, each.originator, transaction_id)
        detail = reader.transaction(name, each.transaction_id, each.originator)
        if stands is None or each.stage:
            continue
        assert each.status == stands.status.name.lower()
        assert [(r.role, r.revision, r.values) for r in detail.records] == list(
            _records(agreements[stands.agreement], stands)
        )


def _records(
    agreement: Agreement, stands: kernel.Transaction
) -> Iterable[tuple[str, int, dict[str, str | None]]]:
    for role, standing in zip(agreement.roles, stands.roles, strict=True):
        if standing.revision == 0:
            continue
        values: dict[str, str | None] = {}
        for number, (field, column) in enumerate(
            zip(agreement.fields, agreement.layout.columns, strict=True)
        ):
            start = column.offset - agreement.layout.row_bytes + len(standing.values)
            raw = standing.values[start : start + column.width]
            is_stated = standing.presence >> number & 1
            values[field.name] = value_text(field, column.value_of(raw)) if is_stated else None
        yield role, standing.revision, values


class ReadModelSuite:
    """Subclass it in a test module, with a fixture `database` that gives a migrated Database."""

    @some
    @given(history=histories() | refined_histories())
    def test_after_every_block_the_lists_are_what_the_rules_say(
        self, database: Database, history: History
    ) -> None:
        """Breaks, statuses, alarms, adjustments and records, at every height."""
        empty(database)
        reader = Reader(database)
        with kept(history) as ledger:
            follower = ledger.follower(database)
            for height in ledger.blocks():
                assert follower.catch_up() == 1
                assert reader.standing().height == height
                if ledger.state.books:
                    assert_as_the_rules_say(reader, ledger.state, history.name)
            assert_transactions_stand(reader, ledger.state, history.name)

    @few
    @given(history=governed_histories())
    def test_in_chunks_at_once_or_begun_again_it_is_the_same(
        self, database: Database, history: History
    ) -> None:
        """One fold of everything, a follower for each block, and two in turn, end alike."""
        with kept(history) as ledger:
            empty(database)
            for _ in ledger.blocks():
                assert ledger.follower(database).catch_up() == 1
            step_by_step = content(database)
            empty(database)
            ledger.follower(database).catch_up()
            assert content(database) == step_by_step
