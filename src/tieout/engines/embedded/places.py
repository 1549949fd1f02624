"""What stands in the directory of a ledger."""

from typing import Final

GENESIS_FILE: Final = "genesis.json"
"""Who takes part; the ledger's id is its hash. Written last: it makes the directory a ledger."""
JOURNAL: Final = "journal"
"""Segments, index and snapshots."""
