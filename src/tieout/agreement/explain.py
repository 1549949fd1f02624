"""An agreement in plain words, for those who operate under it and never read its file."""

from collections.abc import Callable
from difflib import SequenceMatcher
from textwrap import fill
from typing import Final

from tieout.agreement.calendars import WEEKDAYS, format_clock, format_offset
from tieout.agreement.model import (
    NUMBERS,
    AdjustmentMode,
    Agreement,
    Amounts,
    Base,
    BusinessDeadline,
    Calendar,
    CodeRule,
    Delay,
    Field,
    FieldType,
    Group,
    Policy,
    RoundingMode,
    Tolerance,
)
from tieout.units.durations import format_duration
from tieout.units.numbers import format_scaled
from tieout.wire.codes import Severity

_WIDTH: Final = 96
_MODES: Final = {
    AdjustmentMode.COMPENSATE: "The party whose books deviate books a further entry for the"
    " difference (a field that is no number is cancelled and booked again).",
    AdjustmentMode.REPLACE: "The party whose books deviate overwrites the entry in its books.",
    AdjustmentMode.NOTIFY: "The party whose books deviate is told. Nothing is posted by Tieout.",
}

_BASES: Final = {
    Base.LARGER: "the larger value",
    Base.SMALLER: "the smaller value",
    Base.AVERAGE: "the average",
}
_ROUNDING: Final = {
    RoundingMode.HALF_EVEN: "a half to the even digit",
    RoundingMode.HALF_UP: "a half away from zero",
    RoundingMode.FLOOR: "down",
    RoundingMode.CEILING: "up",
    RoundingMode.TRUNCATE: "towards zero",
}


def explain(agreement: Agreement) -> str:
    """Return what an agreement means, as a few titled paragraphs that end with a line feed.

    Lines are within 96 characters but for names that are longer together.
    """
    parts = [
        _heading(agreement),
        _titled("Who reports what", _reports(agreement)),
        _titled("When a field ties out", _each_field(agreement, _ties_out)),
        *_invariants(agreement),
        *_stages(agreement),
        *_groups(agreement),
        _titled("Which value stands when they differ", _each_field(agreement, _stands)),
        *_deciding(agreement),
        _titled("How long a role may stay silent", _deadlines(agreement)),
        _titled("How books are adjusted", _adjusting(agreement)),
        _titled("When the alarm is raised", [_alarm(agreement)]),
        *_severities(agreement),
        *_escalation(agreement),
        _titled("How long it is kept", [_keeping(agreement)]),
    ]
    return "\n\n".join(parts) + "\n"


def explain_change(old: Agreement, new: Agreement) -> list[str]:
    """What one version says that another does not: `- ` before lines of `old`, `+ ` of `new`.

    Empty when both mean the same.
    """
    was, now = ([" ".join(line.split()) for line in _body(each)] for each in (old, new))
    lines = []
    for tag, i, i_end, j, j_end in SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        if tag != "equal":
            lines += [f"- {line}" for line in was[i:i_end]]
            lines += [f"+ {line}" for line in now[j:j_end]]
    return lines


def _body(agreement: Agreement) -> list[str]:
    """What an agreement means, without its name, version and hash."""
    return explain(agreement).split("\n\n", 1)[1].splitlines()


def _heading(agreement: Agreement) -> str:
    lines = [f"{agreement.name}, version {agreement.version}", f"hash {agreement.hash.hex()}"]
    if agreement.needs_rules > 1:
        lines.append(f"for ledgers of rules version {agreement.needs_rules} and later")
    return "\n".join(lines)


def _titled(title: str, lines: list[str]) -> str:
    return "\n".join([title, *lines])


def _line(text: str) -> str:
    return fill(text, _WIDTH, initial_indent="  ", subsequent_indent="  ", break_long_words=False)


def _item(name: str, width: int, text: str) -> str:
    return fill(
        text,
        _WIDTH,
        initial_indent=f"  {name:<{width}}  ",
        subsequent_indent=" " * (width + 4),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _reports(agreement: Agreement) -> list[str]:
    width = max(map(len, agreement.roles))
    lines = []
    for place, role in enumerate(agreement.roles):
        names = [field.name for field in agreement.fields if place in field.roles]
        everything = len(names) == len(agreement.fields)
        lines.append(_item(role, width, "every field" if everything else _listed(names, "and")))
    if agreement.opened_by:
        openers = _listed([agreement.roles[place] for place in agreement.opened_by], "or")
        lines.append(_line(f"What {openers} has not opened by the cut-off is unexpected."))
    return lines


def _each_field(agreement: Agreement, say: Callable[[Agreement, Field], str]) -> list[str]:
    width = max(len(field.name) for field in agreement.fields)
    return [_item(field.name, width, say(agreement, field)) for field in agreement.fields]


def _ties_out(agreement: Agreement, field: Field) -> str:
    said = [_kind(agreement, field)]
    if not field.compare:
        said.append("kept and shown, never compared")
    else:
        said.append(_how_it_ties_out(agreement, field))
    said.append("may be left blank" if field.optional else "missing when left blank")
    return "; ".join(said)


def _kind(agreement: Agreement, field: Field) -> str:
    if field.length:
        return f"{field.type} of at most {field.length} bytes"
    if field.type not in NUMBERS or field.type is FieldType.INTEGER:
        return str(field.type)
    said = f"{field.type} with {_decimals(field.scale)}"
    if field.currency is not None:
        return f"{said} in {field.currency}"
    if field.currency_field is not None:
        return f"{said} in the currency of {agreement.fields[field.currency_field].name}"
    return said


def _invariants(agreement: Agreement) -> list[str]:
    if not agreement.invariants:
        return []
    width = max(len(each.name) for each in agreement.invariants)
    lines = []
    for each in agreement.invariants:
        roles = _listed([agreement.roles[role] for role in each.roles], "and")
        where = f"between the records of {roles}" if each.is_across else f"in the record of {roles}"
        if not each.is_across and len(each.roles) > 1:
            where = f"in each record of {roles}"
        lines.append(_item(each.name, width, f"{each.says}, {where}"))
    return [_titled("What must hold besides", lines)]


def _stages(agreement: Agreement) -> list[str]:
    if not agreement.stages:
        return []
    width = max(len(stage.name) for stage in agreement.stages)
    lines = []
    for stage in agreement.stages:
        roles = _listed([agreement.roles[role] for role in stage.roles], "and")
        fields = _listed([agreement.fields[f].name for f in stage.fields], "and")
        carried = _listed([agreement.fields[f].name for f in stage.carried], "and")
        said = f"{fields}, by {roles}"
        if stage.carried:
            said += f"; {carried} must tie out with what was agreed on at the stage before"
        lines.append(_item(stage.name, width, said))
    lines.append(_line("What comes before the stage in front of it has tied out is out of order."))
    return [_titled("Through which stages it goes", lines)]


def _groups(agreement: Agreement) -> list[str]:
    if not agreement.groups:
        return []
    width = max(len(each.name) for each in agreement.groups)
    lines = [_item(each.name, width, _group(agreement, each)) for each in agreement.groups]
    apart = _listed([agreement.roles[role] for role in agreement.apart], "and")
    lines.append(_line(f"Nobody waits for {apart}: their records are transactions of their own."))
    return [_titled("What is settled together", lines)]


def _group(agreement: Agreement, group: Group) -> str:
    members, counterparts = (
        _listed([agreement.roles[role] for role in roles], "and") for roles in group.sides
    )
    key, total = agreement.fields[group.key], agreement.fields[group.sum]
    said = f"all records with one {key.name}"
    if total.currency_field is not None:
        said += f" and one {agreement.fields[total.currency_field].name}"
    said += f": the sum of {total.name} of {members} is that of {counterparts}"
    if group.tolerance:
        said += f", within {format_scaled(group.tolerance, total.scale)}"
    if group.count is not None:
        name = agreement.fields[group.count].name
        return (
            f"{said}; judged when there are as many records of {members} as {counterparts} states"
            f" in {name}, or at the cut-off"
        )
    return f"{said}; judged at the cut-off"


def _how_it_ties_out(agreement: Agreement, field: Field) -> str:
    said = []
    if field.rounding is not None:
        how = _ROUNDING[field.rounding.mode]
        said.append(f"compared when rounded to {_decimals(field.rounding.decimals)} ({how})")
    if field.codes is not None and field.type is FieldType.CODE:
        said.extend(_same_codes(field.codes))
    if field.drift_before or field.drift_after:
        said.append(f"ties out {_drift(field)}")
    elif field.tolerance is not None and _is_limited(field.tolerance):
        said.append(f"ties out {_within(agreement, field, field.tolerance)}")
    else:
        said.append("ties out when equal")
    if field.choice is not None:
        chooser = agreement.fields[field.choice.field]
        said.extend(
            f"{_within(agreement, field, tolerance)} where {chooser.name} is"
            f" {_listed(_group_of(chooser, code), 'or')}"
            for code, tolerance in field.choice.by_value
        )
    return "; ".join(said)


def _is_limited(tolerance: Tolerance) -> bool:
    return tolerance.absolute is not None or tolerance.percent_units is not None


def _same_codes(rule: CodeRule) -> list[str]:
    ignored = [
        name
        for name, is_ignored in (
            ("upper or lower case", rule.ignores_case),
            ("punctuation", rule.ignores_punctuation),
            ("leading zeros", rule.ignores_leading_zeros),
        )
        if is_ignored
    ]
    said = [f"{_listed(ignored, 'and')} do not matter"] if ignored else []
    groups: dict[bytes, list[str]] = {}
    for code, first in rule.equivalent:
        groups.setdefault(first, []).append(code.decode())
    return said + [f"{_listed(codes, 'and')} are the same" for codes in groups.values()]


def _group_of(field: Field, settled: bytes) -> list[str]:
    """All codes that count as a settled one."""
    equivalent = field.codes.equivalent if field.codes is not None else ()
    codes = [code for code, first in equivalent if first == settled]
    return [code.decode() for code in codes or [settled]]


def _drift(field: Field) -> str:
    day = "day" if field.drift_calendar is None else "business day"
    before, after = _count(field.drift_before, day), _count(field.drift_after, day)
    said = f"within {before}"
    if field.drift_before != field.drift_after:
        said = f"from {before} before to {after} after the value that stands"
    return said if field.drift_calendar is None else f"{said}; {_free(field.drift_calendar)}"


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _free(calendar: Calendar) -> str:
    free = [WEEKDAYS[day] for day in calendar.weekend]
    holidays = _count(len(calendar.holidays), "holiday")
    return f"free are {_listed([*free, holidays], 'and')}"


def _decimals(count: int) -> str:
    return _count(count, "decimal")


def _within(agreement: Agreement, field: Field, tolerance: Tolerance) -> str:
    limits = []
    if tolerance.absolute is not None:
        limits.append(f"within {format_scaled(tolerance.absolute, field.scale)}")
    if tolerance.percent_units is not None:
        percent = format_scaled(tolerance.percent_units, tolerance.percent_scale)
        base = _BASES[tolerance.base] if tolerance.of is None else agreement.roles[tolerance.of]
        limits.append(f"within {percent}% of {base}")
    return (" and also " if tolerance.within_all else " or ").join(limits)


def _stands(agreement: Agreement, field: Field) -> str:
    if not field.compare:
        return "never compared"
    match field.policy:
        case Policy.AUTHORITY if field.authority is not None:
            return f"what {agreement.roles[field.authority]} states"
        case Policy.DECISION:
            return "people decide"
        case Policy.PREVIOUS_STAGE:
            return (
                "what was agreed on at the stage before; at the first one what more than half of"
                " the roles state"
            )
        case _:
            return "what more than half of the roles state; without such a majority people decide"


def _deadlines(agreement: Agreement) -> list[str]:
    width = max(map(len, agreement.roles))
    lines = []
    every = zip(agreement.roles, agreement.deadlines_us, agreement.business_deadlines, strict=True)
    for role, deadline_us, business in every:
        if business is not None:
            text = _in_business_time(business, "the first record of the transaction")
        elif deadline_us is None:
            text = "until the cut-off"
        else:
            text = f"{format_duration(deadline_us)} after the first record of the transaction"
        lines.append(_item(role, width, text))
    return lines


def _in_business_time(deadline: BusinessDeadline, since: str) -> str:
    calendar, clock = deadline.calendar, format_clock(deadline.at_us)
    count = {0: "the same business day", 1: "the next business day"}
    day = count.get(deadline.days, f"the business day {deadline.days} days later")
    offsets = dict.fromkeys([calendar.offset_us, *(offset for _, offset in calendar.changes)])
    zone = _listed([format_offset(offset) for offset in offsets], "or")
    said = f"{clock} (UTC{zone}) of {day} after {since}"
    if deadline.until_us is not None:
        said += ", which counts as of the day after when it comes later than"
        said += f" {format_clock(deadline.until_us)}"
    return f"{said}; {_free(calendar)}"


def _adjusting(agreement: Agreement) -> list[str]:
    lines = [_line(_MODES[agreement.mode])]
    if agreement.mode is AdjustmentMode.NOTIFY:
        return lines
    limits = [
        f"{field.name} {format_scaled(limit, field.scale)} {currency}".rstrip()
        for field in agreement.fields
        for currency, limit in field.limits
    ]
    if limits:
        lines.append(_line(f"Without approval up to a difference of: {', '.join(limits)}."))
    rest = "Everything else" if limits else "Every adjustment"
    lines.append(_line(f"{rest} needs the approval of two persons of that party."))
    return lines


def _deciding(agreement: Agreement) -> list[str]:
    if agreement.votes is None:
        return []
    enough = f"{agreement.votes} of the parties" if agreement.votes else "more than half of them"
    line = f"The parties of the transaction, by vote: {enough} must agree to a value."
    return [_titled("Who decides when no rule can", [_line(line)])]


def _alarm(agreement: Agreement) -> str:
    others = agreement.quorum - 1
    if others == 0:
        return _line("At once, with the first finding of the rules.")
    parties = "1 party has" if others == 1 else f"{others} parties have"
    return _line(f"When {parties} confirmed the finding of the rules from their own books.")


def _severities(agreement: Agreement) -> list[str]:
    rule = agreement.severity
    if rule is None:
        return []
    width, lines = len(Severity.CRITICAL.name), []
    for severity in reversed(Severity):
        reasons = [kind.name.lower().replace("_", " ") for kind, s in rule.kinds if s is severity]
        for amounts in rule.amounts:
            reasons += _severe_amounts(agreement, amounts, severity)
        reasons += [_after(delay, "it broke") for s, delay in rule.ages if s is severity]
        if severity is Severity.LOW:
            reasons = ["everything else"]
        if reasons:
            lines.append(_item(severity.name.lower(), width, "; ".join(reasons)))
    return [_titled("How severe a break is", lines)]


def _severe_amounts(agreement: Agreement, amounts: Amounts, severity: Severity) -> list[str]:
    field = agreement.fields[amounts.field]
    limits = [
        f"{format_scaled(least, field.scale)} {currency.decode() or field.currency or ''}".rstrip()
        for currency, each, least in amounts.limits
        if each is severity
    ]
    return [f"a difference in {field.name} from {_listed(limits, 'or')} on"] if limits else []


def _escalation(agreement: Agreement) -> list[str]:
    if not agreement.escalation:
        return []
    width = max(len(step.to) for step in agreement.escalation)
    lines = [
        _item(step.to, width, _after(step.after, "the alarm was raised"))
        for step in agreement.escalation
    ]
    return [_titled("Who is told when nobody acknowledges the alarm", lines)]


def _after(delay: Delay, since: str) -> str:
    if isinstance(delay, BusinessDeadline):
        return f"after {_in_business_time(delay, since)}"
    return f"{format_duration(delay)} after {since}"


def _keeping(agreement: Agreement) -> str:
    kept = format_duration(agreement.retention_us)
    return _line(f"A closed transaction for {kept}; after that a record with its id is refused.")


def _listed(names: list[str], word: str) -> str:
    if len(names) <= 1:
        return "".join(names) or "nothing"
    return f"{', '.join(names[:-1])} {word} {names[-1]}"
