"""What stands in the directory of a node."""

from pathlib import Path
from typing import Final

SETTINGS_FILE: Final = "node.toml"
STORE_FILE: Final = "node.sqlite"
"""Users, tokens, sessions, the audit log, and the answers to requests with a key."""
READ_MODELS: Final = "read-models.sqlite"
"""The read models, where no other database is named. Can be deleted: they are folded anew."""
SPOOL: Final = "spool"
"""Bodies of bulk requests while they are read; emptied at every start."""
OUTBOX_FILE: Final = "alarms.sqlite"
"""What is still to be told to people, and what was told."""


def database_url(directory: Path, stated: str) -> str:
    """The URL of the read models: as the settings state it, else of the file in the directory."""
    return stated or f"sqlite:///{directory.absolute() / READ_MODELS}"
