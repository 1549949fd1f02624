"""The state digest and the app hash (docs/formats/state.md)."""

import hashlib
import struct
from typing import Final

import msgspec

from tieout.kernel import affairs
from tieout.kernel import layout as at
from tieout.kernel.affairs import AFFAIRS_SINCE
from tieout.kernel.book import Book, Spread
from tieout.kernel.settle import BROKEN
from tieout.kernel.state import State
from tieout.wire import ids

STATE_TAG: Final = b"tieout/state/1\0"
_BOOK: Final = struct.Struct("<HQ32sQ32s")


def app_hash(state: State) -> bytes:
    """What a node answers for after a block; 32 bytes."""
    return ids.app_hash(
        state.ledger_id,
        state.log.size,
        state.log.root(),
        state.events_chain,
        state.members_hash,
        state.agreements_hash,
        state.state_digest,
    )


def members_document(state: State) -> bytes:
    """The members with what is asked for, in MessagePack (docs/formats/state.md)."""
    return state.members.to_bytes()


def state_digest(state: State) -> bytes:
    """The digest of the state as it is now; 32 bytes. A block with a cut-off takes it."""
    books = b"".join(_book(book, state.spread) for book in state.books)
    control = hashlib.sha256(msgspec.msgpack.encode(_control(state))).digest()
    return hashlib.sha256(STATE_TAG + books + control).digest()


def slot_images(state: State, agreement_number: int) -> bytes:
    """The images of a book's transactions, one after the other in the order of their serials."""
    book = state.books[agreement_number - 1]
    return book.slots.data[: book.count * book.slots.image_bytes].tobytes()


def adjustment_images(state: State, agreement_number: int) -> bytes:
    """The images of a book's adjustments, in the order in which they were proposed."""
    book = state.books[agreement_number - 1]
    return book.adjustments.data[: book.adjustment_count * book.adjustments.image_bytes].tobytes()


def _book(book: Book, spread: Spread) -> bytes:
    return _BOOK.pack(
        book.number,
        book.count,
        book.slots.pages_root(book.count, spread),
        book.adjustment_count,
        book.adjustments.pages_root(book.adjustment_count, spread),
    )


def _control(state: State) -> list[object]:
    streams = [
        [
            party,
            number,
            stream.lowest_unused,
            stream.highest_used,
            [[used, digest] for used, digest in sorted(stream.used.items())],
            stream.gap_since_us,
            stream.gap_named,
        ]
        for (party, number), stream in sorted(state.streams.items(), key=lambda item: item[0])
    ]
    enactments = [
        [name, version, digest, sorted(parties)]
        for (name, version, digest), parties in sorted(state.enactments.items())
    ]
    cutoffs = [[name, cutoff_us] for name, cutoff_us in sorted(state.cutoffs_us.items())]
    control: list[object] = [streams, enactments, cutoffs, _confirmations(state)]
    if state.genesis.rules_version >= AFFAIRS_SINCE:
        control.append([[name, kept] for name, kept in affairs.kept(state).items() if kept])
    return control


def _confirmations(state: State) -> list[object]:
    return [
        [number, serial, confirmed.parties]
        for (number, serial), confirmed in sorted(
            state.confirmations.items(), key=lambda item: item[0]
        )
        if is_episode(state.books[number - 1], serial, confirmed.episode)
    ]


def is_episode(book: Book, serial: int, episode: int) -> bool:
    """Whether a transaction is broken now, and this is its episode."""
    base = serial * book.slots.image_bytes
    slots = book.slots.data
    now = int.from_bytes(slots[base + at.EPISODE : base + at.EPISODE + 4].tobytes(), "little")
    return int(slots[base + at.STATUS]) == BROKEN and now == episode
