"""Lists: pages of the read models, filtered, in JSON or CSV.

The parameters of a list are the filters of the read model and the turn of the page, joined into one
message here; so a filter that the read model gains is a parameter of the API by itself.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from tieout.node.access import Permission
from tieout.node.api.asking import asking
from tieout.node.api.forms import csv_of
from tieout.node.api.looking import as_of
from tieout.node.api.table import CSV, JSON, Answer, Call, Endpoint, Reply, encoded
from tieout.node.limits import MAX_PAGE_ROWS, PAGE_ROWS
from tieout.projections import answers, filters
from tieout.projections.answers import Page
from tieout.projections.limits import MAX_CURSOR_CHARACTERS
from tieout.projections.lists import Turn
from tieout.projections.reader import Reader

_TURN: Final[list[tuple[str, Any, Any]]] = [
    ("size", Annotated[int, Meta(ge=1, le=MAX_PAGE_ROWS)], PAGE_ROWS),
    ("cursor", Annotated[str, Meta(min_length=1, max_length=MAX_CURSOR_CHARACTERS)] | None, None),
    ("newest_first", bool, False),
    ("format", Literal["json", "csv"], "json"),
]
_WORD = Annotated[str, Meta(max_length=64)]
_NUMBER = Annotated[int, Meta(ge=0, le=(1 << 62))]
_BOUNDED: Final[dict[Any, Any]] = {
    str: _WORD,
    str | None: _WORD | None,
    int: _NUMBER,
    int | None: _NUMBER | None,
    tuple[str, ...]: tuple[_WORD, ...],
    tuple[int, ...]: tuple[_NUMBER, ...],
}


@dataclass(frozen=True, slots=True)
class Listed:
    """A list: its name in the path, what chooses, what it holds, and who answers."""

    name: str
    what: str
    chosen: type[msgspec.Struct]
    item: type[msgspec.Struct]
    read: Callable[[Reader, Any, Turn], Page[Any]]


LISTS: Final = (
    Listed("transactions", "Transactions.", filters.TransactionFilter, answers.TransactionItem,
           Reader.transactions),
    Listed("breaks", "Breaks: those that are open, unless `is_open` says otherwise.",
           filters.BreakFilter, answers.BreakItem, Reader.breaks),
    Listed("work", "Breaks with the work on them, chosen as in /v1/breaks.", filters.BreakFilter,
           answers.WorkItem, Reader.work),
    Listed("alarms", "Alarms: those that are open, unless `is_open` says otherwise.",
           filters.AlarmFilter, answers.AlarmItem, Reader.alarms),
    Listed("adjustments", "Correcting entries.", filters.AdjustmentFilter, answers.AdjustmentItem,
           Reader.adjustments),
    Listed("blocks", "Blocks.", filters.BlockFilter, answers.BlockItem, Reader.blocks),
    Listed("batches", "Batches, refused ones too.", filters.BatchFilter, answers.BatchItem,
           Reader.batches),
    Listed("operations", "Operations, refused ones too.", filters.OperationFilter,
           answers.OperationItem, Reader.operations),
    Listed("cutoffs", "Cut-offs.", filters.CutoffFilter, answers.CutoffItem, Reader.cutoffs),
    Listed("events", "Events: everything that happened.", filters.EventFilter, answers.EventItem,
           Reader.events),
)  # fmt: skip


def endpoint_of(listed: Listed) -> Endpoint:
    """The endpoint of a list."""
    query = QUERIES[listed.name]

    async def serve(call: Call) -> Reply:
        return await asyncio.to_thread(_page, call, listed)

    answer = Answer("A page of the list.", {JSON: Page[listed.item], CSV: None})  # type: ignore[name-defined]
    return Endpoint(
        "GET",
        f"/v1/{listed.name}",
        f"list_{listed.name}",
        Permission.READ,
        listed.what,
        serve,
        {200: answer},
        query,
        problems=("invalid_cursor", "busy", "not_found"),
    )


def _query(listed: Listed) -> type[msgspec.Struct]:
    """The filters of a list and the turn of its page, as one message."""
    fields = [
        (each.name, _BOUNDED.get(each.type, each.type), each.default)
        for each in msgspec.structs.fields(listed.chosen)
    ]
    name = listed.chosen.__name__.replace("Filter", "Query")
    return msgspec.defstruct(
        name, [*fields, *_TURN], frozen=True, forbid_unknown_fields=True, kw_only=True
    )


QUERIES: Final = {listed.name: _query(listed) for listed in LISTS}
"""The parameters of each list, by its name."""


def _page(call: Call, listed: Listed) -> Reply:
    query = call.query
    names = listed.chosen.__struct_fields__
    chosen = listed.chosen(**{name: getattr(query, name) for name in names})
    if query_name := getattr(chosen, "agreement", None):
        call.house.book(query_name)
    turn = Turn(query.size, query.cursor, query.newest_first)
    # The ledger knows the agreement, as was just seen: lists follow some milliseconds later.
    unknown = "busy" if getattr(query, "version", None) is None else "invalid_parameter"
    with asking(unknown=unknown):
        page = listed.read(call.house.reader, chosen, turn)
    headers = as_of(page.height)
    if page.next is not None:
        headers["Tieout-Next"] = page.next
    if query.format == "csv":
        text = csv_of(page.items, listed.item.__struct_fields__)
        return Reply(text, media=CSV, headers=headers)
    return Reply(encoded(page), headers=headers)
