"""Breaks as files for programs and as lines for people."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tieout import kernel
from tieout.cli.outcome import Failure
from tieout.evidence.breaklist import (
    BreakLine,
    StagedLine,
    json_bytes,
    lines_of,
    staged_csv,
    staged_json,
    staged_lines_of,
)
from tieout.evidence.breaktable import table_csv


def break_lines(state: kernel.State, agreement: str) -> list[BreakLine]:
    """The open breaks of an agreement, in the order of the breaks file."""
    agreements = {book.number: book.agreement for book in state.books}
    return lines_of(agreements, kernel.breaks(state, agreement))


def has_stages_under(state: kernel.State, agreement: str) -> bool:
    """Whether the transactions of an agreement go through stages, in any version in force."""
    return any(book.agreement.stages for book in state.books if book.agreement.name == agreement)


def staged_lines(state: kernel.State, agreement: str) -> list[StagedLine]:
    """As `break_lines`, each with the name of its stage."""
    agreements = {book.number: book.agreement for book in state.books}
    return staged_lines_of(agreements, kernel.breaks(state, agreement))


def write_breaks(
    state: kernel.State, agreement: str, table: NDArray[np.void], path: Path | None
) -> None:
    """Write the breaks file where one is asked for (.csv or .json); `table` has its rows."""
    if path is None:
        return
    agreements = {book.number: book.agreement for book in state.books}
    has_stages = has_stages_under(state, agreement)
    try:
        with path.open("wb") as file:
            if has_stages and path.suffix == ".json":
                file.write(staged_json(staged_lines(state, agreement)))
            elif has_stages:
                file.write(staged_csv(staged_lines(state, agreement)))
            elif path.suffix == ".json":
                file.write(json_bytes(break_lines(state, agreement)))
            else:
                file.writelines(table_csv(agreements, table))
    except OSError as error:
        raise Failure(f"the breaks cannot be written to {path}: {error.strerror}") from error
