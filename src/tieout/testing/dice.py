"""Choices read from a string of bytes: one draw for a whole history instead of hundreds.

Hypothesis spends more on a small draw than the rules on a record. So a story is drawn once, as
bytes, and read here a byte at a time. Byte 0 is always the plainest choice, and so is everything
behind the end: what Hypothesis shrinks becomes plainer and shorter.
"""

from collections.abc import Sequence
from typing import TypeVar

Choice = TypeVar("Choice")
_SIDES = 256


class Dice:
    """Throws that are settled beforehand."""

    def __init__(self, throws: bytes) -> None:
        self._throws = throws
        self._at = 0

    @property
    def is_used_up(self) -> bool:
        """Whether all throws have been taken."""
        return self._at >= len(self._throws)

    def throw(self) -> int:
        """The next byte; 0 when they are used up."""
        at = self._at
        self._at = at + 1
        return self._throws[at] if at < len(self._throws) else 0

    def below(self, count: int) -> int:
        """A number from 0 to `count` − 1, at most 65,535."""
        number = self.throw() if count <= _SIDES else self.throw() << 8 | self.throw()
        return number % count

    def happens(self, percent: int) -> bool:
        """Whether something comes to pass that does so in `percent` of all cases."""
        return self.throw() * 100 >= (100 - percent) * _SIDES

    def pick(self, choices: Sequence[Choice]) -> Choice:
        """One of the choices, the first one being the plainest."""
        return choices[self.below(len(choices))]

    def pick_weighed(self, choices: Sequence[tuple[int, Choice]]) -> Choice:
        """One of the choices by their weights, which add up to at most 256."""
        left = self.throw() * sum(weight for weight, _ in choices) // _SIDES
        for weight, choice in choices:
            left -= weight
            if left < 0:
                return choice
        raise ValueError("choices without weight")
