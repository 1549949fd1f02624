"""Sequence numbers: nothing twice, nothing lost unseen (R-SEQ-1 to R-SEQ-4)."""

from dataclasses import dataclass, field

from tieout.wire.codes import ItemOutcome
from tieout.wire.limits import SEQUENCE_WINDOW


@dataclass(slots=True)
class Stream:
    """The numbers of one (party, stream). `used`: digests by number, those still in the window.

    `gap_since_us` is 0 while there is no gap (R-SEQ-4).
    """

    lowest_unused: int = 1
    highest_used: int = 0
    used: dict[int, bytes] = field(default_factory=dict)
    gap_since_us: int = 0
    gap_named: bool = False

    def judge(self, number: int, digest: bytes) -> ItemOutcome:
        """ACCEPTED when the number may be used now, else REPEATED, EQUIVOCATION, OUT_OF_WINDOW."""
        if number == self.highest_used + 1 == self.lowest_unused:
            return ItemOutcome.ACCEPTED
        known = self.used.get(number)
        if known is not None:
            return ItemOutcome.REPEATED if known == digest else ItemOutcome.EQUIVOCATION
        # The highest is less than a window above the lowest unused, so an unused number is never
        # too old; a used one below the window is.
        if self.lowest_unused <= number < self.lowest_unused + SEQUENCE_WINDOW:
            return ItemOutcome.ACCEPTED
        return ItemOutcome.OUT_OF_WINDOW

    def use(self, number: int, digest: bytes, time_us: int) -> None:
        """Use a number up that `judge` accepted (R-SEQ-2)."""
        was_lowest = self.lowest_unused
        self.used[number] = digest
        while self.lowest_unused in self.used:
            self.lowest_unused += 1
        if number > self.highest_used:
            oldest = self.highest_used - SEQUENCE_WINDOW + 1
            for old in range(max(1, oldest), number - SEQUENCE_WINDOW + 1):
                self.used.pop(old, None)
            self.highest_used = number
        if self.lowest_unused > self.highest_used:
            self.gap_since_us, self.gap_named = 0, False
        elif self.lowest_unused != was_lowest or self.gap_since_us == 0:
            self.gap_since_us, self.gap_named = time_us, False
