"""From the author's text to what the author stated: TOML, then every key with its type.

Only the shape is judged here: whether a key is known, has the right type, and is within its range.
Whether the keys fit each other is judged by `compile.py`, after as much as possible has been read,
so that one reading names every problem.
"""

import tomllib
from typing import Final

from tieout.agreement import keys
from tieout.agreement.errors import Findings
from tieout.agreement.formula import FormulaError, parse_formula
from tieout.agreement.groups import read_groups
from tieout.agreement.limits import (
    MAX_CHOSEN_TOLERANCES,
    MAX_DRIFT_DAYS,
    MAX_EQUIVALENT_CODES,
    MAX_FILE_CHARACTERS,
    MAX_INVARIANTS,
    MAX_QUORUM,
    MAX_VERSION,
    MIN_ROLES,
)
from tieout.agreement.model import AdjustmentMode, Base, FieldType, RoundingMode
from tieout.agreement.stages import read_stages
from tieout.agreement.stated import (
    StatedAgreement,
    StatedDrift,
    StatedField,
    StatedInvariant,
    StatedRounding,
    StatedTolerance,
)
from tieout.agreement.table import BareDecimal, Table, in_order, is_name
from tieout.agreement.timetable import read_calendars, read_deadlines
from tieout.agreement.urgency import read_escalation, read_severity
from tieout.units.numbers import MAX_SCALE, shown
from tieout.wire.limits import MAX_FIELDS, MAX_ROLES, MAX_TEXT_BYTES

_NAME_FORM: Final = "lower-case letters, digits and _, a letter first, at most 36 characters"
_ROLES_REMEDY: Final = f'List {MIN_ROLES} to {MAX_ROLES} names, such as ["seller", "bank"].'
_CURRENCY_LETTERS: Final = 3


def read_toml(text: str, findings: Findings) -> dict[str, object] | None:
    """Return the tree of a TOML file; bare decimals are marked, not converted. None: not TOML."""
    if len(text) > MAX_FILE_CHARACTERS:
        wrong = f"the file has {len(text)} characters"
        findings.add("", wrong, f"At most {MAX_FILE_CHARACTERS} are allowed.")
        return None
    try:
        return tomllib.loads(text.removeprefix("\ufeff"), parse_float=BareDecimal)
    except RecursionError:
        findings.add("", "the file is nested too deeply", "No key needs more than four levels.")
    except ValueError as error:
        findings.add("", f"not TOML: {error}", "Mend the file at that place.")
    return None


def read_stated(tree: dict[str, object], findings: Findings) -> StatedAgreement | None:
    """Return what the tree states, without the fields that do not fit; None without sound roles."""
    top = Table(tree, "", findings)
    top.reject_others(keys.TOP)
    name_remedy = (
        "Write lower-case letters, digits, _ and -, a letter first, at most 36 characters."
    )
    top.require("name", name_remedy)
    name = top.name("name", keys.AGREEMENT_NAME, name_remedy)
    top.require("version", "Write version = 1 for the first one.")
    version = top.whole("version", 1, MAX_VERSION)
    roles = _roles(top)
    opened_by = top.names("opened_by", 'List names of roles, such as ["seller"].')
    fields = _fields(top, roles or ())
    benchmark = _texts(top, "benchmark", "Write majority, decision or the name of a role.")
    deadlines_us, business_deadlines = read_deadlines(_section(top, "deadlines", None))
    calendars = read_calendars(_section(top, "calendars", None))
    mode, limits = _adjustment(top)
    quorum = _section(top, "alarm", keys.ALARM).whole("quorum", 1, MAX_QUORUM)
    retention_us = _section(top, "retention", keys.RETENTION).duration("closed")
    invariants = _invariants(top)
    votes = _votes(top)
    names = tuple(field.name for field in fields)
    stages = read_stages(top, roles or (), names)
    groups = read_groups(_section(top, "groups", None), roles or ())
    severity = read_severity(_section(top, "severity", keys.SEVERITY))
    escalation = read_escalation(top)
    if roles is None:
        return None
    return StatedAgreement(
        name=name or "",
        version=version or 1,
        roles=roles,
        opened_by=None if opened_by is None else in_order(opened_by, roles),
        fields=fields,
        benchmark=benchmark,
        deadlines_us=deadlines_us,
        mode=mode,
        limits=limits,
        quorum=quorum,
        retention_us=retention_us,
        invariants=invariants,
        business_deadlines=business_deadlines,
        calendars=calendars,
        votes=votes,
        stages=stages,
        groups=groups,
        severity=severity,
        escalation=escalation,
    )


def _roles(top: Table) -> tuple[str, ...] | None:
    top.require("roles", _ROLES_REMEDY)
    roles = top.names("roles", _ROLES_REMEDY)
    if roles is None:
        return None
    if not MIN_ROLES <= len(roles) <= MAX_ROLES:
        top.reject("roles", f"{len(roles)} roles", _ROLES_REMEDY)
        return None
    sound = True
    for role in roles:
        if not is_name(role, keys.ROLE_NAME):
            top.reject("roles", f"{shown(role)} is not a name", f"Write {_NAME_FORM}.")
            sound = False
        elif role in keys.RESERVED_ROLES:
            top.reject("roles", f"{role} is a way to find a benchmark", "Choose another name.")
            sound = False
    return roles if sound else None


def _fields(top: Table, roles: tuple[str, ...]) -> tuple[StatedField, ...]:
    remedy = "Write one table [fields.<name>] for each field."
    top.require("fields", remedy)
    table = top.table("fields", remedy)
    if table is None:
        return ()
    names = table.listed()
    if not 1 <= len(names) <= MAX_FIELDS:
        top.reject("fields", f"{len(names)} fields", f"Describe 1 to {MAX_FIELDS} fields.")
        return ()
    read = []
    for name in names:
        if not is_name(name, keys.FIELD_NAME):
            table.reject(name, "this is not a name", f"Write {_NAME_FORM}.")
        elif name in keys.RESERVED_FIELDS:
            taken = ", ".join(keys.RESERVED_FIELDS)
            table.reject(name, "this name is taken", f"Choose another one than {taken}.")
        else:
            field_table = table.table(name, remedy)
            field = None if field_table is None else _field(name, field_table, roles)
            if field is not None:
                read.append(field)
    return tuple(read)


def _field(name: str, table: Table, roles: tuple[str, ...]) -> StatedField | None:
    before = table.problems()
    table.reject_others(keys.FIELD, "key of a field")
    kinds = [kind.value for kind in FieldType]
    table.require("type", f"Allowed are {', '.join(kinds)}.")
    kind_name = table.choice("type", kinds)
    kind = None if kind_name is None else FieldType(kind_name)
    if kind is not None:
        _judge_keys_of_type(table, kind)
    length = table.whole("length", 1, MAX_TEXT_BYTES)
    scale = table.whole("scale", 0, MAX_SCALE)
    currency, currency_field = _currency(table)
    tolerance = _tolerance(table)
    drift_days = _drift(table)
    rounded = _rounded(table)
    ignore = _ignored(table)
    equivalent = _equivalent(table)
    reporting = table.names("roles", "List the names of the roles that report the field.")
    optional = table.flag("optional")
    compare = table.flag("compare")
    if kind is None or table.problems() > before:
        return None
    return StatedField(
        name=name,
        type=kind,
        length=length,
        scale=scale,
        roles=None if reporting is None else in_order(reporting, roles),
        optional=optional,
        compare=compare,
        currency=currency,
        currency_field=currency_field,
        tolerance=tolerance,
        drift_days=drift_days,
        rounded=rounded,
        ignore=ignore,
        equivalent=equivalent,
    )


def _judge_keys_of_type(table: Table, kind: FieldType) -> None:
    for key, kinds in keys.ONLY_FOR.items():
        if table.has(key) and kind not in kinds:
            only = ", ".join(kinds)
            table.reject(key, f"a field of type {kind} has none", f"Only for {only}: remove it.")
    if kind in keys.LENGTH_TYPES:
        table.require("length", f"Write the most bytes of UTF-8, 1 to {MAX_TEXT_BYTES}.")
    if kind in keys.SCALE_TYPES:
        table.require("scale", f"Write the number of decimals, 0 to {MAX_SCALE}.")


def _currency(table: Table) -> tuple[str | None, str | None]:
    remedy = 'Write three capital letters, such as "CNY", or { field = "currency" }.'
    if table.holds_table("currency"):
        below = _section(table, "currency", keys.CURRENCY)
        below.require("field", "Name the field of type code that holds the currency.")
        return None, below.text("field", "Name the field of type code that holds the currency.")
    code = table.text("currency", remedy)
    if code is None:
        return None, None
    if len(code) != _CURRENCY_LETTERS or not (code.isascii() and code.isalpha() and code.isupper()):
        table.reject("currency", f"{shown(code)} is not a currency code (ISO 4217)", remedy)
    return code, None


def _tolerance(table: Table) -> StatedTolerance | None:
    remedy = 'Write a table, such as { absolute = "0.01" }.'
    if table.table("tolerance", remedy) is None:
        return None
    below = _section(table, "tolerance", keys.TOLERANCE)
    return _limits_of(below, table, "tolerance", _by_value(below))


def _limits_of(
    below: Table,
    above: Table,
    key: str,
    by: tuple[str, dict[str, StatedTolerance]] | None = None,
) -> StatedTolerance:
    """Return what the table `below`, which stands at `key` of the one above, says of distances."""
    absolute = below.decimal("absolute")
    percent = below.decimal("percent")
    of = below.text("of", "Name the role whose value is the base of the percentage.")
    base = below.choice("base", [base.name.lower() for base in Base])
    within = below.choice("within", ("any", "all"))
    if not (below.has("absolute") or below.has("percent") or below.has("by")):
        wrong = "neither absolute nor percent is stated"
        above.reject(key, wrong, "State one, or remove the tolerance.")
    for name in ("of", "base"):
        if below.has(name) and not below.has("percent"):
            below.reject(name, "there is no percent that it could be the base of", "Remove it.")
    if below.has("of") and below.has("base"):
        below.reject("base", "the base is the value of a role already", "Keep one of the two.")
    return StatedTolerance(absolute, percent, of, base, within, by)


def _by_value(table: Table) -> tuple[str, dict[str, StatedTolerance]] | None:
    if not table.has("by"):
        return None
    below = _section(table, "by", keys.BY)
    field_remedy = "Name the field of type code whose value chooses the tolerance."
    below.require("field", field_remedy)
    field = below.text("field", field_remedy)
    remedy = 'Write a tolerance for each value: { JPY = { absolute = "1" } }.'
    below.require("values", remedy)
    values = _section(below, "values", None)
    if len(values.listed()) > MAX_CHOSEN_TOLERANCES:
        below.reject("values", "too many values", f"At most {MAX_CHOSEN_TOLERANCES}.")
        return None
    read = {}
    for code in sorted(values.listed()):
        own = values.table(code, 'Write a table, such as { absolute = "1" }.')
        if own is not None:
            own.reject_others(keys.TOLERANCE_BY_VALUE)
            read[code] = _limits_of(own, values, code)
    return field or "", read


def _drift(table: Table) -> int | StatedDrift | None:
    if not table.holds_table("drift_days"):
        return table.whole("drift_days", 0, MAX_DRIFT_DAYS)
    below = _section(table, "drift_days", keys.DRIFT)
    before = below.whole("before", 0, MAX_DRIFT_DAYS)
    after = below.whole("after", 0, MAX_DRIFT_DAYS)
    if not (below.has("before") or below.has("after")):
        table.reject("drift_days", "neither before nor after is stated", "State one of them.")
    calendar = below.text("calendar", "Name one of [calendars].")
    return StatedDrift(before, after, calendar)


def _rounded(table: Table) -> StatedRounding | None:
    if not table.has("rounded"):
        return None
    below = _section(table, "rounded", keys.ROUNDED)
    modes = [mode.value for mode in RoundingMode]
    below.require("decimals", "Write the number of decimals that are left to compare.")
    below.require("mode", f"Allowed are {', '.join(modes)}.")
    decimals = below.whole("decimals", 0, MAX_SCALE)
    mode = below.choice("mode", modes)
    return None if decimals is None or mode is None else StatedRounding(decimals, mode)


def _ignored(table: Table) -> tuple[str, ...] | None:
    remedy = f"List what does not matter: {', '.join(keys.IGNORED)}."
    ignored = table.names("ignore", remedy)
    if ignored is None:
        return None
    for name in ignored:
        if name not in keys.IGNORED:
            table.reject("ignore", f"{shown(name)} cannot be ignored", remedy)
    return in_order(ignored, keys.IGNORED)


def _equivalent(table: Table) -> tuple[tuple[str, ...], ...] | None:
    remedy = 'List groups of codes that mean the same, such as [["EUR", "978"]].'
    groups = table.groups("equivalent", remedy)
    if groups is None:
        return None
    if sum(map(len, groups)) > MAX_EQUIVALENT_CODES:
        table.reject("equivalent", "too many codes", f"At most {MAX_EQUIVALENT_CODES}.")
    return tuple(sorted(tuple(sorted(group)) for group in groups))


def _adjustment(top: Table) -> tuple[AdjustmentMode | None, dict[str, str | dict[str, str]]]:
    table = _section(top, "adjustment", keys.ADJUSTMENT)
    modes = [mode.value for mode in AdjustmentMode]
    mode = table.choice("mode", modes)
    limits: dict[str, str | dict[str, str]] = {}
    if table.listed():
        table.require("mode", f"Allowed are {', '.join(modes)}.")
    below = _section(table, "automatic_up_to", None)
    for field in below.listed():
        if below.holds_table(field):
            by_currency = _section(below, field, None)
            read = {code: by_currency.decimal(code) for code in by_currency.listed()}
            sound = {code: limit for code, limit in read.items() if limit is not None}
            if sound:
                limits[field] = sound
        else:
            limit = below.decimal(field)
            if limit is not None:
                limits[field] = limit
    return None if mode is None else AdjustmentMode(mode), limits


def _votes(top: Table) -> int | None:
    """Return how many parties must agree to a decision, 0 for more than half of them."""
    if not top.has("decision"):
        return None
    table = _section(top, "decision", keys.DECIDING)
    table.require("votes", f"Write {keys.MAJORITY}, or how many parties must agree.")
    if table.holds_text("votes"):
        return None if table.choice("votes", (keys.MAJORITY,)) is None else 0
    return table.whole("votes", 1, MAX_ROLES)


def _invariants(top: Table) -> tuple[StatedInvariant, ...]:
    table = _section(top, "invariants", None)
    names = table.listed()
    if len(names) > MAX_INVARIANTS:
        top.reject("invariants", f"{len(names)} invariants", f"At most {MAX_INVARIANTS}.")
        return ()
    read = []
    for name in names:
        remedy = 'Write a formula, such as "amount = shares * nav + fee".'
        text = table.text(name, remedy)
        if not is_name(name, keys.FIELD_NAME) or name in keys.RESERVED_FIELDS:
            table.reject(name, "this is not a name, or it is taken", f"Write {_NAME_FORM}.")
        elif text is not None:
            try:
                read.append(StatedInvariant(name, parse_formula(text)))
            except FormulaError as error:
                table.reject(name, str(error), remedy)
    return tuple(read)


def _texts(top: Table, key: str, remedy: str) -> dict[str, str]:
    table = _section(top, key, None)
    read = {name: table.text(name, remedy) for name in table.listed()}
    return {name: text for name, text in read.items() if text is not None}


def _section(table: Table, key: str, known: tuple[str, ...] | None) -> Table:
    """Return the table at `key`, an empty one when there is none; `known` None: keys are names."""
    below = table.table(key, "Write a table.")
    if below is None:
        return table.empty(key)
    if known is not None:
        below.reject_others(known)
    return below
