"""Statements held against the ledger (R-COMPLETE-1 to R-COMPLETE-5)."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import msgspec

from tieout.kernel.book import Book, books_of
from tieout.kernel.holdings import Holding, held, summed_fields
from tieout.kernel.sequences import Stream
from tieout.kernel.state import KeptStatement, State
from tieout.wire.codes import EventKind, ItemOutcome
from tieout.wire.codes import StatementDifference as Differs
from tieout.wire.limits import MAX_KEPT_STATEMENTS, MAX_NAMED_BATCHES
from tieout.wire.statements import StateDay, StatedNumbers, gaps_between, holds_together

_LAST_REVISION = 0xFFFF


class _Findings(NamedTuple):
    """What differs: bits of StatementDifference, fields, and batches as (stream, number)."""

    differences: int
    fields: tuple[int, ...]
    omitted: list[tuple[int, int]]
    unstated: list[tuple[int, int]]


def state_day(state: State, body: StateDay, party: int, item: int) -> ItemOutcome:
    """Hold a statement against the ledger, keep what came of it, and tell it."""
    book = state.by_version.get((body.agreement, body.version))
    if book is None:
        return ItemOutcome.UNKNOWN_AGREEMENT
    refusal = _refusal(state, book, body, party)
    if refusal is not None:
        return refusal
    holding = held(book, body.role, party, body.after_us, body.until_us)
    findings = _findings(state, body, party, holding)
    kept = _keep(state, book, body, party, holding.count, findings.differences)
    _tell(state, book, body, party, item, kept, findings)
    return ItemOutcome.ACCEPTED


def _refusal(state: State, book: Book, body: StateDay, party: int) -> ItemOutcome | None:
    """The first check of R-COMPLETE-2 that refuses a statement, None when none does."""
    if not 0 <= body.role < len(book.holders):
        return ItemOutcome.UNKNOWN_ROLE
    if party not in book.holders[body.role]:
        return ItemOutcome.NOT_ENTITLED
    summed = summed_fields(book.agreement, body.role)
    if not holds_together(body) or not all(each.field in summed for each in body.totals):
        return ItemOutcome.MALFORMED_STATEMENT
    if not 0 <= body.after_us < body.until_us < state.time_us:
        return ItemOutcome.BAD_PERIOD
    known = state.statements.get((book.number, body.role, party), {})
    if any(each.height == state.height for each in known.values()):
        return ItemOutcome.TOO_SOON
    period = (body.until_us, body.after_us)
    if len(known) == MAX_KEPT_STATEMENTS and period not in known and period < min(known):
        return ItemOutcome.BAD_PERIOD
    return None


def _findings(state: State, body: StateDay, party: int, holding: Holding) -> _Findings:
    """What differs between a statement and what is held (R-COMPLETE-3, R-COMPLETE-4)."""
    stated = {(each.field, each.currency): (each.count, each.sum) for each in body.totals}
    both = [*stated, *holding.totals]
    fields = sorted({key[0] for key in both if stated.get(key) != holding.totals.get(key)})
    omitted, unstated = _batches(state, body, party)
    differences = 0
    if body.count != holding.count:
        differences |= Differs.COUNT
    if fields:
        differences |= Differs.TOTALS
    if body.set_hash != holding.tree().root():
        differences |= Differs.SET_HASH
    if omitted:
        differences |= Differs.OMITTED
    if unstated:
        differences |= Differs.UNSTATED
    return _Findings(differences, tuple(fields), omitted, unstated)


def _batches(
    state: State, body: StateDay, party: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The first batches that are stated and not there, and those between that are not stated."""
    omitted = ((each.stream, n) for each in body.numbers for n in _unused(state, party, each))
    unstated = ((each.stream, n) for each in body.numbers for n in _between(state, party, each))
    return list(islice(omitted, MAX_NAMED_BATCHES)), list(islice(unstated, MAX_NAMED_BATCHES))


def _unused(state: State, party: int, stated: StatedNumbers) -> Iterator[int]:
    stream = state.streams.get((party, stated.stream)) or Stream()
    for first, last in stated.ranges:
        # Everything below the lowest unused number is used; of what follows, few.
        start = max(first, stream.lowest_unused)
        yield from (number for number in range(start, last + 1) if number not in stream.used)


def _between(state: State, party: int, stated: StatedNumbers) -> Iterator[int]:
    stream = state.streams.get((party, stated.stream)) or Stream()
    for first, last in gaps_between(stated.ranges):
        yield from range(first, min(last + 1, stream.lowest_unused))
        start = max(first, stream.lowest_unused)
        end = min(last, stream.highest_used)
        yield from (number for number in range(start, end + 1) if number in stream.used)


def _keep(
    state: State, book: Book, body: StateDay, party: int, count: int, differences: int
) -> KeptStatement:
    """Let a statement take the place of the one before it for its period (R-COMPLETE-5)."""
    known = state.statements.setdefault((book.number, body.role, party), {})
    period = (body.until_us, body.after_us)
    before = known.get(period)
    kept = KeptStatement(
        revision=min(before.revision + 1, _LAST_REVISION) if before else 1,
        height=state.height,
        digest=hashlib.sha256(msgspec.msgpack.encode(body)).digest(),
        differences=differences,
        count=count,
    )
    known[period] = kept
    if len(known) > MAX_KEPT_STATEMENTS:
        del known[min(known)]
    return kept


def _tell(
    state: State,
    book: Book,
    body: StateDay,
    party: int,
    item: int,
    kept: KeptStatement,
    findings: _Findings,
) -> None:
    kind = EventKind.STATEMENT_DIFFERS if kept.differences else EventKind.STATEMENT_TIES_OUT
    about = {"item": item, "agreement": book.number, "role": body.role}
    extra = party << 16 | kept.revision
    state.events.tell(kind, **about, detail=kept.differences, extra=extra, serial=kept.count)
    for field in findings.fields:
        state.events.tell(EventKind.TOTAL_DIFFERS, **about, field=field, extra=party << 16)
    named: Iterable[tuple[EventKind, list[tuple[int, int]]]] = (
        (EventKind.BATCH_OMITTED, findings.omitted),
        (EventKind.BATCH_UNSTATED, findings.unstated),
    )
    for kind, batches in named:
        for stream, number in batches:
            state.events.tell(kind, **about, extra=party << 16 | stream, serial=number)


class StandingStatement(NamedTuple):
    """What came of the last statement for a period, with whose it is and of which period."""

    agreement_number: int
    role: int
    party: int
    after_us: int
    until_us: int
    kept: KeptStatement


def statements(state: State, agreement_name: str) -> list[StandingStatement]:
    """What is kept of statements of an agreement, by version, role, party and period."""
    numbers = {book.number for book in books_of(state.books, agreement_name)}
    return [
        StandingStatement(*about, after_us, until_us, kept)
        for about, known in sorted(state.statements.items(), key=lambda item: item[0])
        if about[0] in numbers
        for (until_us, after_us), kept in sorted(known.items(), key=lambda item: item[0])
    ]
