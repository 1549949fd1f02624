"""The open breaks of an agreement, in the order in which people read them."""

from tieout.agreement.breakrow import BreakRow
from tieout.reference.groups import finding_of
from tieout.reference.state import Book, State
from tieout.reference.transaction import Break, Transaction
from tieout.reference.values import amount_of
from tieout.wire.codes import BreakKind


def breaks(state: State, agreement_name: str) -> list[BreakRow]:
    """All breaks that are open now, in all versions of an agreement, in the order of BreakRow."""
    broken = [
        (book, transaction)
        for book in state.books
        if book.agreement.name == agreement_name
        for transaction in book.transactions
        if transaction.verdict and transaction.verdict.breaks
    ]
    broken.sort(key=lambda each: (each[1].transaction_id, each[1].originator, each[1].stage))
    return [row for book, transaction in broken for row in break_rows_of(book, transaction)]


def break_rows_of(book: Book, transaction: Transaction) -> list[BreakRow]:
    """The open breaks of one transaction."""
    open_breaks = transaction.verdict.breaks if transaction.verdict else ()
    return [_row(book, transaction, each) for each in open_breaks]


def _row(book: Book, transaction: Transaction, each: Break) -> BreakRow:
    row = _plain_row(book, transaction, each)
    if each.kind is not BreakKind.GROUP or each.field is None:
        return row
    rule = each.field - book.agreement.first_group_place
    finding = finding_of(book, transaction, each.role, rule)
    reported, benchmark = finding.reported, finding.benchmark
    return row._replace(
        reported=reported,
        benchmark=benchmark,
        difference=None if reported is None or benchmark is None else reported - benchmark,
        group_key=finding.key,
        suspect=None
        if finding.suspect is None
        else book.transactions[finding.suspect].transaction_id.rstrip(b"\0"),
        suspicion=finding.suspicion,
    )


def _plain_row(book: Book, transaction: Transaction, each: Break) -> BreakRow:
    return BreakRow(
        agreement=book.number,
        transaction_id=transaction.transaction_id.rstrip(b"\0"),
        originator=transaction.originator,
        stage=transaction.stage,
        kind=each.kind,
        field=each.field,
        role=each.role,
        reported=amount_of(each.reported),
        benchmark=amount_of(each.benchmark),
        basis=each.basis,
        difference=each.difference,
        state=each.state,
    )
