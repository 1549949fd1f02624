"""The duties of a node to CometBFT: one method for each kind of request.

The problem: CometBFT replicates an order of items and asks every node to do the same with it. It
restarts at any point, asks some things twice, and stops for good when two nodes answer differently.

The model: one block of CometBFT is one block of the ledger, at the same height. `finalize_block`
judges it in memory and answers what became of each item; `commit` keeps and syncs it, and only then
answers. What a process had judged and not committed is forgotten when it ends, and CometBFT brings
the block again. Questions are answered for what is committed (`queries`).

Called from one thread (`server`), so that no call sees another's half. What is in order but refused
gets a code; what must not be answered as if it were in order raises RefusedCall and changes
nothing; any other exception from `finalize_block`, `commit` or `apply_snapshot_chunk` means that
state or journal cannot be trusted, and the process must end and start again from the journal.

What is not here: the socket (`server`), the order of a proposal (`proposing`), snapshots
(`statesync`).
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from tieout import __version__, kernel
from tieout.consensus.hashing import chain_id_of
from tieout.engines.cometbft import abci_pb2 as abci
from tieout.engines.cometbft.committed import Committed, History, committed
from tieout.engines.cometbft.errors import RefusedCall
from tieout.engines.cometbft.limits import MAX_SETTLING_S
from tieout.engines.cometbft.proposing import arranged, is_acceptable
from tieout.engines.cometbft.queries import Queries
from tieout.engines.cometbft.results import result_data
from tieout.engines.cometbft.settings import app_state
from tieout.engines.cometbft.statesync import Restoring, Shelf
from tieout.engines.cometbft.validators import Validator, updates, validators_of
from tieout.engines.replica import Replica
from tieout.wire.block import Block, BlockResult
from tieout.wire.codes import EventKind, ItemOutcome
from tieout.wire.genesis import Genesis
from tieout.wire.limits import MAX_ABS_NUMBER

_LOG: Final = logging.getLogger(__name__)
APP_VERSION: Final = 1
"""Raised when nodes of two versions would judge a block differently; stands in every header."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """A block that was judged and is not committed yet, and what was answered about it."""

    block: Block
    result: BlockResult
    response: abci.ResponseFinalizeBlock


class Application:
    """A ledger's copy as CometBFT's application. Made by `open`; close it."""

    def __init__(self, journal: Path, replica: Replica, peers: Container[str] | None) -> None:
        self._journal = journal
        self._genesis = replica.genesis
        self._peers = peers
        self._judged: _Judged | None = None
        self._restoring: Restoring | None = None
        self._settled = asyncio.Event()
        self._take_over(replica)

    @classmethod
    def open(
        cls, journal: Path, genesis: Genesis, peers: Container[str] | None = None
    ) -> "Application":
        """Open the journal's copy of the ledger.

        `peers` are the ids of the nodes that may connect (None: any). Raises EngineError and the
        journal's errors.
        """
        return cls(journal, Replica.open(journal, genesis), peers)

    def close(self) -> None:
        """Let go of the journal; a block that was judged and not committed did not happen."""
        self._shelf.close()
        self._replica.journal.close()

    def _take_over(self, replica: Replica) -> None:
        self._replica = replica
        self._history = History(committed(replica.state))
        self._shelf = Shelf(replica.journal)
        self._queries = Queries(replica, self._history, self._peers)
        self._judged = None
        self._settled.set()

    def _open_again(self) -> None:
        """Forget what was judged, and start from what is committed."""
        self.close()
        self._take_over(Replica.open(self._journal, self._genesis))

    @property
    def newest(self) -> Committed:
        """What is committed."""
        return self._history.newest

    @property
    def is_poisoned(self) -> bool:
        """Whether the state is half written: nothing may be answered from it."""
        return self._replica.state.is_poisoned

    # ------------------------------------------------------------------ beginning

    def echo(self, request: abci.RequestEcho) -> abci.ResponseEcho:
        """The same again."""
        return abci.ResponseEcho(message=request.message)

    def flush(self, _request: abci.RequestFlush) -> abci.ResponseFlush:
        """Everything before this was answered; the server sees to it."""
        return abci.ResponseFlush()

    def info(self, _request: abci.RequestInfo) -> abci.ResponseInfo:
        """The last block whose commit was answered; CometBFT brings those after it."""
        newest = self.newest
        return abci.ResponseInfo(
            data="tieout",
            version=__version__,
            app_version=APP_VERSION,
            last_block_height=newest.height,
            last_block_app_hash=newest.app_hash if newest.height else b"",
        )

    def init_chain(self, request: abci.RequestInitChain) -> abci.ResponseInitChain:
        """Check that CometBFT's genesis is of this ledger; may be asked again before block 1."""
        if self._replica.state.height != 0:
            raise RefusedCall(
                f"this ledger is at block {self._replica.state.height} already",
                "CometBFT's data were removed: restore them, or take both from another node",
            )
        expected = chain_id_of(self._genesis.ledger_id())
        if request.chain_id != expected or request.initial_height != 1:
            raise RefusedCall(
                f"CometBFT's genesis is of another chain than {expected}, from block 1"
            )
        try:
            stated = json.loads(request.app_state_bytes)
        except ValueError:
            stated = None
        if stated != app_state(self._genesis):
            raise RefusedCall("CometBFT's genesis names another ledger")
        mine = validators_of(self._replica.state)
        named = tuple(Validator(each.pub_key.ed25519, each.power) for each in request.validators)
        if mine and sorted(mine) != sorted(named):
            raise RefusedCall("CometBFT's genesis names other validators than the ledger's")
        return abci.ResponseInitChain(app_hash=self.newest.app_hash)

    # ------------------------------------------------------------------ items that wait

    def check_tx(self, request: abci.RequestCheckTx) -> abci.ResponseCheckTx:
        """Whether an item may wait for a block; a weak filter, as a proposer may ignore it."""
        outcome = kernel.admission(self._replica.state, request.tx)
        if outcome is ItemOutcome.EQUIVOCATION:
            # Two signed batches with one number are proof against their signer: let it be told.
            outcome = ItemOutcome.ACCEPTED
        return abci.ResponseCheckTx(code=outcome, log=outcome.name.lower())

    def prepare_proposal(
        self, request: abci.RequestPrepareProposal
    ) -> abci.ResponsePrepareProposal:
        """Put the waiting items in order."""
        time_us = self._block_time_us(request.time)
        items = arranged(self._replica.state, request.txs, time_us, request.max_tx_bytes)
        return abci.ResponsePrepareProposal(txs=items)

    def process_proposal(
        self, request: abci.RequestProcessProposal
    ) -> abci.ResponseProcessProposal:
        """Vote down what no correct node proposes; accept whatever else."""
        time_us = self._block_time_us(request.time)
        accepts = is_acceptable(self._replica.state, request.txs, time_us)
        verdicts = abci.ResponseProcessProposal.ProposalStatus
        return abci.ResponseProcessProposal(status=verdicts.ACCEPT if accepts else verdicts.REJECT)

    def extend_vote(self, _request: abci.RequestExtendVote) -> abci.ResponseExtendVote:
        """Nothing: extensions are off, as they can never be switched off again."""
        return abci.ResponseExtendVote()

    def verify_vote_extension(
        self, request: abci.RequestVerifyVoteExtension
    ) -> abci.ResponseVerifyVoteExtension:
        """Refuse every extension but the empty one."""
        statuses = abci.ResponseVerifyVoteExtension.VerifyStatus
        is_empty = not request.vote_extension
        return abci.ResponseVerifyVoteExtension(
            status=statuses.ACCEPT if is_empty else statuses.REJECT
        )

    # ------------------------------------------------------------------ blocks

    def finalize_block(self, request: abci.RequestFinalizeBlock) -> abci.ResponseFinalizeBlock:
        """Judge the block that was decided. Nothing is durable; the same block may come again."""
        height = request.height
        if self._judged is not None and height == self._judged.block.height:
            if self._judged.block.items == tuple(request.txs):
                return self._judged.response
            # Decided blocks do not change; whoever says so, what was judged is not committed.
            _LOG.warning("block %d came again with other items: starting from the journal", height)
            self._open_again()
        state = self._replica.state
        if height != state.height + 1 or self._judged is not None:
            raise RefusedCall(f"block {height} does not follow block {self.newest.height}")
        for each in request.misbehavior:
            address = each.validator.address.hex()
            _LOG.warning(
                "validator %s misbehaved at block %d (%d)", address, each.height, each.type
            )
        block = Block(height, self._block_time_us(request.time), tuple(request.txs))
        before = validators_of(state)
        result = self._replica.judge(block)
        response = abci.ResponseFinalizeBlock(
            tx_results=[
                abci.ExecTxResult(code=each.outcome, data=result_data(each))
                for each in result.items
            ],
            validator_updates=updates(before, validators_of(self._replica.state)),
            app_hash=result.app_hash,
        )
        self._judged = _Judged(block, result, response)
        self._settled.clear()
        return response

    def commit(self, _request: abci.RequestCommit) -> abci.ResponseCommit:
        """Make the judged block durable; then it may be told, and only then is this answered."""
        judged = self._judged
        if judged is None:
            raise RefusedCall("there is no block to commit")
        self._replica.keep(judged.block, judged.result)
        self._replica.sync()
        self._judged = None
        self._history.add(committed(self._replica.state))
        self._settled.set()
        if EventKind.CUTOFF_CLOSED in judged.result.events["kind"]:
            # The digest of the whole state was taken in this block, so a snapshot can be verified.
            self._shelf.take(self._replica.begin_snapshot)
        return abci.ResponseCommit()

    def _block_time_us(self, time: Timestamp) -> int:
        """CometBFT's time, in microseconds, never before that of the block before it."""
        time_us = time.seconds * 1_000_000 + time.nanos // 1_000
        return min(max(time_us, self._replica.state.time_us, 1), MAX_ABS_NUMBER)

    # ------------------------------------------------------------------ questions

    async def query(self, request: abci.RequestQuery) -> abci.ResponseQuery:
        """Answer for what is committed, after waiting for a block that is being written."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), MAX_SETTLING_S)
        return await self._queries.answer(request, is_settled=self._judged is None)

    # ------------------------------------------------------------------ snapshots

    def list_snapshots(self, _request: abci.RequestListSnapshots) -> abci.ResponseListSnapshots:
        """The snapshots that others may take over."""
        return abci.ResponseListSnapshots(snapshots=self._shelf.offers())

    def load_snapshot_chunk(
        self, request: abci.RequestLoadSnapshotChunk
    ) -> abci.ResponseLoadSnapshotChunk:
        """A chunk; empty when it is not there (any more)."""
        chunk = self._shelf.chunk(request.height, request.format, request.chunk)
        return abci.ResponseLoadSnapshotChunk(chunk=chunk)

    def offer_snapshot(self, request: abci.RequestOfferSnapshot) -> abci.ResponseOfferSnapshot:
        """Whether to take over a snapshot whose app hash CometBFT has verified."""
        results = abci.ResponseOfferSnapshot.Result
        journal = self._replica.journal
        if journal.durable.height != journal.base.height:
            raise RefusedCall("this copy has blocks of its own: it does not start from a snapshot")
        if self._restoring is not None:
            self._restoring.abandon()
        self._restoring = Restoring.begin(
            self._journal, self._genesis, request.snapshot, request.app_hash
        )
        accepts = self._restoring is not None
        return abci.ResponseOfferSnapshot(result=results.ACCEPT if accepts else results.REJECT)

    def apply_snapshot_chunk(
        self, request: abci.RequestApplySnapshotChunk
    ) -> abci.ResponseApplySnapshotChunk:
        """Take one chunk; with the last one, become a copy of the ledger that begins there."""
        results = abci.ResponseApplySnapshotChunk.Result
        restoring = self._restoring
        if restoring is None:
            return abci.ResponseApplySnapshotChunk(result=results.ABORT)
        if not restoring.take(request.index, request.chunk):
            return abci.ResponseApplySnapshotChunk(
                result=results.RETRY,
                refetch_chunks=[request.index],
                reject_senders=[request.sender] if request.sender else [],
            )
        if not restoring.is_complete:
            return abci.ResponseApplySnapshotChunk(result=results.ACCEPT)
        self._restoring = None
        if not restoring.build():
            return abci.ResponseApplySnapshotChunk(result=results.REJECT_SNAPSHOT)
        self.close()
        restoring.move_in()
        self._take_over(Replica.open(self._journal, self._genesis))
        return abci.ResponseApplySnapshotChunk(result=results.ACCEPT)
