"""Questions about a state: breaks, counts, single transactions, what stands already.

Nothing here changes a state. Arrays are the caller's own unless it says otherwise; nothing may be
asked while a block is being applied.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tieout.agreement.breakrow import BreakRow
from tieout.agreement.keys import PREVIOUS_STAGE
from tieout.agreement.model import Agreement
from tieout.kernel import index, listing
from tieout.kernel import layout as at
from tieout.kernel.agreeing import enactment_key, must_agree
from tieout.kernel.book import Book, Bytes, books_of
from tieout.kernel.digest import is_episode
from tieout.kernel.governing import is_of_agreements, needed_votes, parties_to_agree, upcoming
from tieout.kernel.groupbreaks import about_group, with_groups
from tieout.kernel.members import Change, Party
from tieout.kernel.state import State
from tieout.kernel.words import KEY_BYTES
from tieout.wire.codes import (
    NO_FIELD,
    AlarmState,
    BenchmarkState,
    BreakKind,
    ChangeStatus,
    Status,
)
from tieout.wire.limits import ID_BYTES
from tieout.wire.members import PutIntoForce, Step, Validator
from tieout.wire.operations import Enact
from tieout.wire.rows import Column

_KEY: Final = struct.Struct(f"<{ID_BYTES}sHB")
_NUMBER_WIDTH: Final = 8
_BASES: Final = {**listing.WORDS_OF_BASIS, listing.BY_PREVIOUS_STAGE: PREVIOUS_STAGE}
_WHOLE_RECORD_SHIFT: Final = 2  # the flag of a break of a whole record is bit kind + 2


@dataclass(frozen=True, slots=True)
class Counts:
    """How many transactions of an agreement, by status."""

    transactions: int
    matched: int
    broken: int
    pending: int
    withdrawn: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What one role states. Masks have bit f for field f; `values` are row bytes behind the prefix.

    Behind the fields `mismatch` has a bit for each invariant (docs/formats/state.md).

    `whole_record_breaks` are those open for the role; `adjustment` is the index of its latest one
    in the book. `leaf` and `row` tell where the standing record is in the log; revision 0: none.
    """

    party: int
    intruder: int
    states: bool
    withdrew: bool
    overdue: bool
    whole_record_breaks: tuple[BreakKind, ...]
    rounds: int
    revision: int
    adjustment: int | None
    presence: int
    mismatch: int
    blank: int
    leaf: int
    row: int
    values: bytes


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction as it stands. `agreement` is the book's number, times are µs UTC."""

    agreement: int
    serial: int
    transaction_id: bytes
    originator: int
    stage: int
    status: Status
    opened_us: int
    closed_us: int
    episode: int
    alarm: AlarmState
    judged: bool
    confirmed_by: tuple[int, ...]
    roles: tuple[Standing, ...]


def break_table(state: State, agreement_name: str) -> NDArray[np.void]:
    """All breaks that are open now, in all versions, as one structured array in BreakRow's order.

    Columns: id S36, originator, stage, kind (BreakKind), field (255: whole record), role, state
    (BenchmarkState), basis (the authority's role, or as in `listing`), has_difference, agreement
    (book number), serial, difference (int64), reported and benchmark: bytes as in rows,
    left-aligned, zero behind; they stand for mismatches only, the benchmark when it is decided.
    """
    books = list(books_of(state.books, agreement_name))
    return _break_table([(book, _broken(book)) for book in books])


def breaks_of(state: State, number: int, serials: NDArray[np.int64]) -> NDArray[np.void]:
    """The open breaks of some transactions of one book, as `break_table` has them."""
    return _break_table([(state.books[number - 1], serials)])


def _break_table(parts: list[tuple[Book, NDArray[np.int64]]]) -> NDArray[np.void]:
    widths = [c.width for book, _ in parts for c in book.agreement.layout.columns]
    width = max([_NUMBER_WIDTH, *widths])
    books, chosen = [book for book, _ in parts], [serials for _, serials in parts]
    serials = np.concatenate([np.zeros(0, np.int64), *chosen])
    which = np.repeat(np.arange(len(books)), [len(part) for part in chosen])
    keys = np.concatenate([np.zeros(0, _KEY_DTYPE), *map(_keys, books, chosen)])
    order = _order(keys)
    sizes = np.concatenate([np.zeros(0, np.int64), *map(_break_counts, books, chosen)])[order]
    lines = np.cumsum(sizes) - sizes
    dtype = _table_dtype(width)
    table = np.zeros(int(sizes.sum()) * dtype.itemsize, np.uint8)
    for i, book in enumerate(books):
        mine = which[order] == i
        listing.list_breaks(
            book.plan,
            book.slots.data,
            book.adjustments.data,
            book.cursor,
            serials[order][mine],
            lines[mine],
            table,
            width,
        )
    return with_groups(books, table.view(dtype))


_KEY_DTYPE: Final = np.dtype([("id", f"S{ID_BYTES}"), ("originator", "<u2"), ("stage", "u1")])


def _table_dtype(width: int) -> np.dtype[np.void]:
    return np.dtype(
        [
            *_KEY_DTYPE.descr,
            ("kind", "u1"),
            ("field", "u1"),
            ("role", "u1"),
            ("state", "u1"),
            ("basis", "u1"),
            ("has_difference", "u1"),
            ("unused", "u1"),
            ("agreement", "<u2"),
            ("serial", "<u8"),
            ("difference", "<i8"),
            ("reported", f"V{width}"),
            ("benchmark", f"V{width}"),
        ]
    )


def _broken(book: Book) -> NDArray[np.int64]:
    """Serials of the transactions that may have open breaks."""
    status = book.column(at.STATUS, "u1")
    return np.flatnonzero((status == Status.BROKEN) | (status == Status.WITHDRAWN))


def _keys(book: Book, serials: NDArray[np.int64]) -> NDArray[np.void]:
    slots = book.slots
    images = slots.data[: book.count * slots.image_bytes].reshape(-1, slots.image_bytes)
    return images[serials, :KEY_BYTES].copy().view(_KEY_DTYPE)[:, 0]


def _break_counts(book: Book, serials: NDArray[np.int64]) -> NDArray[np.int64]:
    counts = np.zeros(len(serials), np.int64)
    listing.count_breaks(book.plan, book.slots.data, serials, counts)
    return counts


def _order(keys: NDArray[np.void]) -> NDArray[np.int64]:
    """In which order ids stand by code point, then originator and stage."""
    ids = np.ascontiguousarray(keys["id"]).view(np.uint8).reshape(len(keys), ID_BYTES)
    words = [
        np.ascontiguousarray(ids[:, i : i + 4]).view(">u4")[:, 0].astype(np.uint32)
        for i in range(ID_BYTES - 4, -1, -4)
    ]
    return np.lexsort([keys["stage"], keys["originator"], *words])


def breaks(state: State, agreement_name: str) -> list[BreakRow]:
    """All breaks that are open now, in the order of BreakRow."""
    table = break_table(state, agreement_name)
    return [break_row(state.books[line["agreement"] - 1].agreement, line) for line in table]


def break_row(agreement: Agreement, line: np.void) -> BreakRow:
    """A line of `break_table` or `breaks_of`, whose book has this agreement."""
    kind, state = BreakKind(line["kind"]), BenchmarkState(line["state"])
    is_decided = state is BenchmarkState.DECIDED
    field = None if line["field"] == NO_FIELD else int(line["field"])
    is_mismatch = kind is BreakKind.MISMATCH
    column = agreement.layout.columns[field] if is_mismatch and field is not None else None
    basis = _BASES.get(int(line["basis"]))
    if line["basis"] < listing.BY_DECISION:
        basis = agreement.roles[line["basis"]]
    row = BreakRow(
        agreement=int(line["agreement"]),
        transaction_id=bytes(line["id"]),
        originator=int(line["originator"]),
        stage=int(line["stage"]),
        kind=kind,
        field=field,
        role=int(line["role"]),
        reported=_value(column, line["reported"]) if is_mismatch else None,
        benchmark=_value(column, line["benchmark"]) if is_decided else None,
        basis=basis if is_decided else None,
        difference=int(line["difference"]) if line["has_difference"] else None,
        state=state,
    )
    return row._replace(**about_group(line))


def _value(column: Column | None, raw: np.void) -> int | bytes | None:
    if column is None:
        return None
    return column.value_of(raw.tobytes()[: column.width])


def counts(state: State, agreement_name: str) -> Counts:
    """How many transactions of an agreement, by status."""
    by_status = np.zeros(len(Status), np.int64)
    for book in books_of(state.books, agreement_name):
        by_status += np.bincount(book.column(at.STATUS, "u1"), minlength=len(Status))
    pending, matched, broken, withdrawn = by_status.tolist()
    return Counts(int(by_status.sum()), matched, broken, pending, withdrawn)


def unjudged(state: State, agreement_name: str) -> bool:
    """Whether a transaction of an agreement has not been judged at a cut-off yet."""
    return any(book.judged < book.count for book in books_of(state.books, agreement_name))


def opened_us(state: State, agreement_name: str, version: int) -> NDArray[np.int64]:
    """When each transaction of a version was opened (µs UTC), by serial."""
    return state.by_version[agreement_name, version].column(at.OPENED, "<i8").copy()


def standings(book: Book) -> NDArray[np.void]:
    """How each transaction of a book stands, by serial.

    Columns: transaction_id S36, originator, status, opened_us, and last_leaf: the highest leaf that
    holds a standing record, 0 when there is none.
    """
    table = np.zeros(book.count, _STANDINGS_DTYPE)
    keys = _keys(book, np.arange(book.count, dtype=np.int64))
    table["transaction_id"], table["originator"] = keys["id"], keys["originator"]
    table["status"] = book.column(at.STATUS, "u1")
    table["opened_us"] = book.column(at.OPENED, "<i8")
    for role in range(len(book.agreement.roles)):
        places = book.column(book.role_offset(role) + at.PLACE, "<u8") >> np.uint64(16)
        np.maximum(table["last_leaf"], places, out=table["last_leaf"])
    return table


_STANDINGS_DTYPE: Final = np.dtype(
    [
        ("transaction_id", f"S{ID_BYTES}"),
        ("originator", "<u2"),
        ("status", "u1"),
        ("opened_us", "<i8"),
        ("last_leaf", "<u8"),
    ]
)


def _expired(book: Book, serials: NDArray[np.int64], time_us: int) -> NDArray[np.bool_]:
    """Whether rows that come at a time are too late for each transaction (R-KEEP-1)."""
    closed_us = book.column(at.CLOSED, "<i8")[serials]
    return (closed_us != 0) & (time_us - closed_us > book.agreement.retention_us)


def stated_ids(state: State, agreement_name: str, role: str, time_us: int) -> NDArray[np.void]:
    """The transactions for which a role's standing record is a statement, and may be changed.

    Those that have expired at `time_us` are left out (R-KEEP-1). Columns: id S36, originator,
    stage, agreement (book number), serial, revision.
    """
    parts = [np.zeros(0, _STATED_DTYPE)]
    for book in books_of(state.books, agreement_name):
        if role not in book.agreement.roles:
            continue
        block = book.role_offset(book.agreement.roles.index(role))
        flags = book.column(block + at.FLAGS, "<u2")
        serials = np.flatnonzero(flags & at.STATES != 0)
        serials = serials[~_expired(book, serials, time_us)]
        part = np.zeros(len(serials), _STATED_DTYPE)
        keys = _keys(book, serials)
        for name in ("id", "originator", "stage"):
            part[name] = keys[name]
        part["agreement"] = book.number
        part["serial"] = serials
        part["revision"] = book.column(block + at.REVISION, "<u4")[serials]
        parts.append(part)
    return np.concatenate(parts)


_STATED_DTYPE: Final = np.dtype(
    [*_KEY_DTYPE.descr, ("agreement", "<u2"), ("serial", "<u8"), ("revision", "<u4")]
)


def standing(
    state: State,
    agreement_name: str,
    role: str,
    rows: Bytes,
    version: int | None = None,
    time_us: int | None = None,
) -> tuple[Bytes, NDArray[np.uint32]]:
    """How rows (uint8[n, row width]) of a version stand to the role's standing records.

    Without `version` they are of the newest one. A row of a transaction that is pinned to another
    version is UNCHANGED there only where both versions have the same layout and roles. `time_us` is
    that of the block which the rows would come in: without it nothing is EXPIRED.

    For each row: NEW, UNCHANGED, CHANGED, OTHER_VERSION or EXPIRED (`listing`), and the revision
    that stands, 0 for none. Revision and salt of the rows do not matter.
    """
    own = state.newest[agreement_name]
    if version is not None:
        own = state.by_version[agreement_name, version]
    width = own.agreement.layout.row_bytes
    flat = np.ascontiguousarray(rows).reshape(-1)
    count = len(flat) // width
    hashes, serials = np.empty(count, np.int64), np.empty(count, np.int64)
    index.hash_keys(flat, width, state.index_secret, hashes)
    status, revisions = np.full(count, listing.NEW, np.uint8), np.zeros(count, np.uint32)
    for book in books_of(state.books, agreement_name):
        slots = book.slots
        index.locate(book.table, slots.data, slots.image_bytes, hashes, flat, width, serials)
        found = np.flatnonzero(serials >= 0)
        ours, theirs = own.agreement, book.agreement
        if (ours.layout, ours.roles) == (theirs.layout, theirs.roles):
            number = ours.roles.index(role)
            listing.compare_standing(
                book.plan, slots.data, serials, flat, number, status, revisions
            )
            news = found[status[found] != listing.UNCHANGED]
            if book is not own:
                status[news] = listing.OTHER_VERSION
            elif time_us is not None:
                status[news[_expired(book, serials[news], time_us)]] = listing.EXPIRED
            continue
        status[found] = listing.OTHER_VERSION
        if role in book.agreement.roles:
            block = book.role_offset(book.agreement.roles.index(role))
            revisions[found] = book.column(block + at.REVISION, "<u4")[serials[found]]
    return status, revisions


NO_VERDICT: Final = 0xFF
"""In place of a status: there is no such transaction."""


def row_statuses(state: State, agreement_name: str, keys: Bytes) -> NDArray[np.uint8]:
    """The Status of the transaction of each row (uint8[n, at least 39], one width for all).

    NO_VERDICT where there is none.
    """
    width = keys.shape[1]
    flat = np.ascontiguousarray(keys).reshape(-1)
    hashes, serials = np.empty(len(keys), np.int64), np.empty(len(keys), np.int64)
    index.hash_keys(flat, width, state.index_secret, hashes)
    found = np.full(len(keys), NO_VERDICT, np.uint8)
    for book in books_of(state.books, agreement_name):
        slots = book.slots
        index.locate(book.table, slots.data, slots.image_bytes, hashes, flat, width, serials)
        here = np.flatnonzero(serials >= 0)
        found[here] = book.column(at.STATUS, "u1")[serials[here]]
    return found


def transaction(
    state: State, agreement_name: str, originator: int, transaction_id: bytes, stage: int = 0
) -> Transaction | None:
    """A transaction at one stage, by its id (UTF-8, not padded); None when there is none."""
    if len(transaction_id) > ID_BYTES or b"\0" in transaction_id:
        return None
    key = _KEY.pack(transaction_id, originator, stage)
    for book in books_of(state.books, agreement_name):
        serial = book.find(key, state.index_secret)
        if serial is not None:
            return _view(state, book, serial)
    return None


_SLOT: Final = struct.Struct("<36sHBBqqIBBHQQ")
_ROLE: Final = struct.Struct("<HHHHIIQQQQQ")


def _view(state: State, book: Book, serial: int) -> Transaction:
    size = book.slots.image_bytes
    image = book.slots.data[serial * size : (serial + 1) * size].tobytes()
    key_id, originator, stage, status, opened, closed, episode, alarm, judged, *_ = (
        _SLOT.unpack_from(image)
    )
    confirmed = state.confirmations.get((book.number, serial))
    is_current = confirmed is not None and is_episode(book, serial, confirmed.episode)
    return Transaction(
        agreement=book.number,
        serial=serial,
        transaction_id=key_id.rstrip(b"\0"),
        originator=originator,
        stage=stage,
        status=Status(status),
        opened_us=opened,
        closed_us=closed,
        episode=episode,
        alarm=AlarmState(alarm),
        judged=bool(judged & 1),
        confirmed_by=tuple(confirmed.parties) if confirmed is not None and is_current else (),
        roles=tuple(
            _standing(image[book.role_offset(role) : book.role_offset(role + 1)])
            for role in range(len(book.agreement.roles))
        ),
    )


def _standing(block: bytes) -> Standing:
    party, intruder, flags, rounds, revision, _, latest, presence, mismatch, blank, place = (
        _ROLE.unpack_from(block)
    )
    breaks = flags & at.WHOLE_RECORD_BREAKS
    return Standing(
        party=party,
        intruder=intruder,
        states=bool(flags & at.STATES),
        withdrew=bool(flags & at.WITHDREW),
        overdue=bool(flags & at.OVERDUE),
        whole_record_breaks=tuple(
            kind for kind in BreakKind if breaks >> (kind + _WHOLE_RECORD_SHIFT) & 1
        ),
        rounds=rounds,
        revision=revision,
        adjustment=None if latest == 0 else latest - 1,
        presence=presence,
        mismatch=mismatch,
        blank=blank,
        leaf=place >> 16,
        row=place & 0xFFFF,
        values=block[at.VALUES :],
    )


def alarms(state: State, agreement_name: str) -> list[Transaction]:
    """The transactions with an alarm (found, raised or acknowledged), by book and serial."""
    return [
        _view(state, book, int(serial))
        for book in books_of(state.books, agreement_name)
        for serial in np.flatnonzero(book.column(at.ALARM, "u1"))
    ]


def signatories(state: State, agreement: Agreement, body: Enact) -> tuple[int, ...]:
    """The parties that have signed an enactment which is not in force yet (R-AGREE-1)."""
    return tuple(state.enactments.get(enactment_key(agreement, body), ()))


def whom_it_needs(state: State, agreement: Agreement, body: Enact) -> tuple[int, ...]:
    """The parties without whom a version cannot come into force, ascending (R-AGREE-5)."""
    return tuple(must_agree(state, agreement.name, body))


def coming_into_force(state: State) -> tuple[bytes, ...]:
    """The agreements, in canonical form, that scheduled changes put into force with the next block.

    Unless one of these changes can no longer be done then.
    """
    return tuple(
        step.agreement
        for change in state.members.changes
        if change.status is ChangeStatus.SCHEDULED and change.due_height <= state.height + 1
        for step in change.steps
        if isinstance(step, PutIntoForce)
    )


def parties(state: State) -> tuple[Party, ...]:
    """Everybody who is or was a member, by number, with all keys they ever had (R-MEMBER-1)."""
    return state.members.parties


def upcoming_parties(state: State) -> tuple[Party, ...]:
    """As `parties`, by the changes that are due with the next block: who may sign its items."""
    return upcoming(state).parties


def changes(state: State) -> tuple[Change, ...]:
    """Changes of members that are open, in the order of their numbers (R-MEMBER-3)."""
    return state.members.changes


def votes_needed(state: State, steps: Sequence[Step] = ()) -> int:
    """How many members must be in favour of a change now (R-MEMBER-4).

    0 of one that only puts agreements into force: it needs nobody but who must agree (R-AGREE-5).
    """
    return 0 if steps and is_of_agreements(steps) else needed_votes(state)


def must_agree_to(state: State, steps: Sequence[Step]) -> tuple[int, ...]:
    """The parties without whom a change is not made, ascending (R-MEMBER-4, R-AGREE-5).

    Of steps that could be done when the change was proposed.
    """
    return tuple(parties_to_agree(state, steps))


def validators(state: State) -> tuple[Validator, ...]:
    """Who orders the blocks after this one, by party and key; none on an embedded ledger.

    An engine compares this before and after a block, and hands on what differs.
    """
    return state.members.validators
