"""The breaks behind an alarm, as the read models have them."""

from collections.abc import Sequence
from typing import Final

from tieout.node.alarms.findings import Details, Trouble
from tieout.node.stream import Happening
from tieout.projections.errors import ProjectionError
from tieout.projections.filters import BreakFilter
from tieout.projections.lists import Turn
from tieout.projections.reader import Reader

_PAGE: Final = Turn(size=100, newest_first=True)


def troubles_of(reader: Reader) -> Details:
    """What asks a reader; it knows nothing before the block of the alarm has been folded.

    Breaks that were open when the alarm was raised are told, also those that are closed by now.
    """

    def details(told: Happening) -> Sequence[Trouble] | None:
        chosen = BreakFilter(
            agreement=told.agreement,
            originator=told.originator,
            transaction_id=told.transaction_id,
            is_open=None,
            until_height=told.height + 1,
        )
        try:
            page = reader.breaks(chosen, _PAGE)
        except ProjectionError:
            return None
        if page.height < told.height:
            return None
        return [
            Trouble(
                each.kind,
                each.field,
                each.role,
                each.reported,
                each.benchmark,
                each.difference,
                each.currency,
                each.severity,
            )
            for each in page.items
            if each.closed_height is None or each.closed_height > told.height
        ]

    return details
