"""The days of the golden ledgers of rules version 4 in which parties state their days."""

import random
from collections.abc import Callable
from typing import Final

from tieout.testing.histories import SCRIPT_BYTES
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import Stage, play
from tieout.testing.stating import tell_stating
from tieout.testing.workbench import Sender, newest_genesis, row_bytes
from tieout.wire.block import Block
from tieout.wire.codes import OperationKind
from tieout.wire.operations import CloseCutoff

DAY_US: Final = 86_400_000_000
CLOSING_STREAM: Final = 40_000

FUND = """
name = "fund"
version = 1
roles = ["seller", "registrar"]
[fields.currency]
type = "code"
length = 3
[fields.amount]
type = "money"
scale = 2
currency = { field = "currency" }
[fields.shares]
type = "quantity"
scale = 4
optional = true
"""
MORNING = """
seller T1 r1 CNY 100.00 10.0000 & T2 r1 EUR 50.00 5.0000 & T3 r1 EUR 1.00 -
registrar T1 r1 CNY 100.00 10.0000 & T2 r1 EUR 50.00 5.0000
"""
EVENING = """
seller T5 r1 CNY 7.00 -
seller T6 r1 CNY 8.00 0.5000
seller T6 r2 withdrawn
wait 1s
state seller 0:1-6 until 1s
    T1 CNY 100.00 10.0000
    T2 EUR 50.00 5.0000
    T3 EUR 1.00 -
    T4 CNY 9.00 -
    T5 CNY 7.00 -
told
    statement_differs seller north 4 count totals set_hash omitted
    total_differs seller north amount
    batch_omitted seller north 0:3
state registrar 0:1-2
    T1 CNY 100.00 10.0000
    T2 EUR 50.00 5.0000
told
    statement_ties_out registrar south 2
state registrar 0:1-3
    T1 EUR 50.00 5.0000
    T2 CNY 100.00 10.0000
told
    statement_differs registrar south r2 2 set_hash
state seller 0:1-2,4-5,7
    T1 CNY 100.00 10.0000
    T2 EUR 50.00 5.0000
    T3 EUR 1.00 -
    T5 CNY 7.00 1.0000
told
    statement_differs seller north 4 totals set_hash unstated
    total_differs seller north shares
    batch_unstated seller north 0:6
state seller until 0s -> bad_period
state seller 0:3,1 -> malformed_statement
state seller by south -> not_entitled
block
    cutoff by south
cutoff by south -> no_effect
"""


def statements(rules: RuleBook) -> None:
    """A lost batch, an unknown one, a wrong total, a wrong record; and what refuses a statement."""
    genesis = newest_genesis()
    stage = play(rules, MORNING, FUND, genesis=genesis)
    agreement = stage.books[0]
    stage.bench.sender.batch(agreement, 1, 0, [row_bytes(agreement, "T4", 1, {1: 900})])  # lost
    for line, below in _lines(EVENING):
        stage.act(line, below)
    _twice_in_a_block(stage)
    stage.act("wait 1s", [])
    stage.act("cutoff", [])


def _lines(script: str) -> list[tuple[str, list[str]]]:
    steps: list[tuple[str, list[str]]] = []
    for line in script.strip().splitlines():
        if line.startswith(" "):
            steps[-1][1].append(line.strip())
        else:
            steps.append((line, []))
    return steps


def _twice_in_a_block(stage: Stage) -> None:
    bench = stage.bench
    bodies = [stage.statement(f"registrar after {ago}", []) for ago in ("2s", "3s")]
    items = [bench.sender.operation(2, OperationKind.STATE_DAY, body) for body in bodies]
    outcomes = [item.outcome.name.lower() for item in bench.apply(*items).items]
    assert outcomes == ["accepted", "too_soon"]


def chance_of_statements(seed: int) -> Callable[[RuleBook], None]:
    """A random history under version 4 with statements, closed at its end."""

    def day(rules: RuleBook) -> None:
        history = tell_stating(random.Random(seed).randbytes(SCRIPT_BYTES))
        state = rules.initial_state(history.genesis)
        for block in history.blocks:
            state, _ = rules.apply_block(state, block)
        last = history.blocks[-1]
        time_us = last.time_us + DAY_US
        close = Sender(history.genesis.ledger_id()).operation(
            history.state.newest[history.name].holders[0][0],
            OperationKind.CLOSE_CUTOFF,
            CloseCutoff(history.name, time_us),
            stream=CLOSING_STREAM,
        )
        rules.apply_block(state, Block(last.height + 1, time_us, (close,)))

    return day


DAYS: Final[dict[str, Callable[[RuleBook], None]]] = {
    "statements": statements,
    "chance-statements-1": chance_of_statements(41),
    "chance-statements-2": chance_of_statements(42),
}
