"""Severities and escalation in the read models, as the ledger has them: R-SEVERITY, R-ESCALATE."""

import random
from typing import Any

import pytest

from tests.golden.time_days import PAYMENT, URGENT_DAY
from tieout import kernel
from tieout.projections.database import Database
from tieout.projections.filters import AlarmFilter, BreakFilter
from tieout.projections.reader import Reader
from tieout.projections.schema import empty
from tieout.projections.troubles import Moment, Troubles
from tieout.testing.histories import SCRIPT_BYTES, History
from tieout.testing.readmodels import Kept, kept, whole
from tieout.testing.rulebooks import rule_book
from tieout.testing.scenarios import play
from tieout.testing.timely import tell_timely
from tieout.testing.workbench import newest_genesis
from tieout.wire.block import Block, BlockResult


def expected(state: kernel.State, name: str) -> list[tuple[Any, ...]]:
    """The open alarms of a ledger, each with its severity and the steps that were taken."""
    found = []
    for each in kernel.alarms(state, name):
        severity, steps = kernel.urgency_of(state, each.agreement, each.serial)
        word = severity.name.lower() if severity else ""
        found.append((each.transaction_id.decode(), each.alarm.name.lower(), word, steps))
    return sorted(found)


def listed(reader: Reader) -> list[tuple[Any, ...]]:
    return sorted(
        (each.transaction_id, each.state, each.severity, each.escalation_step)
        for each in whole(reader.alarms, AlarmFilter())
    )


@pytest.mark.parametrize("seed", [1, 17, 21, 27, 34, 46, 54, 58])
def test_alarms_are_as_severe_and_escalated_as_the_ledger_says(
    sqlite_database: Database, seed: int
) -> None:
    """R-SEVERITY-4, R-ESCALATE-1: after every block, and for who begins with a state."""
    history = tell_timely(random.Random(seed).randbytes(SCRIPT_BYTES))
    empty(sqlite_database)
    reader = Reader(sqlite_database)
    with kept(history) as ledger:
        follower = ledger.follower(sqlite_database)
        for height in ledger.blocks():
            follower.catch_up()
            if ledger.state.books:
                assert listed(reader) == expected(ledger.state, history.name)
                assert begun(ledger, height) == expected(ledger.state, history.name)


def begun(ledger: Kept, height: int) -> list[tuple[Any, ...]]:
    """The alarms as a copy has them that knows nothing earlier."""
    troubles = Troubles((), ())
    troubles.begin_with(ledger.state, Moment(height, ledger.state.time_us))
    return sorted(
        (each.transaction_id, each.state, each.severity, each.escalation_step)
        for each in troubles.take()[1]
    )


class Recorded:
    """The fast rules, which keep the blocks that they are given."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.results: list[BlockResult] = []
        self._rules = rule_book("kernel")

    def apply_block(self, state: Any, block: Block) -> tuple[Any, BlockResult]:
        state, result = self._rules.apply_block(state, block)
        self.blocks.append(block)
        self.results.append(result)
        return state, result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rules, name)


def test_lists_are_chosen_by_severity_and_by_who_was_told(sqlite_database: Database) -> None:
    """R-SEVERITY-1, R-ESCALATE-1: and what is mended keeps what it was."""
    recorded: Any = Recorded()
    stage = play(recorded, URGENT_DAY, PAYMENT, genesis=newest_genesis())
    history = History(
        newest_genesis(),
        tuple(recorded.blocks),
        tuple(recorded.results),
        stage.bench.state,
        "payment",
    )
    empty(sqlite_database)
    reader = Reader(sqlite_database)
    with kept(history) as ledger:
        for _ in ledger.blocks():
            pass
        ledger.follower(sqlite_database).catch_up()
    critical = whole(reader.alarms, AlarmFilter(severity=("critical",)))
    assert [(each.transaction_id, each.state) for each in critical] == [
        ("T1", "escalated"),
        ("T2", "acknowledged"),
    ]
    told = whole(reader.alarms, AlarmFilter(is_open=None, escalated_to=("head_of_operations",)))
    assert [each.transaction_id for each in told] == ["T1", "T2"]
    assert {each.escalation_step for each in told} == {2}
    breaks = whole(reader.breaks, BreakFilter(severity=("critical",)))
    assert {each.transaction_id for each in breaks} == {"T1", "T2"}
    mended = whole(reader.breaks, BreakFilter(is_open=False, transaction_id="T3"))
    assert {each.severity for each in mended} == {"critical"}
