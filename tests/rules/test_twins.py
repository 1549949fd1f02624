"""The fast rules and the readable rules are one rule book: the same bytes from the same blocks."""

from hypothesis import HealthCheck, given, settings

from tieout import reference
from tieout.testing.histories import History, histories
from tieout.testing.images import read_adjustments, read_slots
from tieout.testing.rulebooks import rule_book

kernel = rule_book("kernel")


def compare(history: History) -> None:
    """Replay a history with the kernel; what differs first is named."""
    state = kernel.initial_state(history.genesis)
    for block, expected in zip(history.blocks, history.results, strict=True):
        state, actual = kernel.apply_block(state, block)
        assert actual.items == expected.items, f"block {block.height}"
        assert actual.events.tolist() == expected.events.tolist(), f"block {block.height}"
        assert actual.app_hash == expected.app_hash, f"block {block.height}"
    for number, agreement in enumerate(history.agreements, start=1):
        slots = [book.slot_images(of, number) for book, of in pairs(history, state)]
        assert slots[0] == slots[1], [read_slots(agreement, images) for images in slots]
        changes = [book.adjustment_images(of, number) for book, of in pairs(history, state)]
        assert changes[0] == changes[1], [read_adjustments(agreement, each) for each in changes]
    assert kernel.state_digest(state) == reference.state_digest(history.state)
    assert kernel.breaks(state, history.name) == reference.breaks(history.state, history.name)


def pairs(history: History, state: object) -> list[tuple[object, object]]:
    return [(kernel, state), (reference, history.state)]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(histories())
def test_kernel_and_reference_say_the_same_of_every_history(history: History) -> None:
    compare(history)
