"""From trusted validators to a later header: what is taken, and every way in which it is not."""

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.consensus.chain import CHAIN_ID, Chain, signed, validator_set, voter
from tests.consensus.recorded import founded, headers
from tieout.consensus.errors import (
    ConsensusError,
    MalformedError,
    MismatchError,
    OtherChainError,
    PowerError,
    UntrustedError,
    VoteError,
)
from tieout.consensus.forms import SignedHeader, Validator, Vote
from tieout.consensus.hashing import (
    address,
    chain_id_of,
    header_hash,
    sorted_validators,
    validators_hash,
)
from tieout.consensus.light import Trust, TrustLevel, step, support, walk
from tieout.consensus.limits import MAX_TOTAL_POWER, MAX_VALIDATORS
from tieout.sdk.light import find_steps
from tieout.wire.ed25519 import GROUP_ORDER, SMALL_ORDER

FOUR = {"ada": 10, "ben": 10, "cho": 10, "dan": 10}


def founders(powers: dict[str, int] = FOUR) -> Trust:
    return Trust.founded(CHAIN_ID, validator_set(powers))


def later(**votes: Any) -> SignedHeader:
    """The third block of a chain whose validators stay."""
    chain = Chain(FOUR)
    chain.add()
    chain.add()
    return chain.add(**votes)


# ---------------------------------------------------------------- power


@pytest.mark.parametrize(
    ("powers", "absent", "enough"),
    [
        ({"ada": 1}, (), True),
        (FOUR, ("dan",), True),
        (FOUR, ("cho", "dan"), False),
        # Exactly two thirds are not more than two thirds.
        ({"ada": 1, "ben": 1, "cho": 1}, ("cho",), False),
        ({"ada": 67, "ben": 33}, ("ben",), True),
        ({"ada": 66, "ben": 34}, ("ben",), False),
        ({"ada": 2**59, "ben": 2**58}, ("ben",), False),
        ({"ada": 2**59 + 1, "ben": 2**58}, ("ben",), True),
        (FOUR, ("ada", "ben", "cho", "dan"), False),
    ],
)
def test_more_than_two_thirds_of_the_power_must_sign(
    *, powers: dict[str, int], absent: tuple[str, ...], enough: bool
) -> None:
    made = Chain(powers).add(absent=absent)
    if enough:
        assert step(founders(powers), made).height == 1
    else:
        with pytest.raises(PowerError):
            step(founders(powers), made)


def test_a_vote_for_no_block_is_no_support() -> None:
    made = Chain(FOUR).add(against=["dan"])
    assert step(founders(), made).height == 1
    assert support(made).signed == 3
    with pytest.raises(PowerError) as refused:
        step(founders(), Chain(FOUR).add(against=["cho"], absent=["dan"]))
    assert (refused.value.power, refused.value.total) == (20, 40)


# ---------------------------------------------------------------- changes of validators


def test_the_next_header_may_have_all_other_validators_if_they_were_announced() -> None:
    chain = Chain({"ada": 1})
    chain.add(become={"eve": 1, "fay": 1})
    chain.add()
    trust = walk(founders({"ada": 1}), chain.headers)
    assert trust.validators == validator_set({"eve": 1, "fay": 1})


def test_the_next_header_must_have_the_validators_that_were_announced() -> None:
    chain = Chain(FOUR)
    chain.add()
    chain.powers = {**FOUR, "dan": 11}
    with pytest.raises(MismatchError, match="announced"):
        walk(founders(), [chain.headers[0], chain.add()])
    with pytest.raises(MismatchError, match="announced"):
        step(founders(), Chain({"eve": 1}).add())


def test_a_step_too_far_is_refused_and_steps_in_between_lead_there() -> None:
    chain = Chain(FOUR)
    for newcomer, leaver in (("eve", "ada"), ("fay", "ben"), ("gus", "cho"), ("hal", "dan")):
        others = {name: 10 for name in chain.powers if name != leaver}
        chain.add(become={**others, newcomer: 10})
        chain.add()
    last = chain.add()
    with pytest.raises(UntrustedError) as refused:
        step(founders(), last)
    assert (refused.value.power, refused.value.total) == (0, 40)
    trust, steps = find_steps(lambda height: chain.headers[height - 1], founders(), 9)
    assert trust == walk(founders(), steps)
    assert trust.header_hash == header_hash(last.header)
    assert len(steps) < 9


@pytest.mark.parametrize(
    ("stay", "taken"), [(("ada", "ben"), True), (("ada",), False), ((), False)]
)
def test_a_third_of_the_trusted_power_must_have_signed_a_later_header(
    *, stay: tuple[str, ...], taken: bool
) -> None:
    """Of three founders with equal power: two are more than a third, one is exactly a third."""
    chain = Chain({"ada": 1, "ben": 1, "cho": 1})
    chain.add(become={**dict.fromkeys(stay, 1), "eve": 1})
    chain.add()
    last = chain.add()
    trust = founders({"ada": 1, "ben": 1, "cho": 1})
    if taken:
        assert step(trust, last).height == 3
    else:
        with pytest.raises(UntrustedError):
            step(trust, last)


def test_trusted_power_counts_as_it_was_trusted_and_not_as_it_is_claimed() -> None:
    chain = Chain({"ada": 1, "ben": 9})
    chain.add(become={"ada": 1_000})
    chain.add()
    with pytest.raises(UntrustedError) as refused:
        step(founders({"ada": 1, "ben": 9}), chain.add())
    assert (refused.value.power, refused.value.total) == (1, 10)


def test_a_trusted_validator_who_voted_for_no_block_does_not_vouch_for_a_later_one() -> None:
    chain = Chain({"ada": 1})
    chain.add(become={"ada": 1, "eve": 9})
    chain.add()
    with pytest.raises(UntrustedError):
        step(founders({"ada": 1}), chain.add(against=["ada"]))


def test_a_reader_may_ask_for_more_than_a_third() -> None:
    chain = Chain(FOUR)
    chain.add(become={"ada": 10, "ben": 10})
    chain.add()
    last = chain.add()
    assert step(founders(), last).height == 3
    with pytest.raises(UntrustedError):
        step(founders(), last, TrustLevel(1, 2))


# ---------------------------------------------------------------- mutations


def changed(made: SignedHeader, **header: Any) -> SignedHeader:
    """Another header, under the votes of the old one."""
    return replace(made, header=replace(made.header, **header))


def voted_again(made: SignedHeader, **header: Any) -> SignedHeader:
    """Another header, for which the same validators vote."""
    return signed(replace(made.header, **header), FOUR)


def committed(made: SignedHeader, **commit: Any) -> SignedHeader:
    return replace(made, commit=replace(made.commit, **commit))


def with_vote(made: SignedHeader, place: int, vote: Vote | None) -> SignedHeader:
    votes = list(made.commit.votes)
    votes[place] = vote
    return committed(made, votes=tuple(votes))


def vote_of(made: SignedHeader, place: int = 0) -> Vote:
    vote = made.commit.votes[place]
    assert vote is not None
    return vote


def flipped(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def with_validators(made: SignedHeader, *validators: Validator) -> SignedHeader:
    """These validators, named by the header, with as many votes of the same keys."""
    hashed = validators_hash(validators)
    header = replace(made.header, validators_hash=hashed, next_validators_hash=hashed)
    voted = signed(header, FOUR)
    votes = (*voted.commit.votes, *voted.commit.votes)[: len(validators)]
    return replace(committed(voted, votes=votes), validators=validators)


def second_scalar(vote: Vote) -> Vote:
    """The same signature with another encoding of S, which careless verifiers take."""
    scalar = int.from_bytes(vote.signature[32:], "little") + GROUP_ORDER
    return replace(vote, signature=vote.signature[:32] + scalar.to_bytes(32, "little"))


SMALL = Validator(min(SMALL_ORDER), 10)
SET = validator_set(FOUR)
OTHER_BLOCK = hashlib.sha256(b"another block").digest()

MUTATIONS: dict[str, tuple[Callable[[SignedHeader], SignedHeader], type[ConsensusError]]] = {
    "another chain": (lambda made: voted_again(made, chain_id="other"), OtherChainError),
    "votes of another chain": (
        lambda made: replace(made, commit=voted_again(made, chain_id="other").commit),
        MismatchError,
    ),
    "a height that is not later": (lambda made: voted_again(made, height=0), MismatchError),
    "another height": (lambda made: changed(made, height=4), MismatchError),
    "a commit of another height": (lambda made: committed(made, height=4), MismatchError),
    "a time before the trusted one": (lambda made: voted_again(made, time_ns=0), MismatchError),
    "another time": (
        lambda made: changed(made, time_ns=made.header.time_ns + 1),
        MismatchError,
    ),
    "another version of blocks": (
        lambda made: voted_again(made, block_version=12),
        MalformedError,
    ),
    "another app hash": (lambda made: changed(made, app_hash=bytes(31) + b"\1"), MismatchError),
    "two fields swapped": (
        lambda made: changed(
            made,
            app_hash=made.header.consensus_hash,
            consensus_hash=made.header.app_hash,
        ),
        MismatchError,
    ),
    "another block before": (
        lambda made: changed(
            made, last_block_id=replace(made.header.last_block_id, hash=OTHER_BLOCK)
        ),
        MismatchError,
    ),
    "a commit of another block": (
        lambda made: committed(made, block_id=replace(made.commit.block_id, hash=OTHER_BLOCK)),
        MismatchError,
    ),
    "a commit of other parts": (
        lambda made: committed(made, block_id=replace(made.commit.block_id, parts_total=2)),
        VoteError,
    ),
    "another round": (lambda made: committed(made, round=1), VoteError),
    "one altered signature": (
        lambda made: with_vote(
            made, 3, replace(vote_of(made, 3), signature=flipped(vote_of(made, 3).signature))
        ),
        VoteError,
    ),
    "a second encoding of a signature": (
        lambda made: with_vote(made, 0, second_scalar(vote_of(made))),
        VoteError,
    ),
    "a vote at another time": (
        lambda made: with_vote(made, 0, replace(vote_of(made), time_ns=vote_of(made).time_ns + 1)),
        VoteError,
    ),
    "a vote for the block said to be for none": (
        lambda made: with_vote(made, 0, replace(vote_of(made), for_block=False)),
        VoteError,
    ),
    "a vote in another's place": (
        lambda made: with_vote(with_vote(made, 0, vote_of(made, 1)), 1, vote_of(made, 0)),
        VoteError,
    ),
    "one vote twice": (lambda made: with_vote(made, 0, vote_of(made, 1)), VoteError),
    "a vote less": (
        lambda made: committed(made, votes=made.commit.votes[:-1]),
        MismatchError,
    ),
    "a vote more": (
        lambda made: committed(made, votes=(*made.commit.votes, vote_of(made))),
        MismatchError,
    ),
    "too many absent": (
        lambda made: with_vote(with_vote(made, 0, None), 1, None),
        PowerError,
    ),
    "more power than a validator has": (
        lambda made: replace(made, validators=(Validator(SET[0].public, 11), *SET[1:])),
        MismatchError,
    ),
    "a validator twice": (
        lambda made: with_validators(made, SET[0], SET[0], *SET[1:]),
        MalformedError,
    ),
    "validators in another order": (
        lambda made: with_validators(made, *reversed(SET)),
        MalformedError,
    ),
    "a validator without power": (
        lambda made: with_validators(made, *SET, Validator(voter("eve").public, 0)),
        MalformedError,
    ),
    "too much power": (
        lambda made: with_validators(made, Validator(voter("eve").public, MAX_TOTAL_POWER), *SET),
        MalformedError,
    ),
    "a key of small order": (
        lambda made: with_validators(made, *sorted_validators([*SET, SMALL])),
        MalformedError,
    ),
    "no validators": (lambda made: replace(made, validators=()), MalformedError),
    "too many validators": (
        lambda made: replace(made, validators=SET * (MAX_VALIDATORS // len(SET) + 1)),
        MalformedError,
    ),
    "other validators": (
        lambda made: replace(made, validators=validator_set({**FOUR, "dan": 9})),
        MismatchError,
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_refused(name: str) -> None:
    mutate, error = MUTATIONS[name]
    with pytest.raises(error) as refused:
        step(founders(), mutate(later()))
    assert type(refused.value) is error


def test_the_mutations_start_from_a_header_that_holds() -> None:
    assert step(founders(), later()).height == 3


def test_nothing_earlier_is_taken_again() -> None:
    trust = step(founders(), later())
    with pytest.raises(MismatchError, match="height"):
        step(trust, later())


@pytest.mark.parametrize(
    "validators",
    [
        (),
        (SET[0], SET[0]),
        (Validator(SET[0].public, 0),),
        (Validator(SET[0].public, MAX_TOTAL_POWER), SET[1]),
        (SMALL,),
        (Validator(b"short", 1),),
    ],
)
def test_founders_who_cannot_vote_are_refused(validators: tuple[Validator, ...]) -> None:
    with pytest.raises(MalformedError):
        Trust.founded(CHAIN_ID, validators)


def test_a_chain_has_a_short_name() -> None:
    for name in ("", "x" * 51):
        with pytest.raises(MalformedError):
            Trust.founded(name, SET)


def test_the_chain_of_a_ledger_is_named_after_the_ledger() -> None:
    assert chain_id_of(bytes(range(32))) == "tieout-000102030405060708090a0b0c0d0e0f"


def test_an_address_is_what_a_hash_begins_with() -> None:
    assert address(b"\0" * 32).hex() == hashlib.sha256(b"\0" * 32).hexdigest()[:40]


# ---------------------------------------------------------------- every byte


def recorded_with_all() -> SignedHeader:
    """The last recorded header of four validators, of whom one is absent."""
    return headers("four")[-1]


def is_taken_as_another(data: bytes) -> bool:
    """Whether altered bytes still say something that is taken, and is not what was recorded."""
    try:
        altered = msgspec.msgpack.decode(data, type=SignedHeader)
        step(founded("four"), altered)
    except (msgspec.MsgspecError, UnicodeDecodeError, ConsensusError):
        return False
    return altered != recorded_with_all()


def test_no_byte_of_a_recorded_header_is_free() -> None:
    data = msgspec.msgpack.encode(recorded_with_all())
    free = [
        (place, mask)
        for place in range(len(data))
        for mask in (0x01, (0x02, 0x20, 0x80)[place % 3])
        if is_taken_as_another(data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :])
    ]
    assert free == []


@given(st.data())
def test_no_value_of_a_recorded_header_is_free(data: st.DataObject) -> None:
    """Any byte replaced, cut out or put in; numbers, hashes, flags and signatures alike."""
    encoded = msgspec.msgpack.encode(recorded_with_all())
    start = data.draw(st.integers(0, len(encoded)))
    end = data.draw(st.integers(start, min(len(encoded), start + 70)))
    middle = data.draw(st.binary(max_size=70))
    assert not is_taken_as_another(encoded[:start] + middle + encoded[end:])
