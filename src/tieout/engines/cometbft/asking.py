"""What a sender has to know of its own node's copy of the ledger; only what is committed counts."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from tieout.engines.cometbft.queries import (
    ANSWERED,
    NOT_FOUND,
    AboutItem,
    AboutPlaces,
    AboutStream,
)
from tieout.engines.errors import EngineError
from tieout.engines.receipt import Receipt
from tieout.sdk.client import Answer, LedgerClient
from tieout.sdk.errors import NodeRefused, NodeUnreachable
from tieout.sdk.transport import Node
from tieout.wire.block import ItemResult
from tieout.wire.codes import ItemOutcome
from tieout.wire.numbered import Numbered

_POLL_S: Final = 0.05


class _Stream(msgspec.Struct):
    lowest_unused: int
    highest_used: int
    digest: str = ""


class _Place(msgspec.Struct):
    leaf: int | None
    height: int
    time_us: int
    item: int
    digest: str
    outcome: int
    rows: tuple[int, ...]
    bad_row: int | None
    app_hash: str


class Asking:
    """Questions of one party to its node. Raises NodeUnreachable while it does not answer."""

    def __init__(self, node: Node, party: int, directory: Path) -> None:
        self.node = node
        self.party = party
        self._directory = directory
        self._client = LedgerClient(node)

    def await_ready(self, patience_s: float, away_s: float) -> int:
        """Wait until the node follows the chain; a height that it has committed, at least 1.

        Before block 1 no key is valid, and a node that is behind does not know which numbers are
        used. Raises EngineError when it takes longer than `patience_s`, or the node does not answer
        at all for `away_s`.
        """
        until = time.monotonic() + patience_s
        away_since = time.monotonic()
        while True:
            try:
                what = "it is still fetching blocks"
                if not self._client.is_catching_up():
                    what = "it has no block yet"
                    height = self._ask("/stream", AboutStream(self.party, 0)).height
                    if height:
                        return height
                away_since = time.monotonic()
            except (NodeUnreachable, NodeRefused) as error:
                what = str(error)
            if time.monotonic() >= min(until, away_since + away_s):
                raise EngineError(
                    f"nothing can be published through the node in {self._directory}: {what}",
                    f"is it running? tieout network run {self._directory}",
                )
            time.sleep(_POLL_S)

    def highest_used(self, stream: int) -> int:
        """The highest number of a stream that the ledger has; 0: none."""
        return self._stream(stream, 0).highest_used

    def is_used(self, stream: int, sequence: int) -> bool:
        """Whether the ledger has a number that is not below the last 1,024."""
        return self._stream(stream, sequence).digest != ""

    def uses(self, place: Numbered) -> bytes:
        """The digest of what used an item's number; empty while it is unused, or below the window.

        Of a number below the last 1,024 the copy says what it keeps.
        """
        digest = self._stream(place.stream, place.sequence).digest
        if digest:
            return bytes.fromhex(digest)
        found = self._places(place)
        return bytes.fromhex(found[0].digest) if found else b""

    def receipt_of(self, place: Numbered) -> Receipt | None:
        """The receipt of an item that is on the ledger; None when this copy does not keep it."""
        for found in self._places(place):
            if found.digest == place.digest.hex():
                return _receipt(found)
        return None

    def receipts_at(self, height: int, places: Sequence[int]) -> list[Receipt]:
        """The receipts of what stands at places of a block; none while it is not committed."""
        answer = self._ask("/places", AboutPlaces(height, tuple(places)))
        if answer.code == NOT_FOUND and answer.height < height:
            return []
        return list(map(_receipt, msgspec.json.decode(_value(answer), type=list[_Place])))

    def _stream(self, stream: int, sequence: int) -> _Stream:
        answer = self._ask("/stream", AboutStream(self.party, stream, sequence))
        return msgspec.json.decode(_value(answer), type=_Stream)

    def _places(self, place: Numbered) -> list[_Place]:
        about = AboutItem(self.party, place.stream, place.sequence)
        return msgspec.json.decode(_value(self._ask("/items", about)), type=list[_Place])

    def _ask(self, path: str, about: msgspec.Struct) -> Answer:
        answer = self._client.query(path, msgspec.json.encode(about))
        if answer.code not in {ANSWERED, NOT_FOUND}:
            # A block is being written, or the application is about to start again.
            raise NodeUnreachable(self.node.name, answer.words)
        return answer


def _value(answer: Answer) -> bytes:
    if answer.code != ANSWERED:
        raise EngineError(f"the node does not have what is asked for: {answer.words}")
    return answer.value


def _receipt(place: _Place) -> Receipt:
    result = ItemResult(ItemOutcome(place.outcome), place.leaf, place.rows, place.bad_row)
    return Receipt(place.height, place.time_us, place.item, result, bytes.fromhex(place.app_hash))
