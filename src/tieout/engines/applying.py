"""A party that wants to join: its keys, made in its own house, and their public halves for others.

An application is a JSON file that a member turns into the steps of a change (R-MEMBER-2). It says
nothing of the party's number, which is known only when it is admitted: the key file stands on its
own, and finds its party by the keys (`keyring`).
"""

import secrets
from pathlib import Path
from typing import Final, Literal

import msgspec

from tieout.engines.errors import EngineError
from tieout.engines.keyfile import KEYS_FILE, HeldKeys, StoredKeys, write_keys
from tieout.engines.keyring import APPROVERS, CONSORTIUM, ONE_OPERATOR, PARTY_KEYS
from tieout.engines.keystore import KeyStore
from tieout.wire.codes import Purpose
from tieout.wire.members import Admit, NewKey, NewPerson, SetValidator, Step, is_name
from tieout.wire.salts import SECRET_BYTES

NOT_YET: Final = 0
"""The number of a party that is not admitted."""
_ROSTER: Final = ("system", *APPROVERS)


class ApplicantKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The public half of a key (hex), and what it shall be for."""

    public: str
    purposes: tuple[str, ...]


class Applicant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody, or a system, that shall act for the party."""

    name: str
    keys: tuple[ApplicantKey, ...]


class Application(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a party asks for. `validator` is the key (hex) of its node, empty without one."""

    format: Literal["tieout/application/1"]
    name: str
    persons: tuple[Applicant, ...]
    validator: str = ""

    def to_bytes(self) -> bytes:
        """The file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    def steps(self, number: int, power: int) -> list[Step]:
        """The steps that admit it as the party of that number; its node with that power."""
        counted = 0
        persons = []
        for place, person in enumerate(self.persons, start=1):
            keys = []
            for key in person.keys:
                counted += 1
                purposes = sorted(Purpose[purpose.upper()] for purpose in key.purposes)
                keys.append(NewKey(counted, bytes.fromhex(key.public), tuple(map(int, purposes))))
            persons.append(NewPerson(place, person.name, tuple(keys)))
        steps: list[Step] = [Admit(number, self.name, tuple(persons))]
        if self.validator and power:
            steps.append(SetValidator(number, bytes.fromhex(self.validator), power))
        return steps


def apply(directory: Path, name: str, validator: str) -> Application:
    """Make keys for a party in its own directory, and its application.

    `validator` is the public key (hex) of its node, empty without one. Raises EngineError when
    there are keys already, or the name is unfit.
    """
    _check_name(name)
    if (directory / KEYS_FILE).exists():
        raise EngineError(f"{directory} holds keys already", "name a directory of its own")
    fresh = HeldKeys(StoredKeys(1, PARTY_KEYS, secrets.token_hex(SECRET_BYTES), ()))
    application = _made(fresh, name, NOT_YET, CONSORTIUM, validator)
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_keys(directory, fresh.stored)
    except OSError as error:
        raise EngineError(f"{directory} cannot be written: {error.strerror}") from error
    return application


def take_in(store: KeyStore, name: str, number: int) -> Application:
    """Make keys for a party of one operator's ledger, beside those of the others.

    Raises EngineError when the name is unfit, or the store keeps no further keys.
    """
    _check_name(name)
    return _made(store, name, number, ONE_OPERATOR, "")


def read_application(path: Path) -> Application:
    """Read an application. Raises EngineError for anything else."""
    try:
        application = msgspec.json.decode(path.read_bytes(), type=Application)
        application.steps(1, 1)
    except (OSError, msgspec.MsgspecError, ValueError, KeyError) as error:
        raise EngineError(
            f"{path} is no application: {error}", "`tieout member apply` writes one"
        ) from error
    return application


def _check_name(name: str) -> None:
    if not is_name(name):
        raise EngineError(
            f"{name!r} is no name of a party",
            "a name has 1 to 36 bytes of printable text, without outer spaces",
        )


def _made(
    store: KeyStore,
    name: str,
    party: int,
    purposes_of_system: tuple[Purpose, ...],
    validator: str,
) -> Application:
    """Make the keys of a party where they are kept; an application with their public halves."""
    persons: list[Applicant] = []
    for number, person in enumerate(_ROSTER, start=1):
        purposes = (Purpose.APPROVE,) if person in APPROVERS else purposes_of_system
        names = tuple(purpose.name.lower() for purpose in purposes)
        public = store.make(party, number, number)
        persons.append(Applicant(person, (ApplicantKey(public.hex(), names),)))
    return Application("tieout/application/1", name, tuple(persons), validator)
