"""`tieout demo`: a seeded fund day of three parties, played live on an accelerated clock."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from tieout.cli.outcome import Outcome
from tieout.cli.output import print_json

Flag = Annotated[bool, Parameter(negative="")]
DEFAULT_DIRECTORY = Path("tieout-demo")


def demo(
    *,
    seed: int = 20250916,
    transactions: Annotated[int, Parameter(validator=Number(gte=500))] = 20_000,
    seconds: Annotated[float, Parameter(validator=Number(gte=0.1))] = 10.0,
    ledger: Path = DEFAULT_DIRECTORY,
    json: Flag = False,
) -> int:
    """Show a fund day of three parties: published, found, adjusted, verified again, proven.

    Exit code 0 when exactly what was seeded was found and everything was verified.

    Parameters
    ----------
    seed
        The same seed gives the same day.
    transactions
        How many orders the day has.
    seconds
        How long the day takes on the screen: the clock is accelerated.
    ledger
        Where ledger, books and proofs are left; an earlier demonstration there is replaced.
    json
        Print the result as JSON and show nothing else.

    """
    from rich.console import Console

    from tieout.cli.guarding import guarded
    from tieout.demo.ending import summary, tell
    from tieout.demo.play import play_day
    from tieout.demo.screen import screen_for

    console = Console(quiet=json)
    console.print("Founding a ledger of three parties, and seeding the day …")
    played = guarded(lambda: play_day(seed, transactions, ledger))
    with played:
        guarded(lambda: played.run(screen_for(console, played.day, seconds), seconds))
        result = guarded(lambda: summary(played, ledger))
        if json:
            print_json(result)
        else:
            tell(console, result, ledger)
    return Outcome.COMPLETE if result.exact else Outcome.INCOMPLETE
