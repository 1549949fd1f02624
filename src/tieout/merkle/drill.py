"""Finding the entries in which two sets differ, by exchanging hashes alone.

The model: one side asks, the other answers; both hold a `SetTree`. A question names parts, at first
the whole; an answer has, of each, its entries when they are few, else the hashes of its 256 parts.
Whoever asks goes on with the parts whose hash is not its own. Every answer is held against the hash
that was told of its part before, so an answerer that makes things up is found out, and can at most
tell of a set that is not its own.

What is not here: how questions travel. Bytes: docs/formats/set-hash.md.

Source: the partitioning of Y. Minsky and A. Trachtenberg (Practical Set Reconciliation, 2002), with
a tree of hashes (R. Merkle, 1979) in place of polynomials.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from tieout.merkle import sets
from tieout.merkle.errors import MerkleError
from tieout.merkle.sets import ENTRY_BYTES, FAN, HASH_BYTES, LEAF_ENTRIES, Entry
from tieout.merkle.settree import SetTree

ENTRIES: Final = 0
PARTED: Final = 1
MAX_PARTS_ASKED: Final = 64
"""Parts of one question: its answer stays below a megabyte."""
MAX_QUESTIONS: Final = 64
"""Of one drill: who has that many parts to look into has other books, not another record."""
_MAX_QUESTION_BYTES: Final = 1 << 12
_TAGS: Final = {ENTRIES: sets.LEAF, PARTED: sets.PARTED}

Ask = Callable[[bytes], bytes]
"""Takes a question to the other side, and brings the answer."""


class Part(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What an answer tells of a part: its entries, or the hashes of its 256 parts."""

    prefix: bytes
    kind: int
    data: bytes

    def hash(self) -> bytes:
        """The hash of the part, as it follows from what is told."""
        return hashlib.sha256(_TAGS[self.kind] + self.data).digest()


@dataclass(slots=True)
class Differences:
    """The keys of the entries that differ, each list in the order in which it was found.

    `is_complete` is False when there were more than could be asked about.
    """

    changed: list[bytes] = field(default_factory=list)
    only_mine: list[bytes] = field(default_factory=list)
    only_theirs: list[bytes] = field(default_factory=list)
    questions: int = 0
    asked_bytes: int = 0
    answered_bytes: int = 0
    is_complete: bool = True

    @property
    def count(self) -> int:
        """How many entries differ, as far as they were found."""
        return len(self.changed) + len(self.only_mine) + len(self.only_theirs)


def answer(theirs: SetTree, question: bytes) -> bytes:
    """The answer to a question. Raises MerkleError for one that makes no sense."""
    return msgspec.msgpack.encode([_part(theirs, prefix) for prefix in _read_question(question)])


def _part(tree: SetTree, prefix: bytes) -> Part:
    start, end = tree.bounds(prefix)
    if end - start <= LEAF_ENTRIES:
        entries = tree.entries_of(prefix)
        return Part(prefix, ENTRIES, b"".join(key + said for key, said in entries))
    return Part(prefix, PARTED, b"".join(tree.hashes_within(prefix)))


def find_differences(mine: SetTree, ask: Ask) -> Differences:
    """Ask the other side until it is known in which entries the two sets differ.

    Raises MerkleError for an answer that does not fit the question, or what was told before.
    """
    found = Differences()
    known: dict[bytes, bytes] = {}
    waiting = [b""]
    while waiting:
        if found.questions == MAX_QUESTIONS:
            found.is_complete = False
            break
        asked, waiting = waiting[:MAX_PARTS_ASKED], waiting[MAX_PARTS_ASKED:]
        question = msgspec.msgpack.encode(asked)
        told = ask(question)
        found.questions += 1
        found.asked_bytes += len(question)
        found.answered_bytes += len(told)
        further: list[bytes] = []
        for part in _read_answer(told, asked, known):
            if part.kind == ENTRIES:
                _compare(mine, part, found)
            else:
                further += _that_differ(mine, part, known)
        waiting = further + waiting
    return found


def _that_differ(mine: SetTree, part: Part, known: dict[bytes, bytes]) -> list[bytes]:
    """The parts of a part to look into."""
    hashes = [part.data[i : i + HASH_BYTES] for i in range(0, len(part.data), HASH_BYTES)]
    own = mine.hashes_within(part.prefix)
    differing = []
    for byte in range(FAN):
        if hashes[byte] != own[byte]:
            prefix = part.prefix + bytes((byte,))
            known[prefix] = hashes[byte]
            differing.append(prefix)
    return differing


def _compare(mine: SetTree, part: Part, found: Differences) -> None:
    theirs, own = dict(_entries(part)), dict(mine.entries_of(part.prefix))
    for key in sorted({*theirs, *own}):
        if key not in own:
            found.only_theirs.append(key)
        elif key not in theirs:
            found.only_mine.append(key)
        elif own[key] != theirs[key]:
            found.changed.append(key)


def _entries(part: Part) -> list[Entry]:
    return [
        (part.data[at : at + HASH_BYTES], part.data[at + HASH_BYTES : at + ENTRY_BYTES])
        for at in range(0, len(part.data), ENTRY_BYTES)
    ]


def _read_question(question: bytes) -> list[bytes]:
    if len(question) > _MAX_QUESTION_BYTES:
        raise MerkleError(f"a question of {len(question)} bytes")
    try:
        prefixes = msgspec.msgpack.decode(question, type=list[bytes])
    except msgspec.MsgspecError as error:
        raise MerkleError(f"a question that cannot be read: {error}") from error
    if not 1 <= len(prefixes) <= MAX_PARTS_ASKED:
        raise MerkleError(f"a question about {len(prefixes)} parts, not 1 to {MAX_PARTS_ASKED}")
    if any(len(prefix) > HASH_BYTES for prefix in prefixes):
        raise MerkleError("a part is named by at most 32 bytes")
    return prefixes


def _read_answer(told: bytes, asked: Sequence[bytes], known: dict[bytes, bytes]) -> list[Part]:
    try:
        parts = msgspec.msgpack.decode(told, type=list[Part])
    except msgspec.MsgspecError as error:
        raise MerkleError(f"an answer that cannot be read: {error}") from error
    if [part.prefix for part in parts] != list(asked):
        raise MerkleError("an answer that is not about what was asked")
    for part in parts:
        if not _is_formed(part):
            raise MerkleError("an answer that has no entries and no parts")
        if part.hash() != known.pop(part.prefix, part.hash()):
            raise MerkleError("an answer that does not have the hash that was told before")
    return parts


def _is_formed(part: Part) -> bool:
    if part.kind == PARTED:
        return len(part.data) == FAN * HASH_BYTES and len(part.prefix) < HASH_BYTES
    keys = [key for key, _ in _entries(part)]
    return (
        part.kind == ENTRIES
        and len(part.data) % ENTRY_BYTES == 0
        and len(keys) <= LEAF_ENTRIES
        and all(key.startswith(part.prefix) for key in keys)
        and keys == sorted(set(keys))
    )
