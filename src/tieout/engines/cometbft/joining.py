"""A further node of a network that runs already: an observer, or a validator to be.

The problem: a network is founded in one go, and members come later, machines are replaced. The
model: the ledger's genesis says everything that all nodes have alike, so a new node needs that
file, the addresses of some nodes, and their consent to connect. It begins with every block, or with
the state of others after a cut-off (state sync). For the latter CometBFT has to be told a block to
trust: it is found here, by light verification from the validators that the genesis names, so that
nobody's word is needed. Votes come later, by a change of members.
"""

import base64
import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tieout.consensus.hashing import address
from tieout.engines.cometbft.founding import NAME
from tieout.engines.cometbft.nodes import ledgers_within
from tieout.engines.cometbft.peers import read_allowed, write_allowed
from tieout.engines.cometbft.places import COMETBFT, GENESIS_FILE, NODE_FILE
from tieout.engines.cometbft.settings import (
    Network,
    NodeKeys,
    NodeSettings,
    StateSync,
    write_node,
)
from tieout.engines.errors import EngineError
from tieout.engines.places import LEDGERS
from tieout.evidence.ordering import founding_trust
from tieout.sdk.errors import SdkError
from tieout.sdk.light import LightClient, signed_header
from tieout.sdk.transport import Node
from tieout.wire.errors import WireError
from tieout.wire.genesis import Genesis, parse_genesis

TRUST_AGE_US: Final = 84 * 3_600 * 1_000_000
"""How old the block may be with which state sync begins: half of the time for which CometBFT takes
validators to answer for what they signed (`settings`)."""
PEER: Final = re.compile(r"[0-9a-f]{40}@[^@,\s:]+:[0-9]{1,5}")
NODE_ID: Final = re.compile(r"[0-9a-f]{40}")


class Joined(NamedTuple):
    """What others have to know of a new node: its id, and the key with which it could vote."""

    node_id: str
    validator: str
    state_sync: StateSync | None


def read_network(path: Path) -> tuple[Genesis, list[str]]:
    """The genesis in a file, or of the copies in a directory, whose nodes say whom they know.

    Nodes are `id@host:port`; a file names none. Raises EngineError, also for several ledgers.
    """
    if path.is_file():
        return _genesis(path), []
    copies = ledgers_within([path])
    geneses = [_genesis(copy / GENESIS_FILE) for copy in copies]
    if any(genesis != geneses[0] for genesis in geneses):
        raise EngineError(
            f"{path} holds copies of several ledgers",
            f"name one of them: {', '.join(map(str, copies))}",
        )
    peers = dict.fromkeys(peer for copy in copies for peer in peers_of(copy))
    return geneses[0], list(peers)


def place_in(directory: Path, genesis: Genesis) -> Path:
    """The directory of the new copy: one that is named `PARTY/ledgers/NAME`, or in a party's.

    There it is called as the ledger calls itself. Raises EngineError.
    """
    if directory.absolute().parent.name == LEDGERS:
        return directory
    if any((directory / file).exists() for file in (GENESIS_FILE, NODE_FILE)):
        raise EngineError(f"{directory} holds a ledger already", "name another directory")
    if not NAME.fullmatch(genesis.name):
        raise EngineError(
            f"the ledger is called {genesis.name!r}, which is no name of a directory",
            f"name the place: {directory / LEDGERS}/NAME",
        )
    return directory / LEDGERS / genesis.name


def peers_of(node: Path) -> list[str]:
    """A node of this house and those that it knows, each `id@host:port`. Raises EngineError."""
    config = node / COMETBFT / "config"
    try:
        p2p = tomllib.loads((config / "config.toml").read_text())["p2p"]
        key = json.loads((config / "node_key.json").read_text())["priv_key"]["value"]
        public = base64.b64decode(key)[32:]
        own = f"{address(public).hex()}@{p2p['laddr'].removeprefix('tcp://')}"
    except (OSError, ValueError, KeyError) as error:
        raise EngineError(f"{node} is no node's directory: {error}") from error
    return [own, *filter(None, p2p["persistent_peers"].split(","))]


def join_network(
    directory: Path,
    genesis: Genesis,
    node: NodeSettings,
    servers: Sequence[str] = (),
    now_us: int = 0,
) -> Joined:
    """Write the files of a further node, with keys of its own; `directory` is the ledger's.

    `node.peers` are those that it calls. With `servers` (RPC addresses) it begins by state sync,
    from a block of the time before `now_us`. Raises EngineError when there is a node already, the
    genesis names no validators, or what the servers show was not agreed on.
    """
    if not genesis.validators:
        raise EngineError(
            "the genesis names no validators: nobody orders this ledger but its operator",
            "found a network: tieout network init",
        )
    if not node.peers:
        raise EngineError("no node to connect to was named", "name one: ID@HOST:PORT")
    for peer in node.peers:
        if not PEER.fullmatch(peer):
            raise EngineError(
                f"{peer!r} is not ID@HOST:PORT", "40 hexadecimal digits, and where it listens"
            )
    sync = trusted_block(genesis, servers, now_us) if servers else None
    keys = NodeKeys.make()
    ids = [peer.partition("@")[0] for peer in node.peers]
    network = Network(
        genesis,
        tuple(
            (genesis.parties[each.party - 1].name, bytes.fromhex(each.public), each.power)
            for each in genesis.validators
        ),
        (*ids, keys.node_id),
    )
    settings = NodeSettings(node.name, node.p2p, node.rpc, node.peers, sync)
    write_node(directory, network, settings, keys)
    directory.chmod(0o700)
    return Joined(keys.node_id, keys.validator.public.hex(), sync)


def allow_peer(node: Path, node_id: str) -> bool:
    """Let another node connect to one of this house; at once, also while it runs.

    False when it may already. Raises EngineError for what is no node, or no id.
    """
    if not NODE_ID.fullmatch(node_id):
        raise EngineError(f"{node_id!r} is no id of a node", "an id has 40 hexadecimal digits")
    allowed = read_allowed(node)
    if allowed is None or node_id in allowed:
        return False
    write_allowed(node, (*allowed, node_id))
    return True


class _SyncInfo(msgspec.Struct):
    earliest_block_height: int
    latest_block_height: int


class _Status(msgspec.Struct):
    sync_info: _SyncInfo


def trusted_block(genesis: Genesis, servers: Sequence[str], now_us: int) -> StateSync:
    """Where state sync begins: a block that the founding validators lead to, some days old at most.

    Raises EngineError when the first server cannot be asked, or shows what was not agreed on.
    """
    host, mark, port = servers[0].rpartition(":")
    if not mark or not port.isdigit():
        raise EngineError(f"{servers[0]!r} is not HOST:PORT", "name the RPC address of a node")
    try:
        with Node(host, int(port)) as node:
            said = node.ask("status", _Status).sync_info
            first, last = max(1, said.earliest_block_height), said.latest_block_height - 1
            if last < first:
                raise EngineError(f"{servers[0]} has too few blocks yet", "try again in a moment")
            height = _first_since(node, first, last, now_us - TRUST_AGE_US)
            certain = LightClient(node, founding_trust(genesis)).trust_at(height)
    except SdkError as error:
        raise EngineError(f"no state can be taken from {servers[0]}: {error}") from error
    # CometBFT wants two servers, and compares what they say.
    both = tuple(servers) if len(servers) > 1 else (servers[0], servers[0])
    return StateSync(both, height, certain.header_hash.hex().upper())


def _first_since(node: Node, first: int, last: int, since_us: int) -> int:
    """The first height from `first` to `last` that is not older, or `last`."""
    while first < last:
        middle = (first + last) // 2
        if signed_header(node, middle).header.time_ns // 1_000 >= since_us:
            last = middle
        else:
            first = middle + 1
    return first


def _genesis(path: Path) -> Genesis:
    try:
        return parse_genesis(path.read_bytes())
    except (OSError, WireError) as error:
        raise EngineError(
            f"{path} is no genesis: {error}", "every member's node has it as genesis.json"
        ) from error
