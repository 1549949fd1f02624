"""Stages for random agreements: `stage_tree` lets the transactions of a tree go through some.

Most choices of roles and fields fit nothing, as benchmarks and currencies must take part too. So a
tree is tried as it was chosen, then with fewer restrictions; the last one, all roles and all fields
everywhere, always fits.
"""

from typing import Any, Final

from hypothesis import strategies as st

from tieout.agreement.errors import AgreementError
from tieout.agreement.parse import parse_agreement
from tieout.testing.agreements import Chooser, Tree, choose_tree, to_toml
from tieout.testing.dice import Dice
from tieout.testing.histories import PARTY_COUNT, SCRIPT_BYTES, History, tell_story
from tieout.testing.people import PeopleStory
from tieout.testing.refinements import refine
from tieout.testing.workbench import newest_genesis

NAMES: Final = ("ordered", "confirmed", "settled", "archived")
_SELDOM: Final = (False, False, True)
_MOSTLY: Final = (True, True, False)


@st.composite
def staged_histories(draw: st.DrawFn, script_bytes: int = SCRIPT_BYTES) -> History:
    """Histories of transactions that go through stages, under rules version 4."""
    return tell_staged(draw(st.binary(min_size=script_bytes // 2, max_size=script_bytes)))


def tell_staged(script: bytes) -> History:
    """The history of transactions with stages in which a script makes all choices."""
    dice = Dice(script)
    tree = choose_tree(dice, max_fields=3, max_roles=3)
    if dice.happens(50):
        tree = refine(dice, tree)
    return tell_story(StagedStory(stage_tree(dice, tree), dice, newest_genesis(PARTY_COUNT)))


class StagedStory(PeopleStory):
    """A history in which people dispute a stage now and then."""

    percent_about_people = 6


def stage_tree(chooser: Chooser, tree: Tree) -> Tree:
    """Add two to four stages to an agreement, which may narrow roles and fields, and carry some."""
    fields: Any = tree["fields"]
    compared = [name for name, field in fields.items() if field.get("compare") is not False]
    carried = [[name for name in compared if chooser.pick(_MOSTLY)] for _ in NAMES]
    names = NAMES[: chooser.pick((3, 2, 4))]
    narrow = {name: _choose_stage(chooser, tree) for name in names}
    benchmark: Any = dict(tree.get("benchmark", {}))  # type: ignore[call-overload]
    for name in fields:
        if chooser.pick(_SELDOM):
            benchmark[name] = "previous_stage"
    plain: Tree = {name: {} for name in names}
    wide: Tree = {
        name: {"carried": own} if own and place > 0 else {}
        for place, (name, own) in enumerate(zip(names, carried, strict=False))
    }
    tried = (
        {**tree, "stages": narrow, "benchmark": {"default": "previous_stage"}},
        {**tree, "stages": narrow, "benchmark": benchmark},
        {**tree, "stages": wide, "benchmark": benchmark},
    )
    chosen = tried[chooser.pick((2, 0, 1)) :]
    return next(filter(_fits, chosen), {**tree, "stages": plain})


def _choose_stage(chooser: Chooser, tree: Tree) -> Tree:
    roles: Any = tree["roles"]
    fields: Any = tree["fields"]
    taking_part = [role for role in roles if chooser.pick(_MOSTLY)] or roles
    reported = [
        name
        for name, field in fields.items()
        if any(role in taking_part for role in field.get("roles", roles)) and chooser.pick(_MOSTLY)
    ]
    stage: Tree = {"roles": taking_part}
    if reported:
        stage["fields"] = reported
    return stage


def _fits(tree: Tree) -> bool:
    try:
        parse_agreement(to_toml(tree))
    except AgreementError:
        return False
    return True
