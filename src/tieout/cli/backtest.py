"""`tieout agreement backtest`: what a new version would have said of everything recorded."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from tieout.cli.files import read_agreement
from tieout.cli.guarding import guarded
from tieout.cli.outcome import Failure, Outcome
from tieout.cli.output import print_json_list, say
from tieout.cli.places import DEFAULT_LEDGER, Ledger
from tieout.cli.progress import Progress

if TYPE_CHECKING:
    from tieout.evidence.backtest import Backtest, Backtester
    from tieout.evidence.verdictchange import Difference, Side, VerdictChange
    from tieout.wire.block import Block, BlockResult


def backtest(
    new: Path,
    /,
    *,
    ledger: Ledger = DEFAULT_LEDGER,
    since: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Try a new version of an agreement on the recorded history. Nothing is written.

    Parameters
    ----------
    new
        The new version (TOML), of an agreement that is in force on the ledger.
    ledger
        The ledger's directory.
    since
        Only transactions opened at this time or later (ISO 8601).
    json
        Print the result as JSON.

    """
    return guarded(lambda: _backtest(new, ledger, since, is_json=json))


def _backtest(new: Path, ledger: Path, since: str | None, *, is_json: bool) -> int:
    from tieout.engines.embedded.ledger import read_genesis
    from tieout.engines.embedded.places import JOURNAL
    from tieout.evidence.backtest import survey
    from tieout.evidence.errors import MissingError
    from tieout.journal.journal import Journal

    agreement = read_agreement(new)
    since_us = _moment(since)
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
            changes = ready.changes(since_us, progress.reach)
            if is_json:
                print_json_list("changes", map(_document, changes), lambda: _summary(ready))
            else:
                _print(ready, changes)
    return Outcome.INCOMPLETE if ready.report.changed else Outcome.COMPLETE


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
    for name, count in _unfit(report):
        say(f"{count:,} values of {name} cannot be stated under version {new.version}: blank")
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
