"""What a house has said and does not find on the ledger yet. It outlives the house's process.

The problem: what is sent may be lost, and its number with it. Signing something else under that
number would be a conflict; leaving the number out for good would close the stream after a thousand
more (R-SEQ-1).

The model: what was signed is sent again, byte for byte, until its number is used; one thing about
one subject at a time. Only what was signed with a key that has ended can never come any more: it is
signed anew, with the same number. (What is too late still comes: it uses its number up, R-ITEM-2.)
"""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Final

from tieout import kernel
from tieout.wire.codes import ItemOutcome

PATIENCE_BLOCKS: Final = 4
"""After so many blocks, what was sent and is not on the ledger is sent again."""
MAX_OPEN: Final = 64
"""So many numbers are under way at most, far fewer than the window."""

Sign = Callable[[int, int], bytes]
"""Signs with a key, under a number."""
ChooseKey = Callable[[], int | None]
_ON_THE_LEDGER: Final = (ItemOutcome.REPEATED, ItemOutcome.EQUIVOCATION)
"""As it was said, or as somebody else with the same key said it."""


@dataclass(slots=True)
class _Said:
    """Something on its way."""

    subject: Hashable
    sign: Sign
    item: bytes
    height: int


class Outbox:
    """The numbers of one stream of one party."""

    def __init__(self) -> None:
        self._said: dict[int, _Said] = {}
        self._next = 1

    @property
    def is_waiting(self) -> bool:
        """Whether anything is under way."""
        return bool(self._said)

    def is_free_for(self, subject: Hashable) -> bool:
        """Whether nothing about it is under way."""
        under_way = (said.subject for said in self._said.values())
        return len(self._said) < MAX_OPEN and subject not in under_way

    def say(self, subject: Hashable, sign: Sign, key: int, height: int) -> bytes:
        """Sign something under the next number; a node that was asked has blocks up to `height`."""
        number, self._next = self._next, self._next + 1
        item = sign(key, number)
        self._said[number] = _Said(subject, sign, item, height)
        return item

    def again(self, state: kernel.State, choose_key: ChooseKey) -> Iterator[bytes]:
        """What has to be sent again, as a node sees the ledger; what is there is forgotten."""
        for number, said in list(self._said.items()):
            outcome = kernel.admission(state, said.item)
            if outcome in _ON_THE_LEDGER:
                del self._said[number]
                continue
            if outcome is ItemOutcome.KEY_NOT_VALID:
                key = choose_key()
                if key is None:
                    continue
                said.item = said.sign(key, number)
                said.height = state.height
                yield said.item
            elif state.height >= said.height + PATIENCE_BLOCKS:
                said.height = state.height
                yield said.item

    def stale(self) -> None:
        """Everything may be sent again at once."""
        for said in self._said.values():
            said.height = -PATIENCE_BLOCKS
