"""Agreements come into force when everybody whom they bind has said so (R-AGREE-1, R-AGREE-2)."""

import hashlib

import msgspec

from tieout.agreement.errors import AgreementError
from tieout.agreement.model import Agreement
from tieout.agreement.parse import load_canonical
from tieout.agreement.stages import terms_of
from tieout.reference.events import Events
from tieout.reference.state import Book, EnactmentKey, State
from tieout.reference.values import RowReader
from tieout.wire.codes import EventKind, ItemOutcome
from tieout.wire.operations import Enact


def enact(state: State, body: Enact, party: int, events: Events) -> ItemOutcome:
    """Note that a party wants this version with these bindings; the last one puts it into force."""
    agreement = _sound_agreement(state, body)
    if agreement is None:
        return ItemOutcome.MALFORMED_AGREEMENT
    newest = state.newest.get(agreement.name)
    if newest and agreement.version != newest.agreement.version + 1:
        return ItemOutcome.WRONG_VERSION
    bound = _bound_parties(body)
    if party not in bound:
        return ItemOutcome.NOT_ENTITLED
    digest = hashlib.sha256(msgspec.msgpack.encode(body)).digest()
    key = EnactmentKey(agreement.name, agreement.version, digest)
    said = state.enactments.setdefault(key, [])
    if party in said:
        return ItemOutcome.NO_EFFECT
    said.append(party)
    if len(said) == len(bound):
        del state.enactments[key]
        _put_into_force(state, agreement, body, digest, events)
    return ItemOutcome.ACCEPTED


def _put_into_force(
    state: State, agreement: Agreement, body: Enact, digest: bytes, events: Events
) -> None:
    """Open the book of a new version (R-AGREE-1)."""
    number = len(state.books) + 1
    book = Book(number, agreement, body.holders, digest, RowReader(agreement), terms_of(agreement))
    state.books.append(book)
    state.newest[agreement.name] = book
    events.add(EventKind.AGREEMENT_ENACTED, agreement=number)


def _sound_agreement(state: State, body: Enact) -> Agreement | None:
    """The agreement, when it is well formed and its bindings fit it and the ledger (R-AGREE-2)."""
    try:
        agreement = load_canonical(body.agreement)
    except AgreementError:
        return None
    if len(body.holders) != len(agreement.roles):
        return None
    for parties in body.holders:
        if not parties or list(parties) != sorted(set(parties)):
            return None
        if not all(state.members.is_member(party) for party in parties):
            return None
    if agreement.quorum > 1 + len(_bound_parties(body)):
        return None
    if agreement.needs_rules > state.genesis.rules_version:  # R-AGREE-3
        return None
    return agreement


def _bound_parties(body: Enact) -> list[int]:
    """Every party that holds a role, each once, ascending."""
    return sorted({party for parties in body.holders for party in parties})
