"""Every limit at the door, with its reason."""

from typing import Final

MAX_RECORD_BYTES: Final = 65_536
"""One record of a file, as UTF-8 with its line end: far above any row, and what a quote that is
never closed can swallow before the reader gives it up."""

PAGE_BYTES: Final = 1 << 20
"""How much of a file is read at once: large enough for few calls, small enough for the cache."""

COMPILED_FROM_BYTES: Final = 1 << 18
"""Files from this size on are read by the compiled path: below it, loading that path costs more."""

MAX_REFUSED_PER_CHUNK: Final = 1_000
"""Refused rows that are kept before they are handed over: memory stays bounded on a bad file."""

MAX_SKIP_LINES: Final = 1_000
"""Lines before the header: reports have a page of titles, not a book."""

MAX_FORMAT_CHARACTERS: Final = 64
"""A date or time format: every directive fits twice."""

MAX_MARKERS: Final = 32
"""Texts that mean blank: each value is compared with all of them."""

MAX_MARKER_BYTES: Final = 32
"""A text that means blank is a word, not a remark."""
