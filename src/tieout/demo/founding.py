"""The demonstration's ledger: three institutions with people who have names, and the agreement.

All keys are fresh and lie beside the ledger; on one machine there is nobody to keep them from.
"""

import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec

from tieout.agreement.model import Agreement
from tieout.agreement.parse import parse_agreement
from tieout.demo.cast import INSTITUTIONS, Institution, Role
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.embedded.places import GENESIS_FILE
from tieout.engines.errors import EngineError
from tieout.engines.keyfile import write_keys
from tieout.engines.keyring import APPROVERS, found_parties
from tieout.wire.codes import OperationKind, Purpose
from tieout.wire.genesis import Genesis, Party
from tieout.wire.operations import Enact

AGREEMENT_FILE: Final = "fund-subscription.toml"
MARK: Final = "this-is-a-demonstration"
"""A file that says that the directory may be emptied for the next demonstration."""
HOLDERS: Final = {
    Role.SELLER: (INSTITUTIONS[Role.SELLER].number, INSTITUTIONS[Role.BANK].number),
    Role.REGISTRAR: (INSTITUTIONS[Role.REGISTRAR].number,),
    Role.BANK: (INSTITUTIONS[Role.BANK].number,),
}
"""Who is entitled to which role: the bank also sells."""


def demo_agreement() -> Agreement:
    """The agreement that ships with the demonstration."""
    text = (files("tieout.demo") / AGREEMENT_FILE).read_text(encoding="utf-8")
    return parse_agreement(text, AGREEMENT_FILE)


def found_demo(directory: Path, created_us: int) -> EmbeddedLedger:
    """A new ledger with the agreement in force, in place of an earlier demonstration's.

    Raises EngineError when the directory holds anything else, or cannot be written.
    """
    if directory.exists() and any(directory.iterdir()) and not (directory / MARK).exists():
        raise EngineError(
            f"{directory} is not empty and not from an earlier demonstration",
            "name another directory with --ledger DIR",
        )
    by_number = {institution.number: institution for institution in INSTITUTIONS.values()}
    names = [by_number[number].name for number in sorted(by_number)]
    genesis, stored = found_parties(names, created_us, "demonstration")
    genesis = _with_people(genesis, by_number)
    try:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        (directory / MARK).touch()
        write_keys(directory, stored)
        (directory / GENESIS_FILE).write_bytes(genesis.to_bytes() + b"\n")
    except OSError as error:
        raise EngineError(f"{directory} cannot be written: {error.strerror}") from error
    ledger = EmbeddedLedger.open(directory)
    _enact(ledger, demo_agreement(), created_us)
    return ledger


def _with_people(genesis: Genesis, institutions: Mapping[int, Institution]) -> Genesis:
    """The same genesis with people's names in place of the approvers'; the keys stay."""
    parties = tuple(
        _named(party, institutions[party.number]) if party.number in institutions else party
        for party in genesis.parties
    )
    return msgspec.structs.replace(genesis, parties=parties)


def _named(party: Party, institution: Institution) -> Party:
    names = dict(zip(APPROVERS, institution.people, strict=True))
    persons = tuple(
        msgspec.structs.replace(person, name=names.get(person.name, person.name))
        for person in party.persons
    )
    return msgspec.structs.replace(party, persons=persons)


def _enact(ledger: EmbeddedLedger, agreement: Agreement, time_us: int) -> None:
    """Every party that holds a role says yes to the same text and the same bindings."""
    body = Enact(agreement.canonical, tuple(HOLDERS[role] for role in Role))
    parties = sorted({party for holders in HOLDERS.values() for party in holders})
    for party in parties:
        ledger.operate(party, OperationKind.ENACT, Purpose.GOVERN, body, time_us)
