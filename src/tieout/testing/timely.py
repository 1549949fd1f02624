"""What rules version 4 adds of time to random agreements.

Business days between dates, severities, escalation: chosen so that values and waits of histories
lie on both sides of them.
"""

from typing import Any, Final

from hypothesis import strategies as st

from tieout.agreement.urgency import KINDS, SEVERITIES
from tieout.testing.agreements import SCALED, Chooser, Tree, choose_tree
from tieout.testing.dice import Dice
from tieout.testing.histories import PARTY_COUNT, SCRIPT_BYTES, History, Story, tell_story
from tieout.testing.refinements import choose_calendar, refine
from tieout.testing.workbench import newest_genesis
from tieout.units.numbers import format_scaled

_MOSTLY: Final = (False, True, True)
_DURATIONS: Final = ("1us", "1ms", "1s", "5s", "30s", "1m", "2h", "400d")
_DUES: Final = ("0bd 22:13", "0bd 22:14", "1bd 06:13", "2bd 12:00")
_CURRENCIES: Final = ("CNY", "EUR", "usd")


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
    if chooser.pick(_MOSTLY):
        tree["severity"] = _choose_severity(chooser, fields)
    if chooser.pick(_MOSTLY):
        tree["escalation"] = _choose_escalation(chooser)
    return tree


def _choose_severity(chooser: Chooser, fields: Any) -> Tree:
    """Some kinds, amounts of some fields, and some ages."""
    amounts: Tree = {}
    for name, field in fields.items():
        if field["type"] in (*SCALED, "integer") and chooser.pick(_MOSTLY):
            chosen = [each for each in SEVERITIES if chooser.pick(_MOSTLY)] or ["critical"]
            alike = "equivalent" in fields.get("currency", {})
            codes = _CURRENCIES[:1] if alike else _CURRENCIES[: chooser.pick((1, 2, 3))]
            amounts[name] = {each: _choose_amount(chooser, field, codes) for each in chosen}
    kinds = {kind: chooser.pick(SEVERITIES) for kind in KINDS if chooser.pick((True, False))}
    ages = {each: _choose_delay(chooser) for each in SEVERITIES if chooser.pick((True, False))}
    return {"kinds": kinds, "amounts": amounts, "ages": ages or {"high": "30s"}}


def _choose_amount(chooser: Chooser, field: Tree, codes: tuple[str, ...]) -> str | Tree:
    if isinstance(field.get("currency"), dict):
        return {code: _choose_units(chooser, field) for code in codes}
    return _choose_units(chooser, field)


def _choose_units(chooser: Chooser, field: Tree) -> str:
    """A few units of the last decimal: as far as values lie apart."""
    scale: Any = field.get("scale", 0)
    return format_scaled(chooser.pick(range(6)), scale)


def _choose_escalation(chooser: Chooser) -> list[Tree]:
    """Up to three steps; durations ascend, business times come when they come."""
    first = chooser.pick(range(4))
    steps: list[Tree] = [
        {"after": after, "to": "desk"}
        for after in _DURATIONS[first : first + 3 : chooser.pick((1, 2))]
    ]
    if chooser.pick((True, False)):
        due: Tree = {"after": _choose_business_time(chooser), "to": "head"}
        steps.insert(chooser.pick(range(len(steps) + 1)), due)
    return steps


def _choose_delay(chooser: Chooser) -> str | Tree:
    if chooser.pick(_MOSTLY):
        return chooser.pick(_DURATIONS)
    return _choose_business_time(chooser)


def _choose_business_time(chooser: Chooser) -> Tree:
    return {"at": chooser.pick(_DUES), "calendar": "there"}
