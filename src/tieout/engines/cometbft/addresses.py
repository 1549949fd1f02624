"""Addresses on this machine for nodes that run beside each other."""

import socket


def free_addresses(count: int) -> list[str]:
    """Different addresses on loopback, `host:port`, at which nobody listens now."""
    trying = [socket.socket() for _ in range(count)]
    try:
        for each in trying:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in trying]
    finally:
        for each in trying:
            each.close()
