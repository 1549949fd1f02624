"""The hash of a set, the plain way and the quick way; and finding where two sets differ."""

import hashlib
import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tieout.merkle.drill import (
    ENTRIES,
    MAX_PARTS_ASKED,
    PARTED,
    Differences,
    Part,
    answer,
    find_differences,
)
from tieout.merkle.errors import MerkleError
from tieout.merkle.sets import (
    HASH_BYTES,
    LEAF_ENTRIES,
    key_hash,
    said_hash,
    set_hash,
)
from tieout.merkle.settree import SetTree, key_hashes, said_hashes

VECTORS = Path(__file__).resolve().parent.parent / "vectors" / "set-hash.json"
COUNTS = (0, 1, 2, LEAF_ENTRIES - 1, LEAF_ENTRIES, LEAF_ENTRIES + 1, 3_000, 70_000)
KEY_BYTES = 39


@cache
def entries_of(count: int) -> dict[bytes, bytes]:
    """Entries of the ids T0, T1, …, each with its number as what is said."""
    return {
        key_hash(b"T%d" % i + bytes(KEY_BYTES - len(b"T%d" % i))): said_hash(
            i.to_bytes(8, "little")
        )
        for i in range(count)
    }


def tree_of(entries: dict[bytes, bytes]) -> SetTree:
    def table(parts: list[bytes]) -> Any:
        return np.frombuffer(b"".join(parts), np.uint8).reshape(-1, HASH_BYTES)

    return SetTree(table(list(entries)), table(list(entries.values())))


def drill(mine: dict[bytes, bytes], theirs: dict[bytes, bytes]) -> Differences:
    answering = tree_of(theirs)
    return find_differences(tree_of(mine), lambda question: answer(answering, question))


def test_the_hashes_are_those_of_the_vectors() -> None:
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    assert vectors["entry"]["key"] == key_hash(bytes.fromhex(vectors["entry"]["id"])).hex()
    assert vectors["entry"]["content"] == said_hash(bytes.fromhex(vectors["entry"]["said"])).hex()
    assert vectors["sets"] == {str(count): set_hash(entries_of(count)).hex() for count in COUNTS}


@pytest.mark.parametrize("count", COUNTS)
def test_the_quick_way_is_the_plain_way(count: int) -> None:
    entries = entries_of(count)
    tree = tree_of(entries)
    assert len(tree) == count
    assert tree.root() == set_hash(entries)
    part = {key: said for key, said in entries.items() if key[0] == 7}
    assert tree.entries_of(b"\x07") == sorted(part.items())


@settings(max_examples=20)
@given(st.permutations(range(300)))
def test_no_order_matters(order: list[int]) -> None:
    """R-COMPLETE-1: a set hash does not depend on when the records came."""
    entries = list(entries_of(len(order)).items())
    assert tree_of(dict(entries[i] for i in order)).root() == tree_of(dict(entries)).root()


def test_rows_are_hashed_many_at_a_time_as_one_by_one() -> None:
    rows = np.arange(40 * KEY_BYTES, dtype=np.uint32).astype(np.uint8).reshape(40, KEY_BYTES)
    assert [each.tobytes() for each in key_hashes(rows)] == [key_hash(r.tobytes()) for r in rows]
    assert [each.tobytes() for each in said_hashes(rows)] == [said_hash(r.tobytes()) for r in rows]


def test_a_key_is_there_once() -> None:
    keys = np.zeros((2, HASH_BYTES), np.uint8)
    with pytest.raises(MerkleError, match="one entry for each key"):
        SetTree(keys, keys)


def test_keys_that_begin_alike_are_parted_by_their_last_bytes() -> None:
    """Nobody can find such keys; the hash is the same plain and quick all the same."""
    entries = {bytes(9) + i.to_bytes(2, "big") + bytes(21): bytes(32) for i in range(600)}
    tree = tree_of(entries)
    assert tree.root() == set_hash(entries)
    assert tree.bounds(bytes(9) + b"\x01") == (256, 512)
    key = bytes(9) + b"\x01\x09" + bytes(21)
    assert drill(entries, {**entries, key: b"\1" * 32}).changed == [key]


# ---------------------------------------------------------------- drilling


@pytest.mark.parametrize("count", [1, 200, 257, 70_000])
def test_the_one_record_that_differs_is_found(count: int) -> None:
    mine = entries_of(count)
    key = sorted(mine)[count // 2]
    found = drill(mine, {**mine, key: bytes(32)})
    assert (found.changed, found.only_mine, found.only_theirs) == ([key], [], [])
    assert found.answered_bytes < 30_000
    assert found.questions <= 3


@pytest.mark.parametrize("seed", range(20))
def test_everything_that_differs_is_found(seed: int) -> None:
    chance = random.Random(seed)
    mine = entries_of(chance.choice((0, 3, 300, 2_000)))
    theirs = {key: said for key, said in mine.items() if chance.random() < 0.95}
    theirs |= {key: bytes(32) for key in theirs if chance.random() < 0.03}
    theirs |= {key_hash(b"new %d" % i): bytes(32) for i in range(chance.choice((0, 1, 40, 400)))}
    found = drill(mine, theirs)
    both = set(mine) & set(theirs)
    assert found.is_complete
    assert sorted(found.changed) == sorted(key for key in both if mine[key] != theirs[key])
    assert sorted(found.only_mine) == sorted(set(mine) - set(theirs))
    assert sorted(found.only_theirs) == sorted(set(theirs) - set(mine))


def test_books_that_have_nothing_in_common_are_not_asked_about_for_ever() -> None:
    mine = entries_of(40_000)
    theirs = {hashlib.sha256(key).digest(): said for key, said in entries_of(70_000).items()}
    found = drill(mine, theirs)
    assert not found.is_complete
    assert found.count > LEAF_ENTRIES


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ([], "not about what was asked"),
        ([Part(b"\1", ENTRIES, b"")], "not about what was asked"),
        ([Part(b"", 2, b"")], "no entries and no parts"),
        ([Part(b"", ENTRIES, bytes(63))], "no entries and no parts"),
        ([Part(b"", ENTRIES, bytes(128))], "no entries and no parts"),
        ([Part(b"", PARTED, bytes(64))], "no entries and no parts"),
        ("x", "cannot be read"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(told: Any, says: str) -> None:
    with pytest.raises(MerkleError, match=says):
        find_differences(tree_of({}), lambda _: msgspec.msgpack.encode(told))


def test_an_answer_that_contradicts_the_one_before_is_refused() -> None:
    theirs = tree_of(entries_of(300))
    mine = tree_of(entries_of(299))

    def ask(question: bytes) -> bytes:
        prefixes = msgspec.msgpack.decode(question)
        if prefixes == [b""]:
            return answer(theirs, question)
        return msgspec.msgpack.encode([Part(prefix, ENTRIES, b"") for prefix in prefixes])

    with pytest.raises(MerkleError, match="told before"):
        find_differences(mine, ask)


@pytest.mark.parametrize(
    "question",
    [
        b"\xc1",
        msgspec.msgpack.encode([]),
        msgspec.msgpack.encode([b""] * (MAX_PARTS_ASKED + 1)),
        msgspec.msgpack.encode([bytes(33)]),
        msgspec.msgpack.encode([bytes(32)] * 200),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(question: bytes) -> None:
    with pytest.raises(MerkleError):
        answer(tree_of({}), question)
