"""The rules at speed: block in; statuses, events and new state out; nothing else.

Start reading in `machine.py`. The readable twin of this room is `tieout.reference`; where both
differ, docs/rules.md decides.
"""

from tieout.kernel.adjusted import Adjustment, adjustment, adjustments
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
from tieout.kernel.members import Change, Key, Party, founders
from tieout.kernel.motions import open_motion
from tieout.kernel.queries import (
    NO_VERDICT,
    Counts,
    Standing,
    Transaction,
    alarms,
    break_row,
    break_table,
    breaks,
    breaks_of,
    changes,
    coming_into_force,
    counts,
    must_agree_to,
    opened_us,
    parties,
    row_statuses,
    signatories,
    standing,
    standings,
    stated_ids,
    transaction,
    unjudged,
    upcoming_parties,
    validators,
    votes_needed,
    whom_it_needs,
)
from tieout.kernel.reading import located, slots_of, statuses_of
from tieout.kernel.selftest import SelfTestError, warm
from tieout.kernel.snapshot import SnapshotError, SnapshotRoom, dump, load, log_frontier
from tieout.kernel.state import Motion, PoisonedError, State, initial_state, reserve
from tieout.kernel.still import Still, StillPart
from tieout.kernel.timeline import timeline
from tieout.kernel.timing import next_deadline_us
from tieout.kernel.urgency import urgency_of

__all__ = [
    "NO_VERDICT",
    "Adjustment",
    "Change",
    "Counts",
    "Key",
    "Motion",
    "Party",
    "PoisonedError",
    "SelfTestError",
    "SnapshotError",
    "SnapshotRoom",
    "Standing",
    "State",
    "Still",
    "StillPart",
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
    "changes",
    "coming_into_force",
    "counts",
    "dump",
    "founders",
    "initial_state",
    "load",
    "located",
    "log_frontier",
    "members_document",
    "must_agree_to",
    "next_deadline_us",
    "open_motion",
    "opened_us",
    "parties",
    "prospect",
    "reserve",
    "row_statuses",
    "signatories",
    "slot_images",
    "slots_of",
    "standing",
    "standings",
    "state_digest",
    "stated_ids",
    "statuses_of",
    "timeline",
    "transaction",
    "unjudged",
    "upcoming_parties",
    "urgency_of",
    "validators",
    "votes_needed",
    "vouch",
    "warm",
    "whom_it_needs",
]
