"""A party's adjuster in the demonstration: the connector's, at the books of one role."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tieout import kernel
from tieout.agreement.model import Agreement
from tieout.connectors.adjuster import Adjuster as BooksAdjuster
from tieout.connectors.adjuster import Correction
from tieout.connectors.books_sqlite import SqliteBooks
from tieout.demo.books import HOUSES
from tieout.demo.cast import Role

REASON = "brought to the agreed value"


class Adjuster:
    """Works for one role, through the connector; knows nothing of how the books were written."""

    def __init__(self, folder: Path, role: Role, agreement: Agreement) -> None:
        """The books must be there. Raises BooksError when they do not fit."""
        self._adjuster = BooksAdjuster(SqliteBooks(HOUSES[role].config(folder), agreement, role))

    def close(self) -> None:
        """Close the books."""
        self._adjuster.close()

    def post(self, adjustment: kernel.Adjustment, standing: kernel.Standing, now_us: int) -> None:
        """Bring the books from what the role published to the benchmarks.

        Raises BooksChangedError when the books say something else than was published.
        """
        correction = Correction(
            adjustment_id=adjustment.id,
            transaction_id=adjustment.transaction_id.decode(),
            fields=adjustment.fields,
            benchmarks=adjustment.benchmarks,
            presence=standing.presence,
            values=standing.values,
        )
        self._adjuster.post(correction, REASON, now_us)

    def restated(self, transaction_id: str, revision: int) -> npt.NDArray[np.uint8]:
        """What the books say now, as a row (uint8[row_bytes]) with this revision."""
        row = self._adjuster.restated(transaction_id, revision)
        if row is None:
            raise ValueError(f"{transaction_id} is not in the books")
        return np.frombuffer(row, np.uint8)
