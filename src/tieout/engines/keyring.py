"""Which of a party's private keys may sign now.

The problem: keys are rotated and revoked by the ledger itself (R-MEMBER-5), and where private keys
are kept, nothing is known of that. The model: a store (`keystore`) keeps private halves. Whose a
key is, under which number, for which purposes and from which block to which, is what the ledger's
members say of its public half; before a ledger is looked at, its founders. So a key may be in the
store before the ledger knows it (it *waits*), and stays there after it was revoked, signing
nothing.

A single firm that reconciles its own systems plays all parties, so one file beside the ledger
(`keyfile`) holds every key, and says of itself that it is for testing. A consortium's node holds
its own party's keys only, in the same form.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tieout import kernel
from tieout.engines.errors import EngineError
from tieout.engines.keyfile import KEYS_FILE, KeyFile, StoredKey, StoredKeys
from tieout.engines.keystore import KeyStore, StoreKey
from tieout.kernel import Key, Party
from tieout.wire import genesis as first
from tieout.wire.codes import Purpose
from tieout.wire.ed25519 import SigningKey
from tieout.wire.genesis import FirstValidator, Genesis

OPERATOR: Final = "ledger-operator"
"""No role can have this name: those are identifiers."""
TEST_KEYS: Final = "Test keys, made with this ledger. Whoever reads them can sign for everybody."
PARTY_KEYS: Final = "Keys of one party. Whoever reads them can sign for it."
ONE_OPERATOR: Final = (Purpose.PUBLISH, Purpose.GOVERN)
CONSORTIUM: Final = (Purpose.PUBLISH, Purpose.GOVERN, Purpose.CHECKPOINT)
"""What a party's system may sign where an operator signs checkpoints, and where nobody does."""
RULES_VERSION: Final = 4
"""Of the ledgers that are founded here; older ones stay what they are."""
GENESIS_FORMAT: Final = 2
"""Of every ledger whose members can change: version 2 of the rules and later."""
APPROVERS: Final = ("approver-1", "approver-2")
"""Two persons a party: what is not adjusted automatically needs two people (R-ADJ-4)."""


class Roster(NamedTuple):
    """Everybody who is or was a member, and the height of the block that is signed for."""

    parties: Sequence[Party]
    height: int


class KeyRing:
    """Keys that sign, by party and purpose. Not meant to leave the process."""

    def __init__(
        self, genesis: Genesis, store: KeyStore, roster: Callable[[], Roster] | None = None
    ) -> None:
        """`roster` says who the members are by now; without it the founders are asked.

        Raises EngineError when a kept key is not the one that genesis has under its number.
        """
        self.genesis = genesis
        self.store = store
        founders = kernel.founders(genesis).parties
        self._roster = roster or (lambda: Roster(founders, 1))
        self._keys: dict[bytes, StoreKey] = {}
        self._look()

    @property
    def salt_secret(self) -> bytes:
        """What the salts of rows are derived from (32 bytes)."""
        return self.store.salt_secret

    def _look(self) -> None:
        """Find out which keys the store has."""
        for kept in self.store.kept():
            found = self.genesis.find_key(kept.party, kept.key)
            if found is not None and found[1].public != kept.public.hex():
                raise EngineError(
                    f"key {kept.key} of party {kept.party} is not the one in genesis",
                    "put back the key file that was made with this ledger",
                )
            self._keys.setdefault(kept.public, StoreKey(self.store, kept.public))

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
    ) -> tuple[int, StoreKey]:
        """The (key number, key) of a party, or of one of its persons, for a purpose.

        The key may sign in the next block, or at `height`; of several it is the one that came last.
        Raises EngineError when this ring holds none, which says what became of those it had.
        """
        roster = self._roster()
        at = roster.height if height is None else height
        known = roster.parties[party - 1]
        valid = [key for key in self._for(known, purpose, person) if is_valid(key, at)]
        if not valid:
            # A process that runs finds the keys that came meanwhile.
            self.store.refresh()
            self._look()
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

    Raises EngineError when the file is absent, does not fit, or is sealed and nobody says its
    passphrase.
    """
    return KeyRing(genesis, KeyFile(directory), roster)
