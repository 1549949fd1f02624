"""A network that can be cut: each node in a network namespace of its own. Linux, and root.

```
        bridge 0     bridge 1          in the hub: who is on one bridge reaches each other
        │   │   │
       p0  p1  p2      d0 d1 d2        in the hub: the end of each node's two cables
        │   │   │       │  │  │
      eth0 …           desk …          in the node's namespace: to its peers, to its own house
```

Peers are reached over `eth0`, the node's RPC over `desk`: so a house still reaches its node when
that is cut off from the others. To cut the network is to move nodes to the other bridge. Whoever
tests does so from within the hub (`inside`), and nothing is added to the machine's own network.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

_NEW_NETWORK: Final = 0x40000000
"""CLONE_NEWNET of setns(2)."""
_P2P_PORT, _RPC_PORT = 26656, 26657
LISTENING: Final = f"0.0.0.0:{_RPC_PORT}"
"""Where a node's RPC listens: in its own namespace, for its house and for its peers."""
_NAMES: Final = Path("/run/netns")


def why_not() -> str:
    """Why networks cannot be cut here; empty where they can."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "network namespaces need root on Linux"
    missing = [name for name in ("ip", "nsenter") if shutil.which(name) is None]
    return f"{' and '.join(missing)} cannot be found" if missing else ""


class Cables:
    """The namespaces of `count` nodes, made by `laid`."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._hub = f"tieout-{os.getpid()}-hub"
        self._nodes = [f"tieout-{os.getpid()}-{number}" for number in range(count)]

    def p2p(self, number: int) -> str:
        """Where a node's peers find it."""
        return f"10.1.0.{number + 1}:{_P2P_PORT}"

    def rpc(self, number: int) -> str:
        """Where its house finds it."""
        return f"10.2.{number}.1:{_RPC_PORT}"

    def rpc_for_peers(self, number: int) -> str:
        """Where a new node asks for headers."""
        return f"10.1.0.{number + 1}:{_RPC_PORT}"

    def namespace(self, number: int) -> str:
        """What a node's namespace is called."""
        return self._nodes[number]

    def program(self, folder: Path, number: int, cometbft: Path) -> Path:
        """What runs CometBFT in the namespace of a node: a script, written into `folder`."""
        path = folder / f"cometbft-{number}"
        name = _NAMES / self._nodes[number]
        path.write_text(f'#!/bin/sh\nexec nsenter --net={name} {cometbft.absolute()} "$@"\n')
        path.chmod(0o700)
        return path

    def cut_off(self, numbers: Collection[int]) -> None:
        """These nodes reach each other, and nobody else; the others likewise."""
        for number in range(self.count):
            bridge = "1" if number in numbers else "0"
            _ip("-n", self._hub, "link", "set", f"p{number}", "master", f"bridge{bridge}")

    def heal(self) -> None:
        """All reach each other."""
        self.cut_off(())

    def _lay(self) -> None:
        _ip("netns", "add", self._hub)
        for bridge in ("bridge0", "bridge1"):
            _ip("-n", self._hub, "link", "add", bridge, "type", "bridge")
            _ip("-n", self._hub, "link", "set", bridge, "up")
        for number, node in enumerate(self._nodes):
            _ip("netns", "add", node)
            _ip("-n", node, "link", "set", "lo", "up")
            for here, there, address in (
                (f"p{number}", "eth0", f"10.1.0.{number + 1}/24"),
                (f"d{number}", "desk", f"10.2.{number}.1/24"),
            ):
                ends = ("type", "veth", "peer", "name", there, "netns", node)
                _ip("-n", self._hub, "link", "add", here, *ends)
                _ip("-n", node, "address", "add", address, "dev", there)
                _ip("-n", node, "link", "set", there, "up")
                _ip("-n", self._hub, "link", "set", here, "up")
            _ip("-n", self._hub, "address", "add", f"10.2.{number}.2/24", "dev", f"d{number}")
        self.heal()

    def _remove(self) -> None:
        # With a namespace its ends of the cables go, and with one end the other.
        for name in (*self._nodes, self._hub):
            if (_NAMES / name).exists():
                _ip("netns", "delete", name)

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """The calling thread, and what it starts, is in the hub."""
        with (
            Path("/proc/thread-self/ns/net").open("rb") as before,
            (_NAMES / self._hub).open("rb") as hub,
        ):
            _enter(hub.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())


@contextlib.contextmanager
def laid(count: int) -> Iterator[Cables]:
    """Cables for so many nodes, with this thread in the hub; removed afterwards."""
    cables = Cables(count)
    try:
        cables._lay()
        with cables.inside():
            yield cables
    finally:
        cables._remove()


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _NEW_NETWORK) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=30)
