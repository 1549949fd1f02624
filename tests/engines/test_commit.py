"""Group commit: many submitters share a sync, and nobody hears of a block that is not on disk."""

import os
import threading
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.engines.ledgers import AGREEMENT, BANK, SELLER, START_US, opened, rows
from tieout import kernel
from tieout.engines.embedded.commit import GroupCommit, Pipeline
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.errors import EngineError
from tieout.engines.receipt import Receipt
from tieout.journal.errors import JournalError
from tieout.wire.codes import ItemOutcome

THREADS, EACH = 8, 25


def ticking() -> Callable[[], int]:
    times = count(START_US)
    return lambda: next(times)


def batches(ledger: EmbeddedLedger, role: int, number: int, stream: int = 0) -> list[bytes]:
    """Signed batches of one row each."""
    publisher = ledger.publisher(ledger.party(AGREEMENT.roles[role]), stream)
    return [
        publisher.batch(AGREEMENT, role, rows((f"T-{stream}-{each}", each)))
        for each in range(number)
    ]


def in_ledger(ledger: EmbeddedLedger) -> dict[tuple[int, int], bytes]:
    return {
        (entry.block.height, number): bytes(item)
        for entry in ledger.journal.entries()
        for number, item in enumerate(entry.block.items)
    }


def test_many_threads_get_a_receipt_of_their_own_for_each_item(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger") as ledger:
        commit = GroupCommit(ledger, ticking())
        work = {stream: batches(ledger, SELLER, EACH, stream) for stream in range(THREADS)}
        got: dict[int, list[Receipt]] = {}

        def submit_all(stream: int) -> None:
            got[stream] = [commit.submit(item) for item in work[stream]]

        threads = [threading.Thread(target=submit_all, args=(stream,)) for stream in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    receipts = [receipt for each in got.values() for receipt in each]
    assert len({(receipt.height, receipt.item) for receipt in receipts}) == THREADS * EACH
    assert len({receipt.result.leaf for receipt in receipts}) == THREADS * EACH
    assert {receipt.result.outcome for receipt in receipts} == {ItemOutcome.ACCEPTED}
    with EmbeddedLedger.open(tmp_path / "ledger") as ledger:
        kept = in_ledger(ledger)
        for stream, items in work.items():
            for item, receipt in zip(items, got[stream], strict=True):
                assert kept[receipt.height, receipt.item] == item
        assert kernel.counts(ledger.state, "pay").transactions == THREADS * EACH


def test_receipts_of_a_block_say_its_time_and_app_hash(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger") as ledger:
        commit = GroupCommit(ledger, ticking())
        for item in batches(ledger, SELLER, 3):
            receipt = commit.submit(item)
            assert (receipt.height, receipt.time_us) == (ledger.height, ledger.time_us)
            assert receipt.app_hash == kernel.app_hash(ledger.state)


def test_a_clock_that_runs_backwards_does_not_hold_up_the_ledger(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger") as ledger:
        times = iter([START_US + 10, START_US - 10, START_US + 5])
        commit = GroupCommit(ledger, lambda: next(times))
        got = [commit.submit(item).time_us for item in batches(ledger, SELLER, 3)]
    assert got == [START_US + 10] * 3


def test_the_same_item_twice_is_a_repeat(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger") as ledger:
        commit = GroupCommit(ledger, ticking())
        (item,) = batches(ledger, SELLER, 1)
        outcomes = [commit.submit(item).result.outcome for _ in range(2)]
    assert outcomes == [ItemOutcome.ACCEPTED, ItemOutcome.REPEATED]


def test_rubbish_gets_a_receipt_that_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger") as ledger:
        commit = GroupCommit(ledger, ticking())
        before = kernel.app_hash(ledger.state)
        for item in (b"", b"rubbish", bytes(1_000)):
            receipt = commit.submit(item)
            assert (receipt.result.outcome, receipt.result.leaf) == (ItemOutcome.MALFORMED, None)
        assert kernel.app_hash(ledger.state) == before


def test_a_pipeline_tells_of_each_block_once_and_in_order(tmp_path: Path) -> None:
    told: list[Receipt] = []
    with opened(tmp_path / "ledger") as ledger:
        first = ledger.height + 1
        pipeline = Pipeline(ledger, told.extend)
        sellers, banks = batches(ledger, SELLER, 200), batches(ledger, BANK, 200)
        for pair in zip(sellers, banks, strict=True):
            pipeline.apply(pair, ledger.time_us + 1)
        pipeline.close()
        app_hash = kernel.app_hash(ledger.state)
    places = [(receipt.height, receipt.item) for receipt in told]
    assert places == [(first + block, item) for block in range(200) for item in range(2)]
    assert told[-1].app_hash == app_hash
    with EmbeddedLedger.open(tmp_path / "ledger") as ledger:
        assert set(places) <= set(in_ledger(ledger))
        assert kernel.app_hash(ledger.state) == app_hash


def test_what_a_pipeline_told_of_is_on_disk_at_that_moment(tmp_path: Path) -> None:
    seen: Counter[bool] = Counter()
    with opened(tmp_path / "ledger") as ledger:

        def look(receipts: tuple[Receipt, ...]) -> None:
            seen[ledger.journal.durable.height >= receipts[-1].height] += 1

        pipeline = Pipeline(ledger, look)
        for item in batches(ledger, SELLER, 50):
            pipeline.apply([item], ledger.time_us)
        pipeline.close()
    assert seen == Counter({True: 50})


def test_a_pipeline_that_told_nobody_ends_with_the_error(tmp_path: Path) -> None:
    class OutOfPaperError(Exception):
        pass

    def fail(_receipts: tuple[Receipt, ...]) -> None:
        raise OutOfPaperError

    with opened(tmp_path / "ledger") as ledger:
        pipeline = Pipeline(ledger, fail)
        (item,) = batches(ledger, SELLER, 1)
        pipeline.apply([item], ledger.time_us)
        with pytest.raises(EngineError) as raised:
            pipeline.close()
        assert isinstance(raised.value.__cause__, OutOfPaperError)
        with pytest.raises(EngineError):
            pipeline.apply([item], ledger.time_us)


def test_a_full_disk_ends_every_submitter_and_loses_nothing_receipted(tmp_path: Path) -> None:
    ledger = opened(tmp_path / "ledger")
    commit = GroupCommit(ledger, ticking())
    work = {stream: batches(ledger, SELLER, 3, stream) for stream in range(4)}
    receipted = [commit.submit(items.pop(0)) for items in work.values()]
    fill_disk(ledger)
    ended: list[int] = []

    def submit_all(stream: int) -> None:
        for item in work[stream]:
            with pytest.raises((JournalError, EngineError)):
                commit.submit(item)
        ended.append(stream)

    threads = [threading.Thread(target=submit_all, args=(stream,), daemon=True) for stream in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(ended) == sorted(work)
    ledger.journal.close()
    with EmbeddedLedger.open(tmp_path / "ledger") as ledger:
        places = {(receipt.height, receipt.item) for receipt in receipted}
        assert places <= set(in_ledger(ledger))
        assert kernel.counts(ledger.state, "pay").transactions == len(receipted)


def test_a_full_disk_ends_a_pipeline(tmp_path: Path) -> None:
    told: list[Receipt] = []
    ledger = opened(tmp_path / "ledger")
    height = ledger.height
    pipeline = Pipeline(ledger, told.extend)
    fill_disk(ledger)
    (item,) = batches(ledger, SELLER, 1)
    pipeline.apply([item], ledger.time_us)
    with pytest.raises(EngineError, match="could not be written") as raised:
        pipeline.close()
    assert raised.value.advice
    ledger.journal.close()
    assert told == []
    with EmbeddedLedger.open(tmp_path / "ledger") as ledger:
        assert ledger.height == height


def fill_disk(ledger: EmbeddedLedger) -> None:
    """From now on the device that the journal is written to is full."""
    writer = ledger.journal._writer
    assert writer is not None
    full = os.open("/dev/full", os.O_RDWR)
    os.dup2(full, writer._fd)
    os.close(full)


def test_a_closed_ledger_takes_nothing_more(tmp_path: Path) -> None:
    ledger = opened(tmp_path / "ledger")
    (item,) = batches(ledger, SELLER, 1)
    ledger.close()
    with pytest.raises(JournalError):
        ledger.apply([item], ledger.time_us)
