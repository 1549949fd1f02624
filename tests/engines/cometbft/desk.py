"""A node's application without a network: whoever sits at the desk plays CometBFT."""

import asyncio
import json
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp

from tests.engines.cometbft.consortium import BANK, SELLER, Members
from tieout.consensus.hashing import chain_id_of
from tieout.engines.cometbft import abci_pb2 as abci
from tieout.engines.cometbft.application import Application
from tieout.engines.cometbft.settings import app_state
from tieout.journal.journal import Journal
from tieout.wire.codes import ItemOutcome

ROOM = 1 << 22


class Desk:
    """A node's application, and CometBFT's part in it."""

    def __init__(self, path: Path, members: Members, peers: list[str] | None = None) -> None:
        self.path = path
        self.members = members
        self.application = Application.open(path, members.genesis, peers)

    @property
    def height(self) -> int:
        return self.application.newest.height

    def time_us(self, height: int) -> int:
        return self.members.genesis.created_us + height * 1_000_000

    def stamp(self, height: int) -> Timestamp:
        time_us = self.time_us(height)
        # Nanoseconds that the ledger's time leaves out.
        return Timestamp(seconds=time_us // 1_000_000, nanos=time_us % 1_000_000 * 1_000 + 999)

    def init_chain(self, **changed: object) -> abci.ResponseInitChain:
        genesis = self.members.genesis
        request = {
            "chain_id": chain_id_of(genesis.ledger_id()),
            "initial_height": 1,
            "app_state_bytes": json.dumps(app_state(genesis)).encode(),
        }
        return self.application.init_chain(abci.RequestInitChain(**{**request, **changed}))  # type: ignore[arg-type]

    def finalize(self, *items: bytes, height: int = 0) -> abci.ResponseFinalizeBlock:
        height = height or self.height + 1
        request = abci.RequestFinalizeBlock(txs=items, height=height, time=self.stamp(height))
        return self.application.finalize_block(request)

    def block(self, *items: bytes) -> list[ItemOutcome]:
        """What became of the items of one block."""
        response = self.finalize(*items)
        self.application.commit(abci.RequestCommit())
        return [ItemOutcome(each.code) for each in response.tx_results]

    def check(self, item: bytes) -> ItemOutcome:
        return ItemOutcome(self.application.check_tx(abci.RequestCheckTx(tx=item)).code)

    def prepare(self, *items: bytes, room: int = ROOM) -> list[bytes]:
        height = self.height + 1
        request = abci.RequestPrepareProposal(
            txs=items, max_tx_bytes=room, height=height, time=self.stamp(height)
        )
        return list(self.application.prepare_proposal(request).txs)

    def accepts(self, *items: bytes) -> bool:
        height = self.height + 1
        request = abci.RequestProcessProposal(txs=items, height=height, time=self.stamp(height))
        response = self.application.process_proposal(request)
        return response.status == abci.ResponseProcessProposal.ProposalStatus.ACCEPT

    def ask(self, path: str, about: object = None, height: int = 0) -> abci.ResponseQuery:
        data = b"" if about is None else json.dumps(about).encode()
        request = abci.RequestQuery(path=path, data=data, height=height)
        return asyncio.run(self.application.query(request))

    def again(self) -> "Desk":
        """The node after its process ended."""
        self.application.close()
        self.application = Application.open(self.path, self.members.genesis)
        return self


def with_cutoff(desk: Desk) -> abci.Snapshot:
    """A node whose state after a cut-off is offered."""
    desk.block(desk.members.batch(SELLER, ("T-1", 5), ("T-2", 7)))
    assert desk.block(desk.members.cutoff(desk.time_us(2))) == [ItemOutcome.ACCEPTED]
    desk.block(desk.members.batch(BANK, ("T-1", 5)))
    desk.again()
    (offered,) = offers(desk)
    return offered


def offers(desk: Desk) -> list[abci.Snapshot]:
    desk.application._shelf.close()
    return list(desk.application.list_snapshots(abci.RequestListSnapshots()).snapshots)


def app_hash_at(desk: Desk, height: int) -> bytes:
    with Journal.open(desk.path, desk.members.genesis.ledger_id(), read_only=True) as journal:
        return journal.read(height).result.app_hash


def chunk_of(desk: Desk, offered: abci.Snapshot, index: int = 0) -> bytes:
    request = abci.RequestLoadSnapshotChunk(height=offered.height, format=1, chunk=index)
    return desk.application.load_snapshot_chunk(request).chunk
