"""Whether the id of a row has been there before, for large files (a compiled loop).

The rows that `csv_fast` wrote are looked up by a hash of their id in a table that stands beside
them, and ids are compared whole. Its readable twin is the dictionary of `csv_known`.
"""

from typing import Any, Final

import numpy as np

from tieout.compiled import loops
from tieout.compiled.loops import entry, inlined
from tieout.connectors.csv_fast import (
    BATCH_HEAD,
    BATCH_ROWS,
    HASH_SEED,
    PRESENCE_AT,
    ROW_BYTES,
    U0,
    U1,
    U8,
    U64,
    Bytes,
    Numbers,
    Words,
    word,
)

MIX: Final = U64(0xFF51AFD7ED558CCD)  # an odd constant of MurmurHash3's finaliser
PREFETCHED: Final = 16
COUNTS: Final = 3
"""Numbers that `settle_rows` gives back beside its result."""


@inlined
def hash_of(rows: Bytes, base: Any, seed: Any) -> Any:
    """Return a hash of the 36 bytes of an id."""
    h = seed
    for i in range(4):
        h = (h ^ word(rows, base + U64(8 * i))) * MIX
        h ^= h >> U64(32)
    h = (h ^ (word(rows, base + U64(32)) & U64(0xFFFFFFFF))) * MIX
    return h ^ (h >> U64(29))


@inlined
def same_bytes(rows: Bytes, one: Any, other: Any, start: Any, stop: Any) -> Any:
    """Whether two rows have the same bytes from `start` to `stop`."""
    for i in range(start, stop):  # noqa: SIM110 - compiled code has no generators
        if rows[one + i] != rows[other + i]:
            return False
    return True


@inlined
def place_of(row: Any, facts: Words) -> Any:
    """Return where a row begins: before each batch of rows there is room for its head."""
    return row * facts[ROW_BYTES] + (row // facts[BATCH_ROWS] + U1) * facts[BATCH_HEAD]


@inlined
def look_up(rows: Bytes, base: Any, row: Any, h: Any, table: Words, facts: Words) -> Any:
    """Return the row that has the id of the one at `base`, or -1 after noting that as `row`.

    A slot holds the upper half of the hash and the row's number, counted from 1.
    """
    mask = U64(table.shape[0] - 1)
    slot = h & mask
    while table[slot] != U0:
        if table[slot] >> U64(32) == h >> U64(32):
            other = (table[slot] & U64(0xFFFFFFFF)) - U1
            if same_bytes(rows, base, place_of(other, facts), U0, U64(36)):
                return np.int64(other)
        slot = (slot + U1) & mask
    table[slot] = (h >> U64(32)) << U64(32) | U64(row + 1)
    return np.int64(-1)


@entry(loops.NOTHING, loops.FIXED_BYTES, loops.NUMBER, loops.WORDS, loops.FIXED_WORDS)
def fill_table(rows: Bytes, count: Any, table: Words, facts: Words) -> None:
    """Note rows, all of different ids, in an empty table."""
    for row in range(count):
        base = place_of(U64(row), facts)
        look_up(rows, base, row, hash_of(rows, base, facts[HASH_SEED]), table, facts)


@entry(
    loops.NUMBER,
    loops.BYTES,
    loops.NUMBER,
    loops.NUMBER,
    loops.NUMBERS,
    loops.NUMBERS,
    loops.WORDS,
    loops.FIXED_WORDS,
    loops.WORDS,
    loops.TABLE,
    loops.NUMBERS,
)
def settle_rows(
    rows: Bytes,
    known: Any,
    count: Any,
    lines: Numbers,
    starts: Numbers,
    table: Words,
    facts: Words,
    hashes: Words,
    found: Numbers,
    counts: Numbers,
) -> Any:
    """Take `count` rows behind the `known` ones, all of one batch; the known now.

    Repeats and conflicts are counted in `counts`; the place, line and first row of each conflict
    are noted in `found`. The table's slots of sixteen rows are touched before the first is needed,
    so that the misses of the cache overlap.
    """
    mask = U64(table.shape[0] - 1)
    repeats = 0
    conflicts = 0
    kept = known
    touched = U0
    start = place_of(U64(known), facts)
    for i in range(count):
        hashes[i] = hash_of(rows, start + U64(i) * facts[ROW_BYTES], facts[HASH_SEED])
    for i in range(count):
        if i % PREFETCHED == 0:
            for j in range(i, min(i + PREFETCHED, count)):
                touched |= table[hashes[j] & mask]
        base = start + U64(kept - known) * facts[ROW_BYTES]
        if kept != known + i:
            source = start + U64(i) * facts[ROW_BYTES]
            for b in range(U0, facts[ROW_BYTES]):
                rows[base + b] = rows[source + b]
            lines[kept] = lines[known + i]
        other = look_up(rows, base, kept, hashes[i], table, facts)
        if other < 0:
            kept += 1
            continue
        first = place_of(U64(other), facts)
        stated = facts[PRESENCE_AT]
        if same_bytes(rows, base, first, stated, stated + U8) and same_bytes(
            rows, base, first, stated + U64(24), facts[ROW_BYTES]
        ):
            repeats += 1
        else:
            found[conflicts, 0] = starts[i]
            found[conflicts, 1] = lines[kept]
            found[conflicts, 2] = other
            conflicts += 1
    counts[0] = repeats
    counts[1] = conflicts
    # What was touched is handed out, so that the compiler does not leave the touching out.
    counts[2] = np.int64(touched)
    return kept
