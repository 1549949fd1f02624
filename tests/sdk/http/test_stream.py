"""The stream as a client reads it: every event once, in order, wherever the wire breaks."""

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.node.running import Node
from tests.node.test_stream import all_ids
from tests.sdk.http.relay import Relay
from tieout.sdk.errors import NodeUnreachable, RequestRefused
from tieout.sdk.http.client import NodeClient
from tieout.sdk.patience import Patience

pytestmark = pytest.mark.xdist_group("sdk-stream")  # one node for all
TRANSACTIONS = 12
STUBBORN = Patience(first_s=0.001, longest_s=0.5, total_s=60.0)
cut_points = st.lists(st.integers(0, 3_000), max_size=12)


@pytest.fixture(scope="module")
def told(node: Node, client: NodeClient) -> list[str]:
    """The ids of all events of a ledger in which something has happened."""
    for number in range(TRANSACTIONS):
        record = {"transaction_id": f"S-{number}", "amount": "1.00"}
        client.publish("pay", record, role="seller")
        client.publish("pay", record | {"amount": f"{1 + number % 2}.00"}, role="bank")
    return all_ids(node)


@pytest.fixture(scope="module")
def token(node: Node) -> str:
    return node.token("viewer", "")


@settings(max_examples=40)
@given(cut_points)
def test_wherever_the_wire_breaks_every_event_comes_once_and_in_order(
    node: Node, told: list[str], token: str, cuts: list[int]
) -> None:
    with Relay(node.port, cuts) as relay:
        client = NodeClient(f"http://127.0.0.1:{relay.port}", token, patience=STUBBORN)
        with client.stream(after=0) as events:
            assert [next(events).id for _ in told] == told
    assert relay.connections <= len(cuts) + 1


@settings(max_examples=20)
@given(cut_points, st.data())
def test_a_stream_goes_on_behind_any_event_with_the_filters_it_has(
    node: Node, told: list[str], token: str, cuts: list[int], data: st.DataObject
) -> None:
    behind = data.draw(st.sampled_from(told))
    direct = NodeClient(f"http://127.0.0.1:{node.port}", token)
    with direct.stream(after=0) as events:
        every = [next(events) for _ in told]
    alarms = [each for each in every if each.severity == "alarm"]
    wanted = [each for each in alarms if every.index(each) > told.index(behind)]
    with Relay(node.port, cuts) as relay:
        client = NodeClient(f"http://127.0.0.1:{relay.port}", token, patience=STUBBORN)
        with client.stream(after=behind, severity="alarm", kinds=("alarm_raised",)) as events:
            assert [next(events) for _ in wanted] == wanted


def test_a_stream_from_now_tells_what_happens_from_now(node: Node, token: str) -> None:
    with NodeClient(f"http://127.0.0.1:{node.port}", token) as client:
        now = client.ledger().height
        with client.stream() as events:
            publisher = NodeClient(f"http://127.0.0.1:{node.port}", node.token("operator", ""))
            publisher.publish("pay", {"transaction_id": "N-1", "amount": "1.00"}, role="seller")
            publisher.close()
            event = next(events)
    assert (event.id, event.kind, event.transaction_id) == (
        f"{now + 1}.0",
        "transaction_pending",
        "N-1",
    )


def test_a_stream_that_is_closed_by_another_thread_ends(node: Node, token: str) -> None:
    client = NodeClient(f"http://127.0.0.1:{node.port}", token)
    events = client.stream()
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.extend(each.id for each in events))
    reader.start()
    while events._lines is None:
        time.sleep(0.001)
    events.close()
    client.close()
    reader.join(10)
    assert (reader.is_alive(), got) == (False, [])


def test_a_stream_that_cannot_be_is_refused_with_its_code(node: Node, token: str) -> None:
    with NodeClient(f"http://127.0.0.1:{node.port}", token) as client:
        for events in (client.stream(after=10**9), client.stream(kinds=("rumour",))):
            with pytest.raises(RequestRefused) as caught:
                next(events)
            assert caught.value.code == "invalid_parameter"
        with pytest.raises(ValueError, match=r"HEIGHT\.INDEX"):
            client.stream(after="yesterday")


# ---------------------------------------------------------------- a node that dies


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Node]:
    made = Node.found(tmp_path / "node")
    yield made
    made.stop(signal.SIGKILL)


def publish(client: NodeClient, prefix: str, stopped: threading.Event, got: list[str]) -> None:
    """Publish pairs until told to stop, whatever becomes of the node; keep what came of them."""
    number = 0
    while not stopped.is_set():
        number += 1
        record = {"transaction_id": f"{prefix}-{number}", "amount": "1.00"}
        for role, amount in (("seller", "1.00"), ("bank", f"{1 + number % 2}.00")):
            told = client.publish("pay", record | {"amount": amount}, role=role)
            got.append(f"{told.transaction_id} {told.role} {told.revision}")


def test_a_node_that_is_killed_again_and_again_loses_and_repeats_nothing(own: Node) -> None:
    own.start()
    port = str(own.port)
    client = NodeClient(f"http://127.0.0.1:{port}", own.token("operator", ""), patience=STUBBORN)
    ids: list[str] = []
    receipts: list[list[str]] = [[], []]
    stopped = threading.Event()
    events = client.stream(after=0)
    reader = threading.Thread(target=lambda: ids.extend(each.id for each in events))
    senders = [
        threading.Thread(target=publish, args=(client, f"{n}", stopped, receipts[n]))
        for n in range(2)
    ]
    for thread in (reader, *senders):
        thread.start()
    for _ in range(2):
        until_longer(ids, len(ids) + 60)
        own.stop(signal.SIGKILL)
        own.start(TIEOUT_LISTEN_PORT=port)
    until_longer(ids, len(ids) + 60)
    stopped.set()
    for sender in senders:
        sender.join(60)
    wanted = all_ids(own)
    until_longer(ids, len(wanted))
    events.close()
    client.close()
    reader.join(10)
    assert ids == wanted
    for n, got in enumerate(receipts):
        pairs = range(1, len(got) // 2 + 1)
        assert got == [f"{n}-{pair} {role} 1" for pair in pairs for role in ("seller", "bank")]


def until_longer(ids: list[str], count: int) -> None:
    """Wait until so many events have come."""
    end = time.monotonic() + 90
    while len(ids) < count:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_node_that_stays_away_ends_the_stream_which_says_where_to_go_on(own: Node) -> None:
    own.start()
    brief = Patience(total_s=0.2)
    client = NodeClient(f"http://127.0.0.1:{own.port}", own.token("operator", ""), patience=brief)
    with client, client.stream(after=0) as events:
        seen = [next(events).id]
        own.stop()
        with pytest.raises(NodeUnreachable):
            seen += [each.id for each in events]
    assert events.last_id == seen[-1]
