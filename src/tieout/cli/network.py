"""`tieout network`: a consortium's ledgers, founded and run; and the demonstration of one."""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter
from cyclopts.validators import Number

from tieout.cli.guarding import guarded
from tieout.cli.outcome import Failure, Outcome
from tieout.cli.output import print_json, say
from tieout.cli.standing import said_of, standing_of

if TYPE_CHECKING:
    from tieout.engines.cometbft.plan import NetworkPlan

Flag = Annotated[bool, Parameter(negative="")]
DEFAULT_NETWORK: Final = Path("tieout-network")
DEFAULT_DEMO: Final = Path("tieout-network-demo")
DEFAULT_NODES: Final = 4
SAY_EVERY_S: Final = 5.0


def init(
    directory: Path,
    /,
    *parties: str,
    plan: Path | None = None,
    observer: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    host: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    name: str | None = None,
    first_port: Annotated[int | None, Parameter(validator=Number(gte=1, lte=65535))] = None,
) -> int:
    """Found a network: for each ledger a genesis for all its members, and for each party a node.

    Carry each party's directory to its machine, keep it from everybody else, and run it there with
    `tieout network run`.

    Parameters
    ----------
    directory
        Where the parties' directories are made.
    parties
        Names of the parties of one ledger whose nodes vote on blocks. Four of them bear one that
        fails or lies.
    plan
        A TOML file that names several ledgers and the parties of each, instead of all the rest.
    observer
        Names of parties whose nodes follow, and do not vote. May be repeated.
    host
        PARTY=HOST: where the others reach that party's node; 127.0.0.1 otherwise.
    name
        What the ledger is called; "network" without it.
    first_port
        The port of the first node, 26656 without it; each ledger of each party has two, ten after
        the one before.

    """
    from tieout.engines.cometbft.founding import found_ledgers
    from tieout.engines.cometbft.plan import (
        FIRST_PORT,
        LedgerMembers,
        NetworkPlan,
        read_plan,
        with_ports,
    )

    if plan is not None:
        if parties or observer or host or name is not None:
            raise Failure("a plan names parties, hosts and ledgers itself", "leave the others out")
        asked = guarded(lambda: read_plan(plan))
    else:
        if not parties:
            advice = "write for example seller registrar bank regulator, or name a file with --plan"
            raise Failure("no party was named", advice)
        hosts = _hosts(host, [*parties, *observer])
        asked = NetworkPlan({name or "network": LedgerMembers(parties, observer)}, hosts)
    now_us = time.time_ns() // 1_000
    ledgers = guarded(lambda: with_ports(asked, first_port or FIRST_PORT))
    guarded(lambda: found_ledgers(directory, ledgers, now_us))
    _say_founded(asked, directory)
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


def _say_founded(plan: "NetworkPlan", directory: Path) -> None:
    for name, members in plan.ledgers.items():
        say(f"ledger {name}: {said_of([1] * len(members.parties))}")
    for party in plan.parties():
        of = [name for name, each in plan.ledgers.items() if party in each.members]
        say(f"{directory / party}: keys and node of {party}, for {' and '.join(of)}")


def run(*directories: Path) -> int:
    """Run nodes: both processes of each of their ledgers, started again when they end.

    Ends with Ctrl-C or SIGTERM, CometBFT first. What the processes say is in the `log` of each
    ledger's directory. Exit code 1 when a ledger was given up meanwhile, 2 when all were.

    Parameters
    ----------
    directories
        Directories of parties that `tieout network init` made, or of single ledgers in them.

    """
    return _run(list(directories), None)


def local(
    count: Annotated[int | None, Parameter(validator=Number(gte=1, lte=16))] = None,
    /,
    *,
    plan: Path | None = None,
    directory: Path = DEFAULT_NETWORK,
    seconds: Annotated[float | None, Parameter(name="--for", validator=Number(gt=0))] = None,
) -> int:
    """Run a network of several nodes on this machine; founded where there is none.

    Ends with Ctrl-C or SIGTERM, or after a while. Run again, it goes on.

    Parameters
    ----------
    count
        How many nodes of one ledger, when the network is founded now.
    plan
        A TOML file that names several ledgers and the parties of each, when it is founded now.
    directory
        Where the parties' directories are, or are made.
    seconds
        Stop after so many seconds.

    """
    if count is not None and plan is not None:
        raise Failure("a plan says itself how many nodes there are", "leave the number out")
    if not directory.exists() or not any(directory.iterdir()):
        _found_here(directory, count or DEFAULT_NODES, plan)
    return _run([directory], seconds)


def _found_here(directory: Path, count: int, plan: Path | None) -> None:
    """Found a network on free ports of this machine."""
    from tieout.engines.cometbft.addresses import free_addresses
    from tieout.engines.cometbft.founding import found_ledgers
    from tieout.engines.cometbft.plan import (
        LedgerMembers,
        NetworkPlan,
        read_plan,
        with_addresses,
    )

    parties = tuple(f"party-{i:02}" for i in range(1, count + 1))
    asked = NetworkPlan({"local": LedgerMembers(parties)})
    if plan is not None:
        asked = guarded(lambda: read_plan(plan))
        if asked.hosts:
            raise Failure(f"{plan} is of several machines", "leave [hosts] out to try it on one")
    ledgers = with_addresses(asked, iter(free_addresses(2 * asked.copies())))
    now_us = time.time_ns() // 1_000
    guarded(lambda: found_ledgers(directory, ledgers, now_us))
    _say_founded(asked, directory)


def _run(directories: list[Path], seconds: float | None) -> int:
    """Run ledgers in this process' care until it is told to end, and say where they stand."""
    from tieout.engines.cometbft.nodes import ledgers_within
    from tieout.engines.cometbft.process import NodeFailed, NodeProcesses, Supervisor
    from tieout.engines.cometbft.settings import read_node, rpc_address

    ledgers = guarded(lambda: ledgers_within(directories))
    if not ledgers:
        raise Failure("no node was named", "name its directory")
    for ledger in ledgers:
        guarded(lambda ledger=ledger: (read_node(ledger), rpc_address(ledger)))  # type: ignore[misc]
    program = _cometbft()
    until = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        until.set()

    def tell(failure: NodeFailed) -> None:
        say(f"given up: {failure}; {failure.advice}")

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    if seconds is not None:
        timer = threading.Timer(seconds, until.set)
        timer.daemon = True
        timer.start()
    telling = threading.Thread(target=_tell, args=(ledgers, until), daemon=True)
    telling.start()
    supervisor = Supervisor([NodeProcesses(each, program) for each in ledgers], tell)
    guarded(lambda: supervisor.run(until))
    say("stopped")
    return Outcome.INCOMPLETE if supervisor.failures else Outcome.COMPLETE


def _tell(ledgers: list[Path], until: threading.Event) -> None:
    """Say every few seconds where the nodes stand, a line for each ledger."""
    while not until.wait(SAY_EVERY_S):
        for ledger in standing_of(ledgers):
            where = [
                f"{node.node} at block {node.height}" if node.reachable else f"{node.node} is away"
                for node in ledger.nodes
            ]
            say(f"{ledger.name}: {'; '.join(where)}")


def demo(*, directory: Path = DEFAULT_DEMO, json: Flag = False) -> int:
    """Show a consortium at work: a wrong record, an alarm at all four nodes, the proof.

    The bank's node serves a second ledger beside, which hears nothing of it. Exit code 0 when every
    node of the first raised the alarm, none of the second did, and everything was verified.

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
        custody = result.custody
        matched = f"{custody.matched} of {custody.transactions} deliveries matched"
        print(f"Custody       {matched} at {' and '.join(custody.members)},"
              f" {custody.blocks} blocks, {custody.alarms} alarms")  # fmt: skip
        for problem in result.problems:
            print(f"PROBLEM       {problem}")
        genesis = directory / "regulator" / "ledgers" / "fund" / "genesis.json"
        print(f"{time.monotonic() - started:.0f} s. Check it yourself: tieout verify"
              f" {result.evidence} --trust {genesis}")  # fmt: skip
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
