"""A ledger whose members change, for the scenarios about them."""

from typing import Any

from tests.scenarios.agreements import pair
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import Stage, play
from tieout.testing.workbench import SYSTEM, Workbench, governed_genesis
from tieout.wire.codes import OperationKind
from tieout.wire.genesis import Genesis
from tieout.wire.members import ProposeChange

FOUR = governed_genesis(4)
"""North, south, east and west: three votes are needed."""


def act(rules: RuleBook, script: str, genesis: Genesis = FOUR, **more: Any) -> Stage:
    return play(rules, script, pair(), genesis=genesis, **more)


def outcome(bench: Workbench, body: ProposeChange, party: int = 1, key: int = SYSTEM) -> str:
    """What becomes of a proposal, in a block of its own."""
    item = bench.sender.operation(party, OperationKind.PROPOSE_CHANGE, body, key=key)
    return bench.apply(item).items[0].outcome.name.lower()
