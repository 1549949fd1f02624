"""Proofs of a ledger, signed by whoever keeps this copy: checkpoints, packs, certificates."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
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

    `reading` lends the state, which must not change meanwhile. It is asked for once, and for what a
    certificate says once more: what takes long is read from the journal beside whoever writes it.
    With a `reader` that was used before, only what came since then is read. `votes` gives what the
    validators signed about a height, on a ledger that several parties order. For one thread. Raises
    the journal's errors.
    """

    def __init__(
        self,
        genesis: Genesis,
        journal: Journal,
        reading: Callable[[], AbstractContextManager[kernel.State]],
        signer: Callable[[int], Signer],
        votes: Callable[[int], Consensus] | None = None,
        reader: JournalReader | None = None,
    ) -> None:
        """`signer` says who signs as of a height."""
        self._genesis = genesis
        self._reading = reading
        self._sign = signer
        self._votes = votes
        with reading() as state:
            self._look(state)
        self._reader = reader or JournalReader(journal, genesis, height=self.height)
        self._reader.catch_up(self.height)

    def _look(self, state: kernel.State) -> None:
        """From now on prove as of this state."""
        self.height = state.height
        self._app = AppParts(state.events_chain, state.state_digest)
        self.__dict__.pop("checkpoint", None)
        self.__dict__.pop("_signer", None)

    @cached_property
    def _signer(self) -> Signer:
        return self._sign(max(self.height, 1))

    @cached_property
    def checkpoint(self) -> SignedCheckpoint:
        """A checkpoint of the ledger as its state has it."""
        signer = self._signer
        unsigned = self._reader.checkpoint(self.height)
        return make_checkpoint(unsigned, [(signer.party, signer.key)])

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
        has_certificate = self._genesis.operator and agreement in self._reader.cutoffs_us
        certificate = self.certificate(agreement) if has_certificate else None
        return build_pack(
            self._reader,
            self.checkpoint,
            agreement,
            originator,
            transaction_id,
            certificate,
            self._app if self._genesis.rules_version > 1 else None,
            None if self._votes is None else self._votes(self.height),
        )

    def certificate(self, agreement: str, cutoff_us: int | None = None) -> Certificate:
        """The certificate of a cut-off (the last one without `cutoff_us`), as of now.

        Raises EngineError when no such cut-off was closed, and for an agreement with stages.
        """
        self._refuse_stages(agreement, "a certificate")
        with self._reading() as state:
            self._look(state)
            self._reader.catch_up(self.height)
            content = self._content(state, self._cutoff(agreement, cutoff_us))
        members = None
        if self._genesis.rules_version > 1:
            members = show_membership(self._reader, self.checkpoint.checkpoint, self._app)
        return build_certificate(
            self._genesis, self.checkpoint, content, [self._signer], lanes.rows_root, members
        )

    def _cutoff(self, agreement: str, cutoff_us: int | None) -> CutoffRange:
        times_us = self._reader.cutoffs_us.get(agreement, [])
        if not times_us or (cutoff_us is not None and cutoff_us not in times_us):
            raise EngineError(
                f"no such cut-off of {agreement} was closed on this ledger",
                "close one with `tieout reconcile`",
            )
        place = len(times_us) - 1 if cutoff_us is None else times_us.index(cutoff_us)
        previous_us = times_us[place - 1] if place else None
        return CutoffRange(agreement, times_us[place], previous_us)

    def _refuse_stages(self, agreement: str, what: str) -> None:
        """What is proven of one transaction knows nothing of several stages yet."""
        with self._reading() as state:
            book = state.newest.get(agreement)
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

    def _content(self, state: kernel.State, cutoff: CutoffRange) -> CutoffContent:
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
        own, older = self._break_lines(state, cutoff)
        return CutoffContent(
            cutoff=cutoff,
            versions=tuple((book.agreement.version, book.agreement.hash) for book in books),
            standings=np.concatenate(parts),
            breaks=own,
            carried_forward=older,
        )

    def _break_lines(
        self, state: kernel.State, cutoff: CutoffRange
    ) -> tuple[list[BreakLine], list[BreakLine]]:
        """Open breaks of the transactions that the cut-off covers, and of older ones."""
        name = cutoff.agreement
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
