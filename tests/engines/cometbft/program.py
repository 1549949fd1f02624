"""A program that publishes: what it has not stated yet, in small batches, until all is stated.

    python -m tests.engines.cometbft.program NODE ROLE COUNT

Run again after whatever interruption it goes on; it prints a line for each receipt.
"""

import sys
from concurrent.futures import Future
from pathlib import Path

from tests.engines.cometbft.consortium import WAIT_S
from tests.engines.ledgers import AGREEMENT, rows
from tieout import kernel
from tieout.engines.cometbft.sending import Sender
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.receipt import Receipt
from tieout.units.ids import unpad

ROWS = 3


def main(directory: Path, role: int, count: int) -> None:
    with Sender.open(directory, away_s=WAIT_S) as sender:
        sender.settle()
        with EmbeddedLedger.open(directory, read_only=True) as ledger:
            name = AGREEMENT.roles[role]
            stated = kernel.stated_ids(ledger.state, AGREEMENT.name, name, ledger.time_us)
        known = {unpad(each) for each in stated["id"].tolist()}
        missing = [each for each in (f"K-{i}" for i in range(count)) if each not in known]
        for first in range(0, len(missing), ROWS):
            batch = rows(*((each, 100) for each in missing[first : first + ROWS]))
            sender.batch(AGREEMENT, role, batch).add_done_callback(tell)
        sender.settle()


def tell(sent: Future[Receipt]) -> None:
    sys.stdout.write(f"{sent.result().height}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
