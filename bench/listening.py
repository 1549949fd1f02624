"""Many listeners to one node's stream, and when each of them heard of each block.

    python -m bench.listening PORT TOKEN LISTENERS

Says `listening` when all are connected. Then reads the height of a block, waits until all have
heard of it, and answers with one JSON object: by height the times (CLOCK_MONOTONIC, seconds) at
which each listener had the first event of the block.
"""

import asyncio
import json
import re
import resource
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import uvloop

_ID = re.compile(rb"^id: (\d+)\.0\n", re.MULTILINE)
CONNECTING_AT_A_TIME = 50
LONGEST_WAIT_S = 60.0


@dataclass
class Heard:
    """Who heard when: times by height, and whether all have heard of the last block."""

    count: int
    times: dict[int, list[float]] = field(default_factory=dict)
    last: int | None = None
    is_whole: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, height: int, at: float) -> None:
        """One more has heard of a block."""
        self.times.setdefault(height, []).append(at)
        self.look()

    def look(self) -> None:
        """See whether all have heard of the last block."""
        if self.last is not None and len(self.times.get(self.last, ())) >= self.count:
            self.is_whole.set()


class Listener(asyncio.Protocol):
    """One stream. An event is heard when its id has come."""

    def __init__(self, request: bytes, heard: Heard) -> None:
        self._request = request
        self._heard = heard
        self._rest = b""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Ask for the stream."""
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Note the blocks that begin in what has come."""
        now = time.monotonic()
        if not self.ready.done():
            assert data.startswith(b"HTTP/1.1 200"), data[:300]
            self.ready.set_result(None)
        text = self._rest + data
        end = text.rfind(b"\n") + 1
        self._rest = text[end:]
        for height in _ID.findall(text[:end]):
            self._heard.note(int(height), now)

    def connection_lost(self, error: Exception | None) -> None:
        """Let whoever waits for this listener know."""
        if not self.ready.done():
            self.ready.set_exception(error or ConnectionError("the node hung up"))


async def listen(port: int, token: str, count: int) -> None:
    """Connect all, say so, and tell what they heard."""
    loop = asyncio.get_running_loop()
    request = (
        f"GET /v1/stream HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()
    heard = Heard(count)
    made: list[Listener] = []
    while len(made) < count:
        size = min(CONNECTING_AT_A_TIME, count - len(made))
        some = [Listener(request, heard) for _ in range(size)]
        for each in some:
            await loop.create_connection(lambda each=each: each, "127.0.0.1", port)
        await asyncio.gather(*(each.ready for each in some))
        made += some
    print("listening", flush=True)
    heard.last = int(await asyncio.to_thread(sys.stdin.readline))
    heard.look()
    await asyncio.wait_for(heard.is_whole.wait(), LONGEST_WAIT_S)
    print(json.dumps(heard.times), flush=True)


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(listen(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
