"""Tie-out certificates: one signed page that says how a whole cut-off came out.

The problem: an evidence pack shows one transaction, and cannot show that nothing was left out. The
model: whoever keeps the ledger commits, in one signed head, to the status and the last leaf of
every transaction opened in the cut-off: an RFC 6962 root over leaves in the order of the ids. One
transaction can be shown under it with a path, and a reader who has the ledger can compute the root
anew. The open breaks of the cut-off, and those carried forward from older ones, are listed; the
head has the digests of the lists, so that a pack need not carry them.

A transaction belongs to the cut-off with the time C when it was opened after the cut-off before,
with the time P, and at or before C. Its last leaf is the highest leaf that holds a standing record
of it: no later record was accepted until the certificate's height.

The same ledger at the same height gives the same head, byte for byte. So in a consortium each party
computes it from its own copy and signs it, and signatures of one head are put together (`joined`);
where members change, the file also shows who they were (`membership`).

Layout and vectors: docs/formats/certificate.md.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tieout.evidence.breaklist import BreakLine
from tieout.evidence.certificateform import (
    AgreementVersion,
    CertificateDocument,
    CertificateHead,
    CertificateProof,
    Counts,
    HeadSignature,
    ListDigest,
    SignedHead,
)
from tieout.evidence.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    check_quorum,
    checkpoint_keys,
    parse_checkpoint_text,
    quorum,
    verify_checkpoint,
)
from tieout.evidence.errors import (
    FormError,
    ProofError,
    SignatureError,
    TrustError,
    VerdictError,
)
from tieout.evidence.forms import from_one_form, to_one_form
from tieout.evidence.limits import MAX_CERTIFICATE_BYTES
from tieout.evidence.membership import verify_membership
from tieout.evidence.membershipform import Membership
from tieout.merkle.errors import ProofError as PathError
from tieout.merkle.tree import check_inclusion, inclusion_ranges, leaf_hash, root
from tieout.reference.members import Members, members_of
from tieout.units.dates import format_time, parse_time
from tieout.units.errors import UnitsError
from tieout.wire.codes import Status
from tieout.wire.ed25519 import PrivateKey, verify
from tieout.wire.genesis import Genesis
from tieout.wire.limits import ID_BYTES

CERTIFICATE_TAG: Final = b"tieout/certificate/1\0"
CERTIFICATE_TAG_2: Final = b"tieout/certificate/2\0"
STANDING_DTYPE: Final = np.dtype(
    [
        ("transaction_id", f"S{ID_BYTES}"),
        ("originator", "<u2"),
        ("status", "u1"),
        ("zero", "u1"),
        ("last_leaf", "<u8"),
    ]
)
"""A leaf of the certificate's tree, 48 bytes: how one transaction stands."""
_PART: Final = "certificate"

RowsRoot = Callable[[NDArray[np.uint8]], bytes]
"""RFC 6962 root over the rows of a matrix of bytes; no rows: the root of the empty tree."""


@dataclass(frozen=True, slots=True)
class CutoffRange:
    """Which cut-off: its time, and that of the one before; None when there was none."""

    agreement: str
    cutoff_us: int
    previous_us: int | None

    def covers(self, opened_us: int) -> bool:
        """Whether a transaction that was opened then belongs to this cut-off."""
        return not self.is_after(opened_us) and opened_us <= self.cutoff_us

    def is_after(self, opened_us: int) -> bool:
        """Whether a transaction that was opened then belongs to an older cut-off."""
        return self.previous_us is not None and opened_us <= self.previous_us


@dataclass(frozen=True, slots=True)
class CutoffContent:
    """What a certificate says about a cut-off.

    `versions` are (version, hash) of all versions in force, ascending. `standings` (STANDING_DTYPE)
    are the transactions that the cut-off covers, in any order; `breaks` their open breaks,
    `carried_forward` those of older cut-offs, both in the order of the breaks file.
    """

    cutoff: CutoffRange
    versions: tuple[tuple[int, bytes], ...]
    standings: NDArray[np.void]
    breaks: Sequence[BreakLine]
    carried_forward: Sequence[BreakLine]


class Certificate:
    """A certificate with the leaves under its root, so that transactions can be shown under it."""

    def __init__(
        self,
        document: CertificateDocument,
        checkpoint: Checkpoint,
        leaves: NDArray[np.void],
        rows_root: RowsRoot,
    ) -> None:
        self.document = document
        self.checkpoint = checkpoint
        self._leaves = leaves
        self._rows_root = rows_root

    def to_bytes(self) -> bytes:
        """The certificate in its one form."""
        return to_one_form(self.document)

    def prove(self, originator: int, transaction_id: bytes) -> CertificateProof | None:
        """The proof of a transaction (id without padding); None when the cut-off has no such."""
        found = np.flatnonzero(
            (self._leaves["transaction_id"] == np.bytes_(transaction_id))
            & (self._leaves["originator"] == originator)
        )
        if len(found) == 0:
            return None
        index = int(found[0])
        ranges = inclusion_ranges(index, len(self._leaves))
        matrix = _matrix(self._leaves)
        path = tuple(self._rows_root(matrix[start:end]) for start, end in ranges)
        return CertificateProof(self.document.signed, index, path)


@dataclass(frozen=True, slots=True)
class CertificateReport:
    """A certificate that holds: its head, its checkpoint, who signed it, and who had not to.

    `needed` is how many parties must have signed it at least.
    """

    head: CertificateHead
    checkpoint: Checkpoint
    signers: tuple[str, ...]
    others: tuple[str, ...]
    needed: int


def hashed_rows_root(rows: NDArray[np.uint8]) -> bytes:
    """RFC 6962 root over the rows of a matrix, one hash after the other."""
    return root([leaf_hash(row.tobytes()) for row in rows])


def build_certificate(
    genesis: Genesis,
    checkpoint: SignedCheckpoint,
    content: CutoffContent,
    signers: Sequence[tuple[int, int, PrivateKey]],
    rows_root: RowsRoot = hashed_rows_root,
    members: Membership | None = None,
) -> Certificate:
    """The certificate of a cut-off, as of the height of `checkpoint`.

    `signers` are (party, key number, key); `rows_root` may be a faster one. `members` are shown
    where they change.
    """
    is_governed = genesis.rules_version > 1
    cutoff, standings = content.cutoff, content.standings
    leaves = standings[np.lexsort((standings["originator"], standings["transaction_id"]))]
    head = CertificateHead(
        format="tieout/certificate/2" if is_governed else "tieout/certificate/1",
        ledger=genesis.ledger_id().hex(),
        agreement=cutoff.agreement,
        versions=tuple(
            AgreementVersion(version, digest.hex()) for version, digest in content.versions
        ),
        previous_cutoff="" if cutoff.previous_us is None else format_time(cutoff.previous_us),
        cutoff=format_time(cutoff.cutoff_us),
        height=checkpoint.checkpoint.height,
        checkpoint=checkpoint.checkpoint.text() if is_governed else checkpoint.to_text(),
        counts=_counts(leaves),
        transactions_root=rows_root(_matrix(leaves)).hex(),
        breaks=_digest(content.breaks),
        carried_forward=_digest(content.carried_forward),
        words="",
    )
    head = msgspec.structs.replace(head, words=in_words(head))
    signed = _signed_bytes(head)
    signatures = tuple(
        HeadSignature(party, number, key.sign(signed))
        for party, number, key in sorted(signers, key=lambda signer: signer[0])
    )
    document = CertificateDocument(
        SignedHead(head, signatures),
        tuple(content.breaks),
        tuple(content.carried_forward),
        members,
    )
    return Certificate(document, checkpoint.checkpoint, leaves, rows_root)


def parse_certificate(data: bytes) -> CertificateDocument:
    """Read the one form of a certificate; nothing in it is judged. Raises FormError."""
    return from_one_form(data, CertificateDocument, _PART, MAX_CERTIFICATE_BYTES)


def joined(
    own: CertificateDocument, others: Sequence[CertificateDocument], trusted: Genesis
) -> CertificateDocument:
    """One certificate with the signatures of all of these, of which `own` was computed here.

    Raises VerdictError when another one says something else, which is named; and TrustError or
    SignatureError when a signature in it does not count.
    """
    members = _members(own, trusted, None)
    head = own.signed.head
    signatures = {each.party: each for each in own.signed.signatures}
    for other in others:
        for name in CertificateHead.__struct_fields__:
            if getattr(other.signed.head, name) != getattr(head, name):
                raise VerdictError(
                    f"{_PART}.{name}",
                    f"the other one says {getattr(other.signed.head, name)!r}, this copy of the"
                    f" ledger {getattr(head, name)!r}",
                )
        for each in other.signed.signatures:
            _check_signature(each, _signed_bytes(head), members, head.height)
            signatures.setdefault(each.party, each)
    in_order = tuple(signatures[party] for party in sorted(signatures))
    return msgspec.structs.replace(own, signed=SignedHead(head, in_order))


def verify_certificate(
    data: bytes, trusted: Genesis, members: Members | None = None
) -> CertificateReport:
    """Read a certificate and check everything that follows from it and the trusted genesis.

    `members` are those after the checkpoint's block; without them, the founders, or those that the
    certificate shows where members change. Raises FormError, TrustError, SignatureError,
    ProofError or VerdictError. What it says about the ledger is the word of its signers; `audit`
    computes it anew.
    """
    document = parse_certificate(data)
    members = _members(document, trusted, members)
    head = document.signed.head
    checkpoint = verify_head(document.signed, trusted, members)
    for name, lines, digest in (
        ("breaks", document.breaks, head.breaks),
        ("carried_forward", document.carried_forward, head.carried_forward),
    ):
        if _digest(lines) != digest:
            raise VerdictError(f"{_PART}.{name}", "the list is not the one that was signed")
    _check_listed(document)
    signed = [each.party for each in document.signed.signatures]
    return CertificateReport(
        head,
        checkpoint,
        signers=tuple(members.parties[party - 1].name for party in signed),
        others=tuple(
            party.name
            for party in members.parties
            if party.is_member and party.number not in signed
        ),
        needed=1 if trusted.operator else quorum(members),
    )


def _members(document: CertificateDocument, trusted: Genesis, known: Members | None) -> Members:
    """Whose signatures count. Raises FormError for another format than the ledger's."""
    head = document.signed.head
    is_governed = trusted.rules_version > 1
    has_format_2 = head.format == "tieout/certificate/2"
    if has_format_2 != is_governed or (document.members is not None) != is_governed:
        raise FormError(_PART, "its format is not that of the rules version of the genesis")
    if document.members is None:
        return known or members_of(trusted)
    if head.ledger != trusted.ledger_id().hex():
        raise TrustError(_PART, "it is of another ledger than the genesis")
    checkpoint = parse_checkpoint_text(head.checkpoint)
    return verify_membership(document.members, checkpoint, trusted, f"{_PART}.members")


def verify_head(signed: SignedHead, trusted: Genesis, members: Members) -> Checkpoint:
    """Check a signed head: ledger, checkpoint, signatures, counts and words.

    Returns its checkpoint. Raises as `verify_certificate`.
    """
    head = signed.head
    if head.ledger != trusted.ledger_id().hex():
        raise TrustError(_PART, "it is of another ledger than the genesis")
    checkpoint = _checkpoint_of(head, trusted, members)
    if checkpoint.height != head.height:
        raise VerdictError(f"{_PART}.height", "it is not that of the checkpoint")
    parties = [each.party for each in signed.signatures]
    if parties != sorted(set(parties)):
        raise FormError(_PART, "signatures stand in the order of their parties, each once")
    message = _signed_bytes(head)
    check_quorum(trusted, members, parties, _PART)
    for each in signed.signatures:
        _check_signature(each, message, members, head.height)
    _check_times(head, checkpoint)
    counts = head.counts
    if counts.opened != counts.matched + counts.broken + counts.pending + counts.withdrawn:
        raise VerdictError(f"{_PART}.counts", "they do not add up")
    if head.words != in_words(head):
        raise VerdictError(f"{_PART}.words", "they do not say what the numbers say")
    return checkpoint


def _checkpoint_of(head: CertificateHead, trusted: Genesis, members: Members) -> Checkpoint:
    """The checkpoint in a head; in format 2 the signatures of the head are all that it has."""
    if head.format == "tieout/certificate/1":
        return verify_checkpoint(head.checkpoint.encode("utf-8"), trusted, members).checkpoint
    checkpoint = parse_checkpoint_text(head.checkpoint)
    if checkpoint.ledger_id != trusted.ledger_id():
        raise TrustError(_PART, "its checkpoint is of another ledger than the genesis")
    return checkpoint


def verify_standing(
    proof: CertificateProof,
    originator: int,
    transaction_id: bytes,
    status: Status,
    last_leaf: int,
) -> None:
    """Check that a verified head commits to this standing of a transaction.

    `transaction_id` is without padding. Raises ProofError.
    """
    head = proof.signed.head
    leaf = np.array([(transaction_id, originator, status, 0, last_leaf)], dtype=STANDING_DTYPE)
    try:
        check_inclusion(
            bytes.fromhex(head.transactions_root),
            head.counts.opened,
            proof.index,
            leaf_hash(leaf.tobytes()),
            proof.path,
        )
    except PathError as error:
        raise ProofError(
            _PART,
            "it does not say of this transaction that it is"
            f" {status.name.lower()} with last leaf {last_leaf}: {error}",
        ) from error


def in_words(head: CertificateHead) -> str:
    """The certificate as a sentence for people."""
    counts = head.counts
    since = f"after {head.previous_cutoff} and " if head.previous_cutoff else ""
    what = f"opened {since}until {head.cutoff} under {head.agreement}"
    if counts.opened == 0:
        first = f"No transactions were {what}."
    elif counts.opened == counts.matched:
        first = f"All {counts.opened} transactions {what} tied out."
    else:
        others = [
            f"{count} {word}"
            for count, word in (
                (counts.broken, "broken"),
                (counts.pending, "pending"),
                (counts.withdrawn, "withdrawn"),
            )
            if count
        ]
        first = (
            f"Of {counts.opened} transactions {what}, {counts.matched} tied out;"
            f" {', '.join(others)}."
        )
    carried = head.carried_forward.lines
    second = f" {carried} older open breaks are carried forward." if carried else ""
    return first + second + f" As of height {head.height}."


def _matrix(leaves: NDArray[np.void]) -> NDArray[np.uint8]:
    flat = np.ascontiguousarray(leaves).view(np.uint8)
    return flat.reshape(len(leaves), STANDING_DTYPE.itemsize)


def _counts(leaves: NDArray[np.void]) -> Counts:
    of = np.bincount(leaves["status"], minlength=len(Status))
    return Counts(
        opened=len(leaves),
        matched=int(of[Status.MATCHED]),
        broken=int(of[Status.BROKEN]),
        pending=int(of[Status.PENDING]),
        withdrawn=int(of[Status.WITHDRAWN]),
    )


def _digest(lines: Sequence[BreakLine]) -> ListDigest:
    return ListDigest(len(lines), hashlib.sha256(msgspec.json.encode(lines)).hexdigest())


def _signed_bytes(head: CertificateHead) -> bytes:
    tag = CERTIFICATE_TAG if head.format == "tieout/certificate/1" else CERTIFICATE_TAG_2
    return tag + msgspec.json.encode(head)


def _check_signature(each: HeadSignature, message: bytes, members: Members, height: int) -> None:
    keys = [key for key in checkpoint_keys(members, each.party, height) if key.number == each.key]
    if not keys:
        raise TrustError(_PART, f"party {each.party} has no such key for certificates there")
    if not verify(keys[0].public, message, each.signature):
        raise SignatureError(_PART, f"the signature of party {each.party} is not of this head")


def _check_listed(document: CertificateDocument) -> None:
    """Who is broken is listed; a withdrawn transaction may have breaks too (R-STATUS-1).

    Ids are counted, so transactions of several originators with one id count once.
    """
    counts = document.signed.head.counts
    listed = len({line.transaction_id for line in document.breaks})
    if listed > counts.broken + counts.withdrawn or (listed == 0 and counts.broken > 0):
        raise VerdictError(
            f"{_PART}.breaks",
            f"{counts.broken} transactions are broken, {listed} are listed",
        )


def _check_times(head: CertificateHead, checkpoint: Checkpoint) -> None:
    try:
        cutoff_us = parse_time(head.cutoff)
        previous_us = parse_time(head.previous_cutoff) if head.previous_cutoff else None
    except UnitsError as error:
        raise FormError(_PART, str(error)) from error
    if previous_us is not None and previous_us >= cutoff_us:
        raise VerdictError(_PART, "the cut-off before it is not before it")
    if cutoff_us > checkpoint.time_us:
        raise VerdictError(_PART, "the cut-off is after the checkpoint")
