"""Where the passphrase of sealed keys comes from.

In this order: a file that was named, the file or the passphrase in the environment, a person at
the terminal. A program without any of them says so instead of waiting.
"""

import getpass
import os
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tieout.engines.errors import EngineError

FILE_VARIABLE: Final = "TIEOUT_KEYS_PASSPHRASE_FILE"
VARIABLE: Final = "TIEOUT_KEYS_PASSPHRASE"
MIN_CHARACTERS: Final = 12
"""Of a new one: as of a password (NIST SP 800-63B asks for length, not for rules)."""
MAX_BYTES: Final = 1_024
"""So that nobody makes us hash a book."""

Passphrase = Callable[[Path], bytes]
"""Asked with the key file's path when it is opened. Raises EngineError when there is none."""


def from_file(path: Path) -> bytes:
    """The passphrase in a file: its text without the end of the line. Raises EngineError."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 2).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError(f"no passphrase can be read from {path}: {error}") from error
    return encoded(text.removesuffix("\n").removesuffix("\r"))


def encoded(text: str) -> bytes:
    """A passphrase as it is hashed: UTF-8 of its composed form (NFC), since keyboards differ.

    Raises EngineError when it is empty or too long.
    """
    data = unicodedata.normalize("NFC", text).encode()
    if not 0 < len(data) <= MAX_BYTES:
        raise EngineError(f"a passphrase has 1 to {MAX_BYTES:,} bytes")
    return data


def check_new(passphrase: bytes) -> None:
    """Raise EngineError for a new passphrase that is too short."""
    if len(passphrase.decode()) < MIN_CHARACTERS:
        raise EngineError(
            f"a passphrase has {MIN_CHARACTERS} characters at least", "several words are good"
        )


def stated(file: Path | None) -> Passphrase:
    """The passphrase of a file that was named; without one, as `found` finds it."""
    return found if file is None else lambda _: from_file(file)


def found(path: Path) -> bytes:
    """From the environment, else from a person at the terminal. Raises EngineError."""
    if FILE_VARIABLE in os.environ:
        return from_file(Path(os.environ[FILE_VARIABLE]))
    if VARIABLE in os.environ:
        return encoded(os.environ[VARIABLE])
    return prompted(f"Passphrase of {path}: ")


def is_in_environment() -> bool:
    """Whether the environment says a passphrase, or where one is."""
    return FILE_VARIABLE in os.environ or VARIABLE in os.environ


def prompted_twice(question: str, once_more: str) -> bytes:
    """A new passphrase that a person types twice. Raises EngineError when they differ."""
    first = prompted(question)
    check_new(first)
    if prompted(once_more) != first:
        raise EngineError("the two are not the same; nothing was changed")
    return first


def prompted(question: str) -> bytes:
    """What a person types, unseen. Raises EngineError when there is nobody to ask."""
    if not sys.stdin.isatty():
        raise EngineError(
            "a passphrase is needed, and there is nobody to ask",
            f"name a file that holds it in {FILE_VARIABLE}",
        )
    try:
        return encoded(getpass.getpass(question))
    except EOFError as error:
        raise EngineError("no passphrase was typed") from error
