"""Every example of the manual runs against a real node, and so do the programs in examples/."""

import base64
import hashlib
import hmac
import http.client
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.node.running import Node
from tests.sdk.http.conftest import client_of
from tests.sdk.http.test_webhooks import BODY, SECRET

MANUAL = (ROOT / "docs" / "sdk.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", MANUAL, re.MULTILINE | re.DOTALL)
ALARMS = """
[channels.ops]
type = "webhook"
url = "http://127.0.0.1:{port}/hooks"
secret_file = "ops.secret"

[[rules]]
name = "everything"
channels = ["ops"]
hold = "0s"
gather = "0s"
"""


pytestmark = pytest.mark.xdist_group("sdk-manual")  # one node for both


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


@pytest.fixture(scope="module")
def fund(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Node]:
    agreement = (ROOT / "examples" / "fund-subscription.toml").read_text(encoding="utf-8")
    made = Node.found(tmp_path_factory.mktemp("node") / "node", agreement)
    (made.directory / "alarms.toml").write_text(ALARMS.format(port=port), encoding="utf-8")
    made.start()
    yield made
    assert made.stop() == 0, made.said


def test_the_core_system_meets_its_break_and_the_receiver_hears_of_it(
    fund: Node, port: int
) -> None:
    receiver = [ROOT / "examples" / "webhook_receiver.py", port, fund.directory / "ops.secret"]
    with subprocess.Popen(
        [sys.executable, *map(str, receiver)], stdout=subprocess.PIPE, text=True
    ) as listening:
        try:
            until_listening(port)
            url, token = f"http://127.0.0.1:{fund.port}", fund.token("operator", "")
            program = str(ROOT / "examples" / "core_system.py")
            done = subprocess.run(
                [sys.executable, program, url, token],
                check=False, capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            assert done.stdout.splitlines() == [
                "3 orders",
                "2 matched 1 broken",
                "FS-1 mismatch amount of seller",
                "correcting entry for seller is approved",
            ]
            assert listening.stdout is not None
            heard = next(line for line in listening.stdout if "FS-1 " in line)
            assert heard.startswith("alarm FS-1 alarm raised in fund-subscription: mismatch amount")
            assert forged(port) == 400
        finally:
            listening.terminate()


def test_every_example_of_the_manual_runs_in_its_order(fund: Node) -> None:
    with client_of(fund) as client:
        genesis = client.genesis()
    sent = str(int(time.time()))
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    mac = hmac.digest(key, b"m-1.%s.%s" % (sent.encode(), BODY), hashlib.sha256)
    headers = {
        "webhook-id": "m-1",
        "webhook-timestamp": sent,
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }
    assert len(EXAMPLES) == 6
    for example in EXAMPLES:
        given: dict[str, Any] = {
            "url": f"http://127.0.0.1:{fund.port}",
            "token": fund.token("operator", ""),
            "trusted_genesis": genesis,
            "secret": SECRET,
            "headers": headers,
            "body": BODY,
        }
        exec(compile(example, "docs/sdk.md", "exec"), given)  # noqa: S102 - the manual's own text


def until_listening(port: int) -> None:
    """Wait until somebody listens at a port, for a while."""
    end = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.02)
        else:
            return


def forged(port: int) -> int:
    """The status with which the receiver answers a message that is not the node's."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        told = {"webhook-id": "m-1", "webhook-timestamp": "0", "webhook-signature": "v1,AAAA"}
        line.request("POST", "/", BODY, told)
        return line.getresponse().status
    finally:
        line.close()
