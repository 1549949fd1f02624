"""Small ledgers for the tests of evidence: acted out by scripts, and kept block by block."""

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tieout import reference
from tieout.evidence.audit import content_of
from tieout.evidence.certificate import Certificate, CutoffRange, build_certificate
from tieout.evidence.checkpoint import Checkpoint, SignedCheckpoint, make_checkpoint
from tieout.evidence.membership import LoggedItem
from tieout.merkle import tree
from tieout.reference.state import State
from tieout.testing.scenarios import Stage, play
from tieout.testing.workbench import NOTARY, signing_key, workbench_genesis
from tieout.wire.batch import BATCH_TAG, parse_batch
from tieout.wire.block import Block, BlockResult
from tieout.wire.codes import ItemOutcome
from tieout.wire.genesis import Genesis
from tieout.wire.leaf import leaf_bytes
from tieout.wire.limits import ID_BYTES
from tieout.wire.operations import CloseCutoff, parse_operation

OPERATOR = 5
CHECKPOINT_KEY = NOTARY
ALL_BUT_ONE = (1, 2, 3, 4)
"""Parties enough to speak for a consortium of five."""


def genesis(operator: int = OPERATOR, until_height: int = 0) -> Genesis:
    """The workbench's five parties, on a ledger of one operator (0: of all of them)."""
    changed = msgspec.json.decode(workbench_genesis().to_bytes())
    changed["operator"] = operator
    for party in changed["parties"]:
        for person in party["persons"]:
            for key in person["keys"]:
                if key["number"] == CHECKPOINT_KEY:
                    key["until_height"] = until_height
    return msgspec.convert(changed, Genesis)


def checkpoint_of(ledger: Genesis) -> Checkpoint:
    """Some state of a ledger."""
    return Checkpoint(
        ledger_id=ledger.ledger_id(),
        log_size=20_852,
        log_root=bytes(range(32)),
        height=137,
        time_us=1_700_000_123_456_789,
        app_hash=bytes(range(32, 64)),
    )


@dataclass
class RecordedLedger:
    """The reference rules, with every block and its result kept; also what packs are built from.

    It stands in as a rule book, so that scripts and histories can be acted out on it, and answers
    the few questions that `build_pack` asks.
    """

    genesis: Genesis = field(default_factory=workbench_genesis)
    blocks: list[Block] = field(default_factory=list)
    results: list[BlockResult] = field(default_factory=list)
    leaves: list[LoggedItem] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    state: State = field(init=False)

    # ------------------------------------------------------------ a rule book

    def initial_state(self, genesis: Genesis) -> State:
        self.genesis = genesis
        self.state = reference.initial_state(genesis)
        return self.state

    def apply_block(self, state: State, block: Block) -> tuple[State, BlockResult]:
        self.state, result = reference.apply_block(state, block)
        self.blocks.append(block)
        self.results.append(result)
        for index, (data, outcome) in enumerate(zip(block.items, result.items, strict=True)):
            if outcome.leaf is not None:
                item = LoggedItem(block.height, block.time_us, index, outcome.outcome, data)
                self.leaves.append(item)
                self.hashes.append(tree.leaf_hash(_leaf(item)))
        return self.state, result

    def __getattr__(self, name: str) -> Any:
        return getattr(reference, name)

    # ------------------------------------------------------------ a reader

    def find_records(
        self, agreement: str, originator: int, transaction_id: str
    ) -> list[tuple[int, int]]:
        padded = transaction_id.encode().ljust(ID_BYTES, b"\0")
        key = padded + originator.to_bytes(2, "little")
        found = []
        for leaf, logged in enumerate(self.leaves):
            if logged.outcome is ItemOutcome.ACCEPTED and _is_batch(logged):
                batch = parse_batch(logged.data)
                width = batch.header.row_bytes
                if batch.header.agreement == agreement:
                    starts = range(0, len(batch.rows), width)
                    rows = [bytes(batch.rows[at : at + len(key)]) for at in starts]
                    found += [(leaf, row) for row, start in enumerate(rows) if start == key]
        return found

    def find_operations(self, _agreement: str, _originator: int, _transaction_id: str) -> list[int]:
        return [leaf for leaf, logged in enumerate(self.leaves) if not _is_batch(logged)]

    def logged_item(self, leaf: int) -> LoggedItem:
        return self.leaves[leaf]

    def block_time_us(self, height: int) -> int:
        return self.blocks[height - 1].time_us

    def inclusion_path(self, leaf: int, log_size: int) -> Sequence[bytes]:
        return tree.inclusion_path(self.hashes[:log_size], leaf)

    # ------------------------------------------------------------ what is signed

    def checkpoint(self, height: int | None = None) -> SignedCheckpoint:
        """The checkpoint after a block, or as of now; signed by enough parties."""
        height = len(self.blocks) if height is None else height
        size = bisect.bisect_right([each.height for each in self.leaves], height)
        checkpoint = Checkpoint(
            ledger_id=self.genesis.ledger_id(),
            log_size=size,
            log_root=tree.root(self.hashes[:size]),
            height=height,
            time_us=self.blocks[height - 1].time_us,
            app_hash=self.results[height - 1].app_hash,
        )
        return make_checkpoint(checkpoint, signers_of(self.genesis))

    def transactions(self) -> list[tuple[str, int, str]]:
        """(agreement, originator, id) of everything that was ever opened."""
        return [
            (book.agreement.name, each.originator, each.transaction_id.rstrip(b"\0").decode())
            for book in self.state.books
            for each in book.transactions
        ]


def signers_of(ledger: Genesis) -> list[tuple[int, Any]]:
    """Parties and keys that may speak for a ledger."""
    parties = (ledger.operator,) if ledger.operator else ALL_BUT_ONE
    return [(party, signing_key(party, CHECKPOINT_KEY)) for party in parties]


def certificate_of(
    ledger: RecordedLedger, checkpoint: SignedCheckpoint, name: str = "sub"
) -> Certificate:
    """The certificate of an agreement's latest cut-off, as of now."""
    closed = sorted(
        {
            body.cutoff_us
            for logged in ledger.leaves
            if logged.outcome is ItemOutcome.ACCEPTED and not _is_batch(logged)
            for body in (parse_operation(logged.data).body,)
            if isinstance(body, CloseCutoff) and body.agreement == name
        }
    )
    previous_us = closed[-2] if len(closed) > 1 else None
    content = content_of(ledger.state, CutoffRange(name, closed[-1], previous_us))
    signers = [(party, CHECKPOINT_KEY, key) for party, key in signers_of(ledger.genesis)]
    return build_certificate(ledger.genesis, checkpoint, content, signers)


def act(
    script: str, *agreements: str, holders: Mapping[str, str] | None = None
) -> tuple[RecordedLedger, Stage]:
    """Act a script out (see `tieout.testing.scenarios`) and keep the ledger."""
    ledger = RecordedLedger()
    stage = play(ledger, script, *agreements, holders=holders)
    return ledger, stage


def _is_batch(logged: LoggedItem) -> bool:
    return bytes(logged.data[: len(BATCH_TAG)]) == BATCH_TAG


def _leaf(logged: LoggedItem) -> bytes:
    if _is_batch(logged):
        batch = parse_batch(logged.data)
        signed, signature = batch.header_bytes, batch.signature
    else:
        operation = parse_operation(logged.data)
        signed, signature = operation.signed_bytes(), operation.signature
    return leaf_bytes(logged.height, logged.time_us, logged.item, logged.outcome, signed, signature)
