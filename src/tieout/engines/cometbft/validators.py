"""Who decides on blocks, as far as the state of the ledger says so.

Under rules version 1 the state keeps no validators: those of CometBFT's genesis stay. The
application compares what `validators_of` says before and after a block, and hands the difference to
CometBFT, for which it takes effect two heights later.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tieout import kernel
from tieout.engines.cometbft import abci_pb2 as abci


class Validator(NamedTuple):
    """An Ed25519 public key (32 bytes) and its voting power, above zero."""

    public: bytes
    power: int


def validators_of(state: kernel.State) -> tuple[Validator, ...]:
    """The validators that the state keeps; none under rules version 1."""
    return tuple(Validator(each.public, each.power) for each in kernel.validators(state))


def updates(before: Sequence[Validator], after: Sequence[Validator]) -> list[abci.ValidatorUpdate]:
    """What turns one set into the other, by key; power 0 removes. The same list on every node."""
    old, new = dict(before), dict(after)
    changed = {key: 0 for key in old if key not in new}
    changed |= {key: power for key, power in new.items() if old.get(key) != power}
    return [
        abci.ValidatorUpdate(pub_key=abci.PublicKey(ed25519=key), power=power)
        for key, power in sorted(changed.items())
    ]
