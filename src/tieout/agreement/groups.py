"""Groups: read from the file, and judged against the fields and roles that they are about.

Whether records of a group tie out is the affair of the rules (R-GROUP-3 to R-GROUP-6).
"""

from collections.abc import Iterable

from tieout.agreement import keys
from tieout.agreement.errors import Findings
from tieout.agreement.limits import MAX_GROUPS
from tieout.agreement.model import NUMBERS, Field, FieldType, Group
from tieout.agreement.stated import StatedAgreement, StatedGroup
from tieout.agreement.table import Table, is_name, key_path
from tieout.units.errors import UnitsError
from tieout.units.numbers import parse_scaled
from tieout.wire.limits import MAX_FIELDS

_REQUIRED = {
    "key": "Name the code field that every member and every counterpart states.",
    "members": 'List the roles whose records are settled together, such as ["seller"].',
    "counterparts": 'List the roles whose records settle them, such as ["bank"].',
    "sum": "Name the number field that is added up on both sides.",
}


def read_groups(table: Table, roles: tuple[str, ...]) -> tuple[StatedGroup, ...]:
    """Return the groups of `[groups]` that have a sound shape."""
    names = table.listed()
    for name in names[MAX_GROUPS:]:
        table.reject(name, f"there are {len(names)} groups", f"At most {MAX_GROUPS} are allowed.")
    read = []
    for name in names:
        if not is_name(name, keys.FIELD_NAME) or name in keys.RESERVED_FIELDS:
            remedy = "Write lower-case letters, digits and _, a letter first, no name of a column."
            table.reject(name, "this is not a name, or it is taken", remedy)
            continue
        below = table.table(name, "Write a table for each group.")
        group = None if below is None else _group(name, below, roles)
        if group is not None:
            read.append(group)
    return tuple(read)


def _group(name: str, table: Table, roles: tuple[str, ...]) -> StatedGroup | None:
    before = table.problems()
    table.reject_others(keys.GROUP, "key of a group")
    for key, remedy in _REQUIRED.items():
        table.require(key, remedy)
    code, total = table.text("key", _REQUIRED["key"]), table.text("sum", _REQUIRED["sum"])
    members = table.names("members", _REQUIRED["members"])
    counterparts = table.names("counterparts", _REQUIRED["counterparts"])
    tolerance = table.decimal("tolerance")
    count = table.text("count", "Name the integer field in which counterparts count the members.")
    if (
        code is None
        or total is None
        or not members
        or not counterparts
        or table.problems() > before
    ):
        return None
    return StatedGroup(
        name=name,
        key=code,
        members=_in_order(members, roles),
        counterparts=_in_order(counterparts, roles),
        sum=total,
        tolerance=tolerance,
        count=count,
    )


def _in_order(names: Iterable[str], roles: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: roles.index(name) if name in roles else len(roles)))


def compile_groups(
    stated: StatedAgreement, fields: tuple[Field, ...], findings: Findings
) -> tuple[Group, ...]:
    """Return the groups that fit; what does not is noted."""
    places = len(fields) + len(stated.invariants) + len(stated.groups)
    if stated.groups and places > MAX_FIELDS:
        wrong = f"{places} fields, invariants and groups"
        findings.add("groups", wrong, f"Together at most {MAX_FIELDS} are allowed.")
    taken = {*(field.name for field in fields), *(each.name for each in stated.invariants)}
    compiled = []
    for each in stated.groups:
        if each.name in taken:
            wrong = "a field or an invariant has this name"
            findings.add(key_path("groups", each.name), wrong, "Choose another one.")
        group = _Compiler(stated, fields, findings, each).group()
        if group is not None:
            compiled.append(group)
    _judge_apart(stated, findings)
    return tuple(compiled)


def _judge_apart(stated: StatedAgreement, findings: Findings) -> None:
    """Note what is said of roles that speak apart as if they were waited for (R-GROUP-2)."""
    apart = {role for each in stated.groups for role in each.counterparts}
    if stated.groups and not set(stated.roles) - apart:
        wrong = "every role is a counterpart of some group"
        findings.add("groups", wrong, "Leave a role whose records the counterparts settle.")
    remedy = "Remove it: a counterpart speaks in transactions of its own."
    for role in (*stated.deadlines_us, *stated.business_deadlines):
        if role in apart:
            findings.add(key_path("deadlines", role), "nobody waits for this role", remedy)
    for role in stated.opened_by or ():
        if role in apart:
            findings.add("opened_by", f"{role} opens nothing for others", remedy)


class _Compiler:
    """One group, with the names that it may refer to."""

    def __init__(
        self,
        stated: StatedAgreement,
        fields: tuple[Field, ...],
        findings: Findings,
        group: StatedGroup,
    ) -> None:
        self._roles = stated.roles
        self._fields = fields
        self._findings = findings
        self._stated = group

    def group(self) -> Group | None:
        """The group; None when something about it does not fit."""
        before = len(self._findings)
        stated = self._stated
        sides = self._side("members"), self._side("counterparts")
        for role in sorted(set(sides[0]) & set(sides[1])):
            wrong = f"{self._roles[role]} is on both sides"
            self._findings.add(self._key("counterparts"), wrong, "Leave it on one of the two.")
        everybody = (*sides[0], *sides[1])
        key = self._field("key", stated.key, (FieldType.CODE,), everybody)
        total = self._field("sum", stated.sum, NUMBERS, everybody)
        count = None
        if stated.count is not None:
            count = self._field("count", stated.count, (FieldType.INTEGER,), sides[1])
        tolerance = 0 if total is None else self._tolerance(self._fields[total])
        if key is None or total is None or len(self._findings) > before:
            return None
        return Group(stated.name, key, sides, total, tolerance, count)

    def _key(self, key: str) -> str:
        return key_path(key_path("groups", self._stated.name), key)

    def _side(self, side: str) -> tuple[int, ...]:
        named = self._stated.members if side == "members" else self._stated.counterparts
        for role in named:
            if role not in self._roles:
                what = "role of this agreement"
                self._findings.add_unknown(self._key(side), role, what, self._roles)
        return tuple(sorted(self._roles.index(role) for role in named if role in self._roles))

    def _field(
        self, key: str, name: str, kinds: tuple[FieldType, ...], roles: tuple[int, ...]
    ) -> int | None:
        """The place of a field of one of these types that these roles report."""
        names = [field.name for field in self._fields]
        if name not in names:
            what = "field of this agreement"
            self._findings.add_unknown(self._key(key), name, what, names)
            return None
        place = names.index(name)
        field = self._fields[place]
        if field.type not in kinds:
            only = ", ".join(kinds)
            wrong = f"{name} is of type {field.type}"
            self._findings.add(self._key(key), wrong, f"Name one of type {only}.")
        for role in roles:
            if role not in field.roles:
                wrong = f"{self._roles[role]} does not report {name}"
                self._findings.add(self._key(key), wrong, "Let it, or name another field.")
        return place

    def _tolerance(self, total: Field) -> int:
        if self._stated.tolerance is None:
            return 0
        try:
            return parse_scaled(self._stated.tolerance, total.scale)
        except UnitsError as error:
            remedy = f"{total.name} has {total.scale} decimals."
            self._findings.add(self._key("tolerance"), str(error), remedy)
            return 0
