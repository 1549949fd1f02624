"""Records: what a batch of rows does to the transactions (R-BATCH-1 to R-KEEP-1)."""

from typing import Final

from tieout.reference import adjusting, groups
from tieout.reference.deadlines import set_deadlines
from tieout.reference.events import Events
from tieout.reference.items import rows_of
from tieout.reference.judging import judge, open_change_after_match
from tieout.reference.state import Book, State, TransactionKey
from tieout.reference.transaction import Role, Transaction, new_transaction
from tieout.reference.values import Record, Row, amount_of
from tieout.wire.batch import Batch, BatchHeader
from tieout.wire.block import ItemResult
from tieout.wire.codes import NO_ROW, Action, EventKind, ItemOutcome, RowOutcome, Status

PLACE_SHIFT: Final = 16
"""A place is leaf index × 65,536 + row index."""


def apply_batch(state: State, batch: Batch, events: Events) -> ItemResult:
    """Apply a whole batch, or nothing of it (R-BATCH-1)."""
    header = batch.header
    book = book_for(state, header)
    if isinstance(book, ItemOutcome):
        return ItemResult(book)
    rows = _read(book, header.role, rows_of(batch), state.log.size)
    if isinstance(rows, int):
        return ItemResult(ItemOutcome.MALFORMED_ROW, bad_row=rows)
    counts = [0] * len(RowOutcome)
    for index, row in enumerate(rows):  # R-ROW-2
        events.row_is_applied(index)
        counts[apply_row(state, book, header.party, header.role, row, events)] += 1
    events.row_is_applied(NO_ROW)
    groups.settle(state, book, events)  # R-GROUP-6
    return ItemResult(ItemOutcome.ACCEPTED, rows=tuple(counts))


def book_for(state: State, header: BatchHeader) -> Book | ItemOutcome:
    """The book in which a batch may speak, else the check of R-BATCH-1 that refuses it."""
    book = state.find_book(header.agreement, header.version)
    if book is None:
        return ItemOutcome.UNKNOWN_AGREEMENT
    if header.agreement_hash != book.agreement.hash:
        return ItemOutcome.WRONG_AGREEMENT_HASH
    if header.role >= len(book.agreement.roles):
        return ItemOutcome.UNKNOWN_ROLE
    if header.party not in book.holders[header.role]:
        return ItemOutcome.NOT_ENTITLED
    return book


def _read(book: Book, role: int, images: list[bytes], leaf: int) -> list[Row] | int:
    """All rows, or the index of the first malformed one (R-ROW-1)."""
    if len(images[0]) != book.agreement.layout.row_bytes:
        return 0
    rows: list[Row] = []
    for index, image in enumerate(images):
        row = book.reader.read(image, role, leaf << PLACE_SHIFT | index)
        if row is None:
            return index
        rows.append(row)
    return rows


def apply_row(
    state: State, book: Book, party: int, role_index: int, row: Row, events: Events
) -> RowOutcome:
    """Judge one row (R-ROW-2) and do what its outcome asks for."""
    key = TransactionKey(book.agreement.name, row.originator, row.transaction_id, row.stage)
    transaction = state.transactions.get(key)  # R-KEY-1
    outcome = _outcome(state, book, key, party, role_index, row.record)
    if outcome is RowOutcome.WRONG_VERSION:
        kind = EventKind.ROW_NOT_APPLIED
        events.add(kind, role=role_index, detail=outcome, agreement=book.number)
        return outcome
    if transaction is None:
        transaction = _open(state, book, key)
    role = transaction.roles[role_index]
    if outcome is RowOutcome.ACCEPTED:
        _accept(state, book, transaction, role_index, party, row.record, events)
        return outcome
    events.tell(EventKind.ROW_NOT_APPLIED, transaction, role=role_index, detail=outcome)
    if outcome is RowOutcome.DUPLICATE:  # R-SAME-2
        role.duplicate = True
        judge(state, transaction, events)
    elif outcome is RowOutcome.UNEXPECTED:  # R-BIND-1
        _note_intruder(role, party, row.record)
        judge(state, transaction, events)
    return outcome


def _outcome(
    state: State,
    book: Book,
    key: TransactionKey,
    party: int,
    role_index: int,
    record: Record,
) -> RowOutcome:
    """What is to become of a row: the first that holds (R-ROW-2). Changes nothing."""
    transaction = state.transactions.get(key)
    if transaction is None:
        others = state.stages_of(key)
        pinned = state.book_of(others[0]) if others else state.newest[book.agreement.name]
        return RowOutcome.ACCEPTED if book is pinned else RowOutcome.WRONG_VERSION  # R-PIN-1
    if transaction.agreement_number != book.number:  # R-PIN-1
        return RowOutcome.WRONG_VERSION
    if is_expired(state, book, transaction):  # R-KEEP-1
        return RowOutcome.EXPIRED
    role = transaction.roles[role_index]
    if role.party not in (0, party):  # R-BIND-1
        return RowOutcome.UNEXPECTED
    if role.record is None or record.revision > role.record.revision:
        return RowOutcome.ACCEPTED
    if record.revision < role.record.revision:  # R-SAME-3
        return RowOutcome.STALE
    if record.says_the_same_as(role.record):  # R-SAME-1
        return RowOutcome.REPEAT
    return RowOutcome.DUPLICATE  # R-SAME-2


def is_expired(state: State, book: Book, transaction: Transaction) -> bool:
    """R-KEEP-1: closed for longer than the agreement keeps closed transactions."""
    closed_us = transaction.closed_us
    return closed_us != 0 and state.time_us - closed_us > book.agreement.retention_us


def _open(state: State, book: Book, key: TransactionKey) -> Transaction:
    """Open a transaction, and with it the deadlines of its roles."""
    terms = book.terms[key.stage]
    transaction = new_transaction(terms, key.transaction_id, key.originator, key.stage)
    transaction.agreement_number = book.number
    transaction.serial = len(book.transactions)
    transaction.opened_us = state.time_us
    book.transactions.append(transaction)
    state.transactions[key] = transaction
    _link(state, key, transaction)
    set_deadlines(state, book, transaction)
    return transaction


def _link(state: State, key: TransactionKey, transaction: Transaction) -> None:
    """Let the stages beside a new one know it, and it them (R-STAGE-1)."""
    previous = state.transactions.get(key._replace(stage=key.stage - 1))
    following = state.transactions.get(key._replace(stage=key.stage + 1))
    transaction.previous, transaction.following = previous, following
    if previous:
        previous.following = transaction
    if following:
        following.previous = transaction


def _accept(
    state: State,
    book: Book,
    transaction: Transaction,
    role_index: int,
    party: int,
    record: Record,
    events: Events,
) -> None:
    """Let a record stand, and do what follows."""
    role = transaction.roles[role_index]
    matches = transaction.status is Status.MATCHED and role.states  # R-CHANGE-1
    returns = transaction.is_reversed and record.action is Action.STATE  # R-REVERSE-3
    is_watched = matches or returns
    changes = is_watched and role.record is not None and _changes(book, role.record, record)
    groups.follow(book, transaction, role_index, role.record, record)  # R-GROUP-1
    role.party = party  # R-BIND-1
    role.record = record
    role.duplicate = False  # R-SAME-2
    adjusting.answer(book, transaction, role_index, events)  # R-ADJ-7
    if changes and not role.changed_after_match:
        open_change_after_match(transaction, role_index, events)
    judge(state, transaction, events)


def _changes(book: Book, standing: Record, record: Record) -> bool:
    """Whether a record says something else in a compared field than the standing one."""
    if record.action is Action.WITHDRAW:
        return True
    return any(
        field.compare and amount_of(was) != amount_of(now)
        for field, was, now in zip(
            book.agreement.fields, standing.values, record.values, strict=True
        )
    )


def _note_intruder(role: Role, party: int, record: Record) -> None:
    """Remember the first party that speaks for another's role, until it takes that back."""
    if record.action is Action.STATE and role.intruder == 0:
        role.intruder = party
    elif record.action is Action.WITHDRAW and role.intruder == party:
        role.intruder = 0
