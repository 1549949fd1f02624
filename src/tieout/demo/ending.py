"""The end of the day: what was found against what was seeded, and what can be proven of it.

The certificate and one evidence pack are written beside the ledger and verified as a stranger
would: from the bytes of the files, with the genesis, without the ledger.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from tieout.demo.cast import INSTITUTIONS
from tieout.demo.faults import CONTROLS, SeededBreak
from tieout.demo.play import WHOLE_RECORD, Play
from tieout.engines.embedded.places import GENESIS_FILE
from tieout.evidence.certificate import verify_certificate
from tieout.evidence.pack import verify_pack
from tieout.wire.genesis import parse_genesis

CERTIFICATE_FILE: Final = "certificate.json"
SHOWN: Final = 5


class Summary(msgspec.Struct, frozen=True):
    """The result of a day. `missed`, `invented`, `not_closed` and `not_open` name breaks in words.

    `adjusted` are correcting entries that were verified again, `approved_by_people` those of them
    that had passed a limit; `look_alikes` the seeded controls, of which none was called a break.
    """

    seed: int
    transactions: int
    records: int
    matched: int
    broken: int
    adjusted: int
    approved_by_people: int
    seeded: int
    found: int
    missed: tuple[str, ...]
    invented: tuple[str, ...]
    not_closed: tuple[str, ...]
    not_open: tuple[str, ...]
    look_alikes: int
    exact: bool
    certificate: str
    certificate_words: str
    signers: tuple[str, ...]
    evidence: str
    evidence_of: str
    evidence_words: str
    not_proven: tuple[str, ...]


def summary(play: Play, directory: Path) -> Summary:
    """Count, write the certificate and the pack of an adjusted transaction, and verify both.

    Raises EvidenceError when one of them does not hold.
    """
    score = play.tally.score(play.day.faults)
    name, proofs = play.agreement.name, play.ledger.proofs()
    # The longest story that a pack can tell: two people had to approve.
    transaction_id = (play.verified_after_approval or play.tally.transaction_ids)[0]
    certificate, pack = directory / CERTIFICATE_FILE, directory / f"{transaction_id}.json"
    certificate.write_bytes(proofs.certificate(name).to_bytes())
    pack.write_bytes(proofs.pack(name, 0, transaction_id))
    genesis = parse_genesis((directory / GENESIS_FILE).read_bytes())
    tied_out = verify_certificate(certificate.read_bytes(), genesis)
    report = verify_pack(pack.read_bytes(), genesis)
    return Summary(
        seed=play.day.seed,
        transactions=play.counters.transactions,
        records=play.counters.records,
        matched=play.counters.matched,
        broken=play.counters.broken,
        adjusted=play.counters.adjusted,
        approved_by_people=len(play.verified_after_approval),
        seeded=score.seeded,
        found=score.found,
        missed=_named(score.missed),
        invented=_named(score.invented),
        not_closed=_named(score.unmended),
        not_open=_named(score.mended),
        look_alikes=sum(fault.kind in CONTROLS for fault in play.day.faults),
        exact=score.exact,
        certificate=str(certificate),
        certificate_words=tied_out.head.words,
        signers=tuple(tied_out.signers),
        evidence=str(pack),
        evidence_of=transaction_id,
        evidence_words=f"{report.verdict} offline; {report.statement.status}",
        not_proven=report.not_proven,
    )


def _named(breaks: Iterable[tuple[str, SeededBreak]]) -> tuple[str, ...]:
    return tuple(
        f"{transaction_id}: {each.field or WHOLE_RECORD[each.kind]}, {INSTITUTIONS[each.role].name}"
        for transaction_id, each in breaks
    )


def tell(console: Console, result: Summary, directory: Path) -> None:
    """The summary, for people."""

    def say(title: str, text: str) -> None:
        console.print(f"[bold]{title:<14}[/]{text}", highlight=False, soft_wrap=True)

    console.print()
    say(
        "The day",
        f"{result.transactions:,} transactions, {result.records:,} records: {result.matched:,} "
        f"matched, {result.broken:,} left broken for people to clear up",
    )
    say(
        "Adjusted",
        f"{result.adjusted:,} correcting entries posted to the books and verified again; "
        f"{result.approved_by_people:,} of them passed a limit, and two people approved",
    )
    mark = "[green]exact[/]" if result.exact else "[red]NOT EXACT[/]"
    say(
        "Found",
        f"{result.found:,} of {result.seeded:,} seeded breaks, {len(result.invented):,} invented; "
        f"{result.look_alikes:,} look-alikes rightly left alone: {mark}",
    )
    for what, breaks in (
        ("missed", result.missed),
        ("invented", result.invented),
        ("not closed", result.not_closed),
        ("not open", result.not_open),
    ):
        for each in breaks[:SHOWN]:
            say("", f"{what}: {each}")
    say("Certificate", result.certificate_words)
    say("", f"signed by {', '.join(result.signers)}, verified offline: {result.certificate}")
    say("Evidence", f"{result.evidence_of}: {result.evidence_words}: {result.evidence}")
    for words in result.not_proven:
        say("", f"not proven: {words}")
    console.print()
    say("Look further", f"tieout breaks --ledger {directory}")
    say("", f"tieout show {result.evidence_of} --ledger {directory}")
    say("", f"tieout verify {result.evidence} --trust {directory / GENESIS_FILE}")
