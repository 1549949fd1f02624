"""Small embedded ledgers, and signed batches for them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tieout.agreement.parse import parse_agreement
from tieout.engines.embedded.ledger import EmbeddedLedger, found_ledger

AGREEMENT = parse_agreement(
    """
    name = "pay"
    version = 1
    roles = ["seller", "bank"]

    [fields.amount]
    type = "money"
    scale = 2

    [benchmark]
    amount = "bank"

    [adjustment]
    mode = "compensate"
    """
)
SELLER, BANK = 0, 1
START_US = 1_770_000_000_000_000


def rows(*stated: tuple[str, int], revision: int = 1) -> NDArray[np.uint8]:
    """One row for each (id, amount in cents)."""
    layout = AGREEMENT.layout
    made = np.zeros(len(stated), layout.dtype())
    made["id"] = [name.encode() for name, _ in stated]
    made["revision"] = revision
    made["presence"] = 1
    made["f_amount"] = [cents for _, cents in stated]
    return made.view(np.uint8).reshape(len(stated), layout.row_bytes)


def founded(directory: Path) -> Path:
    """A ledger of the agreement's roles, without a block."""
    found_ledger(directory, AGREEMENT.roles, START_US)
    return directory


def opened(directory: Path) -> EmbeddedLedger:
    """A ledger, open, with the agreement in force."""
    if not directory.exists():
        founded(directory)
    ledger = EmbeddedLedger.open(directory)
    ledger.enact(AGREEMENT, max(START_US, ledger.time_us))
    return ledger


def publish(ledger: EmbeddedLedger, role: int, *stated: tuple[str, int], revision: int = 1) -> None:
    """Publish rows as one durable batch, a second after the last block."""
    party = ledger.party(AGREEMENT.roles[role])
    item = ledger.publisher(party).batch(AGREEMENT, role, rows(*stated, revision=revision))
    ledger.apply([item], ledger.time_us + 1_000_000)
    ledger.sync()
