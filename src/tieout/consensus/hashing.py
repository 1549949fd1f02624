"""The hashes and signed bytes of CometBFT v0.38.

Trees are those of RFC 6962, which CometBFT shares with our log; a header is a tree over its fields,
each in the encoding of a protobuf message of its own, so that two headers with one hash have every
field alike. Known answers: tests/vectors/cometbft-*.json, recorded from running networks.

Source: CometBFT v0.38, "Blockchain data structures", and `types/block.go`, `types/canonical.go`.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from tieout.consensus.forms import BlockId, Commit, Header, Validator
from tieout.consensus.protobuf import (
    data,
    delimited,
    fixed64,
    message,
    number,
    timestamp,
)
from tieout.merkle.tree import leaf_hash, root

ADDRESS_BYTES: Final = 20
_PRECOMMIT: Final = 2
_CHAIN_PREFIX: Final = "tieout-"
_CHAIN_HEX_DIGITS: Final = 32


def chain_id_of(ledger_id: bytes) -> str:
    """The name of the chain that orders a ledger: 128 bits of the ledger's id.

    A chain's name is part of all that its validators sign, and at most 50 characters long; so a
    vote counts for one ledger only.
    """
    return _CHAIN_PREFIX + ledger_id.hex()[:_CHAIN_HEX_DIGITS]


def header_hash(header: Header) -> bytes:
    """The hash by which a block is known, 32 bytes. Raises MalformedError for a value too large."""
    fields = (
        number(1, header.block_version) + number(2, header.app_version),
        data(1, header.chain_id.encode()),
        number(1, header.height),
        timestamp(header.time_ns),
        _block_id(header.last_block_id),
        data(1, header.last_commit_hash),
        data(1, header.data_hash),
        data(1, header.validators_hash),
        data(1, header.next_validators_hash),
        data(1, header.consensus_hash),
        data(1, header.app_hash),
        data(1, header.last_results_hash),
        data(1, header.evidence_hash),
        data(1, header.proposer_address),
    )
    return root([leaf_hash(field) for field in fields])


def validators_hash(validators: Sequence[Validator]) -> bytes:
    """The hash of a validator set, 32 bytes; `validators` in the order of `sorted_validators`."""
    return root(
        [
            leaf_hash(message(1, message(1, each.public)) + number(2, each.power))
            for each in validators
        ]
    )


def transactions_hash(transactions: Sequence[bytes]) -> bytes:
    """What `data_hash` of a header is over the transactions of its block, in their order."""
    return root([leaf_hash(hashlib.sha256(each).digest()) for each in transactions])


def address(public: bytes) -> bytes:
    """The name by which CometBFT calls the holder of a public key, 20 bytes."""
    return hashlib.sha256(public).digest()[:ADDRESS_BYTES]


def sorted_validators(validators: Sequence[Validator]) -> tuple[Validator, ...]:
    """The one order of a validator set: the greatest power first, then by address."""
    return tuple(sorted(validators, key=lambda each: (-each.power, address(each.public))))


def vote_bytes(chain_id: str, commit: Commit, *, for_block: bool, time_ns: int) -> bytes:
    """What a validator signs when it precommits (for the commit's block, or for none)."""
    parts = [
        number(1, _PRECOMMIT),
        fixed64(2, commit.height),
        fixed64(3, commit.round),
        message(4, _block_id(commit.block_id)) if for_block else b"",
        message(5, timestamp(time_ns)),
        data(6, chain_id.encode()),
    ]
    return delimited(b"".join(parts))


def _block_id(block_id: BlockId) -> bytes:
    parts = number(1, block_id.parts_total) + data(2, block_id.parts_hash)
    return data(1, block_id.hash) + message(2, parts)
