"""Certificates: what they commit to, and what they cannot get away with."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tests.evidence.ledgers import CHECKPOINT_KEY, RecordedLedger, act, certificate_of, genesis
from tests.evidence.scripts import (
    AGREEMENT,
    EVERYTHING,
    NAME,
    NEXT_AGREEMENT,
    SMALL,
    SMALL_AGREEMENT,
    TRANSACTIONS,
)
from tieout.evidence.certificate import (
    CERTIFICATE_TAG,
    Certificate,
    verify_certificate,
    verify_standing,
)
from tieout.evidence.errors import (
    EvidenceError,
    FormError,
    ProofError,
    SignatureError,
    TrustError,
    VerdictError,
)
from tieout.evidence.pack import build_pack, verify_pack
from tieout.evidence.statement import last_leaf
from tieout.testing.workbench import signing_key
from tieout.wire.codes import Status

Tree = dict[str, Any]


@cache
def ledger() -> RecordedLedger:
    return act(EVERYTHING, AGREEMENT, NEXT_AGREEMENT)[0]


@cache
def certificate() -> Certificate:
    return certificate_of(ledger(), ledger().checkpoint())


def test_a_certificate_says_how_a_cut_off_came_out() -> None:
    report = verify_certificate(certificate().to_bytes(), ledger().genesis)
    counts = report.head.counts
    assert (counts.opened, counts.matched, counts.broken, counts.pending, counts.withdrawn) == (
        2,
        0,
        2,
        0,
        0,
    )
    assert report.head.words == (
        "Of 2 transactions opened after 2023-11-14T22:13:55Z and until 2023-11-14T22:13:56Z under"
        " sub, 0 tied out; 2 broken. As of height 31."
    )


def test_older_breaks_are_carried_forward() -> None:
    script = EVERYTHING.replace("seller under v1 T4 r2 withdrawn", "")
    other, _ = act(script, AGREEMENT, NEXT_AGREEMENT)
    document = certificate_of(other, other.checkpoint()).document
    assert {line.transaction_id for line in document.breaks} == {"T5", "T6"}
    assert {line.transaction_id for line in document.carried_forward} == {"T4"}
    assert "2 older open breaks are carried forward" in document.signed.head.words


def test_the_same_ledger_gives_the_same_certificate() -> None:
    again, _ = act(EVERYTHING, AGREEMENT, NEXT_AGREEMENT)
    assert certificate_of(again, again.checkpoint()).to_bytes() == certificate().to_bytes()


@pytest.mark.parametrize("transaction_id", TRANSACTIONS)
def test_a_standing_can_be_shown_under_a_certificate(transaction_id: str) -> None:
    transaction = next(
        each
        for key, each in ledger().state.transactions.items()
        if key.transaction_id.rstrip(b"\0") == transaction_id.encode()
    )
    name = transaction_id.encode()
    proof = certificate().prove(0, name)
    covered = transaction.opened_us > ledger().blocks[-1].time_us - 1_000_000
    assert (proof is not None) == covered
    if proof is not None:
        status = transaction.status or Status.PENDING
        verify_standing(proof, 0, name, status, last_leaf(transaction))
        for wrong in (
            (1, name, status, last_leaf(transaction)),
            (0, b"T9", status, last_leaf(transaction)),
            (0, name, Status.MATCHED, last_leaf(transaction)),
            (0, name, status, last_leaf(transaction) + 1),
        ):
            with pytest.raises(ProofError):
                verify_standing(proof, *wrong)


def test_a_pack_with_a_certificate_proves_that_nothing_came_later() -> None:
    pack = build_pack(ledger(), ledger().checkpoint(), NAME, 0, "T5", certificate())
    report = verify_pack(pack, ledger().genesis)
    assert report.certificate == certificate().document.signed.head
    assert any("No record of it after those shown" in words for words in report.proven)
    assert not any("left out" in words for words in report.not_proven)


def test_a_pack_that_leaves_the_last_record_out_contradicts_the_certificate() -> None:
    class Forgetful(RecordedLedger):
        def find_records(
            self, agreement: str, originator: int, transaction_id: str
        ) -> list[tuple[int, int]]:
            found = super().find_records(agreement, originator, transaction_id)
            last = max(leaf for leaf, _ in found)
            return [(leaf, row) for leaf, row in found if leaf < last]

    small, _ = act(SMALL.replace("approve T1 b by south/2", ""), SMALL_AGREEMENT)
    forgetful = Forgetful(**{name: getattr(small, name) for name in _FIELDS})
    signed = certificate_of(small, small.checkpoint())
    pack = build_pack(forgetful, small.checkpoint(), "sub", 0, "T1", signed)
    with pytest.raises(ProofError, match="does not say of this transaction"):
        verify_pack(pack, small.genesis)


_FIELDS = ("genesis", "blocks", "results", "leaves", "hashes")


def test_a_certificate_of_another_checkpoint_is_left_out() -> None:
    pack = build_pack(ledger(), ledger().checkpoint(29), NAME, 0, "T5", certificate())
    assert verify_pack(pack, ledger().genesis).certificate is None


# ---------------------------------------------------------------- named mutations


def resigned(tree: Tree) -> None:
    """Sign the changed head anew, as a signer who lies would."""
    head = tree["signed"]["head"]
    message = CERTIFICATE_TAG + encoded(head)
    import base64

    for each in tree["signed"]["signatures"]:
        key = signing_key(each["party"], CHECKPOINT_KEY)
        each["signature"] = base64.b64encode(key.sign(message)).decode()


def encoded(tree: Any) -> bytes:
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()


def head_of(tree: Tree) -> Tree:
    head: Tree = tree["signed"]["head"]
    return head


def lying(change: Callable[[Tree], None]) -> Callable[[Tree], None]:
    def mutate(tree: Tree) -> None:
        change(tree)
        resigned(tree)

    return mutate


MUTATIONS: dict[str, tuple[Callable[[Tree], None], type[EvidenceError]]] = {
    "another count": (
        lambda tree: head_of(tree)["counts"].update(broken=1, matched=1),
        SignatureError,
    ),
    "counts that do not add up, signed": (
        lying(lambda tree: head_of(tree)["counts"].update(matched=1)),
        VerdictError,
    ),
    "words that do not fit, signed": (
        lying(lambda tree: head_of(tree).update(words="All is well.")),
        VerdictError,
    ),
    "another height, signed": (
        lying(lambda tree: head_of(tree).update(height=1)),
        VerdictError,
    ),
    "a cut-off after the checkpoint, signed": (
        lying(lambda tree: head_of(tree).update(cutoff="2033-01-01T00:00:00Z")),
        VerdictError,
    ),
    "a cut-off before the one before, signed": (
        lying(lambda tree: head_of(tree).update(cutoff="2013-01-01T00:00:00Z")),
        VerdictError,
    ),
    "a line less": (lambda tree: tree["breaks"].pop(), VerdictError),
    "another line": (lambda tree: tree["breaks"][0].__setitem__(0, "T9"), VerdictError),
    "a carried line more": (
        lambda tree: tree["carried_forward"].append(tree["breaks"][0]),
        VerdictError,
    ),
    "another ledger": (
        lambda tree: head_of(tree).update(ledger="00" * 32),
        TrustError,
    ),
    "no signatures": (lambda tree: tree["signed"].update(signatures=[]), TrustError),
    "too few signatures": (lambda tree: tree["signed"]["signatures"].pop(), TrustError),
    "a signature twice": (
        lambda tree: tree["signed"]["signatures"].append(tree["signed"]["signatures"][-1]),
        FormError,
    ),
    "another key": (
        lambda tree: tree["signed"]["signatures"][0].update(key=1),
        TrustError,
    ),
    "another field": (lambda tree: tree.update(remark=""), FormError),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_refused(name: str) -> None:
    mutate, error = MUTATIONS[name]
    tree = json.loads(certificate().to_bytes())
    mutate(tree)
    with pytest.raises(error):
        verify_certificate(encoded(tree) + b"\n", ledger().genesis)


def test_the_mutations_start_from_a_certificate_that_holds() -> None:
    tree = json.loads(certificate().to_bytes())
    resigned(tree)
    assert encoded(tree) + b"\n" == certificate().to_bytes()


def test_a_certificate_of_another_ledger_is_refused() -> None:
    with pytest.raises(TrustError):
        verify_certificate(certificate().to_bytes(), genesis())


def test_every_flipped_byte_is_noticed() -> None:
    data = certificate().to_bytes()
    unnoticed = []
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= (0x01, 0x02, 0x20, 0x80)[place % 4]
        try:
            verify_certificate(bytes(flipped), ledger().genesis)
        except EvidenceError:
            continue
        unnoticed.append(place)
    assert unnoticed == []
