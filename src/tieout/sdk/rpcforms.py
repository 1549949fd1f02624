"""How CometBFT v0.38 writes headers, commits and validators in JSON, read into our forms.

Its habits: numbers of 64 bits are strings, hashes are upper-case hexadecimal, keys and signatures
base64, times RFC 3339 with up to nine decimals, an absent vote a struct of empty fields. Each is
read strictly: what CometBFT would not write is refused, so that no two answers read alike.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Final, Literal, TypeVar

import msgspec

from tieout.consensus.errors import MalformedError, MismatchError
from tieout.consensus.forms import BlockId, Commit, Header, SignedHeader, Validator, Vote
from tieout.consensus.hashing import address
from tieout.units.dates import US_PER_SECOND, parse_time
from tieout.units.errors import UnitsError

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,19}")
_HEX: Final = re.compile(r"(?:[0-9A-F]{2})*")
_TIME: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8})(?:\.([0-9]{0,8}[1-9]))?Z")
_NS_PER_SECOND: Final = 1_000_000_000
_DECIMALS: Final = 9
_NO_TIME: Final = "0001-01-01T00:00:00Z"
_ABSENT, _COMMIT = 1, 2  # 3: a vote for no block
_ED25519: Final = "tendermint/PubKeyEd25519"

_Form = TypeVar("_Form", Header, Commit, Validator)


class Parts(msgspec.Struct):
    """`parts` of a block id."""

    total: int
    hash: str


class RpcBlockId(msgspec.Struct):
    """A block id."""

    hash: str
    parts: Parts


class Version(msgspec.Struct):
    """`version` of a header; `app` is left out when it is 0."""

    block: str
    app: str = "0"


class RpcHeader(msgspec.Struct):
    """A header."""

    version: Version
    chain_id: str
    height: str
    time: str
    last_block_id: RpcBlockId
    last_commit_hash: str
    data_hash: str
    validators_hash: str
    next_validators_hash: str
    consensus_hash: str
    app_hash: str
    last_results_hash: str
    evidence_hash: str
    proposer_address: str


class RpcVote(msgspec.Struct):
    """An entry of `signatures` of a commit."""

    block_id_flag: Literal[1, 2, 3]
    validator_address: str
    timestamp: str
    signature: str | None


class RpcCommit(msgspec.Struct):
    """A commit."""

    height: str
    round: int
    block_id: RpcBlockId
    signatures: list[RpcVote]


class RpcSignedHeader(msgspec.Struct):
    """`signed_header` of the answer to `commit`."""

    header: RpcHeader
    commit: RpcCommit


class CommitAnswer(msgspec.Struct):
    """The answer to `commit`."""

    signed_header: RpcSignedHeader


class RpcKey(msgspec.Struct):
    """`pub_key` of a validator."""

    type: str
    value: str


class RpcValidator(msgspec.Struct):
    """A validator."""

    address: str
    pub_key: RpcKey
    voting_power: str


class ValidatorsAnswer(msgspec.Struct):
    """The answer to `validators`; `total` counts those of all pages."""

    validators: list[RpcValidator]
    total: str


def read_signed_header(told: RpcSignedHeader, validators: Sequence[Validator]) -> SignedHeader:
    """A signed header with those who voted on it; nothing of it is verified yet.

    Raises MalformedError, and MismatchError when a vote is attributed to somebody else than the
    validator in its place.
    """
    return SignedHeader(
        read_header(told.header), _commit(told.commit, validators), tuple(validators)
    )


def read_header(told: RpcHeader) -> Header:
    """A header. Raises MalformedError."""
    read = Header(
        block_version=number(told.version.block),
        app_version=number(told.version.app),
        chain_id=told.chain_id,
        height=number(told.height),
        time_ns=time_ns(told.time),
        last_block_id=_block_id(told.last_block_id),
        last_commit_hash=_hex(told.last_commit_hash),
        data_hash=_hex(told.data_hash),
        validators_hash=_hex(told.validators_hash),
        next_validators_hash=_hex(told.next_validators_hash),
        consensus_hash=_hex(told.consensus_hash),
        app_hash=_hex(told.app_hash),
        last_results_hash=_hex(told.last_results_hash),
        evidence_hash=_hex(told.evidence_hash),
        proposer_address=_hex(told.proposer_address),
    )
    return _in_range(read, "header")


def read_validator(told: RpcValidator) -> Validator:
    """A validator. Raises MalformedError for a key of another kind, or an address not its own."""
    if told.pub_key.type != _ED25519:
        raise MalformedError("validators", f"a key is {told.pub_key.type!r}, not Ed25519")
    public = unbase64(told.pub_key.value)
    if _hex(told.address) != address(public):
        raise MalformedError("validators", "an address is not that of its key")
    return _in_range(Validator(public, number(told.voting_power)), "validators")


def number(text: str) -> int:
    """A number that is written as a string, decimal, without sign or leading zeros."""
    if _NUMBER.fullmatch(text) is None:
        raise MalformedError("number", f"{text[:40]!r} is none")
    return int(text)


def time_ns(text: str) -> int:
    """Nanoseconds since 1970 of a time, written as Go does: UTC, no zeros at the end."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise MalformedError("time", f"{text[:40]!r} is none")
    try:
        seconds = parse_time(match[1] + "Z") // US_PER_SECOND
    except UnitsError as error:
        raise MalformedError("time", str(error)) from error
    return seconds * _NS_PER_SECOND + int((match[2] or "").ljust(_DECIMALS, "0"))


def unbase64(text: str) -> bytes:
    """Bytes that are written in base64, in its one form."""
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError("base64", str(error)) from error
    if base64.b64encode(raw).decode() != text:
        raise MalformedError("base64", "it is not in its one form")
    return raw


def _commit(told: RpcCommit, validators: Sequence[Validator]) -> Commit:
    if len(told.signatures) != len(validators):
        raise MismatchError(
            "commit", f"{len(told.signatures)} votes of {len(validators)} validators"
        )
    read = Commit(
        height=number(told.height),
        round=told.round,
        block_id=_block_id(told.block_id),
        votes=tuple(
            _vote(vote, validator, place)
            for place, (vote, validator) in enumerate(zip(told.signatures, validators, strict=True))
        ),
    )
    return _in_range(read, "commit")


def _vote(told: RpcVote, validator: Validator, place: int) -> Vote | None:
    where = f"votes[{place}]"
    if told.block_id_flag == _ABSENT:
        if told.validator_address or told.signature or told.timestamp != _NO_TIME:
            raise MalformedError(where, "it is absent, and says something")
        return None
    if _hex(told.validator_address) != address(validator.public):
        raise MismatchError(where, "it is attributed to another validator")
    return Vote(
        for_block=told.block_id_flag == _COMMIT,
        time_ns=time_ns(told.timestamp),
        signature=unbase64(told.signature or ""),
    )


def _block_id(told: RpcBlockId) -> BlockId:
    return BlockId(_hex(told.hash), told.parts.total, _hex(told.parts.hash))


def _hex(text: str) -> bytes:
    if _HEX.fullmatch(text) is None:
        raise MalformedError("hash", f"{text[:40]!r} is not upper-case hexadecimal")
    return bytes.fromhex(text)


def _in_range(read: _Form, part: str) -> _Form:
    """The same, if every value is in the range of its form."""
    try:
        msgspec.convert(msgspec.to_builtins(read), type(read))
    except msgspec.ValidationError as error:
        raise MalformedError(part, str(error)) from error
    return read
