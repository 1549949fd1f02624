"""Groups: many records that are settled together, by a key (R-GROUP-1 to R-GROUP-6).

What a group comes to is a function of the records that stand in it and of whether one of them was
judged at a cut-off, so any order of the same records ends in the same breaks. A group has no life
of its own: where it is broken, the records that answer for it have a break (R-GROUP-5).
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from tieout.agreement.breakrow import Suspicion
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
    Place,
    Speaker,
    state_of,
)
from tieout.reference.judging import judge
from tieout.reference.state import Book, State
from tieout.reference.transaction import Transaction
from tieout.reference.values import Record, amount_of
from tieout.wire.codes import Action, EventKind

SHOWN_LIMIT: Final = 1 << 63
"""A break tells no sums that 64 bits cannot hold (R-GROUP-7)."""


def follow(
    book: Book, transaction: Transaction, role: int, before: Record | None, after: Record
) -> None:
    """Let a role's new standing record take the place of the one before in its groups."""
    speaker = Speaker(transaction.serial, role)
    for key, side in _groups_of(book, role, before):
        group = _touched(book, Place(key, side, speaker))
        group.sums[side] -= group.sides[side].pop(speaker).amount
        group.judged -= transaction.judged
    for key, side in _groups_of(book, role, after):
        group = _touched(book, Place(key, side, speaker))
        counted = _counted(book.agreement.groups[key.rule], side, after)
        group.sides[side][speaker] = counted
        group.sums[side] += counted.amount
        group.judged += transaction.judged


def _touched(book: Book, place: Place) -> Group:
    """The group of a place where a record comes or goes, after noting what stood there."""
    groups = book.groups
    group = groups.by_key.setdefault(place.key, Group())
    groups.touched[place.key] = group
    groups.before.setdefault(place, group.sides[place.side].get(place.speaker))
    return group


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
    if not state.judges_groups:
        return
    moved = [place for place in groups.before if groups.has_changed(place)]
    changed: dict[int, None] = {}
    for place in moved:
        if place.speaker not in groups.by_key[place.key].sides[place.side]:
            _mark(book, place.speaker, place.key.rule, GroupState.OPEN, changed)
    others = {place.key for place in moved}
    told: list[tuple[Speaker, int]] = []
    for key, group in groups.touched.items():
        was, group.last = group.last, state_of(book.agreement.groups[key.rule], group)
        if was is group.last is GroupState.BROKEN and key in others:
            told += [(speaker, key.rule) for speaker in group.sides[COUNTERPARTS]]
        _mark_group(book, key, group, changed)
        if group.is_empty:
            del groups.by_key[key]
    groups.touched.clear()
    groups.before.clear()
    for (serial, role), rule in sorted(told):
        place_number = book.agreement.first_group_place + rule
        transaction = book.transactions[serial]
        events.tell(EventKind.GROUP_CHANGED, transaction, role=role, field=place_number)
    for serial in sorted(changed):
        judge(state, book.transactions[serial], events)


def _mark_group(book: Book, key: GroupKey, group: Group, changed: dict[int, None]) -> None:
    """Note with the records that answer for a group what it comes to (R-GROUP-5)."""
    for speaker in group.sides[COUNTERPARTS]:
        _mark(book, speaker, key.rule, group.last, changed)
    answers = group.last is GroupState.BROKEN and not group.sides[COUNTERPARTS]
    if answers or group.members_answer:
        now = group.last if answers else GroupState.OPEN
        for speaker in group.sides[MEMBERS]:
            _mark(book, speaker, key.rule, now, changed)
    group.members_answer = answers


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
        record.place,
    )


def stands_in_groups(book: Book, transaction: Transaction) -> bool:
    """Whether a record of a transaction is settled together with others (R-GROUP-1)."""
    return any(
        any(_groups_of(book, index, role.record)) for index, role in enumerate(transaction.roles)
    )


class Finding(NamedTuple):
    """What a break of a group tells (R-GROUP-7). `suspect` is the serial of a transaction."""

    key: bytes
    reported: int | None
    benchmark: int | None
    suspect: int | None
    suspicion: Suspicion


def finding_of(book: Book, transaction: Transaction, role: int, rule_index: int) -> Finding:
    """What a record that answers for a broken group has to tell of it."""
    record = transaction.roles[role].record
    key, side = next(each for each in _groups_of(book, role, record) if each[0].rule == rule_index)
    group = book.groups.by_key[key]
    if side == MEMBERS:
        amount = amount_of(record.values[book.agreement.groups[rule_index].sum]) if record else None
        own = amount if isinstance(amount, int) else None
        return Finding(key.key, own, None, None, Suspicion.NONE)
    members, counterparts = group.sums
    suspect, suspicion = _suspect(group)
    sums = (counterparts, members, counterparts - members)
    if not all(-SHOWN_LIMIT <= each < SHOWN_LIMIT for each in sums):
        return Finding(key.key, None, None, suspect, suspicion)
    return Finding(key.key, counterparts, members, suspect, suspicion)


def _suspect(group: Group) -> tuple[int | None, Suspicion]:
    """The one member that explains the difference exactly, and how."""
    surplus = group.sums[MEMBERS] - group.sums[COUNTERPARTS]
    if surplus == 0:
        return None, Suspicion.NONE
    for amount, suspicion in ((surplus, Suspicion.WITHOUT), (-surplus, Suspicion.TWICE)):
        found = [who for who, each in group.sides[MEMBERS].items() if each.amount == amount]
        if found:
            return (found[0].serial, suspicion) if len(found) == 1 else (None, Suspicion.NONE)
    return None, Suspicion.NONE
