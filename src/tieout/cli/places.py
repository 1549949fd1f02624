"""Which ledger a command is about: the directory that is named, or a party's only one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from tieout.cli.outcome import Failure
from tieout.engines.embedded.places import GENESIS_FILE
from tieout.engines.places import ledgers_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclopts import Token

DEFAULT_LEDGER: Final = Path("tieout-ledger")


def ledger_at(directory: Path) -> Path:
    """The ledger that a directory stands for: itself, or the only ledger of the party whose it is.

    Whether there is a ledger is for whoever opens it. Raises Failure where a party has several.
    """
    if (directory / GENESIS_FILE).exists():
        return directory
    ledgers = ledgers_of(directory)
    if len(ledgers) > 1:
        raise Failure(
            f"{directory} is the directory of a party with {len(ledgers)} ledgers",
            f"name one of them: {', '.join(map(str, ledgers))}",
        )
    return ledgers[0] if ledgers else directory


def _converted(_kind: object, words: "Sequence[Token]") -> Path:
    return ledger_at(Path(words[0].value))


Ledger = Annotated[Path, Parameter(converter=_converted)]
"""The directory of a ledger that there is, as a command is given it."""
