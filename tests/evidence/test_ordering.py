"""A pack that shows the validators' votes: ordered by them, and by nobody's word."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.consensus.chain import signed
from tests.evidence.ledgers import act
from tests.evidence.ordered import FOUNDERS, Ordered, ordered
from tests.evidence.scripts import SMALL, SMALL_AGREEMENT
from tieout.consensus.light import Support
from tieout.evidence.errors import (
    EvidenceError,
    FormError,
    ProofError,
    SignatureError,
    TrustError,
)
from tieout.evidence.pack import PackReport, build_pack, verify_pack
from tieout.evidence.packform import Consensus

OTHER_HASH = bytes(31) + b"\1"


def verified(made: Ordered, consensus: Consensus | None) -> PackReport:
    return verify_pack(made.pack(consensus), made.ledger.genesis)


def test_a_pack_with_votes_is_ordered_by_validators() -> None:
    report = verified(ordered(), ordered().consensus())
    assert report.verdict == "verified"
    assert report.ordered_by == Support(signed=3, validators=4, power=30, total=40)
    words = "The ledger was ordered by 3 of 4 validators, 30 of 40 of their power: they signed it"
    assert f"{words} as of height {report.checkpoint.height}." in report.proven
    assert any("did not sign another ledger" in words for words in report.not_proven)


def test_one_party_alone_speaks_for_nobody_without_the_votes() -> None:
    with pytest.raises(TrustError, match="more than two thirds"):
        verified(ordered(), None)


def test_votes_are_left_out_of_packs_that_have_none() -> None:
    full = ordered().ledger.checkpoint()
    assert b"consensus" not in ordered().pack(None)
    assert full.checkpoint == ordered().checkpoint().checkpoint


def test_validators_who_came_later_are_followed_from_the_founders() -> None:
    made = ordered(all_change=True)
    *_, block, after = made.chain.headers
    whole = Consensus(block.header, tuple(made.chain.headers))
    report = verified(made, whole)
    assert report.ordered_by == Support(signed=2, validators=2, power=3, total=3)
    with pytest.raises(TrustError, match="more than 1/3 must"):
        verified(made, replace(whole, steps=(after,)))


def test_a_ledger_whose_genesis_names_no_validators_is_ordered_by_none() -> None:
    made = act(SMALL, SMALL_AGREEMENT)[0]
    pack = build_pack(made, made.checkpoint(), "sub", 0, "T1", consensus=ordered().consensus())
    with pytest.raises(TrustError, match="names no validators"):
        verify_pack(pack, made.genesis)


def header_before(consensus: Consensus, **header: Any) -> Consensus:
    return replace(consensus, header=replace(consensus.header, **header))


def voted(consensus: Consensus, **header: Any) -> Consensus:
    """The last header altered, and voted on again by the founders."""
    last = consensus.steps[-1].header
    return replace(consensus, steps=(signed(replace(last, **header), FOUNDERS),))


def one_vote_altered(consensus: Consensus) -> Consensus:
    step = consensus.steps[-1]
    first = step.commit.votes[0]
    assert first is not None
    altered = replace(first, signature=bytes([first.signature[0] ^ 1]) + first.signature[1:])
    commit = replace(step.commit, votes=(altered, *step.commit.votes[1:]))
    return replace(consensus, steps=(replace(step, commit=commit),))


def powerless(consensus: Consensus) -> Consensus:
    step = consensus.steps[-1]
    none = tuple(replace(each, power=0) for each in step.validators)
    return replace(consensus, steps=(replace(step, validators=none),))


def too_few(consensus: Consensus) -> Consensus:
    last = consensus.steps[-1].header
    return replace(consensus, steps=(signed(last, FOUNDERS, absent=("cho", "dan")),))


MUTATIONS: dict[str, tuple[Callable[[Consensus], Consensus], type[EvidenceError]]] = {
    "another app hash, voted on": (lambda c: voted(c, app_hash=OTHER_HASH), ProofError),
    "another block before": (lambda c: header_before(c, data_hash=OTHER_HASH), ProofError),
    "another time of the block": (
        lambda c: header_before(c, time_ns=c.header.time_ns + 1),
        ProofError,
    ),
    "a later height, voted on": (
        lambda c: voted(c, height=c.steps[-1].header.height + 1),
        ProofError,
    ),
    "another chain, voted on": (lambda c: voted(c, chain_id="other"), ProofError),
    "one altered signature": (one_vote_altered, SignatureError),
    "too little power": (too_few, TrustError),
    "the same step twice": (lambda c: replace(c, steps=c.steps * 2), ProofError),
    "no steps": (lambda c: replace(c, steps=()), FormError),
    "validators without power": (powerless, FormError),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_refused(name: str) -> None:
    mutate, error = MUTATIONS[name]
    with pytest.raises(error) as refused:
        verified(ordered(), mutate(ordered().consensus()))
    assert type(refused.value) is error
    assert "consensus" in str(refused.value)


def test_votes_on_the_checkpoint_of_another_height_are_refused() -> None:
    made = ordered()
    *_, before, block, _ = made.chain.headers
    with pytest.raises(ProofError, match="do not end after"):
        verified(made, Consensus(before.header, (block,)))


def test_an_absent_section_has_one_form() -> None:
    made = ordered()
    told = json.loads(made.pack(made.consensus()))
    told["consensus"] = None
    with pytest.raises(FormError):
        verify_pack(json.dumps(told, separators=(",", ":")).encode() + b"\n", None)


@pytest.mark.slow
def test_every_flipped_byte_of_the_votes_is_noticed() -> None:
    made = ordered()
    data = made.pack(made.consensus())
    start = data.index(b'"consensus"')
    unnoticed = []
    for place in range(start, len(data)):
        altered = bytearray(data)
        altered[place] ^= (0x01, 0x02, 0x20, 0x80)[place % 4]
        try:
            verify_pack(bytes(altered), made.ledger.genesis)
        except EvidenceError:
            continue
        unnoticed.append(place)
    assert unnoticed == []
