"""`tieout adjust`: correcting entries, and the people who stand behind them."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tieout import kernel
from tieout.cli.guarding import guarded
from tieout.cli.opening import chosen_agreements, open_ledger
from tieout.cli.outcome import Failure, Outcome
from tieout.cli.output import print_json, say
from tieout.cli.places import DEFAULT_LEDGER, Ledger
from tieout.engines.embedded.ledger import EmbeddedLedger, read_genesis
from tieout.evidence.breaklist import value_text
from tieout.units.ids import unpad
from tieout.wire.codes import AdjustmentStatus, OperationKind, Purpose
from tieout.wire.operations import AdjustmentStep

if TYPE_CHECKING:
    from tieout.agreement.model import Agreement

Flag = Annotated[bool, Parameter(negative="")]
Person = Annotated[str, Parameter(name=["--as"])]


def list_adjustments(
    *,
    ledger: Ledger = DEFAULT_LEDGER,
    agreement: str | None = None,
    all: Flag = False,  # noqa: A002 - the name of the switch
    json: Flag = False,
) -> int:
    """List the correcting entries that are open: who adjusts what to which agreed value.

    Parameters
    ----------
    ledger
        The ledger's directory.
    agreement
        Only those under this agreement.
    all
        Also those that are verified, refused, superseded or failed.
    json
        Print them as JSON.

    """
    with open_ledger(ledger) as opened:
        names = chosen_agreements(opened, agreement)
        entries = [
            _facts(opened, entry)
            for name in names
            for entry in kernel.adjustments(opened.state, name)
            if all or entry.status <= AdjustmentStatus.POSTED
        ]
    if json:
        print_json(entries)
    elif not entries:
        say("no correcting entry is open")
    else:
        _print_entries(entries)
    return Outcome.COMPLETE


def _facts(ledger: EmbeddedLedger, entry: kernel.Adjustment) -> dict[str, object]:
    agreement = ledger.state.books[entry.agreement - 1].agreement
    stages = agreement.stages
    return {
        "id": entry.id.hex(),
        "agreement": agreement.name,
        "transaction_id": unpad(entry.transaction_id),
        **({"stage": stages[entry.stage].name} if stages else {}),
        "role": agreement.roles[entry.role],
        "to": _values(agreement, entry),
        "status": entry.status.name.lower(),
        "approved_at_once": entry.approved_at_once,
        "approvers": [_person(ledger, code) for code in entry.approvers],
        "mode": agreement.mode.value,
    }


def _values(agreement: "Agreement", entry: kernel.Adjustment) -> dict[str, str]:
    values = {}
    for number, field in enumerate(agreement.fields):
        if entry.fields >> number & 1:
            column = agreement.layout.columns[number]
            start = column.offset - agreement.layout.columns[0].offset
            raw = entry.benchmarks[start : start + column.width]
            values[field.name] = value_text(field, column.value_of(raw))
    return values


def _person(ledger: EmbeddedLedger, code: int) -> str:
    party = kernel.parties(ledger.state)[(code >> 16) - 1]
    return f"{party.name}/{party.persons[(code & 0xFFFF) - 1].name}"


def _print_entries(entries: list[dict[str, object]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    has_stages = any("stage" in entry for entry in entries)
    names = ("transaction", "role", "to the agreed value", "status", "approved by", "id")
    for name in (names[0], "stage", *names[1:]) if has_stages else names:
        table.add_column(name, no_wrap=True)
    for entry in entries:
        to = entry["to"]
        approvers = entry["approvers"]
        table.add_row(
            Text(str(entry["transaction_id"])),
            *([str(entry.get("stage", ""))] if has_stages else []),
            str(entry["role"]),
            Text(", ".join(f"{name} {value}" for name, value in to.items()))
            if isinstance(to, dict)
            else "",
            str(entry["status"]),
            "at once"
            if entry["approved_at_once"]
            else ", ".join(map(str, approvers))
            if isinstance(approvers, list)
            else "",
            str(entry["id"])[:16],
        )
    console = Console()
    width = console.width if console.is_terminal else max(console.width, 160)
    Console(width=width).print(table)


def approve(
    adjustment: str, /, *, person: Person, ledger: Ledger = DEFAULT_LEDGER, json: Flag = False
) -> int:
    """Approve a correcting entry, signed with a personal key. Two different persons are needed.

    Parameters
    ----------
    adjustment
        Its id, or the first digits of it.
    person
        Who approves: a person of the party whose books are adjusted.
    ledger
        The ledger's directory.
    json
        Print the entry afterwards as JSON.

    """
    return _step(ledger, adjustment, person, OperationKind.APPROVE, "", as_json=json)


def refuse(
    adjustment: str,
    /,
    *,
    person: Person,
    reason: str,
    ledger: Ledger = DEFAULT_LEDGER,
    json: Flag = False,
) -> int:
    """Refuse a correcting entry, signed with a personal key.

    Parameters
    ----------
    adjustment
        Its id, or the first digits of it.
    person
        Who refuses: a person of the party whose books would be adjusted.
    reason
        Why; it is kept on the ledger.
    ledger
        The ledger's directory.
    json
        Print the entry afterwards as JSON.

    """
    return _step(ledger, adjustment, person, OperationKind.REFUSE, reason, as_json=json)


def _step(
    ledger: Path, digits: str, person: str, kind: OperationKind, reason: str, *, as_json: bool
) -> int:
    genesis = guarded(lambda: read_genesis(ledger))
    step = _stepped_alone if genesis.operator else _stepped_through_node
    facts = step(ledger, digits, person, kind, reason)
    if as_json:
        print_json(facts)
    else:
        approvers = facts["approvers"]
        count = len(approvers) if isinstance(approvers, list) else 0
        more = "; one more person has to approve it" if facts["status"] == "proposed" else ""
        at = f" at {facts['stage']}" if "stage" in facts else ""
        who = f"{facts['transaction_id']} {facts['role']}{at}"
        say(f"{who}: {facts['status']} ({count} approved){more}")
    return Outcome.COMPLETE


def _stepped_alone(
    ledger: Path, digits: str, person: str, kind: OperationKind, reason: str
) -> dict[str, object]:
    with open_ledger(ledger, read_only=False) as opened:
        party, body = _about(opened, digits, reason)
        now_us = max(time.time_ns() // 1_000, opened.time_us)
        guarded(lambda: opened.operate(party, kind, Purpose.APPROVE, body, now_us, person=person))
        return _facts(opened, _find(opened, body.adjustment.hex()))


def _stepped_through_node(
    ledger: Path, digits: str, person: str, kind: OperationKind, reason: str
) -> dict[str, object]:
    """Several parties order the ledger: the node submits it, and the node's copy tells the rest."""
    from tieout.cli.sending import at_node, operate, party_name

    with at_node(ledger) as (sender, opened):
        party, body = _about(opened, digits, reason)
        if party != sender.party:
            raise Failure(
                f"the books that are adjusted are those of {party_name(opened, party)}",
                "its own people decide, at its own node",
            )
        operate(sender, kind, Purpose.APPROVE, body, person)
    with open_ledger(ledger) as opened:
        return _facts(opened, _find(opened, body.adjustment.hex()))


def _about(ledger: EmbeddedLedger, digits: str, reason: str) -> tuple[int, AdjustmentStep]:
    """Whose books an entry adjusts, and what a step of it names."""
    entry = _find(ledger, digits)
    agreement = ledger.state.books[entry.agreement - 1].agreement
    key = entry.transaction_id.rstrip(b"\0")
    found = kernel.transaction(ledger.state, agreement.name, entry.originator, key, entry.stage)
    if found is None:
        raise Failure("the transaction of that entry is gone", "run `tieout audit`")
    about = unpad(entry.transaction_id)
    name, originator, role = agreement.name, entry.originator, entry.role
    body = AdjustmentStep(name, originator, about, role, entry.id, reason, stage=entry.stage)
    return found.roles[entry.role].party, body


def _find(ledger: EmbeddedLedger, digits: str) -> kernel.Adjustment:
    found = [
        entry
        for name in ledger.agreement_names()
        for entry in kernel.adjustments(ledger.state, name)
        if entry.id.hex().startswith(digits.lower())
    ]
    ids = {entry.id for entry in found}
    if len(ids) != 1:
        what = "no correcting entry has" if not ids else "several correcting entries have"
        raise Failure(f"{what} an id that begins with {digits}", "see `tieout adjust list --all`")
    return found[-1]
