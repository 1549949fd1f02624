"""Where a node's time goes in CheckTx and FinalizeBlock: the rules, protobuf, the socket.

One application in this process, with batches of 1,000 records. Each call is made in three ways: the
method alone (the rules), with the request read from its bytes and the answer written to bytes
(protobuf), and by a client over the UNIX socket (the whole). What the whole takes beyond the second
is the socket: frames, two processes' worth of system calls, the loop, and the switch of threads.
"""

import asyncio
import shutil
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from bench.batches import ROLES, bench_agreement, rows_for
from bench.ledgers import START_US, new_ledger
from bench.measure import Row, Setting
from tieout.engines.cometbft import abci_pb2 as abci
from tieout.engines.cometbft.application import Application
from tieout.engines.cometbft.framing import FrameReader, encode_frame, encode_response
from tieout.engines.cometbft.limits import READ_BYTES
from tieout.engines.cometbft.server import Server
from tieout.wire.codes import ItemOutcome
from tieout.wire.genesis import Genesis

RECORDS = 1_000
ITEMS = 16
"""Batches of a block: 1.9 MB."""
BLOCKS = 9
START_S = 10.0
SERVED_BY = {"check_tx": "CheckTx", "finalize_block": "FinalizeBlock"}


@dataclass(frozen=True, slots=True)
class Shares:
    """Median microseconds of one call: in the rules, with protobuf, and over the socket."""

    rules_us: float
    coded_us: float
    whole_us: float


def measure(setting: Setting) -> list[Row]:
    """For both calls: the time of the whole, and the shares of it."""
    folder = setting.folder / "calls"
    taken = calls(folder)
    shutil.rmtree(folder)
    rows = []
    for kind, shares in taken.items():
        what = f"{SERVED_BY[kind]}, batches of {RECORDS:,}"
        per = "a batch" if kind == "check_tx" else f"a block of {ITEMS} batches"
        rules = shares.rules_us / shares.whole_us
        protobuf = (shares.coded_us - shares.rules_us) / shares.whole_us
        rows += [
            Row(f"{what}: over the socket", shares.whole_us, f"µs {per}", "", None),
            Row(f"{what}: share of the rules", 100 * rules, "%", "", None),
            Row(f"{what}: share of protobuf", 100 * protobuf, "%", "", None),
            Row(f"{what}: share of the socket", 100 * (1 - rules - protobuf), "%", "", None),
        ]
    return rows


def calls(folder: Path) -> dict[str, Shares]:
    """The shares of both calls, each measured with blocks of its own, which are then committed."""
    genesis, items = _blocks(folder / "keys")
    application = Application.open(folder / "journal", genesis)
    with _served(application, folder / "app.sock") as ask:
        ways = (_direct(application), _coded(application), ask)
        height = 1
        _block(ways[0], height, items[0], START_US)
        checks: list[list[float]] = [[], [], []]
        blocks_us: list[list[float]] = [[], [], []]
        for number, block in enumerate(items[1:]):
            height += 1
            # Each way takes its turn with a block, and every way checks the same items before.
            for way, checked in zip(ways, checks, strict=True):
                checked += [_check(way, item) for item in block]
            blocks_us[number % 3].append(
                _block(ways[number % 3], height, block, START_US + height * 1_000)
            )
    medians = {"check_tx": checks, "finalize_block": blocks_us}
    return {
        kind: Shares(*(statistics.median(each) for each in taken))
        for kind, taken in medians.items()
    }


Ask = Callable[[str, Message], Message]


def _blocks(folder: Path) -> tuple[Genesis, list[list[bytes]]]:
    """A genesis; the enactment, then BLOCKS blocks of signed batches."""
    agreement = bench_agreement()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with new_ledger(folder) as ledger:
        enacted = next(ledger.journal.entries()).block.items
        publishers = [ledger.publisher(role + 1) for role in range(ROLES)]
        items = [[bytes(item) for item in enacted]]
        for number in range(BLOCKS):
            block = []
            for place in range(ITEMS):
                role, first = (number * ITEMS + place) % ROLES, (number * ITEMS + place) // ROLES
                rows = rows_for(agreement, np.arange(RECORDS) + first * RECORDS)
                block.append(publishers[role].batch(agreement, role, rows))
            items.append(block)
        return ledger.genesis, items


def _check(ask: Ask, item: bytes) -> float:
    began = time.perf_counter()
    answer = ask("check_tx", abci.RequestCheckTx(tx=item))
    taken = time.perf_counter() - began
    assert isinstance(answer, abci.ResponseCheckTx)
    assert answer.code == ItemOutcome.ACCEPTED
    return taken * 1e6


def _block(ask: Ask, height: int, items: Sequence[bytes], time_us: int) -> float:
    at = Timestamp(seconds=time_us // 1_000_000, nanos=time_us % 1_000_000 * 1_000)
    request = abci.RequestFinalizeBlock(height=height, txs=items, time=at)
    began = time.perf_counter()
    answer = ask("finalize_block", request)
    taken = time.perf_counter() - began
    assert isinstance(answer, abci.ResponseFinalizeBlock)
    assert {each.code for each in answer.tx_results} == {ItemOutcome.ACCEPTED}
    ask("commit", abci.RequestCommit())
    return taken * 1e6


# ---------------------------------------------------------------- three ways to ask


def _direct(application: Application) -> Ask:
    def ask(kind: str, request: Message) -> Message:
        answer: Message = getattr(application, kind)(request)
        return answer

    return ask


def _coded(application: Application) -> Ask:
    def ask(kind: str, request: Message) -> Message:
        data = abci.Request(**{kind: request}).SerializeToString()
        read = abci.Request.FromString(data)
        answer: Message = getattr(application, kind)(getattr(read, kind))
        encode_response(kind, answer)
        return answer

    return ask


@contextmanager
def _served(application: Application, path: Path) -> Iterator[Ask]:
    """The application behind its socket, asked as CometBFT does: each call with a flush."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    server = Server(application)
    relative = Path(path.name)
    # The paths of sockets must be short.
    with chdir(path.parent):
        thread = threading.Thread(
            target=lambda: loop.run_until_complete(server.serve(relative, ready.set))
        )
        thread.start()
        assert ready.wait(START_S)
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(START_S)
        try:
            client.connect(str(relative))
            yield _over(client)
        finally:
            client.close()
            loop.call_soon_threadsafe(server.stop)
            thread.join()
            loop.close()
            application.close()


def _over(client: socket.socket) -> Ask:
    flush = encode_frame(abci.Request(flush=abci.RequestFlush()))

    def ask(kind: str, request: Message) -> Message:
        client.sendall(encode_frame(abci.Request(**{kind: request})) + flush)
        frames, answers = FrameReader(), []
        while len(answers) < 2:
            answers += [
                abci.Response.FromString(frame) for frame in frames.feed(client.recv(READ_BYTES))
            ]
        answer: Message = getattr(answers[0], kind)
        return answer

    return ask
