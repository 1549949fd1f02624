"""Proofs of a ledger, signed by whoever keeps this copy: checkpoints, packs, certificates."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from tieout import kernel
from tieout.agreement.breakrow import BreakRow
from tieout.engines.errors import EngineError
from tieout.evidence.breaklist import BreakLine, lines_of
from tieout.evidence.certificate import (
    STANDING_DTYPE,
    Certificate,
    CutoffContent,
    CutoffRange,
    build_certificate,
    joined,
)
from tieout.evidence.certificateform import CertificateDocument
from tieout.evidence.checkpoint import SignedCheckpoint, make_checkpoint
from tieout.evidence.cutoffs import note_cutoffs
from tieout.evidence.membership import show_membership
from tieout.evidence.membershipform import AppParts
from tieout.evidence.pack import build_pack
from tieout.evidence.packform import Consensus
from tieout.evidence.reader import JournalReader
from tieout.journal.journal import Journal
from tieout.merkle import lanes
from tieout.units.dates import parse_time
from tieout.wire.ed25519 import PrivateKey
from tieout.wire.genesis import Genesis


class Signer(NamedTuple):
    """Who signs checkpoints and certificates: a party, the number of its key, and the key."""

    party: int
    number: int
    key: PrivateKey


class LedgerProofs:
    """What can be proven of a ledger as of the block that its state is after.

    The ledger must not be written while this is used. `votes` gives what the validators signed
    about a height, on a ledger that several parties order. Raises the journal's errors.
    """

    def __init__(
        self,
        genesis: Genesis,
        journal: Journal,
        state: kernel.State,
        signer: Signer,
        votes: Callable[[int], Consensus] | None = None,
    ) -> None:
        self._genesis = genesis
        self._journal = journal
        self._state = state
        self._signer = signer
        self._votes = votes
        self._reader = JournalReader(journal, genesis)

    @cached_property
    def checkpoint(self) -> SignedCheckpoint:
        """A checkpoint of the ledger as its state has it."""
        signer = self._signer
        unsigned = self._reader.checkpoint(self._state.height)
        return make_checkpoint(unsigned, [(signer.party, signer.key)])

    @property
    def _app(self) -> AppParts:
        return AppParts(self._state.events_chain, self._state.state_digest)

    @cached_property
    def _cutoffs_us(self) -> dict[str, list[int]]:
        """Times of the cut-offs that were closed, by agreement, each once."""
        cutoffs_us: dict[str, list[int]] = {}
        for entry in self._journal.entries():
            if entry.block.height > self._state.height:
                break
            note_cutoffs(cutoffs_us, entry.block, entry.result)
        return cutoffs_us

    def inclusion(self, leaf: int) -> tuple[bytes, Sequence[bytes]]:
        """(hash of a leaf, its path to the checkpoint's root). RangeError where there is none."""
        path = self._reader.inclusion_path(leaf, self.checkpoint.checkpoint.log_size)
        return self._reader.leaf_hash(leaf), path

    def consistency(self, older_size: int) -> Sequence[bytes]:
        """The path from the root of so many leaves to the checkpoint's. RangeError, likewise."""
        size = self.checkpoint.checkpoint.log_size
        return self._reader.consistency_path(older_size, size)

    def pack(self, agreement: str, originator: int, transaction_id: str) -> bytes:
        """The evidence pack of a transaction, with its place in the last certificate, if any.

        Not where several parties order the ledger: their certificate takes more signatures than
        one. Raises MissingError when the ledger has no such transaction.
        """
        self._refuse_stages(agreement, "an evidence pack")
        has_certificate = self._genesis.operator and agreement in self._cutoffs_us
        certificate = self.certificate(agreement) if has_certificate else None
        state = self._state
        return build_pack(
            self._reader,
            self.checkpoint,
            agreement,
            originator,
            transaction_id,
            certificate,
            self._app if state.genesis.rules_version > 1 else None,
            None if self._votes is None else self._votes(state.height),
        )

    def certificate(self, agreement: str, cutoff_us: int | None = None) -> Certificate:
        """The certificate of a cut-off (the last one without `cutoff_us`), as of now.

        Raises EngineError when no such cut-off was closed, and for an agreement with stages.
        """
        self._refuse_stages(agreement, "a certificate")
        times_us = self._cutoffs_us.get(agreement, [])
        if not times_us or (cutoff_us is not None and cutoff_us not in times_us):
            raise EngineError(
                f"no such cut-off of {agreement} was closed on this ledger",
                "close one with `tieout reconcile`",
            )
        place = len(times_us) - 1 if cutoff_us is None else times_us.index(cutoff_us)
        previous_us = times_us[place - 1] if place else None
        content = self._content(CutoffRange(agreement, times_us[place], previous_us))
        members = None
        if self._genesis.rules_version > 1:
            members = show_membership(self._reader, self.checkpoint.checkpoint, self._app)
        return build_certificate(
            self._genesis, self.checkpoint, content, [self._signer], lanes.rows_root, members
        )

    def _refuse_stages(self, agreement: str, what: str) -> None:
        """What is proven of one transaction knows nothing of several stages yet."""
        book = self._state.newest.get(agreement)
        if book is not None and book.agreement.stages:
            raise EngineError(
                f"{what} of an agreement with stages is not made yet",
                "see what does not tie out, at which stage, with `tieout breaks`",
            )

    def countersigned(self, others: Sequence[CertificateDocument]) -> CertificateDocument:
        """The certificate that others signed, computed anew here, with all signatures and this one.

        The state must be after the block of the first one's height. Raises EngineError when no such
        cut-off was closed, and an EvidenceError when another one says something else.
        """
        head = others[0].signed.head
        own = self.certificate(head.agreement, parse_time(head.cutoff))
        return joined(own.document, others, self._genesis)

    def _content(self, cutoff: CutoffRange) -> CutoffContent:
        state = self._state
        books = [book for book in state.books if book.agreement.name == cutoff.agreement]
        parts = [np.zeros(0, STANDING_DTYPE)]
        for book in books:
            standings = kernel.standings(book)
            part = np.zeros(len(standings), STANDING_DTYPE)
            for name in ("transaction_id", "originator", "status", "last_leaf"):
                part[name] = standings[name]
            opened_us = standings["opened_us"]
            covered = opened_us <= cutoff.cutoff_us
            if cutoff.previous_us is not None:
                covered &= opened_us > cutoff.previous_us
            parts.append(part[covered])
        own, older = self._break_lines(cutoff)
        return CutoffContent(
            cutoff=cutoff,
            versions=tuple((book.agreement.version, book.agreement.hash) for book in books),
            standings=np.concatenate(parts),
            breaks=own,
            carried_forward=older,
        )

    def _break_lines(self, cutoff: CutoffRange) -> tuple[list[BreakLine], list[BreakLine]]:
        """Open breaks of the transactions that the cut-off covers, and of older ones."""
        state, name = self._state, cutoff.agreement
        books = {book.number: book for book in state.books if book.agreement.name == name}
        opened_us = {
            number: kernel.opened_us(state, name, book.agreement.version)
            for number, book in books.items()
        }
        table = kernel.break_table(state, name)
        own: list[BreakRow] = []
        older: list[BreakRow] = []
        for row, serial in zip(kernel.breaks(state, name), table["serial"].tolist(), strict=True):
            opened = int(opened_us[row.agreement][serial])
            if cutoff.is_after(opened):
                older.append(row)
            elif cutoff.covers(opened):
                own.append(row)
        agreements = {number: book.agreement for number, book in books.items()}
        return lines_of(agreements, own), lines_of(agreements, older)
