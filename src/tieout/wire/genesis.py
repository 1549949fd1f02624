"""Genesis: how a ledger begins.

It says who takes part, who acts for them, with which keys, and under which version of the rules.
The ledger's id is a hash of this message, so two ledgers that differ in anything written here never
take each other's batches. Form: JSON with the fields in the order below, no spaces
(docs/formats/genesis.md); any other bytes are refused.
"""

import hashlib
from typing import Final

import msgspec

from tieout.wire.codes import Purpose
from tieout.wire.ed25519 import PUBLIC_BYTES, is_sound_key
from tieout.wire.errors import WireError
from tieout.wire.limits import MAX_ABS_NUMBER, MAX_HEIGHT, MAX_VALIDATOR_POWER, NAME_BYTES
from tieout.wire.members import is_name

GENESIS_TAG: Final = b"tieout/genesis/1\0"
_HEX_DIGITS: Final = frozenset("0123456789abcdef")


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An Ed25519 public key (hex).

    Valid from `from_height` up to and including `until_height` (0: no end).
    """

    number: int
    public: str
    purposes: tuple[str, ...]
    from_height: int = 1
    until_height: int = 0


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody, or a system, that acts for a party. Numbers count from 1 within the party."""

    number: int
    name: str
    keys: tuple[Key, ...]


class Party(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An institution. Numbers count from 1 within the ledger."""

    number: int
    name: str
    persons: tuple[Person, ...]


class FirstValidator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A validator from the first block on: its party, its Ed25519 key (hex), its voting power."""

    party: int
    public: str
    power: int


class Genesis(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The beginning.

    `operator` is the number of the party that keeps a single-operator ledger alone, 0 for a
    consortium. Format 2 alone has `votes_needed`, how many members decide on a change of members
    (0: more than two thirds of them), and `validators`; none where one process orders alone.
    """

    format: int
    name: str
    rules_version: int
    created_us: int
    operator: int
    parties: tuple[Party, ...]
    votes_needed: int = 0
    validators: tuple[FirstValidator, ...] = ()

    def to_bytes(self) -> bytes:
        """Return the one form of this genesis."""
        return msgspec.json.encode(self)

    def ledger_id(self) -> bytes:
        """SHA-256 over a domain tag and the one form."""
        return hashlib.sha256(GENESIS_TAG + self.to_bytes()).digest()

    def find_key(self, party: int, key: int) -> tuple[Person, Key] | None:
        """Return the person and key of a party's key number; None when there is none."""
        if not 1 <= party <= len(self.parties):
            return None
        for person in self.parties[party - 1].persons:
            for candidate in person.keys:
                if candidate.number == key:
                    return person, candidate
        return None


def parse_genesis(data: bytes) -> Genesis:
    """Read and check a genesis. Raises WireError naming what does not fit."""
    try:
        genesis = msgspec.json.decode(data, type=Genesis)
    except (ValueError, msgspec.MsgspecError) as error:
        raise WireError(f"not a genesis: {error}") from error
    if genesis.to_bytes() != data.removesuffix(b"\n"):
        raise WireError("the genesis is not in its one form (field order, spaces)")
    check_genesis(genesis)
    return genesis


def check_genesis(genesis: Genesis) -> None:
    """Raise WireError for numbers that do not count up, unfit names or keys, unknown purposes."""
    if (genesis.format, genesis.rules_version) not in ((1, 1), (2, 2), (2, 3), (2, 4)):
        _refuse("this program knows format 1 with rules version 1, and format 2 with 2 to 4")
    if genesis.format == 1 and (genesis.votes_needed != 0 or genesis.validators):
        _refuse("votes_needed and validators are of format 2")
    if not 1 <= len(genesis.parties) < 1 << 16:
        _refuse("a ledger has 1 to 65,535 parties")
    if not 0 <= genesis.operator <= len(genesis.parties):
        _refuse("the operator is not one of the parties")
    if not -MAX_ABS_NUMBER <= genesis.created_us <= MAX_ABS_NUMBER:
        _refuse("created_us is out of range")
    _check_name(genesis.name, "ledger")
    names = [party.name for party in genesis.parties]
    if len(set(names)) != len(names):
        _refuse("two parties have one name")
    for position, party in enumerate(genesis.parties, start=1):
        _check_party(party, position)
    if not 0 <= genesis.votes_needed <= len(genesis.parties):
        _refuse("votes_needed is more than there are parties")
    _check_validators(genesis)


def _check_validators(genesis: Genesis) -> None:
    publics = [validator.public for validator in genesis.validators]
    if len(set(publics)) != len(publics):
        _refuse("two validators have one key")
    for validator in genesis.validators:
        where = f"validator {validator.public}"
        _check_public(validator.public, where)
        if not 1 <= validator.party <= len(genesis.parties):
            _refuse(f"{where}: its party is not one of the parties")
        if validator.power < 1:
            _refuse(f"{where}: its power is less than 1")
    if sum(validator.power for validator in genesis.validators) > MAX_VALIDATOR_POWER:
        _refuse(f"the validators have more than {MAX_VALIDATOR_POWER} power together")


def _check_party(party: Party, position: int) -> None:
    where = f"party {position}"
    if party.number != position:
        _refuse(f"{where}: its number is {party.number}")
    _check_name(party.name, where)
    if len(party.persons) >= 1 << 16:
        _refuse(f"{where}: at most 65,535 persons")
    key_numbers: list[int] = []
    for place, person in enumerate(party.persons, start=1):
        if person.number != place:
            _refuse(f"{where}: person {place} has number {person.number}")
        _check_name(person.name, f"{where}, person {place}")
        for key in person.keys:
            _check_key(key, f"{where}, person {place}, key {key.number}")
            key_numbers.append(key.number)
    if len(set(key_numbers)) != len(key_numbers):
        _refuse(f"{where}: two keys have one number")


def _check_key(key: Key, where: str) -> None:
    _check_public(key.public, where)
    known = [purpose.name.lower() for purpose in Purpose]
    if not key.purposes or any(purpose not in known for purpose in key.purposes):
        _refuse(f"{where}: purposes are one or more of {', '.join(known)}")
    if not 1 <= key.number < 1 << 16:
        _refuse(f"{where}: a key's number is 1 to 65,535")
    ended = key.until_height != 0 and key.until_height < key.from_height
    if ended or not (1 <= key.from_height <= MAX_HEIGHT and 0 <= key.until_height <= MAX_HEIGHT):
        _refuse(f"{where}: it is valid at no height")


def _check_public(public: str, where: str) -> None:
    if len(public) != 2 * PUBLIC_BYTES or not set(public) <= _HEX_DIGITS:
        _refuse(f"{where}: the public key must be 64 lower-case hex digits")
    if not is_sound_key(bytes.fromhex(public)):
        _refuse(f"{where}: the public key is not canonical, or of small order")


def _check_name(name: str, where: str) -> None:
    if not is_name(name):
        _refuse(f"{where}: a name has 1 to {NAME_BYTES} bytes of printable text")


def _refuse(what: str) -> None:
    raise WireError(f"genesis: {what}")
