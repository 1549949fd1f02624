"""A wire between a client and a node that breaks where it is told to."""

import contextlib
import socket
import threading
from collections.abc import Sequence
from typing import Self


class Relay:
    """Hands bytes on between whoever connects to `port` and a node, one connection at a time.

    The first connection breaks after the first of `cuts` bytes of the node, the second after the
    second, and so on; the rest hold.
    """

    def __init__(self, node_port: int, cuts: Sequence[int]) -> None:
        self._node_port = node_port
        self._cuts = iter(cuts)
        self.connections = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                self.connections += 1
                node = socket.create_connection(("127.0.0.1", self._node_port))
                with client, node:
                    there = threading.Thread(target=_hand_on, args=(client, node, None))
                    there.start()
                    _hand_on(node, client, next(self._cuts, None))
                    for line in (client, node):
                        with contextlib.suppress(OSError):
                            line.shutdown(socket.SHUT_RDWR)
                    there.join(10)


def _hand_on(giving: socket.socket, taking: socket.socket, left: int | None) -> None:
    """Hand bytes on until one of the two ends, or so many have been handed on."""
    with contextlib.suppress(OSError):
        while left is None or left > 0:
            piece = giving.recv(65_536 if left is None else min(left, 65_536))
            if not piece:
                break
            taking.sendall(piece)
            left = None if left is None else left - len(piece)
    with contextlib.suppress(OSError):
        taking.shutdown(socket.SHUT_WR)
