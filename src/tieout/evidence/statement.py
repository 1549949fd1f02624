"""What the rules say about one transaction, as an evidence pack states it.

The texts are those of the breaks file; to them come the rules that decided, the currencies, and the
adjustments under the ids by which people signed for them. Everything is read from the state of the
reference implementation; nothing is judged here.
"""

from typing import Literal

from tieout.agreement.model import Agreement
from tieout.evidence.breaklist import line_of, value_text
from tieout.evidence.packform import (
    AdjustmentStatement,
    BenchmarkStatement,
    BreakStatement,
    FieldValue,
    RoleStatement,
    Statement,
)
from tieout.reference.adjusting import id_of
from tieout.reference.benchmark import basis_of, find_benchmark
from tieout.reference.breaks import break_rows_of
from tieout.reference.invariants import sides_of
from tieout.reference.records import PLACE_SHIFT
from tieout.reference.state import Book, State
from tieout.reference.transaction import Adjustment, Break, Role, Transaction, stating
from tieout.reference.values import Money, Value, amount_of
from tieout.units.dates import format_time
from tieout.wire.codes import Action, BenchmarkState, BreakKind, Status

_STATES: dict[BenchmarkState, Literal["awaiting", "undecided", "decided"]] = {
    BenchmarkState.AWAITING: "awaiting",
    BenchmarkState.UNDECIDED: "undecided",
    BenchmarkState.DECIDED: "decided",
}


def state_transaction(state: State, transaction: Transaction) -> Statement:
    """The statement about a transaction that has a verdict."""
    book = state.book_of(transaction)
    agreement = book.agreement
    roles = tuple(
        _role(agreement, agreement.roles[index], role)
        for index, role in enumerate(transaction.roles)
    )
    own = [each for each in book.adjustments if each.serial == transaction.serial]
    return Statement(
        status=(transaction.status or Status.PENDING).name.lower(),
        version=agreement.version,
        opened=format_time(transaction.opened_us),
        closed=format_time(transaction.closed_us) if transaction.closed_us else "",
        judged=transaction.judged,
        episode=transaction.episode,
        alarm=transaction.alarm.name.lower(),
        confirmed_by=tuple(sorted(transaction.confirmed_by)),
        last_leaf=last_leaf(transaction),
        roles=roles,
        breaks=_breaks(book, transaction),
        benchmarks=_benchmarks(book, transaction),
        adjustments=tuple(_adjustment(state, book, each) for each in own),
    )


def last_leaf(transaction: Transaction) -> int:
    """The highest leaf that holds a standing record of the transaction; 0 when none does."""
    return max(
        (role.record.place >> PLACE_SHIFT for role in transaction.roles if role.record), default=0
    )


def _role(agreement: Agreement, name: str, role: Role) -> RoleStatement:
    record = role.record
    if record is None:
        return RoleStatement(name, role.party, "silent", 0, 0, 0, role.overdue, ())
    values = tuple(
        _value(agreement, f, value) for f, value in enumerate(record.values) if value is not None
    )
    return RoleStatement(
        role=name,
        party=role.party,
        standing="states" if record.action is Action.STATE else "withdrew",
        revision=record.revision,
        leaf=record.place >> PLACE_SHIFT,
        row=record.place & ((1 << PLACE_SHIFT) - 1),
        overdue=role.overdue,
        values=values,
    )


def _value(agreement: Agreement, f: int, value: Value) -> FieldValue:
    field = agreement.fields[f]
    return FieldValue(
        field.name, value_text(field, amount_of(value)), _currency(agreement, f, value)
    )


def _currency(agreement: Agreement, f: int | None, value: Value | None) -> str:
    if f is None or value is None:
        return ""
    if isinstance(value, Money):
        return value.currency.decode("ascii")
    return agreement.fields[f].currency or ""


def _sides(agreement: Agreement, transaction: Transaction, each: Break) -> tuple[str, str]:
    """What the sides of an invariant that does not hold come to: left, and left − right.

    Empty for other breaks; `undefined` where something is divided by zero (R-INV-4).
    """
    if each.kind is not BreakKind.INVARIANT or each.field is None:
        return "", ""
    invariant = agreement.invariants[each.field - len(agreement.fields)]
    role = None if invariant.is_across else each.role
    sides = sides_of(agreement, invariant, stating(transaction), role)
    if sides is None or sides.left is None or sides.right is None:
        return "undefined", ""
    scale = max(sides.left.scale, sides.right.scale)
    apart = sides.left.at(scale) - sides.right.at(scale)
    return _decimal(sides.left.units, sides.left.scale), _decimal(apart, scale)


def _decimal(units: int, scale: int) -> str:
    """A number of any size and scale."""
    digits = str(abs(units)).rjust(scale + 1, "0")
    sign = "-" if units < 0 else ""
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else sign + digits


def _breaks(book: Book, transaction: Transaction) -> tuple[BreakStatement, ...]:
    told = transaction.verdict.breaks if transaction.verdict else ()
    rows = break_rows_of(book, transaction)
    lines = [line_of(book.agreement, row) for row in rows]
    sides = [_sides(book.agreement, transaction, each) for each in told]
    return tuple(
        BreakStatement(
            kind=line.kind,
            field=line.field,
            role=line.role,
            reported=line.reported or left,
            reported_currency=_currency(book.agreement, each.field, each.reported),
            benchmark=line.benchmark,
            benchmark_currency=_currency(book.agreement, each.field, each.benchmark),
            basis=line.basis,
            difference=line.difference or apart,
            status=line.status,
            rules=each.rules,
        )
        for each, line, (left, apart) in zip(told, lines, sides, strict=True)
    )


def _benchmarks(book: Book, transaction: Transaction) -> tuple[BenchmarkStatement, ...]:
    """The benchmarks of fields that do not tie out, and of those frozen or decided by people."""
    told: tuple[Break, ...] = transaction.verdict.breaks if transaction.verdict else ()
    fields = {each.field for each in told if each.kind is BreakKind.MISMATCH}
    fields |= transaction.frozen.keys() | transaction.decided.keys()
    asked = [f for f in range(len(book.agreement.fields)) if f in fields]
    return tuple(_benchmark(transaction.terms, transaction, f) for f in asked)


def _benchmark(agreement: Agreement, transaction: Transaction, f: int) -> BenchmarkStatement:
    field = agreement.fields[f]
    found = find_benchmark(agreement, transaction, f, transaction.values_of(f, field.roles))
    value = None if found.value is None else amount_of(found.value)
    return BenchmarkStatement(
        field=field.name,
        state=_STATES[found.state],
        value=value_text(field, value),
        currency=_currency(agreement, f, found.value),
        basis=basis_of(agreement, transaction, f) if found.value is not None else "",
        rule=found.rule,
    )


def _adjustment(state: State, book: Book, adjustment: Adjustment) -> AdjustmentStatement:
    benchmarks = tuple(
        _value(book.agreement, f, value) for f, value in sorted(adjustment.benchmarks.items())
    )
    return AdjustmentStatement(
        id=id_of(state.ledger_id, book, adjustment).hex(),
        role=book.agreement.roles[adjustment.role],
        status=adjustment.status.name.lower(),
        revision=adjustment.revision,
        benchmarks=benchmarks,
        proposer=_person(adjustment.proposer) if adjustment.proposer else "rule",
        approvers=tuple(_person(each) for each in adjustment.approvers),
        approved_at_once=adjustment.approved_at_once,
    )


def _person(code: int) -> str:
    return f"{code >> 16}/{code & 0xFFFF}"
