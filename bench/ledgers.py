"""Ledgers for measuring: begun in an empty folder, the agreement in force, transactions open."""

import shutil
from pathlib import Path

import numpy as np

from bench.batches import batches, bench_agreement
from tieout import kernel
from tieout.engines.embedded.ledger import EmbeddedLedger, found_ledger
from tieout.wire.codes import ItemOutcome
from tieout.wire.limits import MAX_BATCH_ROWS

START_US = 1_757_986_200_000_000
"""16 September 2025, 09:30 in UTC+8."""


def new_ledger(directory: Path) -> EmbeddedLedger:
    """A ledger of three parties in this folder, which is emptied first."""
    shutil.rmtree(directory, ignore_errors=True)
    agreement = bench_agreement()
    found_ledger(directory, agreement.roles, START_US)
    ledger = EmbeddedLedger.open(directory)
    ledger.enact(agreement, START_US)
    return ledger


def open_transactions(ledger: EmbeddedLedger, count: int, further: int = 0) -> None:
    """Let the seller open transactions 0 to count − 1, durably.

    There is room for `further` ones behind them, reserved before as `reconcile` does it.
    """
    agreement = bench_agreement()
    if further:
        kernel.reserve(ledger.state, agreement.name, count + further)
    publisher = ledger.publisher(1)
    for item in batches(agreement, publisher, 0, np.arange(count), MAX_BATCH_ROWS):
        apply_accepted(ledger, item)
    ledger.sync()


def apply_accepted(ledger: EmbeddedLedger, item: bytes) -> None:
    """Apply one batch in a block of its own; it must be accepted, with all its rows."""
    result = ledger.apply([item], ledger.time_us + 1_000)
    (only,) = result.items
    assert only.outcome is ItemOutcome.ACCEPTED
    assert sum(only.rows) == only.rows[0]
