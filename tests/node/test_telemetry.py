"""Traces arrive at a receiver of OTLP, tell where the time went, and nothing about anybody."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.node.running import Node
from tieout.node import telemetry
from tieout.node.settings import Telemetry

TRACE = "0af7651916cd43dd8448eb211c80319c"
SENT = f"00-{TRACE}-b7ad6b7169203331-01"
ALARMS = """
[channels.desk]
type = "webhook"
url = "http://127.0.0.1:{port}/hook"
secret_file = "desk.secret"

[[rules]]
name = "all"
channels = ["desk"]
hold = "0s"
"""


class Receiver:
    """Takes traces, and webhooks too."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.hooked = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/traces":
                    receiver.bodies.append(body)
                else:
                    receiver.hooked.set()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]

    def spans(self) -> list[Span]:
        return [
            span
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def test_a_request_is_seen_from_its_sender_to_its_block_and_its_alarm(
    receiver: Receiver, tmp_path: Path
) -> None:
    node = Node.found(tmp_path / "node")
    (node.directory / "alarms.toml").write_text(ALARMS.format(port=receiver.port), encoding="utf-8")
    url = f"http://127.0.0.1:{receiver.port}/v1/traces"
    node.start(TIEOUT_TELEMETRY_ENDPOINT=url)
    caller = node.caller("operator")
    assert caller.record("seller", "SECRET-1", "71.00", traceparent=SENT).status == 200
    assert caller.record("bank", "SECRET-1", "93.00").status == 200
    assert caller.get("/v1/agreements/pay/transactions/SECRET-2").status == 404
    assert receiver.hooked.wait(30)
    assert node.stop() == 0, node.said

    spans = receiver.spans()
    by_name = {span.name: span for span in reversed(spans)}
    request = by_name["POST /v1/agreements/{name}/records"]
    publish, block = by_name["publish"], by_name["block"]
    assert {"gather", "deliver notice"} <= set(by_name)
    assert request.trace_id.hex() == TRACE
    assert [link.span_id for link in publish.links] == [request.span_id]
    assert block.parent_span_id == publish.span_id
    told = {each.key: each.value.int_value for each in request.attributes}
    assert told["http.response.status_code"] == 200
    everything = b"".join(receiver.bodies)
    for word in (b"SECRET", b"71.00", b"operator", caller.token.encode()):
        assert word not in everything


def test_a_receiver_that_is_away_holds_nothing_up(tmp_path: Path) -> None:
    node = Node.found(tmp_path / "node")
    node.start(TIEOUT_TELEMETRY_ENDPOINT="http://127.0.0.1:1/v1/traces")
    assert node.caller("operator").record("seller", "A", "1.00").status == 200
    assert node.stop() == 0, node.said


def test_an_error_is_told_by_its_kind_and_not_by_its_words(receiver: Receiver) -> None:
    endpoint = f"http://127.0.0.1:{receiver.port}/v1/traces"
    with (
        telemetry.tracing(Telemetry(endpoint=endpoint)),
        pytest.raises(ValueError, match="HUSH"),
        telemetry.span("block"),
    ):
        raise ValueError("HUSH")
    (span,) = receiver.spans()
    assert [each.value.string_value for each in span.attributes] == ["ValueError"]
    assert b"HUSH" not in receiver.bodies[0]
    assert telemetry.here() is None
