"""How results are printed: for people on a terminal, as JSON for programs."""

import sys
from typing import Any

import msgspec


def print_json(value: Any) -> None:
    """One JSON document on standard output, with a line end."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    sys.stdout.buffer.flush()


def say(text: str = "") -> None:
    """One line for people, on standard error, so that standard output stays clean for data."""
    print(text, file=sys.stderr)
