"""The private keys that a ledger directory holds, and which of them may sign now.

The problem: keys are rotated and revoked by the ledger itself (R-MEMBER-5), and a key file knows
nothing of that. The model: the file keeps seeds. Whose key a seed is, under which number, for which
purposes and from which block to which, is what the ledger's members say of its public half; before
a ledger is looked at, its founders. So a key may be in the file before the ledger knows it (it
*waits*), and stays there after it was revoked, signing nothing.

A single firm that reconciles its own systems plays all parties, so one file beside the ledger
holds every key; it is written with mode 0600 and says of itself that it is for testing. A
consortium's node holds its own party's keys only, in the same form.
"""

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tieout import kernel
from tieout.engines.errors import EngineError
from tieout.kernel import Key, Party
from tieout.wire import genesis as first
from tieout.wire.codes import Purpose
from tieout.wire.ed25519 import SigningKey
from tieout.wire.genesis import FirstValidator, Genesis

KEYS_FILE: Final = "keys.json"
"""Private keys, for their owner's eyes alone."""
OPERATOR: Final = "ledger-operator"
"""No role can have this name: those are identifiers."""
TEST_KEYS: Final = "Test keys, made with this ledger. Whoever reads them can sign for everybody."
PARTY_KEYS: Final = "Keys of one party. Whoever reads them can sign for it."
ONE_OPERATOR: Final = (Purpose.PUBLISH, Purpose.GOVERN)
CONSORTIUM: Final = (Purpose.PUBLISH, Purpose.GOVERN, Purpose.CHECKPOINT)
"""What a party's system may sign where an operator signs checkpoints, and where nobody does."""
RULES_VERSION: Final = 3
"""Of the ledgers that are founded here; older ones stay what they are."""
GENESIS_FORMAT: Final = 2
"""Of every ledger whose members can change: version 2 of the rules and later."""
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


class Roster(NamedTuple):
    """Everybody who is or was a member, and the height of the block that is signed for."""

    parties: Sequence[Party]
    height: int


class KeyRing:
    """Private keys by party and purpose. Not safe to print; not meant to leave the process."""

    def __init__(
        self,
        genesis: Genesis,
        stored: StoredKeys,
        roster: Callable[[], Roster] | None = None,
        again: Callable[[], StoredKeys] | None = None,
    ) -> None:
        """`roster` says who the members are by now; without it the founders are asked.

        `again` reads the file anew: a process that runs finds the keys that came meanwhile.
        Raises EngineError when a stored key is not the one that genesis has under its number.
        """
        self.genesis = genesis
        self.salt_secret = bytes.fromhex(stored.salt_secret)
        founders = kernel.founders(genesis).parties
        self._roster = roster or (lambda: Roster(founders, 1))
        self._again = again
        self._keys: dict[bytes, SigningKey] = {}
        self._take(stored)

    def _take(self, stored: StoredKeys) -> None:
        for entry in stored.keys:
            key = SigningKey.from_hex(entry.seed)
            found = self.genesis.find_key(entry.party, entry.key)
            if found is not None and found[1].public != key.public.hex():
                raise EngineError(
                    f"key {entry.key} of party {entry.party} is not the one in genesis",
                    "put back the key file that was made with this ledger",
                )
            self._keys[key.public] = key

    def follow(self, roster: Callable[[], Roster]) -> None:
        """From now on judge keys by these members; asked anew for each signature."""
        self._roster = roster

    @property
    def parties(self) -> list[int]:
        """The parties of which this ring holds a key, ascending."""
        everybody = self._roster().parties
        return [each.number for each in everybody if any(self._held(each))]

    def holds(self, public: bytes) -> bool:
        """Whether the private half of a key (32 bytes) is here."""
        return public in self._keys

    def waiting(self) -> list[bytes]:
        """Public halves of the keys here that the ledger does not know (yet)."""
        known = {
            key.public
            for party in self._roster().parties
            for person in party.persons
            for key in person.keys
        }
        return [public for public in self._keys if public not in known]

    def signer(
        self,
        party: int,
        purpose: Purpose,
        person: str | None = None,
        height: int | None = None,
    ) -> tuple[int, SigningKey]:
        """The (key number, key) of a party, or of one of its persons, for a purpose.

        The key may sign in the next block, or at `height`; of several it is the one that came last.
        Raises EngineError when this ring holds none, which says what became of those it had.
        """
        roster = self._roster()
        at = roster.height if height is None else height
        known = roster.parties[party - 1]
        valid = [key for key in self._for(known, purpose, person) if is_valid(key, at)]
        if not valid and self._again is not None:
            self._take(self._again())
            valid = [key for key in self._for(known, purpose, person) if is_valid(key, at)]
        if valid:
            chosen = max(valid, key=lambda key: key.from_height)
            return chosen.number, self._keys[chosen.public]
        held = self._for(known, purpose, person)
        who = known.name + (f"'s {person}" if person else "")
        raise EngineError(
            f"there is no key of {who} here that may {purpose.name.lower()}"
            + "".join(f"; {_why_not(key, at)}" for key in held),
            "use the ledger directory that holds that key"
            if not held
            else f"`tieout member show {known.name}` says which keys are valid",
        )

    def _for(self, party: Party, purpose: Purpose, person: str | None) -> list[Key]:
        return [key for key in self._held(party, person) if purpose in key.purposes]

    def _held(self, party: Party, person: str | None = None) -> Iterator[Key]:
        """Keys of a party, or of one of its persons, whose private halves are here."""
        for candidate in party.persons:
            if person is None or candidate.name == person:
                yield from (key for key in candidate.keys if key.public in self._keys)


def is_valid(key: Key, height: int) -> bool:
    """Whether a key may sign in the block of a height."""
    return key.from_height <= height and not 0 < key.until_height < height


def _why_not(key: Key, height: int) -> str:
    if key.from_height > height:
        return f"key {key.number} signs from block {key.from_height} on"
    return f"key {key.number} was revoked: it signs nothing after block {key.until_height}"


def found_parties(
    names: Sequence[str], created_us: int, ledger: str, rules_version: int = RULES_VERSION
) -> tuple[Genesis, StoredKeys]:
    """A genesis with one party for each name, and an operator, all with fresh test keys.

    One process has everybody's keys, so a single vote decides on a change of members.
    """
    rosters = [_party(number, name) for number, name in enumerate([*names, OPERATOR], start=1)]
    genesis = Genesis(
        format=min(rules_version, GENESIS_FORMAT),
        name=ledger,
        rules_version=rules_version,
        created_us=created_us,
        operator=len(rosters),
        parties=tuple(party for party, _ in rosters),
        votes_needed=1 if rules_version > 1 else 0,
    )
    return genesis, StoredKeys(
        format=1,
        note=TEST_KEYS,
        salt_secret=secrets.token_hex(32),
        keys=tuple(key for _, keys in rosters for key in keys),
    )


def found_consortium(
    names: Sequence[str], created_us: int, ledger: str, validators: Sequence[FirstValidator]
) -> tuple[Genesis, list[StoredKeys]]:
    """A genesis without an operator, and for each party, in order, its own fresh keys."""
    rosters = [_party(number, name, CONSORTIUM) for number, name in enumerate(names, start=1)]
    genesis = Genesis(
        format=GENESIS_FORMAT,
        name=ledger,
        rules_version=RULES_VERSION,
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
) -> tuple[first.Party, list[StoredKey]]:
    system = ("system", purposes_of_system)
    people = [(approver, (Purpose.APPROVE,)) for approver in APPROVERS]
    roster: Iterable[tuple[str, tuple[Purpose, ...]]] = [system, *people]
    if name == OPERATOR:
        roster = [("system", (Purpose.GOVERN, Purpose.CHECKPOINT))]
    persons: list[first.Person] = []
    stored: list[StoredKey] = []
    for position, (person, purposes) in enumerate(roster, start=1):
        seed = secrets.token_bytes(32)
        public = SigningKey(seed).public.hex()
        names = tuple(purpose.name.lower() for purpose in purposes)
        persons.append(first.Person(position, person, (first.Key(position, public, names),)))
        stored.append(StoredKey(number, position, position, seed.hex()))
    return first.Party(number, name, tuple(persons)), stored


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
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def add_key(directory: Path, entry: StoredKey) -> None:
    """Put one more key into a key file; it is durable when this returns. Raises EngineError."""
    stored = _read(directory)
    write_keys(directory, msgspec.structs.replace(stored, keys=(*stored.keys, entry)))


def is_half_founded(directory: Path) -> bool:
    """Whether a directory without genesis has no key file but one that founding left behind."""
    try:
        stored = msgspec.json.decode((directory / KEYS_FILE).read_bytes(), type=StoredKeys)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except msgspec.MsgspecError:
        return False
    return stored.note == TEST_KEYS


def read_keys(
    directory: Path, genesis: Genesis, roster: Callable[[], Roster] | None = None
) -> KeyRing:
    """The key ring beside a ledger, judged by `roster` (see `KeyRing`).

    Raises EngineError when the file is absent or does not fit.
    """
    return KeyRing(genesis, _read(directory), roster, lambda: _read(directory))


def _read(directory: Path) -> StoredKeys:
    path = directory / KEYS_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=StoredKeys)
    except FileNotFoundError as error:
        raise EngineError(f"{path} is missing", "without keys nothing can be published") from error
    except msgspec.MsgspecError as error:
        raise EngineError(f"{path}: {error}", "put back the key file of this ledger") from error
