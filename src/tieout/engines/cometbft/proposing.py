"""Proposals: which of the waiting items go into a block, in which order, and which are accepted.

Only a block takes an item out of every node's mempool. So an item that will be refused, or whose
time has passed, goes into the block as well, behind the others, as far as there is room. What is
left out are items that no correct node has taken in the first place, whatever its state: bytes
that are no item, and items of another ledger. A proposal with one of those, or with more items than
a block may have, is not from a correct node, and voted down; every other one is accepted, also with
items that look refused here: its proposer may have been a block ahead.
"""

from collections.abc import Iterable, Sequence

from tieout import kernel
from tieout.engines.cometbft.framing import encode_length
from tieout.engines.cometbft.limits import MAX_BLOCK_ITEMS
from tieout.wire.codes import ItemOutcome

NEVER_GOOD = (ItemOutcome.MALFORMED, ItemOutcome.WRONG_LEDGER)
"""Outcomes that do not depend on the state."""
WORTH_A_PLACE = (ItemOutcome.ACCEPTED, ItemOutcome.EQUIVOCATION)
"""What a block should have first; an equivocation is proof against its signer."""


def arranged(
    state: kernel.State, items: Sequence[bytes], time_us: int, max_bytes: int
) -> list[bytes]:
    """The items of a block of at most `max_bytes`, as CometBFT counts them, in their order."""
    first: list[bytes] = []
    last: list[bytes] = []
    for item in items:
        prospect = kernel.prospect(state, item, time_us)
        if prospect not in NEVER_GOOD:
            (first if prospect in WORTH_A_PLACE else last).append(item)
    return _fitting([*first, *last], max_bytes)


def is_acceptable(state: kernel.State, items: Sequence[bytes], time_us: int) -> bool:
    """Whether a correct node may have proposed these items."""
    return len(items) <= MAX_BLOCK_ITEMS and not any(
        kernel.prospect(state, item, time_us) in NEVER_GOOD for item in items
    )


def _fitting(items: Iterable[bytes], max_bytes: int) -> list[bytes]:
    """As many as fit; a smaller one may still fit where a large one does not."""
    chosen: list[bytes] = []
    room = max_bytes
    for item in items:
        size = 1 + len(encode_length(len(item))) + len(item)
        if size <= room and len(chosen) < MAX_BLOCK_ITEMS:
            chosen.append(item)
            room -= size
    return chosen
