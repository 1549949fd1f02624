"""A party's directory: under it stand the ledgers of consortia of which the party is a member."""

from pathlib import Path
from typing import Final

LEDGERS: Final = "ledgers"
"""In a party's directory: one directory for each ledger, by the ledger's name."""


def ledgers_of(party: Path) -> list[Path]:
    """The directories of the ledgers in a party's directory, by name; none in any other."""
    folder = party / LEDGERS
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
