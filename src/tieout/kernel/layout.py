"""Where things stand: offsets of the images (docs/formats/state.md) and of the two number arrays.

Compiled functions take flat arrays and find everything by offset:

- `slots`, `adjustments`: uint8, the images one after the other;
- `plan`: int64, the agreement compiled to numbers, never written after it was made (`plan.py`);
- `cursor`: int64, counters and the context of the call, then the scratch of one verdict;
- `events`: uint8, the events of the block so far.

Everything here is compiled into the loops as a constant.
"""

from typing import Final

from tieout.wire.rows import PREFIX_BYTES

# ---------------------------------------------------------------- slot image
KEY_ID: Final = 0
KEY_ORIGINATOR: Final = 36
KEY_STAGE: Final = 38
STATUS: Final = 39
OPENED: Final = 40
CLOSED: Final = 48
EPISODE: Final = 56
ALARM: Final = 60
JUDGED: Final = 61  # a byte of flags: IS_JUDGED, REVERSED
AWAITING_BITS: Final = 64
UNDECIDED_BITS: Final = 72
ROLE_BLOCKS: Final = 80

IS_JUDGED: Final = 1
REVERSED: Final = 2

# ---------------------------------------------------------------- role block
PARTY: Final = 0
INTRUDER: Final = 2
FLAGS: Final = 4
ROUNDS: Final = 6
REVISION: Final = 8
BROKEN_GROUPS: Final = 12
TIED_GROUPS: Final = 14
LATEST: Final = 16
PRESENCE: Final = 24
MISMATCH: Final = 32
BLANK: Final = 40
PLACE: Final = 48
VALUES: Final = 56

# Flags of a role. From MISSING on they are breaks of whole records: bit number = BreakKind + 2.
STATES: Final = 1
WITHDREW: Final = 2
OVERDUE: Final = 4
MISSING: Final = 8
DUPLICATE: Final = 16
UNEXPECTED: Final = 32
CHANGED: Final = 64
OUT_OF_ORDER: Final = 512
DISPUTED: Final = 2048
WHOLE_RECORD_BREAKS: Final = MISSING | DUPLICATE | UNEXPECTED | CHANGED | OUT_OF_ORDER | DISPUTED

# Behind the role blocks, where there are stages: 1 + serial of the stage before, of the one behind.
PREVIOUS: Final = 0
FOLLOWING: Final = 8
LINKS_BYTES: Final = 16

# ---------------------------------------------------------------- adjustment image
ADJ_SERIAL: Final = 0
ADJ_ROLE: Final = 8
ADJ_STATUS: Final = 9
ADJ_AT_ONCE: Final = 10
ADJ_REVISION: Final = 12
ADJ_FIELDS: Final = 16
ADJ_PROPOSER: Final = 24
ADJ_FIRST: Final = 28
ADJ_SECOND: Final = 32
ADJ_VALUES: Final = 40

# ---------------------------------------------------------------- row
ROW_ORIGINATOR: Final = 36
ROW_STAGE: Final = 38
ROW_ACTION: Final = 39
ROW_REVISION: Final = 40
ROW_PRESENCE: Final = 44
ROW_VALUES: Final = PREFIX_BYTES

# ---------------------------------------------------------------- plan
P_AGREEMENT: Final = 0  # agreement number
P_ROLES: Final = 1
P_FIELDS: Final = 2
P_VALUES_BYTES: Final = 3  # V
P_ROW_BYTES: Final = 4
P_ROLE_BYTES: Final = 5
P_SLOT_BYTES: Final = 6
P_ADJUSTMENT_BYTES: Final = 7
P_QUORUM: Final = 8
P_RETENTION: Final = 9
P_OPENED_BY: Final = 10  # mask of roles, 0 when anybody may open
P_ALL_ROLES: Final = 11  # mask of those that take part
P_AUTOMATIC: Final = 12  # 1: the mode allows to approve at once (R-ADJ-3)
P_VERDICT_BYTES: Final = 13  # most bytes of events that one row or judgement gives
P_COMPARED: Final = 14  # mask of fields with compare = true
P_SETTLES: Final = 15  # 1: the fast way is closed, since equal values may still change a verdict
P_INVARIANTS: Final = 16  # where the list of where each invariant is begins
P_INVARIANT_COUNT: Final = 17
P_FIELD_MASK: Final = 18  # all fields; the bits behind them are invariants, then groups
P_APART: Final = 19  # mask of the roles that speak in transactions of their own
P_GROUPS: Final = 20  # where the lines of the groups begin: counterparts (mask), field of the key
P_GROUP_COUNT: Final = 21
P_FIRST_GROUP: Final = 22  # fields and invariants together
P_PLACES: Final = 23  # fields, invariants and groups together
P_STAGES: Final = 24  # how many stages; one plan for each, one behind the other
P_STAGE_WORDS: Final = 25  # of each of these plans
P_LINKS: Final = 26  # where the links stand in a slot, 0 for none
P_CARRIED: Final = 27  # mask of fields compared with the stage before
P_PROPOSALS: Final = 28  # most adjustments that one row or judgement proposes
P_EARLIER: Final = 29  # where the lines of the earlier stages begin, one for each and each field
P_DECIDES: Final = 30  # 1: behind the roles of a slot is a block of what was decided (R-DECIDE-3)
P_TABLES: Final = 31
GROUP_LINE: Final = 2

# What an earlier stage has for a field: how it is agreed there (R-STAGE-6).
E_POLICY: Final = 0
E_AUTHORITY: Final = 1
E_ROLES: Final = 2  # mask of the roles that report it there
EARLIER_LINE: Final = 3

# One line for each role: what it reports (mask), must report (mask), then for every other role
# where the list of their common stretches is.
R_REPORTS: Final = 0
R_REQUIRED: Final = 1
R_COMMON: Final = 2
MAX_ROLES: Final = 16
ROLE_LINE: Final = R_COMMON + MAX_ROLES

# One line for each field, behind the lines of the roles.
F_KIND: Final = 0  # ColumnKind
F_AT: Final = 1  # offset within the values
F_WIDTH: Final = 2
F_ROLES: Final = 3  # mask of the roles that report it
F_COMPARE: Final = 4
F_CURRENCY: Final = 5  # index of the field with the currency, −1 for none
F_CURRENCY_AT: Final = 6
F_CURRENCY_WIDTH: Final = 7
F_POLICY: Final = 8
F_AUTHORITY: Final = 9  # role, −1 for none
F_IS_NUMBER: Final = 10
F_TOLERANCE: Final = 11  # TOLERANCE_WORDS of them
F_DRIFT_BEFORE: Final = 17
F_DRIFT_AFTER: Final = 18
F_LIMITS: Final = 19  # where the list of limits begins
F_LIMIT_COUNT: Final = 20
F_CODES: Final = 21  # where the rule of the codes is, 0 for none; for money that of its currency
F_CHOICE: Final = 22  # where the tolerances are of which another field chooses one, 0 for none
F_CALENDAR: Final = F_CODES  # of a date: where the calendar of its drift is, 0 for none
F_ROUND_UNIT: Final = 23  # what is compared is a multiple of this; 1: nothing is rounded
F_ROUND_MODE: Final = 24
FIELD_LINE: Final = 25

# A tolerance.
T_ABSOLUTE: Final = 0  # −1: not stated
T_PERCENT: Final = 1  # percent_units, −1: not stated
T_PERCENT_FACTOR: Final = 2  # 100 · 10^percent_scale
T_OF: Final = 3  # role, −1: T_BASE says what the base is
T_WITHIN_ALL: Final = 4
T_BASE: Final = 5
TOLERANCE_WORDS: Final = 6

# Modes of rounding.
ROUND_HALF_EVEN: Final = 0
ROUND_HALF_UP: Final = 1
ROUND_FLOOR: Final = 2
ROUND_CEILING: Final = 3
ROUND_TRUNCATE: Final = 4

# The rule of codes: what is ignored, the number of listed codes, then each of these: its group, its
# length, and what is left of it in words of eight bytes.
IGNORE_CASE: Final = 1
IGNORE_PUNCTUATION: Final = 2
IGNORE_ZEROS: Final = 4
CR_FLAGS: Final = 0
CR_COUNT: Final = 1
CODE_RULE_HEAD: Final = 2
LC_GROUP: Final = 0
LC_LENGTH: Final = 1
LISTED_CODE_HEAD: Final = 2

# A calendar: business days of a week, and of the first 1 to 7 days of one that begins on a Monday;
# then the number of exceptions, and each: its day, and by how many the business days up to and with
# it are more than the days of the week say.
CA_WEEK: Final = 0
CA_DAYS: Final = 1
CA_COUNT: Final = 8
CALENDAR_HEAD: Final = 9
EXCEPTION_WORDS: Final = 2
EX_DAY: Final = 0
EX_MORE: Final = 1

# A choice of tolerances: the field that chooses, the rule of its codes, how many, then each: a
# tolerance and a listed code (group −1: of none).
CH_FIELD: Final = 0
CH_CODES: Final = 1
CH_COUNT: Final = 2
CHOICE_HEAD: Final = 3

# A limit: the amount, then the currency, NUL padded, in words of eight bytes.
LIMIT_LINE: Final = 33

# An invariant: a line, then a line for each role that it names (none: records are looked at one by
# one). A comparison is a mask: bit 0 when the left side is smaller, 1 equal, 2 larger.
IV_ROLES: Final = 0  # mask of the roles concerned
IV_FIELDS: Final = 1  # mask of the fields that it is about
IV_COMPARISON: Final = 2
IV_STEPS: Final = 3  # where its steps begin
IV_STEP_COUNT: Final = 4
IV_NEED_COUNT: Final = 5
IV_HEAD: Final = 6
NEED_WORDS: Final = 2  # role, mask of fields that it must state

# A step of a formula: operator, then a literal's place, a field, or a mode; then a term's role (−1:
# of the record that is looked at).
OP_LITERAL: Final = 0
OP_TERM: Final = 1
OP_ADD: Final = 2
OP_SUB: Final = 3
OP_MUL: Final = 4
OP_DIV: Final = 5
OP_MIN: Final = 6
OP_MAX: Final = 7
OP_ABS: Final = 8
STEP_WORDS: Final = 3

# ---------------------------------------------------------------- cursor
C_SLOTS: Final = 0  # transactions of the book
C_ADJUSTMENTS: Final = 1  # adjustments of the book
C_EVENTS: Final = 2  # bytes of events so far
C_TIME: Final = 3  # block time
C_ITEM: Final = 4
C_ROW: Final = 5
C_LEAF: Final = 6
C_PARTY: Final = 7
C_ROLE: Final = 8
C_MAY_OPEN: Final = 9  # 1: the version is the newest in force
C_OUTCOMES: Final = 10  # 7 counters, by RowOutcome
C_PERSON: Final = 17  # party × 65,536 + person of a proposal
# Scratch of one verdict.
V_STATES: Final = 18  # mask of roles
V_HEARD: Final = 19  # mask of roles
V_FROZEN: Final = 20  # mask of fields
V_DECIDED: Final = 21  # mask of fields for which people have decided
V_REVERSED: Final = 22  # not 0: the transaction was reversed
V_AWAITING: Final = 23  # mask of fields
V_UNDECIDED: Final = 24  # mask of fields
V_ROLES: Final = 25  # for each role: flags, mismatch, blank
V_ROLE_LINE: Final = 3
V_FIELDS: Final = V_ROLES + V_ROLE_LINE * MAX_ROLES  # for each field: benchmark state, source
V_FIELD_LINE: Final = 2
MAX_FIELDS: Final = 64
WIDE_WORDS: Final = 9  # a number of up to 248 bits (`wide.py`)
STACK_DEPTH: Final = 48
V_STACK: Final = V_FIELDS + V_FIELD_LINE * MAX_FIELDS  # of wide numbers
V_SCRATCH: Final = V_STACK + STACK_DEPTH * WIDE_WORDS  # two more of them
CURSOR_WORDS: Final = V_SCRATCH + 2 * WIDE_WORDS

# The source of a benchmark: the role whose value it is, the number of roles for what was decided,
# since that stands like a role's record behind them; a frozen one: −2 − index of the adjustment;
# that of another stage: where its values stand among the slots, which is MAX_ROLES + 1 or more.
NO_SOURCE: Final = -1
FROZEN_BASE: Final = -2

PAGE_SHIFT: Final = 16
PAGE_BYTES: Final = 1 << PAGE_SHIFT
EVENT_BYTES: Final = 24
