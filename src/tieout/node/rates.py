"""How many requests a sender may make: a bucket that fills, and holds two seconds of its rate."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from tieout.node.limits import MAX_BUCKETS

_HELD_S: Final = 2.0


class Rates:
    """Buckets by sender; for one thread."""

    def __init__(self, per_second: int, most: int = MAX_BUCKETS) -> None:
        """`per_second` 0: no limit. At most `most` senders are remembered."""
        self._rate = per_second
        self._most = most
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, sender: Hashable, now_s: float) -> bool:
        """Whether the sender may go on, at a time that never runs backwards (seconds)."""
        if not self._rate:
            return True
        full = self._rate * _HELD_S
        left, since_s = self._buckets.get(sender, (full, now_s))
        left = min(full, left + (now_s - since_s) * self._rate)
        allowed = left >= 1
        self._buckets[sender] = (left - allowed, now_s)
        self._buckets.move_to_end(sender)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return allowed
