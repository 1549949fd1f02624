"""The rows of one role so far, and whether an id has been there before.

The rows that were taken stand one after the other in one array, and stay there: the same bytes are
handed to the caller as views, so that nothing is held twice, and a second row of an id is compared
with the first one whole, not by a hash. Before every batch of them there is room for what is signed
over it, so that it can be published from where it stands. A small file is looked up in a
dictionary; for a large one a table is built beside the rows (`csv_ids`), whichever rows are there
by then.
"""

import secrets
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tieout.wire.batch import HEAD_BYTES, most_rows
from tieout.wire.limits import ID_BYTES
from tieout.wire.rows import PREFIX_BYTES, SALT_OFFSET

PRESENCE_OFFSET: Final = SALT_OFFSET - 8
REVISION_OFFSET: Final = PRESENCE_OFFSET - 4
STAGE_OFFSET: Final = REVISION_OFFSET - 2
SLACK_BYTES: Final = 64
"""Writable bytes behind the last row: compiled code stores whole words."""

_FIRST_ROWS: Final = 1_024


class Conflict(NamedTuple):
    """A row whose id stands already with other values: its place in the file, and the first."""

    start: int
    line: int
    first_row: int


class KnownRows:
    """Every row that was taken for one role, over all of its files; for one thread.

    The caller may write originator, revision, action and salt into the views it was handed, and the
    head of a batch that is whole; ids, presence and values must stay as they are. Memory: the rows,
    and about 40 bytes for each. `batch_rows`: how many rows make a batch; as
    many as one may have without it.
    """

    def __init__(self, row_bytes: int, batch_rows: int | None = None) -> None:
        self.row_bytes = row_bytes
        self.batch_rows = batch_rows or most_rows(row_bytes)
        self.count = 0
        self.compiled = False
        self.flat: NDArray[np.uint8] = np.empty(self.place_of(_FIRST_ROWS) + SLACK_BYTES, np.uint8)
        self.all_lines: NDArray[np.int64] = np.empty(_FIRST_ROWS, np.int64)
        self.seed = secrets.randbits(64)
        self.table: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._index: dict[bytes, int] = {}
        self._files: list[tuple[int, Path]] = []

    def place_of(self, row: int) -> int:
        """The byte of `flat` at which a row begins, whether it was taken yet or not."""
        return row * self.row_bytes + (row // self.batch_rows + 1) * HEAD_BYTES

    def rows(self, first: int, stop: int) -> NDArray[np.uint8]:
        """Rows `first` to `stop` - 1, all of one batch: (n, row_bytes) bytes, a view."""
        place = self.place_of(first)
        size = (stop - first) * self.row_bytes
        return self.flat[place : place + size].reshape(stop - first, self.row_bytes)

    def batch(self, first: int) -> NDArray[np.uint8]:
        """The batch that begins with row `first`: room for its head, and the rows; a view."""
        stop = min(first + self.batch_rows, self.count)
        place = self.place_of(first)
        return self.flat[place - HEAD_BYTES : place + (stop - first) * self.row_bytes]

    def ids(self) -> NDArray[np.bytes_]:
        """The ids of all rows so far, a copy."""
        ids = [
            self.rows(first, min(first + self.batch_rows, self.count))[:, :ID_BYTES]
            for first in range(0, self.count, self.batch_rows)
        ]
        joined = np.concatenate([np.empty((0, ID_BYTES), np.uint8), *ids])
        return joined.view(f"S{ID_BYTES}").reshape(-1)

    def begin(self, path: Path) -> None:
        """Note that the rows from here on are of another file."""
        self._files.append((self.count, path))

    def place(self, row: int, path: Path) -> str:
        """Say where a row stands, as seen from a file."""
        other = next(name for first, name in reversed(self._files) if first <= row)
        line = f"line {self.all_lines[row]}"
        return line if other == path else f"{line} of {other}"

    def reserve(self, rows: int, likely: int = 0) -> None:
        """Make room for so many further rows; views that were handed out keep their values.

        `likely` is how many rows there may be in the end, so that they are not moved often.
        """
        needed = self.count + rows
        if needed > len(self.all_lines):
            capacity = max(needed, 2 * len(self.all_lines), likely)
            flat = np.empty(self.place_of(capacity) + SLACK_BYTES, np.uint8)
            used = self.place_of(self.count)
            flat[:used] = self.flat[:used]
            lines = np.empty(capacity, np.int64)
            lines[: self.count] = self.all_lines[: self.count]
            self.flat, self.all_lines = flat, lines

    def forget(self) -> None:
        """Give the rows up: no more will come. Views that were handed out keep theirs."""
        self.flat = np.empty(0, np.uint8)
        self.table = np.zeros(0, np.uint64)

    def compile(self) -> None:
        """From now on look ids up in the compiled table."""
        self.compiled = True
        self._index.clear()

    def add(self, row: bytes, line: int) -> Conflict | bool:
        """Take a row: True; a repeat of a known one: False; another row of a known id: Conflict."""
        self.reserve(1)
        place = self.place_of(self.count)
        self.flat[place : place + self.row_bytes] = np.frombuffer(row, np.uint8)
        self.all_lines[self.count] = line
        if self.compiled:
            repeats, conflicts = self.settle(1, np.zeros(1, np.int64))
            return conflicts[0] if conflicts else repeats == 0
        first = self._index.setdefault(row[:ID_BYTES], self.count)
        if first == self.count:
            self.count += 1
            return True
        if self._stated(first) == row[PRESENCE_OFFSET : PRESENCE_OFFSET + 8] + row[PREFIX_BYTES:]:
            return False
        return Conflict(0, line, first)

    def settle(self, rows: int, starts: NDArray[np.int64]) -> tuple[int, list[Conflict]]:
        """Take `rows` rows that were written behind the last one; `starts` are their places.

        They are all of one batch. Those that are new move up to the rows so far; the number of
        repeats is returned, and what is in conflict. Only after `compile`.
        """
        from tieout.connectors import csv_plan  # noqa: PLC0415 - a small file needs no machine code

        if 3 * (self.count + rows) > 2 * len(self.table):
            self.table = csv_plan.table_of(self, 3 * len(self.all_lines) // 2)
        found = np.empty((rows, 3), np.int64)
        self.count, repeats, conflicts = csv_plan.settle(self, rows, starts, found)
        return repeats, [Conflict(*map(int, each)) for each in found[:conflicts]]

    def _stated(self, row: int) -> bytes:
        stated: Any = self.rows(row, row + 1).tobytes()
        return bytes(stated[PRESENCE_OFFSET : PRESENCE_OFFSET + 8] + stated[PREFIX_BYTES:])
