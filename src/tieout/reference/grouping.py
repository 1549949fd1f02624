"""A group: the records that are settled together, and what they come to (R-GROUP-3, R-GROUP-4)."""

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from tieout.agreement.model import Group as GroupRule

MEMBERS, COUNTERPARTS = 0, 1


class GroupState(Enum):
    """What a group comes to (R-GROUP-4)."""

    OPEN = "open"
    TIED_OUT = "tied out"
    BROKEN = "broken"


class GroupKey(NamedTuple):
    """Which group of a book (R-GROUP-1): `rule` is an index, a blank currency None."""

    rule: int
    key: bytes
    currency: bytes | None


class Speaker(NamedTuple):
    """Whose record: the serial of its transaction, and its role."""

    serial: int
    role: int


class Counted(NamedTuple):
    """What a record adds to its group: `announced` is None when it announces no count.

    `place` is that of the record in the log.
    """

    amount: int
    announced: int | None
    place: int


@dataclass(slots=True)
class Group:
    """The records of a group, those of the members and those of their counterparts.

    `sums` are kept beside them, `judged` counts the records whose transactions were judged at a
    cut-off. `last` is what the group came to when groups were last settled, `members_answer`
    whether the members had its break then (R-GROUP-5).
    """

    sides: tuple[dict[Speaker, Counted], dict[Speaker, Counted]] = field(
        default_factory=lambda: ({}, {})
    )
    sums: list[int] = field(default_factory=lambda: [0, 0])
    judged: int = 0
    last: GroupState = GroupState.OPEN
    members_answer: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether no record is left."""
        return not any(self.sides)


class Place(NamedTuple):
    """Where a record stands in a group."""

    key: GroupKey
    side: int
    speaker: Speaker


@dataclass(slots=True)
class Groups:
    """All groups of a book.

    `touched` are those of which a record came, went or was judged since groups were last settled;
    `before` is what stood then in each place that was touched, None where nothing did.
    """

    by_key: dict[GroupKey, Group] = field(default_factory=dict)
    touched: dict[GroupKey, Group] = field(default_factory=dict)
    before: dict[Place, Counted | None] = field(default_factory=dict)

    def has_changed(self, place: Place) -> bool:
        """Whether another record stands there than when groups were last settled."""
        group = self.by_key.get(place.key)
        now = group.sides[place.side].get(place.speaker) if group else None
        return now != self.before[place]


def state_of(rule: GroupRule, group: Group) -> GroupState:
    """R-GROUP-4."""
    members, counterparts = map(len, group.sides)
    announced = [each.announced for each in group.sides[COUNTERPARTS].values()]
    counts = [count for count in announced if count is not None]
    is_within = abs(group.sums[MEMBERS] - group.sums[COUNTERPARTS]) <= rule.tolerance
    if members and counterparts and is_within and all(count == members for count in counts):
        return GroupState.TIED_OUT
    is_complete = bool(counts) and members >= max(counts)
    return GroupState.BROKEN if is_complete or group.judged else GroupState.OPEN
