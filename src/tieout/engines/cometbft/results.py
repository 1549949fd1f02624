"""What becomes of an item, as CometBFT carries it: code and data of a transaction's result.

Both go into the hash of results in the next header, so each validator signs for them. Layout:
docs/formats/abci.md.
"""

import struct
from typing import Final

from tieout.wire.block import ItemResult
from tieout.wire.codes import ItemOutcome, RowOutcome

NO_LEAF: Final = (1 << 64) - 1
NO_BAD_ROW: Final = (1 << 32) - 1
_DATA: Final = struct.Struct(f"<QI{len(RowOutcome)}I")


def result_data(result: ItemResult) -> bytes:
    """Leaf, first malformed row and counts of rows by outcome; 40 bytes."""
    return _DATA.pack(
        NO_LEAF if result.leaf is None else result.leaf,
        NO_BAD_ROW if result.bad_row is None else result.bad_row,
        *(result.rows or (0,) * len(RowOutcome)),
    )


def parse_result(code: int, data: bytes) -> ItemResult:
    """The result that a code and data stand for. Raises ValueError for any other."""
    if len(data) != _DATA.size:
        raise ValueError(f"the data of a result has {_DATA.size} bytes, not {len(data)}")
    leaf, bad_row, *rows = _DATA.unpack(data)
    return ItemResult(
        ItemOutcome(code),
        None if leaf == NO_LEAF else leaf,
        tuple(rows) if any(rows) else (),
        None if bad_row == NO_BAD_ROW else bad_row,
    )
