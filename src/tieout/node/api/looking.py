"""Looking: one transaction, the ledger, its blocks, members and agreements, and proofs."""

import asyncio
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from tieout import kernel
from tieout.engines.errors import EngineError, NoVotes
from tieout.evidence.errors import MissingError
from tieout.evidence.pack import PackReport, verify_pack
from tieout.evidence.packform import Statement
from tieout.journal.errors import NoSuchBlock
from tieout.kernel.members import Party
from tieout.node.api.asking import asking
from tieout.node.api.forms import given
from tieout.node.api.publish import Originator
from tieout.node.api.table import TEXT, Call, Reply, encoded
from tieout.node.problems import ProblemError
from tieout.projections.answers import AlarmItem, ConfirmationItem
from tieout.units.dates import format_time, parse_time
from tieout.units.errors import UnitsError
from tieout.wire.codes import EventKind, Purpose

TIME: Final = (
    r"^([0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
    r"(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9]))?$"
)
"""The form of times; the last days of months are looked at when they are read."""
TimeText = Annotated[str, Meta(max_length=40, pattern=TIME)]


class TransactionQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In whose numbering the id counts."""

    originator: Originator = 0


class Step(msgspec.Struct, frozen=True):
    """Something that somebody said about the transaction, or that a deadline did."""

    height: int
    time: str
    leaf: int | None
    by: str
    what: str


class Told(msgspec.Struct, frozen=True):
    """One transaction: what the rules say of it, and its story."""

    agreement: str
    originator: int
    transaction_id: str
    as_of: int
    statement: Statement
    timeline: tuple[Step, ...]


async def tell_transaction(call: Call) -> Reply:
    """The whole story of one transaction, judged again by the reference rules."""

    def read() -> Told:
        pack, height = _pack(call)
        report = verify_pack(pack, call.house.ordering.genesis)
        steps = tuple(
            Step(step.height, format_time(step.time_us), step.leaf, _who(report, step), step.what)
            for step in report.steps
        )
        return Told(
            report.agreement, report.originator, report.transaction_id, height,
            report.statement, steps,
        )  # fmt: skip

    told = await asyncio.to_thread(read)
    return Reply(encoded(told), headers=as_of(told.as_of))


async def give_evidence(call: Call) -> Reply:
    """The evidence pack of one transaction, which anybody can verify offline."""
    pack, height = await asyncio.to_thread(_pack, call)
    return Reply(pack, headers=as_of(height) | attachment("evidence.json"))


def _pack(call: Call) -> tuple[bytes, int]:
    """The pack of the transaction that is asked for, and the block as of which it holds."""
    ordering = call.house.ordering
    name, key = call.path["name"], call.path["transaction_id"]
    call.house.book(name)
    with ordering.reading() as state:
        try:
            stages = kernel.timeline(state, name, call.query.originator, key.encode())
        except UnicodeEncodeError:
            stages = ()
        if not stages:
            raise ProblemError(
                "not_found", "there is no such transaction; ids are compared exactly"
            )
    with ordering.proofs() as proofs:
        try:
            return proofs.pack(name, call.query.originator, key), proofs.height
        except MissingError as error:
            raise ProblemError("not_found", str(error)) from error
        except NoVotes as error:
            raise ProblemError("busy", str(error)) from error
        except EngineError as error:
            raise ProblemError("not_found", str(error)) from error


def _who(report: PackReport, step: Any) -> str:
    if not step.party:
        return ""
    party = report.parties[step.party - 1]
    return f"{party.name}/{party.persons[step.person - 1].name}" if step.person else party.name


# ---------------------------------------------------------------- proofs


class CertificateQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which cut-off; the last one without it."""

    cutoff: TimeText = ""


async def give_certificate(call: Call) -> Reply:
    """The signed tie-out certificate of a cut-off."""
    cutoff_us = time_of(call.query.cutoff) if call.query.cutoff else None

    call.house.book(call.path["name"])

    def read() -> tuple[bytes, int]:
        with call.house.ordering.proofs() as proofs:
            try:
                return proofs.certificate(call.path["name"], cutoff_us).to_bytes(), proofs.height
            except EngineError as error:
                raise ProblemError("not_found", str(error)) from error

    certificate, height = await asyncio.to_thread(read)
    return Reply(certificate, headers=as_of(height) | attachment("certificate.json"))


async def give_checkpoint(call: Call) -> Reply:
    """The size and root of the log, signed: the C2SP tlog-checkpoint form."""

    def read() -> tuple[bytes, int]:
        with call.house.ordering.proofs() as proofs:
            if not proofs.height:
                raise ProblemError("not_found", "the ledger has no block yet")
            return proofs.checkpoint.to_bytes(), proofs.height

    checkpoint, height = await asyncio.to_thread(read)
    return Reply(checkpoint, media=TEXT, headers=as_of(height))


async def give_genesis(call: Call) -> Reply:
    """The genesis: what a verifier has to trust."""
    return Reply(call.house.ordering.genesis.to_bytes())


# ---------------------------------------------------------------- the ledger


class LedgerView(msgspec.Struct, frozen=True):
    """Where the ledger stands."""

    ledger_id: str
    name: str
    rules_version: int
    height: int
    time: str
    log_size: int
    agreements: tuple[str, ...]


async def tell_ledger(call: Call) -> Reply:
    """Where the ledger stands."""
    ordering = call.house.ordering
    genesis, point = ordering.genesis, ordering.journal.durable
    names = tuple(ordering.books)
    told = LedgerView(
        genesis.ledger_id().hex(), genesis.name, genesis.rules_version, point.height,
        format_time(point.time_us) if point.height else "", point.log_size, names,
    )  # fmt: skip
    return Reply(encoded(told), headers=as_of(point.height))


class ItemView(msgspec.Struct, frozen=True):
    """An item of a block."""

    outcome: str
    leaf: int | None
    records: int
    bytes: int


class BlockView(msgspec.Struct, frozen=True):
    """A block: its items, and what happened, counted."""

    height: int
    time: str
    app_hash: str
    frame_hash: str
    log_size: int
    items: tuple[ItemView, ...]
    events: dict[str, int]


async def tell_block(call: Call) -> Reply:
    """One block."""
    text = call.path["height"]
    if not (text.isascii() and text.isdigit() and len(text) < 19):  # noqa: PLR2004 - of 64 bits
        raise ProblemError("invalid_parameter", "a height is a whole number")
    return Reply(encoded(await asyncio.to_thread(_block, call, int(text))))


def _block(call: Call, height: int) -> BlockView:
    try:
        entry = call.house.ordering.journal.read(height)
    except NoSuchBlock as error:
        raise ProblemError("not_found", str(error)) from error
    items = tuple(
        ItemView(each.outcome.name.lower(), each.leaf, sum(each.rows), len(item))
        for item, each in zip(entry.block.items, entry.result.items, strict=True)
    )
    events: dict[str, int] = {}
    for kind in entry.result.events["kind"].tolist():
        word = EventKind(kind).name.lower()
        events[word] = events.get(word, 0) + 1
    return BlockView(
        height, format_time(entry.block.time_us), entry.result.app_hash.hex(),
        entry.frame_hash.hex(), entry.header.log_size, items, events,
    )  # fmt: skip


class PersonView(msgspec.Struct, frozen=True):
    """A person of a party, with what its keys may sign."""

    name: str
    purposes: tuple[str, ...]


class PartyView(msgspec.Struct, frozen=True):
    """A party. `is_ours`: this node signs for it."""

    number: int
    name: str
    is_ours: bool
    persons: tuple[PersonView, ...]


async def list_members(call: Call) -> Reply:
    """Everybody who is or was a member."""
    ordering = call.house.ordering
    ours = set(ordering.ring.parties)

    def read() -> tuple[Party, ...]:
        with ordering.reading() as state:
            return kernel.parties(state)

    parties = await asyncio.to_thread(read)
    told = [
        PartyView(
            party.number, party.name, party.number in ours,
            tuple(
                PersonView(
                    person.name,
                    tuple(
                        Purpose(purpose).name.lower()
                        for purpose in sorted({p for key in person.keys for p in key.purposes})
                    ),
                )
                for person in party.persons
            ),
        )
        for party in parties
    ]  # fmt: skip
    return given(call, told, PartyView)


# ---------------------------------------------------------------- agreements


class FieldView(msgspec.Struct, frozen=True):
    """A field of an agreement."""

    name: str
    type: str
    scale: int
    length: int
    roles: tuple[str, ...]
    optional: bool
    compare: bool


class AgreementView(msgspec.Struct, frozen=True):
    """The newest version in force of an agreement, and how its transactions stand."""

    name: str
    version: int
    hash: str
    roles: tuple[str, ...]
    our_roles: tuple[str, ...]
    fields: tuple[FieldView, ...]
    mode: str
    quorum: int
    transactions: dict[str, int]


async def list_agreements(call: Call) -> Reply:
    """All agreements in force."""
    told, height = await asyncio.to_thread(_agreements, call, list(call.house.ordering.books))
    return given(call, told, AgreementView, as_of(height))


async def tell_agreement(call: Call) -> Reply:
    """One agreement."""
    name = call.house.book(call.path["name"]).agreement.name
    (told,), height = await asyncio.to_thread(_agreements, call, [name])
    return Reply(encoded(told), headers=as_of(height))


def _agreements(call: Call, names: list[str]) -> tuple[list[AgreementView], int]:
    with call.house.ordering.reading() as state:
        return [_agreement(call, state, name) for name in names], state.height


async def give_agreement_text(call: Call) -> Reply:
    """The canonical form of an agreement: what was hashed and put into force."""
    return Reply(call.house.book(call.path["name"]).agreement.canonical)


def _agreement(call: Call, state: kernel.State, name: str) -> AgreementView:
    book = state.newest[name]
    agreement = book.agreement
    ours = set(call.house.ordering.ring.parties)
    counts = kernel.counts(state, name)
    return AgreementView(
        name=name,
        version=agreement.version,
        hash=agreement.hash.hex(),
        roles=agreement.roles,
        our_roles=tuple(
            role
            for role, holders in zip(agreement.roles, book.holders, strict=True)
            if ours.intersection(holders)
        ),
        fields=tuple(
            FieldView(
                each.name, each.type.value, each.scale, each.length,
                tuple(agreement.roles[role] for role in each.roles), each.optional, each.compare,
            )
            for each in agreement.fields
        ),
        mode=agreement.mode.value,
        quorum=agreement.quorum,
        transactions={
            word: getattr(counts, word) for word in ("matched", "broken", "pending", "withdrawn")
        },
    )  # fmt: skip


# ---------------------------------------------------------------- alarms


class AlarmStory(msgspec.Struct, frozen=True):
    """An alarm, open or cleared, and who confirmed it, the first one first."""

    alarm: AlarmItem
    confirmations: tuple[ConfirmationItem, ...]


async def tell_alarm(call: Call) -> Reply:
    """One alarm, and which parties' verifiers confirmed it."""

    def read() -> tuple[AlarmStory, int]:
        with asking():
            alarm, confirmations, height = call.house.reader.one_alarm(call.path["alarm"])
            return AlarmStory(alarm, confirmations), height

    told, height = await asyncio.to_thread(read)
    return Reply(encoded(told), headers=as_of(height))


# ---------------------------------------------------------------- small things


def as_of(height: int) -> dict[str, str]:
    """The header that says as of which block an answer holds."""
    return {"Tieout-Height": str(height)}


def attachment(name: str) -> dict[str, str]:
    """The header that lets a browser save an answer as a file."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def time_of(text: str) -> int:
    """A time in microseconds UTC. Raises ProblemError."""
    try:
        return parse_time(text)
    except UnitsError as error:
        raise ProblemError("invalid_value", str(error)) from error
