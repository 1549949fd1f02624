"""`tieout node`: a party's node, made and run, and tokens for its programs."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from tieout.cli.files import read_agreement
from tieout.cli.guarding import guarded
from tieout.cli.outcome import Failure, Outcome
from tieout.cli.output import say


def check_installed() -> None:
    """Refuse, with what to install, where the libraries of the node are not."""
    try:
        import tieout.node.run  # noqa: F401
    except ModuleNotFoundError as error:
        what = f"a node needs the package {error.name}"
        raise Failure(what, "install tieout[node], which brings it") from error


def init(
    directory: Path,
    /,
    *,
    agreement: Path | None = None,
    party: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    network: Path | None = None,
) -> int:
    """Make a node: its settings, and a ledger of its own with fresh test keys.

    With `--network` it serves a ledger that several parties order, through this party's network
    node, which has to run (`tieout network run`).

    Parameters
    ----------
    directory
        Where it is made.
    agreement
        An agreement (TOML) to put into force; each of its roles becomes a party.
    party
        Names of further parties. May be repeated.
    network
        The directory of a party's network node, or of one of its ledgers.

    """
    check_installed()
    if network is not None:
        return _join(directory, network, founds=agreement is not None or bool(party))
    from tieout.node.errors import NodeError
    from tieout.node.run import found_node

    stated = None if agreement is None else read_agreement(agreement)
    try:
        guarded(lambda: found_node(directory, party, stated))
    except NodeError as error:
        raise Failure(str(error), error.advice) from error
    say(f"{directory}: settings in node.toml, the ledger and its test keys in ledger/")
    say(f"run it: tieout node run {directory}")
    return Outcome.COMPLETE


def _join(directory: Path, network: Path, *, founds: bool) -> int:
    from tieout.node.errors import NodeError
    from tieout.node.run import join_ledger

    if founds:
        what = "a network's ledger has its parties and agreements already"
        raise Failure(what, "leave --agreement and --party out")
    try:
        ledger = guarded(lambda: join_ledger(directory, network))
    except NodeError as error:
        raise Failure(str(error), error.advice) from error
    say(f"{directory}: settings in node.toml; the ledger is {ledger}, with its keys")
    say(f"run it beside the network's node: tieout node run {directory}")
    return Outcome.COMPLETE


def run(directory: Path, /) -> int:
    """Run a node until it is stopped, with Ctrl-C or SIGTERM.

    Parameters
    ----------
    directory
        The node's directory.

    """
    check_installed()
    from tieout.node.errors import NodeError
    from tieout.node.run import run_node

    def ready(url: str, link: str) -> None:
        say(f"the node is at {url}; the API is described at {url}/docs")
        if link:
            say(f"become its administrator (good once, for a day): {link}")

    try:
        guarded(lambda: run_node(directory, ready))
    except NodeError as error:
        raise Failure(str(error), error.advice) from error
    return Outcome.COMPLETE


def token(
    directory: Path,
    user: str,
    /,
    *,
    role: str = "operator",
    label: str = "command line",
    days: Annotated[int, Parameter(validator=Number(gte=1, lte=3_650))] = 365,
) -> int:
    """Make a token for a program, and print it. The node may be running.

    Parameters
    ----------
    directory
        The node's directory.
    user
        For whom; made, without a password, where there is no such user.
    role
        What a new user is: viewer, operator, approver, administrator or auditor.
    label
        What the token is for.
    days
        How long it is good.

    """
    check_installed()
    from tieout.node.access import ROLES, Doorkeeper, Role, now_us
    from tieout.node.errors import NodeError
    from tieout.node.places import SETTINGS_FILE, STORE_FILE
    from tieout.node.problems import ProblemError
    from tieout.node.store import Store

    if not (directory / SETTINGS_FILE).exists():
        raise Failure(f"there is no node at {directory}", "make one with `tieout node init`")
    if role not in set(Role):
        raise Failure(f"'{role}' is no role", f"roles: {', '.join(Role)}")
    try:
        store = Store(directory / STORE_FILE)
        try:
            keeper = Doorkeeper(store, now_us, 0)
            found = store.user_named(user) or keeper.add_user(user, Role(role), None, "")
            made, text = keeper.make_token(found, label, sorted(ROLES[Role(found.role)]), days)
            store.note(now_us(), "command line", "add token", f"{made.id} of {user}", "done")
        finally:
            store.close()
    except (NodeError, ProblemError) as error:
        raise Failure(str(error)) from error
    print(text)
    return Outcome.COMPLETE
