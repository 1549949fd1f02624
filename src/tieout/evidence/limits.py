"""Every limit of evidence, with its reason. What is beyond one is refused, not cut."""

from typing import Final

MAX_CHECKPOINT_BYTES: Final = 64 * 1024
"""A checkpoint signed by hundreds of parties."""

MAX_PACK_BYTES: Final = 64 * 1024 * 1024
"""A pack: thousands of revisions of one transaction, each with its proofs."""

MAX_CERTIFICATE_BYTES: Final = 512 * 1024 * 1024
"""A certificate that lists a million open breaks."""

MAX_STEPS: Final = 4_096
"""Steps from the founding validators: one for each time that two thirds of their power changed."""

BACKTEST_ROWS: Final = 150_000
"""Rows of a pass of a backtest: what both worlds remember of them stays below a gigabyte."""

BACKTEST_SAMPLES: Final = 20_000
"""Ids that are noted to cut a ledger into passes: cuts of a hundred million rows are even."""
