"""The private keys that a ledger directory holds, and the genesis that names their public halves.

A single firm that reconciles its own systems plays all parties, so one file beside the ledger
holds every key; it is written with mode 0600 and says of itself that it is for testing. A
consortium's node holds its own party's keys only, in the same form.
"""

import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from tieout.engines.errors import EngineError
from tieout.wire.codes import Purpose
from tieout.wire.ed25519 import SigningKey
from tieout.wire.genesis import FirstValidator, Genesis, Key, Party, Person

KEYS_FILE: Final = "keys.json"
"""Private keys, for their owner's eyes alone."""
OPERATOR: Final = "ledger-operator"
"""No role can have this name: those are identifiers."""
TEST_KEYS: Final = "Test keys, made with this ledger. Whoever reads them can sign for everybody."
PARTY_KEYS: Final = "Keys of one party. Whoever reads them can sign for it."
ONE_OPERATOR: Final = (Purpose.PUBLISH, Purpose.GOVERN)
CONSORTIUM: Final = (Purpose.PUBLISH, Purpose.GOVERN, Purpose.CHECKPOINT)
"""What a party's system may sign where an operator signs checkpoints, and where nobody does."""
APPROVERS: Final = ("approver-1", "approver-2")
"""Two persons a party: what is not adjusted automatically needs two people (R-ADJ-4)."""


class StoredKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One private key: whose it is (numbers as in genesis) and its seed in hex."""

    party: int
    person: int
    key: int
    seed: str


class StoredKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file. `salt_secret` (hex) derives the salts of rows."""

    format: int
    note: str
    salt_secret: str
    keys: tuple[StoredKey, ...]


class KeyRing:
    """Private keys by party and purpose. Not safe to print; not meant to leave the process."""

    def __init__(self, genesis: Genesis, stored: StoredKeys) -> None:
        """Raises EngineError when a stored key is not the one that genesis names."""
        self.genesis = genesis
        self.salt_secret = bytes.fromhex(stored.salt_secret)
        self._keys: dict[tuple[int, int], SigningKey] = {}
        for entry in stored.keys:
            found = genesis.find_key(entry.party, entry.key)
            key = SigningKey.from_hex(entry.seed)
            if found is None or found[1].public != key.public.hex():
                raise EngineError(
                    f"key {entry.key} of party {entry.party} is not the one in genesis",
                    "put back the key file that was made with this ledger",
                )
            self._keys[entry.party, entry.key] = key

    @property
    def parties(self) -> list[int]:
        """The parties of which this ring holds a key, ascending."""
        return sorted({party for party, _ in self._keys})

    def signer(
        self, party: int, purpose: Purpose, person: str | None = None
    ) -> tuple[int, SigningKey]:
        """The (key number, key) of a party, or of one of its persons, for a purpose.

        Raises EngineError when this ring holds none.
        """
        wanted = purpose.name.lower()
        for candidate in self.genesis.parties[party - 1].persons:
            if person is not None and candidate.name != person:
                continue
            for key in candidate.keys:
                held = self._keys.get((party, key.number))
                if wanted in key.purposes and held is not None:
                    return key.number, held
        who = self.genesis.parties[party - 1].name + (f"'s {person}" if person else "")
        raise EngineError(
            f"there is no key of {who} here that may {wanted}",
            "use the ledger directory that holds that key",
        )


def found_parties(names: Sequence[str], created_us: int, ledger: str) -> tuple[Genesis, StoredKeys]:
    """A genesis with one party for each name, and an operator, all with fresh test keys."""
    parties: list[Party] = []
    stored: list[StoredKey] = []
    for number, name in enumerate([*names, OPERATOR], start=1):
        party, keys = _party(number, name)
        parties.append(party)
        stored.extend(keys)
    genesis = Genesis(
        format=2,
        name=ledger,
        rules_version=3,
        created_us=created_us,
        operator=len(parties),
        parties=tuple(parties),
    )
    return genesis, StoredKeys(
        format=1,
        note=TEST_KEYS,
        salt_secret=secrets.token_hex(32),
        keys=tuple(stored),
    )


def found_consortium(
    names: Sequence[str], created_us: int, ledger: str, validators: Sequence[FirstValidator]
) -> tuple[Genesis, list[StoredKeys]]:
    """A genesis without an operator, and for each party, in order, its own fresh keys."""
    rosters = [_party(number, name, CONSORTIUM) for number, name in enumerate(names, start=1)]
    genesis = Genesis(
        format=2,
        name=ledger,
        rules_version=3,
        created_us=created_us,
        operator=0,
        parties=tuple(party for party, _ in rosters),
        validators=tuple(validators),
    )
    return genesis, [
        StoredKeys(format=1, note=PARTY_KEYS, salt_secret=secrets.token_hex(32), keys=tuple(keys))
        for _, keys in rosters
    ]


def _party(
    number: int, name: str, purposes_of_system: tuple[Purpose, ...] = ONE_OPERATOR
) -> tuple[Party, list[StoredKey]]:
    system = ("system", purposes_of_system)
    people = [(approver, (Purpose.APPROVE,)) for approver in APPROVERS]
    roster: Iterable[tuple[str, tuple[Purpose, ...]]] = [system, *people]
    if name == OPERATOR:
        roster = [("system", (Purpose.CHECKPOINT,))]
    persons: list[Person] = []
    stored: list[StoredKey] = []
    for position, (person, purposes) in enumerate(roster, start=1):
        seed = secrets.token_bytes(32)
        public = SigningKey(seed).public.hex()
        names = tuple(purpose.name.lower() for purpose in purposes)
        persons.append(Person(position, person, (Key(position, public, names),)))
        stored.append(StoredKey(number, position, position, seed.hex()))
    return Party(number, name, tuple(persons)), stored


def write_keys(directory: Path, stored: StoredKeys) -> None:
    """Write the key file, whole or not at all, readable by its owner alone."""
    new = directory / (KEYS_FILE + ".new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(stored), indent=1) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(directory / KEYS_FILE)


def is_half_founded(directory: Path) -> bool:
    """Whether a directory without genesis has no key file but one that founding left behind."""
    try:
        stored = msgspec.json.decode((directory / KEYS_FILE).read_bytes(), type=StoredKeys)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except msgspec.MsgspecError:
        return False
    return stored.note == TEST_KEYS


def read_keys(directory: Path, genesis: Genesis) -> KeyRing:
    """The key ring beside a ledger. Raises EngineError when the file is absent or does not fit."""
    path = directory / KEYS_FILE
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=StoredKeys)
    except FileNotFoundError as error:
        raise EngineError(f"{path} is missing", "without keys nothing can be published") from error
    except msgspec.MsgspecError as error:
        raise EngineError(f"{path}: {error}", "put back the key file of this ledger") from error
    return KeyRing(genesis, stored)
