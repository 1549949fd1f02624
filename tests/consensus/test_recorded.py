"""The hashes and signatures of running networks are computed and verified as CometBFT does."""

import pytest

from tests.consensus.recorded import NAMES, founded, headers, transactions
from tieout.consensus.errors import UntrustedError
from tieout.consensus.forms import SignedHeader
from tieout.consensus.hashing import header_hash, transactions_hash, validators_hash
from tieout.consensus.light import step, support, walk
from tieout.sdk.light import find_steps


@pytest.mark.parametrize("name", NAMES)
def test_the_hash_of_every_header_is_the_one_that_was_voted_on(name: str) -> None:
    for signed in headers(name):
        assert header_hash(signed.header) == signed.commit.block_id.hash


@pytest.mark.parametrize("name", NAMES)
def test_every_header_names_the_block_before(name: str) -> None:
    hashes = [header_hash(signed.header) for signed in headers(name)]
    assert [signed.header.last_block_id.hash for signed in headers(name)] == [b"", *hashes[:-1]]


@pytest.mark.parametrize("name", NAMES)
def test_the_hash_of_every_validator_set_stands_in_two_headers(name: str) -> None:
    voting = [validators_hash(signed.validators) for signed in headers(name)]
    assert [signed.header.validators_hash for signed in headers(name)] == voting
    announced = [signed.header.next_validators_hash for signed in headers(name)]
    assert announced[:-1] == voting[1:]


@pytest.mark.parametrize("name", NAMES)
def test_the_transactions_of_every_block_have_the_hash_in_its_header(name: str) -> None:
    sizes = set()
    for signed in headers(name):
        sent = transactions(name, signed.header.height)
        sizes.add(len(sent))
        assert transactions_hash(sent) == signed.header.data_hash
    assert len(sizes) > 1


@pytest.mark.parametrize("name", NAMES)
def test_every_header_is_certain_step_by_step(name: str) -> None:
    trust = walk(founded(name), headers(name))
    assert (trust.height, trust.header_hash) == (
        len(headers(name)),
        headers(name)[-1].commit.block_id.hash,
    )


@pytest.mark.parametrize("name", ["one", "four"])
def test_where_validators_stay_any_header_is_one_step_away(name: str) -> None:
    for signed in headers(name):
        assert step(founded(name), signed).height == signed.header.height


def test_a_validator_that_lost_patience_signed_for_no_block() -> None:
    votes = [vote for signed in headers("four") for vote in signed.commit.votes if vote]
    assert {vote.for_block for vote in votes} == {True, False}


def test_a_validator_that_stopped_is_absent_from_the_votes() -> None:
    supports = [support(signed) for signed in headers("four")]
    assert {(each.signed, each.power, each.validators, each.total) for each in supports} == {
        (4, 4, 4, 4),
        (3, 3, 4, 4),
    }


def test_when_all_founders_have_left_steps_in_between_lead_to_the_last_header() -> None:
    last = headers("changes")[-1]
    founders = {each.public for each in founded("changes").validators}
    assert not founders & {each.public for each in last.validators}
    with pytest.raises(UntrustedError):
        step(founded("changes"), last)

    def fetch(height: int) -> SignedHeader:
        return headers("changes")[height - 1]

    trust, steps = find_steps(fetch, founded("changes"), last.header.height)
    assert trust.header_hash == header_hash(last.header)
    assert 1 < len(steps) < last.header.height
    assert walk(founded("changes"), steps) == trust
