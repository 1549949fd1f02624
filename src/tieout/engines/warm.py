"""Load and check the compiled loops before anything depends on them.

`python -m tieout.engines.warm` is part of the set-up: it leaves machine code on disk, so
that the first run is as quick as the next.
"""

from functools import cache

from tieout.engines.errors import EngineError
from tieout.kernel import selftest


@cache
def warm() -> None:
    """Run the known-answer tests of the compiled rules and hashes; a fraction of a second.

    Raises EngineError when one gives a wrong answer: this process must not run a ledger. Only right
    answers are remembered, and for the life of the process, whose machine code does not change.
    """
    try:
        selftest.warm()
    except selftest.SelfTestError as error:
        advice = "run `make clean setup`; if it stays, this machine is at fault"
        raise EngineError(str(error), advice) from error


if __name__ == "__main__":
    warm()
