"""The helpers of the compiled loops, one by one, compiled by numba in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HELPERS = Path(__file__).with_name("helpers")


@pytest.mark.slow
def test_every_helper_does_what_it_says() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist"]
    run = subprocess.run(
        [*command, str(HELPERS)],
        cwd=HELPERS.parents[2],
        env=os.environ | {"TIEOUT_LOOPS": "numba"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert " passed" in run.stdout
