import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.merkle import lanes, reference, tree
from tieout.merkle.errors import MerkleError, RangeError, SelfTestError

ROOT = Path(__file__).resolve().parents[2]


def rows_of(count: int, width: int, seed: int = 0) -> lanes.Bytes:
    return np.random.default_rng(seed).integers(0, 256, (count, width), dtype=np.uint8)


@st.composite
def any_rows(draw: st.DrawFn, max_count: int = 200, max_width: int = 300) -> lanes.Bytes:
    count = draw(st.integers(0, max_count))
    width = draw(st.integers(1, max_width))
    return rows_of(count, width, draw(st.integers(0, 1 << 32)))


@given(any_rows())
def test_leaf_hashes_are_those_of_hashlib(rows: lanes.Bytes) -> None:
    expected = [sha256(b"\0" + row.tobytes()).digest() for row in rows]
    hashes = lanes.leaf_hashes(rows)
    assert (len(rows), 32) == hashes.shape
    assert b"".join(expected) == hashes.tobytes()


@given(any_rows())
def test_the_root_of_rows_is_the_one_of_the_recursive_definition(rows: lanes.Bytes) -> None:
    expected = reference.tree_hash([row.tobytes() for row in rows])
    assert expected == lanes.rows_root(rows) == lanes.tree_root(lanes.leaf_hashes(rows))


@given(any_rows(max_count=40), st.data())
def test_lanes_and_hashlib_agree_where_either_could_be_taken(
    rows: lanes.Bytes, draw: st.DataObject
) -> None:
    count = draw.draw(st.integers(1, max(1, len(rows))))
    few = np.resize(rows, (count, max(lanes.MIN_WIDTH, rows.shape[1])))
    hashes = [tree.leaf_hash(row.tobytes()) for row in few]
    words = lanes._leaf_words(few)
    assert b"".join(hashes) == words.astype(">u4").tobytes()
    assert tree.root(hashes) == lanes._root_bytes(lanes._NO_ROWS, words)
    assert tree.root(hashes) == lanes._root_bytes(few, lanes._NO_HASHES)


@pytest.mark.parametrize("count", [1_023, 1_024, 1_025, 8_191, 8_192, 10_000, 16_385])
def test_roots_of_many_chunks(count: int) -> None:
    rows = rows_of(count, 20)
    assert tree.root([tree.leaf_hash(row.tobytes()) for row in rows]) == lanes.rows_root(rows)


@pytest.mark.parametrize("width", [0, 1, 2, 3, lanes.MAX_WIDTH, lanes.MAX_WIDTH + 1])
def test_widths_at_the_limits_of_the_lanes(width: int) -> None:
    rows = rows_of(5, width)
    assert reference.tree_hash([row.tobytes() for row in rows]) == lanes.rows_root(rows)


@given(any_rows(max_count=60), st.data())
def test_the_path_of_a_row_is_the_recursive_one(rows: lanes.Bytes, draw: st.DataObject) -> None:
    rows = np.concatenate([rows, rows_of(1, rows.shape[1])])
    index = draw.draw(st.integers(0, len(rows) - 1))
    expected = reference.audit_path(index, [row.tobytes() for row in rows])
    assert expected == lanes.row_path(rows, index)


def test_rows_may_be_read_only_or_scattered() -> None:
    rows = rows_of(50, 80)
    expected = lanes.rows_root(rows)
    frozen = np.frombuffer(rows.tobytes(), np.uint8).reshape(rows.shape)
    every_other = np.repeat(rows, 2, axis=0)[::2]
    assert expected == lanes.rows_root(frozen) == lanes.rows_root(every_other)


def test_rows_are_not_written_to() -> None:
    rows = rows_of(50, 80)
    before = rows.tobytes()
    lanes.leaf_hashes(rows)
    hashes = lanes.leaf_hashes(rows)
    lanes.tree_root(hashes)
    assert before == rows.tobytes()
    assert hashes.tobytes() == lanes.leaf_hashes(rows).tobytes()


def test_calls_at_the_same_time_do_not_touch_each_other() -> None:
    batches = [rows_of(2_000, 40, seed) for seed in range(16)]
    expected = [lanes.rows_root(rows) for rows in batches]
    with ThreadPoolExecutor(4) as threads:
        assert expected == list(threads.map(lanes.rows_root, batches))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(8, np.uint8), "rows is a 1-dimensional array of uint8"),
        (np.zeros((4, 8), np.int8), "rows is a 2-dimensional array of int8"),
    ],
)
def test_what_is_not_rows_of_bytes_is_refused(array: lanes.Bytes, message: str) -> None:
    for call in (lanes.leaf_hashes, lanes.rows_root):
        with pytest.raises(MerkleError, match=message):
            call(array)


def test_what_is_not_hashes_is_refused() -> None:
    with pytest.raises(MerkleError, match="hashes have 31 bytes, not 32"):
        lanes.tree_root(np.zeros((9, 31), np.uint8))


def test_a_row_that_is_not_there_has_no_path() -> None:
    with pytest.raises(RangeError, match="index 9 is not in a tree of 9 leaves"):
        lanes.row_path(rows_of(9, 80), 9)


# ---------------------------------------------------------------- the self-test


def test_the_self_test_passes() -> None:
    assert lanes.warm() is None


@pytest.mark.parametrize(
    ("spoils", "message"),
    [
        ("hashes", "self-test: leaf hashes of 17 rows of 80 bytes differs from hashlib's"),
        ("root", "self-test: root over hashes of 17 rows of 80 bytes differs from hashlib's"),
    ],
)
def test_the_self_test_finds_one_wrong_bit(
    monkeypatch: pytest.MonkeyPatch, spoils: str, message: str
) -> None:
    run = lanes._run

    def damaged(*arguments: Any) -> None:
        run(*arguments)
        _, _, hashes, to_root, root = arguments
        if spoils == "hashes" and not to_root:
            hashes[16, 7] ^= 1
        if spoils == "root" and to_root:
            root[7] ^= 1

    monkeypatch.setattr(lanes, "_run", damaged)
    with pytest.raises(SelfTestError, match=message) as caught:
        lanes.warm()
    assert (caught.value.rows, caught.value.width) == (17, 80)


SCRIPT = """
import numpy as np
from tieout.merkle import lanes
lanes.warm()
rows = np.arange(21 * 117, dtype=np.uint32).astype(np.uint8).reshape(21, 117)
print(lanes.rows_root(rows).hex(), lanes._root_bytes(rows, lanes._NO_HASHES).hex())
"""


@pytest.mark.parametrize("setting", ["NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"])
def test_uncompiled_and_bounds_checked_lanes_give_the_same(setting: str) -> None:
    rows = np.arange(21 * 117, dtype=np.uint32).astype(np.uint8).reshape(21, 117)
    expected = tree.root([tree.leaf_hash(row.tobytes()) for row in rows]).hex()
    # A cache of its own: numba does not keep apart what was compiled under other settings.
    settings = {setting: "1", "NUMBA_CACHE_DIR": str(ROOT / "build" / setting.lower())}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (f"{expected} {expected}\n", "", 0) == (result.stdout, result.stderr, result.returncode)
