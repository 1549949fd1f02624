"""Bounds of the read models, each with its reason."""

from typing import Final

CHUNK_CHANGES: Final = 100_000
"""Rows and events folded in one database transaction: large enough that its cost does not count,
and that what several roles say of a transaction is mostly written once; small enough that a retry
repeats a second or two, and memory stays within some hundred megabytes."""

PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 1_000
"""Items of one page: what a screen shows, and what an export asks for at once."""

MAX_CURSOR_CHARACTERS: Final = 512
"""A cursor is a few numbers and one id; anything longer is none of ours."""

PACE_S: Final = 0.1
"""Chunks begin at least so far apart while blocks keep coming: what opening a chunk and a database
transaction costs is shared by all that came meanwhile."""

POLL_S: Final = 0.1
"""How often a follower looks for a new block, when nobody tells it of one."""

STANDBY_S: Final = 1.0
"""How often a follower that waits for its turn asks whether it has come."""

LOOK_S: Final = 5.0
"""How often a follower sees whether its database was emptied, to be folded anew."""

FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 10.0
"""Waits between attempts to reach a database that is away: doubled each time up to the longest."""

MAX_HEIGHT: Final = (1 << 31) - 1
"""No ledger has as many blocks: an id is height << 32 and stays within 63 bits."""

MAX_PARTY: Final = (1 << 16) - 1
MAX_TIME_US: Final = (1 << 62) - 1
"""As the wire has them."""

BUSY_S: Final = 30.0
"""How long a statement on SQLite waits for another process to finish writing."""

CONNECT_S: Final = 5
"""How long a connection to PostgreSQL may take."""

# Working on breaks: texts of people.
MAX_COMMENT_CHARACTERS: Final = 4_000
MAX_LABEL_CHARACTERS: Final = 64
MAX_LABELS: Final = 32
MAX_ATTACHMENTS: Final = 64
MAX_ATTACHMENT_BYTES: Final = 10 * 1024 * 1024
"""A scanned statement fits; an archive of a day belongs elsewhere, and its hash into a comment."""
MAX_NAME_CHARACTERS: Final = 255
MAX_BULK: Final = 10_000
"""Breaks that one bulk action may touch: a thousand with one cause, and room."""
MAX_FILE_SIZE: Final = 1 << 50
"""Bytes of a file that lies elsewhere: what people may claim, no more than a column holds."""
