"""What the honest nodes keep, held against each other, the receipts and the readable rules."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.chaos.load import Receipt
from tests.chaos.network import CALLS, Network
from tests.chaos.parties import TWICE
from tests.engines.cometbft.consortium import Node
from tieout.engines.cometbft.places import JOURNAL
from tieout.journal.frame import Entry
from tieout.journal.journal import Journal
from tieout.reference.ledger import apply_block
from tieout.reference.state import initial_state
from tieout.testing.abcicalls import CallError, check_calls
from tieout.wire.codes import EventKind, ItemOutcome

_NEVER_IN_A_BLOCK = frozenset({ItemOutcome.MALFORMED, ItemOutcome.WRONG_LEDGER})


@dataclass
class Kept:
    """What one node keeps, up to a height; `first` is the height it begins at."""

    first: int = 0
    hashes: dict[int, bytes] = field(default_factory=dict)
    accepted: Counter[bytes] = field(default_factory=Counter)
    outcomes: Counter[ItemOutcome] = field(default_factory=Counter)
    named: list[int] = field(default_factory=list)
    """Party and stream of those who signed twice, as the alarms name them."""

    def add(self, entry: Entry) -> None:
        """Take one block more."""
        height = entry.block.height
        self.first = self.first or height
        self.hashes[height] = entry.result.app_hash
        for item, result in zip(entry.block.items, entry.result.items, strict=True):
            self.outcomes[result.outcome] += 1
            if result.outcome is ItemOutcome.ACCEPTED:
                self.accepted[hashlib.sha256(item).digest()] += 1
        events = entry.result.events
        told = events[events["kind"] == EventKind.EQUIVOCATION]
        self.named += told["extra"].tolist()


@dataclass(frozen=True)
class Found:
    """What was found after a fault; disagreements and differences must be none."""

    blocks: int
    receipts_found: int
    disagreements: int
    differences: list[str]


class Examiner:
    """Reads each journal once, and again from where it stopped."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._kept: dict[Node, Kept] = {}
        self._audit = initial_state(network.parties.genesis)
        self._looks = 0
        self.signed_twice: list[int] = []
        """Parties that signed two for one number, for each time."""

    def kept(self, node: Node) -> Kept:
        """What a node keeps by now."""
        kept = self._kept.setdefault(node, Kept())
        after = max(kept.hashes, default=0)
        for entry in entries(self._network, node, after + 1):
            kept.add(entry)
        return kept

    def forget(self, node: Node) -> None:
        """A node began anew."""
        self._kept.pop(node, None)

    def look(self, receipts: Sequence[Receipt]) -> Found:
        """Hold all honest nodes against each other; every receipt must be at each of them once.

        All of them must have the blocks in which the receipts are.
        """
        honest = self._network.honest
        told = [self.kept(node) for node in honest]
        whole = [kept for kept in told if kept.first == 1]
        one = max(whole, key=lambda kept: len(kept.hashes))
        disagreements = sum(
            one.hashes[height] != app_hash
            for kept in told
            for height, app_hash in kept.hashes.items()
            if height in one.hashes
        )
        found = min(sum(kept.accepted[each.item] == 1 for each in receipts) for kept in whole)
        differences = []
        for node, kept in zip(honest, told, strict=True):
            differences += [f"{node.directory.name}: {what}" for what in self._wrong(node, kept)]
        return Found(len(one.hashes), found, disagreements, [*differences, *self._audited(honest)])

    def _wrong(self, node: Node, kept: Kept) -> Iterator[str]:
        """What is wrong at one node by itself."""
        if any(count > 1 for count in kept.accepted.values()):
            yield "an item counts twice"
        for outcome in _NEVER_IN_A_BLOCK & kept.outcomes.keys():
            yield f"an item in a block is {outcome.name}"
        expected = sorted(party << 16 | TWICE for party in self.signed_twice)
        if kept.first == 1 and sorted(kept.named) != expected:
            yield f"alarms name {sorted(kept.named)} for {expected}"
        try:
            check_calls((node.directory / CALLS).read_text().splitlines())
        except CallError as error:
            yield str(error)

    def _audited(self, honest: list[Node]) -> Iterator[str]:
        """What the readable rules say of the new blocks, as one node after the other has them."""
        # One node is enough: all honest ones have the same app hashes.
        whole = [node for node in honest if self._kept[node].first == 1]
        node = whole[self._looks % len(whole)]
        self._looks += 1
        for entry in entries(self._network, node, self._audit.height + 1):
            self._audit, result = apply_block(self._audit, entry.block)
            outcomes = [each.outcome for each in result.items]
            if (result.app_hash, outcomes) != (
                entry.result.app_hash,
                [each.outcome for each in entry.result.items],
            ):
                yield f"{node.directory.name}: block {result.height} is judged otherwise"
                return


def entries(network: Network, node: Node, first: int) -> Iterator[Entry]:
    """The blocks of a journal that may be growing, from a height on, or from where it begins."""
    ledger_id = network.parties.genesis.ledger_id()
    with Journal.open(node.directory / JOURNAL, ledger_id, read_only=True) as journal:
        yield from journal.entries(max(first, journal.base.height + 1))
