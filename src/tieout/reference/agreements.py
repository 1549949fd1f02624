"""Agreements come into force when everybody has agreed whom they concern (R-AGREE-1 to R-AGREE-6).

By enact operations, or as steps of a change that was voted on (governing.py): either way the same
book is opened.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from tieout.agreement.errors import AgreementError
from tieout.agreement.model import Agreement
from tieout.agreement.parse import load_canonical
from tieout.agreement.stages import terms_of
from tieout.reference.events import Events
from tieout.reference.state import Book, EnactmentKey, State
from tieout.reference.values import RowReader
from tieout.wire.codes import EventKind, ItemOutcome
from tieout.wire.members import PutIntoForce, Step
from tieout.wire.operations import Enact

FOLLOWED_ARE_ASKED_SINCE: Final = 4
"""The rules version from which on a version needs those who are bound by what it follows."""


def enact(state: State, body: Enact, party: int, events: Events) -> ItemOutcome:
    """Note that a party wants this version with these bindings; the last one puts it into force."""
    agreement = sound_agreement(state, body)
    if agreement is None or not all(state.members.is_member(each) for each in bound_parties(body)):
        return ItemOutcome.MALFORMED_AGREEMENT
    newest = state.newest.get(agreement.name)
    if newest and agreement.version != newest.agreement.version + 1:
        return ItemOutcome.WRONG_VERSION
    concerned = concerned_parties(state, agreement, body)
    if party not in concerned:
        return ItemOutcome.NOT_ENTITLED
    key = EnactmentKey(agreement.name, agreement.version, body_digest(body))
    said = state.enactments.setdefault(key, [])
    is_new = party not in said
    if is_new:
        said.append(party)
    if all(each in said for each in concerned):  # also when the last that was missing has left
        put_into_force(state, agreement, body, events)
        return ItemOutcome.ACCEPTED
    return ItemOutcome.ACCEPTED if is_new else ItemOutcome.NO_EFFECT


def put_into_force(state: State, agreement: Agreement, body: Enact, events: Events) -> None:
    """Open the book of a new version; what was said of it by enact operations is done."""
    digest = body_digest(body)
    state.enactments.pop(EnactmentKey(agreement.name, agreement.version, digest), None)
    number = len(state.books) + 1
    book = Book(number, agreement, body.holders, digest, RowReader(agreement), terms_of(agreement))
    state.books.append(book)
    state.newest[agreement.name] = book
    events.add(EventKind.AGREEMENT_ENACTED, agreement=number)


def put_all_into_force(state: State, steps: Iterable[Step], events: Events) -> None:
    """Open the books of a change that takes effect (R-AGREE-4)."""
    for step in steps:
        if isinstance(step, PutIntoForce):
            agreement = load_canonical(step.agreement)
            put_into_force(state, agreement, Enact(step.agreement, step.holders), events)


def sound_agreement(state: State, asked: Enact | PutIntoForce) -> Agreement | None:
    """The agreement, when it is well formed and its bindings fit it and the rules (R-AGREE-2)."""
    try:
        agreement = load_canonical(asked.agreement)
    except AgreementError:
        return None
    if len(asked.holders) != len(agreement.roles):
        return None
    for parties in asked.holders:
        if not parties or list(parties) != sorted(set(parties)):
            return None
    if agreement.quorum > 1 + len(bound_parties(asked)):
        return None
    if agreement.needs_rules > state.genesis.rules_version:  # R-AGREE-3
        return None
    return agreement


def bound_parties(asked: Enact | PutIntoForce) -> list[int]:
    """Every party that holds a role, each once, ascending."""
    return sorted({party for parties in asked.holders for party in parties})


def concerned_parties(state: State, agreement: Agreement, asked: Enact | PutIntoForce) -> list[int]:
    """Those whom a version binds and those who are bound by the one that it follows (R-AGREE-5)."""
    concerned = set(bound_parties(asked))
    followed = state.newest.get(agreement.name)
    if followed and state.genesis.rules_version >= FOLLOWED_ARE_ASKED_SINCE:
        concerned |= {party for parties in followed.holders for party in parties}
    return sorted(concerned)


def body_digest(body: Enact) -> bytes:
    """What a text with its bindings is known by."""
    return hashlib.sha256(msgspec.msgpack.encode(body)).digest()
