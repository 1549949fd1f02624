"""Packs: what was on the ledger can be shown, and nothing else."""

import base64
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tests.evidence.ledgers import RecordedLedger, act, certificate_of, genesis
from tests.evidence.scripts import (
    AGREEMENT,
    EVERYTHING,
    NAME,
    NEXT_AGREEMENT,
    SMALL,
    SMALL_AGREEMENT,
    TRANSACTIONS,
)
from tieout.evidence.errors import (
    EvidenceError,
    FormError,
    MissingError,
    ProofError,
    SignatureError,
    TrustError,
    VerdictError,
)
from tieout.evidence.pack import build_pack, verify_pack
from tieout.evidence.statement import state_transaction


@cache
def ledger() -> RecordedLedger:
    return act(EVERYTHING, AGREEMENT, NEXT_AGREEMENT)[0]


@cache
def pack_of(transaction_id: str) -> bytes:
    return build_pack(ledger(), ledger().checkpoint(), NAME, 0, transaction_id)


@pytest.mark.parametrize("transaction_id", TRANSACTIONS)
def test_the_verdict_of_a_pack_is_that_of_the_ledger(transaction_id: str) -> None:
    report = verify_pack(pack_of(transaction_id), ledger().genesis)
    transaction = next(
        each
        for key, each in ledger().state.transactions.items()
        if key.transaction_id.rstrip(b"\0") == transaction_id.encode()
    )
    assert report.verdict == "verified"
    assert report.statement == state_transaction(ledger().state, transaction)


def test_a_pack_can_be_made_as_of_every_earlier_checkpoint() -> None:
    verified = []
    for height in range(2, len(ledger().blocks) + 1):
        pack = build_pack(ledger(), ledger().checkpoint(height), NAME, 0, "T3")
        report = verify_pack(pack, ledger().genesis)
        verified.append((report.checkpoint.height, report.statement.status))
    assert [height for height, _ in verified] == list(range(2, len(ledger().blocks) + 1))
    assert {status for _, status in verified} == {"pending", "broken", "matched"}


def test_a_timeline_says_who_said_what_when() -> None:
    report = verify_pack(pack_of("T3"), ledger().genesis)
    assert [(each.party, each.what) for each in report.steps if "enact" not in each.what] == [
        (1, "seller states revision 1: accepted"),
        (1, "seller states revision 1: repeat"),
        (1, "seller states revision 1: duplicate"),
        (1, "seller states revision 2: accepted"),
        (1, "seller states revision 1: stale"),
        (4, "acknowledge"),
        (2, "registrar states revision 1: accepted"),
        (3, "bank states revision 1: accepted"),
        (1, "close cutoff"),
    ]


def test_without_a_trusted_genesis_nothing_is_anchored() -> None:
    report = verify_pack(pack_of("T1"), None)
    assert report.verdict == "consistent, not anchored"
    assert any("no trusted genesis" in words for words in report.not_proven)


def test_another_ledger_is_not_trusted() -> None:
    with pytest.raises(TrustError, match="another ledger"):
        verify_pack(pack_of("T1"), genesis())


def test_what_was_never_said_has_no_evidence() -> None:
    with pytest.raises(MissingError, match="'T9'"):
        build_pack(ledger(), ledger().checkpoint(), NAME, 0, "T9")
    with pytest.raises(MissingError, match="'T5'"):
        build_pack(ledger(), ledger().checkpoint(3), NAME, 0, "T5")


def test_a_pack_discloses_no_other_transaction() -> None:
    rows = [
        base64.b64decode(row["row"])
        for entry in json.loads(pack_of("T1"))["entries"]
        if entry["entry"] == "batch"
        for row in entry["rows"]
    ]
    assert {row[:36].rstrip(b"\0") for row in rows} == {b"T1"}


# ---------------------------------------------------------------- named mutations

Tree = dict[str, Any]


def mutated(transaction_id: str, mutate: Callable[[Tree], None]) -> bytes:
    tree: Tree = json.loads(pack_of(transaction_id))
    mutate(tree)
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def of_kind(tree: Tree, kind: str) -> list[Tree]:
    return [entry for entry in tree["entries"] if entry["entry"] == kind]


def first_row(tree: Tree) -> Tree:
    row: Tree = of_kind(tree, "batch")[0]["rows"][0]
    return row


def without(tree: Tree, kind: str, number: int = 0) -> None:
    tree["entries"].remove(of_kind(tree, kind)[number])


def moved(tree: Tree, kind: str, by: int) -> None:
    entry = of_kind(tree, kind)[0]
    at = tree["entries"].index(entry)
    tree["entries"].remove(entry)
    tree["entries"].insert(at + by, entry)


def swapped(tree: Tree, kind: str) -> None:
    entries = tree["entries"]
    a, b = (entries.index(entry) for entry in of_kind(tree, kind)[:2])
    entries[a], entries[b] = entries[b], entries[a]


def flipped(text: str, at: int = 40) -> str:
    raw = bytearray(base64.b64decode(text))
    raw[at] ^= 1
    return base64.b64encode(bytes(raw)).decode()


def borrow_row(tree: Tree) -> None:
    """A row of another transaction from the same batch, with its own good proof."""
    of_kind(tree, "batch")[0]["rows"] = of_kind(json.loads(pack_of("T2")), "batch")[0]["rows"]


def older_checkpoint(tree: Tree) -> None:
    tree["checkpoint"] = ledger().checkpoint(3).to_text()


def other_agreement(tree: Tree) -> None:
    tree["agreement"] = "bus"


MUTATIONS: dict[str, tuple[str, Callable[[Tree], None], type[EvidenceError]]] = {
    "another status": (
        "T1",
        lambda tree: tree["statement"].update(status="broken"),
        VerdictError,
    ),
    "another value in a break": (
        "T5",
        lambda tree: tree["statement"]["breaks"][0].update(reported="2.51"),
        VerdictError,
    ),
    "a break less": ("T5", lambda tree: tree["statement"]["breaks"].pop(), VerdictError),
    "an adjustment less": (
        "T1",
        lambda tree: tree["statement"]["adjustments"].pop(),
        VerdictError,
    ),
    "another rule": (
        "T5",
        lambda tree: tree["statement"]["breaks"][0].update(rules=["R-MATCH-3"]),
        VerdictError,
    ),
    "a record less": ("T1", lambda tree: without(tree, "batch", -1), VerdictError),
    "the first record less": ("T1", lambda tree: without(tree, "batch"), EvidenceError),
    "an enactment less": ("T1", lambda tree: without(tree, "operation"), EvidenceError),
    "the cut-off less": ("T1", lambda tree: without(tree, "operation", -1), VerdictError),
    "no entries": ("T1", lambda tree: tree.update(entries=[]), VerdictError),
    "an entry twice": (
        "T1",
        lambda tree: tree["entries"].append(tree["entries"][-1]),
        VerdictError,
    ),
    "entries in another order": ("T1", lambda tree: swapped(tree, "batch"), EvidenceError),
    "another value in a row": (
        "T1",
        lambda tree: first_row(tree).update(row=flipped(first_row(tree)["row"], 70)),
        ProofError,
    ),
    "another salt": (
        "T1",
        lambda tree: first_row(tree).update(row=flipped(first_row(tree)["row"], 60)),
        ProofError,
    ),
    "another index of a row": (
        "T1",
        lambda tree: first_row(tree).update(index=first_row(tree)["index"] ^ 1),
        ProofError,
    ),
    "a row of another transaction": ("T1", borrow_row, VerdictError),
    "a row twice": (
        "T1",
        lambda tree: of_kind(tree, "batch")[0]["rows"].append(first_row(tree)),
        VerdictError,
    ),
    "no rows": ("T1", lambda tree: of_kind(tree, "batch")[0].update(rows=[]), VerdictError),
    "a shorter path": (
        "T1",
        lambda tree: of_kind(tree, "batch")[0]["path"].pop(),
        ProofError,
    ),
    "another header": (
        "T1",
        lambda tree: of_kind(tree, "batch")[0].update(
            header=flipped(of_kind(tree, "batch")[0]["header"])
        ),
        ProofError,
    ),
    "another height": (
        "T1",
        lambda tree: of_kind(tree, "batch")[0].update(height=3),
        ProofError,
    ),
    "another time": (
        "T1",
        lambda tree: of_kind(tree, "batch")[0].update(
            time_us=of_kind(tree, "batch")[0]["time_us"] + 1
        ),
        ProofError,
    ),
    "another item": ("T1", lambda tree: of_kind(tree, "batch")[0].update(item=1), ProofError),
    "another leaf": ("T1", lambda tree: of_kind(tree, "batch")[0].update(leaf=99), ProofError),
    "another operation": (
        "T1",
        lambda tree: of_kind(tree, "operation")[3].update(
            operation=flipped(of_kind(tree, "operation")[3]["operation"])
        ),
        ProofError,
    ),
    "a deadline less": ("T3", lambda tree: without(tree, "deadline"), VerdictError),
    "a deadline twice": (
        "T3",
        lambda tree: tree["entries"].append(of_kind(tree, "deadline")[0]),
        VerdictError,
    ),
    "a deadline too early": ("T3", lambda tree: moved(tree, "deadline", -1), VerdictError),
    "a deadline of nobody": (
        "T3",
        lambda tree: of_kind(tree, "deadline")[0].update(role="notary"),
        VerdictError,
    ),
    "a deadline of somebody else": (
        "T3",
        lambda tree: of_kind(tree, "deadline")[0].update(role="registrar"),
        VerdictError,
    ),
    "a deadline first of all": (
        "T3",
        lambda tree: tree["entries"].insert(0, of_kind(tree, "deadline")[0]),
        VerdictError,
    ),
    "a checkpoint of an earlier height": ("T1", older_checkpoint, EvidenceError),
    "another checkpoint": (
        "T1",
        lambda tree: tree.update(checkpoint=tree["checkpoint"].replace("height 3", "height 4")),
        SignatureError,
    ),
    "another genesis": (
        "T1",
        lambda tree: tree["genesis"].update(name="workbenches"),
        TrustError,
    ),
    "another transaction": (
        "T1",
        lambda tree: tree.update(transaction_id="T2"),
        VerdictError,
    ),
    "an id that no row can have": (
        "T1",
        lambda tree: tree.update(transaction_id=" T1"),
        FormError,
    ),
    "another originator": ("T1", lambda tree: tree.update(originator=1), VerdictError),
    "another agreement": ("T1", other_agreement, VerdictError),
    "another field": ("T1", lambda tree: tree.update(remark="trust me"), FormError),
    "a field less": ("T1", lambda tree: tree.pop("certificate"), FormError),
    "another format": ("T1", lambda tree: tree.update(format="tieout/evidence/2"), FormError),
    "an unknown kind of entry": (
        "T1",
        lambda tree: of_kind(tree, "batch")[0].update(entry="note"),
        FormError,
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_refused(name: str) -> None:
    transaction_id, mutate, error = MUTATIONS[name]
    data = mutated(transaction_id, mutate)
    assert data != pack_of(transaction_id)
    with pytest.raises(error):
        verify_pack(data, ledger().genesis)


def test_the_mutations_start_from_a_pack_that_holds() -> None:
    untouched = mutated("T1", lambda _tree: None)
    assert untouched == pack_of("T1")


@pytest.mark.parametrize("spelled", [b" ", b"\n", b"\0", b"{}"])
def test_nothing_may_follow_or_be_missing(spelled: bytes) -> None:
    for data in (
        pack_of("T1") + spelled,
        pack_of("T1")[:-1],
        pack_of("T1").replace(b",", b", ", 1),
    ):
        with pytest.raises(FormError):
            verify_pack(data, ledger().genesis)


@pytest.mark.slow
def test_every_flipped_byte_is_noticed() -> None:
    """On a pack with everything that a pack can have: deadlines, operations, a certificate."""
    small, _ = act(SMALL, SMALL_AGREEMENT)
    data = build_pack(
        small, small.checkpoint(), "sub", 0, "T1", certificate_of(small, small.checkpoint())
    )
    assert verify_pack(data, small.genesis).certificate is not None
    unnoticed = []
    for place in range(len(data)):
        for mask in (0x01, (0x02, 0x20, 0x80)[place % 3]):
            flipped_once = bytearray(data)
            flipped_once[place] ^= mask
            try:
                verify_pack(bytes(flipped_once), small.genesis)
            except EvidenceError:
                continue
            unnoticed.append((place, mask))
    assert unnoticed == []


def test_two_stated_changes_that_fit_each_other_are_still_refused() -> None:
    def mutate(tree: Tree) -> None:
        tree["statement"]["status"] = "pending"
        tree["statement"]["breaks"] = []
        tree["statement"]["benchmarks"] = []

    with pytest.raises(VerdictError, match=r"statement\.status"):
        verify_pack(mutated("T5", mutate), ledger().genesis)
