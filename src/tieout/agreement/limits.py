"""Every limit of an agreement that the wire does not set already, with its reason."""

from typing import Final

MAX_FILE_CHARACTERS: Final = 256 * 1024
"""The author's text, comments included: four times the largest canonical form."""

MAX_PROBLEMS: Final = 100
"""Problems listed for one file: nobody mends more in one go, and hostile bytes stay cheap."""

MIN_ROLES: Final = 2
"""With one role there is nothing to reconcile."""

MAX_NAME_CHARACTERS: Final = 36
"""Names of agreements, roles and fields: as long as NAME_BYTES of the wire, and all ASCII."""

MAX_VERSION: Final = (1 << 32) - 1
"""A version is an unsigned 32-bit number in the header of a batch."""

MAX_QUORUM: Final = (1 << 16) - 1
"""No ledger has more parties than a party number counts."""

MAX_PERCENT_DECIMALS: Final = 6
"""A hundredth of a basis point of a basis point; products stay within 128 bits."""

MAX_PERCENT_UNITS: Final = 10**12
"""A percentage without its point: with 62-bit values the products stay within 128 bits."""

MAX_DRIFT_DAYS: Final = 3_652_059
"""Days of the years 0001 to 9999: a wider drift means nothing."""

MAX_EQUIVALENT_CODES: Final = 1_024
"""Codes in the equivalence table of a field: all currencies, several times over; looked through
one by one, and only where two codes differ."""

MAX_CHOSEN_TOLERANCES: Final = 256
"""Tolerances of which a value chooses one: more than there are currencies."""

MAX_CALENDARS: Final = 16
"""One for each role."""

MAX_CALENDAR_DAYS: Final = 2_000
"""Holidays, and working days besides, of one calendar; bounds the search for the next one."""

MAX_OFFSET_CHANGES: Final = 200
"""Changes of the clocks of one calendar: a hundred years of two a year."""

MAX_ESCALATIONS: Final = 16
"""Steps of escalation: nobody has so many superiors."""

MAX_SEVERITY_AMOUNTS: Final = 1_024
"""Amounts that one field states for severities: four for every currency."""

MAX_INVARIANTS: Final = 16
"""Invariants of an agreement; with the fields at most 64, since both are bits of one word."""

MAX_STAGES: Final = 8
"""Stages of a transaction: a verdict may ask for one on each stage behind it, which this bounds."""

MAX_GROUPS: Final = 16
"""Groups of an agreement: bits of 16 in the image of a record; with fields and invariants at most
64, since all are bits of one word."""

MAX_FORMULA_CHARACTERS: Final = 1_000
"""Longer than anybody can check by reading."""

MAX_FORMULA_NODES: Final = 64
"""Numbers, fields and operations of a formula: bounds the work on one verdict."""

MAX_FORMULA_DEPTH: Final = 12
"""Parentheses and functions in each other: bounds the stack on which a formula is evaluated."""

MAX_FORMULA_BITS: Final = 240
"""Of any number on the way: products of three values at full scale fit, and room is left in the
248 bits in which the fast rules reckon."""

MAX_DURATION_US: Final = 36_525 * 86_400 * 1_000_000
"""A hundred years: a block time and a duration add up within 64 bits."""
