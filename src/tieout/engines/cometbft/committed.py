"""What is committed: the parts of the app hash after each of the latest heights.

A question is answered from here and from the journal, never from a block that is not durable yet.
"""

from collections import deque
from dataclasses import dataclass

from tieout import kernel
from tieout.engines.cometbft.limits import KEPT_PARTS


@dataclass(frozen=True, slots=True)
class Committed:
    """A height, and what its app hash covers (docs/formats/state.md); hashes have 32 bytes.

    Header `height + 1` of CometBFT carries the app hash.
    """

    height: int
    time_us: int
    app_hash: bytes
    log_size: int
    log_root: bytes
    events_chain: bytes
    members_hash: bytes
    agreements_hash: bytes
    state_digest: bytes


def committed(state: kernel.State) -> Committed:
    """The parts for a state; of a judged block until it is durable, so mind when to publish it."""
    return Committed(
        height=state.height,
        time_us=state.time_us,
        app_hash=kernel.app_hash(state),
        log_size=state.log.size,
        log_root=state.log.root(),
        events_chain=state.events_chain,
        members_hash=state.members_hash,
        agreements_hash=state.agreements_hash,
        state_digest=state.state_digest,
    )


class History:
    """The latest heights; the newest is what this node answers for."""

    def __init__(self, newest: Committed) -> None:
        self._heights: deque[Committed] = deque([newest], maxlen=KEPT_PARTS)

    @property
    def newest(self) -> Committed:
        """The last committed height."""
        return self._heights[-1]

    def add(self, committed: Committed) -> None:
        """Take the next height."""
        self._heights.append(committed)

    def find(self, height: int) -> Committed | None:
        """A height that is still remembered; 0 stands for the newest."""
        if height == 0:
            return self.newest
        place = height - self._heights[0].height
        return self._heights[place] if 0 <= place < len(self._heights) else None
