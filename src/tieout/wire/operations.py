"""Control operations: the rare, signed messages beside batches.

An operation is a fixed envelope, a body in MessagePack, and a signature over both. Bodies are
frozen messages; a body is accepted only when it is exactly the bytes that encoding its decoded form
gives, so that one operation has one form. Numbers are whatever MessagePack holds (64 bits), texts
whatever UTF-8 holds: whether there is such a transaction, role or episode is judged by the rules
(R-OP-2), not here. Layout: docs/formats/operation.md.
"""

import hashlib
import struct
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tieout.wire.codes import OperationKind
from tieout.wire.ed25519 import SIGNATURE_BYTES
from tieout.wire.errors import WireError
from tieout.wire.limits import MAX_EVIDENCE, MAX_OPERATION_BYTES, MAX_REASON_CHARACTERS
from tieout.wire.members import ProposeChange, PutIntoForce, Step, Vote
from tieout.wire.statements import StateDay

OPERATION_TAG: Final = b"tieout/op/1\0\0\0\0\0"
_ENVELOPE: Final = struct.Struct("<16s32sHHBBHQqI")
ENVELOPE_BYTES: Final = _ENVELOPE.size
LEDGER_ID_BYTES: Final = 32

Reason = Annotated[str, Meta(max_length=MAX_REASON_CHARACTERS)]
GivenReason = Annotated[str, Meta(min_length=1, max_length=MAX_REASON_CHARACTERS)]
Digest = Annotated[bytes, Meta(min_length=32, max_length=32)]


class Enact(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Put an agreement into force, once all that it needs have sent the same (R-AGREE-1).

    `holders[i]` are the parties entitled to role i, ascending.
    """

    agreement: bytes
    holders: tuple[tuple[int, ...], ...]


class CloseCutoff(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Judge what was opened up to a time (R-CUT-1)."""

    agreement: str
    cutoff_us: int


class _AtStage(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, kw_only=True
):
    """What an operation on one transaction ends with, unless it is 0: the stage (R-STAGE-8)."""

    stage: int = 0


class AboutTransaction(_AtStage, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What an operation on one transaction begins with: its key (R-KEY-1)."""

    agreement: str
    originator: int
    transaction_id: str


class Confirm(AboutTransaction, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A party's verifier confirms a break from the party's own books (R-ALARM-2)."""

    episode: int


class Acknowledge(AboutTransaction, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A person has seen the alarm (R-ALARM-3)."""

    episode: int


class Propose(AboutTransaction, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A person proposes an adjustment that the rule would not propose again (R-ADJ-5)."""

    role: int


class AdjustmentStep(AboutTransaction, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Approve, refuse, posted or failed, by the kind in the envelope (R-ADJ-4, R-ADJ-6).

    `adjustment` is the id (32 bytes, R-ADJ-2), so that a person signs what exactly is approved;
    `reason` is text for people, possibly empty.
    """

    role: int
    adjustment: bytes
    reason: Reason


class Dispute(AboutTransaction, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The party of a role objects (R-DISPUTE-1).

    `evidence` are the SHA-256 of documents that the party holds ready.
    """

    role: int
    reason: GivenReason
    evidence: Annotated[tuple[Digest, ...], Meta(max_length=MAX_EVIDENCE)]


class WithdrawDispute(AboutTransaction, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The party that objected does not any more (R-DISPUTE-3)."""

    role: int
    reason: Reason


class MoveValue(AboutTransaction, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A party of the transaction moves that a value stand for a field (R-DECIDE-1).

    `value` are the bytes of the field as they stand in a row; `currency` likewise for money whose
    currency is a field, else empty.
    """

    field: int
    value: bytes
    currency: bytes
    reason: GivenReason
    expires_us: int


class MoveReversal(AboutTransaction, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A party of the transaction moves that it be reversed (R-REVERSE-1)."""

    reason: GivenReason
    expires_us: int


class VoteOnMotion(AboutTransaction, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A party of the transaction is for or against a motion (R-DECIDE-2).

    `motion` is the name of the motion: the digest of the operation that moved it.
    """

    motion: bytes
    in_favour: bool
    reason: Reason


AboutMembers = ProposeChange | Vote
ByPeople = Dispute | WithdrawDispute | MoveValue | MoveReversal | VoteOnMotion
Body = (
    Enact
    | CloseCutoff
    | Confirm
    | Acknowledge
    | Propose
    | AdjustmentStep
    | AboutMembers
    | ByPeople
    | StateDay
)

BODIES: Final[dict[OperationKind, type[Body]]] = {
    OperationKind.ENACT: Enact,
    OperationKind.CLOSE_CUTOFF: CloseCutoff,
    OperationKind.CONFIRM: Confirm,
    OperationKind.ACKNOWLEDGE: Acknowledge,
    OperationKind.PROPOSE: Propose,
    OperationKind.APPROVE: AdjustmentStep,
    OperationKind.REFUSE: AdjustmentStep,
    OperationKind.POSTED: AdjustmentStep,
    OperationKind.FAILED: AdjustmentStep,
    OperationKind.PROPOSE_CHANGE: ProposeChange,
    OperationKind.VOTE: Vote,
    OperationKind.DISPUTE: Dispute,
    OperationKind.WITHDRAW_DISPUTE: WithdrawDispute,
    OperationKind.MOVE_VALUE: MoveValue,
    OperationKind.VOTE_ON_MOTION: VoteOnMotion,
    OperationKind.MOVE_REVERSAL: MoveReversal,
    OperationKind.STATE_DAY: StateDay,
}

_LATER_KINDS: Final = {
    OperationKind.PROPOSE_CHANGE: 2,
    OperationKind.VOTE: 2,
    OperationKind.DISPUTE: 4,
    OperationKind.WITHDRAW_DISPUTE: 4,
    OperationKind.MOVE_VALUE: 4,
    OperationKind.VOTE_ON_MOTION: 4,
    OperationKind.MOVE_REVERSAL: 4,
    OperationKind.STATE_DAY: 4,
}
"""The version of the rules that first knows a kind, where that is not the first one."""


_LATER_STEPS: Final[dict[type[Step], int]] = {PutIntoForce: 4}
"""Likewise of the steps of a change."""
STAGES_SINCE: Final = 4
"""The first version of the rules under which an operation may name a stage."""


def is_known(kind: OperationKind, body: Body, rules_version: int) -> bool:
    """Whether a version of the rules knows such an operation; else it is malformed (R-ITEM-1)."""
    steps = body.steps if isinstance(body, ProposeChange) else ()
    since = [_LATER_KINDS.get(kind, 1), *[_LATER_STEPS.get(type(step), 1) for step in steps]]
    if isinstance(body, AboutTransaction) and body.stage != 0:
        since.append(STAGES_SINCE)
    return max(since) <= rules_version


def encode_body(body: Body) -> bytes:
    """Return the one form of a body: a stage of 0 is left out, as before there were stages."""
    if isinstance(body, AboutTransaction) and body.stage == 0:
        return msgspec.msgpack.encode(msgspec.structs.astuple(body)[:-1])
    return msgspec.msgpack.encode(body)


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation; `signature` has 64 bytes, or none while it is not signed yet."""

    ledger_id: bytes
    party: int
    key: int
    purpose: int
    kind: OperationKind
    stream: int
    sequence: int
    valid_until_us: int
    body: Body
    signature: bytes = b""

    def signed_bytes(self) -> bytes:
        """Return envelope and body: what the key signs.

        Raises WireError for values that do not fit the envelope.
        """
        if len(self.ledger_id) != LEDGER_ID_BYTES:
            raise WireError(f"a ledger id has {LEDGER_ID_BYTES} bytes, not {len(self.ledger_id)}")
        body = encode_body(self.body)
        try:
            envelope = _ENVELOPE.pack(
                OPERATION_TAG,
                self.ledger_id,
                self.party,
                self.key,
                self.purpose,
                self.kind,
                self.stream,
                self.sequence,
                self.valid_until_us,
                len(body),
            )
        except struct.error as error:
            raise WireError(f"a number of the envelope does not fit: {error}") from error
        return envelope + body

    def digest(self) -> bytes:
        """SHA-256 of the signed bytes (R-SEQ-3)."""
        return hashlib.sha256(self.signed_bytes()).digest()

    def to_bytes(self) -> bytes:
        """Return signed bytes and signature."""
        return self.signed_bytes() + self.signature


def parse_operation(data: bytes | memoryview) -> Operation:
    """Read one operation. Raises WireError for anything that `to_bytes` would not have written."""
    raw = bytes(data)
    if not ENVELOPE_BYTES + SIGNATURE_BYTES <= len(raw) <= MAX_OPERATION_BYTES:
        raise WireError(f"an operation of {len(raw)} bytes")
    tag, ledger_id, party, key, purpose, kind, stream, sequence, valid_until_us, size = (
        _ENVELOPE.unpack_from(raw)
    )
    if tag != OPERATION_TAG:
        raise WireError("not an operation: wrong domain tag")
    if len(raw) != ENVELOPE_BYTES + size + SIGNATURE_BYTES:
        raise WireError(f"the envelope promises a body of {size} bytes")
    body_bytes = raw[ENVELOPE_BYTES : ENVELOPE_BYTES + size]
    try:
        operation_kind = OperationKind(kind)
        body = msgspec.msgpack.decode(body_bytes, type=BODIES[operation_kind])
    except (ValueError, msgspec.MsgspecError) as error:
        raise WireError(f"the body of the operation does not fit: {error}") from error
    if encode_body(body) != body_bytes:
        raise WireError("the body of the operation is not in its one form")
    return Operation(
        ledger_id=ledger_id,
        party=party,
        key=key,
        purpose=purpose,
        kind=operation_kind,
        stream=stream,
        sequence=sequence,
        valid_until_us=valid_until_us,
        body=body,
        signature=raw[ENVELOPE_BYTES + size :],
    )
