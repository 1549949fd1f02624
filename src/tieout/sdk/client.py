"""Submitting signed bytes to a ledger, and waiting until they are in a block.

The problem: between a client and a block lie a network that breaks off, a mempool that fills up,
and a node that restarts; and a client must neither lose a batch nor publish it twice.

The model: what is submitted is the signed bytes of a batch or an operation, and its name is their
SHA-256. It carries its own place in its stream, so the same bytes count once, however often they
arrive: CometBFT knows them while they are in its cache, the rules refuse a repeat for ever
(R-SEQ-3). Hence whatever is in doubt is simply sent again: after a timeout, after an answer that
broke off, after a restart of the client, which only has to keep the bytes. A full mempool is waited
for, longer each time, up to a limit: then the caller learns that it has to slow down.

Inclusion is found by reading the blocks that came after the submission. Headers come twenty at a
time, and only blocks with transactions are fetched. Looking a transaction up by its name would need
CometBFT's indexer, which is off (it costs more than the ledger itself, and loses what a crash
interrupts); and a block can be held against the validators' signatures, which an indexer's word
cannot. A client with a `LightClient` does that.

What a transaction did is CometBFT's `code` (for a ledger, the item's outcome), where the node keeps
results; otherwise None, and the application can be asked (`query`).
"""

import base64
import contextlib
import hashlib
import time
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Final

import msgspec

from tieout.consensus.errors import ConsensusError
from tieout.consensus.hashing import header_hash, transactions_hash
from tieout.sdk.errors import (
    Congested,
    NodeConfused,
    NodeRefused,
    NodeUnreachable,
    NotYet,
    TooLarge,
    Unproven,
)
from tieout.sdk.light import LightClient
from tieout.sdk.limits import HEADERS_PER_PAGE
from tieout.sdk.patience import Patience
from tieout.sdk.rpcforms import RpcHeader, read_header
from tieout.sdk.transport import Node
from tieout.wire.codes import ItemOutcome

# The only sign of these cases that CometBFT v0.38 gives is its words.
_KNOWN_WORDS: Final = "already exists in cache"
_FULL_WORDS: Final = ("mempool is full", "considered as full")
_LARGE_WORDS: Final = ("Tx too large", "request body too large")
_UNSURE_WORDS: Final = ("broadcast confirmation not received", "timed out waiting")
_NO_RESULTS_YET_WORDS: Final = "could not find results for height"
_NO_RESULTS_WORDS: Final = "not persisting"


class Taken(Enum):
    """What a node said to a submission."""

    NEW = "new"
    """The application found nothing wrong with it, and it waits for a block."""
    KNOWN = "known"
    """It was submitted before: it waits for a block, or is in one."""
    REFUSED = "refused"
    """The application refused it; it will be in no block. `code` and `words` say why."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A submission that was answered. If NEW it is in no block up to `height`."""

    name: bytes
    taken: Taken
    height: int
    code: int
    words: str


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Where a transaction is: the `place` counts from 0 in the block of `height`.

    `code` is what it did, None where the node keeps no results. `is_proven` says that the block was
    held against the validators' signatures; the code never is.
    """

    height: int
    place: int
    code: int | None
    is_proven: bool


class _BroadcastAnswer(msgspec.Struct):
    code: int
    hash: str
    log: str = ""


class _SyncInfo(msgspec.Struct):
    latest_block_height: int
    catching_up: bool = False


class _StatusAnswer(msgspec.Struct):
    sync_info: _SyncInfo


class _MetaHeader(msgspec.Struct):
    height: int


class _Meta(msgspec.Struct):
    header: _MetaHeader
    num_txs: int


class _HeadersAnswer(msgspec.Struct):
    block_metas: list[_Meta]


class _Data(msgspec.Struct):
    txs: list[bytes] | None = None


class _Block(msgspec.Struct):
    header: RpcHeader
    data: _Data


class _BlockAnswer(msgspec.Struct):
    block: _Block


class _Result(msgspec.Struct):
    code: int = 0


class _ResultsAnswer(msgspec.Struct):
    txs_results: list[_Result] | None = None


class _Response(msgspec.Struct):
    code: int = 0
    log: str = ""
    value: bytes | None = None
    height: int = 0


class _QueryAnswer(msgspec.Struct):
    response: _Response


@dataclass(frozen=True, slots=True)
class Answer:
    """The application's answer to a question, as of a height: its own word, without a proof."""

    code: int
    value: bytes
    height: int
    words: str


class _NotExecutedYet(Exception):
    """A block is there, and what it did is not yet."""


def name_of(data: bytes) -> bytes:
    """The name of signed bytes on a chain: their SHA-256."""
    return hashlib.sha256(data).digest()


class LedgerClient:
    """One node's way into a ledger. Submissions may come from several threads, waits from one."""

    def __init__(
        self, node: Node, light: LightClient | None = None, patience: Patience | None = None
    ) -> None:
        """With `light`, inclusions are proven; `patience` is that of each call."""
        self._node = node
        self._light = light
        self._patience = patience or Patience()
        self._seen_height: int | None = None

    def height(self) -> int:
        """The height of the node's last block. Raises as `Node.ask`."""
        status = self._node.ask("status", _StatusAnswer)
        self._seen_height = status.sync_info.latest_block_height
        return self._seen_height

    def is_catching_up(self) -> bool:
        """Whether the node is still fetching blocks that others have. Raises as `Node.ask`."""
        return self._node.ask("status", _StatusAnswer).sync_info.catching_up

    def submit(self, data: bytes) -> Submission:
        """Hand signed bytes to the node; may be repeated at any time, and counts once.

        Returns when the application has looked at them; nothing is durable yet. Raises Congested,
        NodeUnreachable, TooLarge, NodeRefused, or NodeConfused.
        """
        name, text = name_of(data), base64.b64encode(data).decode()
        began = time.monotonic()
        attempts = height = 0
        last: Exception | None = None
        for wait_s in self._patience.waits_s():
            attempts += 1
            try:
                height = self._seen_height if self._seen_height is not None else self.height()
                said = self._node.ask("broadcast_tx_sync", _BroadcastAnswer, tx=text)
            except NodeUnreachable as error:
                last = error
            except NodeRefused as error:
                if _KNOWN_WORDS in error.what:
                    return Submission(name, Taken.KNOWN, height, 0, error.what)
                if _has(error.what, _LARGE_WORDS):
                    raise TooLarge(len(data), error.what) from error
                if not _has(error.what, (*_FULL_WORDS, *_UNSURE_WORDS)):
                    raise
                last = error
            else:
                return self._answered(name, height, said)
            time.sleep(wait_s)
        if isinstance(last, NodeRefused):
            raise Congested(attempts, time.monotonic() - began, last.what) from last
        raise last or NodeUnreachable(self._node.name, "no time was given to try")

    def wait(self, names: Collection[bytes], since: int) -> dict[bytes, Inclusion]:
        """Wait until all of these are in blocks after height `since`, and say where.

        `since` is the height of the first submission; whoever resumes keeps it with the bytes.
        Raises NotYet, which says up to which height was looked; Unproven; and the errors of
        `Node.ask` when the node stays away.
        """
        missing = set(names)
        found: dict[bytes, Inclusion] = {}
        done = since
        last: NodeUnreachable | None = None
        for wait_s in self._patience.waits_s():
            try:
                here, done = self.look(missing, done)
                found.update(here)
                missing.difference_update(here)
                last = None
            except NodeUnreachable as error:
                last = error
            if not missing:
                return found
            time.sleep(wait_s)
        if last is not None:
            raise last
        raise NotYet(len(missing), done)

    def look(self, names: Collection[bytes], since: int) -> tuple[dict[bytes, Inclusion], int]:
        """Which of these are in blocks after height `since` by now, without waiting.

        The second is the height from which to look on for the others. Raises as `wait`, but for
        NotYet.
        """
        missing = set(names)
        found: dict[bytes, Inclusion] = {}
        done = since
        with contextlib.suppress(_NotExecutedYet):
            top = self.height()
            while missing and done < top:
                done = self._read_page(done, top, missing, found)
        return found, done

    def query(self, path: str, data: bytes, height: int = 0) -> Answer:
        """Ask the application. Raises as `Node.ask`."""
        said = self._node.ask(
            "abci_query", _QueryAnswer, path=path, data=data.hex(), height=str(height)
        ).response
        return Answer(said.code, said.value or b"", said.height, said.log)

    def _answered(self, name: bytes, height: int, said: _BroadcastAnswer) -> Submission:
        if said.hash != name.hex().upper():
            raise NodeConfused(self._node.name, "it answers about another transaction")
        if said.code == ItemOutcome.REPEATED:
            return Submission(name, Taken.KNOWN, height, said.code, said.log)
        taken = Taken.NEW if said.code == 0 else Taken.REFUSED
        return Submission(name, taken, height, said.code, said.log)

    def _read_page(
        self, done: int, top: int, missing: set[bytes], found: dict[bytes, Inclusion]
    ) -> int:
        """Look into the blocks after `done`, at most a page of them; the last height looked at."""
        last = min(done + HEADERS_PER_PAGE, top)
        told = self._node.ask(
            "blockchain", _HeadersAnswer, minHeight=str(done + 1), maxHeight=str(last)
        )
        metas = sorted(told.block_metas, key=lambda meta: meta.header.height)
        if [meta.header.height for meta in metas] != list(range(done + 1, last + 1)):
            raise NodeConfused(self._node.name, f"it does not show the blocks {done + 1} to {last}")
        for meta in metas:
            if meta.num_txs and missing:
                self._read_block(meta.header.height, missing, found)
        return last

    def _read_block(self, height: int, missing: set[bytes], found: dict[bytes, Inclusion]) -> None:
        block = self._node.ask("block", _BlockAnswer, height=str(height)).block
        transactions = block.data.txs or []
        here = {
            name: place
            for place, name in enumerate(name_of(each) for each in transactions)
            if name in missing
        }
        if not here:
            return
        if self._light is not None:
            self._prove(self._light, height, block, transactions)
        codes = self._codes(height)
        if codes is not None and len(codes) != len(transactions):
            raise NodeConfused(
                self._node.name, f"it has other results than transactions at {height}"
            )
        for name, place in here.items():
            code = None if codes is None else codes[place]
            found[name] = Inclusion(height, place, code, self._light is not None)
        missing.difference_update(here)

    def _prove(
        self, light: LightClient, height: int, block: _Block, transactions: list[bytes]
    ) -> None:
        """Raise Unproven unless the validators signed a block with just these transactions."""
        certain = light.trust_at(height)
        try:
            header = read_header(block.header)
            hashed = header_hash(header)
        except ConsensusError as error:
            raise Unproven(height, str(error)) from error
        if hashed != certain.header_hash:
            raise Unproven(height, "its header is not what the validators signed")
        if header.data_hash != transactions_hash(transactions):
            raise Unproven(height, "its transactions are not those of its header")

    def _codes(self, height: int) -> list[int] | None:
        """What each transaction of a block did; None where the node does not keep it."""
        try:
            told = self._node.ask("block_results", _ResultsAnswer, height=str(height))
        except NodeRefused as error:
            if _NO_RESULTS_WORDS in error.what:
                return None
            if _NO_RESULTS_YET_WORDS in error.what:
                raise _NotExecutedYet from error
            raise
        return [each.code for each in told.txs_results or ()]


def _has(text: str, words: Collection[str]) -> bool:
    return any(each in text for each in words)
