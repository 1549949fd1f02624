"""`tieout breaks` and `tieout show`: what does not tie out, and the story of one transaction."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tieout import kernel
from tieout.cli.guarding import guarded
from tieout.cli.opening import (
    chosen_agreements,
    find_transaction,
    open_ledger,
    proofs_of,
)
from tieout.cli.outcome import Outcome
from tieout.cli.output import print_json, say
from tieout.cli.places import DEFAULT_LEDGER, Ledger
from tieout.cli.tables import staged_lines
from tieout.evidence.breaklist import line_of
from tieout.units.dates import format_time
from tieout.wire.codes import BreakKind

if TYPE_CHECKING:
    from rich.console import Console

    from tieout.engines.embedded.ledger import EmbeddedLedger
    from tieout.evidence.breaklist import BreakLine, StagedLine
    from tieout.evidence.pack import PackReport
    from tieout.evidence.packform import FieldValue, Statement

Flag = Annotated[bool, Parameter(negative="")]

STATUS_WORDS = {"benchmark": "agreed value"}
"""Words that people see where the code says something else."""


def breaks(
    *, ledger: Ledger = DEFAULT_LEDGER, agreement: str | None = None, json: Flag = False
) -> int:
    """List what does not tie out now. Exit code 1 while there is something.

    Parameters
    ----------
    ledger
        The ledger's directory.
    agreement
        Only breaks under this agreement.
    json
        Print them as JSON.

    """
    with open_ledger(ledger) as opened:
        names = chosen_agreements(opened, agreement)
        lines = [line for name in names for line in staged_lines(opened.state, name)]
        height = opened.height
    has_stages = any(each.stage for each in lines)
    if json:
        print_json([_as_object(each) for each in lines])
    elif not lines:
        say(f"everything ties out (as of block {height})")
    else:
        _print_breaks(lines, has_stages=has_stages)
        say(f"{len(lines):,} rows, as of block {height}. `tieout show ID` tells the story of one")
    return Outcome.INCOMPLETE if lines else Outcome.COMPLETE


def _as_object(each: "StagedLine") -> dict[str, str]:
    line: dict[str, str] = each.line._asdict()
    return {**line, "stage": each.stage} if each.stage else line


def _print_breaks(lines: "list[StagedLine]", *, has_stages: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    right = {"reported", "benchmark", "difference"}
    names = lines[0].line._fields
    for name in (names[0], "stage", *names[1:]) if has_stages else names:
        words = STATUS_WORDS.get(name, name.replace("_", " "))
        table.add_column(words, justify="right" if name in right else "left", no_wrap=True)
    for stage, line in lines:
        cells = list(line)
        cells[1] = cells[1].replace("_", " ")
        if has_stages:
            cells.insert(1, stage)
        table.add_row(*map(Text, cells))
    console = Console()
    width = console.width if console.is_terminal else max(console.width, 160)
    Console(width=width).print(table)


def show(
    transaction: str,
    /,
    *,
    ledger: Ledger = DEFAULT_LEDGER,
    agreement: str | None = None,
    originator: int = 0,
    json: Flag = False,
) -> int:
    """Tell the story of one transaction: who said what when, verdict, alarm, correcting entries.

    Parameters
    ----------
    transaction
        Its id.
    ledger
        The ledger's directory.
    agreement
        The agreement under which it was published; found by itself where the id stands under one
        only.
    originator
        The party in whose numbering the id counts; 0 when ids are shared by all.
    json
        Print it as JSON.

    """
    with open_ledger(ledger) as opened:
        name = find_transaction(opened, agreement, originator, transaction)
        report = guarded(lambda: _report(opened, name, originator, transaction))
        groups = _broken_groups(opened, name, originator, transaction)
    if json:
        print_json(
            {
                "agreement": report.agreement,
                "originator": report.originator,
                "transaction_id": report.transaction_id,
                "statement": report.statement,
                "broken_groups": [each._asdict() for each in groups],
                "timeline": [
                    {
                        "height": step.height,
                        "time": format_time(step.time_us),
                        "leaf": step.leaf,
                        "by": _who(report, step.party, step.person),
                        "what": step.what,
                    }
                    for step in report.steps
                ],
            }
        )
    else:
        _print_story(report, groups)
    return Outcome.INCOMPLETE if report.statement.breaks or groups else Outcome.COMPLETE


def _report(
    ledger: "EmbeddedLedger", agreement: str, originator: int, transaction: str
) -> "PackReport":
    """The transaction, judged again by the reference rules from what the journal has of it."""
    from tieout.evidence.pack import verify_pack

    return verify_pack(proofs_of(ledger).pack(agreement, originator, transaction), ledger.genesis)


def _broken_groups(
    ledger: "EmbeddedLedger", agreement: str, originator: int, transaction: str
) -> "list[BreakLine]":
    """What its groups came to: a pack does not tell it, as it rests on other transactions too."""
    agreements = {book.number: book.agreement for book in ledger.state.books}
    return [
        line_of(agreements[row.agreement], row)
        for row in kernel.breaks(ledger.state, agreement)
        if row.kind is BreakKind.GROUP
        and (row.transaction_id, row.originator) == (transaction.encode(), originator)
    ]


def _who(report: "PackReport", party: int, person: int) -> str:
    """`seller`, or `seller/approver-1`; empty for what nobody signed."""
    if not party:
        return ""
    institution = report.parties[party - 1]
    if not person:
        return institution.name
    return f"{institution.name}/{institution.persons[person - 1].name}"


def _print_story(report: "PackReport", groups: "list[BreakLine]") -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True, emoji=False)
    statement = report.statement
    console.print(
        f"[bold]{escape(report.transaction_id)}[/bold] under {report.agreement} version"
        f" {statement.version}: [bold]{statement.status}[/bold]"
    )
    console.print(f"opened {statement.opened}" + _judged(statement))
    console.print("\n[bold]Who said what when[/bold]")
    for step in report.steps:
        who = _who(report, step.party, step.person)
        told = f"  {format_time(step.time_us)}  block {step.height}  {who:<22} {step.what}"
        console.print(told, markup=False)
    _print_roles(console, statement)
    _print_breaks_of(console, statement, groups)
    _print_adjustments(console, statement)


def _judged(statement: "Statement") -> str:
    words = ", judged at a cut-off" if statement.judged else ", not judged at a cut-off yet"
    return words + (f", closed {statement.closed}" if statement.closed else "")


def _print_roles(console: "Console", statement: "Statement") -> None:
    console.print("\n[bold]What stands[/bold]")
    for role in statement.roles:
        if role.standing != "states":
            late = ", its deadline has passed" if role.overdue else ""
            console.print(f"  {role.role:<12} {role.standing}{late}")
            continue
        values = ", ".join(_value(value) for value in role.values)
        console.print(f"  {role.role:<12} revision {role.revision}: {values}", markup=False)


def _value(value: "FieldValue") -> str:
    currency = f" {value.currency}" if value.currency else ""
    return f"{value.field} {value.value}{currency}"


def _print_breaks_of(console: "Console", statement: "Statement", groups: "list[BreakLine]") -> None:
    console.print("\n[bold]Verdict[/bold]")
    for line in groups:
        console.print(
            f"  {line.role}: its group {line.field} is broken: {line.reported} against"
            f" {line.benchmark}, difference {line.difference}; {line.basis}",
            markup=False,
        )
    if not statement.breaks and not groups:
        console.print(f"  {statement.status}: no break is open")
    for each in statement.breaks:
        where = "" if each.kind == "invariant" else "in "
        what = f"  {each.role}: {each.kind.replace('_', ' ')}" + (
            f" {where}{each.field}" if each.field else ""
        )
        if each.benchmark:
            what += f": reported {each.reported}, agreed value {each.benchmark} by {each.basis}"
            what += f", difference {each.difference}" if each.difference else ""
        elif each.kind == "invariant":
            what += " does not hold: " + (
                f"left side {each.reported}, less the right one {each.difference}"
                if each.difference
                else "something is divided by zero"
            )
        elif each.reported:
            what += f": reported {each.reported}, no agreed value yet ({each.status})"
        console.print(f"{what}   [{', '.join(each.rules)}]", markup=False)
    if statement.alarm != "none":
        console.print(f"  alarm {statement.alarm}, episode {statement.episode}")


def _print_adjustments(console: "Console", statement: "Statement") -> None:
    if not statement.adjustments:
        return
    console.print("\n[bold]Correcting entries[/bold]")
    for each in statement.adjustments:
        to = ", ".join(_value(value) for value in each.benchmarks)
        at_once = " at once" if each.approved_at_once else ""
        people = f", approved by {', '.join(each.approvers)}" if each.approvers else ""
        console.print(
            f"  {each.role}: to {to}: {each.status}{at_once}{people}   {each.id}", markup=False
        )
