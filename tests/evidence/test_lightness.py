"""Whoever verifies or submits needs no compiler: neither evidence nor a client loads one."""

import subprocess
import sys

import pytest

from tests.house.tree import PACKAGE

HEAVY = ("numba", "tieout.kernel", "pyarrow")
CLIENTS = (*HEAVY, "tieout.journal", "sqlite3", "asyncio")
FOR_ASYNCIO = "aio"  # what is made for asyncio loads it


@pytest.mark.parametrize(
    ("room", "heavy"),
    [
        *(("evidence", heavy) for heavy in HEAVY),
        *(("consensus", heavy) for heavy in (*HEAVY, "numpy")),
        *(("sdk", heavy) for heavy in CLIENTS),
        *(("sdk/http", heavy) for heavy in (*CLIENTS, "litestar", "tieout.node")),
    ],
)
def test_a_room_starts_without(room: str, heavy: str) -> None:
    modules = sorted(path.stem for path in (PACKAGE / room).glob("*.py"))
    wanted = [module for module in modules if module not in ("__init__", FOR_ASYNCIO)]
    names = ", ".join(f"tieout.{room.replace('/', '.')}.{module}" for module in wanted)
    program = f"import sys, {names}; print({heavy!r} in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert run.stdout == "False\n"
