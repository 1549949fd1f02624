"""One run of `tieout reconcile`, from the files to the breaks.

The order is the promise: every header is read before anything is written; the mark of the run
comes before its first block; a receipt comes after its block is on disk; the cut-off is closed
last, once. So the same command after a crash goes on where the ledger stands, and run again on
the same files it changes nothing.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from tieout import kernel
from tieout.agreement.model import Agreement
from tieout.cli.filing import FiledRole, write_refusals
from tieout.cli.guarding import guarded
from tieout.cli.intake import Lane, cut, in_turn
from tieout.cli.outcome import Failure
from tieout.cli.output import print_json, say
from tieout.cli.progress import Progress
from tieout.cli.reading import Reading
from tieout.cli.revising import Reviser
from tieout.cli.runmark import RunMark, clear_mark, read_mark, write_mark
from tieout.cli.tables import write_breaks
from tieout.engines.embedded.commit import Item, Pipeline
from tieout.engines.embedded.ledger import EmbeddedLedger, found_ledger
from tieout.engines.embedded.places import GENESIS_FILE
from tieout.engines.errors import Refused
from tieout.engines.publisher import Publisher
from tieout.engines.receipt import Receipt
from tieout.evidence.breaklist import KINDS
from tieout.units.dates import format_time
from tieout.wire.block import BlockResult
from tieout.wire.codes import BreakKind, ItemOutcome, OperationKind, Purpose
from tieout.wire.operations import CloseCutoff

SIGNED_AHEAD: Final = 16
"""Blocks that are signed before they are applied."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for on the command line, checked. Times are microseconds UTC."""

    agreement: Agreement
    reading: Reading
    ledger: Path
    breaks: Path | None
    refused: Path | None
    receipts: Path | None
    started_us: int
    cutoff_us: int | None
    withdraw: bool
    as_json: bool


class Summary(msgspec.Struct, frozen=True):
    """The result, as `--json` prints it."""

    transactions: int
    records: int
    matched: int
    broken: int
    breaks: int
    by_kind: dict[str, int]
    refused: int
    repeated: int
    seconds: float
    records_per_second: int

    @property
    def tied_out(self) -> bool:
        """Whether nothing is left to do."""
        return self.breaks == 0 and self.refused == 0


@dataclass(slots=True)
class _Run:
    """What is known while a run is under way."""

    request: Request
    ledger: EmbeddedLedger
    cutoff_us: int
    roles: list[FiledRole]
    is_first: bool
    """Whether the ledger had no records of this agreement before this run."""
    is_resumed: bool
    vanished: list[tuple[str, str]] = field(default_factory=list)
    not_applied: int = 0


def reconcile_day(request: Request) -> Summary:
    """Publish, close, report. Raises Failure where nothing can be done."""
    began = time.perf_counter()
    try:
        run, table = guarded(lambda: _reconcile(request))
    finally:
        request.reading.stop()
    with run.ledger:
        write_breaks(run.ledger.state, request.agreement.name, table, request.breaks)
        summary = _summary(run, table, time.perf_counter() - began)
    refusals = write_refusals(request.refused, run.roles)
    clear_mark(request.ledger)
    if request.as_json:
        print_json(summary)
    else:
        _tell(run, summary, refusals)
    return summary


def _reconcile(request: Request) -> tuple[_Run, NDArray[np.void]]:
    """Everything that changes the ledger; and the table of the breaks that are open then.

    The ledger is returned open, with all of it durable. While one thread judges, and in the end
    looks for breaks, another one writes what was judged before.
    """
    if not (request.ledger / GENESIS_FILE).exists():
        found_ledger(request.ledger, request.agreement.roles, request.started_us)
    ledger = EmbeddedLedger.open(request.ledger)
    try:
        run = _begin(request, ledger)
        ledger.enact(request.agreement, run.cutoff_us)
        ledger.journal.drop_behind()
        with ReceiptLines(request.receipts) as lines:
            pipeline = Pipeline(ledger, lines.write)
            try:
                published = _publish(run, pipeline)
                _close(run, pipeline, published=published)
                table = kernel.break_table(ledger.state, request.agreement.name)
            finally:
                pipeline.close()
            run.not_applied = lines.not_applied
    except BaseException:
        ledger.journal.close()
        raise
    return run, table


def _begin(request: Request, ledger: EmbeddedLedger) -> _Run:
    """Settle the time of all blocks of this run: as asked for, or of an unfinished run, or now."""
    name, version = request.agreement.name, request.agreement.version
    mark = read_mark(request.ledger)
    is_resumed = mark is not None and (mark.agreement, mark.version) == (name, version)
    cutoff_us = request.started_us
    if request.cutoff_us is not None:
        cutoff_us = request.cutoff_us
    elif mark is not None and is_resumed:
        cutoff_us = mark.cutoff_us
        say(f"going on with the run of {format_time(cutoff_us)}, which was not completed")
    if cutoff_us < ledger.time_us:
        raise Failure(
            f"this run would carry the time {format_time(cutoff_us)}, but the ledger stands at"
            f" {format_time(ledger.time_us)} already",
            "give a --cutoff that is not earlier",
        )
    ledger.is_enactable(request.agreement)
    had = kernel.counts(ledger.state, name).transactions
    if had and request.reading.has_begun:
        raise Failure(
            f"another run has begun the ledger at {request.ledger} since this one was started",
            "run the same command again",
        )
    write_mark(request.ledger, RunMark(name, version, cutoff_us))
    roles = request.reading.roles
    return _Run(request, ledger, cutoff_us, roles, is_first=had == 0, is_resumed=is_resumed)


# ---------------------------------------------------------------- publishing


def _publish(run: _Run, pipeline: Pipeline) -> bool:
    """Publish what the ledger does not have yet; whether there was anything."""
    published = False
    total = sum(role.files.size_bytes for role in run.roles)
    with Progress("publishing", total, quiet=run.request.as_json) as progress:
        for turn in chain(_prepared(run), _withdrawals(run)):
            _check_accepted(pipeline.apply(turn, run.cutoff_us))
            published = True
            progress.reach(sum(role.bytes_read for role in run.roles))
    return published


def _check_accepted(result: BlockResult) -> None:
    """Raise Failure when the ledger refused an item of a block: nothing may be closed then."""
    for item in result.items:
        if item.outcome is not ItemOutcome.ACCEPTED:
            raise Failure(
                f"the ledger refused a batch: {item.outcome.name.lower()}", "run `tieout audit`"
            )


def _prepared(run: _Run) -> Iterator[list[Item]]:
    """Signed batches of all roles in turn.

    On a ledger without records of this agreement another thread signs them ahead.
    """
    if run.is_first:
        reading = run.request.reading
        if not reading.has_begun:
            reading.begin()
        turns = Lane(lambda: _signed_in_turn(run), SIGNED_AHEAD)
        try:
            # Meanwhile: memory that is new may cost more than all the rest.
            kernel.reserve(run.ledger.state, run.request.agreement.name, reading.likely_rows())
            yield from turns
        finally:
            turns.stop()
        for role in run.roles:
            # So that the memory goes while the last blocks are written, and not at the very end.
            role.known.forget()
        return
    for role in run.roles:
        publisher = run.ledger.publisher(run.ledger.party(role.name))
        reviser = Reviser(run.ledger, run.request.agreement, role, run.cutoff_us)
        for rows in cut(reviser.revised()):
            yield [publisher.batch(run.request.agreement, role.index, rows)]


def _signed_in_turn(run: _Run) -> Iterator[list[Item]]:
    """Batches of all roles in turn, stage by stage, so that nothing comes ahead of its time."""
    ledger = run.ledger
    names = {role.name for role in run.roles}
    # One for each party, so that its batches of several stages are numbered one after the other.
    publishers = {name: ledger.publisher(ledger.party(name), vouch=True) for name in names}
    for stage in sorted({role.part.stage for role in run.roles}):
        roles = [role for role in run.roles if role.part.stage == stage]
        yield from in_turn([_signed(run, role, publishers[role.name]) for role in roles])


def _signed(run: _Run, role: FiledRole, publisher: Publisher) -> Iterator[Item]:
    for room in run.request.reading.batches_of(role):
        yield publisher.batch_in_place(run.request.agreement, role.index, room)


def _withdrawals(run: _Run) -> Iterator[list[Item]]:
    """List what is on the ledger and no longer in the files; withdraw it where that was asked."""
    for role in [] if run.is_first else run.roles:
        reviser = Reviser(run.ledger, run.request.agreement, role, run.cutoff_us)
        gone = reviser.vanished()
        name = role.part.name(run.request.agreement)
        run.vanished += [(name, one) for one in gone.ids()]
        if run.request.withdraw and len(gone):
            publisher = run.ledger.publisher(run.ledger.party(role.name))
            for rows in cut([gone.withdrawals()]):
                yield [publisher.batch(run.request.agreement, role.index, rows)]


def _close(run: _Run, pipeline: Pipeline, *, published: bool) -> None:
    """Close the cut-off, unless it is closed and nothing has come since."""
    name = run.request.agreement.name
    last_us = run.ledger.state.cutoffs_us.get(name)
    is_closed = last_us == run.cutoff_us or (last_us is not None and not run.is_resumed)
    if is_closed and not published and not kernel.unjudged(run.ledger.state, name):
        return
    party = run.ledger.party(run.request.agreement.roles[0])
    body = CloseCutoff(name, run.cutoff_us)
    signed = run.ledger.publisher(party).operation(
        OperationKind.CLOSE_CUTOFF, Purpose.PUBLISH, body
    )
    (item,) = pipeline.apply([signed], run.cutoff_us).items
    if item.outcome is not ItemOutcome.ACCEPTED:
        raise Refused("close cutoff", item.outcome.name.lower())


# ---------------------------------------------------------------- receipts


class ReceiptLines:
    """Appends a line of JSON for each durable batch to a file, at once; nothing without one."""

    def __init__(self, path: Path | None) -> None:
        self.not_applied = 0
        """Rows that the rules did not apply, for whatever reason."""
        self._path = path
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        if self._path is not None:
            self._file = self._path.open("ab", buffering=0)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, receipts: tuple[Receipt, ...]) -> None:
        """Write the lines of a block's batches; operations have none."""
        receipts = tuple(receipt for receipt in receipts if receipt.result.rows)
        self.not_applied += sum(sum(receipt.result.rows[1:]) for receipt in receipts)
        if self._file is not None and receipts:
            lines = [
                msgspec.json.encode(
                    {
                        "height": receipt.height,
                        "item": receipt.item,
                        "leaf": receipt.result.leaf,
                        "records": sum(receipt.result.rows),
                        "app_hash": receipt.app_hash.hex(),
                    }
                )
                for receipt in receipts
            ]
            self._file.write(b"".join(line + b"\n" for line in lines))


# ---------------------------------------------------------------- the result


def _summary(run: _Run, table: NDArray[np.void], seconds: float) -> Summary:
    """Count. A transaction is broken when it has a row in the table of breaks."""
    counts = kernel.counts(run.ledger.state, run.request.agreement.name)
    records = sum(role.records for role in run.roles)
    # The table's order is by transaction. (`np.unique` would import 6 ms of numpy.)
    about = table["serial"] << np.uint64(16) | table["agreement"]
    broken = int(np.count_nonzero(about[1:] != about[:-1])) + min(len(about), 1)
    by_kind = {
        KINDS[BreakKind(kind)]: number
        for kind, number in enumerate(np.bincount(table["kind"]).tolist())
        if number
    }
    return Summary(
        transactions=counts.matched + counts.pending + broken,
        records=records,
        matched=counts.matched,
        broken=broken,
        breaks=len(table),
        by_kind=dict(sorted(by_kind.items())),
        refused=sum(role.refused_count for role in run.roles) + run.not_applied,
        repeated=sum(role.repeats for role in run.roles),
        seconds=round(seconds, 3),
        records_per_second=int(records / seconds) if seconds else 0,
    )


def _tell(run: _Run, summary: Summary, refusals: list[Path]) -> None:
    """The result for people."""
    request = run.request
    closed_us = run.ledger.state.cutoffs_us[request.agreement.name]
    nothing_new = "" if closed_us == run.cutoff_us else "; nothing has changed since"
    say(f"cut-off {format_time(closed_us)} of {request.agreement.name} closed{nothing_new}")
    say(
        f"  {summary.transactions:,} transactions: {summary.matched:,} matched,"
        f" {summary.broken:,} broken"
    )
    for kind, count in summary.by_kind.items():
        say(f"    {count:,} {kind.replace('_', ' ')}")
    say(f"  {summary.records:,} records in {summary.seconds:.2f} s")
    if summary.repeated:
        say(f"  {summary.repeated:,} rows stood twice with the same values and were taken once")
    for path in refusals:
        say(f"  refused rows are in {path}: mend them there and reconcile that file again")
    if summary.refused and request.refused is None:
        say(f"  {summary.refused:,} rows were refused; --refused FILE lists them with the reason")
    if run.not_applied:
        say(f"  {run.not_applied:,} rows were published and not applied; `tieout show ID` says why")
    _tell_vanished(run)
    if request.breaks is not None:
        say(f"  breaks are in {request.breaks}")
    elif summary.breaks:
        say("  see them with `tieout breaks`")


def _tell_vanished(run: _Run) -> None:
    if not run.vanished:
        return
    did = (
        "were withdrawn"
        if run.request.withdraw
        else "stand on the ledger; --withdraw takes them back"
    )
    say(f"  {len(run.vanished):,} records are no longer in the files and {did}:")
    shown = 10
    for role, transaction_id in run.vanished[:shown]:
        say(f"    {role} {transaction_id}")
    if len(run.vanished) > shown:
        say(f"    … and {len(run.vanished) - shown:,} more")
