"""Publishing through the node of a consortium: opened for a command, waited for, put into words."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from tieout.cli.guarding import guarded
from tieout.cli.opening import open_ledger
from tieout.cli.outcome import Failure
from tieout.cli.output import say
from tieout.engines.cometbft.sending import Sender, ring_at
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.errors import EngineError, Refused
from tieout.engines.receipt import Receipt
from tieout.wire.codes import ItemOutcome, OperationKind, Purpose
from tieout.wire.operations import Body

WAIT_S = 60.0
"""How long nothing at all may come into a block: many times as long as a slow round of votes."""


@contextmanager
def at_node(node: Path) -> Iterator[tuple[Sender, EmbeddedLedger]]:
    """The way to publish through the node of a ledger's directory, and the ledger as it is now.

    What an earlier program had signed is settled first: then the ledger tells what is still to be
    published, and which of the party's keys are valid. Raises Failure when the node does not run,
    or another program publishes from there.
    """
    ring = guarded(lambda: ring_at(node))
    with guarded(lambda: Sender.open(node, ring=ring)) as sender:
        guarded(lambda: sender.settle(WAIT_S))
        _tell(sender.resumed)
        with open_ledger(node) as ledger:
            ring.follow(ledger.roster)
            yield sender, ledger


def _tell(resumed: Sequence[Future[Receipt]]) -> None:
    """What became of the items that an earlier program had signed."""
    refused = Counter(
        error.outcome for each in resumed if isinstance(error := each.exception(), Refused)
    )
    if settled := len(resumed) - refused.total():
        say(f"going on with an earlier run: {settled} items that it had signed are on the ledger")
    for outcome, count in refused.items():
        say(f"{count} items that an earlier run had signed are refused: {outcome}")


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
    """A party's number, as of the next block. Raises EngineError naming those that there are."""
    from tieout import kernel

    members = kernel.upcoming_parties(ledger.state)
    for number, party in enumerate(members, start=1):
        if party.name == name:
            return number
    raise EngineError(
        f"'{name}' is not a party of this ledger",
        f"its parties are: {', '.join(party.name for party in members)}",
    )
