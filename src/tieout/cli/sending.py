"""Publishing through the node of a consortium: opened for a command, waited for, put into words."""

from concurrent.futures import Future
from pathlib import Path

from tieout.cli.guarding import guarded
from tieout.cli.outcome import Failure
from tieout.cli.output import say
from tieout.engines.cometbft.sending import Sender
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.errors import EngineError, Refused
from tieout.engines.receipt import Receipt
from tieout.wire.codes import ItemOutcome, OperationKind, Purpose
from tieout.wire.operations import Body

WAIT_S = 60.0
"""How long nothing at all may come into a block: many times as long as a slow round of votes."""


def open_sender(node: Path) -> Sender:
    """The way to publish through the node in a directory; close it.

    What an earlier program had signed is settled first: then the ledger tells what is still to be
    published. Raises Failure when the node does not run, or another program publishes from there.
    """
    sender = guarded(lambda: Sender.open(node))
    try:
        guarded(lambda: sender.settle(WAIT_S))
    except BaseException:
        sender.close()
        raise
    for each in sender.resumed:
        _tell(each)
    return sender


def _tell(resumed: Future[Receipt]) -> None:
    """What became of an item that an earlier program had signed."""
    error = resumed.exception()
    if error is None:
        say(f"an earlier run's item is settled now: it is in block {resumed.result().height}")
    elif isinstance(error, Refused):
        say(f"an earlier run's item was refused: {error.outcome}; what it said is looked at anew")
    else:
        say(f"an earlier run's item is settled now: {error}")


def operate(
    sender: Sender,
    kind: OperationKind,
    purpose: Purpose,
    body: Body,
    person: str | None = None,
    also: ItemOutcome = ItemOutcome.ACCEPTED,
) -> Receipt:
    """Publish one operation and wait for its block. Raises Failure unless it is accepted.

    `also` is an outcome that is as good.
    """
    receipt = guarded(lambda: _sent(sender, kind, purpose, body, person))
    if receipt.result.outcome not in {ItemOutcome.ACCEPTED, also}:
        what, outcome = kind.name.lower().replace("_", " "), receipt.result.outcome.name.lower()
        raise Failure(f"the ledger refused {what}: {outcome}")
    return receipt


def _sent(
    sender: Sender, kind: OperationKind, purpose: Purpose, body: Body, person: str | None
) -> Receipt:
    future = sender.operation(kind, purpose, body, person)
    sender.settle(WAIT_S)
    return future.result()


def party_name(ledger: EmbeddedLedger, number: int) -> str:
    """What a party of a ledger is called."""
    from tieout import kernel

    return kernel.parties(ledger.state)[number - 1].name


def party_number(ledger: EmbeddedLedger, name: str) -> int:
    """The number of a member. Raises EngineError naming those that there are."""
    from tieout import kernel

    members = kernel.parties(ledger.state)
    for number, party in enumerate(members, start=1):
        if party.name == name:
            return number
    raise EngineError(
        f"'{name}' is not a party of this ledger",
        f"its parties are: {', '.join(party.name for party in members)}",
    )
