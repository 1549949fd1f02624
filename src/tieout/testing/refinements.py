"""What rules version 3 adds to random agreements: `refine` takes a plain tree and makes it subtle.

Refinements are chosen so that the values of `statements` lie on both sides of them: rounding steps
as wide as a few units, codes that differ in case or in a zero, tolerances for the codes that are
used most.
"""

from typing import Any, Final

from hypothesis import strategies as st

from tieout.agreement.keys import IGNORED
from tieout.agreement.model import Base, RoundingMode
from tieout.testing.agreements import PERCENTAGES, SCALED, Chooser, Drawn, Tree, agreement_trees

_MODES: Final = [mode.value for mode in RoundingMode]
_BASES: Final = [base.name.lower() for base in Base]
_NUMBERS: Final = ("0", "1", "3", "0.5", "1.01", "0.001", "1000")
_CLOCKS: Final = ("22:13", "22:14", "23:13", "06:13", "00:13", "12:00")
"""Around the time of the day at which histories begin, here and there."""
_MOMENTS: Final = ("2023-11-14T22:13:22Z", "2023-11-16T00:13:20Z", "2024-12-20T00:00:00Z")
_HOLIDAYS: Final = (
    ["2023-11-14"],
    ["2023-11-15", "2023-11-16", "2024-12-19"],
    ["2023-11-17", "0001-01-01", "9999-12-31"],
)
_WORKDAYS: Final = (["2023-11-18"], ["2023-11-19", "2023-11-22"])
_MOSTLY: Final = (False, True, True)
_GROUPS: Final = (["A", "B"], ["A", "~"], ["B", "7"], ["a", "B", "07"])
_CURRENCY_GROUPS: Final = (["CNY", "156"], ["CNY", "EUR"], ["usd", "840"])


@st.composite
def refined_trees(draw: st.DrawFn, max_fields: int = 6) -> Tree:
    """Draw the tables of an agreement file that uses what rules version 3 knows."""
    return refine(Drawn(draw), draw(agreement_trees(max_fields)))


def refine(chooser: Chooser, tree: Tree) -> Tree:
    """Add what only rules version 3 knows to some fields of an agreement."""
    fields: Any = tree["fields"]
    refined = {name: _refine_field(chooser, dict(field)) for name, field in fields.items()}
    codes = [name for name, field in refined.items() if field["type"] == "code"]
    for field in refined.values():
        if codes and field["type"] in (*SCALED, "integer") and chooser.pick(_MOSTLY):
            _choose_by_value(chooser, field, chooser.pick(codes))
    tree = {**tree, "fields": refined}
    if chooser.pick(_MOSTLY):
        invariants = choose_invariants(chooser, tree)
        if invariants:
            tree["invariants"] = invariants
    if chooser.pick(_MOSTLY):
        _choose_business_deadlines(chooser, tree)
    return tree


def choose_calendar(chooser: Chooser) -> Tree:
    """Choose a calendar around the days of the workbench; clocks change while histories go on."""
    calendar: Tree = {"offset": chooser.pick(["+00:00", "+08:00", "-04:30", "+13:00"])}
    weekends = [["saturday", "sunday"], ["friday"], ["monday", "tuesday", "wednesday", "thursday"]]
    if chooser.pick(_MOSTLY):
        calendar["weekend"] = chooser.pick(weekends)
    if chooser.pick(_MOSTLY):
        calendar["holidays"] = chooser.pick(_HOLIDAYS)
    if chooser.pick(_MOSTLY):
        calendar["workdays"] = chooser.pick(_WORKDAYS)
    if chooser.pick(_MOSTLY):
        hours = int(str(calendar["offset"])[:3])
        back, forth = (f"{hours + by:+03}:00" for by in chooser.pick(((-1, 0), (1, -1), (-3, 0))))
        calendar["changes"] = [[_MOMENTS[0], back], [_MOMENTS[1], forth], [_MOMENTS[2], back]]
        calendar["offset"] = f"{hours:+03}:00"
    return calendar


def _choose_business_deadlines(chooser: Chooser, tree: Tree) -> None:
    """Give some roles a deadline in business time."""
    roles: Any = tree["roles"]
    deadlines: Any = dict(tree.get("deadlines", {}))  # type: ignore[call-overload]
    for role in roles:
        if chooser.pick(_MOSTLY):
            due = f"{chooser.pick((0, 1, 2, 30))}bd {chooser.pick(_CLOCKS)}"
            deadlines[role] = {"at": due, "calendar": "there"}
            if chooser.pick(_MOSTLY):
                deadlines[role]["until"] = chooser.pick(_CLOCKS)
    tree["deadlines"] = deadlines
    tree["calendars"] = {"there": choose_calendar(chooser)}


def choose_invariants(chooser: Chooser, tree: Tree) -> Tree:
    """Choose up to three invariants over the numbers and dates of an agreement."""
    fields: Any = tree["fields"]
    numeric = {name: f for name, f in fields.items() if f["type"] in (*SCALED, "integer", "date")}
    if not numeric:
        return {}
    chosen: Tree = {}
    for number in range(chooser.pick((1, 2, 3))):
        roles: Any = tree["roles"]
        names = list(numeric)
        if chooser.pick((True, False)):
            names = [f"{role}.{n}" for n, f in numeric.items() for role in f.get("roles", roles)]
        else:
            role = chooser.pick(roles)
            names = [n for n, f in numeric.items() if role in f.get("roles", roles)]
        if names:
            chosen[f"rule_{number}"] = _choose_formula(chooser, names)
    return chosen


def _choose_formula(chooser: Chooser, names: list[str]) -> str:
    """A formula that holds often enough, whose numbers fit at any scale."""
    a, b, c = (chooser.pick(names) for _ in range(3))
    mode = chooser.pick(_MODES)
    decimals, finest = chooser.pick((0, 1, 2)), chooser.pick((0, 3, 18))
    return chooser.pick(
        (
            f"{a} = {b}",
            f"{a} <= {b} + {chooser.pick(_NUMBERS)}",
            f"abs({a} - {b}) < {chooser.pick(_NUMBERS)}",
            f"{a} * {b} >= {c} * {chooser.pick(_NUMBERS)} - {a}",
            f"div({a}, {b} - {c}, {finest}, {mode}) != {chooser.pick(_NUMBERS)}",
            f"round({a} * {chooser.pick(_NUMBERS)}, {decimals}, {mode}) = {b}",
            f"min({a}, {b}) + max({b}, {c}) > {a} * 2",
            f"div({a} * {b}, {c}, {decimals}, {mode}) = round({a}, {decimals}, {mode})",
            f"{a} - ({b} - ({c} - ({a} - {b}))) <= {chooser.pick(_NUMBERS)} * ({a} + {b})",
            f"div({a}, {chooser.pick(_NUMBERS)}, {decimals}, {mode}) * {b} * {c} > 0",
        )
    )


def _refine_field(chooser: Chooser, field: Tree) -> Tree:
    kind = field["type"]
    if kind in SCALED and field["scale"] and chooser.pick(_MOSTLY):
        scale: Any = field["scale"]
        decimals = chooser.pick([scale - 1, max(scale - 2, 0), 0])
        field["rounded"] = {"decimals": decimals, "mode": chooser.pick(_MODES)}
    tolerance: Any = field.get("tolerance", {})
    if "percent" in tolerance and "of" not in tolerance and chooser.pick(_MOSTLY):
        field["tolerance"] = {**tolerance, "base": chooser.pick(_BASES)}
    if kind == "date" and chooser.pick(_MOSTLY):
        sides = chooser.pick([("before",), ("after",), ("before", "after")])
        field["drift_days"] = {side: chooser.pick(range(4)) for side in sides}
    if kind == "code":
        _refine_code(chooser, field)
    return field


def _refine_code(chooser: Chooser, field: Tree) -> None:
    if chooser.pick(_MOSTLY):
        ignored = [name for name in IGNORED if chooser.pick((True, False))]
        field["ignore"] = ignored or ["case"]
    if chooser.pick(_MOSTLY):
        length: Any = field["length"]
        groups = _GROUPS if length != len("CNY") else (*_CURRENCY_GROUPS, *_GROUPS)
        group = chooser.pick(groups)
        if all(len(code) <= length for code in group):
            field["equivalent"] = [group]


def _choose_by_value(chooser: Chooser, field: Tree, code_field: str) -> None:
    """A tolerance of its own for the code that is stated most, whatever counts as that."""
    code = "CNY" if code_field == "currency" else "A"
    own: Tree = chooser.pick([{"absolute": "0"}, {"absolute": "1"}, {"absolute": "4"}])
    if chooser.pick((True, False)):
        own = {"percent": chooser.pick(PERCENTAGES), "base": chooser.pick(_BASES)}
    tolerance: Any = field.get("tolerance", {})
    field["tolerance"] = {**tolerance, "by": {"field": code_field, "values": {code: own}}}
