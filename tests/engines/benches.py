"""The engines, set up for the shipped suite."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.engines.cometbft.consortium import Consortium, Members, eventually
from tieout.engines.cometbft.places import JOURNAL as NODE_JOURNAL
from tieout.engines.embedded.commit import GroupCommit
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.embedded.places import JOURNAL
from tieout.engines.replica import Replica
from tieout.wire.batch import parse_header
from tieout.wire.codes import ItemOutcome


class EmbeddedBench:
    """One process with the group commit."""

    def __init__(self, directory: Path) -> None:
        self.members = Members()
        self._directory = directory
        self._open()
        for item in self.members.enactment():
            assert self.submit(item) is ItemOutcome.ACCEPTED

    def _open(self) -> None:
        replica = Replica.open(self._directory / JOURNAL, self.members.genesis)
        self._ledger = EmbeddedLedger(self._directory, replica)
        self._commit = GroupCommit(self._ledger, lambda: time.time_ns() // 1_000)

    def submit(self, item: bytes) -> ItemOutcome:
        return self._commit.submit(item).result.outcome

    def restart(self) -> None:
        self.close()
        self._open()

    def journals(self) -> list[Path]:
        return [self._directory / JOURNAL]

    def close(self) -> None:
        self._ledger.journal.close()


class NetworkBench:
    """Real nodes on CometBFT; items are handed to one after the other."""

    def __init__(self, consortium: Consortium) -> None:
        self.members = consortium.members
        self.consortium = consortium
        self._turn = 0
        self._lock = threading.Lock()

    def submit(self, item: bytes) -> ItemOutcome:
        with self._lock:
            node = self.consortium.nodes[self._turn % len(self.consortium.nodes)]
            self._turn += 1
        try:
            outcome = ItemOutcome(node.submit(item))
        except RuntimeError as error:
            # CometBFT knows the very bytes: the application is not asked again.
            if "already exists" not in str(error):
                raise
            return ItemOutcome.REPEATED
        if outcome is not ItemOutcome.ACCEPTED:
            return outcome
        header = parse_header(item)
        places = [each.await_item(header.party, header.sequence) for each in self.consortium.nodes]
        assert places == [places[0]] * len(places)
        return ItemOutcome(places[0]["outcome"])

    def restart(self) -> None:
        nodes = self.consortium.nodes
        for node in nodes:
            node.processes.kill(node.processes.cometbft, node.processes.application)
        for node in nodes:
            node.processes.start()
        # Each has answered, and the network makes blocks again.
        for node in nodes:
            eventually(lambda node=node: node.height > 0, f"{node.directory.name} answers")
        height = max(node.height for node in nodes)
        for node in nodes:
            node.await_height(height + 1)

    def journals(self) -> list[Path]:
        return [node.directory / NODE_JOURNAL for node in self.consortium.nodes]


@contextlib.contextmanager
def network(folder: Path, cometbft: Path, count: int) -> Iterator[NetworkBench]:
    """A network with the agreement in force, ended afterwards."""
    with Consortium(folder, cometbft, count).running() as consortium:
        consortium.enact()
        yield NetworkBench(consortium)
