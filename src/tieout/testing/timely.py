"""What rules version 4 adds of time to random agreements: business days between dates.

Refinements are chosen so that values and waits of histories lie on both sides of them.
"""

from typing import Any, Final

from hypothesis import strategies as st

from tieout.testing.agreements import Chooser, Tree, choose_tree
from tieout.testing.dice import Dice
from tieout.testing.histories import PARTY_COUNT, SCRIPT_BYTES, History, Story, tell_story
from tieout.testing.refinements import choose_calendar, refine
from tieout.testing.workbench import newest_genesis

_MOSTLY: Final = (False, True, True)


@st.composite
def timely_histories(draw: st.DrawFn, script_bytes: int = SCRIPT_BYTES) -> History:
    """Histories under rules version 4, with agreements that have much to say of time."""
    return tell_timely(draw(st.binary(min_size=script_bytes // 2, max_size=script_bytes)))


def tell_timely(script: bytes) -> History:
    """The history under rules version 4 in which a script makes all choices."""
    dice = Dice(script)
    tree = hurry(dice, refine(dice, choose_tree(dice, max_fields=4)))
    return tell_story(Story(tree, dice, newest_genesis(PARTY_COUNT)))


def hurry(chooser: Chooser, tree: Tree) -> Tree:
    """Let an agreement look at time as only rules version 4 does."""
    calendars: Any = tree.get("calendars") or {"there": choose_calendar(chooser)}
    tree = {**tree, "calendars": calendars}
    fields: Any = tree["fields"]
    for field in fields.values():
        if field["type"] == "date" and chooser.pick(_MOSTLY):
            drift = field.get("drift_days", 0)
            stated = drift if isinstance(drift, dict) else {"before": drift, "after": drift}
            field["drift_days"] = {**stated, "calendar": "there"}
    return tree
