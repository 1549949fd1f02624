"""A small consortium: its genesis, what its members sign, and networks of real nodes."""

import base64
import contextlib
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.engines.ledgers import AGREEMENT, rows
from tieout.engines.cometbft.addresses import free_addresses
from tieout.engines.cometbft.process import NodeProcesses
from tieout.engines.cometbft.settings import (
    Network,
    NodeKeys,
    NodeSettings,
    rpc_address,
    write_node,
)
from tieout.engines.keyfile import HeldKeys
from tieout.engines.keyring import KeyRing, found_parties
from tieout.engines.publisher import Publisher
from tieout.sdk.client import LedgerClient
from tieout.sdk.errors import SdkError
from tieout.sdk.transport import Node as Rpc
from tieout.wire.codes import OperationKind, Purpose
from tieout.wire.operations import CloseCutoff, Enact

SELLER, BANK = 0, 1
WAIT_S = 30.0
OBSERVERS = 2
"""Nodes that may be added to the validators."""


class Members:
    """The parties of a ledger, with test keys for all of them, made for this run."""

    def __init__(self) -> None:
        # Block 1 has the genesis' time.
        created_us = int(time.time()) * 1_000_000
        self.genesis, stored = found_parties(AGREEMENT.roles, created_us, "consortium")
        self.ring = KeyRing(self.genesis, HeldKeys(stored))
        self._publishers: dict[tuple[int, int], Publisher] = {}

    def publisher(self, party: int, stream: int = 0) -> Publisher:
        return self._publishers.setdefault(
            (party, stream), Publisher(self.ring, party, stream, next_sequence=1)
        )

    def last_sequence(self, role: int) -> int:
        """The number of the last item of a role's party."""
        return self.publisher(role + 1).next_sequence - 1

    def enactment(self) -> list[bytes]:
        """What puts the agreement into force: both parties sign it."""
        body = Enact(AGREEMENT.canonical, ((1,), (2,)))
        return [
            self.publisher(party).operation(OperationKind.ENACT, Purpose.GOVERN, body)
            for party in (1, 2)
        ]

    def batch(self, role: int, *stated: tuple[str, int], sequence: int | None = None) -> bytes:
        """A batch with the next number of its party, or with one out of turn."""
        publisher = self.publisher(role + 1)
        if sequence is not None:
            publisher = Publisher(self.ring, role + 1, 0, sequence)
        return publisher.batch(AGREEMENT, role, rows(*stated))

    def cutoff(self, cutoff_us: int) -> bytes:
        body = CloseCutoff(AGREEMENT.name, cutoff_us)
        return self.publisher(1).operation(OperationKind.CLOSE_CUTOFF, Purpose.PUBLISH, body)


class Node:
    """A node of a running network, asked over its RPC."""

    def __init__(
        self, directory: Path, rpc: str, processes: NodeProcesses, answer_s: float = WAIT_S
    ) -> None:
        self.directory = directory
        self.answer_s = answer_s
        self.rpc = rpc
        self.processes = processes

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": arguments})
        request = urllib.request.Request(
            f"http://{self.rpc}", body.encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=self.answer_s) as response:  # noqa: S310
                answer: dict[str, Any] = json.load(response)
        except (http.client.HTTPException, ValueError) as error:
            raise ConnectionError(f"{self.rpc} broke off its answer") from error
        if "error" in answer:
            raise RuntimeError(str(answer["error"]))
        result: dict[str, Any] = answer["result"]
        return result

    def submit(self, item: bytes) -> int:
        """The code that the node's filter gives."""
        result = self.call("broadcast_tx_sync", tx=base64.b64encode(item).decode())
        return int(result["code"])

    def ask(self, path: str, about: object = None, height: int = 0) -> tuple[int, Any]:
        """(code, value) of a question to the application."""
        data = b"" if about is None else json.dumps(about).encode()
        answer = self.call("abci_query", path=path, data=data.hex(), height=str(height))
        response = answer["response"]
        value = response.get("value")
        return response["code"], None if not value else json.loads(base64.b64decode(value))

    @property
    def height(self) -> int:
        """The last block; 0 while the node does not answer."""
        try:
            return int(self.call("status")["sync_info"]["latest_block_height"])
        except (OSError, urllib.error.URLError, RuntimeError):
            return 0

    def app_hash_after(self, height: int) -> str:
        """The app hash after a block, as the header after it has it."""
        header = self.call("header", height=str(height + 1))["header"]
        return str(header["app_hash"]).lower()

    def await_height(self, height: int) -> None:
        eventually(lambda: self.height >= height, f"{self.directory.name} reaches block {height}")

    def await_item(self, party: int, sequence: int) -> dict[str, Any]:
        """Where the item with this number stands, once it stands in a block."""
        about = {"party": party, "stream": 0, "sequence": sequence}

        found: list[dict[str, Any]] = []

        def is_there() -> bool:
            # Kept from the one answer: the next may be that a block is being written.
            with contextlib.suppress(OSError, RuntimeError):
                found[:] = self.ask("/items", about)[1] or []
            return bool(found)

        eventually(is_there, f"item {sequence} of party {party} is in a block")
        (place,) = found
        return place


def eventually(holds: Callable[[], bool], what: str, wait_s: float = WAIT_S) -> None:
    """Wait until something holds; fail with what did not."""
    until = time.monotonic() + wait_s
    while not holds():
        assert time.monotonic() < until, f"not within {wait_s} s: {what}"
        time.sleep(0.02)


def await_first_block(directory: Path) -> None:
    """Wait until the node in a directory, which somebody starts, has a block."""

    def has_block() -> bool:
        with Rpc(*rpc_address(directory)) as rpc, contextlib.suppress(SdkError):
            return LedgerClient(rpc).height() >= 1
        return False

    eventually(has_block, f"{directory.name} has a block")


def free_address() -> str:
    """An address on loopback at which nobody listens."""
    return free_addresses(1)[0]


class Consortium:
    """Nodes that are not started yet: each of them a validator, but for those added later."""

    def __init__(self, folder: Path, cometbft: Path, count: int) -> None:
        self.members = Members()
        self.cometbft = cometbft
        self._folder = folder
        self._keys = [NodeKeys.make() for _ in range(count + OBSERVERS)]
        self._p2p = [free_address() for _ in self._keys]
        validators = tuple((f"node{i}", self._keys[i].validator.public, 10) for i in range(count))
        ids = tuple(keys.node_id for keys in self._keys)
        self.network = Network(self.members.genesis, validators, ids)
        self.nodes = [self.add(i) for i in range(count)]

    def add(self, number: int, **settings: Any) -> Node:
        """Write the files of a node; those after the validators only observe."""
        directory, rpc = self._folder / f"node{number}", free_address()
        peers = tuple(
            f"{keys.node_id}@{p2p}"
            for i, (keys, p2p) in enumerate(zip(self._keys, self._p2p, strict=True))
            if i != number and i < len(self.network.validators)
        )
        node = NodeSettings(directory.name, self._p2p[number], rpc, peers, **settings)
        write_node(directory, self.network, node, self._keys[number])
        calls = ["--calls", "calls.log"]
        return Node(directory, rpc, NodeProcesses(directory, self.cometbft, options=calls))

    @contextlib.contextmanager
    def running(self) -> Iterator["Consortium"]:
        """All nodes, started; ended at the end."""
        try:
            for node in self.nodes:
                node.processes.start()
            yield self
        finally:
            for node in self.nodes:
                node.processes.stop()

    def enact(self) -> None:
        """Put the agreement into force, and wait until every node has it."""
        node = self.nodes[0]
        node.await_height(1)
        for item in self.members.enactment():
            assert node.submit(item) == 0
        for each in self.nodes:
            each.await_item(2, 1)
