"""The two forms of every list: JSON, and CSV for people's spreadsheets."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from tieout.node.api.table import CSV, JSON, Answer, Call, Reply, encoded


class FormQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In which form a list is given."""

    format: Literal["json", "csv"] = "json"


def given(
    call: Call,
    items: Sequence[msgspec.Struct],
    kind: type[msgspec.Struct],
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """A whole list of one kind of item, in the form that is asked for."""
    if call.query.format == "csv":
        return Reply(csv_of(items, kind.__struct_fields__), media=CSV, headers=headers or {})
    return Reply(encoded(items), headers=headers or {})


def both(what: str, kind: type[msgspec.Struct]) -> dict[int, Answer]:
    """The answer of a list in the API's document."""
    return {200: Answer(what, {JSON: list[kind], CSV: None})}  # type: ignore[valid-type]


def csv_of(items: Sequence[msgspec.Struct], names: tuple[str, ...]) -> bytes:
    """Items as RFC 4180 CSV; what is a list or a message itself stands in its cell as JSON."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(names)
    for item in items:
        writer.writerow([_cell(getattr(item, name)) for name in names])
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return msgspec.json.encode(value).decode() if isinstance(value, (tuple, dict)) else value
