"""What goes wrong in the rooms below, turned into words and an exit code. Loads none of them."""

from collections.abc import Callable
from typing import TypeVar

from tieout.cli.outcome import Failure, Outcome
from tieout.connectors.errors import ConnectorError
from tieout.engines.errors import EngineError, LedgerDamaged
from tieout.journal.errors import JournalDamaged, JournalError
from tieout.projections.errors import ProjectionError
from tieout.wire.errors import BlockError

Result = TypeVar("Result")


def guarded(action: Callable[[], Result]) -> Result:
    """The result of an action; errors of the rooms below become a Failure with their advice."""
    try:
        return action()
    except ConnectorError as error:
        raise Failure(str(error)) from error
    except JournalDamaged as error:
        what = f"the ledger is damaged: {error}"
        raise Failure(what, error.advice, Outcome.INCOMPLETE) from error
    except LedgerDamaged as error:
        raise Failure(str(error), error.advice, Outcome.INCOMPLETE) from error
    except (EngineError, JournalError, ProjectionError) as error:
        raise Failure(str(error), error.advice) from error
    except BlockError as error:
        raise Failure(str(error), "give a later --cutoff") from error
