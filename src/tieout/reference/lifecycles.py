"""Life-cycles: what breaks, alarms, adjustments, agreements, members, changes, motions go through.

Pure data. A table says, of a state and a cause, which state comes next; what is not in it does not
happen. Alarms, adjustments, changes of members and motions are moved by their tables. Breaks follow
from verdicts, agreements and members from what is enacted and decided: for these the tables say
what must come of it, and tests hold both implementations against them on generated histories. The
diagrams of docs/life-cycles.md are drawn from here. State 0 is before the beginning, or the end
after which the same may begin again.
"""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Any, Final

from tieout.wire.codes import AdjustmentStatus, AlarmState, ChangeStatus, MotionStatus

# ---------------------------------------------------------------- break


class BreakState(IntEnum):
    """A break of one kind, field and role; a mismatch stands as its benchmark does."""

    NONE = 0
    OPEN = 1
    AWAITING = 2
    UNDECIDED = 3
    DECIDED = 4


class BreakCause(StrEnum):
    """What moves a break."""

    ABNORMAL = (
        "missing, duplicate, unexpected, changed after match, disputed,"
        " or an invariant does not hold"
    )
    AWAITED = "its benchmark may still come"
    NOT_DECIDED = "no rule can decide any more"
    STANDS = "its benchmark stands"
    MENDED = "no longer abnormal"


BREAK_LIFE: Final[Mapping[tuple[BreakState, BreakCause], BreakState]] = {
    (BreakState.NONE, BreakCause.ABNORMAL): BreakState.OPEN,
    (BreakState.NONE, BreakCause.AWAITED): BreakState.AWAITING,
    (BreakState.NONE, BreakCause.NOT_DECIDED): BreakState.UNDECIDED,
    (BreakState.NONE, BreakCause.STANDS): BreakState.DECIDED,
    (BreakState.AWAITING, BreakCause.STANDS): BreakState.DECIDED,
    (BreakState.AWAITING, BreakCause.NOT_DECIDED): BreakState.UNDECIDED,
    (BreakState.UNDECIDED, BreakCause.STANDS): BreakState.DECIDED,
    (BreakState.UNDECIDED, BreakCause.AWAITED): BreakState.AWAITING,
    (BreakState.DECIDED, BreakCause.AWAITED): BreakState.AWAITING,
    (BreakState.DECIDED, BreakCause.NOT_DECIDED): BreakState.UNDECIDED,
    (BreakState.OPEN, BreakCause.MENDED): BreakState.NONE,
    (BreakState.AWAITING, BreakCause.MENDED): BreakState.NONE,
    (BreakState.UNDECIDED, BreakCause.MENDED): BreakState.NONE,
    (BreakState.DECIDED, BreakCause.MENDED): BreakState.NONE,
}

# ---------------------------------------------------------------- alarm


class AlarmCause(StrEnum):
    """What moves an alarm."""

    BROKEN = "becomes broken"
    QUORUM = "quorum reached"
    SEEN = "acknowledged"
    UNSEEN = "not acknowledged in time"
    NEW_BREAK = "another break opens"
    MENDED = "no longer broken"


ALARM_LIFE: Final[Mapping[tuple[AlarmState, AlarmCause], AlarmState]] = {
    (AlarmState.NONE, AlarmCause.BROKEN): AlarmState.FOUND,
    (AlarmState.FOUND, AlarmCause.QUORUM): AlarmState.RAISED,
    (AlarmState.RAISED, AlarmCause.SEEN): AlarmState.ACKNOWLEDGED,
    (AlarmState.RAISED, AlarmCause.UNSEEN): AlarmState.ESCALATED,
    (AlarmState.ESCALATED, AlarmCause.UNSEEN): AlarmState.ESCALATED,
    (AlarmState.ESCALATED, AlarmCause.SEEN): AlarmState.ACKNOWLEDGED,
    (AlarmState.ACKNOWLEDGED, AlarmCause.NEW_BREAK): AlarmState.RAISED,
    (AlarmState.FOUND, AlarmCause.MENDED): AlarmState.NONE,
    (AlarmState.RAISED, AlarmCause.MENDED): AlarmState.NONE,
    (AlarmState.ESCALATED, AlarmCause.MENDED): AlarmState.NONE,
    (AlarmState.ACKNOWLEDGED, AlarmCause.MENDED): AlarmState.NONE,
}

# ---------------------------------------------------------------- adjustment


class AdjustmentCause(StrEnum):
    """What moves an adjustment."""

    ASKED = "the rule or a person asks for it"
    APPROVED = "enough stand behind it"
    REFUSED = "refused by a person"
    POSTED = "posted in the books"
    FAILED = "could not be posted"
    TIED_OUT = "new record ties out"
    DEVIATES = "new record does not tie out"
    OVERTAKEN = "its reason is gone"


ADJUSTMENT_LIFE: Final[Mapping[tuple[AdjustmentStatus, AdjustmentCause], AdjustmentStatus]] = {
    (AdjustmentStatus.NONE, AdjustmentCause.ASKED): AdjustmentStatus.PROPOSED,
    (AdjustmentStatus.PROPOSED, AdjustmentCause.APPROVED): AdjustmentStatus.APPROVED,
    (AdjustmentStatus.PROPOSED, AdjustmentCause.REFUSED): AdjustmentStatus.REFUSED,
    (AdjustmentStatus.PROPOSED, AdjustmentCause.OVERTAKEN): AdjustmentStatus.SUPERSEDED,
    (AdjustmentStatus.PROPOSED, AdjustmentCause.TIED_OUT): AdjustmentStatus.VERIFIED,
    (AdjustmentStatus.PROPOSED, AdjustmentCause.DEVIATES): AdjustmentStatus.SUPERSEDED,
    (AdjustmentStatus.APPROVED, AdjustmentCause.REFUSED): AdjustmentStatus.REFUSED,
    (AdjustmentStatus.APPROVED, AdjustmentCause.POSTED): AdjustmentStatus.POSTED,
    (AdjustmentStatus.APPROVED, AdjustmentCause.FAILED): AdjustmentStatus.FAILED,
    (AdjustmentStatus.APPROVED, AdjustmentCause.TIED_OUT): AdjustmentStatus.VERIFIED,
    (AdjustmentStatus.APPROVED, AdjustmentCause.DEVIATES): AdjustmentStatus.SUPERSEDED,
    (AdjustmentStatus.POSTED, AdjustmentCause.FAILED): AdjustmentStatus.FAILED,
    (AdjustmentStatus.POSTED, AdjustmentCause.TIED_OUT): AdjustmentStatus.VERIFIED,
    (AdjustmentStatus.POSTED, AdjustmentCause.DEVIATES): AdjustmentStatus.FAILED,
}

# ---------------------------------------------------------------- agreement


class AgreementState(IntEnum):
    """A version of an agreement with its bindings, as it stands after a block."""

    NONE = 0
    WANTED = 1
    IN_FORCE = 2
    SUCCEEDED = 3
    OVERTAKEN = 4


class AgreementCause(StrEnum):
    """What moves a version of an agreement."""

    ENACTED = "a party that it needs wants it"
    ENACTED_AT_ONCE = "all that it needs want it in one block, or have voted for it"
    ALL_ENACTED = "all that it needs want it"
    NEXT_IN_FORCE = "the next version comes into force"
    OTHER_IN_FORCE = "another text or other bindings of that version come into force"


AGREEMENT_LIFE: Final[Mapping[tuple[AgreementState, AgreementCause], AgreementState]] = {
    (AgreementState.NONE, AgreementCause.ENACTED): AgreementState.WANTED,
    (AgreementState.NONE, AgreementCause.ENACTED_AT_ONCE): AgreementState.IN_FORCE,
    (AgreementState.WANTED, AgreementCause.ALL_ENACTED): AgreementState.IN_FORCE,
    (AgreementState.WANTED, AgreementCause.OTHER_IN_FORCE): AgreementState.OVERTAKEN,
    (AgreementState.IN_FORCE, AgreementCause.NEXT_IN_FORCE): AgreementState.SUCCEEDED,
}

# ---------------------------------------------------------------- member


class MemberState(IntEnum):
    """A party of a ledger."""

    NONE = 0
    MEMBER = 1
    LEFT = 2


class MemberCause(StrEnum):
    """What moves a party."""

    ADMITTED = "founds the ledger, or is admitted"
    REMOVED = "is removed"


MEMBER_LIFE: Final[Mapping[tuple[MemberState, MemberCause], MemberState]] = {
    (MemberState.NONE, MemberCause.ADMITTED): MemberState.MEMBER,
    (MemberState.MEMBER, MemberCause.REMOVED): MemberState.LEFT,
}

# ---------------------------------------------------------------- change of members


class ChangeCause(StrEnum):
    """What moves a change."""

    ASKED = "a member asks for it"
    ENOUGH = "enough votes, or its own affair"
    OUTVOTED = "enough votes can no longer come"
    TIME_IS_UP = "not decided in time"
    HEIGHT_COMES = "its height comes"
    OVERTAKEN = "can no longer be done"


CHANGE_LIFE: Final[Mapping[tuple[ChangeStatus, ChangeCause], ChangeStatus]] = {
    (ChangeStatus.NONE, ChangeCause.ASKED): ChangeStatus.PROPOSED,
    (ChangeStatus.PROPOSED, ChangeCause.ENOUGH): ChangeStatus.SCHEDULED,
    (ChangeStatus.PROPOSED, ChangeCause.OUTVOTED): ChangeStatus.REFUSED,
    (ChangeStatus.PROPOSED, ChangeCause.TIME_IS_UP): ChangeStatus.EXPIRED,
    (ChangeStatus.PROPOSED, ChangeCause.OVERTAKEN): ChangeStatus.SUPERSEDED,
    (ChangeStatus.SCHEDULED, ChangeCause.HEIGHT_COMES): ChangeStatus.EFFECTIVE,
    (ChangeStatus.SCHEDULED, ChangeCause.OVERTAKEN): ChangeStatus.SUPERSEDED,
}

# ---------------------------------------------------------------- motion


class MotionCause(StrEnum):
    """What moves a motion about a transaction."""

    MOVED = "a party of the transaction asks for it"
    ENOUGH = "enough votes"
    OUTVOTED = "enough votes can no longer come"
    TIME_IS_UP = "not decided in time"


MOTION_LIFE: Final[Mapping[tuple[MotionStatus, MotionCause], MotionStatus]] = {
    (MotionStatus.NONE, MotionCause.MOVED): MotionStatus.OPEN,
    (MotionStatus.OPEN, MotionCause.ENOUGH): MotionStatus.CARRIED,
    (MotionStatus.OPEN, MotionCause.OUTVOTED): MotionStatus.REFUSED,
    (MotionStatus.OPEN, MotionCause.TIME_IS_UP): MotionStatus.EXPIRED,
}

LIVES: Final[Mapping[str, Mapping[tuple[Any, Any], IntEnum]]] = {
    "break": BREAK_LIFE,
    "alarm": ALARM_LIFE,
    "adjustment": ADJUSTMENT_LIFE,
    "agreement": AGREEMENT_LIFE,
    "member": MEMBER_LIFE,
    "change": CHANGE_LIFE,
    "motion": MOTION_LIFE,
}
"""All of them, by what lives."""
