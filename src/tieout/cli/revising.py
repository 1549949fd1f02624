"""Files against a ledger that has records already: what is new, what changed, what is gone.

Unchanged rows are skipped. A changed row becomes the next revision of its record. Which records
are *gone* cannot be read off a file alone: yesterday's records are not in today's file, and
nobody wants to withdraw them. So a file is taken to speak for a cut-off when it has at least half
of the role's records that were opened with it; what it does not have of those is gone.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tieout import kernel
from tieout.agreement.model import Agreement
from tieout.cli.filing import FiledRole
from tieout.cli.intake import Rows
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.kernel import listing
from tieout.units.ids import unpad
from tieout.wire.codes import Action
from tieout.wire.rows import PREFIX_DTYPE

_PINNED = (
    "the transaction was opened under another version of the agreement and stays with it: reconcile"
    " this row with that version"
)
_EXPIRED = (
    "the transaction has been closed for longer than the agreement keeps it (R-KEEP-1): correct it"
    " by a new transaction"
)


@dataclass(frozen=True, slots=True)
class Gone:
    """Records on the ledger that the files no longer have."""

    agreement: Agreement
    stated: NDArray[np.void]

    def __len__(self) -> int:
        return len(self.stated)

    def ids(self) -> list[str]:
        """Their transaction ids, by code point."""
        return sorted(unpad(one) for one in self.stated["id"].tolist())

    def withdrawals(self) -> Rows:
        """One row for each that takes it back: the next revision, without values."""
        row_bytes = self.agreement.layout.row_bytes
        rows = np.zeros((len(self.stated), row_bytes), np.uint8)
        prefix = _prefix(rows)
        prefix["id"] = self.stated["id"]
        prefix["originator"] = self.stated["originator"]
        prefix["stage"] = self.stated["stage"]
        prefix["action"] = Action.WITHDRAW
        prefix["revision"] = self.stated["revision"] + 1
        return rows


class Reviser:
    """Compares one role's files with what the ledger has of that role."""

    def __init__(
        self, ledger: EmbeddedLedger, agreement: Agreement, role: FiledRole, time_us: int
    ) -> None:
        """`time_us` is the time of the run's blocks."""
        self._time_us = time_us
        self._ledger = ledger
        self._agreement = agreement
        self._role = role

    def revised(self) -> Iterator[Rows]:
        """The rows that are new or changed, with the revision they get."""
        state, name, version = self._ledger.state, self._agreement.name, self._agreement.version
        newest = state.newest[name].agreement.version
        for number, chunk in self._role.numbered_chunks():
            status, revisions = kernel.standing(
                state, name, self._role.name, chunk.rows, version, self._time_us
            )
            misplaced = {listing.OTHER_VERSION: _PINNED, listing.EXPIRED: _EXPIRED}
            if version != newest:
                misplaced[listing.NEW] = f"new transactions are opened under version {newest}"
            chosen = status == listing.CHANGED
            for what, reason in misplaced.items():
                lines = chunk.lines[status == what]
                self._role.refuse_lines(number, lines.tolist(), reason)
            if listing.NEW not in misplaced:
                chosen |= status == listing.NEW
            chosen = np.flatnonzero(chosen)
            if len(chosen):
                rows = np.ascontiguousarray(chunk.rows[chosen])
                _prefix(rows)["revision"] = revisions[chosen] + 1
                yield rows

    def vanished(self) -> Gone:
        """Records that the files should have, and have not. Ask once all files have been read."""
        state, name, version = self._ledger.state, self._agreement.name, self._agreement.version
        number = state.by_version[name, version].number
        stated = kernel.stated_ids(state, name, self._role.name, self._time_us)
        is_meant = (stated["agreement"] == number) & (stated["stage"] == self._role.part.stage)
        stated = stated[is_meant]
        if not len(stated):
            return Gone(self._agreement, stated)
        opened_us = kernel.opened_us(state, name, version)[stated["serial"].astype(np.int64)]
        is_there = np.isin(stated["id"], self._role.known.ids())
        _, day = np.unique(opened_us, return_inverse=True)
        spoken_for = 2 * np.bincount(day, weights=is_there) >= np.bincount(day)
        return Gone(self._agreement, stated[spoken_for[day] & ~is_there])


def _prefix(rows: Rows) -> NDArray[np.void]:
    """The prefixes of rows (uint8[n, row_bytes]) as a structured view."""
    width = rows.shape[1]
    dtype = np.dtype([*PREFIX_DTYPE.descr, ("values", f"V{width - PREFIX_DTYPE.itemsize}")])
    return rows.view(dtype)[:, 0]
