"""The canonical form: the one sequence of bytes of an agreement, which is hashed and enacted.

JSON (RFC 8259) with the number of this form and what the author stated: keys sorted, no spaces,
ASCII only. Fields are a list, since their order is significant and that of keys is not. Nothing in
a well-formed agreement needs an escape. Defaults are not filled in. Layout:
docs/formats/agreement.md.
"""

import hashlib
import json
from typing import Final

from tieout.agreement import keys
from tieout.agreement.calendars import format_clock, format_due, format_offset
from tieout.agreement.errors import Findings
from tieout.agreement.formula import format_formula
from tieout.agreement.stated import (
    StatedAgreement,
    StatedCalendar,
    StatedDeadline,
    StatedDelay,
    StatedDrift,
    StatedField,
    StatedGroup,
    StatedSeverity,
    StatedStage,
    StatedTolerance,
)
from tieout.agreement.table import BareDecimal
from tieout.units.dates import format_date, format_time
from tieout.units.durations import format_duration
from tieout.wire.limits import MAX_AGREEMENT_BYTES

FORMAT: Final = 1
AGREEMENT_TAG: Final = b"tieout/agreement/1\0"

_NOT_CANONICAL: Final = "Only the bytes that a node wrote itself are taken; enact the file again."


def canonical_bytes(stated: StatedAgreement) -> bytes:
    """Return the canonical form of what was stated."""
    sections = {
        "benchmark": stated.benchmark,
        "deadlines": {
            **{role: format_duration(us) for role, us in stated.deadlines_us.items()},
            **{role: _deadline_tree(each) for role, each in stated.business_deadlines.items()},
        },
        "calendars": {name: _calendar_tree(each) for name, each in stated.calendars.items()},
        "adjustment": _stated_only({"mode": stated.mode, "automatic_up_to": stated.limits or None}),
        "decision": _stated_only({"votes": keys.MAJORITY if stated.votes == 0 else stated.votes}),
        "alarm": _stated_only({"quorum": stated.quorum}),
        "severity": {} if stated.severity is None else _severity_tree(stated.severity),
        "retention": _stated_only(
            {
                "closed": None
                if stated.retention_us is None
                else format_duration(stated.retention_us)
            }
        ),
    }
    tree = {
        "format": FORMAT,
        "name": stated.name,
        "version": stated.version,
        "roles": stated.roles,
        "opened_by": stated.opened_by,
        "fields": [_field_tree(field) for field in stated.fields],
        "invariants": [
            {"name": each.name, "says": format_formula(each.formula)} for each in stated.invariants
        ]
        or None,
        "stages": [_stage_tree(each) for each in stated.stages] or None,
        "groups": [_group_tree(each) for each in stated.groups] or None,
        "escalation": [
            {"after": _delay_tree(each.after), "to": each.to} for each in stated.escalation
        ]
        or None,
        **{key: section or None for key, section in sections.items()},
    }
    text = json.dumps(_stated_only(tree), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def agreement_hash(canonical: bytes) -> bytes:
    """Return SHA-256 over the domain tag and the canonical form (32 bytes)."""
    return hashlib.sha256(AGREEMENT_TAG + canonical).digest()


def read_canonical(data: bytes, findings: Findings) -> dict[str, object] | None:
    """Return the tree of a file that states the same; None with a problem noted for other bytes.

    Whether the bytes are the canonical ones is known only when they are written again.
    """
    if len(data) > MAX_AGREEMENT_BYTES:
        wrong = f"the canonical form has {len(data)} bytes"
        findings.add("", wrong, f"At most {MAX_AGREEMENT_BYTES} are allowed.")
        return None
    try:
        tree = json.loads(data.decode("ascii"), parse_float=BareDecimal, parse_constant=BareDecimal)
    except (ValueError, RecursionError):
        findings.add("", "not JSON in ASCII", _NOT_CANONICAL)
        return None
    if not isinstance(tree, dict) or tree.pop("format", None) != FORMAT:
        findings.add("format", f"not a canonical form of format {FORMAT}", _NOT_CANONICAL)
        return None
    if not _name_parts(tree, "fields", None):
        findings.add("fields", "not a list of fields", _NOT_CANONICAL)
        return None
    for key, part in (("invariants", "says"), ("groups", None), ("stages", None)):
        if key in tree and not _name_parts(tree, key, part):
            findings.add(key, f"not a list of {key}", _NOT_CANONICAL)
            return None
    return tree


def _name_parts(tree: dict[str, object], key: str, part: str | None) -> bool:
    """Make a table, by name, of the list at a key; False when it is no such list.

    Its values are what stands at `part` of the objects, or, with None, the objects themselves.
    """
    stated = tree.get(key)
    if not isinstance(stated, list) or not all(isinstance(each, dict) for each in stated):
        return False
    tree[key] = {
        str(each.get("name")): each.get(part)
        if part is not None
        else {name: value for name, value in each.items() if name != "name"}
        for each in stated
    }
    return True


def reject_other_bytes(findings: Findings) -> None:
    """Note that the bytes are not those that the agreement is written as."""
    findings.add("", "not in canonical form", _NOT_CANONICAL)


def _field_tree(field: StatedField) -> dict[str, object]:
    drift, rounded = field.drift_days, field.rounded
    return _stated_only(
        {
            "name": field.name,
            "type": field.type,
            "length": field.length,
            "scale": field.scale,
            "roles": field.roles,
            "optional": field.optional,
            "compare": field.compare,
            "currency": field.currency
            if field.currency_field is None
            else {"field": field.currency_field},
            "tolerance": None if field.tolerance is None else _tolerance_tree(field.tolerance),
            "drift_days": _stated_only(
                {"before": drift.before, "after": drift.after, "calendar": drift.calendar}
            )
            if isinstance(drift, StatedDrift)
            else drift,
            "rounded": None
            if rounded is None
            else {"decimals": rounded.decimals, "mode": rounded.mode},
            "ignore": field.ignore,
            "equivalent": field.equivalent,
        }
    )


def _stage_tree(stage: StatedStage) -> dict[str, object]:
    return _stated_only(
        {
            "name": stage.name,
            "roles": stage.roles,
            "fields": stage.fields,
            "carried": stage.carried,
        }
    )


def _deadline_tree(deadline: StatedDeadline) -> dict[str, object]:
    return _stated_only(
        {
            "at": format_due(deadline.days, deadline.at_us),
            "calendar": deadline.calendar,
            "until": None if deadline.until_us is None else format_clock(deadline.until_us),
        }
    )


def _delay_tree(delay: StatedDelay) -> object:
    return _deadline_tree(delay) if isinstance(delay, StatedDeadline) else format_duration(delay)


def _severity_tree(severity: StatedSeverity) -> dict[str, object]:
    return _stated_only(
        {
            "kinds": severity.kinds or None,
            "amounts": severity.amounts or None,
            "ages": {name: _delay_tree(each) for name, each in severity.ages.items()} or None,
        }
    )


def _calendar_tree(calendar: StatedCalendar) -> dict[str, object]:
    holidays, workdays, changes = calendar.holidays, calendar.workdays, calendar.changes
    return _stated_only(
        {
            "weekend": calendar.weekend,
            "holidays": None if holidays is None else [format_date(day) for day in holidays],
            "workdays": None if workdays is None else [format_date(day) for day in workdays],
            "offset": format_offset(calendar.offset_us),
            "changes": None
            if changes is None
            else [[format_time(moment), format_offset(offset)] for moment, offset in changes],
        }
    )


def _group_tree(group: StatedGroup) -> dict[str, object]:
    return _stated_only(
        {
            "name": group.name,
            "key": group.key,
            "members": group.members,
            "counterparts": group.counterparts,
            "sum": group.sum,
            "tolerance": group.tolerance,
            "count": group.count,
        }
    )


def _tolerance_tree(tolerance: StatedTolerance) -> dict[str, object]:
    chosen: object = None
    if tolerance.by is not None:
        name, by_value = tolerance.by
        values = {code: _tolerance_tree(each) for code, each in by_value.items()}
        chosen = {"field": name, "values": values}
    return _stated_only(
        {
            "absolute": tolerance.absolute,
            "percent": tolerance.percent,
            "of": tolerance.of,
            "base": tolerance.base,
            "within": tolerance.within,
            "by": chosen,
        }
    )


def _stated_only(tree: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in tree.items() if value is not None}
