"""`tieout statement`: a party states its day, and is told at once what differs.

What is stated comes from the party's own file, never from the ledger: otherwise it would always tie
out. The ledger is only asked which transactions belong to the period.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
from cyclopts import Parameter

from tieout.cli.files import read_agreement
from tieout.cli.guarding import guarded
from tieout.cli.outcome import Failure, Outcome
from tieout.cli.output import print_json, say
from tieout.cli.places import DEFAULT_LEDGER, Ledger
from tieout.cli.reading import reading_of
from tieout.units.dates import format_time
from tieout.units.numbers import format_scaled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tieout.agreement.model import Agreement
    from tieout.engines.embedded.ledger import EmbeddedLedger
    from tieout.kernel.holdings import Holding
    from tieout.wire.statements import StateDay, StatedNumbers

Flag = Annotated[bool, Parameter(negative="")]


class Total(msgspec.Struct, frozen=True):
    """A control total, as `--json` prints it; the sum in the field's own decimals."""

    field: str
    currency: str
    records: int
    sum: str


class Stated(msgspec.Struct, frozen=True):
    """The result, as `--json` prints it."""

    agreement: str
    version: int
    role: str
    after: str
    until: str
    records: int
    records_on_ledger: int
    totals: list[Total]
    set_hash: str
    ties_out: bool
    differs: list[str]
    fields: list[str]
    omitted: list[str]
    unstated: list[str]
    revision: int
    height: int


class _Told(NamedTuple):
    """The events of the statement, and the block that has it."""

    events: "NDArray[np.void]"
    height: int


def statement(
    agreement: Path,
    /,
    *files: str,
    mapping: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    ledger: Ledger = DEFAULT_LEDGER,
    after: str | None = None,
    until: str | None = None,
    numbers: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    json: Flag = False,
) -> int:
    """State a party's day from its own file, signed, and say what differs from the ledger.

    Parameters
    ----------
    agreement
        The agreement (TOML); this version must be in force.
    files
        ROLE=FILE: what the role's books hold. Rows of transactions that were opened outside the
        period are left out.
    mapping
        ROLE=FILE: how the columns are to be read (TOML, docs/mapping.md).
    ledger
        The ledger's directory; of a consortium, at the party's node, which must run.
    after
        The period begins after this time (ISO 8601); after the cut-off before the last one without
        it.
    until
        The period ends with this time; with the last cut-off without it.
    numbers
        STREAM:RANGES, such as 0:1-17,19: the sequence numbers that the party has used, so that an
        omitted batch is named. May be repeated.
    json
        Print the result as JSON.

    """
    stated = read_agreement(agreement)
    reading = reading_of(stated, agreement, files, mapping, ())
    from tieout.cli.opening import open_ledger
    from tieout.cli.own_books import book_in_force, held_in, only_role, whole_rows, within
    from tieout.kernel.holdings import Holding

    used = _numbers(numbers)
    role = only_role(reading)
    with open_ledger(ledger) as opened:
        book = book_in_force(opened, stated.name, stated.version, stated.hash)
        period = _period(opened, stated.name, after, until)
        is_alone = opened.genesis.operator != 0
        rows = within(opened, book, whole_rows(role), *period)
    mine = held_in(Holding(stated, role.index), rows)
    body = _body(stated, role.index, period, mine, used)
    told = _publish(ledger, role.name, body, is_alone=is_alone)
    result = _result(stated, body, told)
    if json:
        print_json(result)
    else:
        _tell(result)
    return Outcome.COMPLETE if result.ties_out else Outcome.INCOMPLETE


def _body(
    agreement: "Agreement",
    role: int,
    period: tuple[int, int],
    mine: "Holding",
    used: "tuple[StatedNumbers, ...]",
) -> "StateDay":
    from tieout.wire.statements import StateDay

    return StateDay(
        agreement.name,
        agreement.version,
        role,
        *period,
        mine.count,
        mine.stated_totals(),
        used,
        mine.tree().root(),
    )


def _numbers(texts: tuple[str, ...]) -> "tuple[StatedNumbers, ...]":
    """The numbers as a statement has them. Raises Failure for what is no range."""
    from tieout.wire.statements import StatedNumbers, are_numbers

    stated = []
    for text in texts:
        stream, mark, ranges = text.partition(":")
        try:
            pairs = [each.partition("-") for each in ranges.split(",")]
            spans = tuple((int(first), int(last or first)) for first, _, last in pairs)
            stated.append(StatedNumbers(int(stream), spans))
        except ValueError:
            mark = ""
        if not mark:
            raise Failure(f"--numbers {text} is not STREAM:RANGES", "write for example 0:1-17,19")
    stated.sort(key=lambda each: each.stream)
    if not are_numbers(stated):
        raise Failure(
            "the numbers of a stream must ascend, each stream be named once",
            "write adjacent numbers as one range: 0:1-3, not 0:1-2,3",
        )
    return tuple(stated)


def _period(
    ledger: "EmbeddedLedger", name: str, after: str | None, until: str | None
) -> tuple[int, int]:
    """The period asked for, else that of the last cut-off. Raises Failure when there is none."""
    from tieout.cli.reconcile import cutoff_us_of
    from tieout.evidence.cutoffs import note_cutoffs

    after_us, until_us = cutoff_us_of(after, "--after"), cutoff_us_of(until, "--until")
    if after_us is None or until_us is None:
        closed: dict[str, list[int]] = {}
        for entry in ledger.journal.entries():
            note_cutoffs(closed, entry.block, entry.result)
        times_us = [each for each in closed.get(name, []) if until_us is None or each < until_us]
        if until_us is None:
            if not times_us:
                raise Failure(f"no cut-off of {name} was closed yet", "say --until TIME")
            until_us = times_us.pop()
        if after_us is None:
            after_us = times_us[-1] if times_us else 0
    if after_us >= until_us:
        raise Failure("the period ends before it begins", "--after must be earlier than --until")
    return after_us, until_us


def _publish(directory: Path, role: str, body: "StateDay", *, is_alone: bool) -> _Told:
    """Sign and publish, and find what the ledger said about it."""
    from tieout.wire.codes import OperationKind, Purpose

    if is_alone:
        return guarded(lambda: _alone(directory, role, body))
    from tieout.cli.opening import open_ledger
    from tieout.cli.sending import at_node, operate

    with at_node(directory) as (sender, _):
        receipt = operate(sender, OperationKind.STATE_DAY, Purpose.PUBLISH, body)
    with open_ledger(directory) as after:
        entry = guarded(lambda: next(iter(after.journal.entries(receipt.height))))
    events = entry.result.events
    return _Told(events[events["item"] == receipt.item], receipt.height)


def _alone(directory: Path, role: str, body: "StateDay") -> _Told:
    from tieout.engines.embedded.ledger import EmbeddedLedger
    from tieout.wire.codes import OperationKind, Purpose

    with EmbeddedLedger.open(directory) as ledger:
        # A block whose time is later than the period's end: nothing can be opened in it any more.
        time_us = max(time.time_ns() // 1_000, ledger.time_us, body.until_us + 1)
        kind, party = OperationKind.STATE_DAY, ledger.party(role)
        result = ledger.operate(party, kind, Purpose.PUBLISH, body, time_us)
        return _Told(result.events, ledger.height)


def _result(agreement: "Agreement", body: "StateDay", told: _Told) -> Stated:
    from tieout.wire.codes import EventKind, StatementDifference

    verdict = told.events[0]
    differences = int(verdict["detail"])

    def places(kind: EventKind) -> list[str]:
        chosen = told.events[told.events["kind"] == kind]
        return [f"{int(each['extra']) & 0xFFFF}:{int(each['serial'])}" for each in chosen]

    fields = told.events[told.events["kind"] == EventKind.TOTAL_DIFFERS]["field"].tolist()
    return Stated(
        agreement=body.agreement,
        version=body.version,
        role=agreement.roles[body.role],
        after=format_time(body.after_us),
        until=format_time(body.until_us),
        records=body.count,
        records_on_ledger=int(verdict["serial"]),
        totals=[
            Total(
                agreement.fields[each.field].name,
                each.currency.decode("ascii"),
                each.count,
                format_scaled(each.sum, agreement.fields[each.field].scale),
            )
            for each in body.totals
        ],
        set_hash=body.set_hash.hex(),
        ties_out=differences == 0,
        differs=[each.name.lower() for each in StatementDifference if each & differences],
        fields=[agreement.fields[f].name for f in fields],
        omitted=places(EventKind.BATCH_OMITTED),
        unstated=places(EventKind.BATCH_UNSTATED),
        revision=int(verdict["extra"]) & 0xFFFF,
        height=told.height,
    )


def _tell(result: Stated) -> None:
    """The result for people."""
    verdict = "ties out with" if result.ties_out else "differs from"
    say(f"the statement of {result.role} {verdict} the ledger (block {result.height})")
    say(f"  {result.agreement}, opened after {result.after} and until {result.until}")
    say(f"  {result.records:,} records stated, {result.records_on_ledger:,} on the ledger")
    for total in result.totals:
        where = f"{total.field} {total.currency}".rstrip()
        mark = "  differs" if total.field in result.fields else ""
        say(f"    {where}: {total.sum} in {total.records:,} records{mark}")
    for each in result.omitted:
        say(f"  batch {each} was stated and never came: publish it again")
    for each in result.unstated:
        say(f"  batch {each} came and was not stated: who signed it?")
    if "set_hash" in result.differs:
        say("  `tieout drill` finds the records that differ")
