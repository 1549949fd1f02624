"""The shipped suite, on every engine."""

from collections.abc import Iterator

import pytest

from tests.engines.benches import EmbeddedBench, network
from tieout.engines.cometbft.process import find_cometbft
from tieout.testing.engines import EngineBench, EngineSuite


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineBench]:
    bench = EmbeddedBench(tmp_path_factory.mktemp("embedded"))
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def one_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineBench]:
    program = find_cometbft()
    if program is None:
        pytest.skip("CometBFT is not built here: `make cometbft` builds it where Go can be had")
    with network(tmp_path_factory.mktemp("one"), program, 1) as bench:
        yield bench


class TestEmbedded(EngineSuite):
    @pytest.fixture
    def bench(self, embedded: EngineBench) -> EngineBench:
        return embedded


@pytest.mark.slow
@pytest.mark.xdist_group("network")
class TestCometbft(EngineSuite):
    @pytest.fixture
    def bench(self, one_node: EngineBench) -> EngineBench:
        return one_node
