"""Transactions of which a record is on its way into a block, and what has to wait for it.

What comes next about such a transaction is compared with a state that does not have the record yet:
it would get the same revision, or pass for a change that it is not. So it waits. Over an engine
whose blocks are there at once, nothing is ever on its way.
"""

import threading
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

Key = tuple[str, int, bytes]
"""The agreement's name, the role, and the first bytes of a row: the transaction in its stage."""
Waiter = TypeVar("Waiter")


class Flights(Generic[Waiter]):
    """One thread begins flights and asks; any thread ends them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flying: dict[Key, tuple[Future[Any], list[Waiter]]] = {}
        self._held = 0

    def __bool__(self) -> bool:
        return bool(self._flying)

    @property
    def held(self) -> int:
        """How many wait for something that is on its way."""
        return self._held

    def hold(self, key: Key, waiter: Waiter) -> bool:
        """Have somebody wait, if there is something to wait for."""
        with self._lock:
            flight = self._flying.get(key)
            if flight is None:
                return False
            flight[1].append(waiter)
            self._held += 1
            return True

    def ahead(self, keys: Iterable[Key]) -> set[Future[Any]]:
        """What has to be settled before anything more is said about these transactions."""
        with self._lock:
            return {self._flying[key][0] for key in keys if key in self._flying}

    def begin(self, keys: Iterable[Key], future: Future[Any]) -> None:
        """Records of these transactions are on their way."""
        with self._lock:
            self._flying.update((key, (future, [])) for key in keys)

    def end(self, keys: Iterable[Key]) -> list[Waiter]:
        """They have arrived, or never will; who waited for them."""
        with self._lock:
            ended = [self._flying.pop(key) for key in keys if key in self._flying]
            waited = [waiter for _, waiters in ended for waiter in waiters]
            self._held -= len(waited)
            return waited

    def give_up(self) -> list[Waiter]:
        """Nobody waits any more; who did."""
        with self._lock:
            waited = [waiter for _, waiters in self._flying.values() for waiter in waiters]
            self._flying.clear()
            self._held = 0
            return waited
