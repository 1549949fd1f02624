"""Every limit of light verification, with its reason. What is beyond one is refused."""

from typing import Final

MAX_VALIDATORS: Final = 1_024
"""Validators of a block: every vote costs a signature check; a consortium has a few dozen."""

MAX_TOTAL_POWER: Final = ((1 << 63) - 1) // 8
"""Power of all validators together: what CometBFT itself allows."""

MAX_HEIGHT: Final = (1 << 63) - 1
"""Heights: what a signed 64-bit holds."""

MAX_TIME_NS: Final = (1 << 63) - 1
"""Times: nanoseconds since 1970 in a signed 64-bit, until the year 2262."""

MAX_CHAIN_ID_BYTES: Final = 50
"""The name of a chain: what CometBFT itself allows."""

MAX_APP_HASH_BYTES: Final = 64
"""An app hash: CometBFT takes any length, Tieout's has 32 bytes."""
