"""Breaks as files for programs and as lines for people."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tieout import kernel
from tieout.cli.outcome import Failure
from tieout.evidence.breaklist import BreakLine, json_bytes, lines_of
from tieout.evidence.breaktable import table_csv


def break_lines(state: kernel.State, agreement: str) -> list[BreakLine]:
    """The open breaks of an agreement, in the order of the breaks file."""
    agreements = {book.number: book.agreement for book in state.books}
    return lines_of(agreements, kernel.breaks(state, agreement))


def write_breaks(
    state: kernel.State, agreement: str, table: NDArray[np.void], path: Path | None
) -> None:
    """Write the breaks file where one is asked for (.csv or .json); `table` has its rows."""
    if path is None:
        return
    agreements = {book.number: book.agreement for book in state.books}
    try:
        with path.open("wb") as file:
            if path.suffix == ".json":
                file.write(json_bytes(break_lines(state, agreement)))
            else:
                file.writelines(table_csv(agreements, table))
    except OSError as error:
        raise Failure(f"the breaks cannot be written to {path}: {error.strerror}") from error
