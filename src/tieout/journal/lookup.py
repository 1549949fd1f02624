"""Questions to a journal: by sender's number, leaf, transaction and episode.

Owns what can be thrown away: the index and the sidecars of records. What it finds unsound it builds
anew from the chain, and answers then.
"""

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from tieout.journal.chain import Chain
from tieout.journal.errors import IndexUnsoundError, NoSuchBlock
from tieout.journal.index import Index, Lines, block_lines
from tieout.journal.records import (
    SIDECAR_SUFFIX,
    Place,
    Records,
    key_hash,
    read_sidecar,
    record_batches,
    record_key,
    sorted_records,
    write_sidecar,
)
from tieout.journal.segment import Located, Segment

Answer = TypeVar("Answer")


class ItemPlace(NamedTuple):
    """Where an item stands: its leaf in the log, its block, and its place there."""

    leaf: int
    height: int
    item: int


class Episode(NamedTuple):
    """From the block in which a transaction became broken to that in which it no longer was.

    `opened_height` is that of the journal's base when that block is not kept here.
    """

    agreement: int
    serial: int
    opened_height: int
    closed_height: int | None


class Lookup:
    """Answers about durable blocks. Safe for concurrent use."""

    def __init__(self, path: Path, ledger_id: bytes, *, read_only: bool) -> None:
        """The index stands at `path`; a reader works on a copy in memory. See `attach`."""
        self._path = path
        self._ledger_id = ledger_id
        self._read_only = read_only
        self._guard = threading.RLock()
        self._not_durable: deque[Lines] = deque()
        self._records: dict[int, Records] = {}
        self._index = self._opened()

    def known_place(self, segment: Segment) -> Located | None:
        """The last place in a segment that the index knows, if the frame there is that one."""
        index = self._index
        try:
            for first_height, offset in index.find("block", index.height):
                header = segment.frame_header(offset)
                if header is None or first_height != segment.first_height:
                    return None
                located = Located(offset, header)
                return located if segment.frame_hash(located) == index.frame_hash else None
        except (IndexUnsoundError, OSError, OverflowError, TypeError):
            return None
        return None

    def attach(self, chain: Chain) -> None:
        """Answer about this chain from now on.

        A writer's index is completed at once, so that the lines it is offered go on from there; a
        reader's when it is first asked. Raises JournalDamaged.
        """
        self._chain = chain
        chain.whereabouts = self._whereabouts
        self._index.begin_after(chain.base.height, chain.base.log_size)
        try:
            if not self._follows():
                raise IndexUnsoundError("it was made from other blocks")
            if not self._read_only:
                self._complete()
        except IndexUnsoundError:
            self._rebuild()

    def close(self) -> None:
        """Close the index; what was not written is computed again at the next start."""
        self._index.close()

    # ------------------------------------------------------------------ keeping up

    def offer(self, lines: Lines) -> None:
        """Take the lines of a block that was appended, durable or not yet."""
        with self._guard:
            self._not_durable.append(lines)
            self._settle()
            if self._index.is_due:
                self._write()

    def write(self) -> None:
        """Write the lines of all durable blocks to the index."""
        with self._guard:
            self._complete()
            self._write()

    def sort_records(self) -> None:
        """Sort the records of all sealed segments that have no sidecar yet."""
        for segment in self._chain.segments[:-1]:
            self._records_of(segment)

    def _settle(self) -> None:
        """Hand the lines of blocks that have become durable to the index."""
        durable = self._chain.durable.height
        while self._not_durable and self._not_durable[0].height <= durable:
            lines = self._not_durable.popleft()
            if lines.height == self._index.known_height + 1:
                self._index.add(lines)

    def _complete(self) -> None:
        """Bring the index up to the last durable block."""
        self._settle()
        chain, index = self._chain, self._index
        for segment, located, entry in chain.blocks(index.known_height + 1, chain.durable.height):
            index.add(block_lines(entry, segment.first_height, located.offset))
            if index.is_due:
                index.write()

    def _write(self) -> None:
        try:
            self._index.write()
        except IndexUnsoundError:
            self._rebuild()

    def _opened(self) -> Index:
        if self._read_only:
            return Index.copy_of(self._path)
        try:
            return Index(self._path)
        except IndexUnsoundError:
            return self._empty()

    def _empty(self) -> Index:
        if not self._read_only:
            try:
                self._path.unlink(missing_ok=True)
                return Index(self._path)
            except (IndexUnsoundError, OSError):
                # A full disk is the segments' to report; questions are answered from memory.
                pass
        return Index(None)

    def _rebuild(self) -> None:
        self._index.close()
        self._index = self._empty()
        self._index.begin_after(self._chain.base.height, self._chain.base.log_size)
        self._complete()

    def _follows(self) -> bool:
        """Whether the index was made from this chain, and from no more than it has."""
        height = self._index.height
        if height == 0:
            return True
        if height > self._chain.durable.height:
            return False
        segment, located = self._chain.locate(height)
        return segment.frame_hash(located) == self._index.frame_hash

    def _ask(self, question: Callable[[Index], Answer]) -> Answer:
        """The answer of the index; of a new one, if this one turns out unsound."""
        with self._guard:
            try:
                self._complete()
                return question(self._index)
            except IndexUnsoundError:
                self._rebuild()
                return question(self._index)

    # ------------------------------------------------------------------ answering

    def find_leaf(self, leaf: int) -> ItemPlace | None:
        """Where the item stands that is this leaf of the log; None when it is not kept here."""
        if not self._chain.base.log_size <= leaf < self._chain.durable.log_size:
            return None

        def answer(index: Index) -> ItemPlace:
            for height, item in index.find("item_of_leaf", leaf):
                if self._is_leaf(height, item, leaf):
                    return ItemPlace(leaf, height, item)
            raise IndexUnsoundError(f"leaf {leaf} is not where the index says")

        return self._ask(answer)

    def find_items(self, party: int, stream: int, sequence: int) -> list[ItemPlace]:
        """Where the leaves stand that have a sender's number; more than one: equivocation."""

        def answer(index: Index) -> list[ItemPlace]:
            index.trust()
            rows = index.find("items_of_sequence", party, stream, sequence)
            return [ItemPlace(*row) for row in rows]

        return self._ask(answer)

    def find_records(self, agreement: str, originator: int, transaction_id: str) -> list[Place]:
        """Where the records of a transaction stand, under all versions, in the ledger's order."""
        key = record_key(originator, transaction_id)
        hashed = key_hash(agreement, key)
        segments = self._chain.segments
        found: list[Place] = []
        for segment in segments[:-1]:
            places = self._records_of(segment).find(hashed)
            found.extend(place for place in places if self._has_key(place, agreement, key))
        for segment in segments[-1:]:
            for kept in self._chain.blocks_of(segment):
                for batch in record_batches(kept.entry):
                    found.extend(batch.find(agreement, key))
        return found

    def episodes(self, agreement: int, serial: int) -> list[Episode]:
        """When a transaction was broken, in order."""

        def answer(index: Index) -> list[Episode]:
            index.trust()
            rows = index.find("episodes_of_transaction", agreement, serial)
            return [Episode(agreement, serial, *row) for row in rows]

        return self._ask(answer)

    def open_episodes(self) -> list[Episode]:
        """The transactions that are broken now, in the order in which they became so."""

        def answer(index: Index) -> list[Episode]:
            index.trust()
            rows = index.find("open_episodes")
            return [Episode(agreement, serial, opened, None) for agreement, serial, opened in rows]

        return self._ask(answer)

    def _whereabouts(self, height: int) -> tuple[int, int] | None:
        with self._guard:
            try:
                for first_height, offset in self._index.find("block", height):
                    if isinstance(first_height, int) and isinstance(offset, int):
                        return first_height, max(0, offset)
            except IndexUnsoundError:
                # The chain finds it by itself; the next question builds the index anew.
                return None
        return None

    def _is_leaf(self, height: int, item: int, leaf: int) -> bool:
        try:
            items = self._chain.read(height).result.items
            return items[item].leaf == leaf
        except (NoSuchBlock, IndexError, TypeError):
            return False

    def _has_key(self, place: Place, agreement: str, key: bytes) -> bool:
        where = self.find_leaf(place.leaf)
        if where is None:
            return False
        batches = record_batches(self._chain.read(where.height))
        return any(
            place in batch.find(agreement, key) for batch in batches if batch.leaf == place.leaf
        )

    def _records_of(self, segment: Segment) -> Records:
        with self._guard:
            records = self._records.get(segment.first_height)
        if records is None:
            path = segment.path.with_suffix(SIDECAR_SUFFIX)
            segment_hash = segment.last_hash()
            records = read_sidecar(path, self._ledger_id, segment_hash)
            if records is None:
                records = sorted_records(kept.entry for kept in self._chain.blocks_of(segment))
                if not self._read_only:
                    write_sidecar(path, self._ledger_id, segment_hash, records)
            with self._guard:
                self._records[segment.first_height] = records
        return records
