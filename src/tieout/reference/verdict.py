"""The verdict: what is abnormal about a transaction (R-FINAL-1 to R-STATUS-1).

A pure function of the agreement, of what each role states now, and of what has been judged. History
enters only through the flags that the transaction carries for it (R-BIND-1, R-SAME-2, R-CHANGE-1)
and through frozen benchmarks (R-FREEZE-1). That is why any order of the same records ends in the
same breaks (R-ORDER-1).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from tieout.agreement.model import Agreement
from tieout.reference.benchmark import basis_of, find_benchmark, is_carried
from tieout.reference.invariants import broken_invariants
from tieout.reference.tolerance import (
    difference,
    either_way,
    tolerance_of,
    tolerance_rules,
    within,
)
from tieout.reference.transaction import Break, Transaction, Verdict, stating
from tieout.reference.values import Record, Value
from tieout.wire.codes import BenchmarkState, BreakKind, Status


def verdict(agreement: Agreement, transaction: Transaction) -> Verdict:
    """Judge a transaction under the agreement that it is pinned to. Changes nothing."""
    records = stating(transaction)
    if transaction.is_reversed:  # R-REVERSE-3
        return _reversed(agreement, transaction, records)
    breaks = [
        *_whole_records(agreement, transaction, records),
        *_fields(agreement, transaction, records),
        *_broken_groups(agreement, transaction, records),
    ]
    if not transaction.is_out_of_order:  # R-STAGE-4
        breaks.extend(broken_invariants(agreement, records))
    awaited = [role for role in expected_roles(agreement, records) if role not in records]
    if records and (breaks or awaited):
        breaks.extend(_changes_after_match(transaction))
    breaks.sort(key=lambda each: each.key)
    is_whole = not awaited and not _waits_for_groups(agreement, transaction, records)
    return Verdict(_status(records, breaks, is_whole=is_whole), tuple(breaks))


def _reversed(
    agreement: Agreement, transaction: Transaction, records: Mapping[int, Record]
) -> Verdict:
    """R-REVERSE-3: nothing is compared, and nobody is missing."""
    breaks = [
        *_whole_records(agreement, transaction, records),
        *(each for each in _changes_after_match(transaction) if each.role in records),
    ]
    breaks.sort(key=lambda each: each.key)
    is_broken = len(breaks) > 0 and len(records) > 0
    return Verdict(Status.BROKEN if is_broken else Status.WITHDRAWN, tuple(breaks))


def _status(records: Mapping[int, Record], breaks: Sequence[Break], *, is_whole: bool) -> Status:
    """R-STATUS-1."""
    if not records:
        return Status.WITHDRAWN
    if breaks:
        return Status.BROKEN
    return Status.MATCHED if is_whole else Status.PENDING


def expected_roles(agreement: Agreement, stating: Iterable[int]) -> tuple[int, ...]:
    """The roles that a transaction waits for, when these state in it (R-GROUP-2)."""
    apart = agreement.apart
    if all(role in apart for role in stating):
        return ()
    return tuple(role for role in agreement.taking_part if role not in apart)


def _broken_groups(
    agreement: Agreement, transaction: Transaction, records: Mapping[int, Record]
) -> Iterator[Break]:
    """R-GROUP-5: the groups that the records answer for and that do not tie out."""
    for role in records:
        for index in range(len(agreement.groups)):
            if transaction.roles[role].broken_groups >> index & 1:
                place = agreement.first_group_place + index
                yield Break(BreakKind.GROUP, place, role, ("R-GROUP-4", "R-GROUP-5"))


def _waits_for_groups(
    agreement: Agreement, transaction: Transaction, records: Mapping[int, Record]
) -> bool:
    """Whether a counterpart's record stands in a group that is not tied out (R-GROUP-5)."""
    return any(
        role in rule.counterparts
        and record.values[rule.key] is not None
        and not transaction.roles[role].tied_groups >> index & 1
        for index, rule in enumerate(agreement.groups)
        for role, record in records.items()
    )


def _whole_records(
    agreement: Agreement, transaction: Transaction, records: Mapping[int, Record]
) -> Iterator[Break]:
    """Records that are missing, said twice, or said by somebody who should not have spoken."""
    expected = expected_roles(agreement, records)
    unopened = (  # R-OPEN-1
        transaction.judged
        and not transaction.is_reversed
        and len(expected) > 0
        and len(agreement.opened_by) > 0
        and not any(role in records for role in agreement.opened_by)
    )
    for index, role in enumerate(transaction.roles):
        silent = index not in records
        is_asked = silent and index in expected and not transaction.is_reversed
        if is_asked and transaction.is_heard(index) and not unopened:
            yield Break(BreakKind.MISSING, None, index, ("R-MISS-1",))
        if role.duplicate:
            yield Break(BreakKind.DUPLICATE, None, index, ("R-SAME-2",))
        rules = [
            ("R-BIND-1", role.intruder != 0),
            ("R-OPEN-1", unopened and not silent),
            ("R-GROUP-2", role.speaks_apart and not silent and len(records) > 1),
        ]
        which = tuple(number for number, holds in rules if holds)
        if which:
            yield Break(BreakKind.UNEXPECTED, None, index, which)
        if not silent and transaction.is_out_of_order:
            yield Break(BreakKind.OUT_OF_ORDER, None, index, ("R-STAGE-3",))
        if role.dispute:
            yield Break(BreakKind.DISPUTED, None, index, ("R-DISPUTE-1",))


def _changes_after_match(transaction: Transaction) -> Iterator[Break]:
    """Flags that stay open because something else is, or because a role is silent (R-CHANGE-1)."""
    for index, role in enumerate(transaction.roles):
        if role.changed_after_match:
            yield Break(BreakKind.CHANGED_AFTER_MATCH, None, index, ("R-CHANGE-1",))


def _fields(
    agreement: Agreement, transaction: Transaction, records: Mapping[int, Record]
) -> Iterator[Break]:
    """Fields that are missing or do not tie out, whoever else is silent (R-MISS-3)."""
    for f, field in enumerate(agreement.fields):
        values: dict[int, Value] = {}
        for role in field.roles:
            if role not in records:
                continue
            value = records[role].values[f]
            if value is not None:
                values[role] = value  # R-MATCH-1
            elif not field.optional:
                yield Break(BreakKind.MISSING, f, role, ("R-MISS-2",))
        if not field.compare or transaction.is_out_of_order:  # R-STAGE-4
            continue
        if is_carried(agreement, f) or not _is_one_value(transaction, f, values):
            yield from _mismatches(agreement, transaction, f, values)


def _is_one_value(transaction: Transaction, f: int, values: Mapping[int, Value]) -> bool:
    """Whether one value is stated by all; unless another may stand, it ties out (R-TOL-1)."""
    may_differ = f in transaction.frozen or f in transaction.decided
    return len(set(values.values())) <= 1 and not may_differ


def _mismatches(
    agreement: Agreement, transaction: Transaction, f: int, values: Mapping[int, Value]
) -> Iterator[Break]:
    """R-MATCH-2 where a benchmark stands, else R-MATCH-3."""
    field = agreement.fields[f]
    benchmark = find_benchmark(agreement, transaction, f, values)
    tolerance = tolerance_of(agreement, field, transaction)
    stands = benchmark.value
    if stands is not None:
        rules = ("R-MATCH-2", benchmark.rule, *tolerance_rules(field, tolerance))
        for role, value in values.items():
            if not within(field, tolerance, value, stands, values):
                yield Break(
                    BreakKind.MISMATCH,
                    f,
                    role,
                    rules,
                    reported=value,
                    benchmark=stands,
                    basis=basis_of(agreement, transaction, f),
                    difference=difference(field, value, stands),
                    state=BenchmarkState.DECIDED,
                )
        return
    pairs = combinations(values.values(), 2)
    if all(either_way(field, tolerance, a, b, values) for a, b in pairs):
        return
    rules = ("R-MATCH-3", benchmark.rule, *tolerance_rules(field, tolerance))
    for role, value in values.items():
        yield Break(BreakKind.MISMATCH, f, role, rules, reported=value, state=benchmark.state)
