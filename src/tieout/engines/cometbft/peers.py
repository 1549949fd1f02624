"""Which nodes may connect: a list in the node's file, which may be changed while the node runs."""

import contextlib
import os
from pathlib import Path
from typing import Final

import msgspec

from tieout.engines.cometbft.places import NODE_FILE
from tieout.engines.cometbft.settings import NodeFile, read_node
from tieout.engines.errors import EngineError

_FORMAT: Final = 1


class Allowed:
    """The ids of the nodes that may connect, as the file says now.

    A file that cannot be read changes nothing: what was allowed stays allowed.
    """

    def __init__(self, directory: Path) -> None:
        """Raises EngineError when the file cannot be read now."""
        self._directory = directory
        self._peers = read_allowed(directory)

    def __contains__(self, node_id: object) -> bool:
        with contextlib.suppress(EngineError):
            self._peers = read_allowed(self._directory)
        return self._peers is None or node_id in self._peers


def read_allowed(directory: Path) -> tuple[str, ...] | None:
    """The ids in a node's file; None: any node may connect. Raises EngineError."""
    return read_node(directory)[1].peers


def write_allowed(directory: Path, peers: tuple[str, ...]) -> None:
    """Write a node's file anew, whole or not at all. Raises EngineError."""
    path = directory / NODE_FILE
    new = path.with_name(path.name + ".new")
    try:
        with new.open("wb") as file:
            file.write(msgspec.json.encode(NodeFile(_FORMAT, peers)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise EngineError(f"{path} cannot be written: {error.strerror}") from error
