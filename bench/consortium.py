"""Four nodes on this machine: throughput beside CometBFT's own kvstore, and time to an alarm.

The same networks of four CometBFT nodes, the same settings, the same kind of UNIX socket, and
transactions of the same size and number, submitted by the same client from three threads to three
nodes. One network has Tieout's application, the other CometBFT's key-value store, which checks
nothing, writes to a database without a sync, and is the ceiling of what the engine carries. The
clock runs from the first submission until every node has the block with the last transaction.

Then wrong records are published while others come at a rate, and each node is asked for the alarm.
"""

import contextlib
import json
import secrets
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from bench.batches import bench_agreement, rows_for
from bench.measure import ROOT, Row, Setting, Turns, take_turns
from tieout.agreement.model import Agreement
from tieout.demo.consortium.member import eventually
from tieout.demo.consortium.play import Running
from tieout.engines.cometbft.addresses import free_addresses
from tieout.engines.cometbft.founding import Member, found_network
from tieout.engines.cometbft.places import COMETBFT, LOGS, SOCKET
from tieout.engines.cometbft.process import find_cometbft
from tieout.engines.cometbft.settings import read_node, rpc_address
from tieout.engines.keyring import read_keys
from tieout.engines.publisher import Publisher
from tieout.sdk.client import LedgerClient
from tieout.sdk.errors import NodeUnreachable
from tieout.sdk.rpcforms import time_ns
from tieout.sdk.transport import Node
from tieout.wire.codes import OperationKind, Purpose
from tieout.wire.operations import Enact

NODES = ("seller", "registrar", "bank", "regulator")
ROLES = 3
KVSTORE = ROOT / "build" / "tools" / "bin" / "abci-cli"
BATCHES = {100: 300, 1_000: 150, 10_000: 45}
"""How many batches of each size are submitted in a run."""
LEAST_OF_CEILING = 0.8
RATES = {1: (1, 1.0), 100: (10, 0.1), 10_000: (1_000, 0.1)}
"""Records a second: as batches of so many, one every so many seconds."""
ALARMS = 20
BEYOND_INTERVAL_MS = 50.0
MOST_INTERVAL_MS = 300.0
IDLE_NS = 900_000_000
"""So far apart are the blocks of a network in which nothing happens."""


def measure(setting: Setting) -> list[Row]:
    """Throughput and its share of the ceiling by size of batch; times to alarms by rate."""
    program = find_cometbft()
    if program is None or not program.is_file() or not KVSTORE.is_file():
        print("left out: CometBFT is not built here (`make cometbft`)", file=sys.stderr)
        return []
    runs = min(setting.runs, 3)
    sizes = {1_000: 20} if setting.runs < runs else BATCHES
    rows = []
    for size, count in sizes.items():
        item_bytes = len(_signed_sample(setting.folder / "sample", size))
        turns = take_turns(
            runs,
            {
                "tieout": lambda size=size, count=count: _tieout(setting, program, size, count),
                "kvstore": lambda count=count, size_bytes=item_bytes: _kvstore(
                    setting, program, size_bytes, count
                ),
            },
        )
        rows += _throughput(turns, size, count, item_bytes)
    return [*rows, *_alarm_rows(setting, program)]


def _throughput(turns: Turns, size: int, count: int, item_bytes: int) -> list[Row]:
    records = size * count
    ratio = turns.median("kvstore") / turns.median("tieout")
    is_goal = size == 1_000
    ceiling = item_bytes * count / turns.median("kvstore") / 1e6
    return [
        Row(
            f"four nodes, batches of {size:,}",
            records / turns.median("tieout"),
            "records/s",
            "",
            None,
            tuple(records / seconds for seconds in turns.values["tieout"]),
        ),
        Row(
            f"the same in bytes ÷ kvstore, batches of {size:,}",
            ratio,
            "×",
            f"≥ {LEAST_OF_CEILING}" if is_goal else "",
            ratio >= LEAST_OF_CEILING if is_goal else None,
            (),
            f"kvstore carries {ceiling:.1f} MB/s in transactions of {item_bytes:,} bytes",
        ),
    ]


# ---------------------------------------------------------------- networks


def _found(folder: Path) -> list[Path]:
    shutil.rmtree(folder, ignore_errors=True)
    at = iter(free_addresses(2 * len(NODES)))
    members = [Member(name, 10, next(at), next(at)) for name in NODES]
    return found_network(folder, "bench", members, time.time_ns() // 1_000)


class _House:
    """A member of the bench's network: its keys and its node."""

    def __init__(self, directory: Path, number: int) -> None:
        genesis, _ = read_node(directory)
        self.publisher = Publisher(read_keys(directory, genesis), number, 0, next_sequence=1)
        self.node = Node(*rpc_address(directory))
        self.client = LedgerClient(self.node)


def _tieout(setting: Setting, program: Path, size: int, count: int) -> float:
    """Seconds for `count` batches of `size` records, a third of them from each party."""
    directories = _found(setting.folder / "consortium")
    agreement = bench_agreement()
    houses = [_House(directory, i) for i, directory in enumerate(directories, start=1)]
    items: list[list[bytes]] = [[] for _ in range(ROLES)]
    with Running(directories, program):
        _enact(houses, agreement)
        for number in range(count):
            role = number % ROLES
            rows = rows_for(agreement, np.arange(size) + number // ROLES * size)
            items[role].append(houses[role].publisher.batch(agreement, role, rows))
        return _submitted([house.node for house in houses], items)


def _enact(houses: Sequence[_House], agreement: Agreement) -> None:
    eventually(lambda: all(_height(house.node) >= 1 for house in houses), "a first block")
    body = Enact(agreement.canonical, ((1,), (2,), (3,)))
    for house in houses[:ROLES]:
        signed = house.publisher.operation(OperationKind.ENACT, Purpose.GOVERN, body)
        submission = house.client.submit(signed)
        house.client.wait([submission.name], submission.height)


def _kvstore(setting: Setting, program: Path, item_bytes: int, count: int) -> float:
    """Seconds for as many transactions of that size through CometBFT's own key-value store."""
    directories = _found(setting.folder / "kvstore")
    items: list[list[bytes]] = [[] for _ in range(ROLES)]
    for number in range(count):
        head = f"{number}-{secrets.token_hex(8)}="
        rest = secrets.token_hex(item_bytes)[: item_bytes - len(head)]
        items[number % ROLES].append((head + rest).encode())
    with _kvstores(directories, program):
        nodes = [Node(*rpc_address(directory)) for directory in directories]
        eventually(lambda: all(_height(node) >= 1 for node in nodes), "a first block")
        return _submitted(nodes, items)


@contextlib.contextmanager
def _kvstores(directories: Sequence[Path], program: Path) -> Iterator[None]:
    processes: list[subprocess.Popen[bytes]] = []
    commands = (
        # Without a folder of its own it would leave one behind for each run.
        [str(KVSTORE), "kvstore", "--address", f"unix://{SOCKET}", "--persist", "store"],
        [str(program.absolute()), "start", "--home", COMETBFT],
    )
    try:
        for command in commands:
            for directory in directories:
                with (directory / LOGS / f"{Path(command[0]).name}.log").open("ab") as log:
                    processes.append(
                        subprocess.Popen(command, cwd=directory, stdout=log, stderr=log)
                    )
            for directory in directories:
                eventually((directory / SOCKET).exists, "the store listens")
        yield
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


# ---------------------------------------------------------------- submitting and waiting


class _Metas(msgspec.Struct):
    class Meta(msgspec.Struct):
        class Header(msgspec.Struct):
            time: str

        num_txs: int
        header: Header

    last_height: int
    block_metas: list[Meta]


class _Sync(msgspec.Struct):
    class Info(msgspec.Struct):
        latest_block_height: int

    sync_info: Info


def _height(node: Node) -> int:
    with contextlib.suppress(NodeUnreachable):
        return node.ask("status", _Sync).sync_info.latest_block_height
    return 0


def _submitted(nodes: Sequence[Node], items: Sequence[Sequence[bytes]]) -> float:
    """Seconds from the first submission until every node has the last transaction's block."""
    started_at = _height(nodes[-1])
    threads = [
        threading.Thread(target=_submit, args=(node, mine))
        for node, mine in zip(nodes, items, strict=False)
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    wanted = sum(map(len, items))
    done = started_at
    while wanted > 0:
        top = _height(nodes[-1])
        while done < top:
            last = min(top, done + 20)
            said = nodes[-1].ask("blockchain", _Metas, minHeight=str(done + 1), maxHeight=str(last))
            wanted -= sum(meta.num_txs for meta in said.block_metas)
            done = last
        time.sleep(0.002)
    while min(_height(node) for node in nodes) < done:
        time.sleep(0.002)
    taken = time.perf_counter() - began
    for thread in threads:
        thread.join()
    return taken


def _submit(node: Node, items: Sequence[bytes]) -> None:
    client = LedgerClient(node)
    for item in items:
        client.submit(item)


def _signed_sample(folder: Path, size: int) -> bytes:
    house = _House(_found(folder)[0], 1)
    agreement = bench_agreement()
    return house.publisher.batch(agreement, 0, rows_for(agreement, np.arange(size)))


# ---------------------------------------------------------------- alarms


def _alarm_rows(setting: Setting, program: Path) -> list[Row]:
    rows = []
    for rate in RATES:
        taken, interval = _alarms(setting, program, rate)
        p50, p99 = statistics.median(taken), float(np.percentile(taken, 99))
        goal = interval + BEYOND_INTERVAL_MS
        stated = f"≤ {goal:.0f} ms"
        what = f"submission to alarm at all four nodes, {rate:,} records/s"
        note = f"block interval while busy: {interval:.0f} ms (goal: below {MOST_INTERVAL_MS:.0f})"
        rows += [
            Row(f"{what}: p50", p50, "ms", stated, p50 <= goal, tuple(taken), note),
            Row(f"{what}: p99", p99, "ms", stated, p99 <= goal),
        ]
    return rows


def _alarms(setting: Setting, program: Path, rate: int) -> tuple[list[float], float]:
    """Milliseconds from submission to the alarm at the last node, and the usual block interval."""
    directories = _found(setting.folder / "alarms")
    agreement = bench_agreement()
    houses = [_House(directory, i) for i, directory in enumerate(directories, start=1)]
    with Running(directories, program):
        _enact(houses, agreement)
        for role in (0, 2):
            first = rows_for(agreement, np.arange(ALARMS) + 10**9)
            signed = houses[role].publisher.batch(agreement, role, first)
            submission = houses[role].client.submit(signed)
            houses[role].client.wait([submission.name], submission.height)
        until = threading.Event()
        load = threading.Thread(
            target=_load, args=(directories[0], houses[0], agreement, rate, until)
        )
        load.start()
        began_at = _height(houses[3].node)
        taken = [_one_alarm(directories, houses[1], agreement, number) for number in range(ALARMS)]
        interval = _interval_ms(houses[3].node, began_at, _height(houses[3].node))
        until.set()
        load.join()
    return taken, interval


def _interval_ms(node: Node, first: int, last: int) -> float:
    """The median of the times between blocks, by their headers; without those of idle times."""
    times: list[int] = []
    for height in range(first, last + 1, 20):
        most = str(min(last, height + 19))
        said = node.ask("blockchain", _Metas, minHeight=str(height), maxHeight=most)
        times += [time_ns(meta.header.time) for meta in said.block_metas]
    gaps = [gap / 1e6 for gap in np.diff(sorted(times)).tolist() if gap < IDLE_NS]
    return statistics.median(gaps)


def _load(
    directory: Path, house: _House, agreement: Agreement, rate: int, until: threading.Event
) -> None:
    """Publish right records at a rate, by the seller."""
    size, every_s = RATES[rate]
    client, number, due = LedgerClient(Node(*rpc_address(directory))), 0, time.perf_counter()
    while not until.wait(max(0.0, due - time.perf_counter())):
        rows = rows_for(agreement, np.arange(size) + number)
        client.submit(house.publisher.batch(agreement, 0, rows))
        number, due = number + size, due + every_s


def _one_alarm(
    directories: Sequence[Path], registrar: _House, agreement: Agreement, number: int
) -> float:
    rows = rows_for(agreement, np.arange(1) + 10**9 + number)
    rows.view(agreement.layout.dtype())["f_amount"] += 99
    transaction_id = rows[0, :36].tobytes().rstrip(b"\0").decode()
    signed = registrar.publisher.batch(agreement, 1, rows)
    waits = [_Watch(directory, agreement.name, transaction_id) for directory in directories]
    began = time.perf_counter()
    for wait in waits:
        wait.start()
    registrar.client.submit(signed)
    for wait in waits:
        wait.join()
    time.sleep(0.2)
    return (max(wait.seen for wait in waits) - began) * 1_000


class _Watch(threading.Thread):
    """Asks one node for one alarm until it is there."""

    def __init__(self, directory: Path, agreement: str, transaction_id: str) -> None:
        super().__init__(daemon=True)
        self._client = LedgerClient(Node(*rpc_address(directory)))
        self._about = json.dumps(
            {"agreement": agreement, "originator": 0, "transaction_id": transaction_id}
        ).encode()
        self.seen = float("nan")

    def run(self) -> None:
        """Note when the alarm was raised."""
        until = time.perf_counter() + 30
        while time.perf_counter() < until:
            answer = self._client.query("/transaction", self._about)
            if answer.code == 0 and json.loads(answer.value)["alarm"] == "raised":
                self.seen = time.perf_counter()
                return
            time.sleep(0.003)
