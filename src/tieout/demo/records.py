"""The form in which the day holds what is published: one row of an array for each record.

It is the agreement's row with a time and a sender in front, and without a salt. A record's fields
stand under the agreement's field names; a field that is blank, or that the role does not report,
is zero and has no presence bit.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from tieout.demo.cast import Role

RECORD_DTYPE: Final = np.dtype(
    [
        ("at_us", "<i8"),
        ("party", "<u2"),
        ("role", "u1"),
        ("action", "u1"),
        ("revision", "<u4"),
        ("presence", "<u8"),
        ("id", "S36"),
        ("fund", "S6"),
        ("currency", "S3"),
        ("amount", "<i8"),
        ("shares", "<i8"),
        ("nav", "<i8"),
        ("fee", "<i8"),
        ("trade_date", "<i4"),
        ("settle_date", "<i4"),
        ("remark", "S32"),
    ]
)
"""`at_us` microseconds UTC, `party` the sender's number, `role` a Role, `action` a wire Action."""

FIELDS: Final = RECORD_DTYPE.names[RECORD_DTYPE.names.index("fund") :] if RECORD_DTYPE.names else ()
"""Names of the agreement's fields in its order; bit i of `presence` is field i."""

UNITS_FIELDS: Final = ("shares", "nav")
"""What the bank does not report."""

Records = npt.NDArray[np.void]


def presence_bit(field: str) -> int:
    """The presence bit of a field of the agreement."""
    return 1 << FIELDS.index(field)


def all_present(role: Role) -> int:
    """The presence bits of a record of this role in which nothing is blank."""
    reported = FIELDS if role != Role.BANK else [f for f in FIELDS if f not in UNITS_FIELDS]
    return sum(presence_bit(field) for field in reported)
