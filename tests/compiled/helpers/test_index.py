"""The index finds what a dict finds, however the hashes fall (R-KEY-1)."""

import numba
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tieout.kernel import index, words

KEY = int(words.KEY_BYTES)
STRIDE = 48
SECRET = np.arange(1, 1 + words.HASH_WORDS, dtype=np.uint64) * np.uint64(0x9E3779B9)


@numba.njit
def insert_all(table: np.ndarray, hashes: np.ndarray) -> None:
    for i in range(hashes.size):
        index.insert(table, hashes[i], np.int64(i))


@numba.njit
def find_one(table: np.ndarray, slots: np.ndarray, key_hash: int, keys: np.ndarray) -> int:
    return index.find(table, slots, np.int64(STRIDE), key_hash, keys, np.int64(0))


def slots_of(keys: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(key.ljust(STRIDE, b"\0") for key in keys), np.uint8).copy()


keys_strategy = st.lists(st.binary(min_size=KEY, max_size=KEY), unique=True, max_size=60)


@given(keys_strategy, st.lists(st.integers(0, 3), min_size=60, max_size=60), st.data())
def test_keys_that_share_hashes_are_told_apart(
    keys: list[bytes], chosen: list[int], data: st.DataObject
) -> None:
    hashes = np.array([0xFFFFFFFF - chosen[i] for i in range(len(keys))], np.int64)
    table = np.zeros(128, np.int64)
    insert_all(table, hashes)
    slots = slots_of(keys)
    known = {key: serial for serial, key in enumerate(keys)}
    asked = data.draw(st.sampled_from(keys) if keys else st.just(bytes(KEY)))
    asked = data.draw(st.just(asked) | st.binary(min_size=KEY, max_size=KEY))
    key_hash = hashes[known[asked]] if asked in known else np.int64(0xFFFFFFFF)
    found = find_one(table, slots, key_hash, slots_of([asked]))
    assert int(found) == known.get(asked, -1)


def test_a_full_table_ends_the_search() -> None:
    keys = [bytes([i]) * KEY for i in range(16)]
    table = np.zeros(16, np.int64)
    insert_all(table, np.arange(16, dtype=np.int64))
    missing = slots_of([b"\xff" * KEY])
    assert int(find_one(table, slots_of(keys), np.int64(3), missing)) == -1


@given(keys_strategy)
def test_an_index_that_grew_or_was_rebuilt_finds_the_same(keys: list[bytes]) -> None:
    slots = slots_of(keys)
    hashes = np.zeros(len(keys), np.int64)
    index.hash_keys(slots, STRIDE, SECRET, hashes)
    small, large, rebuilt = (np.zeros(n, np.int64) for n in (128, 1024, 256))
    insert_all(small, hashes)
    index.refill(large, small)
    index.rebuild(rebuilt, slots, STRIDE, len(keys), SECRET, np.zeros(7, np.int64))
    for table in (small, large, rebuilt):
        serials = np.full(len(keys), -9, np.int64)
        index.locate(table, slots, STRIDE, hashes, slots, STRIDE, serials)
        assert serials.tolist() == list(range(len(keys)))


@given(st.binary(min_size=KEY, max_size=KEY), st.integers(0, KEY - 1), st.integers(1, 255))
def test_every_byte_of_a_key_counts(key: bytes, place: int, change: int) -> None:
    other = bytes(byte ^ change if i == place else byte for i, byte in enumerate(key))
    hashes = np.zeros(2, np.int64)
    index.hash_keys(slots_of([key, other]), STRIDE, SECRET, hashes)
    assert hashes[0] != hashes[1]
    assert np.all((hashes >= 0) & (hashes <= 0xFFFFFFFF))
