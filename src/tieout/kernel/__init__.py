"""The rules at speed: block in; statuses, events and new state out; nothing else.

Start reading in `machine.py`. The readable twin of this room is `tieout.reference`; where both
differ, docs/rules.md decides.
"""

from tieout.kernel.admission import admission, prospect
from tieout.kernel.batches import vouch
from tieout.kernel.digest import (
    adjustment_images,
    app_hash,
    members_document,
    slot_images,
    state_digest,
)
from tieout.kernel.machine import apply_block
from tieout.kernel.queries import (
    Adjustment,
    Counts,
    Standing,
    Transaction,
    adjustment,
    adjustments,
    alarms,
    break_row,
    break_table,
    breaks,
    breaks_of,
    counts,
    opened_us,
    parties,
    standing,
    standings,
    stated_ids,
    transaction,
    unjudged,
    validators,
)
from tieout.kernel.reading import located, slots_of, statuses_of
from tieout.kernel.selftest import SelfTestError, warm
from tieout.kernel.snapshot import SnapshotError, SnapshotRoom, dump, load, log_frontier
from tieout.kernel.state import PoisonedError, State, initial_state, reserve

__all__ = [
    "Adjustment",
    "Counts",
    "PoisonedError",
    "SelfTestError",
    "SnapshotError",
    "SnapshotRoom",
    "Standing",
    "State",
    "Transaction",
    "adjustment",
    "adjustment_images",
    "adjustments",
    "admission",
    "alarms",
    "app_hash",
    "apply_block",
    "break_row",
    "break_table",
    "breaks",
    "breaks_of",
    "counts",
    "dump",
    "initial_state",
    "load",
    "located",
    "log_frontier",
    "members_document",
    "opened_us",
    "parties",
    "prospect",
    "reserve",
    "slot_images",
    "slots_of",
    "standing",
    "standings",
    "state_digest",
    "stated_ids",
    "statuses_of",
    "transaction",
    "unjudged",
    "validators",
    "vouch",
    "warm",
]
