"""Who ordered the blocks: from the founding validators down to a checkpoint's log.

The problem: a checkpoint is somebody's word. On a ledger that several parties order together, more
than two thirds of the validators' power signed each block, and that is more than any party's word.
The model: a pack carries what leads from one to the other. Header H + 1 has the app hash after
block H, which covers the log (`pack` has made it anew from the log, members and agreements); header
H + 1 names block H, whose header has the time; and steps lead from the validators of the trusted
genesis to header H + 1 (`consensus.light`).

What is not here: where signed headers come from (`sdk.light`).
"""

from tieout.consensus.errors import ConsensusError, MalformedError, PowerError, VoteError
from tieout.consensus.forms import Validator
from tieout.consensus.hashing import chain_id_of, header_hash
from tieout.consensus.light import Support, Trust, support, walk
from tieout.evidence.checkpoint import Checkpoint
from tieout.evidence.errors import (
    EvidenceError,
    FormError,
    ProofError,
    SignatureError,
    TrustError,
)
from tieout.evidence.packform import Consensus
from tieout.wire.genesis import Genesis

_PART = "consensus"
_NS_PER_US = 1_000


def founding_trust(genesis: Genesis) -> Trust:
    """What is certain for somebody who trusts a genesis. Raises MalformedError without validators.

    Every light client of the ledger begins with it.
    """
    founders = [Validator(bytes.fromhex(each.public), each.power) for each in genesis.validators]
    return Trust.founded(chain_id_of(genesis.ledger_id()), founders)


def verify_consensus(consensus: Consensus, checkpoint: Checkpoint, genesis: Genesis) -> Support:
    """Who of the validators signed that the ledger had the app hash of `checkpoint` at its height.

    Raises TrustError (too little power, or validators to whom those of the genesis do not lead),
    SignatureError, ProofError, or FormError.
    """
    if not genesis.validators:
        raise TrustError(_PART, "the genesis names no validators who could have signed it")
    try:
        trust = walk(founding_trust(genesis), consensus.steps)
        block = header_hash(consensus.header)
    except ConsensusError as error:
        raise _as_evidence(error) from error
    last = consensus.steps[-1]
    if last.header.last_block_id.hash != block:
        raise ProofError(f"{_PART}.header", "the header that was signed names another block before")
    if trust.height != checkpoint.height + 1:
        raise ProofError(f"{_PART}.steps", "they do not end after the checkpoint's height")
    if consensus.header.time_ns // _NS_PER_US != checkpoint.time_us:
        raise ProofError(f"{_PART}.header", "its time is not that of the checkpoint")
    if last.header.app_hash != checkpoint.app_hash:
        raise ProofError(f"{_PART}.steps", "the app hash that was signed is not the checkpoint's")
    return support(last)


def _as_evidence(error: ConsensusError) -> EvidenceError:
    """The same refusal, in the words of this room."""
    part = f"{_PART}: {error.part}"
    match error:
        case MalformedError():
            return FormError(part, error.what)
        case VoteError():
            return SignatureError(part, error.what)
        case PowerError():
            return TrustError(part, error.what)
        case _:
            return ProofError(part, error.what)
