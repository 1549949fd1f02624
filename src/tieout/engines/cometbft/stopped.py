"""Why CometBFT stands still for good while its process goes on, read off its log.

It ends its consensus, says so in one line, and goes on answering; nothing in its RPC tells. The
cases are those of docs/network.md#when-a-node-stands-still.
"""

from pathlib import Path
from typing import Final

from tieout.engines.cometbft.places import LOGS

TAIL_BYTES: Final = 256 * 1024
"""How much of the end of a log is looked at: some thousand lines, at one a block."""
REASONS: Final = {
    b"is too far in the future": "this machine's clock is more than a minute behind the others':"
    " set it, and start the network node again",
    b"wrong Block.Header.AppHash": "this node judged a block otherwise than the others:"
    " keep its files, and see docs/network.md",
    b"CONSENSUS FAILURE": "its consensus has failed: see log/cometbft.log",
}
"""By what the log says, the most telling first."""


def why_stopped(directory: Path) -> str:
    """The reason that the log of a ledger's CometBFT gives near its end; empty without any.

    Of a node that stands still: one that was started again since then has said it, too.
    """
    try:
        with (directory / LOGS / "cometbft.log").open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
            tail = file.read()
    except OSError:
        return ""
    return next((words for mark, words in REASONS.items() if mark in tail), "")
