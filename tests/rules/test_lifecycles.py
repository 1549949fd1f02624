"""The diagrams of docs/life-cycles.md are drawn from the tables by which the rules work."""

from collections.abc import Mapping
from enum import IntEnum, StrEnum

import pytest

from tests.house.tree import ROOT
from tieout.reference.adjusting import ADJUSTMENT_LIFE
from tieout.reference.alarms import ALARM_LIFE
from tieout.reference.governing import CHANGE_LIFE

PAGE = ROOT / "docs" / "life-cycles.md"


LIVES: dict[str, Mapping[tuple[IntEnum, StrEnum], IntEnum]] = {
    "alarm": ALARM_LIFE,
    "adjustment": ADJUSTMENT_LIFE,
    "change": CHANGE_LIFE,
}


def drawn(life: Mapping[tuple[IntEnum, StrEnum], IntEnum]) -> str:
    """A Mermaid state diagram of a life-cycle, one arrow a line, in the order of the table."""
    arrows = [
        f"    {word(was)} --> {word(now)}: {cause.value}" for (was, cause), now in life.items()
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", *arrows, "```"])


def word(state: IntEnum) -> str:
    return "[*]" if state == 0 else state.name.lower()


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES)
def test_the_manual_shows_the_table(life: Mapping[tuple[IntEnum, StrEnum], IntEnum]) -> None:
    """R-ALARM-1 to R-ALARM-4, R-ADJ-6 to R-ADJ-8, R-MEMBER-3 to R-MEMBER-6."""
    assert drawn(life) in PAGE.read_text(encoding="utf-8")
