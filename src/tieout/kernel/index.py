"""The index of a book: from the key of a transaction to its serial, by open addressing.

An entry is (hash << 32) | (serial + 1), 0 where nothing stands. A place is looked at by the low
bits of the hash, then the next one, at most as many as the table has. The hash in the entry spares
most looks at slots, and makes growing cheap; what decides is the whole key in the slot (R-KEY-1).
At most half of the places are taken.

The hash is keyed with the node's own secret, so nobody can choose ids that crowd together. The
table is no part of the state: it is in no digest and no snapshot.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tieout.compiled.loops import (
    BYTES,
    FIXED_BYTES,
    NOTHING,
    NUMBER,
    NUMBERS,
    WORDS,
    entry,
    inlined,
)
from tieout.compiled.memory import Int64, number_at, prefetch, put_number
from tieout.kernel.words import M32, hash_key, same_key

MIN_PLACES: Final = 1024
MAX_SERIALS: Final = (1 << 32) - 2
_TABLE_AHEAD: Final = 24
_SLOT_AHEAD: Final = 12


@inlined
def find(
    table: Any, slots: Any, slot_bytes: Int64, key_hash: Int64, keys: Any, key_at: Int64
) -> Int64:
    """The serial of the key at `key_at` in `keys`, −1 when there is none."""
    last = np.int64(table.size) - 1
    place = key_hash & last
    for _ in range(table.size):
        found = number_at(table, place)
        if found == 0:
            return -1
        if ((found >> 32) & M32) == key_hash:
            serial = (found & M32) - 1
            if same_key(slots, serial * slot_bytes, keys, key_at):
                return serial
        place = (place + 1) & last
    return -1


@inlined
def find_likely(table: Any, key_hash: Int64) -> Int64:
    """The serial of the first key with this hash, −1 when there is none: a guess, without slots."""
    last = np.int64(table.size) - 1
    place = key_hash & last
    for _ in range(table.size):
        found = number_at(table, place)
        if found == 0:
            return -1
        if ((found >> 32) & M32) == key_hash:
            return (found & M32) - 1
        place = (place + 1) & last
    return -1


@inlined
def insert(table: Any, key_hash: Int64, serial: Int64) -> None:
    """Note a key that is not in the table. A full table is left as it is; callers keep room."""
    last = np.int64(table.size) - 1
    place = key_hash & last
    for _ in range(table.size):
        if number_at(table, place) == 0:
            put_number(table, place, (key_hash << 32) | (serial + 1))
            return
        place = (place + 1) & last


@entry(NOTHING, NUMBERS, NUMBERS)
def refill(table: Any, old: Any) -> None:
    """Move the entries of a smaller table."""
    for i in range(old.size):
        found = old[i]
        if found != 0:
            insert(table, (found >> 32) & M32, (found & M32) - 1)


@entry(NOTHING, NUMBERS, BYTES, NUMBER, NUMBER, WORDS, NUMBERS)
def rebuild(
    table: Any, slots: Any, slot_bytes: Int64, count: Int64, secret: Any, hashes: Any
) -> None:
    """Fill an empty table from `count` slots; `hashes` is scratch of any length but 0."""
    last = np.int64(table.size) - 1
    group = np.int64(hashes.size)
    for start in range(0, count, group):
        n = min(group, count - start)
        for i in range(n):
            key_hash = hash_key(slots, (start + i) * slot_bytes, secret)
            hashes[i] = key_hash
            prefetch(table, key_hash & last)
        for i in range(n):
            insert(table, hashes[i], start + i)


@entry(NOTHING, FIXED_BYTES, NUMBER, WORDS, NUMBERS)
def hash_keys(rows: Any, row_bytes: Int64, secret: Any, hashes: Any) -> None:
    """Write the hash of each row's key."""
    for i in range(np.int64(hashes.size)):
        hashes[i] = hash_key(rows, i * row_bytes, secret)


@entry(NOTHING, NUMBERS, BYTES, NUMBER, NUMBERS, FIXED_BYTES, NUMBER, NUMBERS)
def locate(
    table: Any,
    slots: Any,
    slot_bytes: Int64,
    hashes: Any,
    rows: Any,
    row_bytes: Int64,
    serials: Any,
) -> None:
    """Write the serial of each row's transaction into `serials`, −1 where there is none."""
    last = np.int64(table.size) - 1
    n = np.int64(serials.size)
    for i in range(n):
        if i + _TABLE_AHEAD < n:
            prefetch(table, hashes[i + _TABLE_AHEAD] & last)
        if i + _SLOT_AHEAD < n:
            likely = find_likely(table, hashes[i + _SLOT_AHEAD])
            if likely >= 0:
                prefetch(slots, likely * slot_bytes)
        serials[i] = find(table, slots, slot_bytes, hashes[i], rows, i * row_bytes)


def empty_table(count: Int64) -> NDArray[np.int64]:
    """A table with room for `count` entries."""
    places = MIN_PLACES
    while places < 2 * count:
        places *= 2
    # Written, not left for the system to hand out as zeros: places are looked at before they are
    # written, and a page that is read first costs two faults.
    table = np.empty(places, np.int64)
    table.fill(0)
    return table


def needs_room(table: NDArray[np.int64], count: Int64) -> bool:
    """Whether `count` entries would take more than half of the places."""
    return 2 * count > table.size
