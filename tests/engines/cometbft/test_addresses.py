"""Addresses for nodes: different, free, and out of reach of outgoing connections."""

import socket

from tieout.engines.cometbft import addresses


def test_addresses_differ_and_can_be_listened_at() -> None:
    found = addresses.free_addresses(8)
    assert len(set(found)) == 8
    for each in found:
        host, port = each.rsplit(":", 1)
        assert addresses.FIRST_PORT <= int(port) < addresses.LAST_PORT < 32_768
        with socket.create_server((host, int(port))):
            pass


def test_an_address_in_use_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not addresses._is_free(taken.getsockname()[1])
