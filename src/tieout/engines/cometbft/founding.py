"""Founding a network: a genesis that all members share, and a directory for the node of each.

```
DIR/<member>/            carried to the member's machine, and kept from everybody else
    keys.json            the private keys of the member's system and people (0600)
    …                    the node's files (`settings`)
```

Whoever founds has every private key in hand for a moment. Members who trust nobody with that found
with keys that each of them made, and put only the public halves together: the files are the same.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tieout.engines.cometbft.places import GENESIS_FILE
from tieout.engines.cometbft.settings import Network, NodeKeys, NodeSettings, write_node
from tieout.engines.errors import EngineError
from tieout.engines.keyring import found_consortium, write_keys
from tieout.wire.genesis import FirstValidator

NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
"""A member's name is the name of its node's directory, too."""


class Member(NamedTuple):
    """A party to be: its name, its validator's power (0: its node only follows), its addresses."""

    name: str
    power: int
    p2p: str
    rpc: str


def found_network(
    folder: Path, ledger: str, members: Sequence[Member], created_us: int
) -> list[Path]:
    """Write genesis, keys and node files of all members; their directories, in order.

    Raises EngineError when there is a network already, nobody would vote, or a name is unfit.
    """
    _check(folder, members)
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
        directory = folder / member.name
        peers = tuple(each for i, each in enumerate(addresses) if i != number)
        write_node(
            directory, network, NodeSettings(member.name, member.p2p, member.rpc, peers), own
        )
        directory.chmod(0o700)
        write_keys(directory, stored[number])
        directories.append(directory)
    return directories


def _check(folder: Path, members: Sequence[Member]) -> None:
    names = [member.name for member in members]
    for name in names:
        if not NAME.fullmatch(name):
            raise EngineError(
                f"{name!r} is no name of a member",
                "a name has up to 32 lower-case letters, digits and hyphens, a letter first",
            )
    if len(set(names)) != len(names):
        raise EngineError("two members have one name", "give each its own")
    if not any(member.power for member in members):
        raise EngineError("nobody would vote on blocks", "at least one member is no observer")
    for name in names:
        if (folder / name / GENESIS_FILE).exists():
            raise EngineError(f"{folder / name} holds a node already", "name another directory")
