"""The plan of a network: which parties are members of which ledger, and where each is reached.

```toml
[ledgers.fund]
parties = ["seller", "registrar", "bank", "regulator"]   # their nodes vote on blocks
observers = ["auditor"]                                  # theirs follow, and do not vote

[ledgers.custody]
parties = ["bank", "custodian"]

[hosts]
bank = "10.0.0.7"                                        # 127.0.0.1 for whoever is not named
```

Every ledger of every party has two addresses of its own: one for the other members' nodes, and one
on loopback for the house's programs. Ports go up by ten from a first one, ledger by ledger; none is
given out twice, so that any of the parties may share a machine.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from tieout.engines.cometbft.founding import LedgerPlan, Member
from tieout.engines.errors import EngineError

FIRST_PORT: Final = 26_656
"""CometBFT's own choice; used where nobody states another."""
PORTS_A_COPY: Final = 10
LAST_PORT: Final = 65_535
VOTING_POWER: Final = 10
"""Of each founding validator; the ledger may change it."""
LOOPBACK: Final = "127.0.0.1"


class LedgerMembers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The members of one ledger, by name."""

    parties: tuple[str, ...]
    observers: tuple[str, ...] = ()

    @property
    def members(self) -> tuple[str, ...]:
        """All of them, in the order of their numbers."""
        return self.parties + self.observers


class NetworkPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ledgers by name, in order, and hosts by party."""

    ledgers: dict[str, LedgerMembers]
    hosts: dict[str, str] = {}

    def parties(self) -> list[str]:
        """All parties, each once, in the order in which ledgers name them."""
        return list(
            dict.fromkeys(name for members in self.ledgers.values() for name in members.members)
        )

    def copies(self) -> int:
        """How many copies of ledgers there will be: one for each member of each."""
        return sum(len(each.members) for each in self.ledgers.values())


def read_plan(path: Path) -> NetworkPlan:
    """The plan in a TOML file. Raises EngineError."""
    try:
        plan = msgspec.toml.decode(path.read_bytes(), type=NetworkPlan)
    except OSError as error:
        raise EngineError(f"{path} cannot be read: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EngineError(
            f"{path} is no plan of a network: {error}", "see docs/network.md"
        ) from error
    if not plan.ledgers:
        raise EngineError(f"{path} names no ledger", "write [ledgers.NAME] with its parties")
    strangers = [name for name in plan.hosts if name not in plan.parties()]
    if strangers:
        raise EngineError(f"{path} has a host of {strangers[0]}, who is a member of no ledger")
    return plan


def with_ports(plan: NetworkPlan, first_port: int) -> list[LedgerPlan]:
    """The ledgers with addresses: the hosts of the plan, ports from the first one on.

    Raises EngineError when there are not so many ports.
    """
    last = first_port + PORTS_A_COPY * (plan.copies() - 1) + 1
    if last > LAST_PORT:
        raise EngineError(f"ports would go up to {last}", "give a lower first port")
    ports = iter(range(first_port, last, PORTS_A_COPY))

    def at(party: str) -> tuple[str, str]:
        port = next(ports)
        return f"{plan.hosts.get(party, LOOPBACK)}:{port}", f"{LOOPBACK}:{port + 1}"

    return _placed(plan, at)


def with_addresses(plan: NetworkPlan, addresses: Iterator[str]) -> list[LedgerPlan]:
    """The ledgers with addresses from somewhere else, two for each copy; hosts are left out."""
    return _placed(plan, lambda _party: (next(addresses), next(addresses)))


def _placed(plan: NetworkPlan, at: Callable[[str], tuple[str, str]]) -> list[LedgerPlan]:
    """The ledgers; `at` gives the two addresses of a party's next copy."""
    ledgers = []
    for name, each in plan.ledgers.items():
        voters = [Member(who, VOTING_POWER, *at(who)) for who in each.parties]
        observers = [Member(who, 0, *at(who)) for who in each.observers]
        ledgers.append(LedgerPlan(name, (*voters, *observers)))
    return ledgers
