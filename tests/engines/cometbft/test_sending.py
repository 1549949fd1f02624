"""A party publishes through a real node, whatever is killed meanwhile: everything once.

The usual run is small. With many kills:

    TIEOUT_KILLS=50 .venv/bin/pytest -n0 tests/engines/cometbft/test_sending.py -k killed
"""

import os
import random
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.cometbft.consortium import SELLER, WAIT_S, await_first_block, eventually
from tests.engines.ledgers import AGREEMENT, rows
from tieout import kernel
from tieout.demo.consortium.play import Running
from tieout.engines.cometbft.addresses import free_addresses
from tieout.engines.cometbft.founding import Member, found_network
from tieout.engines.cometbft.outbox import Outbox, Signed
from tieout.engines.cometbft.places import OUTBOX
from tieout.engines.cometbft.process import NodeProcesses
from tieout.engines.cometbft.sending import NotSettled, Sender
from tieout.engines.cometbft.settings import read_node
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.errors import EngineError, Refused
from tieout.engines.keyring import read_keys
from tieout.engines.publisher import Publisher
from tieout.wire.codes import EventKind, ItemOutcome, OperationKind, Purpose, RowOutcome
from tieout.wire.operations import CloseCutoff, Enact

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("network")]

KILLS = int(os.environ.get("TIEOUT_KILLS", "3"))
RECORDS = 60 * KILLS


def found(folder: Path) -> Path:
    """One party, which holds both roles, and its node."""
    p2p, rpc = free_addresses(2)
    member = Member("seller", 10, p2p, rpc)
    (directory,) = found_network(folder, "alone", [member], 1_750_000_000_000_000)
    return directory


def enact(directory: Path) -> None:
    body = Enact(AGREEMENT.canonical, ((1,), (1,)))
    with Sender.open(directory) as sender:
        receipt = sender.operation(OperationKind.ENACT, Purpose.GOVERN, body).result(WAIT_S)
    assert receipt.result.outcome is ItemOutcome.ACCEPTED


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, cometbft: Path) -> Iterator[Path]:
    """The directory of a running node, with the agreement in force."""
    directory = found(tmp_path_factory.mktemp("alone"))
    with Running([directory], cometbft):
        await_first_block(directory)
        enact(directory)
        yield directory


def signed(directory: Path, sequence: int, *stated: tuple[str, int]) -> Signed:
    """A batch as another program of the party would have signed it."""
    genesis, _ = read_node(directory)
    publisher = Publisher(read_keys(directory, genesis), 1, 0, sequence)
    return Signed.of(publisher.batch(AGREEMENT, SELLER, rows(*stated)))


def numbers(directory: Path) -> Counter[int]:
    """How often each number of the party was used on its node's disk."""
    used: Counter[int] = Counter()
    with EmbeddedLedger.open(directory, read_only=True) as ledger:
        for number in range(1, ledger.state.streams[1, 0].highest_used + 1):
            used[number] = len(ledger.journal.find_items(1, 0, number))
    return used


def highest(directory: Path) -> int:
    return max(numbers(directory))


def test_what_is_sent_from_many_threads_gets_a_receipt_each(node: Path) -> None:
    receipts = []
    with Sender.open(node) as sender:
        assert sender.resumed == []

        def send(thread: int) -> None:
            futures = [
                sender.batch(AGREEMENT, SELLER, rows((f"T-{thread}-{i}", 100))) for i in range(20)
            ]
            receipts.extend(future.result(WAIT_S) for future in futures)

        threads = [threading.Thread(target=send, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sender.settle()
        assert sender.in_flight == 0
    assert len({receipt.result.leaf for receipt in receipts}) == 80
    accepted = {receipt.result.rows[RowOutcome.ACCEPTED] for receipt in receipts}
    assert accepted == {1}
    with EmbeddedLedger.open(node, read_only=True) as ledger:
        assert all(
            ledger.journal.read(each.height).result.app_hash == each.app_hash for each in receipts
        )
    assert set(numbers(node).values()) == {1}


def test_the_rules_verdict_is_in_the_receipt(node: Path) -> None:
    body = CloseCutoff("nothing", 1)
    with Sender.open(node) as sender:
        receipt = sender.operation(OperationKind.CLOSE_CUTOFF, Purpose.PUBLISH, body).result(WAIT_S)
    assert receipt.result.outcome is ItemOutcome.UNKNOWN_AGREEMENT


def test_what_a_program_left_is_settled_by_the_next_before_it_signs(node: Path) -> None:
    number = highest(node) + 1
    with Outbox(node / OUTBOX) as outbox:
        outbox.put(signed(node, number, ("L-1", 100)))
    with Sender.open(node) as sender:
        following = sender.batch(AGREEMENT, SELLER, rows(("L-2", 100))).result(WAIT_S)
        (left,) = (future.result(WAIT_S) for future in sender.resumed)
    assert left.height <= following.height
    assert [numbers(node)[each] for each in (number, number + 1)] == [1, 1]
    # And once it is on the ledger, it is found there and not submitted again.
    leftover = signed(node, number, ("L-1", 100))
    with Outbox(node / OUTBOX) as outbox:
        outbox.put(leftover)
    with Sender.open(node) as sender:
        assert [each.result(WAIT_S) for each in sender.resumed] == [left]
    assert numbers(node)[number] == 1


def test_a_number_that_stands_for_something_else_is_never_submitted_again(node: Path) -> None:
    number = highest(node)
    # A copy of the directory has signed it, which knows nothing of what was signed here.
    shutil.rmtree(node / OUTBOX)
    with Outbox(node / OUTBOX) as outbox:
        outbox.put(signed(node, number, ("E-1", 100)))
    with Sender.open(node) as sender:
        with pytest.raises(Refused, match="equivocation"):
            sender.resumed[0].result(WAIT_S)
        sender.batch(AGREEMENT, SELLER, rows(("E-2", 100))).result(WAIT_S)
    assert set(numbers(node).values()) == {1}
    kept = [path.stem for path in (node / OUTBOX).glob("*.conflict")]
    assert kept == [f"{0:05}-{number:020}"]


def test_a_number_that_was_refused_before_a_block_is_used_by_the_next_item(node: Path) -> None:
    number = highest(node) + 1
    item = signed(node, number, ("R-1", 100))
    with Outbox(node / OUTBOX) as outbox:
        outbox.put(Signed(item.place, item.data[:-1] + bytes([item.data[-1] ^ 1])))
    with Sender.open(node) as sender:
        with pytest.raises(Refused, match="wrong_root"):
            sender.resumed[0].result(WAIT_S)
        sender.batch(AGREEMENT, SELLER, rows(("R-2", 100))).result(WAIT_S)
    assert numbers(node)[number] == 1
    with EmbeddedLedger.open(node, read_only=True) as ledger:
        assert ledger.state.streams[1, 0].lowest_unused == number + 1


def test_too_many_rows_are_refused_before_a_number_is_taken(node: Path) -> None:
    number = highest(node)
    with Sender.open(node) as sender:
        too_many = rows(*((f"M-{i}", 1) for i in range(10_001)))
        with pytest.raises(EngineError, match="a batch has 1 to 10000 rows"):
            sender.batch(AGREEMENT, SELLER, too_many)
        sender.batch(AGREEMENT, SELLER, rows(("M-1", 100))).result(WAIT_S)
    assert highest(node) == number + 1


def test_programs_and_node_killed_at_random_state_everything_once(
    tmp_path: Path, cometbft: Path
) -> None:
    directory = found(tmp_path)
    chance = random.Random(20_250_916)
    processes = NodeProcesses(directory, cometbft)
    command = [sys.executable, "-m", "tests.engines.cometbft.program", str(directory)]
    try:
        processes.start()
        await_first_block(directory)
        enact(directory)
        for number in range(KILLS):
            with subprocess.Popen(
                [*command, str(SELLER), str(RECORDS)], stdout=subprocess.PIPE, text=True
            ) as program:
                assert program.stdout is not None
                for _ in range(chance.randrange(12)):
                    program.stdout.readline()
                if number % 3 == 2:
                    processes.kill(processes.application, processes.cometbft)
                    processes.start()
                program.kill()
        assert subprocess.run([*command, str(SELLER), str(RECORDS)], check=False).returncode == 0
    finally:
        processes.stop()
    assert set(numbers(directory).values()) == {1}
    kinds: Counter[int] = Counter()
    accepted: Counter[str] = Counter()
    with EmbeddedLedger.open(directory, read_only=True) as ledger:
        for entry in ledger.journal.entries():
            kinds.update(entry.result.events["kind"].tolist())
            for result in entry.result.items:
                accepted["rows"] += sum(result.rows)
        states = kernel.counts(ledger.state, AGREEMENT.name)
    assert kinds[EventKind.EQUIVOCATION] == 0
    assert (accepted["rows"], states.transactions) == (RECORDS, RECORDS)


def test_without_a_node_nothing_is_signed_and_what_waits_is_kept(
    tmp_path: Path, cometbft: Path
) -> None:
    directory = found(tmp_path)
    with pytest.raises(EngineError, match="nothing can be published through the node"):
        Sender.open(directory, away_s=0.1)
    processes = NodeProcesses(directory, cometbft)
    try:
        processes.start()
        await_first_block(directory)
        enact(directory)
        with Sender.open(directory) as sender:
            processes.kill(processes.application, processes.cometbft)
            future = sender.batch(AGREEMENT, SELLER, rows(("N-1", 100)))
            with pytest.raises(NotSettled):
                sender.settle(patience_s=0.2)
        with pytest.raises(NotSettled, match="1 signed items are in no block yet"):
            future.result(WAIT_S)
        processes.start()
        with Sender.open(directory, away_s=WAIT_S) as sender:
            sender.settle()
            assert [each.result(WAIT_S).result.outcome for each in sender.resumed] == [0]
        # Begun anew from nothing, the outbox still knows the numbers.
        processes.stop()
        shutil.rmtree(directory / "journal")
        shutil.rmtree(directory / "cometbft" / "data")
        (directory / "cometbft" / "data").mkdir()
        state = directory / "cometbft" / "data" / "priv_validator_state.json"
        state.write_text('{"height": "0", "round": 0, "step": 0}')
        processes.start()
        eventually(lambda: _begun(directory), "the node begins anew")
        with Sender.open(directory) as sender:
            body = CloseCutoff("nothing", 1)
            sent = sender.operation(OperationKind.CLOSE_CUTOFF, Purpose.PUBLISH, body)
            sent.result(WAIT_S)
        assert highest(directory) == 3
    finally:
        processes.stop()


def _begun(directory: Path) -> bool:
    try:
        Sender.open(directory, away_s=0.1).close()
    except EngineError:
        return False
    return True
