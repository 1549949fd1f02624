"""A genesis has one form, and its hash is the ledger."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.wire import golden
from tieout.testing.workbench import governed_genesis
from tieout.wire.ed25519 import SMALL_ORDER
from tieout.wire.errors import WireError
from tieout.wire.genesis import (
    FirstValidator,
    Genesis,
    Key,
    Party,
    Person,
    check_genesis,
    parse_genesis,
)

GENESIS = golden.GENESIS
TEXT = GENESIS.to_bytes()


def with_key(**changes: object) -> Genesis:
    key = replace(GENESIS.parties[0].persons[0].keys[0], **changes)
    return replace(GENESIS, parties=(Party(1, "One", (Person(1, "Ada", (key,)),)),))


def with_parties(*parties: Party) -> Genesis:
    return replace(GENESIS, parties=parties, operator=0)


KEY = GENESIS.parties[0].persons[0].keys[0]
GOVERNED = governed_genesis(3)
VALIDATOR = GOVERNED.validators[0]


def with_validators(*validators: FirstValidator) -> Genesis:
    return replace(GOVERNED, validators=validators)


UNFIT: dict[str, Genesis] = {
    "another format": replace(GENESIS, format=2),
    "rules of another format": replace(GENESIS, rules_version=2),
    "rules that nobody knows": replace(GENESIS, format=3, rules_version=3),
    "votes in format 1": replace(GENESIS, votes_needed=1),
    "validators in format 1": replace(GENESIS, validators=GOVERNED.validators),
    "more votes than parties": replace(GOVERNED, votes_needed=4),
    "a negative number of votes": replace(GOVERNED, votes_needed=-1),
    "two validators of one key": with_validators(VALIDATOR, VALIDATOR),
    "a validator of nobody": with_validators(replace(VALIDATOR, party=4)),
    "a validator without power": with_validators(replace(VALIDATOR, power=0)),
    "a validator in capitals": with_validators(replace(VALIDATOR, public=KEY.public.upper())),
    "a validator of small order": with_validators(replace(VALIDATOR, public="00" * 32)),
    "too much power": with_validators(replace(VALIDATOR, power=1 << 60)),
    "no party": replace(GENESIS, parties=(), operator=0),
    "an operator that is not there": replace(GENESIS, operator=3),
    "a negative operator": replace(GENESIS, operator=-1),
    "a ledger without a name": replace(GENESIS, name=""),
    "a time beyond any": replace(GENESIS, created_us=1 << 62),
    "parties that do not count up": with_parties(Party(2, "Two", ())),
    "two parties of one name": with_parties(Party(1, "One", ()), Party(2, "One", ())),
    "a party without a name": with_parties(Party(1, "", ())),
    "a name with a space in front": with_parties(Party(1, " One", ())),
    "a name with a line break": with_parties(Party(1, "O\nne", ())),
    "a name of 37 bytes": with_parties(Party(1, "ä" * 18 + "x", ())),
    "persons that do not count up": with_parties(Party(1, "One", (Person(2, "Ada", ()),))),
    "a person without a name": with_parties(Party(1, "One", (Person(1, "", ()),))),
    "two keys of one number in one party": with_parties(
        Party(1, "One", (Person(1, "Ada", (KEY,)), Person(2, "Bob", (KEY,))))
    ),
    "key number 0": with_key(number=0),
    "key number 65,536": with_key(number=1 << 16),
    "a key in capitals": with_key(public=KEY.public.upper()),
    "a key with spaces": with_key(public=KEY.public[:60] + "    "),
    "a key that is too short": with_key(public=KEY.public[:-2]),
    "a key of small order": with_key(public=min(SMALL_ORDER).hex()),
    "a key that is not canonical": with_key(public="ee" + "ff" * 30 + "7f"),
    "a key without a purpose": with_key(purposes=()),
    "a purpose that nobody knows": with_key(purposes=("publish", "steal")),
    "a key from height 0": with_key(from_height=0),
    "a key that ends before it begins": with_key(from_height=5, until_height=4),
    "a height beyond any": with_key(from_height=1 << 63),
}


@pytest.mark.parametrize("name", UNFIT)
def test_an_unfit_genesis_is_refused(name: str) -> None:
    with pytest.raises(WireError):
        check_genesis(UNFIT[name])
    with pytest.raises(WireError):
        parse_genesis(UNFIT[name].to_bytes())


OTHER_FORMS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "an array": lambda _: b"[]",
    "spaces": lambda text: text.replace(b",", b", ", 1),
    "two line ends": lambda text: text + b"\n\n",
    "another order": lambda text: msgspec.json.encode(
        dict(sorted(msgspec.json.decode(text).items()))
    ),
    "an unknown field": lambda text: text[:-1] + b',"more":1}',
    "a field twice": lambda text: text[:-1] + b',"operator":1}',
    "a field missing": lambda text: text.replace(b'"operator":1,', b""),
    "a default left out": lambda text: text.replace(b',"from_height":1', b"", 1),
    "an escape": lambda text: text.replace("ä".encode(), b"\\u00e4"),
    "a number as text": lambda text: text.replace(b'"operator":1', b'"operator":"1"'),
    "a byte order mark": lambda text: b"\xef\xbb\xbf" + text,
}


@pytest.mark.parametrize("name", OTHER_FORMS)
def test_the_same_in_another_form_is_refused(name: str) -> None:
    with pytest.raises(WireError):
        parse_genesis(OTHER_FORMS[name](TEXT))


def test_a_genesis_comes_back_and_may_end_its_line() -> None:
    assert parse_genesis(TEXT) == GENESIS
    assert parse_genesis(TEXT + b"\n").ledger_id() == GENESIS.ledger_id()


@given(place=st.integers(0, len(TEXT) - 1), flip=st.integers(1, 255))
def test_a_changed_byte_is_refused_or_another_ledger(place: int, flip: int) -> None:
    changed = bytearray(TEXT)
    changed[place] ^= flip
    try:
        parsed = parse_genesis(bytes(changed))
    except WireError:
        return
    assert parsed.ledger_id() != GENESIS.ledger_id()


def test_a_key_is_found_with_its_person() -> None:
    ada = GENESIS.parties[0].persons[1]
    assert GENESIS.find_key(1, 2) == (ada, ada.keys[0])
    assert GENESIS.find_key(1, 3) is None
    assert GENESIS.find_key(0, 1) is None
    assert GENESIS.find_key(3, 1) is None


def test_key_numbers_are_of_the_party() -> None:
    one, two = (Party(n, str(n), (Person(1, "Ada", (KEY,)),)) for n in (1, 2))
    check_genesis(with_parties(one, two))
    assert with_parties(one, two).find_key(2, KEY.number) == (two.persons[0], KEY)


def test_what_only_format_2_has_is_left_out_where_there_is_none() -> None:
    assert b"votes_needed" not in governed_genesis(3).to_bytes()
    alone = replace(governed_genesis(3, votes_needed=2), validators=())
    assert alone.to_bytes().endswith(b',"votes_needed":2}')
    for genesis in (GOVERNED, alone):
        assert parse_genesis(genesis.to_bytes()) == genesis


def test_a_key_has_no_end_by_itself() -> None:
    assert Key(1, KEY.public, ("publish",)).until_height == 0
