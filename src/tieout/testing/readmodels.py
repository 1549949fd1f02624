"""The suite that every database of read models must pass.

The problem: two databases sort, compare and count in their own ways, and a read model must not show
it. The model: `ReadModelSuite` holds the tests; whoever has a database subclasses it, and gives a
pytest fixture `database`: one that is migrated and may be emptied, by every test.

What the lists say is held against what the rules list, after every block of random histories.
"""

import contextlib
import hashlib
import random
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from tieout import kernel
from tieout.agreement.model import Agreement
from tieout.evidence.breaklist import BreakLine, lines_of, value_text
from tieout.journal.beginning import begin_journal
from tieout.journal.journal import Journal
from tieout.journal.segment import base_point
from tieout.projections import tables, worktables
from tieout.projections.answers import BreakItem, Page, TransactionItem
from tieout.projections.database import Database
from tieout.projections.desk import (
    Act,
    Change,
    Comment,
    Desk,
    Reason,
    SavedFilter,
)
from tieout.projections.errors import (
    BadCursor,
    BadFilter,
    Conflict,
    NotFound,
    OtherLedger,
    Outrun,
    ProjectionError,
)
from tieout.projections.filters import (
    AdjustmentFilter,
    AlarmFilter,
    BatchFilter,
    BlockFilter,
    BreakFilter,
    EventFilter,
    OperationFilter,
    TransactionFilter,
)
from tieout.projections.fold import Fold
from tieout.projections.follower import Follower
from tieout.projections.limits import (
    MAX_ATTACHMENT_BYTES,
    MAX_COMMENT_CHARACTERS,
    MAX_LABELS,
    MAX_PAGE_SIZE,
)
from tieout.projections.lists import Turn
from tieout.projections.opening import begin
from tieout.projections.reader import Reader
from tieout.projections.schema import empty
from tieout.projections.worked import Work
from tieout.projections.write import write
from tieout.testing.governed import agreed_histories, governed_histories, tell_governed
from tieout.testing.grouped import grouped_histories
from tieout.testing.histories import History, histories, refined_histories, tell
from tieout.wire.codes import Status

SMALL_PAGE: Final = 3
DAY_SEED: Final = 55
DAY: Final = random.Random(DAY_SEED).randbytes(4_000)
"""The choices of one long day with some of everything."""
some = settings(
    max_examples=8,
    suppress_health_check=[
        HealthCheck.too_slow,
        # A database is made once, and emptied by each example.
        HealthCheck.function_scoped_fixture,
        # The suite is inherited; no example is kept from one class for the other.
        HealthCheck.differing_executors,
    ],
)
few = settings(some, max_examples=3)


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


def lists_of(reader: Reader) -> list[tuple[Any, Any]]:
    """Every list, with the filter that chooses everything."""
    return [
        (reader.transactions, TransactionFilter()),
        (reader.breaks, BreakFilter(is_open=None)),
        (reader.alarms, AlarmFilter(is_open=None)),
        (reader.adjustments, AdjustmentFilter()),
        (reader.blocks, BlockFilter()),
        (reader.batches, BatchFilter()),
        (reader.operations, OperationFilter()),
        (reader.events, EventFilter()),
    ]


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
    @given(history=histories() | refined_histories() | grouped_histories())
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
    @given(history=governed_histories() | agreed_histories())
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

    def test_two_followers_at_once_do_no_harm(self, database: Database) -> None:
        """Whoever comes second finds that it was outrun, and goes on from there."""
        with kept(tell(DAY)) as ledger:
            empty(database)
            one, other = ledger.follower(database), ledger.follower(database)
            for height in ledger.blocks():
                first, second = (one, other) if height % 3 else (other, one)
                first.catch_up()
                with contextlib.suppress(Outrun):
                    second.catch_up()
            told = content(database)
            empty(database)
            ledger.follower(database).catch_up()
            assert content(database) == told

    def test_a_commit_whose_answer_got_lost_is_not_made_twice(self, database: Database) -> None:
        """The database stands where the changes lead: they are in it."""
        with kept(tell(DAY)) as ledger:
            empty(database)
            for _ in ledger.blocks():
                pass
            follower = ledger.follower(database)
            follower.catch_up()
            told = content(database)
            empty(database)
            begin(database, ledger.history.genesis)
            fold = Fold(kernel.initial_state(ledger.history.genesis), bytes(32))
            for entry in ledger.journal.entries():
                fold.add(entry)
            changes = fold.take()
            write(database, changes)
            with pytest.raises(Outrun):
                write(database, changes)
            assert content(database) == told
            assert ledger.follower(database).catch_up() == 0

    def test_a_copy_that_began_later_tells_what_it_knows(
        self, database: Database, tmp_path: Path
    ) -> None:
        """With the state of others instead of their blocks, all that is open is there."""
        history = tell(DAY)
        with kept(history) as ledger:
            heights = ledger.blocks()
            while next(heights) < len(history.blocks) // 2:
                pass
            durable, parts = ledger.journal.durable, kernel.dump(ledger.state)
            ledger_id = history.genesis.ledger_id()
            base = base_point(
                ledger_id, durable.height, durable.time_us, durable.log_size, durable.app_hash
            )
            begin_journal(tmp_path / "journal", ledger_id, base, parts)
            reader = Reader(database)
            with Journal.open(tmp_path / "journal", ledger_id) as journal:
                empty(database)
                copy = Kept(history, journal)
                follower = copy.follower(database)
                follower.catch_up()
                assert reader.standing().height == base.height
                assert_as_the_rules_say(reader, ledger.state, history.name)
                rest = slice(base.height, None)
                blocks = zip(history.blocks[rest], history.results[rest], strict=True)
                for block, result in blocks:
                    next(heights, None)
                    journal.append(block, result)
                    journal.sync()
                    follower = copy.follower(database) if block.height % 2 else follower
                    follower.catch_up()
                    assert_as_the_rules_say(reader, ledger.state, history.name)
                assert_transactions_stand(reader, ledger.state, history.name)

    def test_lists_go_on_where_they_were_in_either_direction(self, database: Database) -> None:
        """Every list, page by page, is the whole list; backwards the same, turned round."""
        with kept(tell(DAY)) as ledger:
            empty(database)
            for _ in ledger.blocks():
                pass
            ledger.follower(database).catch_up()
        reader = Reader(database)
        for page, every in lists_of(reader):
            forwards = whole(page, every)
            at_once = page(every, Turn(size=MAX_PAGE_SIZE, newest_first=True))
            assert (forwards[::-1], at_once.next) == (list(at_once.items), None)
            assert len(forwards) > SMALL_PAGE

    def test_a_filter_chooses_what_it_says(self, database: Database) -> None:
        """Each filter on each list, against the whole list looked through."""
        with kept(tell(DAY)) as ledger:
            empty(database)
            for _ in ledger.blocks():
                pass
            ledger.follower(database).catch_up()
        reader = Reader(database)
        for page, every in lists_of(reader):
            items = whole(page, every)
            for name in ("status", "state", "kind", "field", "role", "outcome", "party"):
                if not hasattr(every, name) or isinstance(items[0], TransactionItem):
                    continue
                for value in sorted({getattr(item, name) for item in items}):
                    chosen = replace(every, **{name: (value,)})
                    assert whole(page, chosen) == [i for i in items if getattr(i, name) == value]
        transactions = whole(reader.transactions, TransactionFilter())
        for status in sorted({each.status for each in transactions}):
            assert whole(reader.transactions, TransactionFilter(status=(status,))) == [
                each for each in transactions if each.status == status
            ]
        middle = transactions[len(transactions) // 2]
        ranges = {"from_us": middle.opened_us, "until_height": middle.opened_height + 1}
        assert whole(reader.transactions, TransactionFilter(**ranges)) == [
            each
            for each in transactions
            if each.opened_us >= middle.opened_us and each.opened_height <= middle.opened_height
        ]
        prefix = middle.transaction_id[:1]
        assert whole(reader.transactions, TransactionFilter(id_prefix=prefix)) == sorted(
            (each for each in transactions if each.transaction_id.startswith(prefix)),
            key=lambda each: (each.transaction_id, each.version, each.opened_height),
        )

    def test_a_cursor_is_taken_for_its_list_only(self, database: Database) -> None:
        """Changed, of another list, another filter, another direction: the reader is told."""
        with kept(tell(DAY)) as ledger:
            empty(database)
            for _ in ledger.blocks():
                pass
            ledger.follower(database).catch_up()
        reader = Reader(database)
        cursor = reader.events(turn=Turn(size=1)).next
        assert cursor is not None
        assert reader.events(turn=Turn(size=1, cursor=cursor)).items
        other = ("A" if cursor[0] != "A" else "B") + cursor[1:]
        for wrong in (other, cursor[:-4], "", "ä", "=", "A" * 10_000):
            with pytest.raises(BadCursor):
                reader.events(turn=Turn(cursor=wrong))
        with pytest.raises(BadCursor):
            reader.blocks(turn=Turn(cursor=cursor))
        with pytest.raises(BadCursor):
            reader.events(EventFilter(kind=("break_opened",)), Turn(cursor=cursor))
        with pytest.raises(BadCursor):
            reader.events(turn=Turn(cursor=cursor, newest_first=True))
        for size in (0, -1, MAX_PAGE_SIZE + 1):
            with pytest.raises(BadFilter):
                reader.events(turn=Turn(size=size))

    def test_what_is_not_there_is_said(self, database: Database) -> None:
        """Unknown agreements, transactions and breaks; a database that nothing was folded into."""
        empty(database)
        reader = Reader(database)
        with pytest.raises(ProjectionError):
            reader.standing()
        with kept(tell(DAY)) as ledger:
            for _ in ledger.blocks():
                pass
            ledger.follower(database).catch_up()
        name = ledger.history.name
        with pytest.raises(BadFilter):
            reader.breaks(BreakFilter(agreement="nobody's"))
        with pytest.raises(BadFilter):
            reader.breaks(BreakFilter(version=1))
        impossible: list[dict[str, Any]] = [{"id_prefix": "a\0"}, {"transaction_id": "\0"}]
        impossible += [{"transaction_id": "\ud800"}, {"originator": 1 << 70}]
        for each in impossible:
            with pytest.raises(BadFilter):
                reader.transactions(TransactionFilter(**each))
        with pytest.raises(NotFound):
            reader.transaction(name, "nobody's")
        with pytest.raises(NotFound):
            reader.one_break("1-4000000000")
        for wrong in ("", "1", "1-", "-1", "1-x", "٣-1", f"{1 << 40}-1", "1-4294967296"):
            with pytest.raises(BadFilter):
                reader.one_break(wrong)

    def test_another_ledger_is_not_mixed_in(self, database: Database) -> None:
        """One ledger, one database; and the same blocks, or none."""
        with kept(tell(DAY)) as ledger, kept(tell_governed(DAY)) as other:
            empty(database)
            next(ledger.blocks())
            ledger.follower(database).catch_up()
            next(other.blocks())
            with pytest.raises(OtherLedger):
                other.follower(database).catch_up()


ADA: Final = Act("ada", 1_700_000_000_000_000)
BEN: Final = Act("ben", 1_700_000_001_000_000)


class DeskSuite:
    """What every database must do for people who work on breaks; subclass it as the other one."""

    @pytest.fixture
    def breaks(self, database: Database) -> list[str]:
        """The ids of a day's breaks; nobody has worked on them."""
        with kept(tell(DAY)) as ledger:
            empty(database)
            with database.writing() as connection:
                for table in worktables.OWN.sorted_tables:
                    if table is not worktables.secrets:
                        connection.execute(sa.delete(table))
            for _ in ledger.blocks():
                pass
            ledger.follower(database).catch_up()
        return [each.id for each in whole(Reader(database).breaks, BreakFilter(is_open=None))]

    def test_every_change_has_its_line_of_history(
        self, database: Database, breaks: list[str]
    ) -> None:
        """Who did what, when, from what to what; what did not change is not told."""
        desk = Desk(database)
        first = Change(assignee="ben", due_us=5, add_labels=("fees", "urgent"), comment="Look!")
        desk.change(breaks[:1], first, ADA)
        desk.change(breaks[:1], Change(assignee="ben", due_us=None, remove_labels=("fees",)), BEN)
        (work,) = desk.work_on(breaks[:1])
        assert work == Work(
            break_id=breaks[0],
            revision=2,
            assignee="ben",
            reason="",
            due_us=None,
            labels=("urgent",),
            comments=1,
            attachments=0,
            changed_us=BEN.at_us,
            changed_by="ben",
        )
        told = [(each.author, each.what, each.before, each.after) for each in
                desk.history_of(breaks[0])]  # fmt: skip
        assert told == [
            ("ada", "assignee", "", "ben"),
            ("ada", "due_us", "", "5"),
            ("ada", "labels", "", "fees, urgent"),
            ("ada", "comment", "", "Look!"),
            ("ben", "due_us", "5", ""),
            ("ben", "labels", "fees, urgent", "urgent"),
        ]
        assert desk.comments_on(breaks[0]) == (Comment(ADA.at_us, "ada", "Look!"),)

    def test_many_are_changed_at_once_or_none(self, database: Database, breaks: list[str]) -> None:
        """One that does not exist, or that somebody else has changed, stops all of them."""
        desk, reason = Desk(database), Change(reason="late-file", add_labels=("night",))
        changed = desk.change(breaks, reason, ADA)
        assert {(each.reason, each.labels, each.revision) for each in changed} == {
            ("late-file", ("night",), 1)
        }
        with pytest.raises(NotFound):
            desk.change([*breaks, "1-4000000000"], Change(assignee="ben"), BEN)
        desk.change(breaks[2:3], Change(assignee="ada"), ADA)
        with pytest.raises(Conflict):
            desk.change(breaks, Change(assignee="ben"), BEN, expected=1)
        stands = [each.assignee for each in desk.work_on(breaks)]
        assert stands == ["", "", "ada"] + [""] * (len(breaks) - 3)
        again = desk.change(breaks[:2], Change(assignee="ben"), BEN, expected=1)
        assert [each.revision for each in again] == [2, 2]

    def test_breaks_are_chosen_by_the_work_on_them(
        self, database: Database, breaks: list[str]
    ) -> None:
        """Assignee, or nobody; reason, label, due time."""
        desk, reader = Desk(database), Reader(database)
        desk.change(breaks[:2], Change(assignee="ada", due_us=10), ADA)
        desk.change(breaks[1:3], Change(reason="fx", add_labels=("a", "b")), ADA)

        def ids(**chosen: Any) -> list[str]:
            found = whole(reader.breaks, BreakFilter(is_open=None, **chosen))
            return [each.id for each in found]

        assert ids(assignee=("ada",)) == breaks[:2]
        assert ids(assignee=("",)) == breaks[2:]
        assert ids(assignee=("", "ada")) == breaks
        assert ids(reason=("fx",)) == ids(label=("b", "c")) == breaks[1:3]
        assert (ids(due_until_us=10), ids(due_until_us=11)) == ([], breaks[:2])

    def test_a_rebuild_leaves_it_alone(self, database: Database, breaks: list[str]) -> None:
        """The ids of breaks come again, and what hangs on them is still there."""
        desk = Desk(database)
        desk.change(breaks, Change(comment="seen"), ADA)
        before = desk.work_on(breaks)
        with kept(tell(DAY)) as ledger:
            empty(database)
            for _ in ledger.blocks():
                ledger.follower(database).catch_up()
        again = whole(Reader(database).breaks, BreakFilter(is_open=None))
        assert [each.id for each in again] == breaks
        assert desk.work_on(breaks) == before

    def test_files_hang_by_their_content(self, database: Database, breaks: list[str]) -> None:
        """The same content is kept once, named by its hash, and hangs on a break once."""
        desk, content = Desk(database), bytes(range(256)) * 9
        made = desk.attach(breaks[0], "statement.pdf", "application/pdf", content, ADA)
        other = desk.attach(breaks[1], "copy.pdf", "application/pdf", content, BEN)
        assert (made.sha256, made.size) == (hashlib.sha256(content).hexdigest(), len(content))
        assert other.sha256 == made.sha256
        assert desk.file(made.sha256) == content
        assert desk.attachments_of(breaks[0]) == (made,)
        assert [each.what for each in desk.history_of(breaks[0])] == ["attachment"]
        with pytest.raises(Conflict):
            desk.attach(breaks[0], "again.pdf", "application/pdf", content, BEN)
        with pytest.raises(BadFilter):
            desk.attach(breaks[0], "big", "x", bytes(MAX_ATTACHMENT_BYTES + 1), BEN)
        with pytest.raises(NotFound):
            desk.file("00" * 32)

    def test_reasons_and_filters_are_kept(self, database: Database, breaks: list[str]) -> None:
        """A reason that is no longer offered stays; filters are their owner's, unless shared."""
        desk = Desk(database)
        assert breaks
        desk.set_reason(Reason("fx", "rate of another day", is_offered=True))
        desk.set_reason(Reason("fx", "rate of the day before", is_offered=False))
        assert desk.reasons() == (Reason("fx", "rate of the day before", is_offered=False),)
        mine = SavedFilter("ada", "mine", "breaks", {"role": ["bank"]}, False, 1)  # noqa: FBT003
        ours = replace(mine, owner="ben", name="ours", is_shared=True)
        for each in (mine, ours, replace(ours, name="his", is_shared=False)):
            desk.save_filter(each)
        desk.save_filter(replace(mine, filter={}, changed_us=2))
        assert desk.filters_for("ada") == (replace(mine, filter={}, changed_us=2), ours)
        desk.drop_filter("ada", "mine")
        assert desk.filters_for("ada") == (ours,)
        with pytest.raises(NotFound):
            desk.drop_filter("ada", "mine")

    @pytest.mark.parametrize(
        "change",
        [
            Change(comment="x" * (MAX_COMMENT_CHARACTERS + 1)),
            Change(add_labels=(" ",)),
            Change(add_labels=tuple(f"label {n}" for n in range(MAX_LABELS + 1))),
            Change(reason="a\0b"),
        ],
    )
    def test_what_does_not_fit_is_refused(
        self, database: Database, breaks: list[str], change: Change
    ) -> None:
        """Texts that are too long, labels without a name, too many of them, NUL."""
        with pytest.raises(BadFilter):
            Desk(database).change(breaks[:1], change, ADA)
        assert Desk(database).work_on(breaks[:1])[0].revision == 0
