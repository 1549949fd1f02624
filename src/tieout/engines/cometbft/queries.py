"""Questions to a node, by path; each is answered for what is committed, in JSON.

Whoever asks need not believe the answer: a leaf comes with its path to the root of the log, and the
parts of the app hash with a height, whose app hash stands in the header after it, signed by the
validators. Forms and codes: docs/formats/abci.md.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Container
from typing import Final, NamedTuple

import msgspec

from tieout import kernel
from tieout.agreement.limits import MAX_STAGES
from tieout.engines.cometbft import abci_pb2 as abci
from tieout.engines.cometbft.committed import Committed, History
from tieout.engines.cometbft.leaflog import LeafLog
from tieout.engines.errors import EngineError
from tieout.engines.replica import Replica
from tieout.journal.errors import JournalError
from tieout.journal.frame import Entry
from tieout.kernel import Standing
from tieout.wire.errors import WireError
from tieout.wire.numbered import numbered

_LOG: Final = logging.getLogger(__name__)
CODESPACE: Final = "tieout"
ANSWERED: Final = 0
BAD_QUESTION: Final = 1
NOT_FOUND: Final = 2
NOT_HERE: Final = 3
NOT_NOW: Final = 4
NO_MEMBER: Final = 5
PEER_BY_ADDRESS: Final = "/p2p/filter/addr/"
PEER_BY_ID: Final = "/p2p/filter/id/"


class AboutLeaf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`/leaf`: an index in the log."""

    leaf: int


class AboutItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`/items`: a sender's number."""

    party: int
    stream: int
    sequence: int


class AboutPlaces(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`/places`: places in a block."""

    height: int
    items: tuple[int, ...]


class AboutStream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`/stream`: a stream of a party, and one of its numbers (0: none)."""

    party: int
    stream: int
    sequence: int = 0


class AboutTransaction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`/transaction`: a transaction's key; the stage by number, the first one unless it is said."""

    agreement: str
    originator: int
    transaction_id: str
    stage: int = 0


class _Answer(NamedTuple):
    code: int
    value: object = None
    log: str = ""
    height: int = 0


class Queries:
    """Answers for one copy of the ledger. Called from the thread that writes it."""

    def __init__(self, replica: Replica, history: History, peers: Container[str] | None) -> None:
        self._replica = replica
        self._history = history
        self._peers = peers
        self._leaves = LeafLog(replica.journal)
        self._reading = asyncio.Lock()
        self._doors: dict[str, Callable[[abci.RequestQuery], Awaitable[_Answer]]] = {
            "/parts": self._parts,
            "/leaf": self._leaf,
            "/items": self._items,
            "/places": self._places,
            "/stream": self._stream,
            "/transaction": self._transaction,
        }

    async def answer(self, request: abci.RequestQuery, *, is_settled: bool) -> abci.ResponseQuery:
        """Answer a question; never raises for what is asked. Not settled: a block is written."""
        if request.path.startswith((PEER_BY_ADDRESS, PEER_BY_ID)):
            return _response(self._peer(request.path))
        door = self._doors.get(request.path)
        if door is None:
            return _response(_Answer(BAD_QUESTION, log=f"paths are {', '.join(self._doors)}"))
        if not is_settled:
            return _response(_Answer(NOT_NOW, log="a block is being written: ask again"))
        try:
            return _response(await door(request))
        except msgspec.MsgspecError as error:
            return _response(_Answer(BAD_QUESTION, log=str(error)))
        except (EngineError, JournalError) as error:
            _LOG.warning("%s is not answered: %s", request.path, error)
            return _response(_Answer(NOT_HERE, log=str(error)))

    def _peer(self, path: str) -> _Answer:
        """Whether a node may connect: by its id alone, as addresses of members may change."""
        if path.startswith(PEER_BY_ADDRESS) or self._peers is None:
            return _Answer(ANSWERED)
        if path.removeprefix(PEER_BY_ID) in self._peers:
            return _Answer(ANSWERED)
        return _Answer(NO_MEMBER, log="not the node of a member")

    def _at(self, height: int) -> Committed | None:
        return self._history.find(height)

    async def _parts(self, request: abci.RequestQuery) -> _Answer:
        """What the app hash after a height covers."""
        at = self._at(request.height)
        if at is None:
            return _Answer(NOT_HERE, log="that height is not remembered: ask for a newer one")
        value = {
            "ledger_id": self._replica.genesis.ledger_id().hex(),
            "height": at.height,
            "time_us": at.time_us,
            "app_hash": at.app_hash.hex(),
            "log_size": at.log_size,
            "log_root": at.log_root.hex(),
            "events_chain": at.events_chain.hex(),
            "members_hash": at.members_hash.hex(),
            "agreements_hash": at.agreements_hash.hex(),
            "state_digest": at.state_digest.hex(),
        }
        return _Answer(ANSWERED, value, height=at.height)

    async def _leaf(self, request: abci.RequestQuery) -> _Answer:
        """A leaf with its path to the root of the log after a height."""
        about = msgspec.json.decode(request.data, type=AboutLeaf)
        at = self._at(request.height)
        if at is None:
            return _Answer(NOT_HERE, log="that height is not remembered: ask for a newer one")
        # The first proof reads the whole journal: not in the thread that has blocks to judge.
        async with self._reading:
            proven = await asyncio.to_thread(self._leaves.prove, about.leaf, at.log_size)
        if proven is None:
            return _Answer(NOT_FOUND, log="there is no such leaf, or it is not kept here")
        value = {
            "leaf": about.leaf,
            "height": proven.height,
            "time_us": proven.time_us,
            "item": proven.item,
            "outcome": proven.outcome,
            "signed": proven.signed.hex(),
            "log_size": at.log_size,
            "log_root": at.log_root.hex(),
            "path": [each.hex() for each in proven.path],
        }
        return _Answer(ANSWERED, value, height=at.height)

    async def _items(self, request: abci.RequestQuery) -> _Answer:
        """Where the items with a sender's number stand, and what became of them."""
        about = msgspec.json.decode(request.data, type=AboutItem)
        journal = self._replica.journal
        places = journal.find_items(about.party, about.stream, about.sequence)
        value = [_at_place(journal.read(place.height), place.item) for place in places]
        return _Answer(ANSWERED, value, height=self._history.newest.height)

    async def _places(self, request: abci.RequestQuery) -> _Answer:
        """What became of the items at some places of a block, whether they are leaves or not."""
        about = msgspec.json.decode(request.data, type=AboutPlaces)
        newest = self._history.newest.height
        if not 0 < about.height <= newest:
            return _Answer(NOT_FOUND, log=f"the last block is {newest}", height=newest)
        entry = self._replica.journal.read(about.height)
        if not all(0 <= item < len(entry.block.items) for item in about.items):
            return _Answer(NOT_FOUND, log="the block has fewer items", height=newest)
        value = [_at_place(entry, item) for item in about.items]
        return _Answer(ANSWERED, value, height=newest)

    async def _stream(self, request: abci.RequestQuery) -> _Answer:
        """Which numbers of a stream are used, and by what the one that was asked about is."""
        about = msgspec.json.decode(request.data, type=AboutStream)
        stream = self._replica.state.streams.get((about.party, about.stream))
        lowest, highest = (1, 0) if stream is None else (stream.lowest_unused, stream.highest_used)
        value: dict[str, object] = {"lowest_unused": lowest, "highest_used": highest}
        if about.sequence:
            used = {} if stream is None else stream.used
            value = {**value, "digest": used.get(about.sequence, b"").hex()}
        return _Answer(ANSWERED, value, height=self._history.newest.height)

    async def _transaction(self, request: abci.RequestQuery) -> _Answer:
        """How a transaction stands, and where its records are, to be proven by their leaves."""
        about = msgspec.json.decode(request.data, type=AboutTransaction)
        state = self._replica.state
        if about.agreement not in state.newest or not 0 <= about.originator < 1 << 16:
            return _Answer(NOT_FOUND, log="there is no such agreement or originator")
        key = about.transaction_id.encode()
        found = None
        if 0 <= about.stage < MAX_STAGES:
            found = kernel.transaction(state, about.agreement, about.originator, key, about.stage)
        if found is None:
            return _Answer(NOT_FOUND, log="there is no such transaction")
        agreement = state.books[found.agreement - 1].agreement
        value = {
            "status": found.status.name.lower(),
            "version": agreement.version,
            "episode": found.episode,
            "alarm": found.alarm.name.lower(),
            "opened_us": found.opened_us,
            "closed_us": found.closed_us,
            "judged": found.judged,
            "roles": {
                role: _standing(standing)
                for role, standing in zip(agreement.roles, found.roles, strict=True)
            },
        }
        return _Answer(ANSWERED, value, height=self._history.newest.height)


def _at_place(entry: Entry, item: int) -> dict[str, object]:
    result = entry.result.items[item]
    try:
        digest = numbered(entry.block.items[item]).digest.hex()
    except WireError:
        # A Byzantine proposer can put anything into a block.
        digest = ""
    return {
        "leaf": result.leaf,
        "height": entry.block.height,
        "time_us": entry.block.time_us,
        "item": item,
        "digest": digest,
        "outcome": result.outcome.value,
        "rows": result.rows,
        "bad_row": result.bad_row,
        "app_hash": entry.header.app_hash.hex(),
    }


def _standing(standing: Standing) -> dict[str, object]:
    return {
        "party": standing.party,
        "states": standing.states,
        "revision": standing.revision,
        "leaf": standing.leaf,
        "row": standing.row,
        "whole_record_breaks": [kind.name.lower() for kind in standing.whole_record_breaks],
        "mismatch": standing.mismatch,
        "values": standing.values.hex(),
    }


def _response(answer: _Answer) -> abci.ResponseQuery:
    value = b"" if answer.value is None else msgspec.json.encode(answer.value)
    return abci.ResponseQuery(
        code=answer.code,
        log=answer.log,
        value=value,
        height=answer.height,
        codespace=CODESPACE if answer.code else "",
    )
