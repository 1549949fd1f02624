"""Breaks as tables: files for programs, a screen for people."""

from collections import Counter
from pathlib import Path

from tieout import kernel
from tieout.cli.outcome import Failure
from tieout.evidence.breaklist import BreakLine, csv_bytes, json_bytes, lines_of


def break_lines(state: kernel.State, agreement: str) -> list[BreakLine]:
    """The open breaks of an agreement, in the order of the breaks file."""
    agreements = {book.number: book.agreement for book in state.books}
    return lines_of(agreements, kernel.breaks(state, agreement))


def write_breaks(state: kernel.State, agreement: str, path: Path | None) -> Counter[str]:
    """Write the breaks file where one is asked for (.csv or .json); how many rows of each kind."""
    lines = break_lines(state, agreement)
    if path is not None:
        data = json_bytes(lines) if path.suffix == ".json" else csv_bytes(lines)
        try:
            path.write_bytes(data)
        except OSError as error:
            raise Failure(f"the breaks cannot be written to {path}: {error.strerror}") from error
    return Counter(line.kind for line in lines)
