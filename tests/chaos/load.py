"""Parties that publish all the time, each in a thread of its own, whatever happens to the nodes.

A *receipt* is given once an honest node shows the item in a block. Until then the same bytes are
handed in again, at one node after the other: a party that got no answer cannot know better.
"""

import contextlib
import hashlib
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tests.chaos.network import RETURN_S, Network
from tests.chaos.parties import BANK, BRANCH, LOAD, SELLER, asked_about
from tieout.wire.codes import ItemOutcome

PAUSE_S: Final = 0.05
AGAIN_S: Final = 3.0
"""A node that took an item and did not show it by then may have been killed."""
SIZES: Final = (*[1] * 8, *[10] * 4, 100, 1_000)
"""Records of a batch, as often as they stand here."""
_KEPT: Final = frozenset({ItemOutcome.ACCEPTED, ItemOutcome.REPEATED})


@dataclass(frozen=True, slots=True)
class Receipt:
    """An item that was shown in a block: its hash, its records, and how long that took."""

    item: bytes
    records: int
    wait_s: float


class Party:
    """One party that publishes; `sizes` and `at_once` may be changed while it does."""

    def __init__(self, network: Network, party: int, seed: int) -> None:
        self.receipts: list[Receipt] = []
        self.sizes: Sequence[int] = SIZES
        self.at_once = 1
        """How many batches wait together."""
        self.failure = ""
        self._network = network
        self._party = party
        self._chance = random.Random(seed)
        self._stated: dict[str, int] = {}
        self._until = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"party-{party}")

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    def end(self) -> None:
        """What is waiting gets its receipts, and nothing more is published."""
        self._until.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._until.is_set():
                begun = time.monotonic()
                items = [self._batch() for _ in range(self.at_once)]
                waiting = [_Waiting(item, records, begun) for item, records in items]
                self._await_all(waiting)
        except BaseException as error:  # noqa: BLE001 - told by whoever looks at this party
            self.failure = f"party {self._party}: {error!r}"

    def _batch(self) -> tuple[bytes, int]:
        """The next batch, and how many records it has."""
        records = self._chance.choice(self.sizes)
        # The seller states what the bank, or its branch, states as well; the rest stays open.
        series = "B" if self._party == BRANCH else self._chance.choice("KB")
        series = "K" if self._party == BANK else series
        first = self._stated.get(series, 0)
        self._stated[series] = first + records
        stated = [(f"{series}-{first + i}", 100 + i % 7) for i in range(records)]
        return self._network.parties.batch(self._party, LOAD, *stated), records

    def _await_all(self, waiting: "list[_Waiting]") -> None:
        end = time.monotonic() + RETURN_S
        while waiting:
            for each in list(waiting):
                if self._is_shown(each):
                    waiting.remove(each)
                    wait_s = time.monotonic() - each.begun
                    digest = hashlib.sha256(each.item).digest()
                    self.receipts.append(Receipt(digest, each.records, wait_s))
            if waiting and time.monotonic() > end:
                told = [each.told for each in waiting]
                raise TimeoutError(f"items are in no block; nodes said {told}")
            if waiting:
                time.sleep(PAUSE_S)

    def _is_shown(self, each: "_Waiting") -> bool:
        """Hand an item in where that is due; whether an honest node shows it as accepted."""
        if time.monotonic() >= each.hand_in_at:
            # A node that does not answer costs nothing: the next one is tried at once.
            with contextlib.suppress(OSError):
                self._hand_in(each)
        with contextlib.suppress(OSError, RuntimeError):
            code, places = self._chance.choice(self._network.honest).ask("/items", each.about)
            outcomes = [place["outcome"] for place in places or ()] if code == 0 else []
            return ItemOutcome.ACCEPTED in outcomes
        return False

    def _hand_in(self, each: "_Waiting") -> None:
        node = self._chance.choice(self._network.nodes)
        try:
            outcome = ItemOutcome(node.submit(each.item))
        except RuntimeError as error:
            # It is known already, or the mempool is full.
            each.told = str(error)
            each.hand_in_at = time.monotonic() + AGAIN_S
            return
        # A refusal is not final: a node that lies, or has not caught up, does not know better.
        each.told = f"{node.directory.name}: {outcome.name}"
        if outcome in _KEPT:
            each.hand_in_at = time.monotonic() + AGAIN_S


class _Waiting:
    """An item on its way."""

    def __init__(self, item: bytes, records: int, begun: float) -> None:
        self.item = item
        self.records = records
        self.begun = begun
        self.hand_in_at = begun
        self.told = ""
        self.about = asked_about(item)


class Load:
    """All parties."""

    def __init__(self, network: Network, seed: int) -> None:
        self.parties = {
            party: Party(network, party, seed + party) for party in (SELLER, BANK, BRANCH)
        }

    @property
    def receipts(self) -> list[Receipt]:
        """All that were given so far."""
        return [each for party in self.parties.values() for each in list(party.receipts)]

    @property
    def failures(self) -> list[str]:
        """What made parties give up; must be empty."""
        return [party.failure for party in self.parties.values() if party.failure]

    @contextlib.contextmanager
    def going_on(self) -> Iterator["Load"]:
        """Everybody publishes meanwhile."""
        for party in self.parties.values():
            party.start()
        try:
            yield self
        finally:
            for party in self.parties.values():
                party.end()
