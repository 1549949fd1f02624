"""The audit: replay a whole ledger with the readable rules, and compare everything.

The problem: whoever keeps a ledger computes its verdicts with fast code, on a machine that only
they control. The model: the auditor takes the blocks as they are kept, and nothing else, and
applies them with the reference implementation, which shares no rule with the fast one. After each
block the outcomes of its items, its events and its app hash must be the same; the app hash covers
the log, all events, members, agreements and, from cut-off to cut-off, the whole state. Checkpoints
and certificates that somebody holds are compared at their heights.

The first difference ends the audit: what comes after it rests on it. It is named by the block's
height and by what differs. Blocks are streamed; the state of the reference is all that is held.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final

import numpy as np

from tieout.evidence.breaklist import BreakLine, line_of
from tieout.evidence.certificate import (
    STANDING_DTYPE,
    CertificateReport,
    CutoffContent,
    CutoffRange,
    RowsRoot,
    build_certificate,
    hashed_rows_root,
    parse_certificate,
    verify_certificate,
)
from tieout.evidence.certificateform import CertificateHead
from tieout.evidence.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    parse_checkpoint,
    verify_checkpoint,
)
from tieout.evidence.cutoffs import note_cutoffs
from tieout.evidence.errors import EvidenceError
from tieout.evidence.statement import last_leaf
from tieout.journal.errors import JournalDamaged
from tieout.reference.breaks import break_rows_of
from tieout.reference.digest import app_hash
from tieout.reference.ledger import apply_block
from tieout.reference.state import State, initial_state
from tieout.reference.transaction import Transaction
from tieout.units.dates import parse_time
from tieout.wire.block import Block, BlockResult
from tieout.wire.codes import EventKind, Status
from tieout.wire.errors import BlockError
from tieout.wire.genesis import Genesis


@dataclass(frozen=True, slots=True)
class Difference:
    """What an audit found: the height of the block, and what differs there."""

    height: int
    what: str


@dataclass(slots=True)
class AuditReport:
    """What an audit went through, up to the first difference (None: everything is as it should be).

    `app_hash` is that of the last block that was as it should be.
    """

    blocks: int = 0
    items: int = 0
    records: int = 0
    transactions: int = 0
    broken: int = 0
    app_hash: bytes = b""
    checkpoints: int = 0
    certificates: int = 0
    difference: Difference | None = None

    @property
    def is_sound(self) -> bool:
        """Whether nothing differs."""
        return self.difference is None


@dataclass(frozen=True, slots=True)
class Held:
    """Checkpoints and certificates (their bytes) that somebody holds of the ledger."""

    checkpoints: Sequence[bytes] = ()
    certificates: Sequence[bytes] = ()


NOTHING_HELD: Final = Held()


class _Differs(Exception):
    """Ends the audit: a finding, not a failure; caught within this file."""

    def __init__(self, height: int, what: str) -> None:
        super().__init__(what)
        self.difference = Difference(height, what)


def audit(
    kept: Iterable[tuple[Block, BlockResult]],
    genesis: Genesis,
    held: Held = NOTHING_HELD,
    progress: Callable[[int], None] = lambda _height: None,
    rows_root: RowsRoot = hashed_rows_root,
) -> AuditReport:
    """Replay the blocks that a journal keeps, in order, with what it says they did.

    `progress` is called with each height. Iterating `kept` may raise JournalDamaged, which is
    reported as the difference. `rows_root` may be a faster one.
    """
    auditor = _Auditor(genesis, rows_root)
    try:
        auditor.take(held)
        for block, result in kept:
            auditor.replay(block, result)
            progress(block.height)
        auditor.finish()
    except JournalDamaged as damage:
        auditor.report.difference = Difference(damage.height, f"the journal is damaged: {damage}")
    except _Differs as found:
        auditor.report.difference = found.difference
    return auditor.report


@dataclass(slots=True)
class _Auditor:
    genesis: Genesis
    rows_root: RowsRoot
    report: AuditReport = field(default_factory=AuditReport)
    state: State = field(init=False)
    cutoffs_us: dict[str, list[int]] = field(default_factory=dict)
    checkpoints: dict[int, list[bytes]] = field(default_factory=dict)
    certificates: dict[int, list[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state = initial_state(self.genesis)

    def take(self, held: Held) -> None:
        """Sort what is held by height.

        It is verified at once where the members never change, and else when the audit has come to
        its height, by the members that there are then (R-MEMBER-1).
        """
        is_governed = self.genesis.rules_version > 1
        for data in held.checkpoints:
            try:
                signed = parse_checkpoint(data)
                if not is_governed:
                    verify_checkpoint(data, self.genesis)
            except EvidenceError as error:
                raise _Differs(0, f"a checkpoint that is held does not hold: {error}") from error
            self.checkpoints.setdefault(signed.checkpoint.height, []).append(data)
        for data in held.certificates:
            try:
                head = parse_certificate(data).signed.head
                if not is_governed:
                    verify_certificate(data, self.genesis)
            except EvidenceError as error:
                raise _Differs(0, f"a certificate that is held does not hold: {error}") from error
            self.certificates.setdefault(head.height, []).append(data)
        self._compare_held(app_hash(self.state))

    def replay(self, block: Block, kept: BlockResult) -> None:
        """Apply one block and compare what it did with what is kept."""
        try:
            self.state, result = apply_block(self.state, block)
        except BlockError as error:
            raise _Differs(block.height, str(error)) from error
        _compare(block.height, kept, result)
        note_cutoffs(self.cutoffs_us, block, result)
        self._compare_held(result.app_hash)
        self.report.blocks += 1
        self.report.items += len(block.items)
        self.report.records += sum(sum(item.rows) for item in result.items)
        self.report.app_hash = result.app_hash

    def finish(self) -> None:
        """Nothing that is held may be of a height that the ledger does not have."""
        transactions = self.state.transactions.values()
        self.report.transactions = len(transactions)
        self.report.broken = sum(each.status is Status.BROKEN for each in transactions)
        later = sorted({*self.checkpoints, *self.certificates})
        if later:
            raise _Differs(
                self.state.height,
                f"the ledger ends here, but somebody holds its word of height {later[0]}:"
                " blocks were removed",
            )

    def _compare_held(self, app_hash_now: bytes) -> None:
        """Compare what is held of this height with what the ledger is now."""
        state = self.state
        now = Checkpoint(
            ledger_id=state.ledger_id,
            log_size=state.log.size,
            log_root=state.log.root(),
            height=state.height,
            time_us=state.time_us,
            app_hash=app_hash_now,
        )
        for data in self.checkpoints.pop(state.height, ()):
            self._compare_checkpoint(self._checkpoint(data), now)
            self.report.checkpoints += 1
        for data in self.certificates.pop(state.height, ()):
            report = self._certificate(data)
            self._compare_checkpoint(report.checkpoint, now)
            self._compare_certificate(report.head, now)
            self.report.certificates += 1

    def _compare_checkpoint(self, stated: Checkpoint, now: Checkpoint) -> None:
        if stated != now:
            what = f"the checkpoint that is held says {stated}, not {now}"
            raise _Differs(self.state.height, what)

    def _checkpoint(self, data: bytes) -> Checkpoint:
        """A held checkpoint, signed by who may sign now."""
        try:
            return verify_checkpoint(data, self.genesis, self.state.members).checkpoint
        except EvidenceError as error:
            what = f"a checkpoint that is held does not hold: {error}"
            raise _Differs(self.state.height, what) from error

    def _certificate(self, data: bytes) -> CertificateReport:
        """A held certificate, signed by who may sign now."""
        try:
            return verify_certificate(data, self.genesis, self.state.members)
        except EvidenceError as error:
            what = f"a certificate that is held does not hold: {error}"
            raise _Differs(self.state.height, what) from error

    def _compare_certificate(self, head: CertificateHead, now: Checkpoint) -> None:
        """Compute a certificate anew and compare all that is signed."""
        height = self.state.height
        times_us = self.cutoffs_us.get(head.agreement, [])
        cutoff_us = parse_time(head.cutoff)
        if cutoff_us not in times_us:
            raise _Differs(height, f"no cut-off {head.cutoff} of {head.agreement} was closed")
        place = times_us.index(cutoff_us)
        cutoff = CutoffRange(head.agreement, cutoff_us, times_us[place - 1] if place > 0 else None)
        has_text_only = self.genesis.rules_version > 1
        signatures = () if has_text_only else parse_checkpoint(head.checkpoint.encode()).signatures
        content = content_of(self.state, cutoff)
        checkpoint = SignedCheckpoint(now, signatures)
        anew = build_certificate(self.genesis, checkpoint, content, (), self.rows_root)
        computed = anew.document.signed.head
        for name in CertificateHead.__struct_fields__:
            if getattr(computed, name) != getattr(head, name):
                raise _Differs(
                    height,
                    f"the certificate that is held says {name} {getattr(head, name)!r},"
                    f" not {getattr(computed, name)!r}",
                )


def content_of(state: State, cutoff: CutoffRange) -> CutoffContent:
    """What a certificate of a cut-off has to say, read from the reference's state."""
    books = [book for book in state.books if book.agreement.name == cutoff.agreement]
    everything = sorted(
        (each for book in books for each in book.transactions),
        key=lambda each: (each.transaction_id, each.originator, each.stage),
    )
    own = [each for each in everything if cutoff.covers(each.opened_us)]
    older = [each for each in everything if cutoff.is_after(each.opened_us)]
    standings = [
        (each.transaction_id, each.originator, each.status or Status.PENDING, 0, last_leaf(each))
        for each in own
    ]
    return CutoffContent(
        cutoff=cutoff,
        versions=tuple((book.agreement.version, book.agreement.hash) for book in books),
        standings=np.array(standings, dtype=STANDING_DTYPE),
        breaks=_lines(state, own),
        carried_forward=_lines(state, older),
    )


def _lines(state: State, transactions: Sequence[Transaction]) -> list[BreakLine]:
    return [
        line_of(book.agreement, row)
        for each in transactions
        for book in (state.book_of(each),)
        for row in break_rows_of(book, each)
    ]


def _compare(height: int, kept: BlockResult, computed: BlockResult) -> None:
    """Compare what a block did, the most telling difference first."""
    for index, (said, found) in enumerate(zip_longest(kept.items, computed.items)):
        if said != found:
            raise _Differs(height, f"item {index}: kept is {said}, by the rules it is {found}")
    if kept.events.tobytes() != computed.events.tobytes():
        pairs = enumerate(zip_longest(kept.events, computed.events))
        index, (said, found) = next(each for each in pairs if each[1][0] != each[1][1])
        raise _Differs(
            height, f"event {index}: kept is {_event(said)}, by the rules it is {_event(found)}"
        )
    if kept.app_hash != computed.app_hash:
        raise _Differs(
            height,
            f"app hash: kept is {kept.app_hash.hex()}, by the rules it is"
            f" {computed.app_hash.hex()}",
        )


def _event(event: np.void | None) -> str:
    if event is None:
        return "none"
    kind = int(event["kind"])
    known = kind in list(EventKind)
    return f"{EventKind(kind).name.lower() if known else kind} {event}"
