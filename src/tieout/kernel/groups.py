"""Groups: many records that are settled together, by a key (R-GROUP-1 to R-GROUP-6).

The problem: a record changes what a group comes to, and a group that is broken is a break of other
transactions than the one that a row is about. The model: beside its slots a book has an index of
its groups, which holds nothing that does not follow from the slots, so it stands in no digest and
no snapshot. What a group comes to is written into the slots of the records that answer for it
(R-GROUP-5), and these are judged anew. The loops know those marks and nothing else of groups.

Rows are applied as ever; what stood before a batch and what stands after it is compared, and groups
are settled once for the whole batch. Agreements without groups never come here.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tieout.agreement.codes import settled
from tieout.agreement.model import Agreement
from tieout.agreement.model import Group as Rule
from tieout.kernel import layout as at
from tieout.wire.rows import PREFIX_BYTES, Column

if TYPE_CHECKING:
    from tieout.kernel.book import Book

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]
Key = tuple[int, bytes, bytes | None]
"""The rule's index, the key, and the currency, None for a blank one (R-GROUP-1)."""

MEMBERS, COUNTERPARTS = 0, 1
OPEN, TIED_OUT, BROKEN = 0, 1, 2
"""What a group comes to (R-GROUP-4)."""

_ROLE_BITS: Final = 4
"""A record is named by serial × 16 + role."""
_REFILLED_AT_A_TIME: Final = 1 << 16


class Look(NamedTuple):
    """The standing records of one role: serials ascending, role blocks, which were judged."""

    role: int
    serials: Numbers
    blocks: Bytes
    judged: NDArray[np.bool_]

    def only(self, chosen: NDArray[np.bool_]) -> "Look":
        """Some of them."""
        return Look(self.role, self.serials[chosen], self.blocks[chosen], self.judged[chosen])

    def number(self, offset: int, kind: str) -> NDArray[np.generic]:
        """One number of every role block."""
        width = np.dtype(kind).itemsize
        return np.ascontiguousarray(self.blocks[:, offset : offset + width]).view(kind)[:, 0]


class _Part(NamedTuple):
    """Records of one group that come or go together, with the counts that they announce."""

    key: Key
    side: int
    names: list[int]
    amount: int
    judged: int
    announced: list[int]


class Group:
    """The records of one group, those of the members and those of their counterparts.

    `sums` and `judged`, how many of them were judged at a cut-off, are kept beside them;
    `announced` are the counts that counterparts state, with how many state each. `last` is what was
    marked last, `members_answer` whether the members had the break then; `joined` came since.
    """

    __slots__ = ("announced", "joined", "judged", "last", "members_answer", "sides", "sums")

    def __init__(self) -> None:
        self.sides: tuple[dict[int, None], dict[int, None]] = ({}, {})
        self.sums = [0, 0]
        self.judged = 0
        self.announced: dict[int, int] = {}
        self.last = OPEN
        self.members_answer = False
        self.joined: tuple[list[int], list[int]] = ([], [])

    def state(self, rule: Rule) -> int:
        """R-GROUP-4."""
        members, counterparts = len(self.sides[MEMBERS]), len(self.sides[COUNTERPARTS])
        is_within = abs(self.sums[MEMBERS] - self.sums[COUNTERPARTS]) <= rule.tolerance
        is_counted = not self.announced or list(self.announced) == [members]
        if members and counterparts and is_within and is_counted:
            return TIED_OUT
        is_complete = bool(self.announced) and members >= max(self.announced)
        return BROKEN if is_complete or self.judged else OPEN

    def add(self, part: _Part, sign: int) -> None:
        """Count records in (1) or out (−1)."""
        self.sums[part.side] += sign * part.amount
        self.judged += sign * part.judged
        for count in part.announced:
            times = self.announced.get(count, 0) + sign
            if times:
                self.announced[count] = times
            else:
                del self.announced[count]


class Groups:
    """All groups of a book."""

    def __init__(self, agreement: Agreement) -> None:
        self._agreement = agreement
        self._rules = agreement.groups
        self._sides = [
            [(rule, side) for rule, group in enumerate(self._rules) for side in (0, 1)
             if role in group.sides[side]]
            for role in range(len(agreement.roles))
        ]  # fmt: skip
        self._touched: dict[Key, Group] = {}
        self._moved: dict[Key, None] = {}
        self._left: dict[tuple[int, int], Group] = {}
        self.by_key: dict[Key, Group] = {}

    def concern(self, role: int) -> bool:
        """Whether records of a role stand in groups."""
        return self._sides[role] != []

    def look(self, book: "Book", role: int, serials: Numbers) -> Look:
        """The standing records of a role in some transactions; serials below 0 are left out."""
        chosen = np.unique(serials[serials >= 0])
        size = book.slots.image_bytes
        images = book.slots.data[: book.count * size].reshape(book.count, size)
        start = book.role_offset(role)
        blocks = images[chosen, start : start + int(book.plan[at.P_ROLE_BYTES])]
        return Look(role, chosen, blocks, images[chosen, at.JUDGED] & 1 != 0)

    def replace(self, before: Look, after: Look) -> None:
        """Let the records that stand after a batch take the place of those before it."""
        places = np.zeros(len(after.serials), np.int64)
        places[np.searchsorted(after.serials, before.serials)] = before.number(at.PLACE, "<i8")
        changed = places != after.number(at.PLACE, "<i8")
        stood = np.isin(before.serials, after.serials[changed])
        for part in self._parts(before.only(stood)):
            self._take_out(part)
        for part in self._parts(after.only(changed)):
            self._put_in(part)

    def note_judged(self, book: "Book", serials: Numbers) -> None:
        """Note that transactions not judged before are judged at a cut-off now."""
        for role in range(len(self._sides)):
            if self.concern(role):
                for part in self._parts(self.look(book, role, serials)):
                    group = self.by_key[part.key]
                    group.judged += len(part.names)
                    self._touched[part.key] = group

    def settle(self, book: "Book") -> tuple[list[tuple[int, int, int]], Numbers]:
        """Judge the groups that have changed, and mark the records that answer for them.

        Returns whose group stays broken but has other records now, as (serial, role, rule), and the
        serials of transactions with another mark than before, which must be judged anew; both
        ascending (R-GROUP-6).
        """
        marks = dict.fromkeys(self._left, OPEN)
        still: list[tuple[int, int, int]] = []
        for key, group in self._touched.items():
            was = group.last
            self._mark(key, group, marks)
            if was == group.last == BROKEN and key in self._moved:
                still += [(*_whose(name), key[0]) for name in group.sides[COUNTERPARTS]]
            if not any(group.sides):
                del self.by_key[key]
        self._touched.clear()
        self._moved.clear()
        self._left.clear()
        names = np.fromiter((name >> _ROLE_BITS for name, _ in marks), np.int64, len(marks))
        book.keep(names)
        changed = {name >> _ROLE_BITS: None for name in _written(book, marks)}
        return sorted(still), np.array(sorted(changed), np.int64)

    def refill(self, book: "Book") -> None:
        """Find the groups of a book that was loaded; its marks are good."""
        for start in range(0, book.count, _REFILLED_AT_A_TIME):
            serials = np.arange(start, min(start + _REFILLED_AT_A_TIME, book.count))
            for role in range(len(self._sides)):
                if self.concern(role):
                    for part in self._parts(self.look(book, role, serials)):
                        self._put_in(part)
        for key, group in self._touched.items():
            self._mark(key, group, {})
        self._touched.clear()
        self._moved.clear()

    def find(self, look: Look, rule: int) -> tuple[int, Key] | None:
        """The side and the group in which the one record of a look stands by a rule."""
        found = (
            (side, part.key)
            for index, side in self._sides[look.role]
            if index == rule
            for part in self._parts_of(look, index, side)
        )
        return next(found, None)

    def amount(self, look: Look, rule: int) -> int | None:
        """What the one record of a look adds to a group; None where it leaves the field blank."""
        total = self._rules[rule].sum
        return int(self._number(look, total)[0]) if _has(look, total)[0] else None

    def member_amounts(self, book: "Book", group: Group, rule: int) -> tuple[list[int], list[int]]:
        """The serials of the members' transactions, and what each adds."""
        serials: list[int] = []
        amounts: list[int] = []
        names = np.fromiter(group.sides[MEMBERS], np.int64, len(group.sides[MEMBERS]))
        for role in self._rules[rule].members:
            mine = names[names & (1 << _ROLE_BITS) - 1 == role] >> _ROLE_BITS
            look = self.look(book, role, mine)
            serials += look.serials.tolist()
            amounts += self._number(look, self._rules[rule].sum).tolist()
        return serials, amounts

    def _mark(self, key: Key, group: Group, marks: dict[tuple[int, int], int]) -> None:
        """R-GROUP-5: write down whose marks change by what a group comes to now."""
        rule = key[0]
        now = group.state(self._rules[rule])
        everybody = now != group.last
        for name in group.sides[COUNTERPARTS] if everybody else group.joined[COUNTERPARTS]:
            marks[name, rule] = now
        answers = now == BROKEN and not group.sides[COUNTERPARTS]
        if answers != group.members_answer:
            for name in group.sides[MEMBERS]:
                marks[name, rule] = BROKEN if answers else OPEN
        elif answers:
            for name in group.joined[MEMBERS]:
                marks[name, rule] = BROKEN
        group.last, group.members_answer = now, answers
        group.joined = ([], [])

    def _take_out(self, part: _Part) -> None:
        group = self.by_key[part.key]
        group.add(part, -1)
        self._touched[part.key] = group
        self._moved[part.key] = None
        for name in part.names:
            del group.sides[part.side][name]
            self._left[name, part.key[0]] = group

    def _put_in(self, part: _Part) -> None:
        group = self.by_key.setdefault(part.key, Group())
        group.add(part, 1)
        self._touched[part.key] = group
        self._moved[part.key] = None
        for name in part.names:
            group.sides[part.side][name] = None
            if self._left.get((name, part.key[0])) is group:
                del self._left[name, part.key[0]]
            else:
                group.joined[part.side].append(name)

    def _parts(self, look: Look) -> Iterator[_Part]:
        """The records of a look that stand in groups, group by group (R-GROUP-1, R-GROUP-3)."""
        states = look.number(at.FLAGS, "<u2").astype(np.int64) & at.STATES != 0
        for index, side in self._sides[look.role]:
            rule = self._rules[index]
            chosen = look.only(states & _has(look, rule.key))
            if len(chosen.serials) > 0:
                yield from self._parts_of(chosen, index, side)

    def _parts_of(self, look: Look, index: int, side: int) -> Iterator[_Part]:
        rule, fields = self._rules[index], self._agreement.fields
        total = fields[rule.sum]
        codes = self._values(look, rule.key)
        width = codes.shape[1]
        if total.currency_field is not None:
            codes = np.concatenate([codes, self._values(look, total.currency_field)], axis=1)
        found, which = np.unique(
            np.ascontiguousarray(codes).view(f"V{codes.shape[1]}")[:, 0], return_inverse=True
        )
        amounts = self._number(look, rule.sum)
        announces = np.zeros(len(look.serials), np.bool_)
        if rule.count is not None and side == COUNTERPARTS:
            announces = _has(look, rule.count)
        order = np.argsort(which, kind="stable")
        ends = np.cumsum(np.bincount(which, minlength=len(found)))
        names = look.serials << _ROLE_BITS | look.role
        for code, places in zip(found, np.split(order, ends[:-1]), strict=True):
            raw = code.tobytes()
            key = settled(fields[rule.key].codes, raw[:width].rstrip(b"\0"))
            currency = raw[width:].rstrip(b"\0")
            spoken = places[announces[places]]
            counts = [] if rule.count is None else self._number(look, rule.count)[spoken].tolist()
            yield _Part(
                (index, key, settled(total.codes, currency) if currency else None),
                side,
                names[places].tolist(),
                sum(amounts[places].tolist()),
                int(np.count_nonzero(look.judged[places])),
                counts,
            )

    def _column(self, field: int) -> Column:
        return self._agreement.layout.columns[field]

    def _values(self, look: Look, field: int) -> Bytes:
        column = self._column(field)
        start = at.VALUES + column.offset - PREFIX_BYTES
        return look.blocks[:, start : start + column.width]

    def _number(self, look: Look, field: int) -> NDArray[np.generic]:
        return look.number(at.VALUES + self._column(field).offset - PREFIX_BYTES, "<i8")


def _whose(name: int) -> tuple[int, int]:
    """Serial and role of a record."""
    return name >> _ROLE_BITS, name & (1 << _ROLE_BITS) - 1


def _has(look: Look, field: int) -> NDArray[np.bool_]:
    """Whose record states a field."""
    presence = look.number(at.PRESENCE, "<u8").astype(np.uint64)
    return presence & np.uint64(1 << field) != 0


def _written(book: "Book", marks: dict[tuple[int, int], int]) -> Iterator[int]:
    """Write marks into the slots; yields the names of the records that had others."""
    data = book.slots.data
    for (name, rule), now in marks.items():
        serial, role = _whose(name)
        start = serial * book.slots.image_bytes + book.role_offset(role) + at.BROKEN_GROUPS
        word = int.from_bytes(data[start : start + 4].tobytes(), "little")
        marked = word & ~(1 << rule | 1 << 16 + rule)
        if now == BROKEN:
            marked |= 1 << rule
        elif now == TIED_OUT:
            marked |= 1 << 16 + rule
        if marked != word:
            data[start : start + 4] = np.frombuffer(marked.to_bytes(4, "little"), np.uint8)
            yield name
