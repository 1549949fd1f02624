"""What a submitter gets back once an item is durable."""

from dataclasses import dataclass

from tieout.wire.block import BlockResult, ItemResult


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a durable item stands: its block, its place there, and what became of it."""

    height: int
    time_us: int
    item: int
    result: ItemResult
    app_hash: bytes


def receipts_of(result: BlockResult, time_us: int) -> tuple[Receipt, ...]:
    """One receipt for each item of a block."""
    return tuple(
        Receipt(result.height, time_us, position, item, result.app_hash)
        for position, item in enumerate(result.items)
    )
