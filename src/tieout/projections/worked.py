"""How breaks stand on people's desks, read within somebody's moment of the database."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from msgspec.structs import asdict

from tieout.projections import worktables
from tieout.projections.answers import BreakItem, WorkItem
from tieout.projections.making import shown_id


class Work(msgspec.Struct, frozen=True):
    """How a break stands on people's desks; revision 0: nobody has touched it."""

    break_id: str
    revision: int
    assignee: str
    reason: str
    due_us: int | None
    labels: tuple[str, ...]
    comments: int
    attachments: int
    changed_us: int | None
    changed_by: str


_UNTOUCHED: Final[dict[str, Any]] = {
    "revision": 0,
    "assignee": "",
    "reason": "",
    "due_us": None,
    "changed_us": None,
    "changed_by": "",
}
_PORTION: Final = 500
"""So many values go into one statement: SQLite takes no more than some thousand."""


def portions(keys: Sequence[int]) -> Iterable[Sequence[int]]:
    """Keys in such portions as one statement may take."""
    return (keys[start : start + _PORTION] for start in range(0, len(keys), _PORTION))


def work_on(connection: sa.Connection, keys: Sequence[int]) -> Iterator[Work]:
    """How breaks stand on people's desks, in the order of their numbers."""
    stood: dict[int, dict[str, Any]] = {}
    labels: dict[int, list[str]] = {}
    counts: dict[str, dict[int, int]] = {"work_comments": {}, "work_attachments": {}}
    for some in portions(keys):
        table = worktables.work
        for row in connection.execute(
            sa.select(table).where(table.c.break_id.in_(some))
        ).mappings():
            stood[row["break_id"]] = dict(row)
        table = worktables.work_labels
        chosen = sa.select(table).where(table.c.break_id.in_(some)).order_by(table.c.label)
        for key, label in connection.execute(chosen):
            labels.setdefault(key, []).append(label)
        for name, found in counts.items():
            table = worktables.OWN.tables[name]
            chosen = sa.select(table.c.break_id, sa.func.count()).where(table.c.break_id.in_(some))
            found.update(
                tuple(row) for row in connection.execute(chosen.group_by(table.c.break_id))
            )
    for key in keys:
        cells = {**stood.get(key, _UNTOUCHED), "break_id": shown_id(key)}
        yield Work(
            **cells,
            labels=tuple(labels.get(key, ())),
            comments=counts["work_comments"].get(key, 0),
            attachments=counts["work_attachments"].get(key, 0),
        )


def work_item(item: BreakItem, own: Work) -> WorkItem:
    """A break with the work on it."""
    left_out = {"break_id", "changed_us", "changed_by"}
    cells = {name: value for name, value in asdict(own).items() if name not in left_out}
    return WorkItem(**asdict(item), **cells, worked_us=own.changed_us, worked_by=own.changed_by)
