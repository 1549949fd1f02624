"""Batches: checked whole, then their rows go through the compiled loop (R-BATCH-1, R-PIN-1)."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tieout.kernel import index
from tieout.kernel import layout as at
from tieout.kernel.apply import BEGUN, ELSEWHERE, apply_rows
from tieout.kernel.book import Book, books_of
from tieout.kernel.groups import Groups
from tieout.kernel.items import Item
from tieout.kernel.rowcheck import check_rows
from tieout.kernel.state import State, Vouched
from tieout.kernel.timing import settle_groups
from tieout.kernel.words import KEY_BYTES
from tieout.merkle.lanes import rows_root
from tieout.merkle.tree import leaf_hash
from tieout.wire.batch import Batch, BatchHeader
from tieout.wire.block import ItemResult
from tieout.wire.codes import ItemOutcome, RowOutcome

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]

_OUTCOMES: Final = len(RowOutcome)
_MALFORMED_WIDTH: Final = ItemResult(ItemOutcome.MALFORMED_ROW, bad_row=0)


def vouch(state: State, header: BatchHeader, memory: object, rows: Bytes) -> None:
    """Check the rows of a batch before it is applied, in the thread of whoever builds it.

    Root and signature were made over `rows`, the bytes of all rows in `memory`, and nobody writes
    them any more. Not while an agreement is enacted.
    """
    book = state.by_version.get((header.agreement, header.version))
    if book is None or header.row_bytes != book.plan[at.P_ROW_BYTES]:
        return
    hashes = np.empty(header.row_count, np.int64)
    bad = check_rows(book.plan, rows, header.row_count, header.role, state.index_secret, hashes)
    if bad < 0:
        state.vouched[header.digest()] = Vouched(memory, hashes)


def vouched_for(state: State, item: Item) -> Vouched | None:
    """What was vouched for this very batch, at most once."""
    batch = item.content
    vouched = state.vouched.pop(item.digest, None)
    if vouched is None or not isinstance(batch, Batch) or batch.rows.obj is not vouched.memory:
        return None
    return vouched


def apply_batch(state: State, batch: Batch, item: int, vouched: Vouched | None) -> ItemResult:
    """Apply a batch whose signature, root and place in its stream are good; `item` is its index.

    A refused batch changes nothing (R-ITEM-3).
    """
    book = _book_for(state, batch)
    if isinstance(book, ItemOutcome):
        return ItemResult(book)
    header = batch.header
    rows = np.frombuffer(batch.rows, np.uint8)
    if header.row_bytes != book.plan[at.P_ROW_BYTES]:
        return _MALFORMED_WIDTH
    if vouched is not None:
        hashes = vouched.hashes
    else:
        hashes = np.empty(header.row_count, np.int64)
        bad = check_rows(book.plan, rows, header.row_count, header.role, state.index_secret, hashes)
        if bad >= 0:
            return ItemResult(ItemOutcome.MALFORMED_ROW, bad_row=int(bad))
    cursor = book.cursor
    cursor[at.C_TIME] = state.time_us
    cursor[at.C_ITEM] = item
    cursor[at.C_LEAF] = state.log.size
    cursor[at.C_PARTY] = header.party
    cursor[at.C_ROLE] = header.role
    cursor[at.C_MAY_OPEN] = state.newest[header.agreement] is book
    cursor[at.C_OUTCOMES : at.C_OUTCOMES + _OUTCOMES] = 0
    if book.groups is not None and book.groups.concern(header.role):
        _run_with_groups(state, book, book.groups, rows, hashes)
    else:
        _run(state, book, rows, hashes)
    counts = cursor[at.C_OUTCOMES : at.C_OUTCOMES + _OUTCOMES].tolist()
    return ItemResult(ItemOutcome.ACCEPTED, rows=tuple(counts))


def has_signed_root(item: Item) -> bool:
    """Whether the rows of a batch are those whose root was signed (R-ITEM-1)."""
    batch = item.content
    if not isinstance(batch, Batch):
        return True
    header = batch.header
    if header.row_count == 1:
        # The usual batch of somebody who waits for it: the only leaf is the root.
        return leaf_hash(bytes(batch.rows)) == header.rows_root
    rows = np.frombuffer(batch.rows, np.uint8).reshape(header.row_count, header.row_bytes)
    return rows_root(rows) == header.rows_root


def _book_for(state: State, batch: Batch) -> Book | ItemOutcome:
    """The first checks of R-BATCH-1."""
    header = batch.header
    book = state.by_version.get((header.agreement, header.version))
    if book is None:
        return ItemOutcome.UNKNOWN_AGREEMENT
    if header.agreement_hash != book.agreement.hash:
        return ItemOutcome.WRONG_AGREEMENT_HASH
    if header.role >= len(book.holders):
        return ItemOutcome.UNKNOWN_ROLE
    if header.party not in book.holders[header.role]:
        return ItemOutcome.NOT_ENTITLED
    return book


def _run(state: State, book: Book, rows: Bytes, hashes: Numbers) -> None:
    """Apply all rows, making room as often as it is needed."""
    if book.still is not None or book.is_urgent:
        book.keep(_located(book, rows, hashes))
        for stage in range(len(book.agreement.stages)):
            book.keep(_located_at(state, book, rows, len(hashes), stage))
    first_new = book.count
    elsewhere = _found_elsewhere(state, book, rows, hashes)
    book.make_room(len(hashes))
    room = int(book.plan[at.P_VERDICT_BYTES])
    events, cursor, done = state.events, book.cursor, 0
    while True:
        events.make_room(2 * room)
        book.make_adjustment_room()
        cursor[at.C_EVENTS] = events.size
        done = apply_rows(
            book.plan,
            rows,
            hashes,
            elsewhere,
            done,
            book.table,
            book.slots.data,
            book.slots.marks,
            book.adjustments.data,
            book.adjustments.marks,
            events.data,
            cursor,
            state.index_secret,
            state.takes_slow_way,
        )
        events.size = int(cursor[at.C_EVENTS])
        if done == len(hashes):
            break
    if book.is_urgent:
        book.touched.append(np.arange(first_new, book.count, dtype=np.int64))


def _run_with_groups(
    state: State, book: Book, groups: Groups, rows: Bytes, hashes: Numbers
) -> None:
    """Apply all rows, then judge the groups whose records are others now (R-GROUP-6)."""
    role, item = int(book.cursor[at.C_ROLE]), int(book.cursor[at.C_ITEM])
    before = groups.look(book, role, _located(book, rows, hashes))
    _run(state, book, rows, hashes)
    groups.replace(before, groups.look(book, role, _located(book, rows, hashes)))
    settle_groups(state, book, groups, item)


def _found_elsewhere(state: State, book: Book, rows: Bytes, hashes: Numbers) -> Bytes:
    """ELSEWHERE or BEGUN for each row whose transaction stands already (R-PIN-1), else 0."""
    found = np.zeros(len(hashes), np.uint8)
    if len(state.books) == 1:
        return found
    books = list(books_of(state.books, book.agreement.name))
    stages = max(len(each.agreement.stages) for each in books)
    for other in books:
        if other.count == 0:
            continue
        stands = np.zeros(len(hashes), np.bool_)
        if other is not book:
            stands = _located(other, rows, hashes) >= 0
        for stage in range(stages):
            stands |= _located_at(state, other, rows, len(hashes), stage) >= 0
        found[stands] = BEGUN if other is book else ELSEWHERE
    return found


def _located_at(state: State, book: Book, rows: Bytes, count: int, stage: int) -> Numbers:
    """The serial of each row's transaction at another stage, −1 where there is none."""
    keys = rows.reshape(count, -1)[:, : KEY_BYTES + 1].copy()
    keys[:, at.KEY_STAGE] = stage
    flat, hashes = keys.reshape(-1), np.empty(count, np.int64)
    index.hash_keys(flat, KEY_BYTES + 1, state.index_secret, hashes)
    return _located(book, flat, hashes)


def _located(book: Book, rows: Bytes, hashes: Numbers) -> Numbers:
    """The serial of each row's transaction in a book, −1 where there is none."""
    serials = np.empty(len(hashes), np.int64)
    slots = book.slots
    row_bytes = len(rows) // len(hashes)
    index.locate(book.table, slots.data, slots.image_bytes, hashes, rows, row_bytes, serials)
    return serials
