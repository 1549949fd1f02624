"""The order in which CometBFT may call an application: its grammar, as a table, and who checks it.

A node's application writes down each call (`python -m tieout.engines.cometbft DIR --calls FILE`);
`check_calls` reads what it wrote, over any number of starts of either process. Source: the ABCI 2.0
specification, "CometBFT's expected behavior".

    start = clean-start | recovery
    clean-start = info init-chain | state-sync info
    recovery = info [init-chain]
    height = *(prepare-proposal | process-proposal) finalize-block commit

Echo, Flush, Query, CheckTx and the calls by which others are given snapshots may come at any time.
When CometBFT starts again and the application does not, Info comes again, at any point.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final


class Standing(Enum):
    """Between which calls an application is."""

    STARTED = "started"
    INFORMED = "informed"
    BETWEEN = "between blocks"
    DECIDED = "a block is decided"
    OFFERED = "a snapshot is offered"


AT_ANY_TIME: Final = frozenset(
    {"echo", "flush", "query", "check_tx", "list_snapshots", "load_snapshot_chunk"}
)

NEXT: Final[Mapping[tuple[Standing, str], Standing]] = {
    (Standing.STARTED, "info"): Standing.INFORMED,
    (Standing.STARTED, "offer_snapshot"): Standing.OFFERED,
    (Standing.OFFERED, "offer_snapshot"): Standing.OFFERED,
    (Standing.OFFERED, "apply_snapshot_chunk"): Standing.OFFERED,
    (Standing.OFFERED, "info"): Standing.INFORMED,
    (Standing.INFORMED, "info"): Standing.INFORMED,
    (Standing.INFORMED, "init_chain"): Standing.BETWEEN,
    (Standing.INFORMED, "offer_snapshot"): Standing.OFFERED,
    (Standing.INFORMED, "prepare_proposal"): Standing.BETWEEN,
    (Standing.INFORMED, "process_proposal"): Standing.BETWEEN,
    (Standing.INFORMED, "finalize_block"): Standing.DECIDED,
    (Standing.BETWEEN, "prepare_proposal"): Standing.BETWEEN,
    (Standing.BETWEEN, "process_proposal"): Standing.BETWEEN,
    (Standing.BETWEEN, "finalize_block"): Standing.DECIDED,
    (Standing.BETWEEN, "info"): Standing.INFORMED,
    (Standing.DECIDED, "commit"): Standing.BETWEEN,
    (Standing.DECIDED, "info"): Standing.INFORMED,
}
_WITH_HEIGHT: Final = frozenset({"prepare_proposal", "process_proposal", "finalize_block"})


class CallError(AssertionError):
    """A call that should not have come; `line` counts from 1."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"call {line}: {what}")
        self.line = line


def check_calls(lines: Iterable[str]) -> int:
    """The last committed height. Raises CallError at the first call out of order.

    Each line is a call, with its height where it has one, or `start`, when the process began.
    """
    standing, committed, decided = Standing.STARTED, 0, 0
    is_certain = True
    for number, line in enumerate(lines, start=1):
        call, _, rest = line.strip().partition(" ")
        if call in AT_ANY_TIME:
            continue
        if call == "start":
            # The process may have ended before the last commit was done.
            standing, is_certain = Standing.STARTED, False
            continue
        after = NEXT.get((standing, call))
        if after is None:
            raise CallError(number, f"{call} while {standing.value}")
        if call in _WITH_HEIGHT:
            height = int(rest)
            expected = {committed + 1} if is_certain else {committed, committed + 1}
            # What began from a snapshot goes on from a height that no call names.
            began_later = committed == 0 and height > 1
            if height not in expected and not began_later:
                raise CallError(number, f"{call} of block {height} after block {committed}")
            decided = height
        if call == "commit":
            committed, is_certain = decided, True
        standing = after
    return committed
