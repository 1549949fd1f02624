"""Opening ledgers for a command, and finding in them what it names."""

from pathlib import Path

from tieout import kernel
from tieout.cli.guarding import guarded
from tieout.cli.outcome import Failure
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.proving import LedgerProofs


def open_ledger(
    directory: Path, *, read_only: bool = True, at_height: int | None = None
) -> EmbeddedLedger:
    """The ledger in a directory, as it is or was after a block.

    Raises Failure when there is none, or it cannot be opened.
    """
    return guarded(lambda: EmbeddedLedger.open(directory, read_only=read_only, at_height=at_height))


def proofs_of(ledger: EmbeddedLedger) -> LedgerProofs:
    """What can be proven of a ledger; with the validators' votes where several parties order it.

    Raises EngineError; asking for votes takes a node that runs.
    """
    if ledger.genesis.operator:
        return ledger.proofs()
    from tieout.engines.cometbft.votes import votes_of

    return ledger.proofs(votes_of(ledger.directory, ledger.genesis))


def chosen_agreements(ledger: EmbeddedLedger, name: str | None) -> list[str]:
    """The agreement of that name, or all that are in force. Raises Failure for an unknown name."""
    names = ledger.agreement_names()
    if name is None:
        return names
    if name not in names:
        known = ", ".join(names) or "none"
        raise Failure(f"'{name}' is not in force on this ledger", f"in force are: {known}")
    return [name]


def find_transaction(
    ledger: EmbeddedLedger, agreement: str | None, originator: int, transaction_id: str
) -> str:
    """The name of the agreement under which a transaction stands.

    Raises Failure when there is none, or when it stands under several and none was named.
    """
    key = transaction_id.encode("utf-8", "surrogateescape")
    is_possible = 0 <= originator < 1 << 16
    found = [
        name
        for name in chosen_agreements(ledger, agreement)
        if is_possible and kernel.timeline(ledger.state, name, originator, key)
    ]
    if not found:
        raise Failure(
            f"there is no transaction {transaction_id!r} on this ledger",
            "ids are compared exactly; `tieout breaks` lists those that do not tie out",
        )
    if len(found) > 1:
        names = ", ".join(found)
        raise Failure(f"{transaction_id!r} stands under {names}", "name one with --agreement")
    return found[0]


def one_agreement(ledger: EmbeddedLedger, name: str | None) -> str:
    """The agreement of that name, or the only one. Raises Failure when it has to be named."""
    names = chosen_agreements(ledger, name)
    if len(names) != 1:
        what = f"in force are: {', '.join(names)}" if names else "no agreement is in force"
        raise Failure("which agreement?", f"{what}; name one with --agreement")
    return names[0]
