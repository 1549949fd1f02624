"""How results are printed: for people on a terminal, as JSON for programs."""

import sys
from collections.abc import Callable, Iterable
from typing import Any

import msgspec


def print_json(value: Any) -> None:
    """One JSON document on standard output, with a line end."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    sys.stdout.buffer.flush()


def print_json_list(name: str, values: Iterable[Any], rest: Callable[[], dict[str, Any]]) -> None:
    """One JSON object on standard output, whose list `name` is written as it comes.

    `rest` is asked for the other keys when the list has ended.
    """
    out = sys.stdout.buffer
    out.write(b"{\n" + msgspec.json.encode(name) + b": [")
    between = b"\n"
    for value in values:
        out.write(between + msgspec.json.encode(value))
        between = b",\n"
    out.write(b"\n]")
    for key, value in rest().items():
        out.write(b",\n" + msgspec.json.encode(key) + b": " + msgspec.json.encode(value))
    out.write(b"\n}\n")
    out.flush()


def say(text: str = "") -> None:
    """One line for people, on standard error, so that standard output stays clean for data."""
    print(text, file=sys.stderr)
