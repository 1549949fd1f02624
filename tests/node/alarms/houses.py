"""A small ledger with its stream and its alarm desk, started and stopped as a node does it."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.engines.ledgers import AGREEMENT, BANK, SELLER, founded, rows
from tieout.agreement.model import Agreement
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.node.alarms.desk import AlarmDesk
from tieout.node.alarms.findings import Trouble
from tieout.node.alarms.outbox import Outbox
from tieout.node.alarms.rulefile import ALARMS_FILE, load_alarms
from tieout.node.ordering import EmbeddedOrdering, batch_of, operation_of
from tieout.node.stream import Happening, Stream
from tieout.wire.codes import ItemOutcome, OperationKind, Purpose
from tieout.wire.operations import Acknowledge

DIFFERENCE = Trouble("mismatch", "amount", "seller", "70.00", "50.00", "20.00", "CNY")


def now_us() -> int:
    return time.time_ns() // 1_000


class Small:
    """A ledger that pays, and the desk that says what is wrong with it."""

    def __init__(
        self, directory: Path, clock: Callable[[], int], agreement: Agreement = AGREEMENT
    ) -> None:
        self._agreement = agreement
        self.directory = directory
        ledger_directory = directory / "ledger"
        is_new = not ledger_directory.exists()
        if is_new:
            founded(ledger_directory)
        self.ledger = EmbeddedLedger.open(ledger_directory)
        if is_new:
            self.ledger.enact(agreement, now_us())
        self.ordering = EmbeddedOrdering(self.ledger, now_us)
        alarms = load_alarms(directory / ALARMS_FILE)
        self.outbox = Outbox(directory / "alarms.sqlite", alarms, self.ordering.genesis.ledger_id())
        self.fails = False
        self.troubles: Sequence[Trouble] | None = (DIFFERENCE,)
        self.desk = AlarmDesk(
            alarms, self.outbox, Stream(self.ordering), self._details, directory, clock
        )
        self.desk.start()

    def _details(self, _: Happening) -> Sequence[Trouble] | None:
        if self.fails:
            raise RuntimeError("the read models are not what they were")
        return self.troubles

    def publish(self, role: int, *stated: tuple[str, int]) -> None:
        party = self.ledger.party(AGREEMENT.roles[role])
        (future,) = self.ordering.publish([(party, batch_of(self._agreement, role, rows(*stated)))])
        assert future.result().receipt.result.outcome is ItemOutcome.ACCEPTED
        self.desk.tell()

    def differ(self, *names: str) -> None:
        """Both parties state transactions, with different amounts."""
        self.publish(SELLER, *((name, 7_000) for name in names))
        self.publish(BANK, *((name, 5_000) for name in names))

    def acknowledge(self, name: str) -> None:
        body = Acknowledge(AGREEMENT.name, 0, name, 1)
        sign = operation_of(OperationKind.ACKNOWLEDGE, Purpose.APPROVE, body)
        (future,) = self.ordering.publish([(self.ledger.party("bank"), sign)])
        assert future.result().receipt.result.outcome is ItemOutcome.ACCEPTED
        self.desk.tell()

    def close(self) -> None:
        self.desk.stop()
        self.outbox.close()
        self.ordering.close()


@contextlib.contextmanager
def small(
    directory: Path, clock: Callable[[], int] = now_us, agreement: Agreement = AGREEMENT
) -> Iterator[Small]:
    house = Small(directory, clock, agreement)
    try:
        yield house
    finally:
        house.close()


def write_alarms(directory: Path, url: str, *rules: str) -> None:
    """A file with one webhook, called ops, and these rules, each told at once."""
    text = f'[channels.ops]\ntype = "webhook"\nurl = "{url}"\nsecret_file = "ops.secret"\n'
    for rule in rules:
        text += f'\n[[rules]]\nchannels = ["ops"]\n{rule}\n'
    (directory / ALARMS_FILE).write_text(text, encoding="utf-8")
