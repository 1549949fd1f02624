"""Items: whatever a block brings, read and checked before it may speak (R-ITEM-1, R-OP-1)."""

import hashlib
from dataclasses import dataclass
from typing import Final

from tieout.kernel.state import SigningKey, State
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


@dataclass(slots=True)
class Item:
    """A signed batch or operation. `digest` is SHA-256 of the signed bytes (R-SEQ-3)."""

    content: Batch | Operation
    needed_purpose: Purpose
    signed: bytes
    signature: bytes
    sequence: int
    stream: tuple[int, int]
    valid_until_us: int
    digest: bytes


def parse_item(data: bytes | memoryview, rules_version: int) -> Item | None:
    """Read an item; None when it is malformed under this version of the rules."""
    try:
        if data[: len(BATCH_TAG)] == BATCH_TAG:
            batch = parse_batch(data)
            header, signed, signature = batch.header, batch.header_bytes, batch.signature
            return Item(
                batch,
                Purpose.PUBLISH,
                signed,
                signature,
                header.sequence,
                (header.party, header.stream),
                header.valid_until_us,
                hashlib.sha256(signed).digest(),
            )
        operation = parse_operation(data)
    except WireError:
        return None
    if not is_known(operation.kind, operation.body, rules_version):
        return None
    signed = operation.signed_bytes()
    return Item(
        operation,
        _needed_purpose(operation),
        signed,
        operation.signature,
        operation.sequence,
        (operation.party, operation.stream),
        operation.valid_until_us,
        hashlib.sha256(signed).digest(),
    )


def _needed_purpose(operation: Operation) -> Purpose:
    """What the key of an operation must be for; where there is a choice, what it says it is."""
    if operation.kind in ALSO_BY_SYSTEMS and operation.purpose == Purpose.PUBLISH:
        return Purpose.PUBLISH
    return PURPOSES[operation.kind]


def check_signer(state: State, item: Item) -> SigningKey | ItemOutcome:
    """The key that signed, or the first check of R-ITEM-1 up to the signature that fails."""
    said = item.content.header if isinstance(item.content, Batch) else item.content
    if said.ledger_id != state.ledger_id:
        return ItemOutcome.WRONG_LEDGER
    if not 1 <= said.party <= len(state.members.parties):
        return ItemOutcome.UNKNOWN_PARTY
    key = state.keys.get((said.party, said.key))
    if key is None:
        return ItemOutcome.UNKNOWN_KEY
    if state.height < key.from_height or 0 < key.until_height < state.height:
        return ItemOutcome.KEY_NOT_VALID
    if said.purpose != item.needed_purpose or item.needed_purpose not in key.purposes:
        return ItemOutcome.WRONG_PURPOSE
    if not verify(key.public, item.signed, item.signature):
        return ItemOutcome.BAD_SIGNATURE
    return key
