"""A real node for all tests of a file, and a client of it."""

from collections.abc import Iterator

import pytest

from tests.node.running import Node
from tieout.sdk.http.client import NodeClient


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    made = Node.found(tmp_path_factory.mktemp("node") / "node")
    made.start()
    yield made
    assert made.stop() == 0, made.said


@pytest.fixture(scope="module")
def client(node: Node) -> Iterator[NodeClient]:
    with client_of(node) as made:
        yield made


def client_of(node: Node, role: str = "operator") -> NodeClient:
    return NodeClient(f"http://127.0.0.1:{node.port}", node.token(role, ""))
