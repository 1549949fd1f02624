"""The days of the golden ledgers of rules version 2: members, keys, holders, validators change."""

import random
from collections.abc import Callable
from typing import Final

from tieout.testing.governed import tell_governed
from tieout.testing.histories import SCRIPT_BYTES, History
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.testing.workbench import Sender, governed_genesis, signing_key
from tieout.wire.block import Block
from tieout.wire.codes import OperationKind, Purpose
from tieout.wire.limits import MAX_OPEN_CHANGES
from tieout.wire.members import ProposeChange, SetValidator
from tieout.wire.operations import CloseCutoff

DAY_US: Final = 86_400_000_000
CLOSING_STREAM: Final = 40_000

PAIR = """
name = "pair"
version = 1
roles = ["seller", "bank"]
[fields.amount]
type = "money"
scale = 2
[deadlines]
bank = "30s"
"""
MEMBERS_DAY = """
seller T1 r1 100.00 & T2 r1 100.00 & T3 r1 100.00
bank T1 r1 100.00
change A by north: key north/1 21 publish govern & revoke north 1 & person north 6 Cy 31 approve
seller T4 r1 1.00 -> key_not_valid
seller@north/21 T4 r1 1.00
change B by north/21: admit harbour & validator 5 5
change C by south: admit sixth 5
vote B by south
vote B against by west
vote B by north/21 -> no_effect
block
    vote B by east
    vote B by south -> not_applicable
change D until 18 by east: remove north
block
    vote C by north/21 -> unknown_change
    vote D by harbour
    vote D by west
change E by north/21: holders bank v1 south harbour
vote E by south
vote E by east
vote E by west
vote E by harbour
bank@harbour T2 r1 100.00
change F by harbour: validator west 0 & validator east 10 key 51 & validator east 0
vote F by north/21
vote F by south
vote F against by west
vote F by east
change G by south: revoke south 1 & key south/1 21 publish govern
change H by west: validator west 7
change I by harbour: remove west
change J by harbour: remove east
vote J against by east
vote J against by west
vote I by north/21
vote I by south/21
vote I by east
blocks 1
seller@west T9 r1 1.00 -> key_not_valid
change K by east: remove west -> unknown_member
change L by east: revoke harbour 77 -> unknown_member
change M by east: validator 5 6
change N by north/21: remove south
vote N by harbour
vote N by east
wait 31s
bank@harbour T1 r1 100.00 -> unexpected
bank@harbour T3 r1 99.00
"""


def members(rules: RuleBook) -> None:
    """Everything that can become of a change, and every step that a change can have."""
    stage = play(rules, MEMBERS_DAY, PAIR, genesis=governed_genesis(4))
    bench = stage.bench
    propose = OperationKind.PROPOSE_CHANGE
    bodies = [
        ProposeChange((SetValidator(3, signing_key(3, 50).public, 100 + power),), 0, 1_000)
        for power in range(MAX_OPEN_CHANGES)
    ]
    bodies.append(ProposeChange((SetValidator(3, bytes(32), 1),), 0, 1_000))
    result = bench.apply(*(bench.sender.operation(3, propose, body) for body in bodies))
    outcomes = [item.outcome.name.lower() for item in result.items]
    assert outcomes == [*["accepted"] * 15, "too_many_changes", "malformed_change"]
    close = CloseCutoff("pair", bench.time_us)
    bench.apply(bench.sender.operation(1, OperationKind.CLOSE_CUTOFF, close, key=21))


def chance_of_members(seed: int) -> Callable[[RuleBook], None]:
    """A random history in which members change, closed at its end by whoever still may."""

    def day(rules: RuleBook) -> None:
        history = tell_governed(random.Random(seed).randbytes(SCRIPT_BYTES))
        state = rules.initial_state(history.genesis)
        for block in history.blocks:
            state, _ = rules.apply_block(state, block)
        last = history.blocks[-1]
        party, key = who_may_close(history, last.height + 1)
        time_us = last.time_us + DAY_US
        close = Sender(history.genesis.ledger_id()).operation(
            party,
            OperationKind.CLOSE_CUTOFF,
            CloseCutoff(history.name, time_us),
            key=key,
            stream=CLOSING_STREAM,
        )
        state, result = rules.apply_block(state, Block(last.height + 1, time_us, (close,)))
        assert result.items[0].outcome.name == "ACCEPTED"

    return day


def who_may_close(history: History, height: int) -> tuple[int, int]:
    """Party and key of a holder that can publish at a height."""
    members, book = history.state.members, history.state.newest[history.name]
    return next(
        (party.number, key.number)
        for party in members.parties
        if any(party.number in parties for parties in book.holders)
        for person in party.persons
        for key in person.keys
        if Purpose.PUBLISH in key.purposes and key.is_valid_at(height)
    )


DAYS: Final[dict[str, Callable[[RuleBook], None]]] = {
    "members": members,
    "chance-members-1": chance_of_members(13),
    "chance-members-2": chance_of_members(21),
    "chance-members-3": chance_of_members(57),
}
