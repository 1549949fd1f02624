"""A small ledger that four validators ordered: its chain, and packs with their votes."""

from dataclasses import dataclass
from functools import cache

from msgspec.structs import replace

from tests.consensus.chain import Chain, voter
from tests.evidence.ledgers import RecordedLedger
from tests.evidence.scripts import SMALL, SMALL_AGREEMENT
from tieout.consensus.hashing import chain_id_of
from tieout.evidence.checkpoint import SignedCheckpoint, make_checkpoint
from tieout.evidence.pack import build_pack
from tieout.evidence.packform import AppParts, Consensus
from tieout.testing.scenarios import play
from tieout.testing.workbench import NOTARY, governed_genesis, signing_key
from tieout.wire.genesis import FirstValidator, Genesis

FOUNDERS = {"ada": 10, "ben": 10, "cho": 10, "dan": 10}


def genesis() -> Genesis:
    """The workbench's parties, of whom four run validators."""
    founders = tuple(
        FirstValidator(party, voter(name).public.hex(), power)
        for party, (name, power) in enumerate(FOUNDERS.items(), start=1)
    )
    return replace(governed_genesis(), validators=founders)


@dataclass(frozen=True)
class Ordered:
    """A ledger of the workbench, and the chain whose header H + 1 has the app hash after H."""

    ledger: RecordedLedger
    chain: Chain

    def checkpoint(self) -> SignedCheckpoint:
        """Of the last block, signed by one party alone."""
        full = self.ledger.checkpoint()
        return make_checkpoint(full.checkpoint, [(2, signing_key(2, NOTARY))])

    def consensus(self) -> Consensus:
        """One step from the founders to the header after the last block."""
        *_, block, after = self.chain.headers
        return Consensus(block.header, (after,))

    def pack(self, consensus: Consensus | None) -> bytes:
        state = self.ledger.state
        app = AppParts(state.events_chain, state.state_digest)
        signed = self.checkpoint()
        return build_pack(self.ledger, signed, "sub", 0, "T1", app=app, consensus=consensus)


@cache
def ordered(*, all_change: bool = False) -> Ordered:
    """The ledger; `all_change`: the validators of its last block are others than the founders."""
    ledger = RecordedLedger(genesis=genesis())
    play(ledger, SMALL, SMALL_AGREEMENT, genesis=genesis())
    chain = Chain(dict(FOUNDERS), chain_id_of(ledger.genesis.ledger_id()))
    before = bytes(32)
    for block, result in zip(ledger.blocks, ledger.results, strict=True):
        others = {"eve": 1, "fay": 2} if all_change and block.height == 1 else None
        time_ns = block.time_us * 1_000 + block.height  # the scripts' blocks may share a time
        chain.add(app_hash=before, time_ns=time_ns, become=others)
        before = result.app_hash
    last_ns = ledger.blocks[-1].time_us * 1_000 + 10**9
    chain.add(app_hash=before, time_ns=last_ns, absent=() if all_change else ("dan",))
    return Ordered(ledger, chain)
