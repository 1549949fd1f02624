"""Groups: many records that are settled together, by a key (R-GROUP-1 to R-GROUP-6).

What a group comes to is a function of the records that stand in it and of whether one of them was
judged at a cut-off, so any order of the same records ends in the same breaks. A group has no life
of its own: where it is broken, the records that answer for it have a break (R-GROUP-5).
"""

from collections.abc import Iterator

from tieout.agreement.codes import settled
from tieout.agreement.model import Agreement
from tieout.agreement.model import Group as GroupRule
from tieout.reference.events import Events
from tieout.reference.grouping import (
    COUNTERPARTS,
    MEMBERS,
    Counted,
    Group,
    GroupKey,
    GroupState,
    Speaker,
    state_of,
)
from tieout.reference.judging import judge
from tieout.reference.state import Book, State
from tieout.reference.transaction import Transaction
from tieout.reference.values import Record, amount_of
from tieout.wire.codes import Action


def follow(
    book: Book, transaction: Transaction, role: int, before: Record | None, after: Record
) -> None:
    """Let a role's new standing record take the place of the one before in its groups."""
    for key, side in _groups_of(book, role, before):
        _take_out(book, key, side, Speaker(transaction.serial, role), transaction.judged)
    for key, side in _groups_of(book, role, after):
        group = book.groups.by_key.setdefault(key, Group())
        counted = _counted(book.agreement.groups[key.rule], side, after)
        group.sides[side][Speaker(transaction.serial, role)] = counted
        group.sums[side] += counted.amount
        group.judged += transaction.judged
        book.groups.touched[key] = group


def note_judged(book: Book, transaction: Transaction) -> None:
    """Note in the groups of a transaction that it was judged at a cut-off."""
    for index, role in enumerate(transaction.roles):
        for key, _ in _groups_of(book, index, role.record):
            group = book.groups.by_key[key]
            group.judged += 1
            book.groups.touched[key] = group


def settle(state: State, book: Book, events: Events) -> None:
    """Judge the groups that have changed, and whose breaks opened or closed by it (R-GROUP-6)."""
    groups = book.groups
    changed: dict[int, None] = {}
    for speaker, rule in groups.left:
        _mark(book, speaker, rule, GroupState.OPEN, changed)
    for key, group in groups.touched.items():
        now = state_of(book.agreement.groups[key.rule], group)
        for speaker in group.sides[COUNTERPARTS]:
            _mark(book, speaker, key.rule, now, changed)
        answers = now is GroupState.BROKEN and not group.sides[COUNTERPARTS]
        if answers or group.members_answer:
            for speaker in group.sides[MEMBERS]:
                _mark(book, speaker, key.rule, now if answers else GroupState.OPEN, changed)
        group.members_answer = answers
        if group.is_empty:
            del groups.by_key[key]
    groups.touched.clear()
    groups.left.clear()
    for serial in sorted(changed):
        judge(state, book.transactions[serial], events)


def _mark(
    book: Book, speaker: Speaker, rule: int, now: GroupState, changed: dict[int, None]
) -> None:
    """Note with a record what its group comes to (R-GROUP-5)."""
    role = book.transactions[speaker.serial].roles[speaker.role]
    before = role.broken_groups, role.tied_groups
    role.broken_groups &= ~(1 << rule)
    role.tied_groups &= ~(1 << rule)
    if now is GroupState.BROKEN:
        role.broken_groups |= 1 << rule
    elif now is GroupState.TIED_OUT:
        role.tied_groups |= 1 << rule
    if (role.broken_groups, role.tied_groups) != before:
        changed[speaker.serial] = None


def _take_out(book: Book, key: GroupKey, side: int, speaker: Speaker, judged: int) -> None:
    group = book.groups.by_key[key]
    group.sums[side] -= group.sides[side].pop(speaker).amount
    group.judged -= judged
    book.groups.touched[key] = group
    book.groups.left[speaker, key.rule] = None


def _groups_of(book: Book, role: int, record: Record | None) -> Iterator[tuple[GroupKey, int]]:
    """The groups that a record of a role is in, each with its side (R-GROUP-1)."""
    if record is None or record.action is Action.WITHDRAW:
        return
    agreement = book.agreement
    for index, rule in enumerate(agreement.groups):
        key = record.values[rule.key]
        if not isinstance(key, bytes):
            continue
        for side, roles in enumerate(rule.sides):
            if role in roles:
                code = settled(agreement.fields[rule.key].codes, key)
                yield GroupKey(index, code, _currency(agreement, rule, record)), side


def _currency(agreement: Agreement, rule: GroupRule, record: Record) -> bytes | None:
    """The currency of a record's amount; None where it is blank, or the same for all."""
    total = agreement.fields[rule.sum]
    stated = None if total.currency_field is None else record.values[total.currency_field]
    return settled(total.codes, stated) if isinstance(stated, bytes) else None


def _counted(rule: GroupRule, side: int, record: Record) -> Counted:
    """R-GROUP-3: a blank amount adds nothing."""
    amount = amount_of(record.values[rule.sum])
    announced = record.values[rule.count] if rule.count is not None else None
    return Counted(
        amount if isinstance(amount, int) else 0,
        announced if side == COUNTERPARTS and isinstance(announced, int) else None,
    )
