"""The object file: found under its stamp, whole or built anew; its entries refuse wrong arrays."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tieout.compiled import load
from tieout.compiled.errors import LoopsError
from tieout.kernel import index

ROWS = np.zeros(48, np.uint8)
SECRET = np.ones(11, np.uint64)


def hashes_of(rows: object, secret: object = SECRET, hashes: object = None) -> list[int]:
    written = np.zeros(1, np.int64) if hashes is None else hashes
    index.hash_keys(rows, 48, secret, written)
    return written.tolist()


def read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


class OwnArray(np.ndarray):
    """A subclass, whose insides nobody here knows."""


@pytest.mark.parametrize(
    ("number", "arguments"),
    [
        (1, (ROWS.astype(np.int8),)),
        (1, (ROWS.astype(np.uint16),)),
        (1, (ROWS.reshape(1, 48),)),
        (1, (np.zeros(96, np.uint8)[::2],)),
        (1, (ROWS.view(OwnArray),)),
        (1, (bytes(48),)),
        (1, (None,)),
        (3, (ROWS, SECRET.astype(np.int64))),
        (3, (ROWS, SECRET.astype(">u8"))),
        (3, (ROWS, np.ones((11, 1), np.uint64))),
        (3, (ROWS, read_only(np.ones(11, np.uint64)))),
        (4, (ROWS, SECRET, np.zeros(1, np.uint64))),
        (4, (ROWS, SECRET, read_only(np.zeros(1, np.int64)))),
    ],
)
def test_an_array_of_another_kind_is_refused_by_its_number(
    number: int, arguments: tuple[object, ...]
) -> None:
    with pytest.raises(TypeError, match=f"index.hash_keys: argument {number} is not an array"):
        hashes_of(*arguments)


def test_what_is_only_read_may_be_read_only() -> None:
    assert hashes_of(read_only(ROWS.copy())) == hashes_of(ROWS)


def test_numbers_may_be_of_numpy() -> None:
    hashes = np.zeros(1, np.int64)
    index.hash_keys(ROWS, np.int64(48), SECRET, hashes)
    assert hashes.tolist() == hashes_of(ROWS)


@pytest.mark.parametrize("damage", [b"", b"x", None])
def test_an_object_file_that_is_not_whole_is_not_used(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "loops-1.o"
    load.write_object(path, b"machine code")
    assert load._read(path) == b"machine code"
    assert list(tmp_path.iterdir()) == [path]
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"x" if damage is None else data[: len(damage)] + damage)
    assert load._read(path) is None


def test_every_changed_byte_of_an_object_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "loops-1.o"
    load.write_object(path, b"machine code")
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert load._read(path) is None


def test_old_object_files_do_not_pile_up(tmp_path: Path) -> None:
    for number in range(7):
        path = tmp_path / f"loops-{number}.o"
        load.write_object(path, b"code")
        os.utime(path, ns=(number, number))
    assert len(list(tmp_path.iterdir())) == 4
    assert (tmp_path / "loops-6.o").exists()


def test_an_unknown_loop_is_named() -> None:
    with pytest.raises(LoopsError, match=r"no loop tieout\.kernel\.nowhere"):
        load.function("tieout.kernel.nowhere", load.Signature("nothing", ()))


def test_a_compiler_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "numba.py").write_text("raise RuntimeError('no compiler today')", "utf-8")
    with pytest.raises(LoopsError, match="no compiler today"):
        load.build_into(tmp_path / "loops-1.o")
    assert not list(tmp_path.glob("loops-*"))


CHECKED = """
import numpy as np
from tieout.kernel import index
try:
    index.hash_keys(np.zeros(40, np.uint8), 48, np.ones(11, np.uint64), np.zeros(2, np.int64))
except IndexError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_checked_build_refuses_an_access_out_of_bounds() -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHECKED],
        env=os.environ | {"NUMBA_BOUNDSCHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout, run.stderr) == (
        "tieout.kernel.index.hash_keys: an access out of bounds\n",
        "",
    )


HEAVY = """
import sys
from tieout.engines.warm import warm
from tieout.connectors import csv_plan
warm()
print(sorted({"numba"} & set(sys.modules)))
"""


def test_a_process_that_runs_a_ledger_has_no_compiler() -> None:
    run = subprocess.run([sys.executable, "-c", HEAVY], capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ("[]\n", "")
