"""One node for all tests of a file that only talk to it; others make their own."""

from collections.abc import Iterator

import pytest

from tests.node.running import Caller, Node


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    made = Node.found(tmp_path_factory.mktemp("node") / "node")
    # Strangers ask at every endpoint here; what they are told beyond the rate has tests of its own.
    made.start(TIEOUT_ACCESS_RATE_UNKNOWN="0")
    yield made
    assert made.stop() == 0, made.said


@pytest.fixture(scope="module")
def operator(node: Node) -> Caller:
    return node.caller("operator")
