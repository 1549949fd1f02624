"""CometBFT with its own key-value store, as real processes on loopback, for as long as a test."""

import base64
import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tests.conftest import ROOT
from tieout.engines.cometbft.addresses import free_addresses

PROGRAM = ROOT / "build" / "tools" / "bin" / "cometbft"
HOST = "127.0.0.1"
PATIENCE_S = 40.0
"""Four nodes on two busy cores need a few seconds to find each other."""

FAST = {
    "timeout_propose": "1s",
    "timeout_prevote": "250ms",
    "timeout_precommit": "250ms",
    "timeout_commit": "50ms",
    "addr_book_strict": "false",
    "allow_duplicate_ip": "true",
}
NOTHING: Mapping[str, str] = MappingProxyType({})


def cometbft() -> Path:
    """The program; without it, the test that asks is skipped."""
    if not PROGRAM.is_file():
        pytest.skip(f"no {PROGRAM.relative_to(ROOT)}: build CometBFT 0.38.25 to run this test")
    return PROGRAM


def free_port() -> int:
    return int(free_addresses(1)[0].rsplit(":", 1)[1])


@dataclass
class Node:
    """One validator: its folder, its ports, and its process while it runs."""

    home: Path
    rpc_port: int
    p2p_port: int
    process: subprocess.Popen[bytes] | None = None

    def ask(self, method: str, **params: object) -> Any:
        """The result of one call, over HTTP, with nothing of the project's own in between."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        request = urllib.request.Request(
            f"http://{HOST}:{self.rpc_port}/",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            said = json.load(answer)
        assert "error" not in said, said
        return said["result"]

    def height(self) -> int:
        try:
            return int(self.ask("status")["sync_info"]["latest_block_height"])
        except OSError:
            return 0

    def wait_for(self, height: int) -> None:
        """Wait until the node has this block."""
        until = time.monotonic() + PATIENCE_S
        while self.height() < height:
            assert time.monotonic() < until, f"no block {height} of {self.home.name} in time"
            assert self.process is not None
            assert self.process.poll() is None, (self.home / "log").read_text()[-2000:]
            time.sleep(0.1)

    def key(self) -> bytes:
        """The public key with which this node votes."""
        told = json.loads((self.home / "config" / "priv_validator_key.json").read_text())
        return base64.b64decode(told["pub_key"]["value"])

    def configure(self, settings: Mapping[str, str]) -> None:
        """Change settings of a node that does not run."""
        config = self.home / "config" / "config.toml"
        text = config.read_text()
        for name, value in settings.items():
            quoted = value if re.fullmatch(r"true|false|\d+", value) else f'"{value}"'
            text, changed = re.subn(rf"(?m)^{name} = .*$", f"{name} = {quoted}", text)
            assert changed == 1, name
        config.write_text(text)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self.process = None


def found(
    folder: Path, validators: int, others: int = 0, settings: Mapping[str, str] = NOTHING
) -> list[Node]:
    """Write the settings of a network; nothing runs yet."""
    subprocess.run(
        [
            *(str(cometbft()), "testnet", "--v", str(validators), "--n", str(others)),
            *("--o", str(folder), "--populate-persistent-peers=false"),
        ],
        check=True,
        capture_output=True,
    )
    homes = sorted(folder.glob("node*"), key=lambda home: int(home.name.removeprefix("node")))
    nodes = [Node(home, free_port(), free_port()) for home in homes]
    for node in nodes:
        node.configure({**FAST, **settings})
    return nodes


def start(node: Node, nodes: list[Node]) -> None:
    """Start one node; it looks for all the others."""
    peers = [f"{_node_id(each)}@{HOST}:{each.p2p_port}" for each in nodes if each is not node]
    with (node.home / "log").open("ab") as log:
        node.process = subprocess.Popen(
            [
                *(str(cometbft()), "node", "--home", str(node.home), "--proxy_app", "kvstore"),
                *("--rpc.laddr", f"tcp://{HOST}:{node.rpc_port}"),
                *("--p2p.laddr", f"tcp://{HOST}:{node.p2p_port}"),
                *("--p2p.persistent_peers", ",".join(peers)),
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "GOMAXPROCS": "1"},
        )


def _node_id(node: Node) -> str:
    shown = subprocess.run(
        [str(cometbft()), "show-node-id", "--home", str(node.home)],
        check=True,
        capture_output=True,
        text=True,
    )
    return shown.stdout.strip()


@contextmanager
def running(
    folder: Path, validators: int, others: int = 0, settings: Mapping[str, str] = NOTHING
) -> Iterator[list[Node]]:
    """A network that has made its first block; every process has ended afterwards."""
    nodes = found(folder, validators, others, settings)
    try:
        for node in nodes:
            start(node, nodes)
        for node in nodes:
            node.wait_for(1)
        yield nodes
    finally:
        for node in nodes:
            node.stop()
