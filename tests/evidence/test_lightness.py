"""Whoever verifies needs no compiler: evidence never loads the compiled loops."""

import subprocess
import sys

import pytest

from tests.house.tree import PACKAGE

MODULES = sorted(path.stem for path in (PACKAGE / "evidence").glob("*.py"))


@pytest.mark.parametrize("heavy", ["numba", "tieout.kernel", "pyarrow"])
def test_evidence_starts_without(heavy: str) -> None:
    names = ", ".join(f"tieout.evidence.{module}" for module in MODULES if module != "__init__")
    program = f"import sys, {names}; print({heavy!r} in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert run.stdout == "False\n"
