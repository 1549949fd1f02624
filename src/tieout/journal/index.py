"""The index: where blocks, items and episodes of breaks stand, without reading the segments.

The problem: a transaction of SQLite for each block costs a third of the throughput, and an index
that may be stale, half written or altered must never be believed against the segments.

The model: lines are gathered in memory and added some hundred blocks at a time, without a sync of
their own; what is missing after a crash is computed again from the segments. Each such part carries
a digest of its lines. The journal believes a positive answer only when the frame it leads to
says the same, and a negative one only once the digests of all parts have been compared. An index
that fails either is deleted and built anew. So the index can be slow to appear, never wrong.

What is not here: records. They are found through `records`.
"""

import hashlib
import re
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tieout.journal.errors import IndexUnsoundError
from tieout.journal.frame import Entry
from tieout.journal.limits import INDEX_BLOCKS, INDEX_EPISODES, INDEX_ITEMS
from tieout.wire.block import BlockResult
from tieout.wire.codes import EventKind

VERSION: Final = 1
"""Of the schema; an index of another version is built anew."""

_QUERIES: Final = {
    name: statement.strip()
    for name, statement in re.findall(
        r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)",
        Path(__file__).with_name("index.sql").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
}
_NUMBERS_AT: Final = 48
"""Party, stream and sequence stand at the same places in batches and operations."""

_IS_OTHER_STATUS: Final = bytes(
    kind
    in {
        EventKind.TRANSACTION_PENDING,
        EventKind.TRANSACTION_MATCHED,
        EventKind.TRANSACTION_WITHDRAWN,
    }
    for kind in range(256)
)
"""By kind of event: whether it gives a transaction a status other than `broken`."""
_LOW_BITS: Final = np.uint64(0xFFFF)

Line = tuple[Any, ...]
"""A line of a table: whole numbers, unless the file was changed."""


@dataclass(slots=True)
class Lines:
    """What the index does not hold yet, in the order of the ledger."""

    blocks: list[Line] = field(default_factory=list)
    items: list[Line] = field(default_factory=list)
    opened: list[Line] = field(default_factory=list)
    closed: list[Line] = field(default_factory=list)
    frame_hash: bytes = b""

    @property
    def height(self) -> int:
        """The last block that has lines here; 0 without any."""
        height: int = self.blocks[-1][0] if self.blocks else 0
        return height

    def digest(self) -> bytes:
        """SHA-256 of the lines, the same whether just made or read from the index."""
        lines = (self.blocks, self.items, self.opened, self.closed)
        return hashlib.sha256(msgspec.msgpack.encode(lines)).digest()


def block_lines(entry: Entry, segment: int, offset: int) -> Lines:
    """The lines of one block that stands at `offset` of the segment that begins with `segment`."""
    height = entry.block.height
    lines = Lines(frame_hash=entry.frame_hash)
    lines.blocks.append((height, segment, offset, entry.block.time_us, entry.header.log_size))
    for position, (item, result) in enumerate(
        zip(entry.block.items, entry.result.items, strict=True)
    ):
        if result.leaf is not None:
            party, stream, sequence = item_numbers(item)
            lines.items.append((result.leaf, height, position, party, stream, sequence))
    _add_episodes(lines, entry.result)
    return lines


def item_numbers(item: bytes | memoryview) -> tuple[int, int, int]:
    """(party, stream, sequence) of an item that became a leaf."""
    numbers = bytes(item[_NUMBERS_AT : _NUMBERS_AT + 16])
    return (
        int.from_bytes(numbers[0:2], "little"),
        int.from_bytes(numbers[6:8], "little"),
        int.from_bytes(numbers[8:16], "little"),
    )


def _add_episodes(lines: Lines, result: BlockResult) -> None:
    kinds = np.ascontiguousarray(result.events["kind"])
    kind_bytes = kinds.tobytes()
    if EventKind.TRANSACTION_BROKEN in kind_bytes:
        broken = np.flatnonzero(kinds == EventKind.TRANSACTION_BROKEN)
        lines.opened += _transactions(result, broken)
    if EventKind.BREAK_CLOSED in kind_bytes:
        lines.closed += _transactions(result, _mended(result, kinds, kind_bytes))


def _mended(result: BlockResult, kinds: NDArray[np.uint8], kind_bytes: bytes) -> NDArray[np.intp]:
    """Places of the events that end an episode.

    Only a transaction that closed a break can have left the status `broken`, and few did: most are
    passed over by the low bits of their serials alone, before anything is sorted.
    """
    closing = np.flatnonzero(kinds == EventKind.BREAK_CLOSED)
    low_bits = result.events["serial"] & _LOW_BITS
    marked = np.zeros(int(_LOW_BITS) + 1, np.bool_)
    marked[low_bits[closing]] = True
    is_other = np.frombuffer(kind_bytes.translate(_IS_OTHER_STATUS), np.bool_)
    others = np.flatnonzero(is_other & marked[low_bits])
    return others[np.isin(_keys(result, others), _keys(result, closing))]


def _keys(result: BlockResult, places: NDArray[np.intp]) -> NDArray[np.uint64]:
    """One number for each transaction that events are about."""
    agreements = result.events["agreement"][places].astype(np.uint64) << np.uint64(48)
    keys: NDArray[np.uint64] = agreements ^ result.events["serial"][places]
    return keys


def _transactions(result: BlockResult, places: NDArray[np.intp]) -> list[Line]:
    """(height, event, agreement, serial) of events."""
    columns = (places, result.events["agreement"][places], result.events["serial"][places])
    numbers = zip(*(column.tolist() for column in columns), strict=True)
    return [(result.height, *line) for line in numbers]


class Index:
    """An index in a file, or in memory for those who may not write. Safe for concurrent use."""

    def __init__(self, path: Path | None) -> None:
        """Open the file, or begin it; raises IndexUnsoundError for a file that is no such index."""
        self.path = path
        self._lock = threading.RLock()
        self._waiting = Lines()
        self._trusted = False
        self._base_height, self._base_leaf = 0, 0
        # No waiting for readers: lines that cannot be written now are written with the next.
        self._database = sqlite3.connect(
            path or ":memory:", timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._database.close()
            raise IndexUnsoundError(str(error)) from error
        self.height, self.frame_hash = self._last_part()

    def _prepare(self) -> None:
        # What a power cut takes from the index is computed again; a sync would cost each block.
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA journal_mode = TRUNCATE")
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version not in {0, VERSION}:
            raise IndexUnsoundError(f"its version is {version}")
        if version == 0:
            self._database.executescript(
                f"BEGIN; {_QUERIES['schema']} PRAGMA user_version = {VERSION}; COMMIT;"
            )

    @classmethod
    def copy_of(cls, path: Path) -> "Index":
        """A copy in memory, for those who may not write; empty where there is no such index."""
        copy = cls(None)
        try:
            source = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            try:
                (version,) = source.execute("PRAGMA user_version").fetchone()
                if version == VERSION:
                    source.backup(copy._database)
            finally:
                source.close()
            copy.height, copy.frame_hash = copy._last_part()
        except (sqlite3.Error, IndexUnsoundError):
            copy.close()
            return cls(None)
        return copy

    def begin_after(self, height: int, log_size: int) -> None:
        """Say after which block, and with how many leaves before it, the journal begins."""
        self._base_height, self._base_leaf = height, log_size

    @property
    def known_height(self) -> int:
        """The last block whose lines were taken, written or not."""
        return max(self.height, self._waiting.height, self._base_height)

    def close(self) -> None:
        """Close the file; lines that wait are computed again at the next start."""
        with self._lock:
            self._database.close()

    def add(self, lines: Lines) -> None:
        """Take the lines of the next block; they are written with those of many others."""
        with self._lock:
            for name in ("blocks", "items", "opened", "closed"):
                getattr(self._waiting, name).extend(getattr(lines, name))
            self._waiting.frame_hash = lines.frame_hash

    @property
    def is_due(self) -> bool:
        """Whether enough lines wait to be written."""
        waiting = self._waiting
        return (
            len(waiting.blocks) >= INDEX_BLOCKS
            or len(waiting.items) >= INDEX_ITEMS
            or len(waiting.opened) + len(waiting.closed) >= INDEX_EPISODES
        )

    def write(self) -> None:
        """Write what waits, in one transaction; later, if a reader holds the file just now.

        Raises IndexUnsoundError when the lines do not fit what is there.
        """
        with self._lock:
            waiting = self._waiting
            if not waiting.blocks:
                return
            height = waiting.height
            try:
                self._database.execute("BEGIN IMMEDIATE")
                self._many("add_block", waiting.blocks)
                self._many("add_item", waiting.items)
                self._write_episodes(waiting)
                self._one("add_part", (height, waiting.frame_hash, waiting.digest()))
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                if error.sqlite_errorcode in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                    return
                raise IndexUnsoundError(str(error)) from error
            self.height, self.frame_hash = height, waiting.frame_hash
            self._waiting = Lines()

    def _write_episodes(self, lines: Lines) -> None:
        # In the order of the ledger: one transaction may break and be mended many times.
        changes = [(*line, 1) for line in lines.opened] + [(*line, 0) for line in lines.closed]
        for opens, group in groupby(sorted(changes), itemgetter(-1)):
            lines_of_group = [change[:-1] for change in group]
            if opens:
                self._many("open_episode", lines_of_group)
            elif self._base_height:
                for line in lines_of_group:
                    self._close_episode(*line)
            else:
                self._many("close_episode", lines_of_group)

    def _close_episode(self, height: int, event: int, agreement: int, serial: int) -> None:
        if self._one("close_episode", (height, event, agreement, serial)) == 0:
            number = -1 - (height << 32 | event)
            line = (self._base_height, number, agreement, serial, height, event)
            self._one("close_older_episode", line)

    def find(self, name: str, *arguments: int) -> list[Line]:
        """The lines of a query of index.sql. Raises IndexUnsoundError for a broken file."""
        with self._lock:
            self.write()
            return self._rows(name, arguments)

    def trust(self) -> None:
        """Compare all lines with the digests of their parts, once. Raises IndexUnsoundError."""
        with self._lock:
            if not self._trusted:
                self.compare()
                self._trusted = True

    def compare(self) -> None:
        """Compare all lines with the digests of their parts. Raises IndexUnsoundError."""
        with self._lock:
            self.write()
            try:
                self._compare_parts()
                ((verdict,),) = self._database.execute("PRAGMA integrity_check(1)")
            except (sqlite3.Error, TypeError) as error:
                # A changed byte may have made text of a number.
                raise IndexUnsoundError(str(error)) from error
            if verdict != "ok":
                raise IndexUnsoundError(verdict)

    def _compare_parts(self) -> None:
        after, leaf = self._base_height, self._base_leaf
        for height, digest in self._rows("all_parts", ()):
            blocks = self._rows("blocks_between", (after, height))
            size = blocks[-1][4] if blocks else leaf
            part = Lines(
                blocks,
                self._rows("items_between", (leaf, size)),
                self._rows("opened_between", (after, height)),
                self._rows("closed_between", (after, height)),
            )
            if part.digest() != digest:
                raise IndexUnsoundError(f"its lines up to block {height} were changed")
            after, leaf = height, size
        blocks_count, items_count, last_closed = self._rows("counts", ())[0]
        expected = (after - self._base_height, leaf - self._base_leaf)
        if (blocks_count, items_count) != expected or (last_closed or 0) > after:
            raise IndexUnsoundError("it has lines that no part added")

    def _last_part(self) -> tuple[int, bytes]:
        for height, frame_hash in self._rows("last_part", ()):
            if not (isinstance(height, int) and isinstance(frame_hash, bytes)):
                raise IndexUnsoundError("its last part was changed")
            return height, frame_hash
        return 0, b""

    def _rows(self, name: str, arguments: Iterable[int]) -> list[Line]:
        try:
            return self._database.execute(_QUERIES[name], tuple(arguments)).fetchall()
        except OverflowError:
            # A number that SQLite cannot hold is in no line.
            return []
        except sqlite3.Error as error:
            raise IndexUnsoundError(str(error)) from error

    def _one(self, name: str, values: tuple[object, ...]) -> int:
        """Execute a statement; how many lines it changed."""
        return self._database.execute(_QUERIES[name], values).rowcount

    def _many(self, name: str, lines: list[Line]) -> None:
        self._database.executemany(_QUERIES[name], lines)
