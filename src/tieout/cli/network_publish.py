"""`tieout network publish`: a party's files, published through its own node.

The order is the promise: what an earlier run had signed is settled first; rows are compared with
what the ledger has then; a receipt comes after its block is on disk. So the same command after a
crash goes on where the ledger stands, and run again on the same files it publishes nothing.
"""

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from tieout.agreement.model import Agreement
from tieout.cli.files import read_agreement
from tieout.cli.filing import FiledRole, write_refusals
from tieout.cli.guarding import guarded
from tieout.cli.outcome import Failure, Outcome
from tieout.cli.output import print_json, say
from tieout.cli.places import Ledger
from tieout.cli.reading import Reading, reading_of

if TYPE_CHECKING:
    from tieout.cli.day import ReceiptLines
    from tieout.cli.intake import Rows
    from tieout.engines.cometbft.sending import Sender
    from tieout.engines.embedded.ledger import EmbeddedLedger
    from tieout.engines.receipt import Receipt

Flag = Annotated[bool, Parameter(negative="")]


class Published(msgspec.Struct, frozen=True):
    """The result, as `--json` prints it. Without batches there are no blocks: both are 0."""

    records: int
    published: int
    withdrawn: int
    batches: int
    first_block: int
    last_block: int
    vanished: int
    refused: int
    not_applied: int
    repeated: int
    seconds: float


@dataclass(slots=True)
class _Run:
    """What is known while a run is under way."""

    agreement: Agreement
    sender: "Sender"
    ledger: "EmbeddedLedger"
    lines: "ReceiptLines"
    time_us: int
    sent: "deque[Future[Receipt]]" = field(default_factory=deque)
    heights: list[int] = field(default_factory=list)
    published: int = 0
    withdrawn: int = 0
    vanished: int = 0


def publish(
    node: Ledger,
    agreement: Path,
    /,
    *files: str,
    mapping: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    refused: Path | None = None,
    receipts: Path | None = None,
    withdraw: Flag = False,
    json: Flag = False,
) -> int:
    """Publish a party's files through its own node, and wait until all of it is in blocks.

    Run it again with mended files, or after whatever interruption: unchanged rows are skipped,
    changed ones are published as the next revision.

    Parameters
    ----------
    node
        The ledger's directory at the party's node, which must run.
    agreement
        The agreement (TOML); this version must be in force.
    files
        ROLE=FILE pairs, of roles that the party holds.
    mapping
        ROLE=FILE: how that role's columns are to be read (TOML, docs/mapping.md). May be repeated.
    refused
        Where to write rows that could not be taken, with line, field and reason (CSV).
    receipts
        Where to append one line for each batch that is in a block.
    withdraw
        Withdraw records that are on the ledger and no longer in the files.
    json
        Print the result as JSON.

    """
    stated = read_agreement(agreement)
    reading = reading_of(stated, agreement, files, mapping, (refused, receipts))
    from tieout.cli.sending import at_node

    began = time.perf_counter()
    with at_node(node) as (sender, ledger):
        run, not_applied = guarded(
            lambda: _publish(ledger, stated, reading, sender, receipts, withdraw=withdraw)
        )
    written = write_refusals(refused, reading.roles)
    result = Published(
        records=sum(role.records for role in reading.roles),
        published=run.published,
        withdrawn=run.withdrawn,
        batches=len(run.heights),
        first_block=min(run.heights, default=0),
        last_block=max(run.heights, default=0),
        vanished=run.vanished,
        refused=sum(role.refused_count for role in reading.roles),
        not_applied=not_applied,
        repeated=sum(role.repeats for role in reading.roles),
        seconds=round(time.perf_counter() - began, 3),
    )
    if json:
        print_json(result)
    else:
        _tell(result, refused, written)
    return Outcome.INCOMPLETE if result.refused + result.not_applied else Outcome.COMPLETE


def _publish(
    ledger: "EmbeddedLedger",
    agreement: Agreement,
    reading: Reading,
    sender: "Sender",
    receipts: Path | None,
    *,
    withdraw: bool,
) -> tuple[_Run, int]:
    """Publish what the ledger does not have; the run, and how many rows were not applied."""
    from tieout.cli.day import ReceiptLines
    from tieout.cli.progress import Progress

    total = sum(role.files.size_bytes for role in reading.roles)
    with (
        ReceiptLines(receipts) as lines,
        Progress("publishing", total) as progress,
    ):
        _check_in_force(ledger, agreement, reading.roles, sender.party)
        time_us = max(time.time_ns() // 1_000, ledger.time_us)
        run = _Run(agreement, sender, ledger, lines, time_us)
        for role in reading.roles:
            for rows in _rows_of(run, role, withdraw=withdraw):
                run.sent.append(sender.batch(agreement, role.index, rows))
                _receive(run)
                progress.reach(sum(each.bytes_read for each in reading.roles))
        _await_all(run)
        return run, lines.not_applied


def _rows_of(run: _Run, role: FiledRole, *, withdraw: bool) -> "Iterator[Rows]":
    """What is new or changed, in batches; then what takes back records that are gone."""
    from tieout.cli.intake import cut
    from tieout.cli.revising import Reviser

    reviser = Reviser(run.ledger, run.agreement, role, run.time_us)
    for rows in cut(reviser.revised()):
        run.published += len(rows)
        yield rows
    gone = reviser.vanished()
    run.vanished += len(gone)
    if withdraw and len(gone):
        run.withdrawn += len(gone)
        yield from cut([gone.withdrawals()])


def _receive(run: _Run) -> None:
    """Take the receipts that have come, in the order in which their batches were sent."""
    from tieout.wire.codes import ItemOutcome

    while run.sent and run.sent[0].done():
        receipt = run.sent.popleft().result()
        if receipt.result.outcome is not ItemOutcome.ACCEPTED:
            outcome = receipt.result.outcome.name.lower()
            raise Failure(f"the ledger refused a batch: {outcome}", "run `tieout audit`")
        run.heights.append(receipt.height)
        run.lines.write((receipt,))


def _await_all(run: _Run) -> None:
    from tieout.cli.sending import WAIT_S

    try:
        run.sender.settle(WAIT_S)
    finally:
        _receive(run)


def _check_in_force(
    ledger: "EmbeddedLedger", agreement: Agreement, roles: list[FiledRole], party: int
) -> None:
    """Raise Failure unless this text is in force and the party holds all of these roles."""
    from tieout.cli.sending import party_name

    book = ledger.state.by_version.get((agreement.name, agreement.version))
    if book is None:
        raise Failure(
            f"{agreement.name} version {agreement.version} is not in force on this ledger",
            "each party that holds a role signs it: tieout network enact NODE AGREEMENT",
        )
    if book.agreement.hash != agreement.hash:
        raise Failure(
            f"version {agreement.version} of {agreement.name} says something else on this ledger",
            "publish under the text that all parties have signed",
        )
    for role in roles:
        if party not in book.holders[role.index]:
            holders = ", ".join(party_name(ledger, each) for each in book.holders[role.index])
            raise Failure(
                f"{party_name(ledger, party)} does not hold the role {role.name}",
                f"it is held by {holders}, which publishes it at its own node",
            )


def _tell(result: Published, refused: Path | None, written: list[Path]) -> None:
    """The result for people."""
    if result.batches:
        first, last = result.first_block, result.last_block
        where = f"block {first}" if first == last else f"blocks {first} to {last}"
        say(f"{result.published:,} records are published, in {where}")
        if result.withdrawn:
            say(f"  {result.withdrawn:,} are withdrawn")
    else:
        say("nothing to publish: the ledger has all of it")
    if result.vanished > result.withdrawn:
        say(f"  {result.vanished:,} records are no longer in the files and stand on the ledger;")
        say("  --withdraw takes them back")
    if result.repeated:
        say(f"  {result.repeated:,} rows stood twice with the same values and were taken once")
    for path in written:
        say(f"  refused rows are in {path}: mend them there and publish that file again")
    if result.refused and refused is None:
        say(f"  {result.refused:,} rows were refused; --refused FILE lists them with the reason")
    if result.not_applied:
        say(f"  {result.not_applied:,} rows were published and not applied")
        say("  `tieout show ID` says why")
