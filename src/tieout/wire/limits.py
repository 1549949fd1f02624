"""Every limit of the wire, with its reason.

A message beyond one of these is refused, not truncated.
"""

ID_BYTES = 36
"""Transaction ids: ISO 20022 Max35Text and the 36 characters of a UUID fit."""

NAME_BYTES = 36
"""Names of agreements, parties and persons: as long as an id, so that they fit the same columns."""

MAX_ABS_NUMBER = (1 << 62) - 1
"""Largest magnitude of a scaled integer: the difference of two still fits a signed 64-bit."""

MAX_FIELDS = 64
"""Fields of an agreement: the presence bits of a row are one 64-bit word."""

MAX_ROLES = 16
"""Roles of an agreement: every role has a block in each slot, and breaks are counted per role."""

MAX_TEXT_BYTES = 256
"""Width of one code or text field: remarks fit, documents do not belong into a record."""

MAX_ROW_BYTES = 1_024
"""Width of a whole row: 64 numbers with their prefix fit, and 4,000 such rows fill a batch."""

MAX_HEIGHT = (1 << 63) - 1
"""Heights and serials: what a signed 64-bit holds."""

MAX_BATCH_ROWS = 10_000
"""Rows of a batch: the time to apply one stays within a few milliseconds."""

MAX_BATCH_BYTES = 4 * 1024 * 1024
"""A whole batch: what a consensus engine takes as one transaction without special settings."""

MAX_OPERATION_BYTES = 128 * 1024
"""A control operation: the canonical text of a large agreement fits."""

MAX_REASON_CHARACTERS = 1_000
"""The reason that a person gives: a few sentences."""

MAX_EVIDENCE = 16
"""Documents that a dispute names: order, confirmation, statement, correspondence."""

MAX_MOTION_US = 366 * 86_400 * 1_000_000
"""How long a motion may be open: nobody can leave one in a transaction for ever."""

MAX_AGREEMENT_BYTES = 64 * 1024
"""The canonical form of an agreement: 64 fields with long names stay below a fifth of it."""

SEQUENCE_WINDOW = 1_024
"""How far apart sequence numbers of one stream may arrive (R-SEQ-1)."""

SEQUENCE_GAP_US = 60_000_000
"""How long, in block time, a gap in a stream may stay open before it is named (R-SEQ-4)."""

MAX_DEADLINES_PER_BLOCK = 10_000
"""Deadlines that take effect in a block (R-TIME-1): it stays short after a long silence."""

MAX_URGENT_PER_BLOCK = 10_000
"""Transactions whose age or unseen alarm a block looks at (R-SEVERITY-4), for the same reason."""

MAX_AUTOMATIC_ROUNDS = 3
"""Adjustments of a role in a transaction approved at once (R-ADJ-3); then people decide."""

MAX_JUDGED_KEYS = 4_096
"""Public keys kept in parsed form: every key of a large ledger; a stranger's cannot pile up."""

MAX_CHANGE_STEPS = 16
"""Steps of one change of members: a new member with its validator and roles fits."""

MAX_OPEN_CHANGES = 16
"""Open changes that one member has proposed: nobody can fill the state with them."""

MAX_VALIDATOR_POWER = (1 << 60) - 1
"""Voting power of all validators together: the largest that CometBFT takes, an eighth of 2^63."""

MAX_STATED_RANGES = 1_024
"""Ranges of sequence numbers in a statement: one for each gap that a window can hold."""

MAX_NAMED_BATCHES = 64
"""Batches that one statement has named as omitted, and as unstated (R-COMPLETE-4)."""

MAX_KEPT_STATEMENTS = 64
"""Periods of which a party's last statement stays in the state: a quarter of business days."""
