"""The same client for asyncio: `AsyncNodeClient`.

It is the client of `client.py` in threads of its own, not a second one: what is hard here is when
to send something again and where a stream goes on, and one piece of code does that. A thread that
waits for an answer costs a few kilobytes and no processor; a node is busy long before a client's
threads are. Nothing blocks the event loop. Requests, waits and streams have threads of their own,
so that no number of waits holds up the record that they wait for.

A request whose task is cancelled runs on to its end in its thread: a record may be published all
the same, as with any network. An event is not lost by cancelling: the next `anext` gets it.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Final, Generic, Literal, Self, TypeVar

from tieout.sdk.http import forms
from tieout.sdk.http.client import (
    BULK_TIMEOUT_S,
    DEFAULT_TIMEOUT_S,
    JUDGED,
    NodeClient,
    Record,
    Severity,
)
from tieout.sdk.http.events import EventStream
from tieout.sdk.http.lists import Filter, Listing
from tieout.sdk.limits import MAX_WAITS
from tieout.sdk.patience import Patience

DEFAULT_CONNECTIONS: Final = 16

Item = TypeVar("Item")
Result = TypeVar("Result")


class AsyncNodeClient:
    """One node, as one user; each method is that of NodeClient. Of one event loop."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        connections: int = DEFAULT_CONNECTIONS,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        patience: Patience | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """At most `connections` requests at a time, and as many waits as limits.py says."""
        self._client = NodeClient(url, token, timeout_s=timeout_s, patience=patience, tls=tls)
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="tieout-client")
        self._waits = ThreadPoolExecutor(MAX_WAITS, thread_name_prefix="tieout-wait")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let requests under way end, and close the connections."""
        for threads in (self._threads, self._waits):
            await asyncio.to_thread(threads.shutdown)
        self._client.close()

    async def publish(
        self,
        agreement: str,
        record: Record,
        *,
        role: str = "",
        originator: int = 0,
        wait: Literal["verdict", "accepted"] = "verdict",
        key: str | None = None,
    ) -> forms.Receipt:
        """See NodeClient."""
        call = partial(self._client.publish, agreement, record, role=role)
        return await self._run(partial(call, originator=originator, wait=wait, key=key))

    async def publish_many(
        self,
        agreement: str,
        records: Iterable[Record],
        *,
        role: str = "",
        originator: int = 0,
        key: str | None = None,
        timeout_s: float = BULK_TIMEOUT_S,
    ) -> forms.BulkReceipt:
        """See NodeClient. The iterator is read in another thread than the caller's."""
        call = partial(self._client.publish_many, agreement, records, role=role)
        return await self._run(partial(call, originator=originator, key=key, timeout_s=timeout_s))

    async def withdraw(
        self,
        agreement: str,
        transaction_id: str,
        *,
        role: str = "",
        originator: int = 0,
        key: str | None = None,
    ) -> forms.Receipt:
        """See NodeClient."""
        call = partial(self._client.withdraw, agreement, transaction_id, role=role)
        return await self._run(partial(call, originator=originator, key=key))

    async def wait(
        self,
        agreement: str,
        transaction_id: str,
        *,
        originator: int = 0,
        until: Collection[str] = JUDGED,
        timeout_s: float = 60.0,
    ) -> forms.Transaction:
        """See NodeClient. Cancelled, it goes on unheard until its own `timeout_s`."""
        call = partial(self._client.wait, agreement, transaction_id, originator=originator)
        call = partial(call, until=until, timeout_s=timeout_s)
        return await asyncio.get_running_loop().run_in_executor(self._waits, call)

    async def stream(
        self,
        *,
        after: int | str | None = None,
        kinds: Collection[str] = (),
        agreements: Collection[str] = (),
        roles: Collection[str] = (),
        severity: Severity = "info",
        timeout_s: float | None = None,
    ) -> "AsyncEventStream":
        """See NodeClient; the place is fixed when this returns."""
        call = partial(self._client.stream, after=after, kinds=kinds, agreements=agreements)
        made = await self._run(partial(call, roles=roles, severity=severity, timeout_s=timeout_s))
        return AsyncEventStream(made)

    async def transaction(
        self, agreement: str, transaction_id: str, *, originator: int = 0
    ) -> forms.Transaction:
        """See NodeClient."""
        call = partial(self._client.transaction, agreement, transaction_id)
        return await self._run(partial(call, originator=originator))

    async def ledger(self) -> forms.Ledger:
        """See NodeClient."""
        return await self._run(self._client.ledger)

    async def transactions(self, **filters: Filter | None) -> "AsyncListing[forms.TransactionItem]":
        """See NodeClient."""
        return await self._list(partial(self._client.transactions, **filters))

    async def breaks(self, **filters: Filter | None) -> "AsyncListing[forms.BreakItem]":
        """See NodeClient."""
        return await self._list(partial(self._client.breaks, **filters))

    async def alarms(self, **filters: Filter | None) -> "AsyncListing[forms.AlarmItem]":
        """See NodeClient."""
        return await self._list(partial(self._client.alarms, **filters))

    async def adjustments(self, **filters: Filter | None) -> "AsyncListing[forms.AdjustmentItem]":
        """See NodeClient."""
        return await self._list(partial(self._client.adjustments, **filters))

    async def blocks(self, **filters: Filter | None) -> "AsyncListing[forms.BlockItem]":
        """See NodeClient."""
        return await self._list(partial(self._client.blocks, **filters))

    async def batches(self, **filters: Filter | None) -> "AsyncListing[forms.BatchItem]":
        """See NodeClient."""
        return await self._list(partial(self._client.batches, **filters))

    async def operations(self, **filters: Filter | None) -> "AsyncListing[forms.OperationItem]":
        """See NodeClient."""
        return await self._list(partial(self._client.operations, **filters))

    async def cutoffs(self, **filters: Filter | None) -> "AsyncListing[forms.CutoffItem]":
        """See NodeClient."""
        return await self._list(partial(self._client.cutoffs, **filters))

    async def genesis(self) -> bytes:
        """See NodeClient."""
        return await self._run(self._client.genesis)

    async def evidence(self, agreement: str, transaction_id: str, *, originator: int = 0) -> bytes:
        """See NodeClient."""
        call = partial(self._client.evidence, agreement, transaction_id)
        return await self._run(partial(call, originator=originator))

    async def certificate(self, agreement: str, cutoff: str | None = None) -> bytes:
        """See NodeClient."""
        return await self._run(partial(self._client.certificate, agreement, cutoff))

    async def drill(
        self, agreement: str, role: str, question: bytes, **chosen: Filter | None
    ) -> tuple[bytes, int]:
        """See NodeClient."""
        return await self._run(partial(self._client.drill, agreement, role, question, **chosen))

    async def _list(self, ask: Callable[[], Listing[Item]]) -> "AsyncListing[Item]":
        return AsyncListing(self._threads, await self._run(ask))

    async def _run(self, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


class AsyncListing(Generic[Item]):
    """The items of a list; see Listing."""

    def __init__(self, threads: ThreadPoolExecutor, listing: Listing[Item]) -> None:
        self._threads = threads
        self._listing = listing
        self.height = listing.height

    async def __aiter__(self) -> AsyncIterator[Item]:
        loop, pages = asyncio.get_running_loop(), self._listing.pages()
        while (page := await loop.run_in_executor(self._threads, next, pages, None)) is not None:
            for item in page:
                yield item


class AsyncEventStream:
    """Events as they happen; see EventStream. One task reads, in a thread of the stream's own."""

    def __init__(self, events: EventStream) -> None:
        self._events = events
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tieout-stream")
        self._next: asyncio.Future[forms.Event | None] | None = None

    @property
    def last_id(self) -> str:
        """The id of the last event that was read ahead or handed out."""
        return self._events.last_id

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> forms.Event:
        if self._next is None:
            loop = asyncio.get_running_loop()
            self._next = loop.run_in_executor(self._thread, next, self._events, None)
        # Whoever is cancelled here leaves the event for the next one who asks.
        event = await asyncio.shield(self._next)
        self._next = None
        if event is None:
            raise StopAsyncIteration
        return event

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it; whoever waits for the next event is told that there is none."""
        self._events.close()
        self._thread.shutdown(wait=False)
