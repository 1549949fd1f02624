"""`tieout network`: a consortium's nodes, founded, run and looked at."""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from tieout.cli.guarding import guarded
from tieout.cli.outcome import Failure, Outcome
from tieout.cli.output import print_json, say

Flag = Annotated[bool, Parameter(negative="")]
FIRST_PORT: Final = 26656
PORTS_A_NODE: Final = 10
VOTING_POWER: Final = 10
DEFAULT_NETWORK: Final = Path("tieout-network")
DEFAULT_DEMO: Final = Path("tieout-network-demo")
SAY_EVERY_S: Final = 5.0


def init(
    directory: Path,
    /,
    *parties: str,
    observer: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    host: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    name: str = "network",
) -> int:
    """Found a network: a genesis for all, and for each party a directory with keys and a node.

    Carry each directory to its party's machine, keep it from everybody else, and run it there with
    `tieout network run`.

    Parameters
    ----------
    directory
        Where the parties' directories are made.
    parties
        Names of the parties whose nodes vote on blocks. Four of them bear one that fails or lies.
    observer
        Names of parties whose nodes follow, and do not vote. May be repeated.
    host
        PARTY=HOST: where the others reach that party's node; 127.0.0.1 otherwise. Nodes of one host
        get different ports, from 26656 on.
    name
        What the ledger is called.

    """
    from tieout.engines.cometbft.founding import Member, found_network

    if not parties:
        raise Failure("no party was named", "write for example seller registrar bank regulator")
    hosts = _hosts(host, [*parties, *observer])
    members = []
    for number, party in enumerate([*parties, *observer]):
        port = FIRST_PORT + PORTS_A_NODE * number
        at = hosts.get(party, "127.0.0.1")
        power = VOTING_POWER if number < len(parties) else 0
        members.append(Member(party, power, f"{at}:{port}", f"127.0.0.1:{port + 1}"))
    now_us = time.time_ns() // 1_000
    for made in guarded(lambda: found_network(directory, name, members, now_us)):
        say(f"{made}: keys and node of {made.name}")
    say(f"run each on its machine: tieout network run {directory}/PARTY")
    return Outcome.COMPLETE


def _hosts(stated: Sequence[str], parties: Sequence[str]) -> dict[str, str]:
    hosts = {}
    for each in stated:
        party, mark, at = each.partition("=")
        if not mark or party not in parties or not at:
            raise Failure(f"--host {each} is not PARTY=HOST", f"parties: {', '.join(parties)}")
        hosts[party] = at
    return hosts


def run(*directories: Path) -> int:
    """Run nodes: both processes of each, started again when they end, until this is stopped.

    Ends with Ctrl-C or SIGTERM, CometBFT first. What the processes say is in DIRECTORY/log.

    Parameters
    ----------
    directories
        Directories of nodes that `tieout network init` made.

    """
    if not directories:
        raise Failure("no node was named", "name its directory")
    _run(list(directories), None)
    return Outcome.COMPLETE


def local(
    count: Annotated[int, Parameter(validator=Number(gte=1, lte=16))] = 4,
    /,
    *,
    directory: Path = DEFAULT_NETWORK,
    seconds: Annotated[float | None, Parameter(name="--for", validator=Number(gt=0))] = None,
) -> int:
    """Run a network of several nodes on this machine; founded where there is none.

    Ends with Ctrl-C or SIGTERM, or after a while. Run again, it goes on.

    Parameters
    ----------
    count
        How many nodes, when the network is founded now.
    directory
        Where the nodes' directories are, or are made.
    seconds
        Stop after so many seconds.

    """
    from tieout.engines.cometbft.addresses import free_addresses
    from tieout.engines.cometbft.founding import Member, found_network
    from tieout.engines.cometbft.places import NODE_FILE

    nodes = sorted(path.parent for path in directory.glob(f"*/{NODE_FILE}"))
    if not nodes:
        at = iter(free_addresses(2 * count))
        members = [
            Member(f"party-{i:02}", VOTING_POWER, next(at), next(at)) for i in range(1, count + 1)
        ]
        now_us = time.time_ns() // 1_000
        nodes = guarded(lambda: found_network(directory, "local network", members, now_us))
        say(f"founded a network of {count} in {directory}")
    _run(nodes, seconds)
    return Outcome.COMPLETE


def _run(nodes: list[Path], seconds: float | None) -> None:
    """Run nodes in this process' care until it is told to end, and say where they stand."""
    from tieout.engines.cometbft.process import NodeProcesses, Supervisor
    from tieout.engines.cometbft.settings import rpc_address

    for node in nodes:
        guarded(lambda node=node: rpc_address(node))  # type: ignore[misc]
    program = _cometbft()
    until = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        until.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    if seconds is not None:
        timer = threading.Timer(seconds, until.set)
        timer.daemon = True
        timer.start()
    telling = threading.Thread(target=_tell, args=(nodes, until), daemon=True)
    telling.start()
    supervisor = Supervisor([NodeProcesses(node, program) for node in nodes])
    guarded(lambda: supervisor.run(until))
    say("stopped")


def _tell(nodes: list[Path], until: threading.Event) -> None:
    """Say every few seconds where the nodes stand."""
    while not until.wait(SAY_EVERY_S):
        say("; ".join(f"{each.node} at block {each.height}" for each in _standing(nodes)))


class NodeStanding(msgspec.Struct, frozen=True):
    """Where a node stands, as `--json` prints it. An unreachable one has height 0."""

    node: str
    reachable: bool
    height: int
    time: str
    app_hash: str
    peers: int
    votes: bool
    behind: int


def status(*directories: Path, json: Flag = False) -> int:
    """Say where nodes stand: block, app hash, peers; exit code 1 when one cannot be reached.

    Parameters
    ----------
    directories
        Directories of nodes on this machine, or a directory that holds several.
    json
        Print the result as JSON.

    """
    from tieout.engines.cometbft.places import NODE_FILE

    nodes: list[Path] = []
    for each in directories:
        within = sorted(path.parent for path in each.glob(f"*/{NODE_FILE}"))
        nodes += within if within and not (each / NODE_FILE).exists() else [each]
    if not nodes:
        raise Failure("no node was named", "name its directory")
    standing = guarded(lambda: _standing(nodes))
    if json:
        print_json(standing)
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table("node", "block", "behind", "time", "app hash", "peers", "votes", box=None)
        for node in standing:
            if node.reachable:
                facts = (str(node.height), str(node.behind), node.time, node.app_hash[:16])
                table.add_row(node.node, *facts, str(node.peers), "yes" if node.votes else "no")
            else:
                table.add_row(node.node, "not reachable")
        Console().print(table)
    return Outcome.COMPLETE if all(node.reachable for node in standing) else Outcome.INCOMPLETE


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


def _standing(nodes: list[Path]) -> list[NodeStanding]:
    """Ask each node. Raises EngineError for a directory that is no node's."""
    from tieout.engines.cometbft.settings import rpc_address
    from tieout.sdk.errors import NodeConfused, NodeRefused, NodeUnreachable
    from tieout.sdk.transport import Node

    found: list[NodeStanding] = []
    for directory in nodes:
        nothing = NodeStanding(
            directory.name, reachable=False, height=0, time="", app_hash="", peers=0, votes=False,
            behind=0,
        )  # fmt: skip
        with Node(*rpc_address(directory), timeout_s=2.0) as node:
            try:
                said = node.ask("status", _Status)
                peers = node.ask("net_info", _Peers).n_peers
            except (NodeUnreachable, NodeRefused, NodeConfused):
                found.append(nothing)
                continue
        sync = said.sync_info
        found.append(
            NodeStanding(
                node=directory.name,
                reachable=True,
                height=sync.latest_block_height,
                time=sync.latest_block_time,
                app_hash=sync.latest_app_hash.lower(),
                peers=peers,
                votes=said.validator_info.voting_power > 0,
                behind=0,
            )
        )
    top = max((each.height for each in found), default=0)
    return [
        msgspec.structs.replace(each, behind=top - each.height) if each.reachable else each
        for each in found
    ]


def demo(*, directory: Path = DEFAULT_DEMO, json: Flag = False) -> int:
    """Show a consortium at work: four nodes, a wrong record, an alarm at all of them, the proof.

    Exit code 0 when every node raised the alarm and everything was verified.

    Parameters
    ----------
    directory
        Where nodes and proofs are left; an earlier demonstration there is replaced.
    json
        Print the result as JSON and show nothing else.

    """
    from tieout.demo.consortium.play import play_consortium

    started = time.monotonic()
    quiet: Callable[[str], None] = lambda _line: None  # noqa: E731 - a word for doing nothing
    program = _cometbft()
    result = guarded(lambda: play_consortium(directory, program, quiet if json else print))
    if json:
        print_json(result)
    else:
        print(f"Blocks        {result.blocks} at each of {len(result.alarms)} nodes,"
              f" {result.app_hash_disagreements} app hashes that differ")  # fmt: skip
        print(f"Certificate   the same from every node: transactions root"
              f" {result.transactions_root[:16]}…; every journal audited")  # fmt: skip
        print(f"Evidence      {result.evidence}: verified offline, down to the votes")
        print(f"              {result.ordered_by}")
        for problem in result.problems:
            print(f"PROBLEM       {problem}")
        print(f"{time.monotonic() - started:.0f} s. Check it yourself: tieout verify"
              f" {result.evidence} --trust {directory}/regulator/genesis.json")  # fmt: skip
    return Outcome.INCOMPLETE if result.problems else Outcome.COMPLETE


def _cometbft() -> Path:
    """CometBFT's program. Raises Failure when there is none."""
    from tieout.engines.cometbft.process import COMETBFT_VARIABLE, find_cometbft

    found = find_cometbft()
    if found is None:
        advice = f"run `make cometbft`, or name it in {COMETBFT_VARIABLE}"
        raise Failure("there is no CometBFT on this machine", advice)
    if not found.is_file():
        raise Failure(f"{found} is not there", f"mend {COMETBFT_VARIABLE}")
    return found
