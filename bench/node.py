"""The node over HTTP: single records from 64 connections, beside the same check by hand; and bulk.

Every record waits for its durable verdict. The seller's, the registrar's and the bank's records of
a transaction are sent one after the other among others', so that verdicts are of all kinds. Node
and peer take turns; each has the machine to itself, with the sender (`httpload.py`) on it, too.
"""

import contextlib
import json
import os
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from bench.measure import ROOT, Row, Setting, take_turns
from tieout.node.access import Doorkeeper, Role, now_us
from tieout.node.places import STORE_FILE
from tieout.node.store import Store
from tieout.testing.postgres import find_programs, postgres_server

CONNECTIONS = 64
ROLES = ("seller", "registrar", "bank")
BEHIND = 200
"""How many transactions later the next role speaks."""
GOAL_RATIO = 5.0
GOAL_BULK = 150_000
START_S = 120.0
TIEOUT = str(Path(sys.executable).with_name("tieout"))
AGREEMENT = ROOT / "bench" / "fund-bench.toml"


def measure(setting: Setting) -> list[Row]:
    """Records per second and latencies of both, their ratio, and bulk."""
    count = setting.transactions // 50
    rows: list[Row] = []
    programs = find_programs()
    found: dict[str, list[dict[str, Any]]] = {"node": [], "peer": []}
    with tempfile.TemporaryDirectory(dir=setting.folder) as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        peers: dict[str, Callable[[], float]] = {}
        port, token = stack.enter_context(a_node(folder / "node"))
        peers["node"] = lambda: run(found["node"], port, count, f"Bearer {token}", NODE_PATH)
        if programs is not None:
            server = stack.enter_context(postgres_server(programs, durable=True))
            other = stack.enter_context(a_peer(server.new_database()))
            peers["peer"] = lambda: run(found["peer"], other, count, "", PEER_PATH)
        for peer, once in peers.items():
            # Connections, plans, and the token, which takes a while to be checked the first time.
            once()
            found[peer].clear()
        turns = take_turns(min(setting.runs, 3), peers)
        for peer, values in turns.values.items():
            rows += told(peer, turns.median(peer), values, found[peer])
        rows.append(ratio(turns) if programs else NO_PEER)
        rows.append(bulk(port, token, setting.transactions // 2))
    return rows


NO_PEER = Row("node: beside the peer", 0, "", "", None, note="PostgreSQL is not installed here")
NODE_PATH = "/v1/agreements/fund-bench/records?role="
PEER_PATH = "/records?role="


def told(peer: str, rate: float, values: list[float], found: list[dict[str, Any]]) -> list[Row]:
    """Throughput and latencies of one of the two."""
    rows = [Row(f"{peer}: single records", rate, "/s", "", None, tuple(values))]
    for percent in (50, 99):
        each = [float(one[f"p{percent}_us"]) / 1_000 for one in found]
        rows.append(
            Row(f"{peer}: p{percent} to the durable verdict", statistics.median(each), "ms", "",
                None, tuple(each))
        )  # fmt: skip
    return rows


def ratio(turns: Any) -> Row:
    """How many times the peer's throughput."""
    times = turns.ratio("node", "peer")
    what = "node: throughput in terms of the peer's"
    return Row(what, times, "×", f"≥ {GOAL_RATIO:g} ×", times >= GOAL_RATIO)


# ---------------------------------------------------------------- the two servers


@contextlib.contextmanager
def a_node(directory: Path) -> Iterator[tuple[int, str]]:
    """A node as `tieout node run` runs it, read models and all, without a limit of requests."""
    command = [TIEOUT, "node", "init", str(directory), "--agreement", str(AGREEMENT)]
    subprocess.run(command, check=True, capture_output=True)
    port = free_port()
    settings = {"TIEOUT_LISTEN_PORT": str(port), "TIEOUT_ACCESS_RATE": "0"}
    with served([TIEOUT, "node", "run", str(directory)], port, settings):
        store = Store(directory / STORE_FILE)
        keeper = Doorkeeper(store, now_us, 0)
        user = keeper.add_user("bench", Role.OPERATOR, None, "")
        token = keeper.make_token(user, "bench", ["read", "publish"], 1)[1]  # type: ignore[list-item]
        store.close()
        yield port, token


@contextlib.contextmanager
def a_peer(url: str) -> Iterator[int]:
    """The peer on a port of its own."""
    port = free_port()
    with served([sys.executable, "-m", "bench.peer_web", url, str(port)], port, {}):
        yield port


@contextlib.contextmanager
def served(command: list[str], port: int, settings: dict[str, str]) -> Iterator[None]:
    """A server that answers on a port, until the end of the context."""
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **settings}, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until = time.monotonic() + START_S
            while time.monotonic() < until and process.poll() is None:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.1)
            yield
        finally:
            process.send_signal(signal.SIGTERM)


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


# ---------------------------------------------------------------- what is sent


def run(found: list[dict[str, Any]], port: int, count: int, authorization: str, path: str) -> float:
    """Send so many records of new transactions; records per second."""
    requests = records(count, f"{time.time_ns():x}", authorization, path)
    raw = b"".join(struct.pack("<I", len(each)) + each for each in requests)
    command = [sys.executable, "-m", "bench.httpload", str(port), str(CONNECTIONS)]
    done = subprocess.run(command, input=raw, capture_output=True, check=True, cwd=ROOT)
    told = json.loads(done.stdout)
    assert told["failed"] == [], told["failed"]
    found.append(told)
    return len(requests) / float(told["seconds"])


def records(count: int, turn: str, authorization: str, path: str) -> list[bytes]:
    """Whole requests of `count` records; about one transaction in forty is broken."""
    head = f"Authorization: {authorization}\r\n" if authorization else ""
    made = []
    for number in range(count):
        role = number % len(ROLES)
        transaction = number // len(ROLES) - BEHIND * role
        if transaction < 0:
            role, transaction = 0, count + number
        body = json.dumps(record(f"{turn}-{transaction:08d}", transaction, ROLES[role])).encode()
        made.append(
            f"POST {path}{ROLES[role]} HTTP/1.1\r\nHost: bench\r\n{head}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
    return made


def record(name: str, number: int, role: str) -> dict[str, str]:
    """What a role states about a transaction."""
    wrong = number % 40 == 0 and role == "registrar"
    return {
        "transaction_id": name,
        "fund": f"{110_000 + number % 500}",
        "currency": "CNY",
        "amount": f"{number % 90_000 + wrong}.25",
        "shares": f"{number % 80_000}.1250",
        "nav": "1.0525",
        "fee": "1.50",
        "trade_date": "2026-03-02",
        "settle_date": "2026-03-04",
    }


def bulk(port: int, token: str, count: int) -> Row:
    """One NDJSON body, from the first byte sent to the receipt."""
    lines = (json.dumps(record(f"B-{n:08d}", n, "seller")) for n in range(count))
    body = "\n".join(lines).encode()
    url = f"http://127.0.0.1:{port}{NODE_PATH}seller"
    kind = "application/x-ndjson"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
    began = time.perf_counter()
    with urlopen(Request(url, body, headers), timeout=600) as answer:
        receipt = json.loads(answer.read())
    rate = count / (time.perf_counter() - began)
    assert receipt["published"] == count, receipt
    what = "node: bulk NDJSON, new records"
    return Row(what, rate, "/s", f"≥ {GOAL_BULK:,} /s", rate >= GOAL_BULK)
