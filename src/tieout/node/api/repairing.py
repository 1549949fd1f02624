"""Records for repair: what a role states where it has breaks, in the form that is taken again.

A page is a file with the very columns of that role. Mended, it is sent to the endpoint that takes
many records; a line that nobody changed is then `unchanged`. What a role has yet to state is not in
it: a line with nothing but an id would state that everything else is blank.
"""

import asyncio
import csv
import io
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tieout.node.api.asking import asking
from tieout.node.api.looking import as_of, attachment
from tieout.node.api.publish import Originator
from tieout.node.api.table import CSV, NDJSON, Call, Reply, encoded
from tieout.node.limits import MAX_PAGE_ROWS
from tieout.projections.answers import Page, RepairItem
from tieout.projections.filters import BreakFilter
from tieout.projections.limits import MAX_CURSOR_CHARACTERS
from tieout.projections.lists import Turn

Word = Annotated[str, Meta(max_length=64)]
Words = tuple[Word, ...]


class RepairQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose records, with which of their open breaks; several values mean any of them."""

    role: Annotated[str, Meta(max_length=36)] = ""
    """May be left out where this node speaks for one only."""
    originator: Originator = 0
    format: Literal["csv", "ndjson"] = "csv"
    kind: Words = ()
    field: Words = ()
    id_prefix: Word = ""
    assignee: Words = ()
    reason: Words = ()
    label: Words = ()
    size: Annotated[int, Meta(ge=1, le=MAX_PAGE_ROWS)] = MAX_PAGE_ROWS
    cursor: Annotated[str, Meta(min_length=1, max_length=MAX_CURSOR_CHARACTERS)] | None = None


async def give_repair(call: Call) -> Reply:
    """The records of a role that have open breaks, to be mended and published again."""
    house, query = call.house, call.query
    book = house.book(call.path["name"])
    role, _ = house.role(book, query.role)
    agreement = book.agreement
    chosen = BreakFilter(
        agreement=agreement.name,
        # Transactions under an older version stay with it, and bodies are read under the newest.
        version=agreement.version,
        role=(agreement.roles[role],),
        originator=query.originator,
        kind=query.kind,
        field=query.field,
        id_prefix=query.id_prefix,
        assignee=query.assignee,
        reason=query.reason,
        label=query.label,
    )

    def read() -> Page[RepairItem]:
        with asking():
            return house.reader.repairs(chosen, Turn(query.size, query.cursor))

    page = await asyncio.to_thread(read)
    names = house.form(book, role).names
    is_csv = query.format == "csv"
    body = as_csv(page.items, names) if is_csv else as_ndjson(page.items, names)
    headers = as_of(page.height) | attachment(f"repair.{query.format}")
    if page.next is not None:
        headers["Tieout-Next"] = page.next
    return Reply(body, media=CSV if is_csv else NDJSON, headers=headers)


def as_csv(items: Sequence[RepairItem], names: Sequence[str]) -> bytes:
    """Records under their columns (RFC 4180); what is left blank is an empty cell."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(names)
    for item in items:
        stated = (item.values.get(name) or "" for name in names[1:])
        writer.writerow([item.transaction_id, *stated])
    return out.getvalue().encode()


def as_ndjson(items: Sequence[RepairItem], names: Sequence[str]) -> bytes:
    """Records as objects, a line each; what is left blank is left out."""
    lines = []
    for item in items:
        stated = {name: item.values[name] for name in names[1:] if item.values.get(name)}
        lines.append(encoded({names[0]: item.transaction_id, **stated}) + b"\n")
    return b"".join(lines)
