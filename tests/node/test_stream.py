"""The live stream: nothing lost and nothing twice, between list and stream, and through a kill."""

import contextlib
import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.node.running import Caller, Node
from tieout.engines.embedded.ledger import EmbeddedLedger

DEADLINE_S = 60.0


@dataclass
class Listener:
    """Reads a stream in a thread of its own until it breaks off; keeps ids and data."""

    caller: Caller
    query: str = ""
    last_id: str = ""
    ids: list[str] = field(default_factory=list)
    data: list[dict[str, Any]] = field(default_factory=list)
    _thread: threading.Thread | None = None
    _sock: Any = None
    _line: http.client.HTTPConnection | None = None
    _answer: http.client.HTTPResponse | None = None

    def start(self) -> "Listener":
        self._line = http.client.HTTPConnection("127.0.0.1", self.caller.port, timeout=DEADLINE_S)
        headers = {"Authorization": f"Bearer {self.caller.token}"}
        if self.last_id:
            headers["Last-Event-ID"] = self.last_id
        self._line.request("GET", f"/v1/stream{self.query}", headers=headers)
        self._sock = self._line.sock
        answer = self._answer = self._line.getresponse()
        assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (
            200,
            "text/event-stream",
        )
        assert answer.readline() == b"retry: 1000\n"
        self._thread = threading.Thread(target=self._read, args=(answer,), daemon=True)
        self._thread.start()
        return self

    def _read(self, answer: http.client.HTTPResponse) -> None:
        try:
            while line := answer.readline():
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "id":
                    self.ids.append(value)
                elif name == "data":
                    self.data.append(json.loads(value))
        except (OSError, http.client.HTTPException, ValueError):
            return

    def until(self, count: int) -> "Listener":
        """Wait until so many messages have come."""
        end = time.monotonic() + DEADLINE_S
        while len(self.data) < count and time.monotonic() < end:
            time.sleep(0.01)
        assert len(self.data) >= count
        return self

    def ended(self) -> "Listener":
        """Wait until it broke off."""
        assert self._thread is not None
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()
        return self

    def close(self) -> None:
        """Hang up."""
        assert self._line is not None
        assert self._answer is not None
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self.ended()
        self._answer.close()
        self._line.close()


def all_ids(node: Node) -> list[str]:
    """The id of every event of the ledger, in order."""
    with EmbeddedLedger.open(node.directory / "ledger", read_only=True) as ledger:
        return [
            f"{entry.block.height}.{index}"
            for entry in ledger.journal.entries()
            for index in range(len(entry.result.events))
        ]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Node]:
    made = Node.found(tmp_path / "node")
    yield made
    made.stop(signal.SIGKILL)


def test_what_happens_is_told_in_words_and_in_order(operator: Caller) -> None:
    height = operator.get("/v1/ledger").headers["tieout-height"]
    listener = Listener(operator, f"?after={height}").start()
    operator.record("seller", "S-1", "100.00")
    operator.record("bank", "S-1", "150.00")
    kinds = [each["kind"] for each in listener.until(5).data]
    listener.close()
    assert kinds[:2] == ["transaction_pending", "break_opened"]
    opened = listener.data[1]
    assert (opened["transaction_id"], opened["role"], opened["field"]) == (
        "S-1",
        "seller",
        "amount",
    )
    assert (opened["break_kind"], opened["benchmark"]) == ("mismatch", "decided")
    assert {"transaction_broken", "alarm_raised", "adjustment_proposed"} <= set(kinds)
    assert listener.ids == sorted(listener.ids, key=lambda text: [*map(int, text.split("."))])


def test_a_listener_gets_what_it_asked_for_and_nothing_else(operator: Caller) -> None:
    height = operator.get("/v1/ledger").headers["tieout-height"]
    alarms = Listener(operator, f"?after={height}&severity=alarm").start()
    seller = Listener(operator, f"?after={height}&role=seller&kind=break_opened").start()
    operator.record("seller", "F-1", "1.00")
    operator.record("bank", "F-1", "2.00")
    operator.record("bank", "F-2", "2.00")
    operator.record("seller", "F-2", "3.00")
    assert [each["transaction_id"] for each in alarms.until(2).data] == ["F-1", "F-2"]
    assert [each["field"] for each in seller.until(2).data] == ["amount", "amount"]
    for listener in (alarms, seller):
        listener.close()


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("?kind=rumour", {}),
        ("?severity=loud", {}),
        ("?after=-1", {}),
        ("?after=999999999", {}),
        ("?colour=red", {}),
        ("", {"Last_Event_ID": "yesterday"}),
        ("", {"Last_Event_ID": "999999999.0"}),
    ],
)
def test_a_stream_that_cannot_be_is_refused(
    operator: Caller, query: str, headers: dict[str, str]
) -> None:
    assert operator.get(f"/v1/stream{query}", **headers).code == "invalid_parameter"


def publish(caller: Caller, prefix: str, stopped: threading.Event) -> None:
    """Publish pairs, every second one broken, until told to stop or cut off."""
    number = 0
    while not stopped.is_set():
        number += 1
        try:
            caller.record("seller", f"{prefix}-{number}", "1.00")
            caller.record("bank", f"{prefix}-{number}", f"{1 + number % 2}.00")
        except (OSError, http.client.HTTPException):
            return


def test_killed_and_resumed_every_event_comes_exactly_once_and_in_order(own: Node) -> None:
    got: list[str] = []
    for turn in range(2):
        own.start()
        caller = own.caller()
        query = "" if got else "?after=0"
        listener = Listener(caller, query, got[-1] if got else "").start()
        stopped = threading.Event()

        senders = [
            threading.Thread(target=publish, args=(caller, f"{turn}-{n}", stopped))
            for n in range(2)
        ]
        for sender in senders:
            sender.start()
        listener.until(40)
        own.stop(signal.SIGKILL)
        stopped.set()
        for sender in senders:
            sender.join()
        got += listener.ended().ids
        listener.close()
    own.start()
    wanted = all_ids(own)
    rest = Listener(own.caller(), last_id=got[-1]).start()
    got += rest.until(len(wanted) - len(got)).ids
    rest.close()
    assert got == wanted


def test_a_node_that_is_stopped_lets_its_listeners_go(own: Node) -> None:
    own.start()
    listener = Listener(own.caller()).start()
    began = time.monotonic()
    assert own.stop() == 0
    listener.close()
    assert time.monotonic() - began < 10
