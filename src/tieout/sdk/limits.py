"""Every limit of the client, with its reason."""

from typing import Final

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""An answer of a node: a block of 8 MB in base64 and JSON, and room to spare."""

MAX_SAID_CHARACTERS: Final = 300
"""How much of a node's words goes into an error."""

HEADERS_PER_PAGE: Final = 20
"""Headers in one answer of `blockchain`: CometBFT gives no more."""

VALIDATORS_PER_PAGE: Final = 100
"""Validators in one answer of `validators`: CometBFT gives no more."""

MAX_IDLE_CONNECTIONS: Final = 64
"""Connections to a node that are kept for the next request; further ones are closed after use."""

MAX_PIECE_BYTES: Final = 1 << 20
"""What is read or written of a body at once; smaller bodies of many records stay in memory."""

MAX_EVENT_BYTES: Final = 64 * 1024
"""A line of the live stream: an event names one transaction, role and field."""

STREAM_SILENCE_S: Final = 45.0
"""After so long without a byte a stream counts as broken: a node comments every 15 seconds."""

LIST_PAGE_ROWS: Final = 1_000
"""Rows of a list that are asked for at once: a node gives no more."""

WEBHOOK_TOLERANCE_S: Final = 300
"""How old a webhook's message may be, or how far ahead its clock: what Standard Webhooks advise."""

MAX_WAITS: Final = 64
"""Waits at a time of an AsyncNodeClient: each is a thread here and a stream at the node."""
