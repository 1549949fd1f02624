"""`tieout demo`: a fund day of three parties, reconciled as it is published."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tieout.cli.outcome import Outcome

Flag = Annotated[bool, Parameter(negative="")]


def demo(
    *,
    seed: int = 20260302,
    transactions: int = 20_000,
    ledger: Path | None = None,
    json: Flag = False,
) -> int:
    """Show a made-up fund day, published live on an accelerated clock, adjusted and verified.

    Parameters
    ----------
    seed
        The same seed gives the same day.
    transactions
        How many subscriptions.
    ledger
        Where to keep the ledger and the three parties' books; a temporary directory otherwise.
    json
        Print the summary as JSON.

    """
    from tieout.demo.run import run_demo

    return (
        Outcome.COMPLETE
        if run_demo(seed, transactions, ledger, as_json=json)
        else Outcome.INCOMPLETE
    )
