"""Chains made up for tests: validators with known keys, headers that follow each other, votes."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from tieout.consensus.forms import BlockId, Commit, Header, SignedHeader, Validator, Vote
from tieout.consensus.hashing import (
    address,
    header_hash,
    sorted_validators,
    validators_hash,
    vote_bytes,
)
from tieout.wire.ed25519 import SigningKey

CHAIN_ID = "workbench"
NOTHING = hashlib.sha256(b"").digest()
START_NS = 1_700_000_000_123_456_789
NO_BLOCK = BlockId(b"", 0, b"")


def voter(name: str) -> SigningKey:
    """The key of a validator that the tests call by a name. A test key: anybody can make it."""
    return SigningKey(hashlib.sha256(f"validator {name}".encode()).digest())


def validator_set(powers: Mapping[str, int]) -> tuple[Validator, ...]:
    return sorted_validators(
        [Validator(voter(name).public, power) for name, power in powers.items()]
    )


def signed(
    header: Header,
    powers: Mapping[str, int],
    *,
    against: Sequence[str] = (),
    absent: Sequence[str] = (),
    round_: int = 0,
) -> SignedHeader:
    """A header with the votes of all validators but those who are `absent` or vote for none."""
    validators = validator_set(powers)
    names = {voter(name).public: name for name in powers}
    block_id = BlockId(header_hash(header), 1, hashlib.sha256(b"parts").digest())
    commit = Commit(header.height, round_, block_id, (None,))
    votes: list[Vote | None] = []
    for place, validator in enumerate(validators):
        name = names[validator.public]
        for_block, time_ns = name not in against, header.time_ns + 1_000_000 * (place + 1)
        said = vote_bytes(header.chain_id, commit, for_block=for_block, time_ns=time_ns)
        vote = Vote(for_block, time_ns, voter(name).sign(said))
        votes.append(None if name in absent else vote)
    return SignedHeader(header, msgspec.structs.replace(commit, votes=tuple(votes)), validators)


@dataclass
class Chain:
    """A chain that grows block by block; `powers` are those who vote on the next block."""

    powers: dict[str, int]
    chain_id: str = CHAIN_ID
    headers: list[SignedHeader] = field(default_factory=list)

    def add(
        self,
        *,
        app_hash: bytes = bytes(32),
        time_ns: int | None = None,
        become: Mapping[str, int] | None = None,
        against: Sequence[str] = (),
        absent: Sequence[str] = (),
    ) -> SignedHeader:
        """The next block; `become` says who votes on the one after it."""
        previous = self.headers[-1] if self.headers else None
        after = dict(become or self.powers)
        height = len(self.headers) + 1
        validators = validator_set(self.powers)
        header = Header(
            block_version=11,
            app_version=1,
            chain_id=self.chain_id,
            height=height,
            time_ns=START_NS + 1_000_000_000 * height if time_ns is None else time_ns,
            last_block_id=previous.commit.block_id if previous else NO_BLOCK,
            last_commit_hash=NOTHING,
            data_hash=NOTHING,
            validators_hash=validators_hash(validators),
            next_validators_hash=validators_hash(validator_set(after)),
            consensus_hash=NOTHING,
            app_hash=app_hash,
            last_results_hash=NOTHING,
            evidence_hash=NOTHING,
            proposer_address=address(validators[0].public),
        )
        made = signed(header, self.powers, against=against, absent=absent)
        self.headers.append(made)
        self.powers = after
        return made
