"""Life-cycles are tables: the rules keep to them, and the manual's diagrams are drawn from them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.evidence.ledgers import RecordedLedger
from tests.evidence.scripts import AGREEMENT
from tests.golden.form import blocks_of, files, genesis_of
from tests.house.tree import ROOT
from tests.rules.observing import Observer, Step
from tieout.agreement.parse import parse_agreement
from tieout.reference import adjusting, alarms, governing, motions
from tieout.reference.lifecycles import ADJUSTMENT_LIFE, ALARM_LIFE, CHANGE_LIFE, LIVES, MOTION_LIFE
from tieout.testing.governed import agreed_histories, governed_histories
from tieout.testing.grouped import grouped_histories
from tieout.testing.histories import History, histories, refined_histories
from tieout.testing.people import people_histories
from tieout.testing.rulebooks import RuleBook, rule_book
from tieout.testing.scenarios import play
from tieout.testing.timely import timely_histories
from tieout.testing.workbench import Workbench, governed_genesis
from tieout.wire.block import Block
from tieout.wire.codes import OperationKind
from tieout.wire.genesis import Genesis
from tieout.wire.operations import Enact

PAGE = ROOT / "docs" / "life-cycles.md"
TABLES = {(life, was, now) for life, table in LIVES.items() for (was, _), now in table.items()}


# ---------------------------------------------------------------- the rules keep to the tables


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    histories()
    | refined_histories()
    | governed_histories()
    | agreed_histories()
    | people_histories()
    | timely_histories()
    | grouped_histories()
)
def test_nothing_happens_that_is_not_in_a_table(history: History) -> None:
    """R-ALARM-1 to R-ALARM-4, R-ESCALATE-1, R-ADJ-1 to R-ADJ-8, R-AGREE-1, R-MEMBER-1."""
    seen = []
    for name in ("kernel", "reference"):
        observer = Observer()
        observer.watch(rule_book(name), history.genesis, history.blocks)
        seen.append(observer.steps)
    assert words(set(seen[0]) - TABLES) == []
    assert seen[0] == seen[1]


DAY = """
block
    seller T1 r1 100.00 CNY & T2 r1 100.00 CNY & T3 r1 100.00 CNY
    registrar T1 r1 100.00 CNY & T2 r1 100.00 CNY & T3 r1 100.00 CNY
    bank T1 r1 101.00 CNY & T2 r1 101.00 CNY & T3 r1 101.00 CNY
acknowledge T3 by south/2
refuse T1 bank by east/2              # approved at once, and refused all the same
failed T2 bank
bank T3 r2 100.00 CNY                 # verified before anybody said that it is posted
block
    seller T4 r1 1.00 CNY & T5 r1 1.00 CNY & T6 r1 1.00 CNY
    registrar T4 r1 1.00 CNY & T5 r1 200.00 CNY & T6 r1 1.00 CNY
    bank T4 r1 900.00 CNY & T5 r1 900.00 CNY & T6 r1 900.00 CNY
seller T4 r2 withdrawn                # its majority is gone, and may come again
seller T5 r2 withdrawn                # a new word may give a majority
seller T6 r2 500.00 CNY               # its majority is gone, and all have spoken
change K from 60 by north: validator west 30
vote K by south
vote K by east
vote K by harbour
change L by north: remove west
vote L by south
vote L by east
vote L by harbour
blocks 1                              # west leaves, so K can no longer be done
"""
"""What the golden ledgers do not have."""


@cache
def ledgers() -> Sequence[tuple[Genesis, Sequence[Block]]]:
    """The golden ledgers, and two that have the rest."""
    golden = [json.loads(path.read_text(encoding="utf-8")) for path in files()]
    day = RecordedLedger()
    play(day, DAY, AGREEMENT, genesis=governed_genesis())
    votes = enacted_one_by_one()
    return [
        *((genesis_of(ledger), blocks_of(ledger)) for ledger in golden),
        *((ledger.genesis, ledger.blocks) for ledger in (day, votes)),
    ]


def enacted_one_by_one() -> RecordedLedger:
    """Somebody wants other bindings first; then all want the same, one after the other."""
    ledger = RecordedLedger()
    bench = Workbench(ledger)
    agreement = parse_agreement(AGREEMENT)
    wanted = Enact(agreement.canonical, ((1,), (2,), (3,)))
    for party, body in (
        (4, Enact(agreement.canonical, ((1,), (2,), (4,)))),
        *((party, wanted) for party in (1, 2, 3)),
    ):
        bench.apply(bench.sender.operation(party, OperationKind.ENACT, body))
    return ledger


def test_everything_that_is_in_a_table_happens(rules: RuleBook) -> None:
    observer = Observer()
    for genesis, blocks in ledgers():
        observer.watch(rules, genesis, blocks)
    assert words(TABLES - set(observer.steps)) == []
    assert words(set(observer.steps) - TABLES) == []


def words(steps: set[Step]) -> list[str]:
    return sorted(f"{life}: {was.name} to {now.name}" for life, was, now in steps)


class Noted(dict[Any, Any]):
    """A table that notes which of its rows are read."""

    def __init__(self, rows: Mapping[Any, Any]) -> None:
        super().__init__(rows)
        self.read: set[Any] = set()

    def __getitem__(self, row: Any) -> Any:
        self.read.add(row)
        return super().__getitem__(row)

    def get(self, row: Any, default: Any = None) -> Any:
        if row in self:
            self.read.add(row)
        return super().get(row, default)


def test_every_cause_of_the_tables_that_move_something_comes_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two causes can lead from one state to the same other: that can be seen inside only."""
    tables = {
        (adjusting, "ADJUSTMENT_LIFE"): Noted(ADJUSTMENT_LIFE),
        (alarms, "ALARM_LIFE"): Noted(ALARM_LIFE),
        (governing, "CHANGE_LIFE"): Noted(CHANGE_LIFE),
        (motions, "MOTION_LIFE"): Noted(MOTION_LIFE),
    }
    for (module, name), table in tables.items():
        monkeypatch.setattr(module, name, table)
    observer = Observer()
    for genesis, blocks in ledgers():
        observer.watch(rule_book("reference"), genesis, blocks)
    for table in tables.values():
        assert [row for row in table if row not in table.read] == []


# ---------------------------------------------------------------- the manual shows them


def drawn(life: Mapping[tuple[Any, Any], IntEnum]) -> str:
    """A Mermaid state diagram of a life-cycle, one arrow a line, in the order of the table."""
    return "\n".join(["```mermaid", "stateDiagram-v2", *arrows(life), "```"])


def arrows(life: Mapping[tuple[Any, Any], IntEnum]) -> Iterator[str]:
    for (was, cause), now in life.items():
        yield f"    {word(was)} --> {word(now)}: {cause.value}"
    left = {was for was, _ in life}
    for end in dict.fromkeys(life.values()):
        if end not in left:
            yield f"    {word(end)} --> [*]"


def word(state: IntEnum) -> str:
    return "[*]" if state == 0 else state.name.lower()


def test_the_manual_shows_the_tables_and_nothing_else() -> None:
    """R-ALARM-1 to R-ALARM-4, R-ADJ-6 to R-ADJ-8, R-MEMBER-3 to R-MEMBER-6."""
    blocks = PAGE.read_text(encoding="utf-8").split("```mermaid\n")[1:]
    shown = ["```mermaid\n" + block.split("```")[0] + "```" for block in blocks]
    assert shown == [drawn(life) for life in LIVES.values()]
