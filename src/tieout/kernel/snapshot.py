"""A state as buffers, and back (`dump`, `load`).

A snapshot is a shortcut for replaying blocks, not a second truth: it holds the images as they are,
and beside them what control remembers, in MessagePack. The index is left out and built anew from
the slots, under the new process's own secret; hashes of pages are taken anew at the next cut-off.
Whether the bytes are those that were written is checked by whoever keeps them.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
import numpy as np

from tieout.agreement.errors import AgreementError
from tieout.agreement.parse import load_canonical
from tieout.kernel import affairs, index
from tieout.kernel import layout as at
from tieout.kernel.affairs import AFFAIRS_SINCE
from tieout.kernel.book import Book, Bytes, zeros_to_grow
from tieout.kernel.members import parse_members
from tieout.kernel.sequences import Stream
from tieout.kernel.state import DEFAULT_INDEX_KEY, Confirmations, State, initial_state
from tieout.kernel.urgency import requeue
from tieout.merkle.errors import MerkleError
from tieout.merkle.log import Frontier
from tieout.wire.genesis import Genesis
from tieout.wire.operations import Enact

FORMAT: Final = 1
CONTROL: Final = "control"
MEMBERS: Final = "members"
AFFAIRS: Final = "affairs"
_REBUILT_AT_A_TIME: Final = 64
Buffer = bytes | bytearray | memoryview


class SnapshotError(ValueError):
    """Buffers that no state was dumped to. Take an older snapshot, or replay the journal."""


class _Sequences(msgspec.Struct, frozen=True, array_like=True):
    party: int
    stream: int
    lowest_unused: int
    highest_used: int
    used: list[tuple[int, bytes]]
    gap_since_us: int
    gap_named: bool


class _BookControl(msgspec.Struct, frozen=True, array_like=True):
    body: bytes
    slots: int
    adjustments: int
    asked: list[int]
    judged: int


class _Control(msgspec.Struct, frozen=True, array_like=True):
    format: int
    ledger_id: bytes
    height: int
    time_us: int
    log: bytes
    events_chain: bytes
    state_digest: bytes
    streams: list[_Sequences]
    enactments: list[tuple[str, int, bytes, list[int]]]
    cutoffs_us: list[tuple[str, int]]
    confirmations: list[tuple[int, int, int, list[int]]]
    books: list[_BookControl]


class SnapshotRoom:
    """Where a snapshot is read to so that `load` need not copy it: half of a start's time."""

    def __init__(self) -> None:
        self._made: dict[str, Bytes] = {}

    def buffer(self, name: str, size: int) -> Bytes:
        """A buffer of `size` bytes for a part of this name; a later one takes its place."""
        self._made[name] = zeros_to_grow(size)
        return self._made[name][:size]

    def take(self, name: str, content: Buffer) -> Bytes:
        """The content with zeros behind it: what was made for it, or a copy."""
        given = np.frombuffer(content, np.uint8)
        made = self._made.pop(name, None)
        if made is not None and np.may_share_memory(made, given):
            return made
        copy = zeros_to_grow(given.size)
        copy[: given.size] = given
        return copy


def dump(state: State) -> Iterator[tuple[str, Buffer]]:
    """The state as (name, buffer), small ones first.

    Buffers of images are views: write or copy them before the next block is applied, or take a
    `still` instead.
    """
    yield from small_parts(state)
    for book in state.books:
        slots, adjustments = book.slots, book.adjustments
        used = book.adjustment_count * adjustments.image_bytes
        yield f"adjustments-{book.number}", adjustments.data.data[:used]
        used = book.count * slots.image_bytes
        yield f"slots-{book.number}", slots.data.data[:used]


def small_parts(state: State) -> Iterator[tuple[str, Buffer]]:
    """What is not images, as (name, buffer); nobody writes to these buffers."""
    yield CONTROL, msgspec.msgpack.encode(_control(state))
    if state.genesis.rules_version > 1:
        yield MEMBERS, state.members.to_bytes()
    if state.genesis.rules_version >= AFFAIRS_SINCE:
        yield AFFAIRS, msgspec.msgpack.encode(affairs.kept(state))


def _control(state: State) -> _Control:
    return _Control(
        FORMAT,
        state.ledger_id,
        state.height,
        state.time_us,
        state.log.to_bytes(),
        state.events_chain,
        state.state_digest,
        [
            _Sequences(
                party,
                number,
                stream.lowest_unused,
                stream.highest_used,
                sorted(stream.used.items()),
                stream.gap_since_us,
                stream.gap_named,
            )
            for (party, number), stream in sorted(state.streams.items(), key=lambda each: each[0])
        ],
        [(*key, parties) for key, parties in sorted(state.enactments.items())],
        sorted(state.cutoffs_us.items()),
        [
            (*key, confirmed.episode, confirmed.parties)
            for key, confirmed in sorted(state.confirmations.items(), key=lambda each: each[0])
        ],
        [
            _BookControl(book.body, book.count, book.adjustment_count, book.asked, book.judged)
            for book in state.books
        ],
    )


def log_frontier(buffers: Mapping[str, Buffer]) -> Frontier:
    """Where the log stood in the state that `dump` wrote; quick. Raises SnapshotError."""
    try:
        control = msgspec.msgpack.decode(buffers[CONTROL], type=_Control)
        return Frontier.from_bytes(control.log)
    except (KeyError, MerkleError, msgspec.MsgspecError) as error:
        raise SnapshotError(f"a snapshot that does not hold together: {error}") from error


def load(
    genesis: Genesis,
    buffers: Mapping[str, Buffer],
    index_key: bytes = DEFAULT_INDEX_KEY,
    room: SnapshotRoom | None = None,
) -> State:
    """The state that `dump` wrote; it goes on exactly as the dumped one would.

    `buffers` are copied, but for those of `room`, which become the state's own. Raises
    SnapshotError when they do not fit the genesis or each other.
    """
    room = room or SnapshotRoom()
    try:
        control = msgspec.msgpack.decode(buffers[CONTROL], type=_Control)
        state = initial_state(genesis, index_key)
        if control.format != FORMAT or control.ledger_id != state.ledger_id:
            raise SnapshotError("a snapshot of another ledger, or of another format")
        state.height, state.time_us = control.height, control.time_us
        state.log = Frontier.from_bytes(control.log)
        state.events_chain, state.state_digest = control.events_chain, control.state_digest
        _load_control(state, control)
        for number, book in enumerate(control.books, start=1):
            state.add_book(_load_book(state, number, book, buffers, room))
        if genesis.rules_version > 1:
            state.set_members(parse_members(bytes(buffers[MEMBERS])))
            for number, holders in state.members.holders:
                state.books[number - 1].holders = holders
        if genesis.rules_version >= AFFAIRS_SINCE:
            kept = msgspec.msgpack.decode(buffers[AFFAIRS], type=dict[str, list[Any]])
            affairs.restore(state, kept)
            requeue(state)
    except (IndexError, KeyError, MerkleError, AgreementError, msgspec.MsgspecError) as error:
        raise SnapshotError(f"a snapshot that does not hold together: {error}") from error
    return state


def _load_control(state: State, control: _Control) -> None:
    for each in control.streams:
        key = (each.party, each.stream)
        stream = Stream(
            each.lowest_unused,
            each.highest_used,
            dict(each.used),
            each.gap_since_us,
            each.gap_named,
        )
        state.streams[key] = stream
        if stream.gap_since_us:
            state.gaps[key] = stream
    state.enactments = {(n, v, digest): parties for n, v, digest, parties in control.enactments}
    state.cutoffs_us = dict(control.cutoffs_us)
    state.confirmations = {
        (number, serial): Confirmations(episode, parties)
        for number, serial, episode, parties in control.confirmations
    }


def _load_book(
    state: State,
    number: int,
    control: _BookControl,
    buffers: Mapping[str, Buffer],
    room: SnapshotRoom,
) -> Book:
    slots_name, adjustments_name = f"slots-{number}", f"adjustments-{number}"
    slots, adjustments = buffers[slots_name], buffers[adjustments_name]
    body = msgspec.msgpack.decode(control.body, type=Enact)
    book = Book(number, load_canonical(body.agreement), body.holders, control.body)
    if (
        len(slots) != control.slots * book.slots.image_bytes
        or len(adjustments) != control.adjustments * book.adjustments.image_bytes
        or len(control.asked) != len(book.asked)
        or not all(0 <= count <= control.slots for count in (*control.asked, control.judged))
    ):
        raise SnapshotError(f"the images of book {number} are not as many as they should be")
    book.slots.replace(room.take(slots_name, slots), len(slots))
    book.adjustments.replace(room.take(adjustments_name, adjustments), len(adjustments))
    book.asked, book.judged = control.asked, control.judged
    book.cursor[at.C_SLOTS] = control.slots
    book.cursor[at.C_ADJUSTMENTS] = control.adjustments
    book.table = index.empty_table(control.slots)
    size, scratch = book.slots.image_bytes, np.zeros(_REBUILT_AT_A_TIME, np.int64)
    index.rebuild(book.table, book.slots.data, size, control.slots, state.index_secret, scratch)
    if book.groups is not None:
        book.groups.refill(book)
    return book
