"""`tieout node check`, `backup`, `restore` and `upgrade`: a node looked after by its operator."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from cyclopts import Parameter

from tieout.cli.guarding import guarded
from tieout.cli.node import check_installed
from tieout.cli.outcome import Failure, Outcome
from tieout.cli.output import print_json, say

Json = Annotated[bool, Parameter(name="--json", negative="")]
Result = TypeVar("Result")


def check(directory: Path, /, *, json: Json = False) -> int:
    """Look a node over, running or not: what is wrong, and what to do about it.

    Parameters
    ----------
    directory
        The node's directory.
    json
        Print the findings as JSON and say nothing else.

    """
    check_installed()
    from tieout.node.care.check import check_node

    findings = _asked(lambda: check_node(directory, os.environ))
    wrong = [finding for finding in findings if not finding.is_well]
    if json:
        print_json([msgspec.to_builtins(finding) for finding in findings])
    else:
        for finding in findings:
            say(f"{'well ' if finding.is_well else 'WRONG'}  {finding.what}: {finding.found}")
            if not finding.is_well:
                say(f"       {finding.advice}")
    return Outcome.INCOMPLETE if wrong else Outcome.COMPLETE


def backup(directory: Path, to: Path, /) -> int:
    """Copy a node to a new folder, while it runs or not, and read the copy back.

    Parameters
    ----------
    directory
        The node's directory.
    to
        The folder of the backup: a new one each time, best on another disk. It holds private
        keys.

    """
    check_installed()
    from tieout.node.access import now_us
    from tieout.node.care.backup import back_up
    from tieout.node.places import SETTINGS_FILE
    from tieout.node.settings import load_settings

    made = _asked(lambda: back_up(directory, to, os.environ, now_us()))
    say(
        f"{to}: ledger '{made.ledger}' up to block {made.height:,}, {len(made.files)} files,"
        f" {made.total_bytes:,} bytes, read back and whole"
    )
    if load_settings(directory / SETTINGS_FILE, os.environ).storage.database:
        say("the read models stand in a database of their own: keep that with its own tools")
    say("it holds private keys: guard it as you guard the node")
    return Outcome.COMPLETE


def restore(source: Path, directory: Path, /) -> int:
    """Make a node of a backup; nothing is written over.

    Parameters
    ----------
    source
        The folder of the backup.
    directory
        Where the node is made; nothing may be there yet.

    """
    check_installed()
    from tieout.node.care.backup import restore as put_back

    made = _asked(lambda: put_back(source, directory, os.environ))
    say(f"{directory}: ledger '{made.ledger}' up to block {made.height:,}, every file as it was")
    say(f"look it over: tieout node check {directory}; run it: tieout node run {directory}")
    return Outcome.COMPLETE


def upgrade(directory: Path, /) -> int:
    """Bring a node's tables to this version of the software; it may be running.

    Parameters
    ----------
    directory
        The node's directory.

    """
    check_installed()
    from tieout.node.care.upgrade import upgrade_node

    for line in _asked(lambda: upgrade_node(directory, os.environ)):
        say(line)
    return Outcome.COMPLETE


def _asked(action: Callable[[], Result]) -> Result:
    """The result of an action; what the node's rooms raise becomes a Failure with its advice."""
    from tieout.node.errors import BackupDamaged, NodeError

    try:
        return guarded(action)
    except BackupDamaged as error:
        raise Failure(str(error), error.advice, Outcome.INCOMPLETE) from error
    except NodeError as error:
        raise Failure(str(error), error.advice) from error
