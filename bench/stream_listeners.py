"""The live stream to a thousand listeners: from the receipt of a block to the last of them.

Listeners are sockets of one process of their own (`listening.py`), as browsers and programs are
elsewhere. Pairs of records are published one after the other, every one a break; a block counts
as published when its receipt has come, and as heard when the last listener has its first event.
Both processes read the same clock (CLOCK_MONOTONIC). The listeners' own reading is in the figures:
on two cores a thousand wake-ups are most of them.
"""

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.measure import ROOT, Row, Setting
from bench.node import NODE_PATH, a_node, record
from tieout.sdk.http.client import NodeClient

LISTENERS = 1_000
BLOCKS = 200
PAUSE_S = 0.1
GOAL_MS = 250.0


def measure(setting: Setting) -> list[Row]:
    """Median and p99 over blocks of the time to the last listener, and p99 over all messages."""
    blocks = BLOCKS if setting.runs > 2 else BLOCKS // 10
    with (
        tempfile.TemporaryDirectory(dir=setting.folder) as name,
        a_node(Path(name) / "node") as (port, token),
        NodeClient(f"http://127.0.0.1:{port}", token) as client,
    ):
        agreement = NODE_PATH.split("/")[3]
        # The first blocks are slower: connections, plans, the token.
        for number in range(10):
            client.publish(agreement, record(f"W-{number}", number, "seller"), role="seller")
        with listeners(port, token) as process:
            published = publish(client, agreement, blocks)
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{max(published)}\n")
            process.stdin.flush()
            told = json.loads(process.stdout.readline())
    heard = {int(height): times for height, times in told.items()}
    assert {len(heard[height]) for height in published} == {LISTENERS}, "a listener missed a block"
    last_ms = sorted((max(heard[height]) - at) * 1e3 for height, at in published.items())
    each_ms = sorted((t - at) * 1e3 for height, at in published.items() for t in heard[height])
    p99 = last_ms[len(last_ms) * 99 // 100]
    note = f"{LISTENERS:,} listeners, {len(published)} blocks, one each {PAUSE_S:g} s"
    return [
        Row("stream: block to the last of 1,000 listeners, p50", statistics.median(last_ms), "ms",
            "", None),
        Row("stream: block to the last of 1,000 listeners, p99", p99, "ms", f"< {GOAL_MS:g} ms",
            p99 < GOAL_MS, tuple(last_ms), note),
        Row("stream: block to any listener, p99", each_ms[len(each_ms) * 99 // 100], "ms", "",
            None),
    ]  # fmt: skip


def publish(client: NodeClient, agreement: str, blocks: int) -> dict[int, float]:
    """Publish a record a block, at a steady pace; when each block's receipt had come."""
    published: dict[int, float] = {}
    began = time.monotonic()
    for number in range(blocks):
        role = ("seller", "registrar")[number % 2]
        told = record(f"L-{number // 2}", 40 * (number // 2), role)
        time.sleep(max(0.0, began + number * PAUSE_S - time.monotonic()))
        receipt = client.publish(agreement, told, role=role)
        assert receipt.block is not None
        published[receipt.block.height] = time.monotonic()
    return published


@contextlib.contextmanager
def listeners(port: int, token: str) -> Iterator["subprocess.Popen[str]"]:
    """A process in which all listeners are connected."""
    command = [sys.executable, "-m", "bench.listening", str(port), token, str(LISTENERS)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "listening\n"
            yield process
        finally:
            process.terminate()
