"""CometBFT's JSON is read strictly: what it would not write is refused."""

import copy
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.consensus.recorded import founded, headers, recording
from tieout.consensus.errors import ConsensusError, MalformedError, MismatchError
from tieout.consensus.forms import SignedHeader
from tieout.consensus.light import step
from tieout.sdk.rpcforms import (
    CommitAnswer,
    ValidatorsAnswer,
    number,
    read_signed_header,
    read_validator,
    time_ns,
    unbase64,
)

Tree = Any


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-24T09:04:04.275949998Z", 1_795_511_044_275_949_998),
        ("2026-11-24T09:04:04.27Z", 1_795_511_044_270_000_000),
        ("2026-11-24T09:04:04.000000001Z", 1_795_511_044_000_000_001),
    ],
)
def test_a_time_is_read_to_the_nanosecond(text: str, expected: int) -> None:
    assert time_ns(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24T09:04:04.270Z",
        "2026-11-24T09:04:04.Z",
        "2026-11-24T09:04:04.2759499981Z",
        "2026-11-24T09:04:04+00:00",
        "2026-11-24 09:04:04Z",
        "2026-11-24T09:04:60Z",
        "2026-13-24T09:04:04Z",
        "2026-11-24T09:04:04z",
        "",
    ],
)
def test_a_time_in_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        time_ns(text)


@pytest.mark.parametrize("text", ["", "-1", "+1", "01", "1.0", "1e3", " 1", "1" * 21, "\u0661"])
def test_a_number_in_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        number(text)


@pytest.mark.parametrize("text", ["AB", "AA=", "AB==", "A A=", "AA==\n", "_w==", "\u00e4"])
def test_base64_in_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        unbase64(text)


def header(tree: Tree) -> Tree:
    return tree["commit"]["signed_header"]["header"]


def vote(tree: Tree, place: int = 0) -> Tree:
    return tree["commit"]["signed_header"]["commit"]["signatures"][place]


def absent(tree: Tree) -> Tree:
    votes = tree["commit"]["signed_header"]["commit"]["signatures"]
    return next(each for each in votes if each["block_id_flag"] == 1)


def swap_addresses(tree: Tree) -> None:
    first, second = vote(tree, 0), vote(tree, 1)
    for name in ("validator_address",):
        first[name], second[name] = second[name], first[name]


MUTATIONS: dict[str, tuple[Callable[[Tree], object], type[Exception]]] = {
    "lower-case hexadecimal": (
        lambda tree: header(tree).update(app_hash=header(tree)["data_hash"].lower()),
        MalformedError,
    ),
    "half a byte": (lambda tree: header(tree).update(app_hash="0"), MalformedError),
    "a hash that is too short": (
        lambda tree: header(tree).update(validators_hash="00"),
        MalformedError,
    ),
    "an app hash that is too long": (
        lambda tree: header(tree).update(app_hash="00" * 65),
        MalformedError,
    ),
    "no chain": (lambda tree: header(tree).update(chain_id=""), MalformedError),
    "a time with zeros at its end": (
        lambda tree: header(tree).update(time="2026-11-24T09:04:04.10Z"),
        MalformedError,
    ),
    "a height as a number": (lambda tree: header(tree).update(height=9), msgspec.ValidationError),
    "a negative round": (
        lambda tree: tree["commit"]["signed_header"]["commit"].update(round=-1),
        MalformedError,
    ),
    "an unknown flag": (
        lambda tree: vote(tree).update(block_id_flag=4),
        msgspec.ValidationError,
    ),
    "addresses swapped": (swap_addresses, MismatchError),
    "a signature that is too short": (
        lambda tree: vote(tree).update(signature="AA=="),
        MalformedError,
    ),
    "no signature": (lambda tree: vote(tree).update(signature=None), MalformedError),
    "an absent vote with a signature": (
        lambda tree: absent(tree).update(signature=vote(tree)["signature"]),
        MalformedError,
    ),
    "an absent vote with an address": (
        lambda tree: absent(tree).update(validator_address=vote(tree)["validator_address"]),
        MalformedError,
    ),
    "an absent vote with a time": (
        lambda tree: absent(tree).update(timestamp=vote(tree)["timestamp"]),
        MalformedError,
    ),
    "a vote less": (
        lambda tree: tree["commit"]["signed_header"]["commit"]["signatures"].pop(),
        MismatchError,
    ),
    "a key of another kind": (
        lambda tree: tree["validators"]["validators"][0]["pub_key"].update(
            type="tendermint/PubKeySecp256k1"
        ),
        MalformedError,
    ),
    "an address of another key": (
        lambda tree: tree["validators"]["validators"][0].update(address="00" * 20),
        MalformedError,
    ),
    "a validator without power": (
        lambda tree: tree["validators"]["validators"][0].update(voting_power="0"),
        MalformedError,
    ),
}


def read(tree: Tree) -> SignedHeader:
    validators = msgspec.convert(tree["validators"], ValidatorsAnswer).validators
    told = msgspec.convert(tree["commit"], CommitAnswer).signed_header
    return read_signed_header(told, [read_validator(each) for each in validators])


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_refused(name: str) -> None:
    mutate, error = MUTATIONS[name]
    tree = copy.deepcopy(recording("four")["blocks"][-1])
    assert read(tree) == headers("four")[-1]
    mutate(tree)
    with pytest.raises(error):
        read(tree)


def values(tree: Tree) -> list[tuple[Tree, Any]]:
    """Every place of a value in a tree, as (container, key)."""
    places = []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        if isinstance(value, dict | list):
            places += values(value)
        else:
            places.append((tree, key))
    return places


def test_every_value_of_an_answer_matters_or_is_not_read() -> None:
    """A header with any one value altered is refused, or reads as the header that was signed."""
    count = len(values(recording("four")["blocks"][-1]))
    for place in range(count):
        tree = copy.deepcopy(recording("four")["blocks"][-1])
        container, key = values(tree)[place]
        value = container[key]
        container[key] = value + 1 if isinstance(value, int) else f"{(value or '')[:-1]}7"
        try:
            told = read(tree)
            step(founded("four"), told)
        except (ConsensusError, msgspec.ValidationError):
            continue
        assert told == headers("four")[-1]
