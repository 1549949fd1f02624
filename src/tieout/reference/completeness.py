"""Statements: what a party says it has published, held against the ledger (R-COMPLETE-1 to -5)."""

import hashlib
import struct
from typing import NamedTuple

import msgspec

from tieout.agreement.model import FieldType
from tieout.merkle.sets import key_hash, said_hash, set_hash
from tieout.reference.events import Events
from tieout.reference.state import (
    Book,
    KeptStatement,
    Period,
    State,
    StatementKey,
    Stream,
    StreamKey,
)
from tieout.reference.transaction import Transaction
from tieout.reference.values import Money, Record
from tieout.wire.codes import EventKind, ItemOutcome, StatementDifference
from tieout.wire.limits import MAX_KEPT_STATEMENTS, MAX_NAMED_BATCHES
from tieout.wire.statements import StateDay, gaps_between, holds_together

SUMMED = (FieldType.MONEY, FieldType.QUANTITY)
LAST_REVISION = 0xFFFF
_KEY = struct.Struct("<36sHB")
_PRESENCE = struct.Struct("<Q")


class Total(NamedTuple):
    """How many records state a field in one currency, and the sum of what they state."""

    records: int
    sum: int


class Named(NamedTuple):
    """A batch by its place: the stream of its party, and the number in it."""

    stream: int
    number: int


def state_day(state: State, body: StateDay, party: int, events: Events) -> ItemOutcome:
    """Hold a statement against the ledger, keep what came of it, and tell it."""
    book = state.find_book(body.agreement, body.version)
    if book is None:
        return ItemOutcome.UNKNOWN_AGREEMENT
    refusal = _refusal(state, book, body, party)
    if refusal:
        return refusal
    records = _held(book, body, party)
    fields = _fields_that_differ(book, body, [record for _, record in records])
    omitted = _omitted(state, body, party)
    unstated = _unstated(state, body, party)
    differences = sum(
        difference
        for difference, differs in (
            (StatementDifference.COUNT, body.count != len(records)),
            (StatementDifference.TOTALS, bool(fields)),
            (StatementDifference.SET_HASH, body.set_hash != _set_hash(records)),
            (StatementDifference.OMITTED, bool(omitted)),
            (StatementDifference.UNSTATED, bool(unstated)),
        )
        if differs
    )
    kept = _keep(state, book, body, party, len(records), differences)
    kind = EventKind.STATEMENT_DIFFERS if differences else EventKind.STATEMENT_TIES_OUT
    about = {"role": body.role, "agreement": book.number}
    extra = party << 16 | kept.revision
    events.add(kind, **about, detail=differences, extra=extra, serial=kept.count)
    for f in fields:
        events.add(EventKind.TOTAL_DIFFERS, **about, field=f, extra=party << 16)
    for kind, batches in (
        (EventKind.BATCH_OMITTED, omitted),
        (EventKind.BATCH_UNSTATED, unstated),
    ):
        for stream, number in batches:
            events.add(kind, **about, extra=party << 16 | stream, serial=number)
    return ItemOutcome.ACCEPTED


def _refusal(state: State, book: Book, body: StateDay, party: int) -> ItemOutcome | None:
    """The first check of R-COMPLETE-2 that refuses a statement, None when none does."""
    agreement = book.agreement
    if not 0 <= body.role < len(agreement.roles):
        return ItemOutcome.UNKNOWN_ROLE
    if party not in book.holders[body.role]:
        return ItemOutcome.NOT_ENTITLED
    summed = _summed_fields(book, body.role)
    if not holds_together(body) or any(each.field not in summed for each in body.totals):
        return ItemOutcome.MALFORMED_STATEMENT
    if not 0 <= body.after_us < body.until_us < state.time_us:
        return ItemOutcome.BAD_PERIOD
    known = state.statements.get(StatementKey(book.number, body.role, party), {})
    if any(kept.height == state.height for kept in known.values()):
        return ItemOutcome.TOO_SOON
    period = Period(body.until_us, body.after_us)
    is_full = len(known) >= MAX_KEPT_STATEMENTS
    if is_full and period not in known and period < min(known):
        return ItemOutcome.BAD_PERIOD
    return None


# ---------------------------------------------------------------- what the ledger holds


def _held(book: Book, body: StateDay, party: int) -> list[tuple[Transaction, Record]]:
    """The standing statements of the party in its role, of the transactions of the period."""
    return [
        (transaction, role.record)
        for transaction in book.transactions
        for role in (transaction.roles[body.role],)
        if body.after_us < transaction.opened_us <= body.until_us
        and role.states
        and role.party == party
        and role.record is not None
    ]


def _summed_fields(book: Book, role: int) -> list[int]:
    """The fields with control totals: the money and the quantities that the role reports."""
    return [
        f
        for f, field in enumerate(book.agreement.fields)
        if field.type in SUMMED and role in field.roles
    ]


def _totals(book: Book, role: int, records: list[Record]) -> dict[tuple[int, bytes], Total]:
    """Number and sum of what is stated, by field and currency (R-COMPLETE-3)."""
    totals: dict[tuple[int, bytes], Total] = {}
    for f in _summed_fields(book, role):
        fixed = (book.agreement.fields[f].currency or "").encode()
        for record in records:
            value = record.values[f]
            currency = value.currency if isinstance(value, Money) else fixed
            amount = value.amount if isinstance(value, Money) else value
            if isinstance(amount, int):
                count, so_far = totals.get((f, currency), Total(0, 0))
                totals[f, currency] = Total(count + 1, so_far + amount)
    return totals


def _fields_that_differ(book: Book, body: StateDay, records: list[Record]) -> list[int]:
    """The fields of which some total differs, ascending."""
    stated = {(each.field, each.currency): Total(each.count, each.sum) for each in body.totals}
    held = _totals(book, body.role, records)
    return sorted({f for f, c in [*stated, *held] if stated.get((f, c)) != held.get((f, c))})


def _set_hash(records: list[tuple[Transaction, Record]]) -> bytes:
    """docs/formats/set-hash.md."""
    return set_hash(
        {
            key_hash(
                _KEY.pack(transaction.transaction_id, transaction.originator, transaction.stage)
            ): said_hash(_PRESENCE.pack(record.presence) + record.values_bytes)
            for transaction, record in records
        }
    )


# ---------------------------------------------------------------- batches, by their numbers


def _omitted(state: State, body: StateDay, party: int) -> list[Named]:
    """Stated, and not used on the ledger; the first ones (R-COMPLETE-4)."""
    found: list[Named] = []
    for stated in body.numbers:
        stream = _stream(state, party, stated.stream)
        for first, last in stated.ranges:
            for number in range(max(first, stream.lowest_unused), last + 1):
                if len(found) == MAX_NAMED_BATCHES:
                    return found
                if number not in stream.used:
                    found.append(Named(stated.stream, number))
    return found


def _unstated(state: State, body: StateDay, party: int) -> list[Named]:
    """Used on the ledger between two that are stated, and not stated; the first ones."""
    found: list[Named] = []
    for stated in body.numbers:
        stream = _stream(state, party, stated.stream)
        for first, last in gaps_between(stated.ranges):
            for number in range(first, min(last, stream.highest_used) + 1):
                if len(found) == MAX_NAMED_BATCHES:
                    return found
                if number < stream.lowest_unused or number in stream.used:
                    found.append(Named(stated.stream, number))
    return found


def _stream(state: State, party: int, number: int) -> Stream:
    return state.streams.get(StreamKey(party, number)) or Stream()


# ---------------------------------------------------------------- what is kept


def _keep(
    state: State, book: Book, body: StateDay, party: int, count: int, differences: int
) -> KeptStatement:
    """Let a statement take the place of the one before it for its period (R-COMPLETE-5)."""
    known = state.statements.setdefault(StatementKey(book.number, body.role, party), {})
    period = Period(body.until_us, body.after_us)
    revision = known[period].revision + 1 if period in known else 1
    digest = hashlib.sha256(msgspec.msgpack.encode(body)).digest()
    kept = KeptStatement(min(revision, LAST_REVISION), state.height, digest, differences, count)
    known[period] = kept
    if len(known) > MAX_KEPT_STATEMENTS:
        del known[min(known)]
    return kept
