"""`tieout agreement backtest`: what a new version would have said of everything recorded."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from tieout import kernel
from tieout.cli.files import read_agreement
from tieout.cli.guarding import guarded
from tieout.cli.opening import open_ledger
from tieout.cli.outcome import Failure, Outcome
from tieout.cli.output import print_json_list, say
from tieout.cli.places import DEFAULT_LEDGER, Ledger
from tieout.cli.progress import Progress

if TYPE_CHECKING:
    from tieout.agreement.model import Agreement
    from tieout.evidence.backtest import Backtest, Backtester
    from tieout.evidence.verdictchange import Difference, Side, VerdictChange
    from tieout.wire.block import Block, BlockResult


def backtest(
    new: Path | None = None,
    /,
    *,
    change: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    ledger: Ledger = DEFAULT_LEDGER,
    since: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Try a new version of an agreement on the recorded history. Nothing is written.

    Parameters
    ----------
    new
        The new version (TOML), of an agreement that is in force on the ledger.
    change
        Instead of a file: the version that the open change of this number would put into force.
    ledger
        The ledger's directory.
    since
        Only transactions opened at this time or later (ISO 8601).
    json
        Print the result as JSON.

    """
    if (new is None) == (change is None):
        raise Failure("what is to be tried?", "name the new version's file, or --change N")
    since_us = _moment(since)
    agreement = _proposed(ledger, change) if new is None else read_agreement(new)

    def show(ready: "Backtester", changes: "Iterator[VerdictChange]") -> None:
        if json:
            print_json_list("changes", map(_document, changes), lambda: _summary(ready))
        else:
            _print(ready, changes)

    changed = guarded(lambda: _backtest(agreement, ledger, since_us, show))
    return Outcome.INCOMPLETE if changed else Outcome.COMPLETE


def say_backtest(agreement: "Agreement", ledger: Path, command: str) -> None:
    """Say in a few lines what a new version would change; `command` tells all of it.

    Nothing but that it could not be tried, where the whole history is not kept.
    """

    def show(ready: "Backtester", changes: "Iterator[VerdictChange]") -> None:
        for _ in changes:
            pass
        _say_counts(ready)
        if ready.report.changed:
            say(f"which, and why: `{command}`")

    try:
        guarded(lambda: _backtest(agreement, ledger, 0, show))
    except Failure as failure:
        say(f"not tried on the recorded history: {failure}")


def _proposed(ledger: Path, number: int | None) -> "Agreement":
    """The next version that an open change would put into force. Raises Failure."""
    from tieout.agreement.parse import load_canonical
    from tieout.wire.members import PutIntoForce

    with open_ledger(ledger) as opened:
        steps = [
            step
            for change in kernel.changes(opened.state)
            if change.number == number
            for step in change.steps
            if isinstance(step, PutIntoForce)
        ]
        in_force = opened.agreement_names()
    found = [load_canonical(step.agreement) for step in steps]
    for agreement in found:
        if agreement.name in in_force:
            return agreement
    if found:
        raise Failure(f"{found[0].name} is not in force yet: nothing is recorded under it")
    raise Failure(
        f"no open change {number} would put an agreement into force",
        "`tieout member changes` lists what is open",
    )


Show = Callable[["Backtester", Iterator["VerdictChange"]], None]


def _backtest(agreement: "Agreement", ledger: Path, since_us: int, show: Show) -> int:
    """Try it, and let `show` tell of it while it is tried. How many transactions would change."""
    from tieout.engines.embedded.ledger import read_genesis
    from tieout.engines.embedded.places import JOURNAL
    from tieout.evidence.backtest import survey
    from tieout.evidence.errors import MissingError
    from tieout.journal.journal import Journal

    genesis = read_genesis(ledger)
    with Journal.open(ledger / JOURNAL, genesis.ledger_id(), read_only=True) as journal:
        if journal.base.height:
            raise Failure(
                f"this copy of the ledger begins after block {journal.base.height}",
                "run it where the whole history is kept",
            )
        last = journal.durable.height

        def kept() -> "Iterator[tuple[Block, BlockResult]]":
            return ((entry.block, entry.result) for entry in journal.entries(last=last))

        try:
            with Progress("reading", last) as progress:
                ready = survey(kept, genesis, agreement, progress.reach)
        except MissingError as error:
            raise Failure(str(error)) from error
        with Progress("backtesting", last * ready.passes) as progress:
            show(ready, ready.changes(since_us, progress.reach))
    return ready.report.changed


def _moment(text: str | None) -> int:
    from tieout.units.dates import parse_time
    from tieout.units.errors import UnitsError

    if text is None:
        return 0
    try:
        return parse_time(text)
    except UnitsError as error:
        raise Failure(f"--since: {error}") from error


# ---------------------------------------------------------------- for programs


def _document(change: "VerdictChange") -> dict[str, Any]:
    return {
        "transaction_id": change.transaction_id,
        "originator": change.originator,
        "version": change.version,
        "status": change.status,
        "status_anew": change.status_anew,
        "differences": [
            {
                "fate": each.fate,
                "kind": each.kind,
                "field": each.field,
                "role": each.role,
                "recorded": _side(each.recorded),
                "anew": _side(each.anew),
            }
            for each in change.differences
        ],
    }


def _side(side: "Side") -> dict[str, Any]:
    return {
        "standing": side.standing,
        "rules": side.rules,
        "reported": side.reported,
        "benchmark": side.benchmark,
        "basis": side.basis,
        "difference": side.difference,
        "status": side.status,
    }


def _summary(ready: "Backtester") -> dict[str, Any]:
    from tieout.agreement.explain import explain_change

    report = ready.report
    return {
        "agreement": report.agreement.name,
        "version": report.agreement.version,
        "hash": report.agreement.hash.hex(),
        "recorded": [
            {
                "version": each.old.version,
                "taken": each.notes(),
                "says": explain_change(each.old, report.agreement),
            }
            for each in report.recorded
        ],
        "unfit": dict(_unfit(report)),
        "transactions": report.transactions,
        "records": report.records,
        "changed": report.changed,
        "statuses": [
            {"status": was, "status_anew": now, "count": count}
            for (was, now), count in sorted(report.statuses.items())
        ],
        "kinds": [
            {"kind": kind, "fate": fate, "count": count}
            for (kind, fate), count in sorted(report.kinds.items())
        ],
        "fallen_away": report.fallen_away,
    }


def _unfit(report: "Backtest") -> list[tuple[str, int]]:
    """How many values each field of the new version could not state."""
    return [
        (field.name, count)
        for f, field in enumerate(report.agreement.fields)
        if (count := sum(each.unfit[f] for each in report.recorded))
    ]


# ---------------------------------------------------------------- for people


def _print(ready: "Backtester", changes: "Iterable[VerdictChange]") -> None:
    from tieout.agreement.explain import explain_change

    report = ready.report
    new = report.agreement
    for each in report.recorded:
        say(f"{new.name}: version {new.version} on what was recorded under {each.old.version}")
        for line in (*each.notes(), *explain_change(each.old, new)):
            say(f"  {line}")
    say()
    for change in changes:
        of = f" of party {change.originator}" if change.originator else ""
        print(f"{change.transaction_id}{of}: {_statuses(change)}")
        for difference in change.differences:
            for line in _lines(difference):
                print(f"  {line}")
    _say_counts(ready)


def _say_counts(ready: "Backtester") -> None:
    report = ready.report
    for name, count in _unfit(report):
        say(
            f"{count:,} values of {name} cannot be stated under version"
            f" {report.agreement.version}: blank"
        )
    if report.fallen_away:
        say(
            f"{report.fallen_away:,} times somebody confirmed, acknowledged, approved, refused or"
            " posted what would not have been there: fallen away"
        )
    what = f"{report.transactions:,} transactions, {report.records:,} records"
    if not report.changed:
        say(f"{what}: no verdict would change")
        return
    say(f"{what}: {report.changed:,} transactions would be judged otherwise")
    for (was, now), count in sorted(report.statuses.items()):
        say(f"  {count:,} {was} now, would be {now or 'unknown'}")
    for (kind, fate), count in sorted(report.kinds.items()):
        say(f"  {count:,} {kind.replace('_', ' ')}: {FATES[fate]}")


FATES = {
    "appears": "would have been a break",
    "disappears": "would not have been a break",
    "closes": "is open, would be closed",
    "stays": "is closed, would be open",
    "differs": "is open, would be open otherwise",
}


def _statuses(change: "VerdictChange") -> str:
    if change.status == change.status_anew:
        return f"{change.status}, as it is"
    return f"{change.status}, would be {change.status_anew or 'unknown'}"


def _lines(difference: "Difference") -> list[str]:
    """What would become of a break; then what decides now, and what would decide."""
    where = f" in {difference.field}" if difference.field else ""
    kind = difference.kind.replace("_", " ")
    if difference.kind == "invariant":
        kind, where = f"invariant {difference.field}", ""
    return [
        f"{difference.role}: {kind}{where} {FATES[difference.fate]}",
        f"  now:  {_told(difference.recorded)}",
        f"  then: {_told(difference.anew)}",
    ]


def _told(side: "Side") -> str:
    """`open: reported 1.50, agreed value 1.00 by bank, difference 0.50   [R-MATCH-2, …]`."""
    words = "no break" if side.standing == "never" else side.standing
    if side.benchmark:
        words += f": reported {side.reported}, agreed value {side.benchmark} by {side.basis}"
        words += f", difference {side.difference}" if side.difference else ""
    elif side.reported:
        words += f": reported {side.reported}, no agreed value ({side.status})"
    rules = ", ".join(side.rules) if side.rules else "not looked at"
    return f"{words}   [{rules}]"
