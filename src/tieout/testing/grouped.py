"""Random histories with groups: agreements in which records are settled together by a key.

Amounts and counts are small and keys few, so that groups tie out, break and are mended while a
history goes on; roles that speak apart mostly do, and now and then share an id with others.
"""

from typing import Any, Final

from hypothesis import strategies as st

from tieout.agreement.model import Agreement
from tieout.testing.agreements import SCALED, Chooser, Tree, choose_tree
from tieout.testing.dice import Dice
from tieout.testing.histories import PARTY_COUNT, SCRIPT_BYTES, History, Story, tell_story
from tieout.testing.refinements import refine
from tieout.testing.workbench import newest_genesis

_MOSTLY: Final = (True, True, False)
_AMOUNTS: Final = (100, 100, 200, 300, -100, 101, 99, 0)
_COUNTS: Final = (2, 1, 1, 3, 0, -1)
_APART_IDS: Final = (b"P1", b"P1", b"P2", b"T1")


@st.composite
def grouped_histories(draw: st.DrawFn, script_bytes: int = SCRIPT_BYTES) -> History:
    """Histories under rules version 4, of agreements with one group or two."""
    return tell_grouped(draw(st.binary(min_size=script_bytes // 2, max_size=script_bytes)))


def tell_grouped(script: bytes) -> History:
    """The history with groups in which a script makes all choices."""
    dice = Dice(script)
    tree = choose_tree(dice, max_fields=3)
    if dice.happens(30):
        tree = refine(dice, tree)
    return tell_story(_GroupStory(group(dice, tree), dice, newest_genesis(PARTY_COUNT)))


def group(chooser: Chooser, tree: Tree) -> Tree:
    """Add one group or two to an agreement, with the fields that they need."""
    fields: Any = dict(tree["fields"])  # type: ignore[call-overload]
    roles: Any = tree["roles"]
    groups: Tree = {}
    apart: list[str] = []
    for number in range(chooser.pick((1, 1, 2))):
        together = [role for role in roles if role not in apart]
        if len(together) > 1:
            counterparts = [chooser.pick(together)]
            apart += counterparts
            members = [role for role in roles if role not in counterparts]
            if chooser.pick(_MOSTLY):
                members = [chooser.pick(members)]
            groups[f"group_{number}"] = _choose_group(chooser, fields, members, counterparts)
    tree = {**tree, "fields": fields, "groups": groups}
    _leave_apart(tree, apart)
    return tree


def _choose_group(
    chooser: Chooser, fields: Tree, members: list[str], counterparts: list[str]
) -> Tree:
    everybody = [*members, *counterparts]
    codes = _reported(fields, ("code",), everybody)
    if not codes or chooser.pick(_MOSTLY):
        fields["key"] = {"type": "code", "length": 2, "optional": True}
        codes = ["key"]
    numbers = _reported(fields, (*SCALED, "integer"), everybody)
    if not numbers:
        fields["total"] = {"type": "integer"}
        numbers = ["total"]
    chosen: Tree = {
        "key": chooser.pick(codes),
        "members": members,
        "counterparts": counterparts,
        "sum": chooser.pick(numbers),
    }
    if chooser.pick(_MOSTLY):
        total: Any = fields[str(chosen["sum"])]
        digits = chooser.pick(("0", "1", "3")).rjust(1 + total.get("scale", 0), "0")
        scale = total.get("scale", 0)
        chosen["tolerance"] = f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits
    if chooser.pick((True, False)):
        fields["counted"] = {"type": "integer", "optional": True}
        chosen["count"] = "counted"
    return chosen


def _reported(fields: Tree, kinds: tuple[str, ...], roles: list[str]) -> list[str]:
    """The fields of these types that all of these roles report."""
    every: Any = fields
    return [
        name
        for name, field in every.items()
        if field["type"] in kinds and set(roles) <= set(field.get("roles", roles))
    ]


def _leave_apart(tree: Tree, apart: list[str]) -> None:
    """Let nobody wait for roles that speak apart."""
    deadlines: Any = tree.pop("deadlines", {})
    left = {role: each for role, each in deadlines.items() if role not in apart}
    if left:
        tree["deadlines"] = left
    opened_by: Any = tree.pop("opened_by", [])
    openers = [role for role in opened_by if role not in apart]
    if openers:
        tree["opened_by"] = openers


class _GroupStory(Story):
    """A story whose amounts, counts and ids let groups come to something."""

    def choose_id(self, agreement: Agreement, role: int) -> bytes:
        """Roles that speak apart have ids of their own, mostly."""
        if role in agreement.apart:
            return self.dice.pick(_APART_IDS)
        return super().choose_id(agreement, role)

    def choose_value(self, agreement: Agreement, f: int) -> int | bytes:
        """Small amounts and counts, mostly."""
        if self.dice.happens(90):
            if f in [each.count for each in agreement.groups]:
                return self.dice.pick(_COUNTS)
            if f in [each.sum for each in agreement.groups]:
                return self.dice.pick(_AMOUNTS)
        return super().choose_value(agreement, f)
