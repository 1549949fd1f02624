"""A node's desk; and real CometBFT: without the program such tests are skipped, and say so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.cometbft.consortium import Members
from tests.engines.cometbft.desk import Desk
from tieout.engines.cometbft.process import find_cometbft
from tieout.wire.codes import ItemOutcome


@pytest.fixture(scope="session")
def cometbft() -> Path:
    """CometBFT's program."""
    program = find_cometbft()
    if program is None:
        pytest.skip("CometBFT is not built here: `make cometbft` builds it where Go can be had")
    return program


@pytest.fixture(scope="module")
def members() -> Members:
    return Members()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A node before its first block, with members of its own."""
    desk = Desk(tmp_path / "journal", Members())
    yield desk
    desk.application.close()


@pytest.fixture
def working(desk: Desk) -> Desk:
    """A node with the agreement in force."""
    desk.init_chain()
    assert desk.block(*desk.members.enactment()) == [ItemOutcome.ACCEPTED] * 2
    return desk
