"""Events: what a block changed, as fixed-width rows in the order in which it happened.

Their bytes are chained into the app hash, so two implementations that agree on events agree on
every verdict. What each kind puts into which column stands in docs/formats/events.md.
"""

from typing import Final

import numpy as np

EVENT_DTYPE: Final = np.dtype(
    [
        ("kind", "u1"),
        ("role", "u1"),
        ("field", "u1"),
        ("detail", "u1"),
        ("agreement", "<u2"),
        ("row", "<u2"),
        ("item", "<u4"),
        ("extra", "<u4"),
        ("serial", "<u8"),
    ]
)
EVENT_BYTES: Final = EVENT_DTYPE.itemsize
