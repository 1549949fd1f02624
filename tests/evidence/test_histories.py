"""On any history: every transaction's pack verifies, its verdict is the state's, audits agree."""

from hypothesis import given, settings

from tests.evidence.ledgers import RecordedLedger, certificate_of
from tieout import reference
from tieout.evidence.audit import Held, audit
from tieout.evidence.breaklist import lines_of
from tieout.evidence.certificate import verify_certificate
from tieout.evidence.errors import MissingError
from tieout.evidence.pack import build_pack, verify_pack
from tieout.evidence.packform import AppParts
from tieout.evidence.statement import state_transaction
from tieout.testing.grouped import grouped_histories
from tieout.testing.histories import History, histories, refined_histories


def recorded(history: History) -> RecordedLedger:
    ledger = RecordedLedger()
    state = ledger.initial_state(history.genesis)
    for block in history.blocks:
        state, _ = ledger.apply_block(state, block)
    return ledger


@settings(max_examples=60)
@given(history=histories())
def test_every_transaction_can_be_shown(history: History) -> None:
    ledger = recorded(history)
    signed = ledger.checkpoint()
    for name, originator, transaction_id in ledger.transactions():
        pack = build_pack(ledger, signed, name, originator, transaction_id)
        report = verify_pack(pack, ledger.genesis)
        key = (name, originator, transaction_id.encode().ljust(36, b"\0"), 0)
        transaction = next(each for at, each in ledger.state.transactions.items() if at == key)
        assert report.statement == state_transaction(ledger.state, transaction)
        assert pack == build_pack(ledger, signed, name, originator, transaction_id)


@settings(max_examples=20)
@given(history=grouped_histories())
def test_what_is_settled_together_can_be_shown_alone(history: History) -> None:
    """R-GROUP-5: a pack shows its records, and leaves to the ledger what the group comes to."""
    ledger = recorded(history)
    signed = ledger.checkpoint()
    app = AppParts(ledger.state.events_chain, ledger.state.state_digest)
    for name, originator, transaction_id in ledger.transactions():
        try:
            pack = build_pack(ledger, signed, name, originator, transaction_id, app=app)
        except MissingError:
            continue  # people acted on what its group came to
        statement = verify_pack(pack, ledger.genesis).statement
        assert "group" not in [each.kind for each in statement.breaks]


@settings(max_examples=40)
@given(history=histories())
def test_an_audit_agrees_with_every_history(history: History) -> None:
    ledger = recorded(history)
    checkpoint = ledger.checkpoint()
    certificates = [
        certificate_of(ledger, checkpoint, name) for name in sorted(ledger.state.cutoffs_us)
    ]
    for each in certificates:
        verify_certificate(each.to_bytes(), ledger.genesis)
    held = Held([checkpoint.to_bytes()], [each.to_bytes() for each in certificates])
    kept = zip(history.blocks, history.results, strict=True)
    report = audit(kept, history.genesis, held)
    assert report.difference is None
    assert report.certificates == len(certificates)


@settings(max_examples=40)
@given(history=histories() | refined_histories() | grouped_histories())
def test_every_break_has_a_line(history: History) -> None:
    agreements = dict(enumerate(history.agreements, start=1))
    rows = reference.breaks(history.state, history.name)
    lines = lines_of(agreements, rows)
    assert [line.transaction_id.encode() for line in lines] == [row.transaction_id for row in rows]
