"""Leaves of the log: an item's signed bytes with their place and time in the ledger (R-ITEM-2).

The leaf binds the block time, so that a proof of a record also proves when it was said. Layout:
docs/formats/log.md.
"""

import struct
from typing import Final

from tieout.wire.codes import ItemOutcome

LEAF_TAG: Final = b"tieout/leaf/1\0\0\0"
_LEAF: Final = struct.Struct("<16sQqIHH")


def leaf_bytes(
    height: int, time_us: int, item: int, outcome: ItemOutcome, signed: bytes, signature: bytes
) -> bytes:
    """Return the data of a leaf; its RFC 6962 leaf hash goes into the log.

    `item` is the index within the block.
    """
    return _LEAF.pack(LEAF_TAG, height, time_us, item, outcome, 0) + signed + signature
