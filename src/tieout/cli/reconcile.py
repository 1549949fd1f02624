"""`tieout reconcile`: publish files as signed batches, close the cut-off, list the breaks."""

import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tieout.cli.files import read_agreement
from tieout.cli.outcome import Failure, Outcome
from tieout.cli.places import DEFAULT_LEDGER
from tieout.cli.reading import reading_of
from tieout.engines.embedded.places import GENESIS_FILE
from tieout.units.dates import parse_time
from tieout.units.errors import UnitsError

Flag = Annotated[bool, Parameter(negative="")]


def reconcile(
    agreement: Path,
    /,
    *files: str,
    mapping: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    ledger: Path = DEFAULT_LEDGER,
    breaks: Path | None = None,
    refused: Path | None = None,
    receipts: Path | None = None,
    cutoff: str | None = None,
    withdraw: Flag = False,
    json: Flag = False,
) -> int:
    """Reconcile files of several roles against one agreement.

    Publishes the files as signed batches to the ledger, closes the cut-off, and lists what does
    not tie out. Run it again with mended files: unchanged rows are skipped, changed ones are
    published as the next revision.

    Parameters
    ----------
    agreement
        The agreement (TOML).
    files
        ROLE=FILE pairs, ROLE@STAGE=FILE where the agreement has stages. A role named twice: its
        files are read one after the other. A role without a file: its records are missing.
    mapping
        ROLE=FILE, or ROLE@STAGE=FILE: how that role's columns are to be read (TOML,
        docs/mapping.md). May be repeated.
    ledger
        The ledger's directory; begun with its own test keys where there is none.
    breaks
        Where to write the open breaks: .csv or .json.
    refused
        Where to write rows that could not be taken, with line, field and reason (CSV).
    receipts
        Where to append one line for each durable batch.
    cutoff
        The time of the cut-off and of all blocks of this run (ISO 8601); the start of the run
        otherwise.
    withdraw
        Withdraw records that are on the ledger and no longer in the files.
    json
        Print the result as JSON.

    """
    started_us = time.time_ns() // 1_000
    stated = read_agreement(agreement)
    if breaks is not None and breaks.suffix not in {".csv", ".json"}:
        raise Failure(f"--breaks {breaks}: the name must end in .csv or .json")
    reading = reading_of(stated, agreement, files, mapping, (breaks, refused, receipts))
    cutoff_us = cutoff_us_of(cutoff)
    if not (ledger / GENESIS_FILE).exists():
        reading.begin()
    from tieout.cli.day import Request, reconcile_day

    summary = reconcile_day(
        Request(
            agreement=stated,
            reading=reading,
            ledger=ledger,
            breaks=breaks,
            refused=refused,
            receipts=receipts,
            started_us=started_us,
            cutoff_us=cutoff_us,
            withdraw=withdraw,
            as_json=json,
        )
    )
    return Outcome.COMPLETE if summary.tied_out else Outcome.INCOMPLETE


def cutoff_us_of(text: str | None, option: str = "--cutoff") -> int | None:
    """The time of a `--cutoff` in microseconds UTC; None without one. Raises Failure."""
    if text is None:
        return None
    advice = "write for example 2026-03-31T18:00:00Z"
    try:
        time_us = parse_time(text)
    except UnitsError as error:
        raise Failure(f"{option}: {error}", advice) from error
    if time_us < 1:
        raise Failure(f"{option}: {text} is before 1970, where the times of ledgers begin", advice)
    return time_us
