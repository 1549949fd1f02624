"""`tieout network status`: where the nodes stand, ledger by ledger.

Ledgers know nothing of each other: how far a node is behind is told by the nodes of its own ledger
alone, and a ledger is known by its id, as names may repeat.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec
from cyclopts import Parameter

from tieout.cli.guarding import guarded
from tieout.cli.outcome import Failure, Outcome
from tieout.cli.output import print_json

Flag = Annotated[bool, Parameter(negative="")]
TIMEOUT_S: Final = 2.0
SHOWN_DIGITS: Final = 16
"""Of a hash or an id on screen."""


class NodeStanding(msgspec.Struct, frozen=True):
    """Where a node stands with one ledger, as `--json` prints it.

    An unreachable one has height 0. `directory` is that of the ledger.
    """

    ledger: str
    ledger_id: str
    node: str
    directory: str
    reachable: bool
    height: int
    time: str
    app_hash: str
    peers: int
    votes: bool
    behind: int


class LedgerStanding(NamedTuple):
    """A ledger as its nodes here see it; `powers` of the validators, empty when none was told."""

    name: str
    ledger_id: str
    powers: tuple[int, ...]
    nodes: tuple[NodeStanding, ...]


def status(*directories: Path, json: Flag = False) -> int:
    """Say where nodes stand: block, app hash, peers; exit code 1 when one cannot be reached.

    Parameters
    ----------
    directories
        Directories of parties or ledgers on this machine, or one that holds several parties'.
    json
        Print the result as JSON.

    """
    from tieout.engines.cometbft.nodes import ledgers_within

    if not directories:
        raise Failure("no node was named", "name its directory")
    ledgers = guarded(lambda: standing_of(ledgers_within(directories)))
    nodes = [node for ledger in ledgers for node in ledger.nodes]
    if json:
        print_json(nodes)
    else:
        _print(ledgers)
    return Outcome.COMPLETE if all(node.reachable for node in nodes) else Outcome.INCOMPLETE


def said_of(powers: Sequence[int]) -> str:
    """How many validators there are, and how many of them may fail, in words."""
    from tieout.consensus.quorum import faults_borne

    if not powers:
        return "no node here says who votes"
    votes = f"{len(powers)} nodes vote" if len(powers) > 1 else "one node votes"
    borne = faults_borne(powers)
    return f"{votes}; {borne} may fail or lie" if borne else f"{votes}; none may fail"


def standing_of(directories: Iterable[Path]) -> list[LedgerStanding]:
    """Ask each node about its ledger; grouped by ledger, in the order of directories.

    Raises EngineError for a directory that is not a ledger's.
    """
    found: dict[str, list[tuple[NodeStanding, tuple[int, ...]]]] = {}
    for directory in directories:
        node, powers = _ask(directory)
        found.setdefault(node.ledger_id, []).append((node, powers))
    ledgers = []
    for ledger_id, told in found.items():
        top = max(told, key=lambda each: each[0].height)
        nodes = tuple(
            msgspec.structs.replace(node, behind=top[0].height - node.height)
            if node.reachable
            else node
            for node, _ in told
        )
        ledgers.append(LedgerStanding(nodes[0].ledger, ledger_id, top[1], nodes))
    return ledgers


def _print(ledgers: Iterable[LedgerStanding]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for number, ledger in enumerate(ledgers):
        if number:
            console.print()
        known = f"[bold]{ledger.name}[/bold] {ledger.ledger_id[:SHOWN_DIGITS]}"
        console.print(f"{known}: {said_of(ledger.powers)}", highlight=False)
        table = Table("node", "block", "behind", "time", "app hash", "peers", "votes", box=None)
        for node in ledger.nodes:
            if node.reachable:
                facts = (str(node.height), str(node.behind), node.time)
                known = node.app_hash[:SHOWN_DIGITS]
                table.add_row(node.node, *facts, known, str(node.peers), _yes_no(node.votes))
            else:
                table.add_row(node.node, "not reachable")
        console.print(table)


def _yes_no(holds: bool) -> str:
    return "yes" if holds else "no"


class _SyncInfo(msgspec.Struct):
    latest_block_height: int
    latest_block_time: str
    latest_app_hash: str


class _ValidatorInfo(msgspec.Struct):
    voting_power: int


class _Status(msgspec.Struct):
    sync_info: _SyncInfo
    validator_info: _ValidatorInfo


class _Peers(msgspec.Struct):
    n_peers: int


class _Validator(msgspec.Struct):
    voting_power: int


class _Validators(msgspec.Struct):
    validators: list[_Validator]


def _ask(directory: Path) -> tuple[NodeStanding, tuple[int, ...]]:
    """One node's standing with one ledger, and the powers of the validators it tells."""
    from tieout.engines.cometbft.nodes import party_of
    from tieout.engines.cometbft.settings import read_node, rpc_address
    from tieout.sdk.errors import NodeConfused, NodeRefused, NodeUnreachable
    from tieout.sdk.transport import Node

    genesis, _ = read_node(directory)
    nothing = NodeStanding(
        ledger=genesis.name, ledger_id=genesis.ledger_id().hex(), node=party_of(directory),
        directory=str(directory), reachable=False, height=0, time="", app_hash="", peers=0,
        votes=False, behind=0,
    )  # fmt: skip
    with Node(*rpc_address(directory), timeout_s=TIMEOUT_S) as node:
        try:
            said = node.ask("status", _Status)
            peers = node.ask("net_info", _Peers).n_peers
        except (NodeUnreachable, NodeRefused, NodeConfused):
            return nothing, ()
        try:
            # CometBFT shows a hundred at most.
            validators = node.ask("validators", _Validators, per_page="100").validators
        except (NodeUnreachable, NodeRefused, NodeConfused):
            validators = []  # before the first block it tells none
    sync = said.sync_info
    standing = msgspec.structs.replace(
        nothing,
        reachable=True,
        height=sync.latest_block_height,
        time=sync.latest_block_time,
        app_hash=sync.latest_app_hash.lower(),
        peers=peers,
        votes=said.validator_info.voting_power > 0,
    )
    return standing, tuple(each.voting_power for each in validators)
