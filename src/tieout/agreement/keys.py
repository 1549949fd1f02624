"""Every key that a file may have, table by table, and the words that are taken.

docs/agreement.md has an entry for each; a test compares the two.
"""

import re
from typing import Final

from tieout.agreement.model import NUMBERS, FieldType
from tieout.agreement.table import IDENTIFIER

AGREEMENT_NAME: Final = re.compile(r"[a-z][a-z0-9_-]*")
ROLE_NAME: Final = IDENTIFIER
FIELD_NAME: Final = IDENTIFIER

TOP: Final = (
    *("name", "version", "roles", "opened_by", "fields", "benchmark", "deadlines"),
    *("adjustment", "decision", "alarm", "retention", "invariants", "calendars"),
    *("severity", "escalation", "groups", "stages"),
)
FIELD: Final = (
    *("type", "length", "scale", "currency", "tolerance", "drift_days"),
    *("roles", "optional", "compare", "rounded", "ignore", "equivalent"),
)
CURRENCY: Final = ("field",)
TOLERANCE_BY_VALUE: Final = ("absolute", "percent", "of", "base", "within")
TOLERANCE: Final = (*TOLERANCE_BY_VALUE, "by")
BY: Final = ("field", "values")
DRIFT: Final = ("before", "after", "calendar")
ROUNDED: Final = ("decimals", "mode")
IGNORED: Final = ("case", "punctuation", "leading_zeros")
"""What a comparison of codes may ignore; a list of these, no table."""
DEADLINE: Final = ("at", "calendar", "until")
CALENDAR: Final = ("weekend", "holidays", "workdays", "offset", "changes")
STAGE: Final = ("roles", "fields", "carried")
ADJUSTMENT: Final = ("mode", "automatic_up_to")
DECIDING: Final = ("votes",)
GROUP: Final = ("key", "members", "counterparts", "sum", "tolerance", "count")
ALARM: Final = ("quorum",)
RETENTION: Final = ("closed",)
SEVERITY: Final = ("kinds", "amounts", "ages")
DELAY: Final = ("at", "calendar", "until")
ESCALATION: Final = ("after", "to")

BENCHMARK_DEFAULT: Final = "default"
MAJORITY: Final = "majority"
DECISION: Final = "decision"
PREVIOUS_STAGE: Final = "previous_stage"
"""A policy where there are stages; elsewhere it may be the name of a role."""
RESERVED_ROLES: Final = (MAJORITY, DECISION)
"""Would not be told from a policy in `[benchmark]`."""

BREAKS_COLUMNS: Final = (
    *("transaction_id", "kind", "field", "role"),
    *("reported", "benchmark", "basis", "difference", "status"),
)
RESERVED_FIELDS: Final = (BENCHMARK_DEFAULT, *BREAKS_COLUMNS)
"""`default` would be taken for the default in `[benchmark]`, the others for breaks columns."""

LENGTH_TYPES: Final = (FieldType.CODE, FieldType.TEXT)
SCALE_TYPES: Final = tuple(kind for kind in NUMBERS if kind is not FieldType.INTEGER)
ONLY_FOR: Final[dict[str, tuple[FieldType, ...]]] = {
    "length": LENGTH_TYPES,
    "scale": SCALE_TYPES,
    "currency": (FieldType.MONEY,),
    "tolerance": NUMBERS,
    "drift_days": (FieldType.DATE,),
    "rounded": SCALE_TYPES,
    "ignore": (FieldType.CODE,),
    "equivalent": (FieldType.CODE,),
}
"""Keys of a field that only some types have."""
REQUIRED_FOR: Final[dict[str, tuple[FieldType, ...]]] = {
    "length": LENGTH_TYPES,
    "scale": SCALE_TYPES,
}
