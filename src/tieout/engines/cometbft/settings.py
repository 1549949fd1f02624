"""A node's files: CometBFT's settings, genesis and keys, and the application's own.

The problem: CometBFT has some hundred settings, made for strangers on the internet; members of a
ledger know each other, are on fast links, and want an answer within a fraction of a second. A value
that differs from node to node can slow all of them down.

The model: `SETTINGS` and `node_settings` name what differs from CometBFT's own choice, with the
reason, once for all nodes; everything else is left to CometBFT. Private keys are readable by their
owner alone. What is signed by a validator's key is also written down in its state file: that file
is never written over, as a validator that forgets what it signed may sign twice.
"""

import base64
import json
import os
import secrets
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from tieout.consensus.hashing import address, chain_id_of
from tieout.engines.cometbft.limits import (
    MAX_BLOCK_BYTES,
    MEMPOOL_BYTES,
    MEMPOOL_ITEMS,
)
from tieout.engines.cometbft.nodes import refuse_single_ledger
from tieout.engines.cometbft.places import COMETBFT, GENESIS_FILE, LOGS, NODE_FILE, SOCKET
from tieout.engines.errors import EngineError, NoLedger
from tieout.engines.places import ledgers_of
from tieout.wire.ed25519 import SEED_BYTES, SigningKey
from tieout.wire.errors import WireError
from tieout.wire.genesis import Genesis, parse_genesis
from tieout.wire.limits import MAX_BATCH_BYTES

Value = str | int | bool
Setting = tuple[str, str, Value, str]
"""Section (empty: none), name, value, reason."""

LAN_BYTES_A_SECOND: Final = 200_000_000

VALIDATOR_KEY: Final = "priv_validator_key.json"
"""In CometBFT's `config/`: with what the node votes."""
NEXT_VALIDATOR_KEY: Final = "priv_validator_key.next.json"
"""Beside it: with what it will vote once the members have agreed."""
SETTINGS: Final[tuple[Setting, ...]] = (
    ("", "proxy_app", f"unix://{SOCKET}", "a UNIX socket: gRPC takes no block beyond 4 MiB"),
    ("", "filter_peers", True, "only nodes of members connect; the application knows them"),
    ("", "log_level", "state:info,statesync:info,*:error", "one line a block"),
    ("rpc", "max_body_bytes", 2 * MAX_BATCH_BYTES, "the largest batch, a third larger in base64"),
    ("rpc", "timeout_broadcast_tx_commit", "30s", "as long as a client would wait"),
    ("p2p", "pex", False, "members are told of each other, and of nobody else"),
    ("p2p", "addr_book_strict", False, "members' addresses may be private ones"),
    ("p2p", "allow_duplicate_ip", True, "several nodes of one house share an address"),
    ("p2p", "flush_throttle_timeout", "2ms", "a vote waits for its packet to be sent; was 100 ms"),
    ("p2p", "send_rate", LAN_BYTES_A_SECOND, "was 5 MB/s: a block of 8 MB took two seconds"),
    ("p2p", "recv_rate", LAN_BYTES_A_SECOND, "as send_rate"),
    ("p2p", "max_packet_msg_payload_size", 10_240, "fewer packets for a block; equal on all nodes"),
    ("p2p", "persistent_peers_max_dial_period", "2s", "a member that was away is back soon"),
    ("mempool", "recheck", False, "a block removes what it holds; the rest is checked in a block"),
    ("mempool", "size", MEMPOOL_ITEMS, "see limits.py"),
    ("mempool", "max_txs_bytes", MEMPOOL_BYTES, "see limits.py"),
    ("mempool", "cache_size", 5 * MEMPOOL_ITEMS, "an item that was seen is not checked again"),
    ("mempool", "max_tx_bytes", MAX_BATCH_BYTES, "the largest batch"),
    ("consensus", "timeout_propose", "1s", "a silent proposer costs a second; a busy one has it"),
    ("consensus", "timeout_propose_delta", "500ms", "half as much again in each further round"),
    ("consensus", "timeout_prevote", "250ms", "votes cross a LAN in milliseconds"),
    ("consensus", "timeout_prevote_delta", "250ms", "as much again in each further round"),
    ("consensus", "timeout_precommit", "250ms", "as timeout_prevote"),
    ("consensus", "timeout_precommit_delta", "250ms", "as timeout_prevote_delta"),
    ("consensus", "timeout_commit", "0s", "nobody waits for the last vote; equal on all nodes"),
    ("consensus", "skip_timeout_commit", True, "with all votes in, the next height begins"),
    ("consensus", "create_empty_blocks", False, "a block needs an item, or the interval's end"),
    ("consensus", "create_empty_blocks_interval", "1s", "deadlines need time to go on"),
    ("consensus", "peer_gossip_sleep_duration", "5ms", "was 100 ms, the largest part of a block"),
    ("storage", "discard_abci_responses", True, "the journal keeps what became of each item"),
    ("tx_index", "indexer", "null", "the journal is asked instead"),
)
"""What is the same on every node."""


@dataclass(frozen=True, slots=True)
class StateSync:
    """Where a new node finds a state: RPC servers, and a block that somebody vouches for."""

    rpc_servers: tuple[str, ...]
    trust_height: int
    trust_hash: str


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """A node's two private keys: what it is known by to its peers, and what it votes with."""

    node: SigningKey
    node_seed: bytes
    validator: SigningKey
    validator_seed: bytes

    @classmethod
    def make(cls) -> "NodeKeys":
        """Fresh keys."""
        seeds = secrets.token_bytes(SEED_BYTES), secrets.token_bytes(SEED_BYTES)
        return cls(SigningKey(seeds[0]), seeds[0], SigningKey(seeds[1]), seeds[1])

    @property
    def node_id(self) -> str:
        """What peers call the node: 40 hex digits of the hash of its key."""
        return address(self.node.public).hex()


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What differs from node to node. Addresses are `host:port`; `peers` are `id@host:port`."""

    name: str
    p2p: str
    rpc: str
    peers: tuple[str, ...] = ()
    state_sync: StateSync | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """What every node of a ledger has alike. `validators`: (name, public key, power)."""

    genesis: Genesis
    validators: tuple[tuple[str, bytes, int], ...]
    node_ids: tuple[str, ...] = field(default=())


class NodeFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the application must know: ids of the nodes that may connect (null: any)."""

    format: int
    peers: tuple[str, ...] | None


def app_state(genesis: Genesis) -> dict[str, str]:
    """What stands in CometBFT's genesis for the application to check."""
    return {"ledger_id": genesis.ledger_id().hex()}


def write_node(directory: Path, network: Network, node: NodeSettings, keys: NodeKeys) -> None:
    """Write all files of a new node; existing ones are not written over.

    Raises EngineError when there is a node already, or the directory cannot be written.
    """
    home = directory / COMETBFT
    if (directory / NODE_FILE).exists() or (home / "config").exists():
        raise EngineError(f"{directory} holds a node already")
    private = {
        home / "config" / "node_key.json": {"priv_key": _private(keys.node, keys.node_seed)},
        home / "config" / VALIDATOR_KEY: _validator_key(keys.validator, keys.validator_seed),
        home / "data" / "priv_validator_state.json": {"height": "0", "round": 0, "step": 0},
    }
    peers = network.node_ids or None
    try:
        for folder in (home / "config", home / "data", directory / LOGS):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path, content in private.items():
            _write_private(path, content)
        (home / "config" / "genesis.json").write_text(
            json.dumps(_genesis(network), indent=1) + "\n"
        )
        write_config(directory, node)
        (directory / GENESIS_FILE).write_bytes(network.genesis.to_bytes() + b"\n")
        # Last: it makes the directory a node.
        (directory / NODE_FILE).write_bytes(msgspec.json.encode(NodeFile(1, peers)) + b"\n")
    except OSError as error:
        raise EngineError(f"no node can be made at {directory}: {error.strerror}") from error


def make_next_validator_key(directory: Path) -> bytes:
    """Write a key with which the node shall vote later, beside the one it has; its public half.

    One that was written before is made use of. The node takes it once the file has the name of the
    one before (docs/network.md). Raises EngineError.
    """
    config = directory / COMETBFT / "config"
    try:
        if not (config / NEXT_VALIDATOR_KEY).exists():
            seed = secrets.token_bytes(SEED_BYTES)
            _write_private(config / NEXT_VALIDATOR_KEY, _validator_key(SigningKey(seed), seed))
    except OSError as error:
        raise EngineError(f"{directory} is no node's directory: {error.strerror}") from error
    return _public_half(config / NEXT_VALIDATOR_KEY)


def validator_key(directory: Path) -> bytes | None:
    """The public half of the key of the node in a directory; None when there is no node.

    Raises EngineError.
    """
    path = directory / COMETBFT / "config" / VALIDATOR_KEY
    return _public_half(path) if path.exists() else None


def _public_half(path: Path) -> bytes:
    try:
        return base64.b64decode(json.loads(path.read_text())["pub_key"]["value"], validate=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{path} is no validator's key: {error}") from error


def write_config(directory: Path, node: NodeSettings) -> None:
    """Write CometBFT's settings anew: they are made here, not by hand. Raises OSError."""
    text = config_text([*SETTINGS, *node_settings(node)])
    (directory / COMETBFT / "config" / "config.toml").write_text(text)


def read_node(directory: Path) -> tuple[Genesis, NodeFile]:
    """What the application must know of the node in a directory. Raises EngineError."""
    try:
        genesis = parse_genesis((directory / GENESIS_FILE).read_bytes())
        node = msgspec.json.decode((directory / NODE_FILE).read_bytes(), type=NodeFile)
    except FileNotFoundError as error:
        refuse_single_ledger(directory)
        if ledgers_of(directory):
            raise NoLedger(directory) from error
        raise EngineError(f"there is no node here: {error.filename} is missing") from error
    except (OSError, WireError, msgspec.MsgspecError) as error:
        raise EngineError(f"the node's files cannot be read: {error}") from error
    return genesis, node


def rpc_address(directory: Path) -> tuple[str, int]:
    """Host and port of a node's RPC, from CometBFT's settings. Raises EngineError."""
    path = directory / COMETBFT / "config" / "config.toml"
    try:
        address = tomllib.loads(path.read_text())["rpc"]["laddr"]
        host, port = address.removeprefix("tcp://").rsplit(":", 1)
        return host, int(port)
    except (OSError, tomllib.TOMLDecodeError, KeyError, ValueError) as error:
        raise EngineError(f"{directory} is no node's directory: {path}: {error}") from error


def node_settings(node: NodeSettings) -> list[Setting]:
    """What differs from node to node."""
    settings: list[Setting] = [
        ("", "moniker", node.name, "what peers see in their logs"),
        ("rpc", "laddr", f"tcp://{node.rpc}", "for the house's own programs"),
        ("p2p", "laddr", f"tcp://{node.p2p}", "for the other members' nodes"),
        ("p2p", "persistent_peers", ",".join(node.peers), "the other members' nodes"),
    ]
    sync = node.state_sync
    if sync is not None:
        settings += [
            ("statesync", "enable", True, "begin with the state of others, once"),
            ("statesync", "rpc_servers", ",".join(sync.rpc_servers), "where headers are asked"),
            ("statesync", "trust_height", sync.trust_height, "a block that somebody vouches for"),
            ("statesync", "trust_hash", sync.trust_hash, "the hash of its header"),
            ("statesync", "trust_period", "168h0m0s", "validators answer for a week"),
            ("statesync", "discovery_time", "5s", "how long offers are gathered; the least"),
        ]
    return settings


def config_text(settings: list[Setting]) -> str:
    """CometBFT's config.toml. Raises ValueError when something is set twice."""
    keys = [(section, name) for section, name, _, _ in settings]
    if len(set(keys)) != len(keys):
        raise ValueError("a setting stands twice")
    sections = sorted({section for section, _ in keys})
    lines = [
        "# Written by Tieout; the reasons stand behind the values. Anything else is CometBFT's."
    ]
    for section in sections:
        lines += ["", f"[{section}]"] if section else [""]
        lines += [
            f"{name} = {json.dumps(value)}  # {reason}"
            for where, name, value, reason in settings
            if where == section
        ]
    return "\n".join(lines) + "\n"


def _genesis(network: Network) -> dict[str, object]:
    """CometBFT's genesis. What stands in it is hashed into the first header: equal on all nodes."""
    begun = datetime.fromtimestamp(network.genesis.created_us // 1_000_000, UTC)
    micros = network.genesis.created_us % 1_000_000
    return {
        "genesis_time": f"{begun:%Y-%m-%dT%H:%M:%S}.{micros:06}Z",
        "chain_id": chain_id_of(network.genesis.ledger_id()),
        "initial_height": "1",
        "consensus_params": {
            "block": {"max_bytes": str(MAX_BLOCK_BYTES), "max_gas": "-1"},
            # Proof of a double vote is taken for two days: as long as a member may be cut off.
            "evidence": {
                "max_age_num_blocks": "1000000",
                "max_age_duration": str(2 * 24 * 3600 * 10**9),
                "max_bytes": str(MAX_BLOCK_BYTES // 8),
            },
            "validator": {"pub_key_types": ["ed25519"]},
            "version": {"app": "1"},
            # Once on they can never be switched off again.
            "abci": {"vote_extensions_enable_height": "0"},
        },
        "validators": [
            {
                "address": address(public).hex().upper(),
                "pub_key": _public(public),
                "power": str(power),
                "name": name,
            }
            for name, public, power in network.validators
        ],
        "app_hash": "",
        "app_state": app_state(network.genesis),
    }


def _public(public: bytes) -> dict[str, str]:
    return {"type": "tendermint/PubKeyEd25519", "value": base64.b64encode(public).decode()}


def _validator_key(key: SigningKey, seed: bytes) -> dict[str, object]:
    return {
        "address": address(key.public).hex().upper(),
        "pub_key": _public(key.public),
        "priv_key": _private(key, seed),
    }


def _private(key: SigningKey, seed: bytes) -> dict[str, str]:
    value = base64.b64encode(seed + key.public).decode()
    return {"type": "tendermint/PrivKeyEd25519", "value": value}


def _write_private(path: Path, content: object) -> None:
    """A new file that only its owner may read; durable. Raises FileExistsError, OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(json.dumps(content, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
