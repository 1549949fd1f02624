"""The nodes under chaos: four validators, and room for those that come later.

Where networks can be cut, each node has a namespace of its own (`cables`); elsewhere all are on
loopback. A node that lies is one of `liars` until it is told to be honest again; the others are
held against each other.
"""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.chaos import byzantine
from tests.chaos.cables import LISTENING, Cables
from tests.chaos.parties import NAMES, POWER, Parties, asked_about
from tests.engines.cometbft.consortium import Node, eventually
from tieout.engines.cometbft import settings
from tieout.engines.cometbft.addresses import free_addresses
from tieout.engines.cometbft.places import COMETBFT, JOURNAL
from tieout.engines.cometbft.process import APPLICATION, NodeFailed, NodeProcesses
from tieout.engines.cometbft.settings import NodeKeys, NodeSettings, StateSync
from tieout.wire.codes import ItemOutcome

VALIDATORS: Final = 4
PLACES: Final = 6
"""Validators, and two that may come later."""
RETURN_S: Final = 90.0
"""Four nodes that all start again, on two busy cores."""
ANSWER_S: Final = 2.0
"""A node that stands still is not asked for longer."""
AGAIN_S: Final = 1.0
"""A node that keeps ending is not started more often."""
CALLS: Final = "calls.log"


class Network:
    """Nodes by number. Made by `running`."""

    def __init__(self, folder: Path, cometbft: Path, cables: Cables | None) -> None:
        self.folder = folder
        self.cables = cables
        self._cometbft = cometbft
        self._keys = [NodeKeys.make() for _ in range(PLACES)]
        if cables is None:
            loopback = free_addresses(2 * PLACES)
            self._p2p, self._rpc = loopback[:PLACES], loopback[PLACES:]
        else:
            self._p2p = [cables.p2p(number) for number in range(PLACES)]
            self._rpc = [cables.rpc(number) for number in range(PLACES)]
        publics = [keys.validator.public for keys in self._keys[:VALIDATORS]]
        self.parties = Parties(publics)
        self._network = settings.Network(
            self.parties.genesis,
            tuple((name, public, POWER) for name, public in zip(NAMES, publics, strict=True)),
            tuple(keys.node_id for keys in self._keys),
        )
        self.nodes: list[Node] = []
        self.liars: list[Node] = []
        self._started: dict[Node, float] = {}
        for number in range(VALIDATORS):
            self.nodes.append(self._made(number))

    def _made(self, number: int, state_sync: StateSync | None = None) -> Node:
        """A node whose files are written, not started."""
        directory = self.folder / f"node{number}"
        peers = tuple(
            f"{self._keys[i].node_id}@{self._p2p[i]}" for i in range(VALIDATORS) if i != number
        )
        rpc = self._rpc[number] if self.cables is None else LISTENING
        node = NodeSettings(directory.name, self._p2p[number], rpc, peers, state_sync)
        settings.write_node(directory, self._network, node, self._keys[number])
        program = self._cometbft
        if self.cables is not None:
            program = self.cables.program(self.folder, number, program)
        processes = NodeProcesses(directory, program, options=["--calls", CALLS])
        return Node(directory, self._rpc[number], processes, ANSWER_S)

    @property
    def honest(self) -> list[Node]:
        """All nodes that do not lie now."""
        return [node for node in self.nodes if node not in self.liars]

    @property
    def top(self) -> int:
        """The highest block that an honest node has."""
        return max(node.height for node in self.honest)

    def number_of(self, node: Node) -> int:
        """A node's number, which never changes."""
        return int(node.directory.name.removeprefix("node"))

    def public(self, node: Node) -> bytes:
        """The public key that a node votes with."""
        return self._keys[self.number_of(node)].validator.public

    def rpc_for_peers(self, node: Node) -> str:
        """Where other nodes reach a node's RPC."""
        return self.cables.rpc_for_peers(self.number_of(node)) if self.cables else node.rpc

    # ------------------------------------------------------------ going on

    def tend(self) -> None:
        """Start again whatever has ended, as a supervisor would."""
        now = time.monotonic()
        for node in self.nodes:
            if not node.processes.is_whole and now >= self._started.get(node, 0.0) + AGAIN_S:
                self._started[node] = now
                # It may end again at once; whoever waits for it finds that it does not come back.
                with contextlib.suppress(NodeFailed):
                    node.processes.start()

    def await_height(self, height: int, nodes: list[Node] | None = None) -> None:
        """These nodes (all honest ones), started again where they ended, reach a block."""
        for node in self.honest if nodes is None else nodes:

            def has_come(node: Node = node) -> bool:
                self.tend()
                return node.height >= height

            eventually(has_come, f"{node.directory.name} reaches block {height}", RETURN_S)

    def await_progress(self, blocks: int = 2) -> None:
        """All honest nodes have more blocks than any of them has now."""
        self.await_height(1)
        self.await_height(self.top + blocks)

    def places(self, node: Node, about: dict[str, int]) -> list[dict[str, int]]:
        """Where a node has items with a number; none while it does not answer."""
        with contextlib.suppress(OSError, RuntimeError):
            code, places = node.ask("/items", about)
            return list(places or ()) if code == 0 else []
        return []

    def place(self, *items: bytes) -> None:
        """Have these in blocks at all honest nodes, one after the other."""
        for item in items:
            about = asked_about(item)
            same = [len(self.places(node, about)) for node in self.honest]
            told: list[str] = []

            def is_taken(item: bytes = item, told: list[str] = told) -> bool:
                self.tend()
                try:
                    told.append(ItemOutcome(self.honest[0].submit(item)).name)
                except RuntimeError as error:
                    told.append(str(error))
                except OSError:
                    return False
                return told[-1] == "ACCEPTED" or "already exists" in told[-1]

            eventually(is_taken, f"an item is taken; it was told {told}", RETURN_S)
            for node, before in zip(self.honest, same, strict=True):

                def is_there(
                    node: Node = node, about: dict[str, int] = about, before: int = before
                ) -> bool:
                    self.tend()
                    return len(self.places(node, about)) > before

                eventually(is_there, f"{node.directory.name} has the item in a block", RETURN_S)

    # ------------------------------------------------------------ nodes that lie, come and go

    @contextlib.contextmanager
    def lying(self, node: Node, how: str) -> Iterator[None]:
        """A node's application is one of `byzantine.LIES` meanwhile."""
        self.liars.append(node)
        node.processes.stop()
        node.processes.command = byzantine.command(how)
        try:
            node.processes.start()
            yield
        finally:
            node.processes.stop()
            node.processes.command = list(APPLICATION)

    def is_honest_again(self, node: Node) -> None:
        """A node that is back from lying, with its journal as it should be."""
        node.processes.start()
        self.liars.remove(node)

    def begin_anew(self, node: Node) -> None:
        """Remove all that a stopped node has, but its keys and what it signed: it replays all."""
        for gone in (JOURNAL, f"{COMETBFT}/data", CALLS):
            path = node.directory / gone
            path.rename(path.with_name(f"{path.name}.before"))
        data = node.directory / COMETBFT / "data"
        data.mkdir(mode=0o700)
        # A validator that forgot what it signed might sign twice.
        (data.with_name("data.before") / "priv_validator_state.json").rename(
            data / "priv_validator_state.json"
        )

    def add(self, number: int, state_sync: StateSync | None = None) -> Node:
        """A further node, started."""
        node = self._made(number, state_sync)
        node.processes.start()
        self.nodes.append(node)
        return node

    def retire(self) -> None:
        """Nodes that came later end, and what they had goes: they may come again."""
        for node in self.nodes[VALIDATORS:]:
            node.processes.stop()
            self.nodes.remove(node)
            gone = node.directory.with_name(f"{node.directory.name}.{self.top}")
            node.directory.rename(gone)

    def change_key(self, node: Node) -> bytes:
        """Give a stopped node another key to vote with; its public half."""
        number = self.number_of(node)
        old, new = self._keys[number], NodeKeys.make()
        self._keys[number] = NodeKeys(old.node, old.node_seed, new.validator, new.validator_seed)
        config = node.directory / COMETBFT / "config"
        content: dict[str, Any] = json.loads((config / "priv_validator_key.json").read_text())
        content["address"] = settings.address(new.validator.public).hex().upper()
        content["pub_key"] = settings._public(new.validator.public)
        content["priv_key"] = settings._private(new.validator, new.validator_seed)
        (config / "priv_validator_key.json").write_text(json.dumps(content))
        return new.validator.public


@contextlib.contextmanager
def running(folder: Path, cometbft: Path, cables: Cables | None) -> Iterator[Network]:
    """Four validators with the agreement in force; all ended afterwards."""
    network = Network(folder, cometbft, cables)
    try:
        for node in network.nodes:
            node.processes.start()
        network.await_progress(1)
        network.place(*network.parties.enactment())
        yield network
    finally:
        for node in network.nodes:
            node.processes.stop()
