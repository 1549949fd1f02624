"""The numbers of everything that is said with a number: kinds, outcomes, statuses.

Outcomes stand in order of precedence (R-ITEM-1, R-BATCH-1, R-ROW-2), which need not be that of
their numbers. A number is never reused; the same lists stand in docs/formats/codes.md, which a test
compares with this file.
"""

from enum import IntEnum


class Purpose(IntEnum):
    """What a key may sign."""

    PUBLISH = 1
    APPROVE = 2
    GOVERN = 3
    CHECKPOINT = 4


class Action(IntEnum):
    """What a row does: it states the books as they are, or takes the role's record back."""

    STATE = 0
    WITHDRAW = 1


class OperationKind(IntEnum):
    """The control operations."""

    ENACT = 1
    CLOSE_CUTOFF = 2
    CONFIRM = 3
    ACKNOWLEDGE = 4
    PROPOSE = 5
    APPROVE = 6
    REFUSE = 7
    POSTED = 8
    FAILED = 9
    PROPOSE_CHANGE = 10
    VOTE = 11
    DISPUTE = 14
    WITHDRAW_DISPUTE = 15
    MOVE_VALUE = 16
    VOTE_ON_MOTION = 17
    MOVE_REVERSAL = 18
    STATE_DAY = 27


class ItemOutcome(IntEnum):
    """What became of an item of a block, in order of precedence."""

    ACCEPTED = 0
    # Checks of every item (R-ITEM-1).
    MALFORMED = 1
    WRONG_LEDGER = 2
    UNKNOWN_PARTY = 3
    UNKNOWN_KEY = 4
    KEY_NOT_VALID = 5
    WRONG_PURPOSE = 6
    BAD_SIGNATURE = 7
    WRONG_ROOT = 24
    REPEATED = 8
    EQUIVOCATION = 9
    OUT_OF_WINDOW = 10
    TOO_LATE = 11
    # Batches (R-BATCH-1).
    UNKNOWN_AGREEMENT = 20
    WRONG_AGREEMENT_HASH = 21
    UNKNOWN_ROLE = 22
    NOT_ENTITLED = 23
    MALFORMED_ROW = 25
    # Operations.
    MALFORMED_AGREEMENT = 40
    WRONG_VERSION = 41
    BAD_CUTOFF = 42
    UNKNOWN_TRANSACTION = 43
    NOT_APPLICABLE = 44
    NO_EFFECT = 45
    # Changes of members (R-MEMBER-3, R-MEMBER-4).
    MALFORMED_CHANGE = 50
    TOO_MANY_CHANGES = 51
    UNKNOWN_MEMBER = 52
    UNKNOWN_CHANGE = 53
    # Motions about a transaction (R-DECIDE-1, R-DECIDE-2).
    MOTION_OPEN = 62
    MALFORMED_VALUE = 63
    UNKNOWN_MOTION = 64
    # Statements (R-COMPLETE-2).
    MALFORMED_STATEMENT = 72
    BAD_PERIOD = 73
    TOO_SOON = 74


class RowOutcome(IntEnum):
    """What became of a row of an accepted batch, in order of precedence (R-ROW-2)."""

    ACCEPTED = 0
    WRONG_VERSION = 1
    EXPIRED = 2
    UNEXPECTED = 3
    STALE = 4
    REPEAT = 5
    DUPLICATE = 6


class Status(IntEnum):
    """State of a transaction (R-STATUS-1); what was reversed counts as withdrawn."""

    PENDING = 0
    MATCHED = 1
    BROKEN = 2
    WITHDRAWN = 3


class BreakKind(IntEnum):
    """The abnormalities. Those of whole records come first in the breaks file."""

    MISSING = 1
    DUPLICATE = 2
    UNEXPECTED = 3
    CHANGED_AFTER_MATCH = 4
    MISMATCH = 5
    INVARIANT = 6
    OUT_OF_ORDER = 7
    GROUP = 8
    DISPUTED = 9


class BenchmarkState(IntEnum):
    """Whether the agreed value of a field stands (R-BENCH-1 to R-BENCH-3)."""

    NONE = 0
    AWAITING = 1
    UNDECIDED = 2
    DECIDED = 3


class AlarmState(IntEnum):
    """Alarm of a transaction: found waits for the quorum (R-ALARM-1)."""

    NONE = 0
    FOUND = 1
    RAISED = 2
    ACKNOWLEDGED = 3
    ESCALATED = 4


UNSEEN_ALARMS = (AlarmState.RAISED, AlarmState.ESCALATED)
"""Raised, and nobody has seen it yet."""


class Severity(IntEnum):
    """How severe the breaks of a transaction are (R-SEVERITY-1)."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class AdjustmentStatus(IntEnum):
    """Life of an adjustment (R-ADJ-1 to R-ADJ-8)."""

    NONE = 0
    PROPOSED = 1
    APPROVED = 2
    POSTED = 3
    VERIFIED = 4
    REFUSED = 5
    SUPERSEDED = 6
    FAILED = 7


OPEN_ADJUSTMENTS = (
    AdjustmentStatus.PROPOSED,
    AdjustmentStatus.APPROVED,
    AdjustmentStatus.POSTED,
)


class ChangeStatus(IntEnum):
    """Life of a change of members (R-MEMBER-3 to R-MEMBER-6)."""

    NONE = 0
    PROPOSED = 1
    SCHEDULED = 2
    EFFECTIVE = 3
    REFUSED = 4
    EXPIRED = 5
    SUPERSEDED = 6


class MotionStatus(IntEnum):
    """Life of a motion about a transaction (R-DECIDE-1 to R-DECIDE-4)."""

    NONE = 0
    OPEN = 1
    CARRIED = 2
    REFUSED = 3
    EXPIRED = 4


class StatementDifference(IntEnum):
    """In what a statement differs from the ledger (R-COMPLETE-3, R-COMPLETE-4); each is a bit."""

    COUNT = 1
    TOTALS = 2
    SET_HASH = 4
    OMITTED = 8
    UNSTATED = 16


class EventKind(IntEnum):
    """What happened, as it stands in the event stream of a block."""

    ROW_NOT_APPLIED = 1
    TRANSACTION_PENDING = 2
    TRANSACTION_MATCHED = 3
    TRANSACTION_BROKEN = 4
    TRANSACTION_WITHDRAWN = 5
    BREAK_OPENED = 6
    BREAK_CLOSED = 7
    BENCHMARK_CHANGED = 8
    ALARM_RAISED = 9
    ALARM_CONFIRMED = 10
    ALARM_ACKNOWLEDGED = 11
    ALARM_CLEARED = 12
    ADJUSTMENT_PROPOSED = 20
    ADJUSTMENT_APPROVAL = 21
    ADJUSTMENT_APPROVED = 22
    ADJUSTMENT_POSTED = 23
    ADJUSTMENT_VERIFIED = 24
    ADJUSTMENT_REFUSED = 25
    ADJUSTMENT_SUPERSEDED = 26
    ADJUSTMENT_FAILED = 27
    AGREEMENT_ENACTED = 30
    CUTOFF_CLOSED = 31
    EQUIVOCATION = 32
    SEQUENCE_GAP = 33
    CHANGE_PROPOSED = 40
    CHANGE_VOTED = 41
    CHANGE_SCHEDULED = 42
    CHANGE_EFFECTIVE = 43
    CHANGE_REFUSED = 44
    CHANGE_EXPIRED = 45
    CHANGE_SUPERSEDED = 46
    GROUP_CHANGED = 55
    DISPUTE_RAISED = 63
    DISPUTE_WITHDRAWN = 64
    DISPUTE_SETTLED = 65
    MOTION_MOVED = 66
    MOTION_VOTED = 67
    MOTION_CARRIED = 68
    MOTION_REFUSED = 69
    MOTION_EXPIRED = 70
    SEVERITY_CHANGED = 85
    ALARM_ESCALATED = 86
    STATEMENT_TIES_OUT = 90
    STATEMENT_DIFFERS = 91
    TOTAL_DIFFERS = 92
    BATCH_OMITTED = 93
    BATCH_UNSTATED = 94


NO_FIELD = 0xFF
NO_ROLE = 0xFF
NO_ROW = 0xFFFF
NO_ITEM = 0xFFFFFFFF
NO_SERIAL = 0xFFFFFFFFFFFFFFFF
