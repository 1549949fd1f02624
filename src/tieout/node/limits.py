"""Every limit of the node that is not a setting, with its reason."""

from typing import Final

MAX_GATHERED: Final = 4_096
"""Single records of one block: judging and signing them stays within a few milliseconds."""

MAX_WAITING: Final = 20_000
"""Single records that wait for their block: a few seconds of work; then senders have to wait."""

MAX_SETTLING_S: Final = 30.0
"""How long a request waits for its block, where others have a say in it: several rounds of votes.
Afterwards it is told that the item is safe, and in no block yet."""

MAX_SINGLE_BYTES: Final = 64 * 1024
"""A single record, or any other JSON body: 64 fields of 256 bytes, escaped, fit twice."""

MAX_SIGNED_BYTES: Final = 4 * 1024 * 1024
"""A signed batch: the largest that the wire knows."""

MAX_REFUSED_TOLD: Final = 1_000
"""Refused lines that an answer lists; the rest are counted."""

MAX_BATCHES_TOLD: Final = 10_000
"""Batches that an answer lists: a hundred million records."""

MAX_IDEMPOTENCY_KEY: Final = 255
"""Characters of an Idempotency-Key: UUIDs and whatever else systems make of them fit."""

IDEMPOTENCY_KEPT_S: Final = 7 * 86_400
"""How long an answer is repeated: a week of retries; afterwards the ledger knows the record."""

SPOOL_CHUNK_LINES: Final = 20_000
"""Lines of NDJSON decoded at once: a few megabytes."""

MAX_LINE_BYTES: Final = 256 * 1024
"""One line of NDJSON: twice as long as the longest record, whatever is escaped in it."""

PAGE_ROWS: Final = 100
"""Rows of a list where nothing else is asked for."""

MAX_PAGE_ROWS: Final = 1_000
"""Rows of a page of a list: an answer of about a megabyte."""

STREAM_KEPT_BLOCKS: Final = 4_096
"""Blocks whose messages are kept in memory for listeners that are nearly up to date."""

STREAM_KEPT_MESSAGES: Final = 50_000
"""Messages kept, whatever blocks they are of: about 20 MB."""

STREAM_CHUNK_MESSAGES: Final = 500
"""Messages written to a listener at once; it then gets its turn with the others."""

STREAM_ALIVE_S: Final = 15.0
"""After so long without a message a comment is written, so that proxies keep the line open."""

MAX_LISTENERS: Final = 2_000
"""Open streams: each is a task and a socket."""

TOKEN_BYTES: Final = 32
"""Randomness of a token, a session, or a one-time link: nobody guesses 256 bits."""

MIN_PASSWORD_CHARACTERS: Final = 12
"""NIST SP 800-63B asks for 8 at least, and for length instead of rules about characters."""

MAX_PASSWORD_CHARACTERS: Final = 200
"""So that nobody makes us hash a book."""

SETUP_LINK_S: Final = 24 * 3_600
"""How long the one-time administrator link is good for."""

SIGN_IN_S: Final = 600
"""How long somebody may take at their provider: to find the second factor."""

MAX_SIGN_INS: Final = 10_000
"""Sign-ins that began and are remembered: about 5 MB. The oldest are forgotten first."""

MAX_SIGN_INS_IN_LINE: Final = 100
"""Sign-ins that wait for the identity provider's answers: a whole office in the morning."""

MAX_LOGINS_PER_MINUTE: Final = 10
"""Failed attempts a minute and address, before the next have to wait: guessing is hopeless."""

MAX_BUCKETS: Final = 10_000
"""Senders whose rate is remembered: about 2 MB. The oldest are forgotten first."""

MAX_WORK_BYTES: Final = 512 * 1024
"""A change of many breaks at once: ten thousand ids, and a comment."""

MAX_ATTACHING: Final = 8
"""Files that are received at a time: each is held in memory until it is kept."""

MAX_FILTERS: Final = 100
"""Saved filters of one user: more than anybody finds again."""

MIN_FREE_BYTES: Final = 2_000_000_000
"""Free space below which `tieout node check` warns: a segment, a snapshot, and time to act."""
