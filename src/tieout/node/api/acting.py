"""Acting: agreements put into force, cut-offs closed, alarms acknowledged, entries approved."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Annotated

import msgspec
from msgspec import Meta

from tieout import kernel
from tieout.agreement.errors import AgreementError
from tieout.agreement.model import Agreement
from tieout.agreement.parse import parse_agreement
from tieout.node.api.looking import TimeText, TransactionQuery, time_of
from tieout.node.api.table import TEXT, TOML, Call, Reply, encoded
from tieout.node.desk import awaited
from tieout.node.ordering import Settled, operation_of
from tieout.node.problems import ProblemError
from tieout.units.dates import format_time
from tieout.wire.codes import (
    UNSEEN_ALARMS,
    AdjustmentStatus,
    ItemOutcome,
    OperationKind,
    Purpose,
)
from tieout.wire.limits import MAX_AGREEMENT_BYTES, MAX_REASON_CHARACTERS
from tieout.wire.operations import Acknowledge, AdjustmentStep, Body, CloseCutoff, Enact

_DONE = (ItemOutcome.ACCEPTED, ItemOutcome.NO_EFFECT)


class Done(msgspec.Struct, frozen=True):
    """An operation that stands on the ledger, or had no effect any more."""

    outcome: str
    height: int
    time: str


class CutoffRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which cut-off to close; now, without a time."""

    cutoff: TimeText = ""


class StepRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why; kept on the ledger."""

    reason: Annotated[str, Meta(max_length=MAX_REASON_CHARACTERS)] = ""


class RefusalRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why it is refused; kept on the ledger."""

    reason: Annotated[
        str, Meta(min_length=1, max_length=MAX_REASON_CHARACTERS, pattern=r"[^ \t\r\n]")
    ]


class AlarmQuery(TransactionQuery, frozen=True, forbid_unknown_fields=True):
    """Whose alarm it is. Where the agreement has stages, `stage` names one; else it is left out."""

    stage: Annotated[str, Meta(max_length=36)] = ""


class AdjustmentState(msgspec.Struct, frozen=True):
    """A correcting entry after a step."""

    id: str
    status: str
    approvals: int
    height: int


async def enact_agreement(call: Call) -> Reply:
    """Put an agreement into force; each role is held by the party of that name."""
    if call.media not in (TOML, TEXT):
        raise ProblemError("unsupported_media_type", f"send {TOML}")
    body = await call.body(MAX_AGREEMENT_BYTES)
    try:
        agreement = parse_agreement(body.decode("utf-8"), "the body")
    except UnicodeDecodeError as error:
        raise ProblemError("malformed_body", f"not UTF-8: {error.reason}") from error
    except AgreementError as error:
        found = tuple(str(each) for each in getattr(error, "problems", ()))
        raise ProblemError(
            "invalid_value", "the agreement does not hold", problems=found
        ) from error
    items = await _run(call, lambda: _enact(call, agreement))
    done = _told(items[-1])
    call.audit("enact", f"{agreement.name} version {agreement.version}", done.outcome)
    return Reply(encoded(done), status=201)


def _enact(call: Call, agreement: Agreement) -> "list[Future[Settled]]":
    """Every party of ours that holds a role signs. In the writer's thread."""
    ordering = call.house.ordering
    numbers = {party.name: party.number for party in ordering.parties if not party.until_height}
    lacking = [role for role in agreement.roles if role not in numbers]
    if lacking:
        raise ProblemError("conflict", f"no party of this ledger is called {', '.join(lacking)}")
    with ordering.reading() as state:
        newest = state.newest.get(agreement.name)
        known = state.by_version.get((agreement.name, agreement.version))
    expected = 1 if newest is None else newest.agreement.version + 1
    is_same = known is not None and known.agreement.hash == agreement.hash
    if is_same:
        raise ProblemError("conflict", "this very version is in force")
    if agreement.version != expected:
        raise ProblemError("conflict", f"the next version of {agreement.name} is {expected}")
    holders = tuple((numbers[role],) for role in agreement.roles)
    body = Enact(agreement.canonical, holders)
    with ordering.reading() as state:
        needed = kernel.whom_it_needs(state, agreement, body)
    ours = [party for party in needed if party in ordering.ring.parties]
    if not ours:
        raise ProblemError("not_allowed", "this node speaks for none of the agreement's roles")
    sign = operation_of(OperationKind.ENACT, Purpose.GOVERN, body)
    return ordering.publish([(party, sign) for party in ours])


async def close_cutoff(call: Call) -> Reply:
    """Judge what was opened up to a time, and what then is missing."""
    asked = await call.message(CutoffRequest)
    cutoff_us = time_of(asked.cutoff) if asked.cutoff else call.house.clock()
    book = call.house.book(call.path["name"])
    ours = set(call.house.ordering.ring.parties)
    parties = sorted(ours.intersection(party for holders in book.holders for party in holders))
    if not asked.cutoff:
        # Block times do not run backwards, even if the clock does.
        cutoff_us = max(cutoff_us, call.house.ordering.journal.durable.time_us)
    if not parties:
        raise ProblemError("not_allowed", "this node speaks for none of the agreement's roles")
    body = CloseCutoff(book.agreement.name, cutoff_us)
    done = await operate(call, parties[0], OperationKind.CLOSE_CUTOFF, Purpose.PUBLISH, body)
    call.audit("close cut-off", f"{book.agreement.name} {format_time(cutoff_us)}", done.outcome)
    return Reply(encoded(done), status=201)


async def acknowledge(call: Call) -> Reply:
    """Say that a person has seen the alarm of a transaction."""
    party, person = _person(call)
    found = await asyncio.to_thread(_at_stage, call)
    if found.alarm not in UNSEEN_ALARMS:
        raise ProblemError("conflict", f"the alarm is {found.alarm.name.lower()}, not raised")
    body = Acknowledge(
        call.path["name"], found.originator, call.path["transaction_id"], found.episode,
        stage=found.stage,
    )  # fmt: skip
    done = await operate(
        call, party, OperationKind.ACKNOWLEDGE, Purpose.APPROVE, body, person=person
    )
    return Reply(encoded(done))


async def approve(call: Call) -> Reply:
    """Approve a correcting entry, signed with the user's personal key."""
    asked = await call.message(StepRequest)
    return await _step(call, OperationKind.APPROVE, asked.reason)


async def refuse(call: Call) -> Reply:
    """Refuse a correcting entry, signed with the user's personal key."""
    asked = await call.message(RefusalRequest)
    return await _step(call, OperationKind.REFUSE, asked.reason)


async def _step(call: Call, kind: OperationKind, reason: str) -> Reply:
    party, person = _person(call)
    found, entry = await asyncio.to_thread(_with_entry, call)
    if found.roles[entry.role].party != party:
        who = call.house.ordering.parties[found.roles[entry.role].party - 1].name
        raise ProblemError("not_allowed", f"the entry is in the books of {who}; its persons decide")
    if entry.status is not AdjustmentStatus.PROPOSED and kind is OperationKind.APPROVE:
        raise ProblemError("conflict", f"the entry is {entry.status.name.lower()}")
    body = AdjustmentStep(
        call.path["name"], found.originator, call.path["transaction_id"], entry.role, entry.id,
        reason, stage=entry.stage,
    )  # fmt: skip
    done = await operate(call, party, kind, Purpose.APPROVE, body, person=person)
    entry = await asyncio.to_thread(_as_it_is, call, entry)
    told = AdjustmentState(
        entry.id.hex(), entry.status.name.lower(), len(entry.approvers), done.height
    )
    call.audit(kind.name.lower(), told.id, told.status)
    return Reply(encoded(told))


def _stages(state: kernel.State, call: Call) -> tuple[kernel.Transaction, ...]:
    """The transaction of the path, at each stage of which somebody has spoken."""
    key = call.path["transaction_id"].encode("utf-8", "surrogatepass")
    stages = kernel.timeline(state, call.path["name"], call.query.originator, key)
    if not stages:
        what = "there is no such transaction; ids are compared exactly"
        raise ProblemError("not_found", what)
    return stages


def _at_stage(call: Call) -> kernel.Transaction:
    """The transaction of the path at the stage that is named, which stages need (R-STAGE-8)."""
    call.house.book(call.path["name"])
    wanted = call.query.stage
    with call.house.ordering.reading() as state:
        stages = _stages(state, call)
        known = state.books[stages[0].agreement - 1].agreement.stages
    if not known:
        if wanted:
            raise ProblemError("invalid_parameter", "this agreement has no stages", field="stage")
        return stages[0]
    by_name = {known[each.stage].name: each for each in stages}
    if not wanted:
        alarmed = [name for name, each in by_name.items() if each.alarm in UNSEEN_ALARMS]
        where = f"unseen alarms are at: {', '.join(alarmed)}" if alarmed else "no alarm is unseen"
        said = f"the transaction goes through stages: name one with the parameter stage; {where}"
        raise ProblemError("invalid_parameter", said, field="stage")
    if wanted not in {each.name for each in known}:
        names = ", ".join(each.name for each in known)
        raise ProblemError("invalid_parameter", f"the stages are: {names}", field="stage")
    if wanted not in by_name:
        raise ProblemError("not_found", f"nobody has spoken of the transaction at {wanted} yet")
    return by_name[wanted]


def _with_entry(call: Call) -> tuple[kernel.Transaction, kernel.Adjustment]:
    """The correcting entry of the path, whose id covers the stage (R-ADJ-2), and what it is of."""
    call.house.book(call.path["name"])
    wanted = call.path["adjustment"].lower()
    with call.house.ordering.reading() as state:
        for found in _stages(state, call):
            for standing in found.roles:
                if standing.adjustment is not None:
                    entry = kernel.adjustment(state, found.agreement, standing.adjustment)
                    if entry.id.hex() == wanted:
                        return found, entry
    raise ProblemError("not_found", "the transaction has no correcting entry of this id now")


def _as_it_is(call: Call, entry: kernel.Adjustment) -> kernel.Adjustment:
    """A correcting entry, after something was said of it."""
    with call.house.ordering.reading() as state:
        return kernel.adjustment(state, entry.agreement, entry.index)


def _person(call: Call) -> tuple[int, str]:
    """(party, person) for whom the user signs. Raises ProblemError."""
    party, _, person = call.who.person.partition("/")
    for each in call.house.ordering.parties:
        if each.name == party and person:
            return each.number, person
    what = "an administrator has to say first whose personal key signs for you (party/person)"
    raise ProblemError("no_person", what)


async def operate(
    call: Call, party: int, kind: OperationKind, purpose: Purpose, body: Body,
    *, person: str | None = None,
) -> Done:  # fmt: skip
    """Sign an operation for a party, and wait for its block. Raises ProblemError."""
    order = (party, operation_of(kind, purpose, body, person))
    (settled,) = await _run(call, lambda: call.house.ordering.publish([order]))
    return _told(settled)


async def _run(call: Call, work: "Callable[[], list[Future[Settled]]]") -> list[Settled]:
    futures = await asyncio.wrap_future(call.house.desk.run(work))
    return [await awaited(future) for future in futures]


def _told(settled: Settled) -> Done:
    receipt = settled.receipt
    outcome = receipt.result.outcome
    if outcome not in _DONE:
        name = outcome.name.lower()
        raise ProblemError("refused_by_the_rules", f"the rules say: {name}", outcome=name)
    return Done(outcome.name.lower(), receipt.height, format_time(receipt.time_us))
