"""A short selection of `make chaos`, on a real network under load."""

from collections.abc import Iterator

import pytest

from tests.chaos.faults import Stage
from tests.chaos.run import ALL, Report, play, set_up
from tieout.engines.cometbft.process import find_cometbft

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("network")]
"""Not beside another network, on two cores."""

SEED = 1
AWAY_S = 2.0


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Four validators under load, in namespaces of their own where there can be some."""
    program = find_cometbft()
    if program is None:
        pytest.skip("CometBFT is not built here: `make cometbft` builds it where Go can be had")
    folder = tmp_path_factory.mktemp("chaos")
    with set_up(folder, program, SEED, AWAY_S) as stage, stage.load.going_on():
        yield stage


@pytest.mark.parametrize(
    "name",
    [
        "one node is cut off",
        "a node's disk is full",
        "a node's clock is an hour ahead",
        "liar: proposes everything twice",
        "a signer signs two for one number",
    ],
)
def test_every_promise_is_kept(stage: Stage, name: str) -> None:
    (fault,) = [each for each in ALL if each.name == name]
    if fault.why_not():
        pytest.skip(fault.why_not())
    report = Report()
    play(stage, [fault], report)
    assert report.differences == []
    row = report.rows[name]
    assert (row.injected, row.disagreements) == (1, 0)
    assert row.found == row.given > 0
