"""Many connections that each send one request after the other, and how long each answer took.

A process of its own, so that the server has its core to itself as far as there are two. Answers
must carry a Content-Length; they are read, counted and timed, and checked for their status alone.

    python -m bench.httpload PORT CONNECTIONS REQUESTS < bodies

Standard input is one request's whole text after the other, each preceded by its length (4 bytes).
Standard output is one JSON object: seconds, failed, and p50 and p99 in microseconds.
"""

import asyncio
import json
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any

import uvloop

_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


class Line(asyncio.Protocol):
    """One connection: sends the next request as soon as the answer to the last is whole."""

    def __init__(self, requests: Iterator[bytes], done: "asyncio.Future[None]") -> None:
        self.latencies_us: list[float] = []
        self.failed: list[bytes] = []
        self._requests = requests
        self._done = done
        self._answer = b""
        self._sent = 0.0
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Send the first request."""
        self._transport = transport
        self._next()

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take a piece of an answer; send the next request when it is whole."""
        self._answer += data
        end = self._answer.find(_END)
        if end < 0:
            return
        at = self._answer.lower().index(_LENGTH) + len(_LENGTH)
        size = int(self._answer[at : self._answer.index(b"\r", at)])
        if len(self._answer) < end + len(_END) + size:
            return
        self.latencies_us.append((time.perf_counter() - self._sent) * 1e6)
        if not self._answer.startswith(b"HTTP/1.1 20"):
            self.failed.append(self._answer[:300])
        self._answer = b""
        self._next()

    def connection_lost(self, _error: Exception | None) -> None:
        """Say that this connection is done."""
        if not self._done.done():
            self._done.set_result(None)


async def load(port: int, connections: int, requests: list[bytes]) -> dict[str, object]:
    """Send all requests over so many connections; each takes the next that nobody took."""
    loop = asyncio.get_running_loop()
    shared = iter(requests)
    lines, ends = [], []
    began = time.perf_counter()
    for _ in range(connections):
        end: asyncio.Future[None] = loop.create_future()
        line = Line(shared, end)
        await loop.create_connection(lambda line=line: line, "127.0.0.1", port)
        lines.append(line)
        ends.append(end)
    await asyncio.gather(*ends)
    seconds = time.perf_counter() - began
    latencies = sorted(each for line in lines for each in line.latencies_us)
    return {
        "seconds": seconds,
        "failed": [each.decode("latin-1") for line in lines for each in line.failed][:3],
        "p50_us": latencies[len(latencies) // 2],
        "p99_us": latencies[len(latencies) * 99 // 100],
    }


def main() -> None:
    """Read the requests, send them, print what came of it."""
    port, connections = int(sys.argv[1]), int(sys.argv[2])
    raw, requests, at = sys.stdin.buffer.read(), [], 0
    while at < len(raw):
        (size,) = struct.unpack_from("<I", raw, at)
        requests.append(raw[at + 4 : at + 4 + size])
        at += 4 + size
    print(json.dumps(uvloop.run(load(port, connections, requests))))


if __name__ == "__main__":
    main()
