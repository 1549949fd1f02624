"""Headers, commits and validators of CometBFT v0.38, as plain data.

The problem: what validators sign is protobuf, and what nodes hand out is JSON with its own habits.
The model: neither. These structs carry exactly what is hashed or signed, each value in one way:
times are nanoseconds since 1970 in one number, an absent vote is None, and what can be computed
(a validator's address, a header's hash) is not carried at all. Evidence packs hold these structs as
they are; a value out of range is refused by whoever decodes them, and by `light` in any case.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from tieout.consensus.limits import (
    MAX_APP_HASH_BYTES,
    MAX_CHAIN_ID_BYTES,
    MAX_HEIGHT,
    MAX_TIME_NS,
    MAX_TOTAL_POWER,
    MAX_VALIDATORS,
)

Version = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
U32 = Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
Height = Annotated[int, Meta(ge=1, le=MAX_HEIGHT)]
Round = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
TimeNs = Annotated[int, Meta(ge=0, le=MAX_TIME_NS)]
Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
HashOrNone = Annotated[bytes, Meta(max_length=32)]
AppHash = Annotated[bytes, Meta(max_length=MAX_APP_HASH_BYTES)]
Address = Annotated[bytes, Meta(min_length=20, max_length=20)]
PublicKey = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]
ChainId = Annotated[str, Meta(min_length=1, max_length=MAX_CHAIN_ID_BYTES)]
Power = Annotated[int, Meta(ge=1, le=MAX_TOTAL_POWER)]


class _Frozen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all forms have in common: they never change, and have no further fields."""


class BlockId(_Frozen, frozen=True):
    """A block: hash of its header, and number and hash of the parts in which it travels.

    Before the first block all three are empty.
    """

    hash: HashOrNone
    parts_total: U32
    parts_hash: HashOrNone


class Header(_Frozen, frozen=True):
    """The header of a block.

    `app_hash` and `last_results_hash` are those after the block before; `validators_hash` is of
    the validators who vote on this block, `next_validators_hash` of those who vote on the next.
    """

    block_version: Version
    app_version: Version
    chain_id: ChainId
    height: Height
    time_ns: TimeNs
    last_block_id: BlockId
    last_commit_hash: HashOrNone
    data_hash: HashOrNone
    validators_hash: Hash
    next_validators_hash: Hash
    consensus_hash: HashOrNone
    app_hash: AppHash
    last_results_hash: HashOrNone
    evidence_hash: HashOrNone
    proposer_address: Address


class Vote(_Frozen, frozen=True):
    """A validator's precommit: for the commit's block, or for none (`for_block` is False)."""

    for_block: bool
    time_ns: TimeNs
    signature: Signature


class Commit(_Frozen, frozen=True):
    """The votes on a block, in the order of its validators; None where a vote did not arrive."""

    height: Height
    round: Round
    block_id: BlockId
    votes: Annotated[tuple[Vote | None, ...], Meta(min_length=1, max_length=MAX_VALIDATORS)]


class Validator(_Frozen, frozen=True):
    """An Ed25519 public key that votes, and the weight of its vote."""

    public: PublicKey
    power: Power


Validators = Annotated[tuple[Validator, ...], Meta(min_length=1, max_length=MAX_VALIDATORS)]


class SignedHeader(_Frozen, frozen=True):
    """A header with the commit that made it certain, and the validators who voted."""

    header: Header
    commit: Commit
    validators: Validators
