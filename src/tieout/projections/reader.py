"""The reader: what can be asked of a database, typed, one method for each list.

Every answer is of one moment and says of which block. Nothing here writes.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc

from tieout.projections import tables, worktables
from tieout.projections.answers import (
    AdjustmentItem,
    AgreementItem,
    AlarmItem,
    BatchItem,
    BlockItem,
    BreakItem,
    ConfirmationItem,
    CutoffItem,
    EventItem,
    MemberItem,
    OperationItem,
    Overview,
    Page,
    RepairItem,
    Standing,
    TransactionDetail,
    TransactionItem,
    WorkItem,
)
from tieout.projections.database import Database
from tieout.projections.errors import BadFilter, NotFound, ProjectionError
from tieout.projections.filters import (
    AboutTransactions,
    AdjustmentFilter,
    AlarmFilter,
    BatchFilter,
    BlockFilter,
    BreakFilter,
    CutoffFilter,
    EventFilter,
    OperationFilter,
    TransactionFilter,
)
from tieout.projections.lists import (
    FIRST_PAGE,
    Condition,
    Moment,
    Row,
    Turn,
    any_of,
    chosen_of,
)
from tieout.projections.making import (
    adjustment_item,
    agreement_items,
    alarm_item,
    break_item,
    event_item,
    member_items,
    record_item,
    transaction_item,
)
from tieout.projections.tables import ID_SHIFT, KEY_SHIFT
from tieout.projections.worked import portions, work_item, work_on
from tieout.wire.codes import Action, Status

Item = TypeVar("Item")
_MATCHED: Final = Status.MATCHED.name.lower()
_STATUSES: Final = tuple(status.name.lower() for status in Status)
_STATED: Final = Action.STATE.name.lower()
_CURSOR_KEY: Final = "cursors"


class Reader:
    """Questions to a database whose tables are there. Safe for use by several threads.

    All methods raise DatabaseAway; lists raise BadFilter and BadCursor, too.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # ------------------------------------------------------------------ where it stands

    def standing(self) -> Standing:
        """Which ledger, as of which block. Raises ProjectionError before anything was folded."""
        with self._moment() as moment:
            return moment.standing

    def overview(self) -> Overview:
        """Counts: transactions by status, open breaks by kind, alarms and adjustments by state."""
        with self._moment() as moment:
            counts = tables.agreements.c
            sums = [sa.func.coalesce(sa.func.sum(counts[name]), 0) for name in _STATUSES]
            totals = moment.connection.execute(sa.select(*sums)).one()
            breaks, alarms, entries = tables.breaks.c, tables.alarms.c, tables.adjustments.c
            return Overview(
                standing=moment.standing,
                transactions=dict(zip(_STATUSES, map(int, totals), strict=True)),
                open_breaks=_counted(moment, breaks.kind, breaks.closed_height.is_(None)),
                open_alarms=_counted(moment, alarms.state, alarms.cleared_height.is_(None)),
                open_adjustments=_counted(
                    moment, entries.status, entries.status.in_(("proposed", "approved", "posted"))
                ),
            )

    def agreements(self) -> tuple[AgreementItem, ...]:
        """All versions of all agreements in force, in the order of their numbers."""
        with self._moment() as moment:
            return agreement_items(moment.connection)

    def members(self) -> tuple[MemberItem, ...]:
        """Everybody who is or was a member, by number."""
        with self._moment() as moment:
            return member_items(moment.connection)

    # ------------------------------------------------------------------ transactions

    def transactions(
        self,
        chosen: TransactionFilter = TransactionFilter(),
        turn: Turn = FIRST_PAGE,
    ) -> Page[TransactionItem]:
        """Transactions in the order of their opening, or of their ids under an `id_prefix`."""
        table, records = tables.transactions, tables.standing_records
        with self._moment() as moment:
            where = moment.about(table, chosen) + moment.began(table.c.opened_height, chosen)
            where += chosen_of(table.c.status, chosen.status)
            if chosen.status and _MATCHED not in chosen.status:
                # Said once more for the index of what is not matched.
                where.append(table.c.status != sa.literal_column(f"'{_MATCHED}'"))
            if chosen.party is not None:
                spoke = sa.and_(
                    records.c.transaction_key == table.c.transaction_key,
                    records.c.party == chosen.party,
                )
                where.append(sa.exists().where(spoke))
            order: Sequence[str] = ("opened_height", "transaction_key")
            if chosen.agreement is not None:
                # Under one name serials and numbers grow with time: the same order.
                order = ("transaction_key",)
                where += _within(table.c.transaction_key, moment.numbers(chosen.agreement))
            return moment.page(
                "transactions",
                table,
                _by_id(chosen, "transaction_key") or order,
                where,
                chosen,
                turn,
                lambda row: transaction_item(row, moment.versions),
            )

    def transaction(
        self, agreement: str, transaction_id: str, originator: int = 0
    ) -> TransactionDetail:
        """One transaction with its records, breaks, alarms and adjustments. Raises NotFound."""
        with self._moment() as moment:
            columns = tables.transactions.c
            found = (
                moment.connection.execute(
                    sa.select(tables.transactions).where(
                        columns.transaction_id == transaction_id,
                        columns.originator == originator,
                        any_of(columns.agreement, moment.numbers(agreement)),
                    )
                )
                .mappings()
                .first()
            )
            if found is None:
                raise NotFound(f"there is no transaction {transaction_id} under {agreement}")
            return _detail(moment, found)

    # ------------------------------------------------------------------ breaks and their mending

    def breaks(
        self,
        chosen: BreakFilter = BreakFilter(),
        turn: Turn = FIRST_PAGE,
    ) -> Page[BreakItem]:
        """Breaks in the order in which they opened, or of their ids under an `id_prefix`."""
        with self._moment() as moment:
            return self._breaks(moment, chosen, turn)

    def work(
        self,
        chosen: BreakFilter = BreakFilter(),
        turn: Turn = FIRST_PAGE,
    ) -> Page[WorkItem]:
        """The same breaks in the same order, with the work on them."""
        with self._moment() as moment:
            page = self._breaks(moment, chosen, turn)
            works = work_on(moment.connection, [number_of(each.id) for each in page.items])
            items = tuple(map(work_item, page.items, works))
            return Page(items, page.next, page.height, page.time_us)

    def repairs(self, chosen: BreakFilter, turn: Turn = FIRST_PAGE) -> Page[RepairItem]:
        """Records of one role that have such breaks, each once, in the order of their opening.

        Under one version of an agreement, which is to be named as well as the role.
        """
        if chosen.agreement is None or chosen.version is None or len(chosen.role) != 1:
            raise BadFilter("records are mended for one role under one version of an agreement")
        table, records = tables.transactions, tables.standing_records.c
        with self._moment() as moment:
            (number,) = moment.numbers(chosen.agreement, chosen.version)
            role = _role_number(moment, number, chosen.role[0])
            broken = sa.select(tables.breaks.c.transaction_key).where(
                *self._break_conditions(moment, chosen)
            )
            stated = sa.and_(records.role == role, records.action == _STATED)
            is_stated = sa.and_(records.transaction_key == table.c.transaction_key, stated)
            where = [table.c.transaction_key.in_(broken), sa.exists().where(is_stated)]
            order = ("transaction_key",)
            page = moment.page("repairs", table, order, where, chosen, turn, _itself)
            keys = [row["transaction_key"] for row in page.items]
            texts: dict[int, dict[str, str | None]] = {}
            for some in portions(keys):
                statement = sa.select(records.transaction_key, records.texts)
                found = statement.where(records.transaction_key.in_(some), stated)
                texts.update(map(tuple, moment.connection.execute(found)))
            items = tuple(
                RepairItem(row["transaction_id"], texts[row["transaction_key"]])
                for row in page.items
            )
            return Page(items, page.next, page.height, page.time_us)

    def one_break(self, break_id: str) -> tuple[BreakItem, int]:
        """A break, open or closed, and as of which block. Raises NotFound, BadFilter."""
        with self._moment() as moment:
            found = self._one(moment, tables.breaks, number_of(break_id), break_id, break_item)
            return found, moment.standing.height

    def one_alarm(self, alarm_id: str) -> tuple[AlarmItem, tuple[ConfirmationItem, ...], int]:
        """An alarm, its confirmations, and as of which block. Raises NotFound, BadFilter."""
        with self._moment() as moment:
            number = number_of(alarm_id)
            alarm = self._one(moment, tables.alarms, number, alarm_id, alarm_item)
            own = tables.confirmations.c
            found = moment.connection.execute(
                sa.select(own.party, own.height, own.time_us)
                .where(own.alarm_id == number)
                .order_by(own.id)
            )
            confirmations = tuple(ConfirmationItem(*line) for line in found)
            return alarm, confirmations, moment.standing.height

    def alarms(
        self,
        chosen: AlarmFilter = AlarmFilter(),
        turn: Turn = FIRST_PAGE,
    ) -> Page[AlarmItem]:
        """Alarms in the order in which they were found, or of ids under an `id_prefix`."""
        table = tables.alarms
        with self._moment() as moment:
            where = moment.about(table, chosen) + moment.began(table.c.id, chosen, ID_SHIFT)
            where += _open(table.c.cleared_height, is_open=chosen.is_open)
            where += chosen_of(table.c.state, chosen.state)
            where += chosen_of(table.c.severity, chosen.severity)
            where += chosen_of(table.c.escalated_to, chosen.escalated_to)
            order = _by_id(chosen, "id") or ("id",)
            return moment.page(
                "alarms",
                table,
                order,
                where,
                chosen,
                turn,
                lambda row: alarm_item(row, moment.versions),
            )

    def adjustments(
        self,
        chosen: AdjustmentFilter = AdjustmentFilter(),
        turn: Turn = FIRST_PAGE,
    ) -> Page[AdjustmentItem]:
        """Correcting entries, by agreement and proposal, or by ids under an `id_prefix`."""
        table = tables.adjustments
        with self._moment() as moment:
            where = moment.about(table, chosen) + moment.began(table.c.proposed_height, chosen)
            where += chosen_of(table.c.status, chosen.status)
            where += chosen_of(table.c.role, chosen.role)
            where += chosen_of(table.c.party, chosen.party)
            if chosen.id:
                where.append(table.c.adjustment_id.between(chosen.id, chosen.id + "g"))
            order = _by_id(chosen, "id") or ("id",)
            return moment.page(
                "adjustments",
                table,
                order,
                where,
                chosen,
                turn,
                lambda row: adjustment_item(row, moment.versions),
            )

    # ------------------------------------------------------------------ the ledger itself

    def blocks(
        self,
        chosen: BlockFilter = BlockFilter(),
        turn: Turn = FIRST_PAGE,
    ) -> Page[BlockItem]:
        """Blocks by height."""
        table = tables.blocks
        with self._moment() as moment:
            where = moment.began(table.c.height, chosen)
            return moment.page("blocks", table, ("height",), where, chosen, turn, _as(BlockItem))

    def batches(
        self,
        chosen: BatchFilter = BatchFilter(),
        turn: Turn = FIRST_PAGE,
    ) -> Page[BatchItem]:
        """Batches in the ledger's order, refused ones too."""
        table = tables.batches
        with self._moment() as moment:
            where = moment.began(table.c.height, chosen)
            where += _named(table, chosen.agreement)
            where += chosen_of(table.c.outcome, chosen.outcome)
            where += chosen_of(table.c.role, chosen.role)
            where += chosen_of(table.c.party, chosen.party)
            order = ("height", "item")
            return moment.page("batches", table, order, where, chosen, turn, _as(BatchItem))

    def operations(
        self,
        chosen: OperationFilter = OperationFilter(),
        turn: Turn = FIRST_PAGE,
    ) -> Page[OperationItem]:
        """Operations in the ledger's order, refused ones too."""
        table = tables.operations
        with self._moment() as moment:
            where = moment.began(table.c.height, chosen)
            where += _named(table, chosen.agreement)
            where += chosen_of(table.c.outcome, chosen.outcome)
            where += chosen_of(table.c.kind, chosen.kind)
            where += chosen_of(table.c.party, chosen.party)
            if chosen.transaction_id is not None:
                where.append(table.c.transaction_id == chosen.transaction_id)
            order = ("height", "item")
            return moment.page("operations", table, order, where, chosen, turn, _as(OperationItem))

    def cutoffs(
        self,
        chosen: CutoffFilter = CutoffFilter(),
        turn: Turn = FIRST_PAGE,
    ) -> Page[CutoffItem]:
        """Cut-offs in the ledger's order."""
        table = tables.cutoffs
        with self._moment() as moment:
            where = moment.began(table.c.height, chosen)
            where += _named(table, chosen.agreement)
            where += chosen_of(table.c.party, chosen.party)
            order = ("height", "item")
            return moment.page("cutoffs", table, order, where, chosen, turn, _as(CutoffItem))

    def events(
        self,
        chosen: EventFilter = EventFilter(),
        turn: Turn = FIRST_PAGE,
    ) -> Page[EventItem]:
        """Events in the ledger's order."""
        table = tables.events
        with self._moment() as moment:
            where = moment.began(table.c.id, chosen, ID_SHIFT)
            where += chosen_of(table.c.kind, chosen.kind)
            if chosen.transaction_id is not None:
                where.append(table.c.transaction_key.in_(_keys(moment, chosen)))
            elif chosen.agreement is not None:
                where.append(any_of(table.c.agreement, moment.numbers(chosen.agreement)))
            page = moment.page("events", table, ("id",), where, chosen, turn, _itself)
            names = _identities(moment, page.items)
            items = tuple(event_item(row, names) for row in page.items)
            return Page(items, page.next, page.height, page.time_us)

    # ------------------------------------------------------------------ inside

    @contextlib.contextmanager
    def _moment(self) -> Iterator[Moment]:
        try:
            with self._looking() as moment:
                yield moment
        except (OverflowError, UnicodeEncodeError, exc.DataError) as error:
            raise BadFilter("a number or a text of the filter fits no column") from error

    @contextlib.contextmanager
    def _looking(self) -> Iterator[Moment]:
        with self._database.reading() as connection:
            stands = connection.execute(sa.select(tables.ledger)).mappings().first()
            if stands is None:
                what = f"nothing was folded into {self._database.shown} yet"
                raise ProjectionError(what, "run `tieout projection follow`")
            secret = worktables.secrets.c
            key = connection.execute(
                sa.select(secret.value).where(secret.name == _CURSOR_KEY)
            ).scalar_one()
            numbers = tables.agreements.c
            versions = connection.execute(
                sa.select(numbers.number, numbers.name, numbers.version).order_by(numbers.number)
            )
            yield Moment(
                connection,
                Standing(**{name: stands[name] for name in Standing.__struct_fields__}),
                key,
                {number: (name, version) for number, name, version in versions},
            )

    def _breaks(self, moment: Moment, chosen: BreakFilter, turn: Turn) -> Page[BreakItem]:
        where = self._break_conditions(moment, chosen)
        order = _by_id(chosen, "id") or ("id",)
        return moment.page(
            "breaks",
            tables.breaks,
            order,
            where,
            chosen,
            turn,
            lambda row: break_item(row, moment.versions),
        )

    @staticmethod
    def _break_conditions(moment: Moment, chosen: BreakFilter) -> list[Condition]:
        table = tables.breaks
        where = moment.about(table, chosen) + moment.began(table.c.id, chosen, ID_SHIFT)
        where += _open(table.c.closed_height, is_open=chosen.is_open)
        where += chosen_of(table.c.status, chosen.status)
        where += chosen_of(table.c.kind, chosen.kind)
        where += chosen_of(table.c.field, chosen.field)
        where += chosen_of(table.c.role, chosen.role)
        where += chosen_of(table.c.party, chosen.party)
        where += chosen_of(table.c.severity, chosen.severity)
        return where + _worked_on(table.c.id, chosen)

    @staticmethod
    def _one(
        moment: Moment,
        table: sa.Table,
        number: int,
        shown: str,
        make: Callable[[Row, Any], Item],
    ) -> Item:
        row = (
            moment.connection.execute(sa.select(table).where(table.c.id == number))
            .mappings()
            .first()
        )
        if row is None:
            raise NotFound(f"there is no {shown} among the {table.name}")
        return make(row, moment.versions)


def number_of(shown: str) -> int:
    """The number behind an id that is shown as HEIGHT-INDEX. Raises BadFilter."""
    height, _, index = shown.partition("-")
    if not (height.isascii() and height.isdecimal() and index.isascii() and index.isdecimal()):
        raise BadFilter(f"{shown!r} is no id", "an id is HEIGHT-INDEX, two numbers")
    number = int(height) << ID_SHIFT | int(index)
    if len(shown) > 2 * 10 + 1 or int(index) >> ID_SHIFT or number >> 63:
        raise BadFilter(f"{shown!r} is no id", "an id is HEIGHT-INDEX, two numbers")
    return number


def _counted(moment: Moment, column: sa.ColumnElement[str], where: Condition) -> dict[str, int]:
    statement = sa.select(column, sa.func.count()).where(where).group_by(column).order_by(column)
    return {name: int(count) for name, count in moment.connection.execute(statement)}


def _detail(moment: Moment, found: Row) -> TransactionDetail:
    key, number = found["transaction_key"], found["agreement"]

    def lines(table: sa.Table, order: str) -> Sequence[Row]:
        statement = sa.select(table).where(table.c.transaction_key == key)
        return moment.connection.execute(statement.order_by(table.c[order])).mappings().all()

    names = (
        moment.connection.execute(
            sa.select(tables.roles.c.name)
            .where(tables.roles.c.agreement == number)
            .order_by(tables.roles.c.number)
        )
        .scalars()
        .all()
    )
    versions = moment.versions
    return TransactionDetail(
        transaction=transaction_item(found, versions),
        records=tuple(record_item(row, names) for row in lines(tables.standing_records, "role")),
        breaks=tuple(break_item(row, versions) for row in lines(tables.breaks, "id")),
        alarms=tuple(alarm_item(row, versions) for row in lines(tables.alarms, "id")),
        adjustments=tuple(
            adjustment_item(row, versions) for row in lines(tables.adjustments, "id")
        ),
        height=moment.standing.height,
        time_us=moment.standing.time_us,
    )


def _by_id(chosen: AboutTransactions, last: str) -> Sequence[str] | None:
    return ("transaction_id", last) if chosen.id_prefix else None


def _open(closed: sa.ColumnElement[Any], *, is_open: bool | None) -> list[Condition]:
    if is_open is None:
        return []
    return [closed.is_(None) if is_open else closed.is_not(None)]


def _within(key: sa.ColumnElement[int], numbers: Sequence[int]) -> list[Condition]:
    """The stretch of keys in which transactions of some agreements lie."""
    first, end = min(numbers) << KEY_SHIFT, (max(numbers) + 1) << KEY_SHIFT
    return [key >= first, key < end]


def _worked_on(break_id: sa.ColumnElement[int], chosen: BreakFilter) -> list[Condition]:
    """Conditions on the work that people do on breaks."""
    work, labels = worktables.work.c, worktables.work_labels.c
    where: list[Condition] = []
    if chosen.assignee:
        has: Condition = break_id.in_(
            sa.select(work.break_id).where(any_of(work.assignee, chosen.assignee))
        )
        if "" in chosen.assignee:
            nobody = break_id.not_in(sa.select(work.break_id).where(work.assignee != ""))
            has = sa.or_(has, nobody)
        where.append(has)
    if chosen.reason:
        where.append(
            break_id.in_(sa.select(work.break_id).where(any_of(work.reason, chosen.reason)))
        )
    if chosen.due_until_us is not None:
        where.append(
            break_id.in_(sa.select(work.break_id).where(work.due_us < chosen.due_until_us))
        )
    if chosen.label:
        where.append(
            break_id.in_(sa.select(labels.break_id).where(any_of(labels.label, chosen.label)))
        )
    return where


def _named(table: sa.Table, agreement: str | None) -> list[Condition]:
    return [] if agreement is None else [table.c.agreement == agreement]


def _role_number(moment: Moment, agreement: int, name: str) -> int:
    own = tables.roles.c
    where = (own.agreement == agreement, own.name == name)
    found: int | None = moment.connection.execute(sa.select(own.number).where(*where)).scalar()
    if found is None:
        raise BadFilter(f"the agreement has no role {name}")
    return found


def _itself(row: Row) -> Row:
    return row


def _as(kind: Callable[..., Item]) -> Callable[[Row], Item]:
    """Items whose attributes are the columns."""
    return lambda row: kind(**row)


def _keys(moment: Moment, chosen: EventFilter) -> sa.Select[tuple[int]]:
    """The keys of the transaction that a filter names."""
    if chosen.agreement is None:
        raise BadFilter("ids count under an agreement", "name the agreement, too")
    columns = tables.transactions.c
    return sa.select(columns.transaction_key).where(
        columns.transaction_id == chosen.transaction_id,
        columns.originator == chosen.originator,
        any_of(columns.agreement, moment.numbers(chosen.agreement)),
    )


def _identities(moment: Moment, rows: Sequence[Row]) -> dict[int, tuple[int, str]]:
    """Originator and id of the transactions that events are about."""
    keys = {row["transaction_key"] for row in rows} - {None}
    columns = tables.transactions.c
    statement = sa.select(columns.transaction_key, columns.originator, columns.transaction_id)
    found = moment.connection.execute(statement.where(columns.transaction_key.in_(sorted(keys))))
    return {key: (originator, transaction_id) for key, originator, transaction_id in found}
