"""A list of a node as an iterator: pages by cursor, one in memory at a time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, TypeVar
from urllib.parse import urlencode

import msgspec

from tieout.sdk.errors import NodeConfused
from tieout.sdk.http.connections import Connections
from tieout.sdk.http.forms import Page
from tieout.sdk.limits import LIST_PAGE_ROWS

Item = TypeVar("Item")
Filter = str | int | bool | Sequence[str] | Sequence[int]


class Listing(Generic[Item]):
    """The items of a list. The first page is fetched at once, the others as they are needed.

    `height` is the block as of which the first page holds: `stream(after=listing.height)` goes on
    there, and nothing is lost in between. Iterating raises what asking raises.
    """

    def __init__(
        self,
        connections: Connections,
        name: str,
        form: type[Item],
        filters: Mapping[str, Filter | None],
    ) -> None:
        """Raises RequestRefused for filters that the list does not know, and as every request."""
        self._connections = connections
        self._name = name
        self._form = Page[form]  # type: ignore[valid-type]
        self._filters = {"size": LIST_PAGE_ROWS, **filters}
        self._first: Page[Item] = self._page(None)
        self.height = self._first.height

    def __iter__(self) -> Iterator[Item]:
        for page in self.pages():
            yield from page

    def pages(self) -> Iterator[tuple[Item, ...]]:
        """The items, as many at a time as come together."""
        page = self._first
        yield page.items
        while page.next is not None:
            page = self._page(page.next)
            yield page.items

    def _page(self, cursor: str | None) -> Page[Item]:
        target = f"/v1/{self._name}{query_of({**self._filters, 'cursor': cursor})}"
        return decoded(self._connections, target, self._form)


def query_of(values: Mapping[str, Filter | None]) -> str:
    """The query of a request: several values are the parameter several times, None is nothing."""
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        several = (value,) if isinstance(value, (str, int)) else value or ()
        pairs += [(name, _text(each)) for each in several]
    return "?" + urlencode(pairs) if pairs else ""


def _text(value: str | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def decoded(connections: Connections, target: str, form: type[Item]) -> Item:
    """What a node answers at `target`, in its form. Raises as `Connections.ask`."""
    return in_form(connections, connections.ask("GET", target).body, form)


def in_form(connections: Connections, body: bytes, form: type[Item]) -> Item:
    """An answer in its form. Raises NodeConfused."""
    try:
        return msgspec.json.decode(body, type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NodeConfused(connections.name, str(error)) from error
