"""What stands in the directory of a ledger which a node serves (`PARTY/ledgers/NAME`).

Both of its processes have it as their working directory.
"""

from typing import Final

GENESIS_FILE: Final = "genesis.json"
"""The ledger's genesis; its id is the hash of this. Every member has the same file."""
NODE_FILE: Final = "node.json"
"""What the application must know beside it: which nodes may connect. It makes the directory that
of a ledger which a node serves."""
JOURNAL: Final = "journal"
"""Segments, index and snapshots."""
SOCKET: Final = "app.sock"
"""Where CometBFT finds the application. Short, as paths of sockets must be."""
COMETBFT: Final = "cometbft"
"""CometBFT's home: `config/` and `data/`."""
LOGS: Final = "log"
"""What both processes say."""
OUTBOX: Final = "outbox"
"""What the party has signed and not yet seen in a block."""
