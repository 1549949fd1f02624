"""The days of the golden ledgers of rules version 4: agreements come into force by vote."""

import random
from collections.abc import Callable
from typing import Final

from tieout.testing.governed import tell_agreed
from tieout.testing.histories import SCRIPT_BYTES
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.testing.workbench import Sender, newest_genesis
from tieout.wire.block import Block
from tieout.wire.codes import OperationKind
from tieout.wire.operations import CloseCutoff

DAY_US: Final = 86_400_000_000
CLOSING_STREAM: Final = 40_000

V1 = """
name = "pair"
version = 1
roles = ["seller", "bank"]
[fields.amount]
type = "money"
scale = 2
"""
V2 = V1.replace("version = 1", "version = 2") + '[deadlines]\nbank = "30s"\n'
V3 = V1.replace("version = 1", "version = 3").replace("scale = 2", "scale = 4")
V4 = V1.replace("version = 1", "version = 4")
AGREEING_DAY = """
seller T1 r1 100.00
change A by east: enact v2 north south -> not_entitled
change A by north: enact v3 north south -> wrong_version
change A by north: enact v2 north 9 -> unknown_member
change A from 13 by north: enact v2 north south
change B by south: enact v2 south north
change C by north: enact v2 north south/east
vote C against by east
vote A by west -> not_entitled
vote A by south
block
    vote A by north -> not_applicable
    vote C by south -> unknown_change
seller under v2 T2 r1 100.00
told
    change_effective 1
    agreement_enacted pair 2
    change_superseded 2
    transaction_pending T2
bank under v1 T1 r1 100.00
wait 31s
change D by west: admit harbour & holders bank v2 south west & enact v3 north west
vote D by north
vote D by south
seller under v3 T3 r1 1.0000
bank@west under v2 T2 r1 100.00
change E until 24 by west: enact v4 north west
blocks 1
change F by west: enact v4 west north
enact v4 by north
enact v4 by east -> not_entitled
enact v4 by south
enact v4 by south -> no_effect
enact v4 by west
told
    agreement_enacted pair 4
    change_superseded 6
seller T4 r1 1.00
bank T4 r1 2.00
"""


def agreeing(rules: RuleBook) -> None:
    """What can become of a version that is put to the vote; enactments beside it."""
    holders = {"bank": "south"}
    stage = play(rules, AGREEING_DAY, V1, V2, V3, V4, holders=holders, genesis=newest_genesis(4))
    bench = stage.bench
    close = CloseCutoff("pair", bench.time_us)
    bench.apply(bench.sender.operation(1, OperationKind.CLOSE_CUTOFF, close))


def chance_of_votes(seed: int) -> Callable[[RuleBook], None]:
    """A random history under version 4, closed at its end."""

    def day(rules: RuleBook) -> None:
        history = tell_agreed(random.Random(seed).randbytes(SCRIPT_BYTES))
        state = rules.initial_state(history.genesis)
        for block in history.blocks:
            state, _ = rules.apply_block(state, block)
        last = history.blocks[-1]
        time_us = last.time_us + DAY_US
        party = next(party for role in history.state.newest[history.name].holders for party in role)
        close = Sender(history.genesis.ledger_id()).operation(
            party,
            OperationKind.CLOSE_CUTOFF,
            CloseCutoff(history.name, time_us),
            stream=CLOSING_STREAM,
        )
        state, result = rules.apply_block(state, Block(last.height + 1, time_us, (close,)))
        assert result.items[0].outcome.name == "ACCEPTED"

    return day


DAYS: Final[dict[str, Callable[[RuleBook], None]]] = {
    "agreeing": agreeing,
    "chance-agreeing-1": chance_of_votes(9),
    "chance-agreeing-2": chance_of_votes(16),
    "chance-agreeing-3": chance_of_votes(35),
}
