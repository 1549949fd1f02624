"""`tieout agreement propose`: a version of an agreement, put to the vote of whom it concerns."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tieout.agreement.model import Agreement
from tieout.cli.backtest import say_backtest
from tieout.cli.files import read_agreement
from tieout.cli.governing import WEEK_OF_BLOCKS, propose
from tieout.cli.guarding import guarded
from tieout.cli.holding import Holders, stated_holders
from tieout.cli.member import As, At, Flag, OpenFor, told
from tieout.cli.opening import open_ledger
from tieout.cli.outcome import Failure
from tieout.cli.places import DEFAULT_LEDGER, Ledger

if TYPE_CHECKING:
    from tieout.engines.embedded.ledger import EmbeddedLedger
    from tieout.kernel import Party
    from tieout.wire.members import Step

VOTED_ON_SINCE = 4
"""The first rules version under which agreements come into force by vote (R-AGREE-4)."""


def propose_agreement(
    file: Path,
    /,
    *,
    holder: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    no_backtest: Flag = False,
    at: At = 0,
    open_for: OpenFor = WEEK_OF_BLOCKS,
    party: As = None,
    ledger: Ledger = DEFAULT_LEDGER,
    json: Flag = False,
) -> int:
    """Propose an agreement, or its next version. In force once all whom it concerns are in favour.

    First says what a next version would have made of everything recorded.

    Parameters
    ----------
    file
        The agreement (TOML).
    holder
        ROLE=PARTY: who is to hold a role. Without it, whoever holds it now; the party of the role's
        name where it is new. May be repeated; a role that is named twice has two holders.
    no_backtest
        Do not try a next version on the recorded history first.
    at
        The first block in which it is in force; the next one, or the one after the last vote,
        otherwise.
    open_for
        For how many blocks it may be voted on.
    party
        Who proposes it; otherwise the operator, or whose node this is, or a party that it concerns.
    ledger
        The ledger's directory.
    json
        Print the change as JSON.

    """
    agreement = read_agreement(file)
    with open_ledger(ledger) as opened:
        _check(opened, agreement)
        holders = guarded(lambda: stated_holders(opened, agreement, holder, as_now=True))
        proposer = party or _proposer(opened, agreement, holders)
        is_next = agreement.name in opened.agreement_names()
    if is_next and not no_backtest:
        say_backtest(agreement, ledger, f"tieout agreement backtest {file}")

    def steps(_opened: "EmbeddedLedger", _proposer: "Party") -> "list[Step]":
        from tieout.wire.members import PutIntoForce

        return [PutIntoForce(agreement.canonical, holders)]

    return told(ledger, propose(ledger, proposer, steps, at, open_for), as_json=json)


def _check(ledger: "EmbeddedLedger", agreement: Agreement) -> None:
    """Raise Failure for what the rules would not take."""
    version = ledger.genesis.rules_version
    if version < VOTED_ON_SINCE:
        raise Failure(
            f"this ledger is of rules version {version}: its agreements are not voted on",
            "`tieout reconcile` and `tieout network enact` put them into force",
        )
    if agreement.needs_rules > version:
        raise Failure(
            f"{agreement.name} states what needs rules version {agreement.needs_rules}",
            f"this ledger is of rules version {version}",
        )
    newest = ledger.agreement(agreement.name)
    if newest is not None and agreement.version != newest.version + 1:
        raise Failure(
            f"version {newest.version} of {agreement.name} is in force,"
            f" and this one is version {agreement.version}",
            f"the next one has version = {newest.version + 1}",
        )


def _proposer(ledger: "EmbeddedLedger", agreement: Agreement, holders: Holders) -> str | None:
    """Whom it concerns of those whose keys are here, where the operator is not concerned."""
    from tieout import kernel
    from tieout.wire.operations import Enact

    operator, held = ledger.genesis.operator, ledger.ring.parties
    concerned = kernel.whom_it_needs(ledger.state, agreement, Enact(agreement.canonical, holders))
    ours = [party for party in concerned if party in held]
    if operator not in held or operator in concerned or not ours:
        return None
    return kernel.parties(ledger.state)[ours[0] - 1].name
