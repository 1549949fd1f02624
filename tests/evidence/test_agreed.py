"""Evidence under an agreement that came into force by vote (R-AGREE-4, R-PIN-1)."""

import msgspec
import pytest

from tests.evidence.ledgers import CHECKPOINT_KEY, RecordedLedger
from tests.scenarios.agreements import pair
from tieout.evidence.audit import audit
from tieout.evidence.checkpoint import make_checkpoint
from tieout.evidence.errors import EvidenceError
from tieout.evidence.forms import from_one_form, to_one_form
from tieout.evidence.limits import MAX_PACK_BYTES
from tieout.evidence.pack import build_pack, verify_pack
from tieout.evidence.packform import AppParts, OperationEntry, Pack
from tieout.testing.scenarios import play
from tieout.testing.workbench import newest_genesis, signing_key
from tieout.wire.codes import OperationKind
from tieout.wire.operations import parse_operation

V2 = pair('[deadlines]\nbank = "30s"\n').replace("version = 1", "version = 2")
SCRIPT = """
seller T1 r1 100.00
change K by north: enact v2 north south
vote K by south
seller under v2 T2 r1 100.00
bank T2 r1 100.00
bank under v1 T1 r1 99.00
change L by west: remove east
"""


@pytest.fixture(scope="module")
def ledger() -> RecordedLedger:
    """T1 under the first version, T2 under the one that was voted on."""
    recorded = RecordedLedger(genesis=newest_genesis(4))
    play(recorded, SCRIPT, pair(), V2, genesis=newest_genesis(4))
    return recorded


def pack_of(ledger: RecordedLedger, transaction_id: str) -> bytes:
    keys = [(party, signing_key(party, CHECKPOINT_KEY)) for party in (1, 2, 3)]
    signed = make_checkpoint(ledger.checkpoint(len(ledger.blocks)).checkpoint, keys)
    app = AppParts(ledger.state.events_chain, ledger.state.state_digest)
    return build_pack(ledger, signed, "pair", 0, transaction_id, app=app)


@pytest.mark.parametrize(("transaction_id", "version"), [("T1", 1), ("T2", 2)])
def test_each_transaction_is_proven_under_its_version(
    ledger: RecordedLedger, transaction_id: str, version: int
) -> None:
    report = verify_pack(pack_of(ledger, transaction_id), ledger.genesis)
    assert (report.verdict, report.statement.version) == ("verified", version)
    told = [(step.party, step.what) for step in report.steps]
    # The vote on the version belongs to the story, that on a member does not.
    assert [each for each in told if each[1] in {"propose change", "vote"}] == [
        (1, "propose change"),
        (2, "vote"),
    ]


@pytest.mark.parametrize("kind", [OperationKind.PROPOSE_CHANGE, OperationKind.VOTE])
def test_no_vote_on_a_version_can_be_left_out(ledger: RecordedLedger, kind: OperationKind) -> None:
    pack = from_one_form(pack_of(ledger, "T2"), Pack, "pack", MAX_PACK_BYTES)
    entries = list(pack.entries)
    entries.remove(
        next(
            each
            for each in entries
            if isinstance(each, OperationEntry) and parse_operation(each.operation).kind is kind
        )
    )
    without = to_one_form(msgspec.structs.replace(pack, entries=tuple(entries)))
    with pytest.raises(EvidenceError):
        verify_pack(without, ledger.genesis)


def test_the_readable_rules_follow_a_ledger_with_votes_on_agreements(
    ledger: RecordedLedger,
) -> None:
    kept = zip(ledger.blocks, ledger.results, strict=True)
    report = audit(kept, ledger.genesis)
    assert report.difference is None
