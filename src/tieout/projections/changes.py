"""What some blocks change in the tables: whole lines, by table, in the order of its columns."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

Line = tuple[Any, ...]


@dataclass(slots=True)
class Changes:
    """Lines to be written together, with the block from which and the one to which they lead.

    A line takes the place of one with the same key. `replaced` are tables that hold nothing but
    these lines afterwards.
    """

    from_height: int
    height: int
    time_us: int
    log_size: int
    frame_hash: str
    app_hash: str
    lines: dict[str, list[Line]] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)

    def add(self, table: sa.Table, lines: Iterable[Line]) -> None:
        """Lines of a table."""
        self.lines.setdefault(table.name, []).extend(lines)

    def replace(self, table: sa.Table, lines: Iterable[Line]) -> None:
        """All lines that a table is to have."""
        self.replaced.add(table.name)
        self.lines[table.name] = list(lines)
