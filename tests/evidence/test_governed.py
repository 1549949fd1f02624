"""Where members change, evidence is judged by the members that there were at its height."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings

from tests.evidence.ledgers import CHECKPOINT_KEY, RecordedLedger
from tests.scenarios.agreements import pair
from tieout.evidence.audit import Held, audit
from tieout.evidence.checkpoint import SignedCheckpoint, make_checkpoint, verify_checkpoint
from tieout.evidence.errors import EvidenceError, FormError, ProofError, TrustError, VerdictError
from tieout.evidence.forms import from_one_form, to_one_form
from tieout.evidence.limits import MAX_PACK_BYTES
from tieout.evidence.pack import build_pack, verify_pack
from tieout.evidence.packform import AppParts, OperationEntry, Pack
from tieout.evidence.statement import state_transaction
from tieout.testing.governed import agreed_histories, governed_histories
from tieout.testing.histories import History, refined_histories
from tieout.testing.scenarios import play
from tieout.testing.workbench import governed_genesis, signing_key
from tieout.wire.codes import OperationKind, Purpose
from tieout.wire.operations import parse_operation

ABOUT_MEMBERS = (OperationKind.PROPOSE_CHANGE, OperationKind.VOTE)
OTHER = pair().replace('"pair"', '"other"').replace("version = 1", "version = 7")
SCRIPT = """
seller T1 r1 100.00
change K by north: key north/1 21 publish govern & revoke north 1 & key north/5 25 checkpoint
bank T1 r1 99.00
seller@north/21 T1 r2 99.00
change J by south: remove west
vote J by north/21
vote J by east
blocks 1
change I by south: key south/5 26 checkpoint & revoke south 5
blocks 1
seller@north/21 T2 r1 5.00
"""
BEFORE, AFTER = 4, 12
"""Heights before west was removed, and after everything."""


@pytest.fixture(scope="module")
def ledger() -> RecordedLedger:
    """North and south have rotated keys, west has left."""
    recorded = RecordedLedger(genesis=governed_genesis(4))
    play(recorded, SCRIPT, pair(), genesis=governed_genesis(4))
    assert len(recorded.blocks) == AFTER
    return recorded


def checkpoint(ledger: RecordedLedger, signers: dict[int, int], height: int) -> SignedCheckpoint:
    """The checkpoint of a height, signed by the parties with the keys of these numbers."""
    unsigned = ledger.checkpoint(height).checkpoint
    keys = [(party, signing_key(party, key)) for party, key in signers.items()]
    return make_checkpoint(unsigned, keys)


def pack_of(ledger: RecordedLedger, signed: SignedCheckpoint, transaction_id: str = "T1") -> bytes:
    state = ledger.state
    app = AppParts(state.events_chain, state.state_digest)
    name = state.books[0].agreement.name
    return build_pack(ledger, signed, name, 0, transaction_id, app=app)


GOOD = {1: 25, 2: 26, 3: CHECKPOINT_KEY}
"""All three who are left, with the keys that they have by then."""


@pytest.mark.parametrize("transaction_id", ["T1", "T2"])
def test_a_record_under_a_key_that_came_later_is_proven(
    ledger: RecordedLedger, transaction_id: str
) -> None:
    """R-MEMBER-1: the pack brings the operations that made the key."""
    pack = pack_of(ledger, checkpoint(ledger, GOOD, AFTER), transaction_id)
    report = verify_pack(pack, ledger.genesis)
    assert report.verdict == "verified"
    assert report.signers == ("north", "south", "east")
    assert [party.name for party in report.parties] == ["north", "south", "east", "west"]
    assert not any(step.what.startswith(("propose change", "vote")) for step in report.steps)


@pytest.mark.parametrize(
    "signers",
    [
        {1: CHECKPOINT_KEY, 2: 26, 3: CHECKPOINT_KEY, 4: CHECKPOINT_KEY},
        {2: 26, 3: CHECKPOINT_KEY},
        {2: CHECKPOINT_KEY, 1: 25, 3: CHECKPOINT_KEY},
        {2: 26, 3: CHECKPOINT_KEY, 4: CHECKPOINT_KEY},
    ],
    ids=["a party that has left", "too few", "a revoked key", "one of them has left"],
)
def test_who_has_left_or_was_revoked_answers_for_nothing_any_more(
    ledger: RecordedLedger, signers: dict[int, int]
) -> None:
    """R-MEMBER-1."""
    with pytest.raises(TrustError):
        verify_pack(pack_of(ledger, checkpoint(ledger, signers, AFTER)), ledger.genesis)


def is_about_members(entry: Any) -> bool:
    return (
        isinstance(entry, OperationEntry) and parse_operation(entry.operation).kind in ABOUT_MEMBERS
    )


def without(entry_number: int) -> Callable[[Pack], Pack]:
    """The pack without one of its operations about members."""

    def mutate(pack: Pack) -> Pack:
        places = [at for at, entry in enumerate(pack.entries) if is_about_members(entry)]
        left_out = places[entry_number]
        entries = pack.entries[:left_out] + pack.entries[left_out + 1 :]
        return msgspec.structs.replace(pack, entries=entries)

    return mutate


@pytest.mark.parametrize(
    ("mutate", "error"),
    [
        (without(0), TrustError),
        (without(1), VerdictError),
        (without(2), ProofError),
        (without(3), ProofError),
        (without(4), ProofError),
        (lambda pack: msgspec.structs.replace(pack, app=None), FormError),
        (lambda pack: msgspec.structs.replace(pack, format="tieout/evidence/1"), FormError),
        (
            lambda pack: msgspec.structs.replace(pack, app=AppParts(bytes(32), bytes(32))),
            ProofError,
        ),
    ],
    ids=[
        "the rotation of a key",
        "the proposal of a change",
        "a vote",
        "another vote",
        "the revocation of a key",
        "no parts of the app hash",
        "the other format",
        "other parts of the app hash",
    ],
)
def test_nothing_about_members_can_be_left_out(
    ledger: RecordedLedger, mutate: Callable[[Pack], Pack], error: type[EvidenceError]
) -> None:
    """R-MEMBER-1: what follows must be the members that the app hash covers."""
    pack = pack_of(ledger, checkpoint(ledger, GOOD, AFTER))
    changed = mutate(from_one_form(pack, Pack, "pack", MAX_PACK_BYTES))
    with pytest.raises(error):
        verify_pack(to_one_form(changed), ledger.genesis)


def test_holders_of_other_agreements_are_members_business_too() -> None:
    """R-MEMBER-1: the app hash covers them, so the pack brings those agreements."""
    other = RecordedLedger(genesis=governed_genesis(4))
    script = """
    seller T1 r1 100.00
    enact v7
    change K by north: holders bank v7 east & remove west
    vote K by south
    vote K by east
    blocks 1
    """
    play(other, script, pair(), OTHER, genesis=other.genesis)
    signed = checkpoint(other, dict.fromkeys((1, 2, 3), CHECKPOINT_KEY), len(other.blocks))
    report = verify_pack(pack_of(other, signed), other.genesis)
    assert report.statement.status == "pending"
    assert [step.what for step in report.steps] == [
        "enact",
        "enact",
        "seller states revision 1: accepted",
    ]


def test_an_audit_judges_what_is_held_by_the_members_of_its_height(
    ledger: RecordedLedger,
) -> None:
    """R-MEMBER-1: a party that has left had answered for what was before."""
    founders = dict.fromkeys((1, 2, 3, 4), CHECKPOINT_KEY)
    old, new = checkpoint(ledger, founders, BEFORE), checkpoint(ledger, GOOD, AFTER)
    kept = list(zip(ledger.blocks, ledger.results, strict=True))
    report = audit(kept, ledger.genesis, Held([old.to_bytes(), new.to_bytes()]))
    assert report.difference is None
    assert report.checkpoints == 2
    stale = checkpoint(ledger, founders, AFTER)
    report = audit(kept, ledger.genesis, Held([stale.to_bytes()]))
    assert report.difference is not None
    assert report.difference.height == AFTER
    assert "does not hold" in report.difference.what


def test_an_audit_computes_the_members_anew(ledger: RecordedLedger) -> None:
    """R-MEMBER-1: whoever keeps other members than the votes made has another app hash."""
    kept = list(zip(ledger.blocks, ledger.results, strict=True))
    block, result = kept[5]
    kept[5] = (block, replace(result, app_hash=bytes(32)))
    report = audit(kept, ledger.genesis)
    assert report.difference is not None
    assert report.difference.height == block.height


def test_without_members_the_founders_are_asked(ledger: RecordedLedger) -> None:
    signed = checkpoint(ledger, {1: 25, 2: 5, 3: 5}, AFTER)
    with pytest.raises(TrustError):
        verify_checkpoint(signed.to_bytes(), ledger.genesis)
    assert verify_checkpoint(signed.to_bytes(), ledger.genesis, members_at(ledger, 9)) == signed


def members_at(ledger: RecordedLedger, height: int) -> Any:
    again = RecordedLedger(genesis=ledger.genesis)
    state = again.initial_state(ledger.genesis)
    for block in ledger.blocks[:height]:
        state, _ = again.apply_block(state, block)
    return state.members


@settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much])
@given(history=governed_histories() | agreed_histories() | refined_histories())
def test_every_transaction_can_be_shown_while_members_change(history: History) -> None:
    """R-MEMBER-1 to R-MEMBER-6, R-AGREE-3, replayed from the entries of a pack alone."""
    ledger = RecordedLedger()
    state = ledger.initial_state(history.genesis)
    for block in history.blocks:
        state, _ = ledger.apply_block(state, block)
    members, height = state.members, len(history.blocks)
    signers = {
        party.number: key.number
        for party in members.parties
        for person in party.persons
        for key in person.keys
        if party.is_member and Purpose.CHECKPOINT in key.purposes and key.is_valid_at(height)
    }
    assume(3 * len(signers) > 2 * members.count())
    signed = checkpoint(ledger, signers, height)
    app = AppParts(state.events_chain, state.state_digest)
    for name, originator, transaction_id in ledger.transactions():
        pack = build_pack(ledger, signed, name, originator, transaction_id, app=app)
        report = verify_pack(pack, ledger.genesis)
        key = (name, originator, transaction_id.encode().ljust(36, b"\0"), 0)
        transaction = next(each for at, each in state.transactions.items() if at == key)
        assert report.statement == state_transaction(state, transaction)
