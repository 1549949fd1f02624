"""The form of a tie-out certificate (docs/formats/certificate.md).

Only the head is signed; it has the digests of the lists, so that a pack can carry the head alone.
"""

from typing import Literal

import msgspec

from tieout.evidence.breaklist import BreakLine
from tieout.evidence.forms import U16, U32, Count, Hash, HexHash, Signature
from tieout.evidence.membershipform import Membership


class _Frozen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all parts have in common: they never change, and have no further fields."""


class AgreementVersion(_Frozen, frozen=True):
    """A version that was in force, and the hash of its canonical form."""

    version: U32
    hash: HexHash


class Counts(_Frozen, frozen=True):
    """Transactions opened in the cut-off, and how many of them have which status."""

    opened: Count
    matched: Count
    broken: Count
    pending: Count
    withdrawn: Count


class ListDigest(_Frozen, frozen=True):
    """How many lines a list has, and the SHA-256 of its JSON."""

    lines: Count
    sha256: HexHash


class CertificateHead(_Frozen, frozen=True):
    """What is signed.

    `checkpoint` is in format 1 the whole signed note; in format 2, that of ledgers whose members
    change, its text alone: so that each party can sign this head without waiting for another.
    Times are ISO 8601; `previous_cutoff` is empty for the first. `transactions_root` is the RFC
    6962 root over the leaves of all transactions of the cut-off; `words` say the same to people.
    """

    format: Literal["tieout/certificate/1", "tieout/certificate/2"]
    ledger: HexHash
    agreement: str
    versions: tuple[AgreementVersion, ...]
    previous_cutoff: str
    cutoff: str
    height: Count
    checkpoint: str
    counts: Counts
    transactions_root: HexHash
    breaks: ListDigest
    carried_forward: ListDigest
    words: str


class HeadSignature(_Frozen, frozen=True):
    """A party's signature of the head, by the key of that number in genesis."""

    party: U16
    key: U16
    signature: Signature


class SignedHead(_Frozen, frozen=True):
    """A head and who signed it, in the order of the parties' numbers."""

    head: CertificateHead
    signatures: tuple[HeadSignature, ...]


class CertificateDocument(_Frozen, frozen=True, omit_defaults=True):
    """A certificate as it is kept and sent.

    In format 2 `members` shows whose signatures count; nobody signs it, as it follows.
    """

    signed: SignedHead
    breaks: tuple[BreakLine, ...]
    carried_forward: tuple[BreakLine, ...]
    members: Membership | None = None


class CertificateProof(_Frozen, frozen=True):
    """A transaction's place in a certificate: its index among the leaves, and its path."""

    signed: SignedHead
    index: Count
    path: tuple[Hash, ...]
