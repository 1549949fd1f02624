"""From what was stated to what the rules use: names become indices, decimals become integers.

Whether the keys fit each other is judged here. The order is that of the file: roles, fields,
benchmarks, deadlines, adjusting. A problem is noted and the work goes on, so that all are named.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from tieout.agreement import keys
from tieout.agreement.calendars import WEEKDAYS
from tieout.agreement.canonical import agreement_hash, canonical_bytes
from tieout.agreement.codes import settled, without_ignored
from tieout.agreement.errors import Findings
from tieout.agreement.groups import compile_groups
from tieout.agreement.invariants import compile_invariants
from tieout.agreement.limits import MAX_PERCENT_DECIMALS, MAX_PERCENT_UNITS
from tieout.agreement.model import (
    NUMBERS,
    AdjustmentMode,
    Agreement,
    Base,
    BusinessDeadline,
    Calendar,
    CodeRule,
    Field,
    FieldType,
    Policy,
    Rounding,
    RoundingMode,
    Tolerance,
    ToleranceChoice,
)
from tieout.agreement.stages import compile_stages
from tieout.agreement.stated import (
    StatedAgreement,
    StatedCalendar,
    StatedDrift,
    StatedField,
    StatedRounding,
    StatedTolerance,
)
from tieout.agreement.table import key_path
from tieout.agreement.urgency import compile_urgency
from tieout.units.dates import US_PER_DAY
from tieout.units.errors import UnitsError
from tieout.units.ids import check_code
from tieout.units.numbers import count_decimals, parse_scaled, shown
from tieout.wire.errors import WireError
from tieout.wire.limits import MAX_AGREEMENT_BYTES
from tieout.wire.rows import ColumnKind, RowLayout, row_layout

DEFAULT_QUORUM: Final = 1
DEFAULT_RETENTION_US: Final = 400 * US_PER_DAY
_COLUMN_KINDS: Final = {
    FieldType.CODE: ColumnKind.CODE,
    FieldType.TEXT: ColumnKind.TEXT,
    FieldType.DATE: ColumnKind.DATE,
    FieldType.TIME: ColumnKind.TIME,
    **dict.fromkeys(NUMBERS, ColumnKind.NUMBER),
}


def compile_agreement(
    stated: StatedAgreement, names: tuple[str, ...], findings: Findings
) -> Agreement | None:
    """Return the agreement; None when there are findings, these or earlier ones.

    `names` are all names under `fields` in the file, those of fields that did not fit included.
    """
    compiler = _Compiler(stated, names, findings)
    opened_by = compiler.roles_at("opened_by", stated.opened_by or ())
    fields = tuple(compiler.field(field) for field in stated.fields)
    compiler.judge_default_benchmark()
    compiler.judge_field_names("benchmark", stated.benchmark, (keys.BENCHMARK_DEFAULT,))
    compiler.judge_field_names("adjustment.automatic_up_to", stated.limits, ())
    deadlines_us = compiler.deadlines()
    business_deadlines = compiler.business_deadlines()
    invariants = compile_invariants(stated.invariants, stated.roles, fields, findings)
    stages = compile_stages(stated, fields, findings)
    groups = compile_groups(stated, fields, findings)
    severity, escalation = compile_urgency(stated, fields, compiler.named_calendar, findings)
    layout = compiler.layout()
    canonical = canonical_bytes(stated)
    if len(canonical) > MAX_AGREEMENT_BYTES:
        wrong = f"the canonical form would have {len(canonical)} bytes"
        findings.add("", wrong, f"At most {MAX_AGREEMENT_BYTES} are allowed: use shorter names.")
    if layout is None or len(findings) > 0:
        return None
    return Agreement(
        name=stated.name,
        version=stated.version,
        roles=stated.roles,
        opened_by=opened_by,
        fields=fields,
        deadlines_us=deadlines_us,
        mode=stated.mode or AdjustmentMode.NOTIFY,
        quorum=stated.quorum or DEFAULT_QUORUM,
        retention_us=stated.retention_us or DEFAULT_RETENTION_US,
        canonical=canonical,
        hash=agreement_hash(canonical),
        layout=layout,
        business_deadlines=business_deadlines,
        invariants=invariants,
        votes=stated.votes,
        severity=severity,
        escalation=escalation,
        needs_rules=_needed_rules(stated),
        stages=stages,
        groups=groups,
    )


def _needed_rules(stated: StatedAgreement) -> int:
    """Return the first version of the rules that knows what is stated (R-AGREE-3)."""
    if stated.votes is not None or stated.stages:
        return 4
    is_later = bool(stated.invariants or stated.business_deadlines or stated.calendars) or any(
        field.rounded
        or field.ignore
        or field.equivalent
        or isinstance(field.drift_days, StatedDrift)
        or (field.tolerance and (field.tolerance.base or field.tolerance.by))
        for field in stated.fields
    )
    is_newest = bool(stated.groups or stated.severity or stated.escalation) or any(
        isinstance(field.drift_days, StatedDrift) and field.drift_days.calendar
        for field in stated.fields
    )
    return 4 if is_newest else 3 if is_later else 1


class _Compiler:
    """The parts of one agreement, with the names that they may refer to."""

    def __init__(self, stated: StatedAgreement, names: tuple[str, ...], findings: Findings) -> None:
        self._stated = stated
        self._names = names
        self._findings = findings
        self._fields = {field.name: field for field in stated.fields}
        self._places = {field.name: place for place, field in enumerate(stated.fields)}
        self._roles = {role: place for place, role in enumerate(stated.roles)}
        self._code_rules: dict[str, CodeRule | None] = {}
        self._calendars = {name: _calendar(each) for name, each in stated.calendars.items()}

    def roles_at(self, key: str, named: tuple[str, ...]) -> tuple[int, ...]:
        """Return the indices of the roles that are named at a key."""
        for role in named:
            if role not in self._roles:
                self._findings.add_unknown(key, role, "role of this agreement", self._stated.roles)
        return tuple(sorted(self._roles[role] for role in named if role in self._roles))

    def field(self, field: StatedField) -> Field:
        """Return one field; it is sound only when nothing was found."""
        path = f"fields.{field.name}"
        reporting = self._reporting(field)
        roles = self.roles_at(f"{path}.roles", reporting)
        compare = field.compare is not False
        self._judge_currency(field, path)
        tolerance, choice = None, None
        if field.tolerance is not None:
            tolerance = self._tolerance(field, field.tolerance, f"{path}.tolerance")
            choice = self._choice(field, field.tolerance, f"{path}.tolerance.by")
        holder = self._fields.get(field.currency_field or "", field)
        before, after = _drift(field.drift_days)
        policy, authority = self._benchmark(field, compare=compare)
        return Field(
            name=field.name,
            type=field.type,
            scale=field.scale or 0,
            length=field.length or 0,
            roles=roles,
            optional=field.optional is True,
            compare=compare,
            currency_field=None
            if field.currency_field is None
            else self._places.get(field.currency_field),
            currency=field.currency,
            tolerance=tolerance,
            drift_before=before,
            drift_after=after,
            policy=policy,
            authority=authority,
            limits=self._limits(field),
            choice=choice,
            rounding=self._rounding(field, field.rounded, f"{path}.rounded"),
            codes=self._codes(holder),
            drift_calendar=self._drift_calendar(field.drift_days, f"{path}.drift_days"),
        )

    def judge_field_names(
        self, table: str, named: Mapping[str, object], also: tuple[str, ...]
    ) -> None:
        """Note the keys of a table that name no field."""
        for name in named:
            if name not in self._names and name not in also:
                known = (*self._names, *also)
                self._findings.add_unknown(
                    key_path(table, name), name, "field of this agreement", known
                )

    def business_deadlines(self) -> tuple[BusinessDeadline | None, ...]:
        """Return the deadline in business time of each role that has one."""
        stated = self._stated
        read: dict[str, BusinessDeadline] = {}
        for role, each in stated.business_deadlines.items():
            calendar = self.named_calendar(key_path("deadlines", role), each.calendar)
            if calendar is not None:
                read[role] = BusinessDeadline(each.days, each.at_us, each.until_us, calendar)
        return tuple(read.get(role) for role in stated.roles)

    def named_calendar(self, table: str, name: str) -> Calendar | None:
        """Return the calendar that a table names at its key `calendar`."""
        calendar = self._calendars.get(name)
        if calendar is None:
            self._findings.add_unknown(
                f"{table}.calendar", name, "calendar here", tuple(self._calendars)
            )
        return calendar

    def _drift_calendar(self, drift: int | StatedDrift | None, path: str) -> Calendar | None:
        """Return the calendar by which a drift counts business days (R-TOL-12)."""
        if not isinstance(drift, StatedDrift) or drift.calendar is None:
            return None
        return self.named_calendar(path, drift.calendar)

    def deadlines(self) -> tuple[int | None, ...]:
        """Return the deadline of each role in microseconds."""
        stated = self._stated
        for role in (*stated.deadlines_us, *stated.business_deadlines):
            if role not in self._roles:
                what = "role of this agreement"
                self._findings.add_unknown(key_path("deadlines", role), role, what, stated.roles)
        return tuple(stated.deadlines_us.get(role) for role in stated.roles)

    def layout(self) -> RowLayout | None:
        """Return the layout of a row; None when it would be too wide."""
        try:
            return row_layout(
                [
                    (field.name, _COLUMN_KINDS[field.type], field.length or 0)
                    for field in self._stated.fields
                ]
            )
        except WireError as error:
            self._findings.add("fields", str(error), "Shorten codes and texts, or leave some out.")
            return None

    def _reporting(self, field: StatedField) -> tuple[str, ...]:
        return self._stated.roles if field.roles is None else field.roles

    def _judge_currency(self, field: StatedField, path: str) -> None:
        name = field.currency_field
        if name is None:
            return
        key = f"{path}.currency.field"
        if name not in self._names:
            self._findings.add_unknown(key, name, "field of this agreement", self._names)
            return
        holder = self._fields.get(name)
        if holder is None:
            return
        if holder.type is not FieldType.CODE:
            wrong = f"the field {name} is of type {holder.type}"
            self._findings.add(key, wrong, "Name a field of type code.")
            return
        holding = self._reporting(holder)
        lacking = [role for role in self._reporting(field) if role not in holding]
        if lacking:
            wrong = f"{' and '.join(lacking)} would report {field.name} without {name}"
            remedy = f"Let every role that reports {field.name} report {name} too."
            self._findings.add(key, wrong, remedy)

    def _tolerance(self, field: StatedField, stated: StatedTolerance, path: str) -> Tolerance:
        absolute = None
        if stated.absolute is not None:
            absolute = self._scaled(f"{path}.absolute", stated.absolute, field)
        percent_units, percent_scale = None, 0
        if stated.percent is not None:
            percent_scale = count_decimals(stated.percent)
            percent_units = int(stated.percent.replace(".", "")[:40])
            if percent_scale > MAX_PERCENT_DECIMALS or percent_units > MAX_PERCENT_UNITS:
                remedy = f"At most {MAX_PERCENT_DECIMALS} decimals, and 10^12 without the point."
                self._findings.add(f"{path}.percent", "the percentage is too fine or large", remedy)
        of = None
        if stated.of is not None:
            of = self._reporting_role(f"{path}.of", stated.of, field)
        base = Base.LARGER if stated.base is None else Base[stated.base.upper()]
        return Tolerance(absolute, percent_units, percent_scale, of, stated.within == "all", base)

    def _choice(
        self, field: StatedField, stated: StatedTolerance, path: str
    ) -> ToleranceChoice | None:
        """Return the tolerances of which another field's value chooses one."""
        if stated.by is None:
            return None
        name, by_value = stated.by
        if name not in self._names:
            self._findings.add_unknown(
                f"{path}.field", name, "field of this agreement", self._names
            )
            return None
        holder = self._fields.get(name)
        if holder is None:
            return None
        if holder.type is not FieldType.CODE:
            wrong = f"the field {name} is of type {holder.type}"
            self._findings.add(f"{path}.field", wrong, "Name a field of type code.")
            return None
        rule = self._codes(holder)
        chosen: dict[bytes, Tolerance] = {}
        for code, tolerance in by_value.items():
            key = key_path(f"{path}.values", code)
            kept = settled(rule, self._code(key, code, holder))
            if kept in chosen:
                wrong = f"{code} counts as another value of the list"
                self._findings.add(key, wrong, f"Keep one of the two, or tell {name} apart.")
            chosen[kept] = self._tolerance(field, tolerance, key)
        return ToleranceChoice(self._places[name], tuple(sorted(chosen.items(), key=_first)))

    def _rounding(
        self, field: StatedField, stated: StatedRounding | None, path: str
    ) -> Rounding | None:
        if stated is None:
            return None
        if stated.decimals >= (field.scale or 0):
            wrong = f"{field.name} has {field.scale} decimals, so nothing would be rounded"
            self._findings.add(f"{path}.decimals", wrong, "Write fewer, or remove the rounding.")
        return Rounding(stated.decimals, RoundingMode(stated.mode))

    def _codes(self, field: StatedField) -> CodeRule | None:
        """Return which codes of a field count as the same."""
        if field.name not in self._code_rules:
            self._code_rules[field.name] = self._code_rule(field)
        return self._code_rules[field.name]

    def _code_rule(self, field: StatedField) -> CodeRule | None:
        if field.ignore is None and field.equivalent is None:
            return None
        key = f"fields.{field.name}.equivalent"
        ignored = field.ignore or ()
        rule = CodeRule(
            ignores_case="case" in ignored,
            ignores_punctuation="punctuation" in ignored,
            ignores_leading_zeros="leading_zeros" in ignored,
            equivalent=(),
        )
        found: dict[bytes, bytes] = {}
        for group in field.equivalent or ():
            left = [without_ignored(rule, self._code(key, code, field)) for code in group]
            for kept, code in zip(left, group, strict=True):
                if kept in found:
                    wrong = f"{code} stands twice, or counts as another code of the table"
                    self._findings.add(key, wrong, "Name it once.")
                found[kept] = left[0]
        return replace(rule, equivalent=tuple(sorted(found.items())))

    def _code(self, key: str, code: str, field: StatedField) -> bytes:
        """Return a code that a field can hold; a quote or backslash would need an escape."""
        try:
            if '"' in code or "\\" in code:
                raise UnitsError(f"the code {shown(code)} has a quote or a backslash")
            return check_code(code, field.length or 0)
        except UnitsError as error:
            remedy = f"Write a code that the field {field.name} can hold."
            self._findings.add(key, str(error), remedy)
            return b""

    def _reporting_role(self, key: str, role: str, field: StatedField) -> int | None:
        reporting = self._reporting(field)
        if role in self._roles and role in reporting:
            return self._roles[role]
        if role in self._roles:
            wrong = f"{role} does not report {field.name}"
            self._findings.add(key, wrong, f"Roles that do: {', '.join(reporting)}.")
        else:
            self._findings.add_unknown(key, role, "role of this agreement", self._stated.roles)
        return None

    def _benchmark(self, field: StatedField, *, compare: bool) -> tuple[Policy, int | None]:
        key = f"benchmark.{field.name}"
        own = self._stated.benchmark.get(field.name)
        default = self._stated.benchmark.get(keys.BENCHMARK_DEFAULT, keys.MAJORITY)
        basis = default if own is None else own
        if basis == keys.MAJORITY:
            return Policy.MAJORITY, None
        if basis == keys.DECISION:
            return Policy.DECISION, None
        if basis == keys.PREVIOUS_STAGE and self._stated.stages:
            return Policy.PREVIOUS_STAGE, None
        if own is not None:
            return Policy.AUTHORITY, self._policy_role(key, own, field)
        if basis in self._reporting(field) and basis in self._roles:
            return Policy.AUTHORITY, self._roles[basis]
        if basis in self._roles and compare:
            reporting = ", ".join(self._reporting(field))
            wrong = f"{basis}, the default benchmark, does not report {field.name}"
            remedy = f"Give it one of its own: majority, decision, or one of {reporting}."
            self._findings.add(key, wrong, remedy)
        return Policy.MAJORITY, None

    def judge_default_benchmark(self) -> None:
        """Note a default that is no policy and no role."""
        default = self._stated.benchmark.get(keys.BENCHMARK_DEFAULT, keys.MAJORITY)
        known = (*self._policies(), *self._stated.roles)
        if default not in known:
            what = "way to find a benchmark"
            self._findings.add_unknown("benchmark.default", default, what, known)

    def _policies(self) -> tuple[str, ...]:
        further = (keys.PREVIOUS_STAGE,) if self._stated.stages else ()
        return (keys.MAJORITY, keys.DECISION, *further)

    def _policy_role(self, key: str, basis: str, field: StatedField) -> int | None:
        if basis in self._roles:
            return self._reporting_role(key, basis, field)
        known = (*self._policies(), *self._reporting(field))
        self._findings.add_unknown(key, basis, "way to find a benchmark", known)
        return None

    def _limits(self, field: StatedField) -> tuple[tuple[str, int], ...]:
        stated = self._stated.limits.get(field.name)
        key = f"adjustment.automatic_up_to.{field.name}"
        if stated is None:
            return ()
        if field.type not in NUMBERS:
            wrong = f"a field of type {field.type} has no amount"
            self._findings.add(key, wrong, "Only numbers have a limit: remove it.")
            return ()
        if isinstance(stated, str):
            if field.currency_field is not None:
                wrong = f"the currency of the limit is open: {field.currency_field} holds it"
                remedy = f'Write a limit for each currency: {{ CNY = "{stated}" }}.'
                self._findings.add(key, wrong, remedy)
            return ((field.currency or "", self._scaled(key, stated, field)),)
        return self._limits_by_currency(field, stated, key)

    def _limits_by_currency(
        self, field: StatedField, stated: dict[str, str], key: str
    ) -> tuple[tuple[str, int], ...]:
        holder = self._fields.get(field.currency_field or "")
        if field.currency is None and field.currency_field is None:
            self._findings.add(key, f"{field.name} has no currency", 'Write one limit: "1000.00".')
        for code in stated:
            if field.currency not in (None, code):
                wrong = f"the currency of {field.name} is {field.currency}"
                self._findings.add(key_path(key, code), wrong, "Remove the other currency.")
            if holder is not None:
                try:
                    check_code(code, holder.length or 0)
                except UnitsError as error:
                    remedy = f"Write a code that the field {holder.name} can hold."
                    self._findings.add(key_path(key, code), str(error), remedy)
        return tuple(
            (code, self._scaled(key_path(key, code), limit, field))
            for code, limit in sorted(stated.items())
        )

    def _scaled(self, key: str, text: str, field: StatedField) -> int:
        try:
            return parse_scaled(text, field.scale or 0)
        except UnitsError as error:
            remedy = f"{field.name} has {field.scale or 0} decimals."
            self._findings.add(key, str(error), remedy)
            return 0


def _calendar(stated: StatedCalendar) -> Calendar:
    return Calendar(
        weekend=tuple(WEEKDAYS.index(day) for day in stated.weekend or ()),
        holidays=stated.holidays or (),
        workdays=stated.workdays or (),
        offset_us=stated.offset_us,
        changes=stated.changes or (),
    )


def _drift(stated: int | StatedDrift | None) -> tuple[int, int]:
    """Return days before and after."""
    if isinstance(stated, StatedDrift):
        return stated.before or 0, stated.after or 0
    return stated or 0, stated or 0


def _first(pair: tuple[bytes, Tolerance]) -> bytes:
    return pair[0]
