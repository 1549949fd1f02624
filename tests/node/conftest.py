"""One node for all tests of a file that only talk to it; others make their own."""

from collections.abc import Iterator

import pytest

from tests.node.running import Caller, Node


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    made = Node.found(tmp_path_factory.mktemp("node") / "node")
    made.start()
    yield made
    assert made.stop() == 0, made.said


@pytest.fixture(scope="module")
def operator(node: Node) -> Caller:
    return node.caller("operator")
