"""The benchmark of a field: the value that stands, if one does (R-BENCH-1 to R-BENCH-4).

A tie or a silent authority is never guessed: either no role that may still speak could change the
answer, or the benchmark is awaiting, or people must decide.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tieout.agreement.keys import PREVIOUS_STAGE
from tieout.agreement.model import Agreement, Field, Policy
from tieout.reference.transaction import Transaction
from tieout.reference.values import Value
from tieout.wire.codes import BenchmarkState


class Benchmark(NamedTuple):
    """Whether a value stands, which, and the number of the rule that says so."""

    state: BenchmarkState
    value: Value | None
    rule: str


def find_benchmark(
    agreement: Agreement, transaction: Transaction, f: int, values: Mapping[int, Value]
) -> Benchmark:
    """The benchmark of field `f`, for which `values` are stated, by role."""
    field = agreement.fields[f]
    if f in transaction.decided:
        return Benchmark(BenchmarkState.DECIDED, transaction.decided[f], "R-DECIDE-3")
    if f in transaction.frozen:
        return Benchmark(BenchmarkState.DECIDED, transaction.frozen[f], "R-FREEZE-1")
    return _by_rule(field, transaction, f, values)


def agreed_value(transaction: Transaction, f: int) -> Value | None:
    """What a final stage hands on for a field, None when it has no one value for it (R-STAGE-6).

    What an adjustment freezes there does not matter.
    """
    field = transaction.terms.fields[f]
    values = transaction.values_of(f, field.roles)
    benchmark = _by_rule(field, transaction, f, values)
    if benchmark.value is not None:
        return benchmark.value
    return next(iter(values.values())) if len(set(values.values())) == 1 else None


def is_carried(agreement: Agreement, f: int) -> bool:
    """Whether a field is compared with what was agreed at the stage before (R-STAGE-5)."""
    return agreement.stage is not None and f in agreement.stage.carried


def _by_rule(
    field: Field, transaction: Transaction, f: int, values: Mapping[int, Value]
) -> Benchmark:
    if field.policy is Policy.PREVIOUS_STAGE:
        return _previous_stage(transaction, f)
    if field.policy is Policy.AUTHORITY and field.authority is not None:
        return _authority(transaction, field.authority, values)
    if field.policy is Policy.MAJORITY:
        waiting = sum(not transaction.is_heard(role) for role in field.roles)
        return _majority(values.values(), waiting)
    return Benchmark(BenchmarkState.UNDECIDED, None, "R-BENCH-3")


def _previous_stage(transaction: Transaction, f: int) -> Benchmark:
    """R-STAGE-6."""
    if transaction.previous is None or transaction.is_out_of_order:
        return Benchmark(BenchmarkState.AWAITING, None, "R-STAGE-6")
    value = agreed_value(transaction.previous, f)
    state = BenchmarkState.UNDECIDED if value is None else BenchmarkState.DECIDED
    return Benchmark(state, value, "R-STAGE-6")


def _authority(transaction: Transaction, authority: int, values: Mapping[int, Value]) -> Benchmark:
    """R-BENCH-1."""
    if authority in values:
        return Benchmark(BenchmarkState.DECIDED, values[authority], "R-BENCH-1")
    if transaction.is_heard(authority):
        return Benchmark(BenchmarkState.UNDECIDED, None, "R-BENCH-1")
    return Benchmark(BenchmarkState.AWAITING, None, "R-BENCH-1")


def _majority(values: Iterable[Value], waiting: int) -> Benchmark:
    """R-BENCH-2: no role that speaks later could take this majority away."""
    votes: dict[Value, int] = {}
    for value in values:
        votes[value] = votes.get(value, 0) + 1
    for value, count in votes.items():
        if 2 * count > sum(votes.values()) + waiting:
            return Benchmark(BenchmarkState.DECIDED, value, "R-BENCH-2")
    state = BenchmarkState.AWAITING if waiting else BenchmarkState.UNDECIDED
    return Benchmark(state, None, "R-BENCH-2")


def basis_of(agreement: Agreement, transaction: Transaction, f: int) -> str:
    """What a decided benchmark rests on: a decision, the authority's role, or a majority."""
    field = agreement.fields[f]
    if f in transaction.decided:
        return "decision"
    if field.policy is Policy.PREVIOUS_STAGE:
        return PREVIOUS_STAGE
    if field.policy is Policy.AUTHORITY and field.authority is not None:
        return agreement.roles[field.authority]
    return "majority"
