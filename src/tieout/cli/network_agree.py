"""`tieout network enact` and `tieout network close`: what parties agree on, through their nodes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tieout.agreement.model import Agreement
from tieout.cli.files import read_agreement
from tieout.cli.guarding import guarded
from tieout.cli.holding import stated_holders
from tieout.cli.opening import chosen_agreements, open_ledger
from tieout.cli.outcome import Failure, Outcome
from tieout.cli.output import print_json, say
from tieout.cli.places import Ledger
from tieout.cli.reconcile import cutoff_us_of
from tieout.units.dates import format_time
from tieout.wire.codes import ItemOutcome, OperationKind, Purpose
from tieout.wire.operations import CloseCutoff, Enact

if TYPE_CHECKING:
    from tieout.engines.embedded.ledger import EmbeddedLedger

Flag = Annotated[bool, Parameter(negative="")]


def enact(
    node: Ledger,
    agreement: Path,
    /,
    *,
    holder: Annotated[tuple[str, ...], Parameter(negative="")] = (),
) -> int:
    """Sign an agreement, as the node's party. In force once every party with a role has signed it.

    Parameters
    ----------
    node
        The ledger's directory at the party's node, which must run.
    agreement
        The agreement (TOML).
    holder
        ROLE=PARTY: who holds a role; the party of the role's name without it. May be repeated; a
        role that is named twice has two holders.

    """
    stated = read_agreement(agreement)
    from tieout import kernel
    from tieout.cli.sending import at_node, operate, party_name

    with at_node(node) as (sender, ledger):
        body = guarded(lambda: Enact(stated.canonical, stated_holders(ledger, stated, holder)))
        waiting = _waiting(ledger, stated, body)
        name = party_name(ledger, sender.party)
        needed = kernel.whom_it_needs(ledger.state, stated, body)
        if waiting and sender.party not in needed:
            raise Failure(
                f"{name} holds no role of {stated.name}", "only parties with a role sign it"
            )
        if sender.party in waiting:
            kind = OperationKind.ENACT
            operate(sender, kind, Purpose.GOVERN, body, also=ItemOutcome.NO_EFFECT)
    with open_ledger(node) as ledger:
        still = [party_name(ledger, party) for party in _waiting(ledger, stated, body)]
    text = f"{stated.name} version {stated.version}"
    if still:
        say(f"{text} is signed by {name}, and waits for {', '.join(still)}")
    else:
        say(f"{text} is in force")
    return Outcome.COMPLETE


def _waiting(ledger: "EmbeddedLedger", agreement: Agreement, body: Enact) -> list[int]:
    """The parties that are still to sign; none when this text is in force.

    Raises Failure when it cannot come into force any more.
    """
    from tieout import kernel

    book = ledger.state.by_version.get((agreement.name, agreement.version))
    if book is not None and book.agreement.hash == agreement.hash:
        return []
    newest = ledger.agreement(agreement.name)
    if newest is not None and agreement.version != newest.version + 1:
        raise Failure(
            f"version {newest.version} of {agreement.name} is in force, and this other text has"
            f" version {agreement.version}",
            f"give a changed agreement version = {newest.version + 1}",
        )
    said = kernel.signatories(ledger.state, agreement, body)
    needed = kernel.whom_it_needs(ledger.state, agreement, body)
    return [party for party in needed if party not in said]


def close(node: Ledger, agreement: str, /, *, cutoff: str | None = None, json: Flag = False) -> int:
    """Close a cut-off of an agreement: whoever has said nothing by then is missing.

    Parameters
    ----------
    node
        The ledger's directory at the party's node, which must run.
    agreement
        The agreement's name.
    cutoff
        The time of the cut-off (ISO 8601); that of the node's last block without it.
    json
        Print the result as JSON.

    """
    cutoff_us = cutoff_us_of(cutoff)
    from tieout.cli.sending import at_node, operate

    with at_node(node) as (sender, ledger):
        chosen_agreements(ledger, agreement)
        if cutoff_us is None:
            cutoff_us = ledger.time_us
        body = CloseCutoff(agreement, cutoff_us)
        kind = OperationKind.CLOSE_CUTOFF
        receipt = operate(sender, kind, Purpose.PUBLISH, body, also=ItemOutcome.NO_EFFECT)
    is_new = receipt.result.outcome is ItemOutcome.ACCEPTED
    if json:
        print_json(
            {
                "agreement": agreement,
                "cutoff": format_time(cutoff_us),
                "height": receipt.height,
                "judged": is_new,
            }
        )
    else:
        say(
            f"cut-off {format_time(cutoff_us)} of {agreement}: "
            + (f"closed in block {receipt.height}" if is_new else "closed already, nothing is new")
        )
    return Outcome.COMPLETE
