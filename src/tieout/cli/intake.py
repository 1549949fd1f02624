"""Reading several roles' files side by side, in batches, in an order that is always the same.

The problem: reading, salting, hashing and signing take longer than applying, and two cores are
there. The model: a thread a role reads, one more signs, and the caller applies. Batches are taken
of each role in turn, so the order of the ledger does not depend on which thread was faster, and the
records of one transaction arrive near each other when the files are sorted alike.

Rows that were read stay in memory in any case, as later rows of the same id are compared with them.
So reading may begin before the ledger is open and run ahead without a limit; signing does not, so
that it leaves the cores to what comes behind it. One thread signs for all roles: more of them would
mostly wait for the interpreter and for each other.

Threads end when they are exhausted, when the caller stops, or with the error that stopped them,
which the caller then gets.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from tieout.wire.batch import most_rows

Rows = NDArray[np.uint8]
Prepared = TypeVar("Prepared")


def cut(chunks: Iterable[Rows], size: int | None = None) -> Iterator[Rows]:
    """The same rows in pieces, the last one shorter; each contiguous and writable.

    A piece has `size` rows, or as many as a batch may have.
    """
    rest: list[Rows] = []
    held = 0
    for chunk in chunks:
        size = size or most_rows(chunk.shape[1])
        start = 0
        while held + len(chunk) - start >= size:
            part = chunk[start : start + size - held]
            start += size - held
            yield _joined([*rest, part])
            rest, held = [], 0
        if start < len(chunk):
            rest.append(chunk[start:])
            held += len(chunk) - start
    if rest:
        yield _joined(rest)


def _joined(parts: list[Rows]) -> Rows:
    return np.ascontiguousarray(parts[0]) if len(parts) == 1 else np.concatenate(parts)


class Lane(Generic[Prepared]):
    """One source in a thread of its own, which starts at once, and the queue that it fills.

    `room` is how many may wait, 0 for any number. Iterate once; `stop` ends the thread early.
    """

    def __init__(self, source: Callable[[], Iterator[Prepared]], room: int) -> None:
        self._source = source
        self._stopped = threading.Event()
        self._queue: queue.Queue[Prepared | BaseException | None] = queue.Queue(room)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Prepared]:
        """Yield what the source prepared. Raises the error that ended it."""
        while (prepared := self.take()) is not None:
            yield prepared

    def take(self) -> Prepared | None:
        """The next that the source prepared, None at the end. Raises the error that ended it."""
        what = self._queue.get()
        if isinstance(what, BaseException):
            raise what
        return what

    def stop(self) -> None:
        """Let the source go no further than what it prepares now, and wait for that."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            for prepared in self._source():
                if not self._put(prepared):
                    return
            self._put(None)
        except BaseException as error:  # noqa: BLE001 - the caller raises it in its own thread
            self._put(error)

    def _put(self, what: Prepared | BaseException | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(what, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False


def in_turn(sources: Iterable[Iterator[Prepared]]) -> Iterator[list[Prepared]]:
    """One of each source, then the next of each, as long as any of them has one."""
    going_on = list(sources)
    while going_on:
        turn: list[Prepared] = []
        for source in list(going_on):
            try:
                turn.append(next(source))
            except StopIteration:
                going_on.remove(source)
        if turn:
            yield turn
