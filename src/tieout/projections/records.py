"""What the fold keeps in memory while it is open: breaks, alarms and adjustments.

Each is one line of its table; the names of the attributes are those of the columns, in their order.
What is closed is written and forgotten.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any


@dataclass(slots=True)
class BreakRecord:
    """A break from its opening on."""

    id: int
    transaction_key: int
    agreement: int
    originator: int
    transaction_id: str
    kind: str
    field_number: int
    field: str
    role_number: int
    role: str
    party: int
    status: str
    reported: str
    benchmark: str
    basis: str
    difference: str
    currency: str
    reported_exact: int | None
    benchmark_exact: int | None
    difference_exact: int | None
    scale: int
    opened_height: int
    opened_us: int
    changed_height: int
    changed_us: int
    closed_height: int | None = None
    closed_us: int | None = None
    severity: str = ""


@dataclass(slots=True)
class AlarmRecord:
    """The alarm of one episode of a transaction."""

    id: int
    transaction_key: int
    agreement: int
    originator: int
    transaction_id: str
    episode: int
    state: str
    quorum: int
    findings: int
    found_height: int
    found_us: int
    raised_height: int | None = None
    raised_us: int | None = None
    acknowledged_height: int | None = None
    acknowledged_us: int | None = None
    acknowledged_party: int = 0
    acknowledged_person: int = 0
    cleared_height: int | None = None
    cleared_us: int | None = None
    severity: str = ""
    escalation_step: int = 0
    escalated_to: str = ""
    escalated_height: int | None = None
    escalated_us: int | None = None


@dataclass(slots=True)
class AdjustmentRecord:
    """An adjustment; `approvers` and `fields` are JSON."""

    id: int
    adjustment_id: str
    transaction_key: int
    agreement: int
    originator: int
    transaction_id: str
    role_number: int
    role: str
    party: int
    status: str
    revision: int
    at_once: int
    proposer_party: int
    proposer_person: int
    approvers: str
    fields: str
    proposed_height: int
    proposed_us: int
    changed_height: int
    changed_us: int


def _cells(kind: type[Any]) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*(each.name for each in fields(kind)))


break_cells = _cells(BreakRecord)
alarm_cells = _cells(AlarmRecord)
adjustment_cells = _cells(AdjustmentRecord)
