"""Random histories in which parties state their days: truly, mostly, and with slips.

As `histories`, under rules version 4: between the records and operations of a day, somebody states
what its books hold, as the reference's state has it, or with something more, less or other.
"""

from typing import Final

from hypothesis import strategies as st
from msgspec.structs import replace

from tieout.reference.state import Book, StreamKey
from tieout.testing.agreements import choose_tree
from tieout.testing.completing import statement_of
from tieout.testing.dice import Dice
from tieout.testing.histories import PARTY_COUNT, SCRIPT_BYTES, History, Story
from tieout.testing.refinements import refine
from tieout.testing.workbench import newest_genesis, row_bytes
from tieout.wire.codes import OperationKind
from tieout.wire.statements import StateDay, StatedNumbers, StatedTotal, sum_bytes

MAX_BLOCKS: Final = 16
PERCENT_STATEMENTS: Final = 30
_AGO_US: Final = (1, 1, 1, 0, 2, 1_000_001, 60_000_001, -1)
_LAST_NUMBER: Final = (1 << 64) - 1


@st.composite
def stating_histories(draw: st.DrawFn, script_bytes: int = SCRIPT_BYTES) -> History:
    """Histories under rules version 4 with statements among them."""
    return tell_stating(draw(st.binary(min_size=script_bytes // 2, max_size=script_bytes)))


def tell_stating(script: bytes) -> History:
    """The history in which a script makes all choices."""
    dice = Dice(script)
    tree = refine(dice, choose_tree(dice, max_fields=4))
    story = StatingStory(tree, dice, newest_genesis(PARTY_COUNT))
    story.begin()
    while not dice.is_used_up and len(story.blocks) < MAX_BLOCKS:
        story.add_block()
    return story.told()


class StatingStory(Story):
    """A history with statements while it is told."""

    def next_item(self) -> bytes | None:
        """A statement, or what comes otherwise."""
        if not self.state.books or not self.dice.happens(PERCENT_STATEMENTS):
            return super().next_item()
        return self.state_day()

    def state_day(self) -> bytes:
        """What a party's books hold of a role, as it says."""
        dice = self.dice
        book = dice.pick(self.state.books)
        role = dice.below(len(book.agreement.roles))
        party = dice.pick(book.holders[role]) if not dice.happens(4) else self.any_party()
        until_us = self._time_us - dice.pick(_AGO_US)
        after_us = max(0, until_us - dice.pick((until_us, until_us, until_us, 30_000_000, 0)))
        numbers = self._numbers(party)
        rows = self._held(book, role, party, (after_us, until_us))
        body = statement_of(book.agreement, role, rows, (after_us, until_us), numbers)
        if dice.happens(45):
            body = self._slip(body)
        return self.operation(party, OperationKind.STATE_DAY, body)

    def _held(self, book: Book, role: int, party: int, period: tuple[int, int]) -> list[bytes]:
        """The rows that stand, but for a forgotten or a further one now and then."""
        rows = []
        for transaction in book.transactions:
            at = transaction.roles[role]
            is_mine = at.party == party and at.record is not None and at.states
            if is_mine and at.record and period[0] < transaction.opened_us <= period[1]:
                row = bytearray(
                    row_bytes(
                        book.agreement,
                        transaction.transaction_id.rstrip(b"\0"),
                        1,
                        {},
                        originator=transaction.originator,
                    )
                )
                row[44:52] = at.record.presence.to_bytes(8, "little")
                row[68:] = at.record.values_bytes
                rows.append(bytes(row))
        if rows and self.dice.happens(10):
            rows.pop()
        if self.dice.happens(5):
            rows.append(row_bytes(book.agreement, "kept back", 1, {}))
        return rows

    def _numbers(self, party: int) -> tuple[StatedNumbers, ...]:
        """What the ledger has of a party's streams, and now and then one more or one less."""
        stated = []
        for key, stream in sorted(self.state.streams.items()):
            if key.party != party or self.dice.happens(20):
                continue
            used = [*range(1, stream.lowest_unused), *sorted(stream.used)]
            numbers = sorted({n for n in used if not self.dice.happens(3)} - {0})
            if self.dice.happens(15):
                numbers = sorted({*numbers, stream.lowest_unused, stream.highest_used + 2})
            if numbers:
                stated.append(StatedNumbers(key.stream, _as_ranges(numbers)))
        if StreamKey(party, 7) not in self.state.streams and self.dice.happens(6):
            stated.append(StatedNumbers(7, ((1, self.dice.pick((1, 3, 999, _LAST_NUMBER))),)))
        return tuple(sorted(stated, key=lambda each: each.stream))

    def _slip(self, body: StateDay) -> StateDay:
        """Something about a statement that is not as it should be."""
        dice = self.dice
        total = StatedTotal(
            dice.below(5), dice.pick((b"", b"EUR")), 1, sum_bytes(-1 - dice.below(9))
        )
        nine = StatedNumbers(9, ((2, 3),))
        return dice.pick(
            (
                replace(body, count=body.count + 1),
                replace(body, count=body.count - 1),
                replace(body, totals=body.totals[1:]),
                replace(body, totals=tuple(sorted({*body.totals, total}, key=_place))),
                replace(body, totals=(total,), count=max(body.count, 1)),
                replace(body, totals=(*body.totals, *body.totals)),
                replace(body, totals=(replace(total, total=b"\1"),)),
                replace(body, set_hash=bytes(32)),
                replace(body, set_hash=b""),
                replace(body, numbers=(nine, *body.numbers)),
                replace(body, numbers=(*body.numbers[:1], *body.numbers[:1])),
                replace(body, numbers=(StatedNumbers(0, ()),)),
                replace(body, numbers=(StatedNumbers(0, ((1, 2), (3, 4))),)),
                replace(body, numbers=(StatedNumbers(0, ((2, 2), (4, 4), (900, 2_000))),)),
                replace(body, numbers=(StatedNumbers(1 << 16, ((1, 1),)),)),
                replace(body, role=dice.pick((-1, 99, 0))),
                replace(body, version=body.version + dice.pick((1, -1))),
                replace(body, agreement="unheard-of"),
                replace(body, after_us=dice.pick((-1, body.until_us, 1 << 62))),
                replace(body, until_us=dice.pick((0, 1 << 62, body.until_us - 1))),
            )
        )


def _place(total: StatedTotal) -> tuple[int, bytes]:
    return total.field, total.currency


def _as_ranges(numbers: list[int]) -> tuple[tuple[int, int], ...]:
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return tuple(ranges)
