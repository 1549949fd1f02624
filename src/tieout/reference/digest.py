"""What a ledger commits to: images, state digest, app hash (docs/formats/state.md)."""

import hashlib
import struct
from collections.abc import Iterable
from typing import Final

import msgspec

from tieout.merkle.tree import leaf_hash, root
from tieout.reference.adjusting import asked_currencies
from tieout.reference.members import document
from tieout.reference.state import Book, State, Stream
from tieout.reference.transaction import Adjustment, Role, Transaction
from tieout.reference.values import pack_values
from tieout.wire import ids
from tieout.wire.codes import NO_FIELD, Action, BenchmarkState, BreakKind, Status

STATE_TAG: Final = b"tieout/state/1\0"
PAGE_BYTES: Final = 65_536
AFFAIRS_SINCE: Final = 4
_SLOT: Final = struct.Struct("<36sHBBqqIBBHQQ")
_ROLE: Final = struct.Struct("<HHHHIHHQQQQQ")
_DECIDED: Final = struct.Struct("<24xQ24x")
_ADJUSTMENT: Final = struct.Struct("<QBBBBIQIIII")
_LINKS: Final = struct.Struct("<QQ")
_BOOK: Final = struct.Struct("<HQ32sQ32s")

STATES, WITHDREW, OVERDUE = 1 << 0, 1 << 1, 1 << 2
WHOLE_RECORD_FLAGS: Final = {
    BreakKind.MISSING: 1 << 3,
    BreakKind.DUPLICATE: 1 << 4,
    BreakKind.UNEXPECTED: 1 << 5,
    BreakKind.CHANGED_AFTER_MATCH: 1 << 6,
    BreakKind.OUT_OF_ORDER: 1 << 9,
    BreakKind.DISPUTED: 1 << 11,
}
AT_A_PLACE: Final = (BreakKind.MISMATCH, BreakKind.INVARIANT, BreakKind.GROUP)
"""They stand in one mask: the bits of the fields, and behind them those of the invariants, and of
the groups."""


def app_hash(state: State) -> bytes:
    """What a node answers for after a block; 32 bytes."""
    return ids.app_hash(
        state.ledger_id,
        state.log.size,
        state.log.root(),
        state.events_chain,
        members_hash(state),
        ids.agreements_hash(book.body_digest for book in state.books),
        state.state_digest,
    )


def members_hash(state: State) -> bytes:
    """What the members are now, as the state's rules version hashes them; 32 bytes."""
    if state.genesis.rules_version == 1:
        return ids.members_hash(state.genesis)
    return ids.governed_members_hash(members_document(state))


def members_document(state: State) -> bytes:
    """The members with what is asked for, in MessagePack (docs/formats/state.md)."""
    return document(state.members)


def state_digest(state: State) -> bytes:
    """The digest of the state as it is now; 32 bytes. A block with a cut-off takes it."""
    books = b"".join(_book(state, book) for book in state.books)
    return hashlib.sha256(STATE_TAG + books + control_digest(state)).digest()


def slot_images(state: State, agreement_number: int) -> bytes:
    """The images of a book's transactions, one after the other in the order of their serials."""
    book = state.books[agreement_number - 1]
    return b"".join(slot_image(book, transaction) for transaction in book.transactions)


def adjustment_images(state: State, agreement_number: int) -> bytes:
    """The images of a book's adjustments, one after the other in the order of proposal."""
    book = state.books[agreement_number - 1]
    return b"".join(adjustment_image(adjustment) for adjustment in book.adjustments)


def _book(state: State, book: Book) -> bytes:
    return _BOOK.pack(
        book.number,
        len(book.transactions),
        pages_root(slot_images(state, book.number)),
        len(book.adjustments),
        pages_root(adjustment_images(state, book.number)),
    )


def pages_root(images: bytes) -> bytes:
    """The RFC 6962 root over pages of the images."""
    pages = range(0, len(images), PAGE_BYTES)
    return root([leaf_hash(images[start : start + PAGE_BYTES]) for start in pages])


def slot_image(book: Book, transaction: Transaction) -> bytes:
    """A transaction with what its roles state."""
    breaks = transaction.verdict.breaks if transaction.verdict else ()
    mismatches = [each for each in breaks if each.kind is BreakKind.MISMATCH]
    slot = _SLOT.pack(
        transaction.transaction_id,
        transaction.originator,
        transaction.stage,
        transaction.status or Status.PENDING,
        transaction.opened_us,
        transaction.closed_us,
        transaction.episode,
        transaction.alarm,
        (1 if transaction.judged else 0) | (2 if transaction.is_reversed else 0),
        0,
        _bits(each.field for each in mismatches if each.state is BenchmarkState.AWAITING),
        _bits(each.field for each in mismatches if each.state is BenchmarkState.UNDECIDED),
    )
    roles = (_role(book, transaction, i, role) for i, role in enumerate(transaction.roles))
    return slot + b"".join(roles) + _decided(book, transaction) + _links(book, transaction)


def _decided(book: Book, transaction: Transaction) -> bytes:
    """What was decided, as one more role block; nothing where nothing can be."""
    agreement = book.agreement
    if agreement.votes is None:
        return b""
    decided = transaction.decided
    currencies = asked_currencies(agreement, decided) or {}
    block = _DECIDED.pack(_bits(decided))
    return block + pack_values(agreement, {**currencies, **decided})


def _links(book: Book, transaction: Transaction) -> bytes:
    """Where the stages beside it stand in the book, where the agreement has stages (R-STAGE-1)."""
    if not book.agreement.stages:
        return b""
    beside = (transaction.previous, transaction.following)
    return _LINKS.pack(*(0 if each is None else 1 + each.serial for each in beside))


def _role(book: Book, transaction: Transaction, index: int, role: Role) -> bytes:
    record = role.record
    breaks = [
        each
        for each in (transaction.verdict.breaks if transaction.verdict else ())
        if each.role == index
    ]
    flags = (STATES if role.states else 0) | (OVERDUE if role.overdue else 0)
    if record and record.action is Action.WITHDRAW:
        flags |= WITHDREW
    for each in breaks:
        if each.field is None:
            flags |= WHOLE_RECORD_FLAGS[each.kind]
    block = _ROLE.pack(
        role.party,
        role.intruder,
        flags,
        role.rounds,
        record.revision if record else 0,
        role.broken_groups,
        role.tied_groups,
        0 if role.adjustment is None else 1 + role.adjustment,
        record.presence if record else 0,
        _bits(each.field for each in breaks if each.kind in AT_A_PLACE),
        _bits(each.field for each in breaks if each.kind is BreakKind.MISSING),
        record.place if record else 0,
    )
    return block + (record.values_bytes if record else bytes(book.agreement.layout.values_bytes))


def adjustment_image(adjustment: Adjustment) -> bytes:
    """An adjustment with its benchmarks."""
    first, second = (*adjustment.approvers, 0, 0)[:2]
    return (
        _ADJUSTMENT.pack(
            adjustment.serial,
            adjustment.role,
            adjustment.status,
            1 if adjustment.approved_at_once else 0,
            0,
            adjustment.revision,
            adjustment.fields,
            adjustment.proposer,
            first,
            second,
            0,
        )
        + adjustment.benchmark_bytes
    )


def control_digest(state: State) -> bytes:
    """SHA-256 over what is neither a transaction nor an adjustment."""
    control: list[object] = [
        [
            _stream(party, number, stream)
            for (party, number), stream in sorted(state.streams.items(), key=lambda item: item[0])
        ],
        [
            [name, version, digest, sorted(parties)]
            for (name, version, digest), parties in sorted(state.enactments.items())
        ],
        [[name, cutoff_us] for name, cutoff_us in sorted(state.cutoffs_us.items())],
        [
            [book.number, transaction.serial, sorted(transaction.confirmed_by)]
            for book in state.books
            for transaction in book.transactions
            if transaction.confirmed_by
        ],
    ]
    if state.genesis.rules_version >= AFFAIRS_SINCE:
        control.append([[name, kept] for name, kept in affairs(state).items() if kept])
    return hashlib.sha256(msgspec.msgpack.encode(control)).digest()


def affairs(state: State) -> dict[str, list[object]]:
    """What rules version 4 keeps beside transactions and members, by name in order of the names."""
    return {
        "disputes": _disputes(state),
        "motions": _motions(state),
        "statements": _statements(state),
        "urgencies": _urgencies(state),
    }


def _disputes(state: State) -> list[object]:
    return [
        [book.number, transaction.serial, index, each.raised_by, each.reason, list(each.evidence)]
        for book in state.books
        for transaction in book.transactions
        for index, role in enumerate(transaction.roles)
        if (each := role.dispute)
    ]


def _motions(state: State) -> list[object]:
    return [
        [
            *key,
            motion.name,
            NO_FIELD if motion.place is None else motion.place,
            motion.value_bytes,
            motion.currency_bytes,
            motion.reason,
            motion.moved_by,
            motion.expires_us,
            sorted(motion.in_favour),
            sorted(motion.against),
        ]
        for key, motion in sorted(state.motions.items(), key=lambda item: item[0])
    ]


def _statements(state: State) -> list[object]:
    return [
        [
            *about,
            period.after_us,
            period.until_us,
            kept.revision,
            kept.height,
            kept.digest,
            kept.differences,
            kept.count,
        ]
        for about, known in sorted(state.statements.items(), key=lambda item: item[0])
        for period, kept in sorted(known.items(), key=lambda item: item[0])
    ]


def _urgencies(state: State) -> list[object]:
    return [
        [
            number,
            serial,
            urgency.episode,
            urgency.since_us,
            urgency.severity,
            urgency.aged,
            urgency.raised_us,
            urgency.steps,
        ]
        for (number, serial), urgency in sorted(state.urgencies.items())
    ]


def _stream(party: int, number: int, stream: Stream) -> list[object]:
    return [
        party,
        number,
        stream.lowest_unused,
        stream.highest_used,
        [[used, digest] for used, digest in sorted(stream.used.items())],
        stream.gap_since_us,
        stream.gap_named,
    ]


def _bits(fields: Iterable[int | None]) -> int:
    """A word with the bits of these fields; None, the whole record, has none."""
    word = 0
    for f in fields:
        if f is not None:
            word |= 1 << f
    return word
