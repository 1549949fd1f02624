"""The hash of a set: the same for the same entries, in whatever order they came.

The problem: two sides want to know whether they hold the same million records, and if not, which
one differs, without sending each other a single record.

The model: an entry is a key and a content, both SHA-256 hashes, so keys are spread evenly whatever
the records look like. The hash of a set is that of a tree which follows from the set alone: up to
LEAF_ENTRIES entries are hashed together in the order of their keys; more are parted by the next
byte of the key, and the hashes of the 256 parts are hashed. Two sets with one hash are the same set
unless SHA-256 collides; nothing is added up, so there is nothing to solve for, as there is where
the hashes of entries are summed (D. Wagner, A Generalized Birthday Problem, 2002, against the
AdHash of Bellare and Micciancio, 1997). And whoever disagrees about a hash finds out where, part by
part (`drill`). Why this and not a sum: docs/decisions/0032. Bytes: docs/formats/set-hash.md.

This is the plain way, which an auditor runs; `settree` does the same for many entries at once.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

HASH_BYTES: Final = 32
ENTRY_BYTES: Final = 2 * HASH_BYTES
LEAF_ENTRIES: Final = 256
"""How many entries are hashed together: a part to look into stays below 16 KiB."""
FAN: Final = 256
KEY_TAG: Final = b"tieout/setkey/1\0"
SAID_TAG: Final = b"tieout/said/1\0\0\0"
LEAF: Final = b"\x00"
PARTED: Final = b"\x01"

Entry = tuple[bytes, bytes]


def key_hash(key: bytes) -> bytes:
    """The key of an entry: of a transaction's id, originator and stage as they stand in a row."""
    return hashlib.sha256(LEAF + KEY_TAG + key).digest()


def said_hash(said: bytes) -> bytes:
    """The content of an entry: of a record's presence bits and values as they stand in a row."""
    return hashlib.sha256(LEAF + SAID_TAG + said).digest()


def set_hash(entries: Mapping[bytes, bytes]) -> bytes:
    """The hash of a set of entries, content by key; 32 bytes each."""
    return hash_of_part(sorted(entries.items()), 0)


def hash_of_part(entries: list[Entry], depth: int) -> bytes:
    """The hash of entries, ascending, whose keys have their first `depth` bytes in common."""
    if len(entries) <= LEAF_ENTRIES:
        return hashlib.sha256(LEAF + b"".join(key + said for key, said in entries)).digest()
    parts: list[list[Entry]] = [[] for _ in range(FAN)]
    for entry in entries:
        parts[entry[0][depth]].append(entry)
    hashes = b"".join(hash_of_part(part, depth + 1) for part in parts)
    return hashlib.sha256(PARTED + hashes).digest()
