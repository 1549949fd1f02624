"""Light verification: from the validators one trusts to a header much later, offline.

The problem: a stranger holds a header and wants to know whether a ledger's validators agreed on it,
without running a node and without asking anybody. The model: `Trust` is what is certain so far, at
first the founding validators. A step is a signed header; `step` either takes it, and answers with
the trust that it gives, or raises. A step

- of the next height is taken when its validators are those that the trusted header announced, and
  more than two thirds of their power signed;
- of a later height is taken when, besides, validators with more than a third of the *trusted* power
  signed it: as long as less than a third is false, at least one of them is honest, and an honest
  one signs only what follows.

All votes that are shown must be good, not only as many as are needed: nothing in evidence may be
free to change. Signatures are judged by `wire.ed25519`, more strictly than CometBFT does; a key
that is not sound is refused in any set.

What is not here: a trusting period. The validators of a consortium are institutions known by name,
and a pack has to convince years later; what that rests on is in docs/decisions/0010.

Source: CometBFT v0.38, "Light Client Specification"; `light/verifier.go`, `types/validation.go`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from tieout.consensus.errors import (
    MalformedError,
    MismatchError,
    OtherChainError,
    PowerError,
    UntrustedError,
    VoteError,
)
from tieout.consensus.forms import Commit, Header, SignedHeader, Validator
from tieout.consensus.hashing import (
    header_hash,
    sorted_validators,
    validators_hash,
    vote_bytes,
)
from tieout.consensus.limits import (
    MAX_CHAIN_ID_BYTES,
    MAX_HEIGHT,
    MAX_TIME_NS,
    MAX_TOTAL_POWER,
    MAX_VALIDATORS,
)
from tieout.wire.ed25519 import is_sound_key, verify

BLOCK_VERSION: Final = 11
"""The form of blocks of CometBFT v0.38 to v0.40; another one is hashed otherwise."""


@dataclass(frozen=True, slots=True)
class TrustLevel:
    """The share of trusted power that must sign a later header: more than `part` of `whole`."""

    part: int
    whole: int


ONE_THIRD: Final = TrustLevel(1, 3)
"""The least share among which there is somebody honest, while less than a third is false."""
_TWO_THIRDS: Final = TrustLevel(2, 3)


@dataclass(frozen=True, slots=True)
class Trust:
    """What is certain: up to `height`, who votes, and the hash of who votes next.

    `header_hash` is empty at height 0, before the first block.
    """

    chain_id: str
    height: int
    time_ns: int
    header_hash: bytes
    validators: tuple[Validator, ...]
    next_validators_hash: bytes

    @classmethod
    def founded(cls, chain_id: str, validators: Sequence[Validator]) -> Self:
        """The trust of somebody who knows the founding validators, in any order.

        Raises MalformedError for a set that cannot vote.
        """
        if not 0 < len(chain_id.encode()) <= MAX_CHAIN_ID_BYTES:
            raise MalformedError("chain_id", f"it has 1 to {MAX_CHAIN_ID_BYTES} bytes")
        ordered = sorted_validators(validators)
        _check_validators(ordered)
        return cls(chain_id, 0, 0, b"", ordered, validators_hash(ordered))


@dataclass(frozen=True, slots=True)
class Support:
    """Who signed a header: `signed` of `validators`, with `power` of `total`."""

    signed: int
    validators: int
    power: int
    total: int


def step(trust: Trust, signed: SignedHeader, level: TrustLevel = ONE_THIRD) -> Trust:
    """The trust that a signed header gives to somebody with `trust`.

    Raises OtherChainError, MalformedError, MismatchError (of another height, time, validator set or
    block), VoteError, PowerError (not two thirds), or UntrustedError (a step too far; one in
    between may lead there).
    """
    header = signed.header
    _check_header(trust, header)
    _check_validators(signed.validators)
    if validators_hash(signed.validators) != header.validators_hash:
        raise MismatchError("validators", "they are not those who vote on this header")
    is_next = header.height == trust.height + 1
    if is_next and header.validators_hash != trust.next_validators_hash:
        raise MismatchError("validators", "they are not those that the header before announced")
    hashed = header_hash(header)
    if signed.commit.block_id.hash != hashed:
        raise MismatchError("commit", "it is of another block")
    if signed.commit.height != header.height:
        raise MismatchError("commit", "it is of another height")
    voted = _voters(trust.chain_id, signed.commit, signed.validators)
    if not is_next:
        _check_overlap(trust.validators, voted, level)
    _check_majority(signed.validators, voted)
    return Trust(
        chain_id=trust.chain_id,
        height=header.height,
        time_ns=header.time_ns,
        header_hash=hashed,
        validators=signed.validators,
        next_validators_hash=header.next_validators_hash,
    )


def walk(trust: Trust, steps: Sequence[SignedHeader], level: TrustLevel = ONE_THIRD) -> Trust:
    """The trust after all steps. Raises as `step` does, on the first that does not hold."""
    for signed in steps:
        trust = step(trust, signed, level)
    return trust


def support(signed: SignedHeader) -> Support:
    """Who signed a header that `step` has taken."""
    powers = [
        validator.power
        for validator, vote in zip(signed.validators, signed.commit.votes, strict=True)
        if vote is not None and vote.for_block
    ]
    total = sum(validator.power for validator in signed.validators)
    return Support(len(powers), len(signed.validators), sum(powers), total)


def _check_header(trust: Trust, header: Header) -> None:
    if header.chain_id != trust.chain_id:
        raise OtherChainError("chain_id", f"it is {header.chain_id!r}, not {trust.chain_id!r}")
    if header.block_version != BLOCK_VERSION:
        raise MalformedError("block_version", f"it is {header.block_version}, not {BLOCK_VERSION}")
    if not trust.height < header.height <= MAX_HEIGHT:
        raise MismatchError("height", f"{header.height} does not come after {trust.height}")
    if not trust.time_ns < header.time_ns <= MAX_TIME_NS:
        raise MismatchError("time_ns", f"it is not after that of height {trust.height}")


def _check_validators(validators: Sequence[Validator]) -> None:
    """Raise MalformedError for a set that no correct network has."""
    if not 0 < len(validators) <= MAX_VALIDATORS:
        raise MalformedError("validators", f"there are 1 to {MAX_VALIDATORS}")
    if any(each.power < 1 for each in validators):
        raise MalformedError("validators", "a validator has no power")
    if sum(each.power for each in validators) > MAX_TOTAL_POWER:
        raise MalformedError("validators", "their power is too great to be counted")
    if len({each.public for each in validators}) != len(validators):
        raise MalformedError("validators", "one of them is there twice")
    if not all(is_sound_key(each.public) for each in validators):
        raise MalformedError("validators", "a key is not canonical, or of small order")
    if sorted_validators(validators) != tuple(validators):
        raise MalformedError("validators", "they are not in their order")


def _voters(
    chain_id: str, commit: Commit, validators: Sequence[Validator]
) -> tuple[Validator, ...]:
    """The validators who voted for the block. Every vote is checked, also one for no block."""
    if len(commit.votes) != len(validators):
        raise MismatchError("commit", f"{len(commit.votes)} votes of {len(validators)} validators")
    voted = []
    for place, (validator, vote) in enumerate(zip(validators, commit.votes, strict=True)):
        if vote is None:
            continue
        said = vote_bytes(chain_id, commit, for_block=vote.for_block, time_ns=vote.time_ns)
        if not verify(validator.public, said, vote.signature):
            raise VoteError(f"votes[{place}]", "its validator did not sign it")
        if vote.for_block:
            voted.append(validator)
    return tuple(voted)


def _check_majority(validators: Sequence[Validator], voted: Sequence[Validator]) -> None:
    total = sum(each.power for each in validators)
    power = sum(each.power for each in voted)
    if not _exceeds(power, total, _TWO_THIRDS):
        raise PowerError(
            "commit",
            f"{power} of {total} power has signed; more than two thirds must",
            power,
            total,
        )


def _check_overlap(
    trusted: Sequence[Validator], voted: Sequence[Validator], level: TrustLevel
) -> None:
    """Raise UntrustedError unless enough trusted power voted, counted as it was trusted."""
    publics = {each.public for each in voted}
    total = sum(each.power for each in trusted)
    power = sum(each.power for each in trusted if each.public in publics)
    if not _exceeds(power, total, level):
        raise UntrustedError(
            "validators",
            f"validators with {power} of the {total} power that is trusted have signed;"
            f" more than {level.part}/{level.whole} must",
            power,
            total,
        )


def _exceeds(power: int, total: int, level: TrustLevel) -> bool:
    return power * level.whole > total * level.part
