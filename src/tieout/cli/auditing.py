"""The audit of a ledger directory: what its journal keeps, replayed by the reference rules."""

from collections.abc import Iterator
from pathlib import Path

from tieout.cli.progress import Progress
from tieout.engines.embedded.ledger import read_genesis
from tieout.engines.embedded.places import JOURNAL
from tieout.evidence.audit import AuditReport, Difference, Held, audit
from tieout.journal.check import check_journal
from tieout.journal.errors import JournalDamaged
from tieout.journal.journal import Journal
from tieout.merkle import lanes
from tieout.wire.block import Block, BlockResult
from tieout.wire.genesis import Genesis


def audit_ledger(directory: Path, certificates: list[bytes], *, quiet: bool) -> AuditReport:
    """Audit the ledger in a directory; damage is what it reports. Raises NoLedger, NoJournal."""
    genesis = read_genesis(directory)
    try:
        return _audit(directory, genesis, certificates, quiet=quiet)
    except JournalDamaged as damage:
        difference = Difference(damage.height, f"the ledger is damaged: {damage}")
        return AuditReport(difference=difference)


def _audit(
    directory: Path, genesis: Genesis, certificates: list[bytes], *, quiet: bool
) -> AuditReport:
    checked = check_journal(directory / JOURNAL, genesis.ledger_id())
    if checked.damages:
        raise checked.damages[0]
    with (
        Journal.open(directory / JOURNAL, genesis.ledger_id(), read_only=True) as journal,
        Progress("auditing", journal.durable.height, quiet=quiet) as progress,
    ):
        held = Held(certificates=certificates)
        return audit(_kept(journal), genesis, held, progress.reach, lanes.rows_root)


def _kept(journal: Journal) -> Iterator[tuple[Block, BlockResult]]:
    for entry in journal.entries():
        yield entry.block, entry.result
