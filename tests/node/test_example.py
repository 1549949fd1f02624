"""The example of the manual runs, and the manual's commands are those of the example."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        port: int = line.getsockname()[1]
        return port


def test_the_example_publishes_two_records_and_shows_the_break() -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", str(ROOT / "examples" / "node.sh"), str(free_port())],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seller, bank, told = (json.loads(line) for line in done.stdout.splitlines())
    assert seller["verdict"]["status"] == "pending"
    assert bank["verdict"]["breaks"] == [{"kind": "mismatch", "role": "seller", "field": "amount"}]
    assert told["statement"]["adjustments"][0]["status"] == "approved"
