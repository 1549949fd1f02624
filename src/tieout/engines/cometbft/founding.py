"""Founding a network: for each ledger a genesis that its members share, and each member's copy.

```
DIR/<party>/                carried to the party's machine, and kept from everybody else
    ledgers/<ledger>/       one for each ledger of which the party is a member
        keys.json           the private keys of the party's system and people (0600)
        …                   the files of its node (`settings`)
```

Ledgers know nothing of each other: each is a chain of its own, with its own genesis, keys and
addresses. Whoever founds has every private key in hand for a moment. Members who trust nobody with
that found with keys that each of them made, and put only the public halves together: the files are
the same.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tieout.engines.cometbft.places import GENESIS_FILE, NODE_FILE
from tieout.engines.cometbft.settings import Network, NodeKeys, NodeSettings, write_node
from tieout.engines.errors import EngineError
from tieout.engines.keyfile import write_keys
from tieout.engines.keyring import found_consortium
from tieout.engines.places import LEDGERS
from tieout.wire.genesis import FirstValidator

NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
"""Parties and ledgers are named like their directories."""


class Member(NamedTuple):
    """A party to be: its name, its validator's power (0: its node only follows), its addresses."""

    name: str
    power: int
    p2p: str
    rpc: str


class LedgerPlan(NamedTuple):
    """A ledger to be: its name, and its members in the order of their numbers."""

    name: str
    members: tuple[Member, ...]


def found_ledgers(folder: Path, ledgers: Sequence[LedgerPlan], created_us: int) -> list[list[Path]]:
    """Found several ledgers; for each, in order, the directories of its members' copies.

    Raises EngineError, with nothing written, when one of them cannot be founded as `found_network`
    says, or two have one name.
    """
    names = [ledger.name for ledger in ledgers]
    if len(set(names)) != len(names):
        raise EngineError("two ledgers have one name", "give each its own")
    for ledger in ledgers:
        _check(folder, ledger)
    return [found_network(folder, name, members, created_us) for name, members in ledgers]


def found_network(
    folder: Path, ledger: str, members: Sequence[Member], created_us: int
) -> list[Path]:
    """Write genesis, keys and node files of one ledger; the directories of its copies, in order.

    Raises EngineError when there is such a ledger already, nobody would vote, or a name is unfit.
    """
    _check(folder, LedgerPlan(ledger, tuple(members)))
    keys = [NodeKeys.make() for _ in members]
    validators = [
        FirstValidator(number, own.validator.public.hex(), member.power)
        for number, (member, own) in enumerate(zip(members, keys, strict=True), start=1)
        if member.power
    ]
    names = [member.name for member in members]
    genesis, stored = found_consortium(names, created_us, ledger, validators)
    network = Network(
        genesis,
        tuple(
            (member.name, own.validator.public, member.power)
            for member, own in zip(members, keys, strict=True)
            if member.power
        ),
        tuple(own.node_id for own in keys),
    )
    addresses = [f"{own.node_id}@{member.p2p}" for member, own in zip(members, keys, strict=True)]
    directories = []
    for number, (member, own) in enumerate(zip(members, keys, strict=True)):
        directory = folder / member.name / LEDGERS / ledger
        peers = tuple(each for i, each in enumerate(addresses) if i != number)
        write_node(
            directory, network, NodeSettings(member.name, member.p2p, member.rpc, peers), own
        )
        for private in (folder / member.name, directory):
            private.chmod(0o700)
        write_keys(directory, stored[number])
        directories.append(directory)
    return directories


def _check(folder: Path, ledger: LedgerPlan) -> None:
    names = [member.name for member in ledger.members]
    for name, what in [(ledger.name, "ledger"), *((name, "member") for name in names)]:
        if not NAME.fullmatch(name):
            raise EngineError(
                f"{name!r} is no name of a {what}",
                "a name has up to 32 lower-case letters, digits and hyphens, a letter first",
            )
    if len(set(names)) != len(names):
        raise EngineError(f"two members of {ledger.name} have one name", "give each its own")
    if not any(member.power for member in ledger.members):
        raise EngineError(
            f"nobody would vote on the blocks of {ledger.name}",
            "at least one member is no observer",
        )
    for name in names:
        for taken in (folder / name / LEDGERS / ledger.name, folder / name):
            if (taken / GENESIS_FILE).exists() or (taken / NODE_FILE).exists():
                raise EngineError(f"{taken} holds a ledger already", "name another directory")
