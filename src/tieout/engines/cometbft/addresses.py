"""Addresses on this machine for nodes that run beside each other.

A port that the system picks comes from the range that outgoing connections are given theirs from;
between being looked for and being listened at it may go to one of those. So ports are drawn from
below that range, and tried.
"""

import secrets
import socket
from typing import Final

FIRST_PORT: Final = 20_000
"""Below it stand the ports of services that people know."""
LAST_PORT: Final = 32_000
"""Outgoing connections get theirs from 32,768 on (Linux), or from 49,152 on (elsewhere)."""


def free_addresses(count: int) -> list[str]:
    """Different addresses on loopback, `host:port`, at which nobody listens now.

    Raises OSError when so many cannot be found.
    """
    found: set[int] = set()
    for _ in range(100 * count):
        if len(found) == count:
            break
        port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT)
        if port not in found and _is_free(port):
            found.add(port)
    if len(found) < count:
        raise OSError(f"{count} free ports between {FIRST_PORT} and {LAST_PORT} were not found")
    return [f"127.0.0.1:{port}" for port in sorted(found)]


def _is_free(port: int) -> bool:
    with socket.socket() as trying:
        try:
            trying.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
