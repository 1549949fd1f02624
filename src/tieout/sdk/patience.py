"""How long a client tries."""

import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try: waits that double from `first_s` to `longest_s`, for `total_s` in all."""

    first_s: float = 0.02
    longest_s: float = 1.0
    total_s: float = 30.0

    def waits_s(self) -> Iterator[float]:
        """Waits between attempts, counted from the first of them; they end when the time is up."""
        until = time.monotonic() + self.total_s
        wait_s = self.first_s
        while (left_s := until - time.monotonic()) > 0:
            yield min(wait_s, left_s)
            wait_s = min(2 * wait_s, self.longest_s)
