"""Tests against real CometBFT processes; without the program they are skipped, and say so."""

from pathlib import Path

import pytest

from tieout.engines.cometbft.process import find_cometbft


@pytest.fixture(scope="session")
def cometbft() -> Path:
    """CometBFT's program."""
    program = find_cometbft()
    if program is None:
        pytest.skip("CometBFT is not built here: `make cometbft` builds it where Go can be had")
    return program
