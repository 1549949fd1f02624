"""What the validators signed about a block, asked of a node, and verified from the genesis on."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tieout.engines.cometbft.settings import rpc_address
from tieout.engines.errors import NoVotes
from tieout.evidence.ordering import founding_trust
from tieout.evidence.packform import Consensus
from tieout.sdk.client import LedgerClient
from tieout.sdk.errors import SdkError
from tieout.sdk.light import LightClient
from tieout.sdk.transport import Node
from tieout.wire.genesis import Genesis

WAIT_S: Final = 10.0
"""The header after a block has what is signed about it; it comes within a second."""
_POLL_S: Final = 0.05


def votes_of(directory: Path, genesis: Genesis) -> Callable[[int], Consensus]:
    """What an evidence pack shows of the votes on a height, by the node in a directory.

    The function that is returned asks when it is called. It raises NoVotes when the node does
    not answer, or shows what was not agreed on.
    """

    def votes(height: int) -> Consensus:
        try:
            with Node(*rpc_address(directory)) as node:
                client = LedgerClient(node)
                until = time.monotonic() + WAIT_S
                while client.height() <= height and time.monotonic() < until:
                    time.sleep(_POLL_S)
                return LightClient(node, founding_trust(genesis)).consensus_at(height)
        except SdkError as error:
            raise NoVotes(
                f"the votes on block {height} cannot be had: {error}",
                f"start the node: tieout network run {directory}",
            ) from error

    return votes
