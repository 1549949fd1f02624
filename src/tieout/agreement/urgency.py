"""What an author states of severities and escalation: read, and compiled.

`[severity]` says how severe the breaks of a transaction are, by their kinds, their amounts and
their age; `[[escalation]]` to whom an alarm goes that nobody has acknowledged.
"""

from collections.abc import Callable
from typing import Final

from tieout.agreement import keys
from tieout.agreement.codes import settled
from tieout.agreement.errors import Findings
from tieout.agreement.limits import MAX_ESCALATIONS, MAX_SEVERITY_AMOUNTS
from tieout.agreement.model import (
    NUMBERS,
    Amounts,
    BusinessDeadline,
    Calendar,
    Delay,
    Escalation,
    Field,
    SeverityRule,
)
from tieout.agreement.stated import (
    StatedAgreement,
    StatedAmounts,
    StatedDelay,
    StatedEscalation,
    StatedSeverity,
)
from tieout.agreement.table import IDENTIFIER, Table, key_path
from tieout.agreement.timetable import read_delay
from tieout.units.errors import UnitsError
from tieout.units.ids import check_code
from tieout.units.numbers import parse_scaled
from tieout.wire.codes import BreakKind, Severity

SEVERITIES: Final = tuple(each.name.lower() for each in Severity if each)
KINDS: Final = tuple(each.name.lower() for each in BreakKind)
_SEVERITIES_REMEDY: Final = f"Write {', '.join(SEVERITIES)}."

# ---------------------------------------------------------------- read


def read_severity(table: Table) -> StatedSeverity | None:
    """Return what the table states; None when it states nothing."""
    kinds = {}
    below = table.table("kinds", "Write a table.") or table.empty("kinds")
    below.reject_others(KINDS, "kind of break")
    for kind in below.listed():
        severity = below.choice(kind, SEVERITIES)
        if severity is not None:
            kinds[kind] = severity
    amounts = {}
    below = table.table("amounts", "Write a table for each field.") or table.empty("amounts")
    for field in below.listed():
        own = below.table(field, 'Write amounts, such as { high = "10000.00" }.')
        if own is not None:
            amounts[field] = _amounts(own)
    ages = {}
    below = table.table("ages", "Write a table.") or table.empty("ages")
    below.reject_others(SEVERITIES, "severity")
    for severity in below.listed():
        delay = read_delay(below, severity)
        if delay is not None:
            ages[severity] = delay
    stated = StatedSeverity(kinds, amounts, ages)
    return stated if kinds or amounts or ages else None


def _amounts(table: Table) -> StatedAmounts:
    table.reject_others(SEVERITIES, "severity")
    if not table.listed():
        table.reject("low", "no amount is stated", "State one, or remove the field.")
    read: StatedAmounts = {}
    for severity in table.listed():
        below = table.table(severity, "") if table.holds_table(severity) else None
        if below is None:
            amount = table.decimal(severity)
            if amount is not None:
                read[severity] = amount
            continue
        if not 0 < len(below.listed()) <= MAX_SEVERITY_AMOUNTS:
            table.reject(severity, "no amount, or too many", "State one for each currency.")
        by_currency = {code: below.decimal(code) for code in below.listed()}
        read[severity] = {code: each for code, each in by_currency.items() if each is not None}
    return read


def read_escalation(top: Table) -> tuple[StatedEscalation, ...]:
    """Return the steps in the order of the file."""
    steps = top.tables("escalation", "Write one table [[escalation]] for each step.")
    if len(steps) > MAX_ESCALATIONS:
        top.reject("escalation", f"{len(steps)} steps", f"At most {MAX_ESCALATIONS}.")
        return ()
    read = []
    for table in steps:
        table.reject_others(keys.ESCALATION)
        table.require("after", 'Write a duration, such as "30m", or a time of a business day.')
        remedy = "Name who is told then: lower-case letters, digits and _, a letter first."
        table.require("to", remedy)
        after, to = read_delay(table, "after"), table.name("to", IDENTIFIER, remedy)
        if after is not None and to is not None:
            read.append(StatedEscalation(after, to))
    return tuple(read)


# ---------------------------------------------------------------- compiled

NamedCalendar = Callable[[str, str], Calendar | None]
"""What finds the calendar that the table at a path names, or notes that there is none."""


def compile_urgency(
    stated: StatedAgreement,
    fields: tuple[Field, ...],
    calendar: NamedCalendar,
    findings: Findings,
) -> tuple[SeverityRule | None, tuple[Escalation, ...]]:
    """Return how severe breaks are, and the steps of escalation; sound when nothing was found."""
    steps = []
    for number, step in enumerate(stated.escalation, start=1):
        after = _delay(step.after, f"escalation.{number}.after", calendar)
        steps.append(Escalation(after, step.to))
        before = steps[-2].after if number > 1 else 0
        if isinstance(after, int) and isinstance(before, int) and after <= before:
            wrong = "it comes no later than the step before it"
            findings.add(f"escalation.{number}.after", wrong, "Put the steps in order.")
    if stated.severity is None:
        return None, tuple(steps)
    kinds = sorted((BreakKind[k.upper()], _severity(s)) for k, s in stated.severity.kinds.items())
    places = {field.name: place for place, field in enumerate(fields)}
    amounts = []
    for name, by_severity in stated.severity.amounts.items():
        path = key_path("severity.amounts", name)
        if name in places:
            limits = _Limits(fields, fields[places[name]], path, findings).compiled(by_severity)
            amounts.append(Amounts(places[name], limits))
        elif name not in {field.name for field in stated.fields}:
            findings.add_unknown(path, name, "field of this agreement", tuple(places))
    ages = sorted(
        (
            (_severity(name), _delay(delay, key_path("severity.ages", name), calendar))
            for name, delay in stated.severity.ages.items()
        ),
        key=_first,
    )
    amounts.sort(key=lambda each: each.field)
    return SeverityRule(tuple(kinds), tuple(amounts), tuple(ages)), tuple(steps)


class _Limits:
    """The amounts of one field."""

    def __init__(
        self, fields: tuple[Field, ...], field: Field, path: str, findings: Findings
    ) -> None:
        self._field = field
        self._path = path
        self._findings = findings
        self._holder = None if field.currency_field is None else fields[field.currency_field]

    def compiled(self, stated: StatedAmounts) -> tuple[tuple[bytes, Severity, int], ...]:
        """Return (settled currency, severity, least difference), ascending."""
        if self._field.type not in NUMBERS:
            wrong = f"a field of type {self._field.type} has no amount"
            self._findings.add(self._path, wrong, "Only numbers have one: remove it.")
            return ()
        found: dict[tuple[bytes, Severity], int] = {}
        for name, limit in stated.items():
            key = key_path(self._path, name)
            severity = _severity(name)
            if isinstance(limit, str):
                if self._holder is not None:
                    wrong = f"the currency is open: {self._holder.name} holds it"
                    remedy = f'Write an amount for each currency: {{ CNY = "{limit}" }}.'
                    self._findings.add(key, wrong, remedy)
                found[b"", severity] = self._scaled(key, limit)
                continue
            for code, each in limit.items():
                currency = self._currency(key_path(key, code), code)
                if (currency, severity) in found:
                    wrong = f"{code} counts as another currency of the list"
                    self._findings.add(key_path(key, code), wrong, "Keep one of the two.")
                found[currency, severity] = self._scaled(key_path(key, code), each)
        return tuple((*key, limit) for key, limit in sorted(found.items()))

    def _currency(self, key: str, code: str) -> bytes:
        if self._holder is None:
            if code != self._field.currency:
                wrong = f"{self._field.name} is never in {code}"
                self._findings.add(key, wrong, 'Write one amount: "1000.00".')
            return b""
        try:
            return settled(self._holder.codes, check_code(code, self._holder.length))
        except UnitsError as error:
            remedy = f"Write a code that the field {self._holder.name} can hold."
            self._findings.add(key, str(error), remedy)
            return b""

    def _scaled(self, key: str, text: str) -> int:
        try:
            return parse_scaled(text, self._field.scale)
        except UnitsError as error:
            remedy = f"{self._field.name} has {self._field.scale} decimals."
            self._findings.add(key, str(error), remedy)
            return 0


def _delay(stated: StatedDelay, path: str, calendar: NamedCalendar) -> Delay:
    if isinstance(stated, int):
        return stated
    found = calendar(path, stated.calendar)
    if found is None:
        return 0
    return BusinessDeadline(stated.days, stated.at_us, stated.until_us, found)


def _severity(name: str) -> Severity:
    return Severity[name.upper()]


def _first(pair: tuple[Severity, Delay]) -> Severity:
    return pair[0]
