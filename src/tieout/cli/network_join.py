"""`tieout network join` and `tieout network allow`: a further node, and who lets it connect."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tieout.cli.guarding import guarded
from tieout.cli.outcome import Failure, Outcome
from tieout.cli.output import print_json, say
from tieout.cli.places import ledger_at

if TYPE_CHECKING:
    from tieout.engines.cometbft.joining import Joined
    from tieout.wire.genesis import Genesis

Flag = Annotated[bool, Parameter(negative="")]
Words = Annotated[tuple[str, ...], Parameter(negative="")]


def join(
    network: Path,
    directory: Path,
    /,
    *,
    peer: Words = (),
    p2p: str = "127.0.0.1:26656",
    rpc: str = "127.0.0.1:26657",
    sync_from: Words = (),
    json: Flag = False,
) -> int:
    """Make a further node of a network that runs: it follows every block, and may get votes later.

    The nodes of other houses have to let it connect: tell them its id (`tieout network allow`).

    Parameters
    ----------
    network
        The ledger's genesis file; or the ledger's directory at nodes of this house, theirs, or one
        that holds theirs: these tell whom they know, and let the new node connect.
    directory
        The party's directory, in which the new node is made as `ledgers/NAME`, after the ledger;
        or such a place in it.
    peer
        ID@HOST:PORT of a node to connect to. May be repeated; needed with a genesis file.
    p2p
        HOST:PORT where the other nodes reach it.
    rpc
        HOST:PORT where programs of this house ask it.
    sync_from
        HOST:PORT of another node's RPC: begin with the state after the last cut-off, instead of
        with every block. May be repeated; what two of them say is compared.
    json
        Print the result as JSON.

    """
    from tieout.engines.cometbft.joining import join_network, place_in, read_network
    from tieout.engines.cometbft.nodes import party_of
    from tieout.engines.cometbft.settings import NodeSettings

    genesis, known = guarded(lambda: read_network(network))
    peers = tuple(dict.fromkeys([*known, *peer]))
    place = guarded(lambda: place_in(directory, genesis))
    settings = NodeSettings(party_of(place), p2p, rpc, peers)
    now_us = time.time_ns() // 1_000
    made = guarded(lambda: join_network(place, genesis, settings, sync_from, now_us))
    let_in = [] if network.is_file() else _let_in(network, made.node_id)
    _tell(place, genesis, made, let_in, as_json=json)
    return Outcome.COMPLETE


def _let_in(network: Path, node_id: str) -> list[str]:
    """Let the new node connect to those of this house; their directories."""
    from tieout.engines.cometbft.joining import allow_peer
    from tieout.engines.cometbft.nodes import ledgers_within

    nodes = guarded(lambda: ledgers_within([network]))
    return [str(node) for node in nodes if guarded(lambda node=node: allow_peer(node, node_id))]  # type: ignore[misc]


def _tell(
    directory: Path, genesis: "Genesis", made: "Joined", let_in: list[str], *, as_json: bool
) -> None:
    sync = made.state_sync
    if as_json:
        print_json(
            {
                "directory": str(directory),
                "ledger_id": genesis.ledger_id().hex(),
                "node_id": made.node_id,
                "validator": made.validator,
                "let_in_by": let_in,
                "trusted_height": 0 if sync is None else sync.trust_height,
                "trusted_hash": "" if sync is None else sync.trust_hash.lower(),
            }
        )
        return
    say(f"{directory}: a node of '{genesis.name}', ledger {genesis.ledger_id().hex()[:16]}…")
    if sync is None:
        say("it begins with block 1")
    else:
        say(f"it begins with the state of others; block {sync.trust_height} was verified from the")
        say(f"genesis on: {sync.trust_hash.lower()}")
    say(f"its id is          {made.node_id}")
    say(f"it could vote with {made.validator}")
    for node in let_in:
        say(f"{node} lets it connect")
    say(f"others let it connect by: tieout network allow {made.node_id} NODE")
    say(f"then run it: tieout network run {directory}")


def allow(node_id: str, /, *nodes: Path) -> int:
    """Let another member's new node connect to nodes of this house; at once, while they run.

    Parameters
    ----------
    node_id
        The id that `tieout network join` said: 40 hexadecimal digits.
    nodes
        The ledger's directory at nodes of this house; or theirs, where they have one ledger.

    """
    from tieout.engines.cometbft.joining import allow_peer

    if not nodes:
        raise Failure("no node was named", "name its directory")
    for node in map(ledger_at, nodes):
        is_new = guarded(lambda node=node: allow_peer(node, node_id))  # type: ignore[misc]
        say(f"{node} {'lets it connect from now on' if is_new else 'lets it connect already'}")
    return Outcome.COMPLETE
