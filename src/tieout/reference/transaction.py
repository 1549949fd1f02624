"""A transaction: who speaks for which role, what stands, and what the rules last said about it."""

from dataclasses import dataclass, field
from typing import NamedTuple

from tieout.agreement.model import Agreement
from tieout.reference.values import Record, Value
from tieout.wire.codes import (
    OPEN_ADJUSTMENTS,
    Action,
    AdjustmentStatus,
    AlarmState,
    BenchmarkState,
    BreakKind,
    Status,
)


class BreakKey(NamedTuple):
    """Which break; in the order in which breaks are told and listed.

    `place` is 0 for the whole record, else 1 + field.
    """

    place: int
    role: int
    kind: BreakKind


@dataclass(frozen=True, slots=True)
class Break:
    """An open break of one role. `field` is None for the whole record.

    Mismatches say what was reported, and, where the benchmark is decided, the benchmark, its basis
    (the authority's role, or "majority") and the difference reported − benchmark (None for codes,
    texts and money in different currencies). `rules` are the numbers of the rules that decided.
    """

    kind: BreakKind
    field: int | None
    role: int
    rules: tuple[str, ...]
    reported: Value | None = None
    benchmark: Value | None = None
    basis: str | None = None
    difference: int | None = None
    state: BenchmarkState = BenchmarkState.NONE

    @property
    def key(self) -> BreakKey:
        """What tells this break from any other of the transaction."""
        return BreakKey(0 if self.field is None else 1 + self.field, self.role, self.kind)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say: the status (R-STATUS-1), and the open breaks, ordered by their keys."""

    status: Status
    breaks: tuple[Break, ...]

    def mismatches_of(self, role: int) -> tuple[Break, ...]:
        """The fields in which a role mismatches, in the agreement's order."""
        return tuple(b for b in self.breaks if b.role == role and b.kind is BreakKind.MISMATCH)


@dataclass(frozen=True, slots=True)
class Dispute:
    """An open objection: who raised it (party × 65,536 + person), why, and on what grounds."""

    raised_by: int
    reason: str
    evidence: tuple[bytes, ...]


@dataclass(slots=True)
class Role:
    """What a transaction keeps for one role.

    `party` is the bound party and `intruder` the first unexpected one (R-BIND-1), 0 for none.
    `record` is the standing record. `rounds` counts adjustments approved at once (R-ADJ-3);
    `adjustment` is the index of the latest one in the book, None when there was none. `dispute` is
    the one that the role has raised (R-DISPUTE-1).
    `speaks_apart`: the role speaks in transactions of its own (R-GROUP-2). `broken_groups` and
    `tied_groups` are bits of the groups that the record answers for (R-GROUP-5).
    """

    party: int = 0
    intruder: int = 0
    record: Record | None = None
    overdue: bool = False
    duplicate: bool = False
    changed_after_match: bool = False
    rounds: int = 0
    adjustment: int | None = None
    speaks_apart: bool = False
    broken_groups: int = 0
    tied_groups: int = 0
    dispute: Dispute | None = None

    @property
    def states(self) -> bool:
        """Whether its standing record is a statement; otherwise the role is silent."""
        return self.record is not None and self.record.action is Action.STATE


@dataclass(slots=True)
class Transaction:
    """One business event at one stage, pinned to the agreement of its book (R-PIN-1).

    `terms` are that agreement as it holds at this stage; `previous` and `following` are the stages
    beside it, None when nobody has spoken of them (R-STAGE-1).

    `transaction_id` has 36 bytes, NUL padded; `agreement_number` and `serial` are its book and its
    place there. Times are microseconds UTC; `closed_us` is 0 while it is not closed (R-KEEP-1).
    `frozen` holds the benchmarks of approved and posted adjustments by field (R-FREEZE-1).
    `decided` holds what was decided by field (R-DECIDE-3). `verdict` is the last one, None before
    the first.
    """

    transaction_id: bytes
    originator: int
    stage: int
    terms: Agreement
    roles: list[Role]
    agreement_number: int = 0
    serial: int = 0
    opened_us: int = 0
    closed_us: int = 0
    judged: bool = False
    is_reversed: bool = False
    episode: int = 0
    alarm: AlarmState = AlarmState.NONE
    confirmed_by: list[int] = field(default_factory=list)
    frozen: dict[int, Value] = field(default_factory=dict)
    decided: dict[int, Value] = field(default_factory=dict)
    verdict: Verdict | None = None
    previous: "Transaction | None" = field(default=None, repr=False, compare=False)
    following: "Transaction | None" = field(default=None, repr=False, compare=False)

    @property
    def is_final(self) -> bool:
        """Whether the next stage may build on it (R-STAGE-3)."""
        return self.status is Status.MATCHED

    @property
    def is_out_of_order(self) -> bool:
        """Whether the stage before it is not final (R-STAGE-3)."""
        return self.stage > 0 and not (self.previous and self.previous.is_final)

    @property
    def status(self) -> Status | None:
        """The status of the last verdict, None before the first."""
        return self.verdict.status if self.verdict else None

    def values_of(self, f: int, roles: tuple[int, ...]) -> dict[int, Value]:
        """What those of `roles` that state field `f` state for it now, by role."""
        stated: dict[int, Value] = {}
        for index in roles:
            role = self.roles[index]
            value = role.record.values[f] if role.states and role.record else None
            if value is not None:
                stated[index] = value
        return stated

    @property
    def frozen_only(self) -> dict[int, Value]:
        """The benchmarks that stand because they are frozen, and for no better reason."""
        return {f: value for f, value in self.frozen.items() if f not in self.decided}

    @property
    def is_disputed(self) -> bool:
        """Whether a role disputes it (R-DISPUTE-1)."""
        return any(role.dispute for role in self.roles)

    def is_heard(self, role: int) -> bool:
        """Whether nothing more has to be waited for from a role (R-FINAL-1, R-GROUP-2)."""
        spoken = self.roles[role]
        return self.judged or spoken.overdue or spoken.states or spoken.speaks_apart


def new_transaction(
    terms: Agreement, transaction_id: bytes, originator: int, stage: int = 0
) -> Transaction:
    """A transaction of which nobody has spoken yet; `terms` hold at the stage."""
    apart = terms.apart
    roles = [Role(speaks_apart=index in apart) for index in range(len(terms.roles))]
    return Transaction(transaction_id, originator, stage, terms, roles)


def stating(transaction: Transaction) -> dict[int, Record]:
    """The standing records of the roles that state, by role."""
    return {
        index: role.record
        for index, role in enumerate(transaction.roles)
        if role.states and role.record is not None
    }


@dataclass(slots=True)
class Adjustment:
    """The instruction to one role to go from its values to the benchmarks.

    `fields` are bits, `benchmarks` the values by field, `benchmark_bytes` the same as row bytes
    with the currencies at their places. `proposer` and `approvers` are party × 65,536 + person; the
    proposer is 0 for the rule. `index` is its place in the book.
    """

    serial: int
    role: int
    revision: int
    fields: int
    benchmarks: dict[int, Value]
    benchmark_bytes: bytes
    index: int = 0
    proposer: int = 0
    approvers: list[int] = field(default_factory=list)
    approved_at_once: bool = False
    status: AdjustmentStatus = AdjustmentStatus.PROPOSED

    @property
    def is_open(self) -> bool:
        """Whether something can still come of it."""
        return self.status in OPEN_ADJUSTMENTS

    def repeats(self, other: "Adjustment") -> bool:
        """Whether it asks for the same, of the same record (R-ADJ-2)."""
        return (
            self.revision == other.revision
            and self.fields == other.fields
            and self.benchmark_bytes == other.benchmark_bytes
        )

    @property
    def freezes(self) -> bool:
        """Whether its benchmarks stand for its fields (R-FREEZE-1)."""
        return self.status in (AdjustmentStatus.APPROVED, AdjustmentStatus.POSTED)
