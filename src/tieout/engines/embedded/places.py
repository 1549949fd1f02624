"""What stands in the directory of a ledger."""

from typing import Final

GENESIS_FILE: Final = "genesis.json"
"""Who takes part; the ledger's id is its hash. Written last: it makes the directory a ledger."""
KEYS_FILE: Final = "keys.json"
"""Private keys, for their owner's eyes alone."""
JOURNAL: Final = "journal"
"""Segments, index and snapshots."""
