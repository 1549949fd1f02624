"""Events, one at a time into the buffer (docs/formats/events.md); and pages as touched."""

from typing import Any, Final

import numpy as np

from tieout.compiled.loops import helper, inlined
from tieout.compiled.memory import Int64, store8, store16, store32, store64
from tieout.kernel import layout as at
from tieout.wire.codes import NO_FIELD, NO_ROLE

NOBODY: Final = np.int64(NO_ROLE)
NOWHERE: Final = np.int64(NO_FIELD)


@helper
def tell(
    events: Any,
    cursor: Any,
    agreement: Int64,
    serial: Int64,
    kind: Int64,
    role: Int64,
    field: Int64,
    detail: Int64,
    extra: Int64,
) -> None:
    """Append an event; item and row are the cursor's. Callers keep room."""
    start = cursor[at.C_EVENTS]
    store32(events, start, kind | (role << 8) | (field << 16) | (detail << 24))
    store16(events, start + 4, agreement)
    store16(events, start + 6, cursor[at.C_ROW])
    store32(events, start + 8, cursor[at.C_ITEM])
    store32(events, start + 12, extra)
    store64(events, start + 16, serial)
    cursor[at.C_EVENTS] = start + at.EVENT_BYTES


@inlined
def mark_pages(marks: Any, start: Int64, size: Int64) -> None:
    """Mark the pages of an image as touched; an image is shorter than a page."""
    store8(marks, start >> at.PAGE_SHIFT, 1)
    store8(marks, (start + size - 1) >> at.PAGE_SHIFT, 1)
