"""What the parties agreed on, as the rules see it: indices for names, integers for decimals.

An `Agreement` is made by `tieout.agreement.parse` from an author's file, or from the canonical form
that stands on the ledger, and from nothing else; everything in it has been checked. Roles and
fields are referred to by their index in the agreement's order.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from tieout.wire.codes import BreakKind, Severity
from tieout.wire.rows import RowLayout


class FieldType(StrEnum):
    """Type of a field, as written in the file."""

    CODE = "code"
    TEXT = "text"
    MONEY = "money"
    QUANTITY = "quantity"
    PRICE = "price"
    RATE = "rate"
    DATE = "date"
    TIME = "time"
    INTEGER = "integer"


NUMBERS = (
    FieldType.MONEY,
    FieldType.QUANTITY,
    FieldType.PRICE,
    FieldType.RATE,
    FieldType.INTEGER,
)
"""Types whose values are scaled integers (an integer has scale 0)."""


class Policy(IntEnum):
    """How the benchmark of a field is found (R-BENCH-1 to R-BENCH-3, R-STAGE-6)."""

    MAJORITY = 1
    AUTHORITY = 2
    DECISION = 3
    PREVIOUS_STAGE = 4


class Base(IntEnum):
    """Of what a percentage is taken (R-TOL-3, R-TOL-6)."""

    LARGER = 0
    SMALLER = 1
    AVERAGE = 2


class RoundingMode(StrEnum):
    """How a number with too many decimals is rounded (R-ROUND-1)."""

    HALF_EVEN = "half_even"
    HALF_UP = "half_up"
    FLOOR = "floor"
    CEILING = "ceiling"
    TRUNCATE = "truncate"


class Operator(StrEnum):
    """What is done to the operands of a node of a formula."""

    ADD = "+"
    SUB = "-"
    MUL = "*"
    ABS = "abs"
    MIN = "min"
    MAX = "max"
    ROUND = "round"
    DIV = "div"


class Comparison(StrEnum):
    """How the two sides of an invariant must compare."""

    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="


class AdjustmentMode(StrEnum):
    """How books are adjusted.

    Compensate: a further entry for the difference. Replace: the entry is overwritten. Notify:
    people are told, and nothing is approved.
    """

    COMPENSATE = "compensate"
    REPLACE = "replace"
    NOTIFY = "notify"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Tolerance of a number field (R-TOL-2 to R-TOL-4). None: that kind is not stated.

    At least one of `absolute` and `percent_units` is stated. `absolute` is scaled as the field, 0
    or more. The percentage is percent_units / 10**percent_scale, 0 ≤ percent_units ≤ 10**12,
    percent_scale ≤ 6. `of` is the index of the base's role; None: `base` says what the base is.
    """

    absolute: int | None
    percent_units: int | None
    percent_scale: int
    of: int | None
    within_all: bool
    base: Base = Base.LARGER


@dataclass(frozen=True, slots=True)
class ToleranceChoice:
    """Tolerances of which the value of a code field chooses one (R-TOL-11).

    `by_value` holds settled codes (`codes.settled`), ascending, each with its tolerance.
    """

    field: int
    by_value: tuple[tuple[bytes, Tolerance], ...]


@dataclass(frozen=True, slots=True)
class Rounding:
    """Rounding before comparison (R-TOL-7): to fewer decimals than the field has."""

    decimals: int
    mode: RoundingMode


@dataclass(frozen=True, slots=True)
class CodeRule:
    """Which different codes count as the same (R-TOL-9, R-TOL-10).

    `equivalent` has, for each code of an equivalence table, what is left of it, and what is left of
    the code that stands for its group; ascending. ASCII only.
    """

    ignores_case: bool
    ignores_punctuation: bool
    ignores_leading_zeros: bool
    equivalent: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    `scale` is the number of decimals (0 unless a number), `length` bytes (codes and texts, else 0),
    `roles` ascending indices of the roles that report it. `currency_field` is the index of the code
    field that holds this money's currency, `currency` a fixed code; both None: no currency.
    `authority` is a role that reports the field, None unless the policy is AUTHORITY. A date may
    lie `drift_before` days before, or `drift_after` days after the benchmark: business days of
    `drift_calendar`, unless that is None. `codes` are the rule of a code field, or of the field
    that holds this money's currency; None: codes are compared byte by byte.
    """

    name: str
    type: FieldType
    scale: int
    length: int
    roles: tuple[int, ...]
    optional: bool
    compare: bool
    currency_field: int | None
    currency: str | None
    tolerance: Tolerance | None
    drift_before: int
    drift_after: int
    policy: Policy
    authority: int | None
    limits: tuple[tuple[str, int], ...]
    """Automatic adjusting up to (currency, limit scaled as the field), by currency (R-ADJ-3).

    The currency is "" for a field without one, and the fixed code of a field that has one. No entry
    for a currency, or none at all: always needs approval.
    """
    choice: ToleranceChoice | None = None
    rounding: Rounding | None = None
    codes: CodeRule | None = None
    drift_calendar: "Calendar | None" = None


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which days are business days, and what clocks show (R-TIME-2).

    `weekend` are weekdays, 0 to 6 from Monday on, not all of them. `holidays` and `workdays` are
    ascending days since 1970-01-01, none in both. Clocks are `offset_us` ahead of UTC, and from
    each moment of `changes` on by what stands with it; moments ascend, at least a day apart.
    """

    weekend: tuple[int, ...]
    holidays: tuple[int, ...]
    workdays: tuple[int, ...]
    offset_us: int
    changes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class BusinessDeadline:
    """So many business days after the day of opening, at a time of the day (R-TIME-2).

    What is opened later than `until_us` counts as opened on the next day; None: nothing is too
    late. Times of the day are microseconds from midnight by the clocks of the calendar.
    """

    days: int
    at_us: int
    until_us: int | None
    calendar: Calendar


Delay = int | BusinessDeadline
"""A duration in microseconds, or a time of a business day."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """From which difference in a field on a break has which severity (R-SEVERITY-2).

    `limits` are (settled currency, severity, least difference scaled as the field), ascending; the
    currency is empty for a field whose currency is no field.
    """

    field: int
    limits: tuple[tuple[bytes, Severity, int], ...]


@dataclass(frozen=True, slots=True)
class SeverityRule:
    """How severe the breaks of a transaction are. What is not stated makes none more severe.

    `ages` are (severity, delay after the beginning of the episode), by severity.
    """

    kinds: tuple[tuple[BreakKind, Severity], ...]
    amounts: tuple[Amounts, ...]
    ages: tuple[tuple[Severity, Delay], ...]


@dataclass(frozen=True, slots=True)
class Escalation:
    """To whom an alarm goes that nobody has acknowledged so long after it was raised."""

    after: Delay
    to: str


@dataclass(frozen=True, slots=True)
class Literal:
    """The number units / 10**scale, not negative."""

    units: int
    scale: int


@dataclass(frozen=True, slots=True)
class Term:
    """What a role states for a number field or date; role None: the record that is looked at."""

    role: int | None
    field: int


@dataclass(frozen=True, slots=True)
class Call:
    """An operator and its one or two operands; `decimals` and `mode` are those of ROUND and DIV."""

    operator: Operator
    operands: "tuple[Node, ...]"
    decimals: int = 0
    mode: RoundingMode | None = None


Node = Literal | Term | Call


@dataclass(frozen=True, slots=True)
class Invariant:
    """What must hold inside a record, or between the records of a transaction (R-INV-1, R-INV-2).

    `says` is the formula as text. `roles` are ascending: those that it names, or, when it names
    none, those that report all of its fields, whose records are looked at one by one. `is_across`
    tells the two apart.
    """

    name: str
    says: str
    is_across: bool
    roles: tuple[int, ...]
    left: Node
    comparison: Comparison
    right: Node


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the transactions (R-STAGE-1), by ascending indices.

    `roles` take part in it and `fields` are stated in it; `carried` are those of `fields` that are
    compared with what was agreed at the stage before (R-STAGE-5).
    """

    name: str
    roles: tuple[int, ...]
    fields: tuple[int, ...]
    carried: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Many records that are settled together (R-GROUP-1).

    `sides` are the ascending roles of the members and of their counterparts, no role in both. `key`
    is the code field by which records find each other, `sum` the number field that is added up on
    both sides, `tolerance` scaled as that field, 0 or more. `count` is the integer field in which a
    counterpart announces how many members there are, None where that is never announced.
    """

    name: str
    key: int
    sides: tuple[tuple[int, ...], tuple[int, ...]]
    sum: int
    tolerance: int
    count: int | None

    @property
    def members(self) -> tuple[int, ...]:
        """The roles whose records are the members."""
        return self.sides[0]

    @property
    def counterparts(self) -> tuple[int, ...]:
        """The roles whose records settle the members."""
        return self.sides[1]


@dataclass(frozen=True, slots=True)
class Agreement:
    """One version of an agreement.

    `opened_by` are ascending indices of roles, () when anybody may open (R-OPEN-1). Durations are
    microseconds; `deadlines_us[i]` is None when role i has none, or one in business time: that is
    `business_deadlines[i]`, None in all other cases.
    """

    name: str
    version: int
    roles: tuple[str, ...]
    opened_by: tuple[int, ...]
    fields: tuple[Field, ...]
    deadlines_us: tuple[int | None, ...]
    mode: AdjustmentMode
    quorum: int
    retention_us: int
    canonical: bytes
    """The canonical form: what is hashed, signed by reference and put on the ledger."""
    hash: bytes
    """SHA-256 over a domain tag and the canonical form; 32 bytes."""
    layout: RowLayout
    business_deadlines: tuple[BusinessDeadline | None, ...] = ()
    invariants: tuple[Invariant, ...] = ()
    votes: int | None = None
    """How many parties of a transaction decide a field, 0: more than half; None: they cannot."""
    severity: SeverityRule | None = None
    escalation: tuple[Escalation, ...] = ()
    needs_rules: int = 1
    """The first version of the rules that knows everything that is stated (R-AGREE-3)."""
    groups: tuple[Group, ...] = ()
    stages: tuple[Stage, ...] = ()
    """In their order; () where the transactions have no stages."""
    stage: Stage | None = None
    """Set where this is the agreement as it holds at one stage (`stages.at_stage`)."""

    @property
    def stage_number(self) -> int:
        """The number of the stage at which this holds; 0 where nothing is said of stages."""
        return 0 if self.stage is None else self.stages.index(self.stage)

    @property
    def taking_part(self) -> tuple[int, ...]:
        """The roles that have to state: all, or those of the stage (R-STAGE-1)."""
        return tuple(range(len(self.roles))) if self.stage is None else self.stage.roles

    @property
    def place_names(self) -> tuple[str, ...]:
        """The names of the fields and, behind them, of the invariants and of the groups."""
        fields = [field.name for field in self.fields]
        invariants = [invariant.name for invariant in self.invariants]
        return (*fields, *invariants, *(group.name for group in self.groups))

    @property
    def first_group_place(self) -> int:
        """The place of the first group, behind fields and invariants."""
        return len(self.fields) + len(self.invariants)

    @property
    def apart(self) -> tuple[int, ...]:
        """The roles that speak in transactions of their own, ascending (R-GROUP-2)."""
        return tuple(sorted({role for group in self.groups for role in group.counterparts}))

    def break_kind(self, place: int) -> BreakKind:
        """The kind of a break that the mask of mismatches has at a place."""
        if place < len(self.fields):
            return BreakKind.MISMATCH
        return BreakKind.INVARIANT if place < self.first_group_place else BreakKind.GROUP

    @property
    def is_urgent(self) -> bool:
        """Whether time or amounts decide how much its breaks want to be looked at."""
        return self.severity is not None or self.escalation != ()

    def name_of_place(self, place: int) -> str:
        """The name of a field or, behind the fields, of an invariant or a group."""
        return self.place_names[place]
