"""What would become of an item that came alone, now: a filter before blocks, never a verdict.

An engine asks before it carries an item to others, and when it puts items into an order. The answer
may be another one by the time the item stands in a block, and nothing is changed by asking.
"""

from tieout.kernel.batches import has_signed_root
from tieout.kernel.items import Item, check_signer, parse_item
from tieout.kernel.sequences import Stream
from tieout.kernel.state import State
from tieout.wire.codes import ItemOutcome
from tieout.wire.operations import Operation


def admission(state: State, data: bytes | memoryview) -> ItemOutcome:
    """The first check of R-ITEM-1 that the item fails, ACCEPTED when it passes all of them.

    The checks of its own kind (R-BATCH-1, R-OP-2) are not made.
    """
    item = parse_item(data, state.genesis.rules_version)
    if item is None:
        return ItemOutcome.MALFORMED
    key = check_signer(state, item)
    if isinstance(key, ItemOutcome):
        return key
    if not has_signed_root(item):
        return ItemOutcome.WRONG_ROOT
    return _place(state, item, state.time_us)


def prospect(state: State, data: bytes | memoryview, time_us: int) -> ItemOutcome:
    """What can be said of an item without looking at signature and rows, in a block of that time.

    MALFORMED and WRONG_LEDGER do not depend on the state: what they are said of was never good.
    """
    item = parse_item(data, state.genesis.rules_version)
    if item is None:
        return ItemOutcome.MALFORMED
    content = item.content
    said = content if isinstance(content, Operation) else content.header
    if said.ledger_id != state.ledger_id:
        return ItemOutcome.WRONG_LEDGER
    return _place(state, item, time_us)


def _place(state: State, item: Item, time_us: int) -> ItemOutcome:
    stream = state.streams.get(item.stream) or Stream()
    outcome = stream.judge(item.sequence, item.digest)
    if outcome is ItemOutcome.ACCEPTED and item.valid_until_us < time_us:
        return ItemOutcome.TOO_LATE
    return outcome
