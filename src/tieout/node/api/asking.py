"""Asking the database: what it refuses becomes a problem, for every endpoint alike."""

import contextlib
from collections.abc import Iterator

from tieout.node.problems import ProblemError
from tieout.projections.errors import (
    BadCursor,
    BadFilter,
    Conflict,
    NotFound,
    ProjectionError,
    UnknownAgreement,
)


@contextlib.contextmanager
def asking(unfit: str = "invalid_parameter", unknown: str = "invalid_parameter") -> Iterator[None]:
    """What the database refuses becomes a problem.

    `unfit` is the code for what fits no column, `unknown` for an agreement that it does not know.
    """
    try:
        yield
    except BadCursor as error:
        raise ProblemError("invalid_cursor", str(error)) from error
    except UnknownAgreement as error:
        raise ProblemError(unknown, str(error)) from error
    except BadFilter as error:
        raise ProblemError(unfit, str(error)) from error
    except NotFound as error:
        raise ProblemError("not_found", str(error)) from error
    except Conflict as error:
        raise ProblemError("conflict", f"{error}; {error.advice}".rstrip("; ")) from error
    except ProjectionError as error:
        raise ProblemError("busy", str(error)) from error
