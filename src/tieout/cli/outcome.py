"""Exit codes, and the one way in which a command says that it could not go on."""

import sys
from enum import IntEnum


class Outcome(IntEnum):
    """Exit codes of every command."""

    COMPLETE = 0
    """All tied out, nothing refused, every check passed."""
    INCOMPLETE = 1
    """Breaks remain, rows were refused, or a check failed."""
    NOTHING_DONE = 2
    """Usage, agreement, header or an unreadable file: nothing was done."""


class Failure(Exception):
    """A command stops here. `what` says what is wrong, `advice` what to do about it."""

    def __init__(
        self, what: str, advice: str = "", outcome: Outcome = Outcome.NOTHING_DONE
    ) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice
        self.outcome = outcome

    def print(self) -> None:
        """Say it on standard error."""
        print(f"tieout: {self.what}", file=sys.stderr)
        if self.advice:
            print(f"  {self.advice}", file=sys.stderr)
