"""Agreements: what can come into force, who must agree, and the book that is opened then.

A version comes into force by enact operations of all parties (R-AGREE-1) or as a step of a change
that was voted on (R-AGREE-4). Both put the same book into force: which way it came does not matter
to anything that is said under it.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from tieout.agreement.model import Agreement
from tieout.agreement.parse import load_canonical
from tieout.kernel.binding import Asked, bound
from tieout.kernel.book import Book
from tieout.kernel.state import State
from tieout.wire.codes import EventKind
from tieout.wire.members import PutIntoForce
from tieout.wire.operations import Enact

FOLLOWED_MUST_AGREE: Final = 4
"""The first rules version in which nobody's agreement goes on without them (R-AGREE-5)."""


def must_agree(state: State, name: str, asked: Asked) -> list[int]:
    """Whom a version of this name cannot do without, ascending (R-AGREE-1, R-AGREE-5)."""
    newest = state.newest.get(name)
    parties = set(bound(asked))
    if newest is not None and state.genesis.rules_version >= FOLLOWED_MUST_AGREE:
        parties.update(party for holders in newest.holders for party in holders)
    return sorted(parties)


def enactment_key(agreement: Agreement, body: Enact) -> tuple[str, int, bytes]:
    """What signatures of one enactment are gathered under: same text, same holders."""
    digest = hashlib.sha256(msgspec.msgpack.encode(body)).digest()
    return agreement.name, agreement.version, digest


def put_into_force(state: State, agreement: Agreement, body: Enact, item: int) -> None:
    """Open the book of a new version; what was said of it by enact operations is done."""
    state.enactments.pop(enactment_key(agreement, body), None)
    book = Book(len(state.books) + 1, agreement, body.holders, msgspec.msgpack.encode(body))
    state.add_book(book)
    state.events.tell(EventKind.AGREEMENT_ENACTED, item=item, agreement=book.number)


def put_steps_into_force(state: State, steps: Iterable[object], item: int) -> None:
    """Open the books of a change that has taken effect, in the order of its steps (R-AGREE-4)."""
    for step in steps:
        if isinstance(step, PutIntoForce):
            body = Enact(step.agreement, step.holders)
            put_into_force(state, load_canonical(step.agreement), body, item)
