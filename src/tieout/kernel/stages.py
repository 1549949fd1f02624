"""Stages in compiled code: which plan holds, what stands beside a slot, what a stage hands on.

All stages of a transaction stand in one book, and each slot knows those beside it (R-STAGE-1). The
plan of a book with stages is one plan for each, one behind the other, so everything else here and
elsewhere is written as if there were one stage.
"""

from typing import Any, Final

import numpy as np

from tieout.compiled.loops import helper, merged
from tieout.compiled.memory import Int64, load8, load64, store8, store64
from tieout.kernel import layout as at
from tieout.kernel.index import find
from tieout.kernel.telling import mark_pages
from tieout.kernel.words import hash_key
from tieout.wire.codes import Status

_MATCHED: Final = np.int64(Status.MATCHED)


@merged
def plan_at(plan: Any, stage: Int64) -> Any:
    """The plan of a stage: of the one plan there is, where there are no stages."""
    words = plan[at.P_STAGE_WORDS]
    return plan[stage * words : (stage + 1) * words]


@helper
def beside(plan: Any, slots: Any, base: Int64, link: Int64) -> Int64:
    """Where the slot of the stage before (PREVIOUS) or behind (FOLLOWING) begins, −1 for none.

    Only where there are stages.
    """
    other = load64(slots, base + plan[at.P_LINKS] + link)
    return (other - 1) * plan[at.P_SLOT_BYTES] if other != 0 else np.int64(-1)


@helper
def is_final(slots: Any, base: Int64) -> bool:
    """R-STAGE-3, for a slot that has a verdict."""
    return load8(slots, base + at.STATUS) == _MATCHED


@helper
def is_out_of_order(plan: Any, slots: Any, base: Int64) -> bool:
    """Whether a later stage stands on one that is not final (R-STAGE-3)."""
    if plan[at.P_LINKS] == 0 or load8(slots, base + at.KEY_STAGE) == 0:
        return False
    before = beside(plan, slots, base, np.int64(at.PREVIOUS))
    return before < 0 or not is_final(slots, before)


@helper
def link(plan: Any, slots: Any, slot_marks: Any, serial: Int64, table: Any, secret: Any) -> None:
    """Let a slot that was just opened, and is not in the table yet, know those beside it.

    Its own key serves as theirs for the search.
    """
    slot_bytes = plan[at.P_SLOT_BYTES]
    base = serial * slot_bytes
    stage = load8(slots, base + at.KEY_STAGE)
    for side in range(2):
        other_stage = stage - 1 + 2 * side
        if other_stage < 0 or other_stage >= plan[at.P_STAGES]:
            continue
        store8(slots, base + at.KEY_STAGE, other_stage)
        other = find(table, slots, slot_bytes, hash_key(slots, base, secret), slots, base)
        store8(slots, base + at.KEY_STAGE, stage)
        if other >= 0:
            mine, theirs = plan[at.P_LINKS] + 8 * side, plan[at.P_LINKS] + 8 * (1 - side)
            store64(slots, base + mine, other + 1)
            store64(slots, other * slot_bytes + theirs, serial + 1)
            mark_pages(slot_marks, other * slot_bytes, slot_bytes)
