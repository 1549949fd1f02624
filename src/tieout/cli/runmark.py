"""The mark of a run that is under way: its time, so that it is resumed with the same one.

All blocks of a `tieout reconcile` carry the run's time. When the process dies, the same command
finds the mark and goes on with that time; rows that are on the ledger already are skipped as
unchanged, so nothing is published twice.
"""

import os
from pathlib import Path
from typing import Final

import msgspec

RUN_FILE: Final = "run.json"


class RunMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was being reconciled, and the time of all blocks of the run (microseconds UTC)."""

    agreement: str
    version: int
    cutoff_us: int


def read_mark(directory: Path) -> RunMark | None:
    """The mark of an unfinished run; None when there is none, or it was never wholly written."""
    try:
        return msgspec.json.decode((directory / RUN_FILE).read_bytes(), type=RunMark)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def write_mark(directory: Path, mark: RunMark) -> None:
    """Leave the mark, durably, before the first block of the run."""
    temporary = directory / (RUN_FILE + ".new")
    with temporary.open("wb") as file:
        file.write(msgspec.json.encode(mark) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(directory / RUN_FILE)
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def clear_mark(directory: Path) -> None:
    """The run is complete."""
    (directory / RUN_FILE).unlink(missing_ok=True)
