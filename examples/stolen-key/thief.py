"""A thief: signs records of a seller with a copy of its keys, and hands them to the ledger.

    python thief.py LEDGER STOLEN FALSE.csv

STOLEN is a directory with the copied key file. Whoever has a key needs none of our programs to sign
with it, so nothing but the rules of the ledger can refuse what it signs.
"""

import csv
import sys
import time
from decimal import Decimal
from pathlib import Path

import numpy as np

from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.keyring import Roster, read_keys
from tieout.engines.publisher import Publisher
from tieout.kernel import founders

SELLER, SELLERS_ROLE = 1, 0
REVISION = 2
"""Later than what the seller itself has said, so that it counts."""


def main(directory: Path, stolen: Path, file: Path) -> None:
    """Sign the file's amounts as the seller's, and say what the ledger makes of it."""
    with EmbeddedLedger.open(directory) as ledger:
        # The thief signs as it was when the keys were copied, whatever the members have decided.
        then = Roster(founders(ledger.genesis).parties, 1)
        ring = read_keys(stolen, ledger.genesis, lambda: then)
        number = ledger.state.streams[SELLER, 0].highest_used + 1
        agreement = ledger.state.newest["fund-payment"].agreement
        records = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
        rows = np.zeros(len(records), agreement.layout.dtype())
        rows["id"] = [each["transaction_id"].encode() for each in records]
        rows["revision"], rows["presence"] = REVISION, 1
        rows["f_amount"] = [int(Decimal(each["amount"]).scaleb(2)) for each in records]
        batch = Publisher(ring, SELLER, 0, number).batch(
            agreement, SELLERS_ROLE, rows.view(np.uint8).reshape(len(records), -1)
        )
        result = ledger.apply([batch], max(time.time_ns() // 1_000, ledger.time_us))
        ledger.sync()
        print(f"block {result.height}: {result.items[0].outcome.name.lower()}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
