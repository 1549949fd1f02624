"""Statements: what a party says that it has published of one period, to be held against the ledger.

Here is their form only, and what makes a statement malformed whatever the ledger is like. Layout:
docs/formats/operation.md; the set hash: docs/formats/set-hash.md.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from tieout.wire.limits import MAX_STATED_RANGES

SUM_BYTES: Final = 16
"""A sum of 64-bit numbers, exactly: little-endian, two's complement."""
SET_HASH_BYTES: Final = 32
_LAST_NUMBER: Final = (1 << 64) - 1
_LAST_STREAM: Final = 0xFFFF


class StatedTotal(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How many records state a field in one currency, and the sum of what they state.

    `currency` is ASCII, empty where there is none; `total` are SUM_BYTES bytes.
    """

    field: int
    currency: bytes
    count: int
    total: bytes

    @property
    def sum(self) -> int:
        """The sum, scaled as the field."""
        return int.from_bytes(self.total, "little", signed=True)


class StatedNumbers(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The numbers that a party has used of one of its streams, as ranges (first, last)."""

    stream: int
    ranges: tuple[tuple[int, int], ...]


class StateDay(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a party's books hold for a role of an agreement version and a period (R-COMPLETE-1).

    The period is that of the transactions opened after `after_us` and at or before `until_us`.
    """

    agreement: str
    version: int
    role: int
    after_us: int
    until_us: int
    count: int
    totals: tuple[StatedTotal, ...]
    numbers: tuple[StatedNumbers, ...]
    set_hash: bytes


def sum_bytes(total: int) -> bytes:
    """A sum as a statement carries it."""
    return total.to_bytes(SUM_BYTES, "little", signed=True)


def holds_together(body: StateDay) -> bool:
    """Whether a statement makes sense in itself (R-COMPLETE-2)."""
    totals = [(each.field, each.currency) for each in body.totals]
    return (
        0 <= body.count <= _LAST_NUMBER
        and len(body.set_hash) == SET_HASH_BYTES
        and all(len(each.total) == SUM_BYTES for each in body.totals)
        and all(1 <= each.count <= body.count for each in body.totals)
        and all(a < b for a, b in pairwise(totals))
        and are_numbers(body.numbers)
    )


def are_numbers(numbers: Sequence[StatedNumbers]) -> bool:
    """Whether these are streams, ascending, with ranges as R-COMPLETE-2 wants them."""
    streams = [each.stream for each in numbers]
    return (
        all(0 <= stream <= _LAST_STREAM for stream in streams)
        and all(a < b for a, b in pairwise(streams))
        and sum(len(each.ranges) for each in numbers) <= MAX_STATED_RANGES
        and all(_are_ranges(each.ranges) for each in numbers)
    )


def _are_ranges(ranges: tuple[tuple[int, int], ...]) -> bool:
    """Whether there are some, ascending, with at least one number between two of them."""
    return (
        len(ranges) > 0
        and all(1 <= first <= last <= _LAST_NUMBER for first, last in ranges)
        and all(a[1] + 1 < b[0] for a, b in pairwise(ranges))
    )


def gaps_between(ranges: tuple[tuple[int, int], ...]) -> Iterator[tuple[int, int]]:
    """The ranges of the numbers between the first and the last one that are not stated."""
    for (_, last), (first, _) in pairwise(ranges):
        yield last + 1, first - 1
