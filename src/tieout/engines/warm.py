"""Load and check the compiled loops before anything depends on them.

`python -m tieout.engines.warm` is part of the set-up: it leaves machine code on disk, so
that the first run is as quick as the next.
"""

from importlib import import_module

from tieout.engines.errors import EngineError
from tieout.kernel import selftest


def warm() -> None:
    """Run the known-answer tests of the compiled rules and hashes; a fraction of a second.

    Raises EngineError when one gives a wrong answer: this process must not run a ledger.
    """
    try:
        selftest.warm()
    except selftest.SelfTestError as error:
        raise EngineError(str(error), "remove numba's cache and try again") from error


if __name__ == "__main__":
    import_module("tieout.connectors.csv_fast")  # compiled when it is imported
    warm()
