"""Completeness: a party's systems state their day; who compares books asks for hashes of parts."""

import asyncio
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tieout.kernel.completeness import StandingStatement, statements
from tieout.kernel.holdings import Holding, common_fields, held
from tieout.kernel.state import State
from tieout.merkle.drill import answer
from tieout.merkle.errors import MerkleError
from tieout.node.api.acting import operate
from tieout.node.api.looking import TimeText, as_of, time_of
from tieout.node.api.table import OCTETS, Call, Reply, encoded
from tieout.node.problems import ProblemError
from tieout.units.dates import format_time
from tieout.units.errors import UnitsError
from tieout.units.numbers import parse_scaled
from tieout.wire.codes import OperationKind, Purpose, StatementDifference
from tieout.wire.statements import (
    StateDay,
    StatedNumbers,
    StatedTotal,
    sum_bytes,
)

_LATEST_US: Final = (1 << 62) - 1
_COUNT = Annotated[int, Meta(ge=0, le=(1 << 53))]
_WORD = Annotated[str, Meta(max_length=64)]
_AT_MOST: Final = 64
"""Totals, streams, and ranges of a stream: with more of them a body might be larger than one may
be; `tieout statement` takes them."""


class StatedTotalForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A control total; the sum in the field's decimals."""

    field: _WORD
    records: _COUNT
    sum: _WORD
    currency: _WORD = ""


class StatedNumbersForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The numbers that the party has used of one stream, as ranges [first, last]."""

    stream: Annotated[int, Meta(ge=0, le=0xFFFF)]
    ranges: Annotated[tuple[tuple[_COUNT, _COUNT], ...], Meta(max_length=_AT_MOST)]


class StatementRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a party's books hold for a role and a period; the set hash in hexadecimal."""

    role: _WORD
    until: Annotated[str, Meta(min_length=1, max_length=40)]
    records: _COUNT
    set_hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    after: TimeText = ""
    totals: Annotated[tuple[StatedTotalForm, ...], Meta(max_length=_AT_MOST)] = ()
    numbers: Annotated[tuple[StatedNumbersForm, ...], Meta(max_length=_AT_MOST)] = ()


class StatementView(msgspec.Struct, frozen=True):
    """What came of the last statement for a period."""

    version: int
    role: str
    party: str
    after: str
    until: str
    records_on_ledger: int
    ties_out: bool
    differs: tuple[str, ...]
    revision: int
    height: int


class DrillQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which records: of a period, in the fields that `with` reports too."""

    after: TimeText = ""
    until: TimeText = ""
    other: _WORD = msgspec.field(default="", name="with")


async def list_statements(call: Call) -> Reply:
    """What is kept of statements: the latest periods of each role and party."""
    name = call.house.book(call.path["name"]).agreement.name

    def read() -> tuple[list[StatementView], int]:
        with call.house.ordering.reading() as state:
            return [_view(state, each) for each in statements(state, name)], state.height

    views, height = await asyncio.to_thread(read)
    return Reply(encoded(views), headers=as_of(height))


async def state_day(call: Call) -> Reply:
    """State a day for a role that this node speaks for."""
    asked = await call.message(StatementRequest)
    book = call.house.book(call.path["name"])
    role, party = call.house.role(book, asked.role)
    names = [field.name for field in book.agreement.fields]
    totals = []
    for total in asked.totals:
        if total.field not in names:
            raise ProblemError("invalid_value", f"{book.agreement.name} has no {total.field}")
        f = names.index(total.field)
        try:
            units = parse_scaled(total.sum, book.agreement.fields[f].scale)
        except UnitsError as error:
            raise ProblemError("invalid_value", f"the sum of {total.field}: {error}") from error
        totals.append(StatedTotal(f, total.currency.encode(), total.records, sum_bytes(units)))
    body = StateDay(
        book.agreement.name,
        book.agreement.version,
        role,
        time_of(asked.after) if asked.after else 0,
        time_of(asked.until),
        asked.records,
        tuple(sorted(totals, key=lambda each: (each.field, each.currency))),
        tuple(StatedNumbers(each.stream, each.ranges) for each in asked.numbers),
        bytes.fromhex(asked.set_hash),
    )
    done = await operate(call, party, OperationKind.STATE_DAY, Purpose.PUBLISH, body)

    def read() -> StatementView:
        with call.house.ordering.reading() as state:
            known = statements(state, book.agreement.name)
            period = (book.number, role, party, body.after_us, body.until_us)
            return next(_view(state, each) for each in known if each[:5] == period)

    call.audit("state a day", f"{book.agreement.name} {asked.role} {asked.until}", done.outcome)
    return Reply(encoded(await asyncio.to_thread(read)), status=201)


async def drill(call: Call) -> Reply:
    """Answer a question about parts of what the ledger holds of a role; hashes only."""
    question = await call.body()
    if call.media != OCTETS:
        raise ProblemError("unsupported_media_type", f"send {OCTETS}")
    name, query = call.path["name"], call.query
    agreement = call.house.book(name).agreement
    for role in (call.path["role"], query.other or call.path["role"]):
        if role not in agreement.roles:
            raise ProblemError("not_found", f"{name} has no role {role}")
    role = agreement.roles.index(call.path["role"])
    other = agreement.roles.index(query.other) if query.other else role
    after_us = time_of(query.after) if query.after else 0
    until_us = time_of(query.until) if query.until else _LATEST_US

    def read() -> tuple[Holding, int]:
        # Only copying is done while blocks wait; hashing, which takes longer, is not.
        with call.house.ordering.reading() as state:
            book = state.newest[name]
            fields = common_fields(book.agreement, role, other)
            return held(book, role, None, after_us, until_us, fields), state.height

    def reply() -> Reply:
        holding, height = read()
        try:
            told = answer(holding.tree(), question)
        except MerkleError as error:
            raise ProblemError("invalid_value", str(error)) from error
        headers = as_of(height) | {"Tieout-Records": str(holding.count)}
        return Reply(told, media=OCTETS, headers=headers)

    return await asyncio.to_thread(reply)


def _view(state: State, each: StandingStatement) -> StatementView:
    agreement = state.books[each.agreement_number - 1].agreement
    kept = each.kept
    return StatementView(
        version=agreement.version,
        role=agreement.roles[each.role],
        party=state.members.parties[each.party - 1].name,
        after=format_time(each.after_us),
        until=format_time(each.until_us),
        records_on_ledger=kept.count,
        ties_out=kept.differences == 0,
        differs=tuple(d.name.lower() for d in StatementDifference if d & kept.differences),
        revision=kept.revision,
        height=kept.height,
    )
