"""The day's records as the agreement's rows: what is signed and published."""

import numpy as np
import numpy.typing as npt

from tieout.agreement.model import Agreement
from tieout.demo.records import FIELDS, Records

PREFIX_FIELDS = ("id", "action", "revision", "presence")
"""What a record brings into a row's prefix; originator and stage are 0, the salt comes later."""


def rows_of(agreement: Agreement, records: Records) -> npt.NDArray[np.uint8]:
    """The rows of these records, uint8[n, row_bytes], without salts.

    Raises ValueError when the agreement's fields are not the day's.
    """
    if tuple(field.name for field in agreement.fields) != FIELDS:
        raise ValueError(f"the day states {', '.join(FIELDS)}; {agreement.name} does not")
    rows = np.zeros(len(records), agreement.layout.dtype())
    for name in PREFIX_FIELDS:
        rows[name] = records[name]
    for name in FIELDS:
        rows[f"f_{name}"] = records[name]
    return rows.view(np.uint8).reshape(len(records), agreement.layout.row_bytes)
