"""Records of the widest rows there are: fewer fit one batch than are gathered."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.engines.ledgers import founded
from tieout.agreement.parse import parse_agreement
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.node.desk import Desk, Sending
from tieout.node.limits import MAX_GATHERED
from tieout.node.ordering import EmbeddedOrdering
from tieout.node.records import RecordForm
from tieout.node.store import Store
from tieout.wire.batch import most_rows

FIELDS, WIDTH = 4, 239
AGREEMENT = parse_agreement(
    'name = "wide"\nversion = 1\nroles = ["seller", "bank"]\n\n'
    + "\n".join(f'[fields.text{n}]\ntype = "text"\nlength = {WIDTH}\n' for n in range(FIELDS)),
    "wide",
)
AT_MOST = most_rows(AGREEMENT.layout.row_bytes)
COUNT = MAX_GATHERED


def now_us() -> int:
    return time.time_ns() // 1_000


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk that has not begun: what is sent by then is gathered at once."""
    founded(tmp_path / "ledger")
    ledger = EmbeddedLedger.open(tmp_path / "ledger")
    ledger.enact(AGREEMENT, now_us())
    ordering = EmbeddedOrdering(ledger, now_us)
    store = Store(tmp_path / "node.sqlite")
    desk = Desk(
        ordering, store, now_us, gather_s=0.002, tick_s=1.0, on_blocks=lambda: None
    )  # fmt: skip
    yield desk
    store.close()
    ordering.close()


def row(form: RecordForm, number: int) -> bytes:
    return form.row(json.dumps({"transaction_id": f"W-{number}"} | dict.fromkeys(
        (f"text{n}" for n in range(FIELDS)), "x" * WIDTH)).encode(), 0)  # fmt: skip


def batches(desk: Desk) -> list[int]:
    """How many rows each batch of the ledger has."""
    return [
        sum(item.rows)
        for entry in desk.ordering.journal.entries()
        for item in entry.result.items
        if sum(item.rows)
    ]


def test_gathered_records_fill_a_batch_and_the_rest_waits_for_the_next(desk: Desk) -> None:
    assert AT_MOST < COUNT
    book = desk.ordering.books["wide"]
    form = RecordForm(AGREEMENT, 0)

    async def send_all() -> list[tuple[int, bytes]]:
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in range(COUNT)]
        for number, future in enumerate(futures):
            desk.send(Sending(book, 0, 1, row(form, number), wait=True, key=None, future=future))
        desk.start()
        return list(await asyncio.wait_for(asyncio.gather(*futures), 60))

    told = asyncio.run(send_all())
    desk.stop()
    assert {status for status, _ in told} == {200}
    assert batches(desk) == [AT_MOST, COUNT - AT_MOST]


def test_a_bulk_of_wide_rows_is_cut_at_the_same_place(desk: Desk) -> None:
    form = RecordForm(AGREEMENT, 0)
    joined = b"".join(row(form, number) for number in range(COUNT))
    rows = np.frombuffer(bytearray(joined), np.uint8).reshape(COUNT, -1)
    desk.start()
    published = desk.publish_rows(desk.ordering.books["wide"], 0, 1, rows)
    desk.stop()
    assert [sum(each.result().receipt.result.rows) for each in published.batches] == [
        AT_MOST, COUNT - AT_MOST
    ]  # fmt: skip
    assert batches(desk) == [AT_MOST, COUNT - AT_MOST]
