"""Items: whatever a block brings, read and checked before it may speak (R-ITEM-1, R-OP-1)."""

import hashlib
from dataclasses import dataclass
from typing import Final

from tieout.merkle.tree import leaf_hash, root
from tieout.reference.state import State, StreamKey
from tieout.wire.batch import BATCH_TAG, Batch, parse_batch
from tieout.wire.codes import ItemOutcome, OperationKind, Purpose
from tieout.wire.ed25519 import verify
from tieout.wire.errors import WireError
from tieout.wire.operations import Operation, is_known, parse_operation

PURPOSES: Final = {
    OperationKind.ENACT: Purpose.GOVERN,
    OperationKind.CLOSE_CUTOFF: Purpose.PUBLISH,
    OperationKind.CONFIRM: Purpose.PUBLISH,
    OperationKind.POSTED: Purpose.PUBLISH,
    OperationKind.FAILED: Purpose.PUBLISH,
    OperationKind.ACKNOWLEDGE: Purpose.APPROVE,
    OperationKind.PROPOSE: Purpose.APPROVE,
    OperationKind.APPROVE: Purpose.APPROVE,
    OperationKind.REFUSE: Purpose.APPROVE,
    OperationKind.PROPOSE_CHANGE: Purpose.GOVERN,
    OperationKind.VOTE: Purpose.GOVERN,
    OperationKind.DISPUTE: Purpose.APPROVE,
    OperationKind.WITHDRAW_DISPUTE: Purpose.APPROVE,
    OperationKind.MOVE_VALUE: Purpose.APPROVE,
    OperationKind.VOTE_ON_MOTION: Purpose.APPROVE,
    OperationKind.MOVE_REVERSAL: Purpose.APPROVE,
    OperationKind.STATE_DAY: Purpose.PUBLISH,
}
"""What a key must be for to sign an operation (R-OP-1)."""
ALSO_BY_SYSTEMS: Final = (OperationKind.DISPUTE, OperationKind.WITHDRAW_DISPUTE)
"""What a party's verifier, too, may sign with its key to publish (R-OP-1)."""


@dataclass(frozen=True, slots=True)
class Item:
    """A signed batch or operation, as far as both are alike. `signed` are the signed bytes."""

    content: Batch | Operation
    ledger_id: bytes
    party: int
    key: int
    purpose: int
    needed_purpose: Purpose
    stream: StreamKey
    sequence: int
    valid_until_us: int
    signed: bytes
    signature: bytes

    def digest(self) -> bytes:
        """What tells a repeat from an equivocation (R-SEQ-3)."""
        return hashlib.sha256(self.signed).digest()


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed: a person of a party."""

    party: int
    person: int

    @property
    def code(self) -> int:
        """Party × 65,536 + person, as events and images have it."""
        return self.party << 16 | self.person


def parse_item(data: bytes | memoryview, rules_version: int) -> Item | None:
    """Read an item; None when it is malformed under this version of the rules."""
    try:
        if bytes(data[: len(BATCH_TAG)]) == BATCH_TAG:
            return item_of_batch(parse_batch(data))
        operation = parse_operation(data)
    except WireError:
        return None
    return (
        item_of_operation(operation)
        if is_known(operation.kind, operation.body, rules_version)
        else None
    )


def item_of_batch(batch: Batch) -> Item:
    """A batch as an item."""
    header = batch.header
    return Item(
        batch,
        header.ledger_id,
        header.party,
        header.key,
        header.purpose,
        Purpose.PUBLISH,
        StreamKey(header.party, header.stream),
        header.sequence,
        header.valid_until_us,
        batch.header_bytes,
        batch.signature,
    )


def item_of_operation(operation: Operation) -> Item:
    """An operation as an item."""
    return Item(
        operation,
        operation.ledger_id,
        operation.party,
        operation.key,
        operation.purpose,
        _needed_purpose(operation),
        StreamKey(operation.party, operation.stream),
        operation.sequence,
        operation.valid_until_us,
        operation.signed_bytes(),
        operation.signature,
    )


def _needed_purpose(operation: Operation) -> Purpose:
    """What the key of an operation must be for; where there is a choice, what it says it is."""
    if operation.kind in ALSO_BY_SYSTEMS and operation.purpose == Purpose.PUBLISH:
        return Purpose.PUBLISH
    return PURPOSES[operation.kind]


def check_signer(state: State, item: Item) -> Signer | ItemOutcome:
    """The person who signed, or the first check of R-ITEM-1 up to the signature that fails."""
    if item.ledger_id != state.ledger_id:
        return ItemOutcome.WRONG_LEDGER
    party = state.members.find(item.party)
    if party is None:
        return ItemOutcome.UNKNOWN_PARTY
    found = party.find_key(item.key)
    if found is None:
        return ItemOutcome.UNKNOWN_KEY
    person, key = found
    if not key.is_valid_at(state.height):
        return ItemOutcome.KEY_NOT_VALID
    if item.purpose != item.needed_purpose or item.needed_purpose not in key.purposes:
        return ItemOutcome.WRONG_PURPOSE
    if not verify(key.public, item.signed, item.signature):
        return ItemOutcome.BAD_SIGNATURE
    return Signer(item.party, person.number)


def has_signed_root(item: Item) -> bool:
    """Whether the rows of a batch are those whose root was signed (R-ITEM-1)."""
    batch = item.content
    if not isinstance(batch, Batch):
        return True
    return batch.header.rows_root == root([leaf_hash(row) for row in rows_of(batch)])


def rows_of(batch: Batch) -> list[bytes]:
    """The rows of a batch as the header cuts them."""
    width = batch.header.row_bytes
    return [bytes(batch.rows[i * width : (i + 1) * width]) for i in range(batch.header.row_count)]
