"""Lists: conditions, order and pages, as statements.

Every list has one order for its filters, by columns that never change and whose last one is unique,
and an index for it; so a page costs the same wherever it is. Lists begin with the oldest, or with
the newest when that is asked for. With an `id_prefix` the order is that of the ids.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
import sqlalchemy as sa

from tieout.projections import tables
from tieout.projections.answers import Page, Standing
from tieout.projections.cursors import decode_cursor, encode_cursor
from tieout.projections.errors import BadFilter, UnknownAgreement
from tieout.projections.filters import AboutTransactions, Ranges
from tieout.projections.limits import MAX_HEIGHT, MAX_PAGE_SIZE, MAX_PARTY, MAX_TIME_US, PAGE_SIZE

Item = TypeVar("Item")
Condition = sa.ColumnElement[bool]
Row = sa.RowMapping

_LAST_CHARACTER: Final = 0x10FFFF
_FIRST_SURROGATE: Final = 0xD800
_AFTER_SURROGATES: Final = 0xE000


@dataclass(frozen=True, slots=True)
class Turn:
    """Which page of a list: how many items, from where on, and in which direction."""

    size: int = PAGE_SIZE
    cursor: str | None = None
    newest_first: bool = False


FIRST_PAGE: Final = Turn()


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment of the database: a connection that sees it, and what every list needs of it."""

    connection: sa.Connection
    standing: Standing
    secret: bytes
    versions: Mapping[int, tuple[str, int]]
    """Name and version of each agreement, by its number."""

    def numbers(self, name: str, version: int | None = None) -> list[int]:
        """The numbers of an agreement's versions. Raises UnknownAgreement."""
        found = [
            number
            for number, (own, own_version) in self.versions.items()
            if own == name and version in {None, own_version}
        ]
        if not found:
            known = ", ".join(sorted({own for own, _ in self.versions.values()})) or "none"
            shown = name if version is None else f"{name} version {version}"
            raise UnknownAgreement(f"there is no agreement {shown}", f"in force are: {known}")
        return found

    # ------------------------------------------------------------------ conditions

    def about(self, table: sa.Table, chosen: AboutTransactions) -> list[Condition]:
        """Which transactions the lines of a table are about."""
        columns, where = table.c, []
        if "\0" in chosen.id_prefix or "\0" in (chosen.transaction_id or ""):
            raise BadFilter("no id has a NUL in it")
        if chosen.originator is not None and not 0 <= chosen.originator <= MAX_PARTY:
            raise BadFilter(f"an originator is a party's number, 0 to {MAX_PARTY:,}")
        if chosen.agreement is not None:
            where.append(any_of(columns.agreement, self.numbers(chosen.agreement, chosen.version)))
        elif chosen.version is not None:
            raise BadFilter("a version is one of an agreement", "name the agreement, too")
        if chosen.originator is not None:
            where.append(columns.originator == chosen.originator)
        if chosen.transaction_id is not None:
            where.append(columns.transaction_id == chosen.transaction_id)
        if chosen.id_prefix:
            where.append(columns.transaction_id >= chosen.id_prefix)
            end = _after_prefix(chosen.id_prefix)
            if end is not None:
                where.append(columns.transaction_id < end)
        return where

    def began(
        self, column: sa.ColumnElement[int], chosen: Ranges, shift: int = 0
    ) -> list[Condition]:
        """When the lines of a table began: `column` is height << `shift`, and maybe more below.

        Times are looked up among the blocks, once.
        """
        first, end = chosen.from_height, chosen.until_height
        if chosen.from_us is not None:
            at = self._first_block(chosen.from_us)
            first = at if first is None else max(first, at)
        if chosen.until_us is not None:
            at = self._first_block(chosen.until_us)
            end = at if end is None else min(end, at)
        where: list[Condition] = []
        if first is not None:
            where.append(column >= _bounded(first) << shift)
        if end is not None:
            where.append(column < _bounded(end) << shift)
        return where

    def _first_block(self, time_us: int) -> int:
        """The height of the first block at or after a time; the next one when there is none."""
        blocks = tables.blocks.c
        found = self.connection.execute(
            sa.select(blocks.height)
            .where(blocks.time_us >= max(0, min(time_us, MAX_TIME_US)))
            .order_by(blocks.time_us, blocks.height)
            .limit(1)
        ).scalar()
        return self.standing.height + 1 if found is None else int(found)

    # ------------------------------------------------------------------ pages

    def page(
        self,
        name: str,
        table: sa.Table,
        order: Sequence[str],
        where: Sequence[Condition],
        chosen: msgspec.Struct,
        turn: Turn,
        make: Callable[[Row], Item],
    ) -> Page[Item]:
        """The next items of a list. Raises BadFilter, BadCursor."""
        if not 1 <= turn.size <= MAX_PAGE_SIZE:
            raise BadFilter(f"a page has 1 to {MAX_PAGE_SIZE} items, not {turn.size}")
        keys = [table.c[column] for column in order]
        scope = (self.standing.ledger_id, name, chosen, turn.newest_first)
        conditions = list(where)
        if turn.cursor is not None:
            position = decode_cursor(self.secret, scope, turn.cursor)
            here, there = sa.tuple_(*keys), sa.tuple_(*position)
            conditions.append(here < there if turn.newest_first else here > there)
        statement = (
            sa.select(table)
            .where(*conditions)
            .order_by(*(key.desc() if turn.newest_first else key for key in keys))
            .limit(turn.size + 1)
        )
        rows = self.connection.execute(statement).mappings().all()
        following = None
        if len(rows) > turn.size:
            last = rows[turn.size - 1]
            following = encode_cursor(self.secret, scope, tuple(last[column] for column in order))
        items = tuple(make(row) for row in rows[: turn.size])
        return Page(items, following, self.standing.height, self.standing.time_us)


def _bounded(height: int) -> int:
    """A height that every column has room for; no ledger has as many blocks."""
    return max(0, min(height, MAX_HEIGHT))


def any_of(column: sa.ColumnElement[Any], values: Sequence[Any]) -> Condition:
    """That a column has one of some values."""
    return column == values[0] if len(values) == 1 else column.in_(values)


def chosen_of(column: sa.ColumnElement[Any], values: Sequence[Any]) -> list[Condition]:
    """That a column has one of some values, if there are any."""
    return [any_of(column, values)] if values else []


def _after_prefix(prefix: str) -> str | None:
    """The first text behind all that begin with a prefix, by code points; None without any."""
    last = ord(prefix[-1]) + 1
    if last == _FIRST_SURROGATE:
        last = _AFTER_SURROGATES
    if last <= _LAST_CHARACTER:
        return prefix[:-1] + chr(last)
    return _after_prefix(prefix[:-1]) if len(prefix) > 1 else None
