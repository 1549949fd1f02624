"""Certificates of a consortium: one head, computed and signed by many, and who they were."""

import json
from collections.abc import Callable
from functools import cache

import msgspec
import pytest

from tests.conftest import ROOT
from tests.evidence.ledgers import CHECKPOINT_KEY, RecordedLedger
from tests.scenarios.agreements import pair
from tieout.evidence.audit import Held, audit, content_of
from tieout.evidence.certificate import (
    CutoffRange,
    build_certificate,
    joined,
    parse_certificate,
    verify_certificate,
)
from tieout.evidence.certificateform import CertificateDocument, SignedHead
from tieout.evidence.checkpoint import SignedCheckpoint
from tieout.evidence.errors import (
    EvidenceError,
    FormError,
    ProofError,
    SignatureError,
    TrustError,
    VerdictError,
)
from tieout.evidence.forms import to_one_form
from tieout.evidence.membership import show_membership
from tieout.evidence.membershipform import AppParts
from tieout.evidence.pack import build_pack, verify_pack
from tieout.testing.scenarios import play
from tieout.testing.workbench import governed_genesis, signing_key

SCRIPT = """
seller T1 r1 100.00
change K by north: key north/1 21 publish govern & revoke north 1 & key north/5 25 checkpoint
bank T1 r1 100.00
change J by south: remove west
vote J by north/21
vote J by east
blocks 1
change I by south: key south/5 26 checkpoint & revoke south 5
blocks 1
cutoff by south
"""
GOOD = {1: 25, 2: 26, 3: CHECKPOINT_KEY}
"""The parties that are left, with keys that may sign by then. Two of them are too few."""


@cache
def ledger() -> RecordedLedger:
    """North and south have rotated keys, west has left, and a cut-off is closed."""
    recorded = RecordedLedger(genesis=governed_genesis(4))
    play(recorded, SCRIPT, pair(), genesis=governed_genesis(4))
    return recorded


def made(signers: dict[int, int], of: RecordedLedger | None = None) -> CertificateDocument:
    """What parties with these keys make of their copies of the ledger."""
    of = of or ledger()
    checkpoint = of.checkpoint().checkpoint
    state = of.state
    shown = show_membership(of, checkpoint, AppParts(state.events_chain, state.state_digest))
    cutoff_us = of.blocks[-1].time_us
    content = content_of(state, CutoffRange(state.books[0].agreement.name, cutoff_us, None))
    keys = [(party, key, signing_key(party, key)) for party, key in signers.items()]
    unsigned = SignedCheckpoint(checkpoint, ())
    return build_certificate(of.genesis, unsigned, content, keys, members=shown).document


def one(party: int) -> CertificateDocument:
    return made({party: GOOD[party]})


def test_each_signs_what_it_computed_and_all_of_it_is_one_certificate() -> None:
    """Decision 0016: in any order, on any way round."""
    north, south, east = one(1), one(2), one(3)
    genesis = ledger().genesis
    one_way = joined(east, [joined(south, [north], genesis)], genesis)
    assert joined(north, [east, south, south], genesis) == one_way == made(GOOD)
    report = verify_certificate(to_one_form(one_way), genesis)
    assert report.signers == ("north", "south", "east")
    assert (report.others, report.needed) == ((), 3)
    assert report.head.format == "tieout/certificate/2"


@pytest.mark.parametrize(
    "signers",
    [
        {1: 25, 2: 26},
        {1: CHECKPOINT_KEY, 2: 26},
        {2: CHECKPOINT_KEY, 1: 25, 3: CHECKPOINT_KEY},
        {1: 25, 2: 26, 4: CHECKPOINT_KEY},
        {1: 25, 2: 26, 3: CHECKPOINT_KEY, 4: CHECKPOINT_KEY},
    ],
    ids=["too few", "too few still", "a revoked key", "one has left", "one too many has left"],
)
def test_too_few_or_others_than_the_members_speak_for_nobody(signers: dict[int, int]) -> None:
    with pytest.raises(TrustError):
        verify_certificate(to_one_form(made(signers)), ledger().genesis)


def test_the_same_ledger_gives_the_vector() -> None:
    vectors = json.loads((ROOT / "tests/vectors/certificate-members.json").read_text())
    assert ledger().genesis.to_bytes().decode() == vectors["genesis"]
    assert to_one_form(made(GOOD)).decode() == vectors["cases"][0]["certificate"]


def test_too_few_are_named() -> None:
    with pytest.raises(TrustError, match=r"2 of 3 parties have signed it .north, south.*: 3"):
        verify_certificate(to_one_form(made({1: 25, 2: 26})), ledger().genesis)


def test_nobody_adds_a_signature_to_what_this_copy_does_not_say() -> None:
    """Decision 0016: what differs is named, and nothing is signed."""
    other = RecordedLedger(genesis=governed_genesis(4))
    play(other, SCRIPT.replace("bank T1 r1 100", "bank T1 r1 99"), pair(), genesis=other.genesis)
    with pytest.raises(VerdictError, match="checkpoint"):
        joined(one(1), [made({2: 26}, other)], ledger().genesis)


def test_a_signature_that_is_not_of_this_head_is_not_taken_over() -> None:
    south, east = one(2), one(3)
    forged = msgspec.structs.replace(
        south.signed.signatures[0], signature=east.signed.signatures[0].signature
    )
    wrong = msgspec.structs.replace(south, signed=SignedHead(south.signed.head, (forged,)))
    with pytest.raises(SignatureError, match="party 2"):
        joined(one(1), [wrong], ledger().genesis)


def without(place: int) -> Callable[[CertificateDocument], CertificateDocument]:
    """The certificate without one of the operations that made the members."""

    def mutate(document: CertificateDocument) -> CertificateDocument:
        assert document.members is not None
        entries = list(document.members.entries)
        del entries[place]
        shown = msgspec.structs.replace(document.members, entries=tuple(entries))
        return msgspec.structs.replace(document, members=shown)

    return mutate


def with_app(document: CertificateDocument) -> CertificateDocument:
    assert document.members is not None
    shown = msgspec.structs.replace(document.members, app=AppParts(bytes(32), bytes(32)))
    return msgspec.structs.replace(document, members=shown)


def in_format_1(document: CertificateDocument) -> CertificateDocument:
    head = msgspec.structs.replace(document.signed.head, format="tieout/certificate/1")
    signed = SignedHead(head, document.signed.signatures)
    return msgspec.structs.replace(document, signed=signed)


@pytest.mark.parametrize(
    ("mutate", "error"),
    [
        (without(0), EvidenceError),
        (without(2), TrustError),
        (without(-1), ProofError),
        (with_app, ProofError),
        (in_format_1, FormError),
        (lambda document: msgspec.structs.replace(document, members=None), FormError),
    ],
    ids=[
        "an enactment left out",
        "a rotation left out",
        "the last revocation left out",
        "other parts of the app hash",
        "the other format",
        "no members",
    ],
)
def test_nothing_about_members_can_be_left_out(
    mutate: Callable[[CertificateDocument], CertificateDocument], error: type[EvidenceError]
) -> None:
    """R-MEMBER-1."""
    with pytest.raises(error):
        verify_certificate(to_one_form(mutate(made(GOOD))), ledger().genesis)


def test_every_byte_counts() -> None:
    data = to_one_form(made(GOOD))
    genesis = ledger().genesis
    for at in range(0, len(data), 97):
        flipped = bytearray(data)
        flipped[at] ^= 1
        with pytest.raises(EvidenceError):
            verify_certificate(bytes(flipped), genesis)


def test_the_genesis_that_is_trusted_decides() -> None:
    with pytest.raises(TrustError, match="another ledger"):
        verify_certificate(to_one_form(made(GOOD)), governed_genesis(3))
    with pytest.raises(FormError, match="format"):
        verify_certificate(to_one_form(made(GOOD)), RecordedLedger().genesis)


def test_an_audit_computes_a_gathered_certificate_anew() -> None:
    recorded = ledger()
    kept = list(zip(recorded.blocks, recorded.results, strict=True))
    good = to_one_form(made(GOOD))
    report = audit(kept, recorded.genesis, Held(certificates=[good]))
    assert (report.difference, report.certificates) == (None, 1)
    # Signed by all, and yet not what the ledger says.
    document = parse_certificate(good)
    head = document.signed.head
    counts = msgspec.structs.replace(head.counts, matched=0, pending=head.counts.matched)
    lie = lying(document, counts=counts)
    report = audit(kept, recorded.genesis, Held(certificates=[to_one_form(lie)]))
    assert report.difference is not None
    assert "the certificate that is held says counts" in report.difference.what


def test_an_audit_compares_the_checkpoint_of_a_certificate() -> None:
    """A quorum that signs a time that was never the block's is found out."""
    recorded = ledger()
    kept = list(zip(recorded.blocks, recorded.results, strict=True))
    document = made(GOOD)
    text = document.signed.head.checkpoint
    line = next(each for each in text.split("\n") if each.startswith("time "))
    lie = lying(document, checkpoint=text.replace(line, "time 2033-01-01T00:00:00Z"))
    report = audit(kept, recorded.genesis, Held(certificates=[to_one_form(lie)]))
    assert report.difference is not None
    assert "the checkpoint that is held says" in report.difference.what


def lying(document: CertificateDocument, **said: object) -> CertificateDocument:
    """The same, with something else in its head, signed by everybody."""
    from tieout.evidence.certificate import CERTIFICATE_TAG_2, in_words
    from tieout.evidence.certificateform import HeadSignature

    head = msgspec.structs.replace(document.signed.head, **said)
    head = msgspec.structs.replace(head, words=in_words(head))
    message = CERTIFICATE_TAG_2 + msgspec.json.encode(head)
    signatures = tuple(
        HeadSignature(party, key, signing_key(party, key).sign(message))
        for party, key in GOOD.items()
    )
    return msgspec.structs.replace(document, signed=SignedHead(head, signatures))


def test_a_pack_shows_a_standing_under_a_gathered_certificate() -> None:
    recorded = ledger()
    state = recorded.state
    app = AppParts(state.events_chain, state.state_digest)
    document = made(GOOD)
    checkpoint = recorded.checkpoint().checkpoint
    cutoff = CutoffRange(document.signed.head.agreement, recorded.blocks[-1].time_us, None)
    keys = [(party, key, signing_key(party, key)) for party, key in GOOD.items()]
    from tieout.evidence.checkpoint import make_checkpoint

    signed = make_checkpoint(checkpoint, [(party, key) for party, _, key in keys])
    certificate = build_certificate(recorded.genesis, signed, content_of(state, cutoff), keys)
    pack = build_pack(recorded, signed, cutoff.agreement, 0, "T1", certificate, app)
    report = verify_pack(pack, recorded.genesis)
    assert report.certificate == document.signed.head
    assert any("No record of it after those shown" in words for words in report.proven)
