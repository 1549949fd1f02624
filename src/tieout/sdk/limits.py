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
