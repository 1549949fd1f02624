"""What an author stated: the file's keys, typed and normalised, None where the file is silent.

Two files that differ only in formatting, comments, the order of keys, or the spelling of a number
or duration state the same. Defaults are not filled in here, so that a later default never changes
the hash of an old agreement.
"""

from dataclasses import dataclass, field

from tieout.agreement.formula import Formula
from tieout.agreement.model import AdjustmentMode, FieldType

Decimal = str
"""A normalised decimal text: no leading or trailing zeros, no plus sign."""


@dataclass(frozen=True, slots=True)
class StatedTolerance:
    """`[fields.<name>.tolerance]`. `by` is None, or the field and a tolerance for each value."""

    absolute: Decimal | None
    percent: Decimal | None
    of: str | None
    base: str | None
    within: str | None
    by: "tuple[str, dict[str, StatedTolerance]] | None" = None


@dataclass(frozen=True, slots=True)
class StatedDrift:
    """`[fields.<name>.drift_days]`."""

    before: int | None
    after: int | None
    calendar: str | None = None


@dataclass(frozen=True, slots=True)
class StatedRounding:
    """`[fields.<name>.rounded]`."""

    decimals: int
    mode: str


@dataclass(frozen=True, slots=True)
class StatedField:
    """`[fields.<name>]`. `currency` is a code; `currency_field` the field named in its place.

    `ignore` stands in the order of `keys.IGNORED`; the codes of an equivalent group are ascending,
    and so are the groups.
    """

    name: str
    type: FieldType
    length: int | None
    scale: int | None
    roles: tuple[str, ...] | None
    optional: bool | None
    compare: bool | None
    currency: str | None
    currency_field: str | None
    tolerance: StatedTolerance | None
    drift_days: int | StatedDrift | None
    rounded: StatedRounding | None = None
    ignore: tuple[str, ...] | None = None
    equivalent: tuple[tuple[str, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class StatedCalendar:
    """`[calendars.<name>]`. Days of the week from Monday on; days and moments ascending."""

    weekend: tuple[str, ...] | None
    holidays: tuple[int, ...] | None
    workdays: tuple[int, ...] | None
    offset_us: int
    changes: tuple[tuple[int, int], ...] | None


@dataclass(frozen=True, slots=True)
class StatedDeadline:
    """`[deadlines.<role>]`, in business time."""

    days: int
    at_us: int
    calendar: str
    until_us: int | None


@dataclass(frozen=True, slots=True)
class StatedStage:
    """`[stages.<name>]`. Roles and fields stand in the order of the file; None: not stated."""

    name: str
    roles: tuple[str, ...] | None
    fields: tuple[str, ...] | None
    carried: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class StatedInvariant:
    """One key of `[invariants]`."""

    name: str
    formula: Formula


StatedDelay = int | StatedDeadline
"""A duration in microseconds, or a time of a business day."""
StatedAmounts = dict[str, Decimal | dict[str, Decimal]]
"""By severity: a decimal, or one for each currency."""


@dataclass(frozen=True, slots=True)
class StatedSeverity:
    """`[severity]`. Severities by kind of break, amounts by field, delays by severity."""

    kinds: dict[str, str]
    amounts: dict[str, StatedAmounts]
    ages: dict[str, StatedDelay]


@dataclass(frozen=True, slots=True)
class StatedEscalation:
    """One `[[escalation]]`."""

    after: StatedDelay
    to: str


@dataclass(frozen=True, slots=True)
class StatedGroup:
    """`[groups.<name>]`. Roles stand in the order of `roles`."""

    name: str
    key: str
    members: tuple[str, ...]
    counterparts: tuple[str, ...]
    sum: str
    tolerance: Decimal | None
    count: str | None


@dataclass(frozen=True, slots=True)
class StatedAgreement:
    """The whole file. Roles named in a list other than `roles` stand in the order of `roles`.

    A table that holds nothing is the same as none. `limits` are those of `automatic_up_to`: a
    decimal, or one decimal for each currency.
    """

    name: str
    version: int
    roles: tuple[str, ...]
    opened_by: tuple[str, ...] | None
    fields: tuple[StatedField, ...]
    benchmark: dict[str, str]
    deadlines_us: dict[str, int]
    mode: AdjustmentMode | None
    limits: dict[str, Decimal | dict[str, Decimal]]
    quorum: int | None
    retention_us: int | None
    invariants: tuple[StatedInvariant, ...] = ()
    business_deadlines: dict[str, StatedDeadline] = field(default_factory=dict)
    calendars: dict[str, StatedCalendar] = field(default_factory=dict)
    votes: int | None = None
    """Of `[decision]`; 0: a majority. None: there is no such table."""
    stages: tuple[StatedStage, ...] = ()
    groups: tuple[StatedGroup, ...] = ()
    severity: StatedSeverity | None = None
    escalation: tuple[StatedEscalation, ...] = ()
