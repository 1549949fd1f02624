"""The events of a block, written down in the order in which things happen."""

import numpy as np
from numpy.typing import NDArray

from tieout.reference.transaction import Transaction
from tieout.wire.codes import NO_FIELD, NO_ITEM, NO_ROLE, NO_ROW, NO_SERIAL, EventKind
from tieout.wire.events import EVENT_DTYPE


class Events:
    """Collects the events of one block (docs/formats/events.md).

    `item` and `row` say what is being applied just now; every event is marked with them.
    """

    def __init__(self) -> None:
        self._events: list[tuple[int, ...]] = []
        self.item = NO_ITEM
        self.row = NO_ROW

    def item_is_applied(self, item: int) -> None:
        """What follows is caused by an item of the block."""
        self.item, self.row = item, NO_ROW

    def row_is_applied(self, row: int) -> None:
        """What follows is caused by a row of the item's batch."""
        self.row = row

    def nothing_is_applied(self) -> None:
        """What follows is caused by the time alone."""
        self.item, self.row = NO_ITEM, NO_ROW

    def contain(self, kind: EventKind) -> bool:
        """Whether an event of this kind was told."""
        return any(event[0] == kind for event in self._events)

    def add(
        self,
        kind: EventKind,
        *,
        role: int = NO_ROLE,
        field: int | None = None,
        detail: int = 0,
        agreement: int = 0,
        extra: int = 0,
        serial: int = NO_SERIAL,
    ) -> None:
        """Tell something that is not about one transaction."""
        self._events.append(
            (
                kind,
                role,
                NO_FIELD if field is None else field,
                detail,
                agreement,
                self.row,
                self.item,
                extra,
                serial,
            )
        )

    def tell(
        self,
        kind: EventKind,
        transaction: Transaction,
        *,
        role: int = NO_ROLE,
        field: int | None = None,
        detail: int = 0,
        extra: int = 0,
    ) -> None:
        """Tell something about a transaction."""
        self.add(
            kind,
            role=role,
            field=field,
            detail=detail,
            agreement=transaction.agreement_number,
            extra=extra,
            serial=transaction.serial,
        )

    def to_array(self) -> NDArray[np.void]:
        """All of them, as they are chained and stored."""
        return np.array(self._events, dtype=EVENT_DTYPE)
