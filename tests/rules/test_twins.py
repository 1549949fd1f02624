"""The fast rules and the readable rules are one rule book: the same bytes from the same blocks."""

import random

import pytest
from hypothesis import HealthCheck, given, settings

from tieout import reference
from tieout.agreement.parse import parse_agreement
from tieout.testing.agreements import choose_tree, to_toml
from tieout.testing.dice import Dice
from tieout.testing.governed import agreed_histories, governed_histories
from tieout.testing.grouped import grouped_histories
from tieout.testing.histories import History, histories, refined_histories
from tieout.testing.images import read_adjustments, read_slots
from tieout.testing.people import people_histories
from tieout.testing.rulebooks import rule_book
from tieout.testing.staging import staged_histories
from tieout.testing.statements import choose_statements
from tieout.testing.stating import stating_histories
from tieout.testing.timely import timely_histories
from tieout.testing.workbench import START_US, Sender, workbench_genesis
from tieout.wire.block import Block
from tieout.wire.codes import OperationKind
from tieout.wire.operations import CloseCutoff, Enact

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
    assert kernel.members_document(state) == reference.members_document(history.state)
    assert kernel.state_digest(state) == reference.state_digest(history.state)
    assert kernel.breaks(state, history.name) == reference.breaks(history.state, history.name)


def pairs(history: History, state: object) -> list[tuple[object, object]]:
    return [(kernel, state), (reference, history.state)]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(histories())
def test_kernel_and_reference_say_the_same_of_every_history(history: History) -> None:
    compare(history)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(refined_histories())
def test_kernel_and_reference_say_the_same_of_refined_agreements(history: History) -> None:
    """R-TOL-6 to R-TOL-11."""
    compare(history)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(staged_histories())
def test_kernel_and_reference_say_the_same_of_transactions_with_stages(history: History) -> None:
    """R-STAGE-1 to R-STAGE-8."""
    compare(history)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(grouped_histories())
def test_kernel_and_reference_say_the_same_of_groups(history: History) -> None:
    """R-GROUP-1 to R-GROUP-6."""
    compare(history)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(timely_histories())
def test_kernel_and_reference_say_the_same_of_what_time_brings(history: History) -> None:
    """R-TOL-12, R-SEVERITY-1 to R-SEVERITY-4, R-ESCALATE-1, R-ESCALATE-2."""
    compare(history)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(governed_histories())
def test_kernel_and_reference_say_the_same_while_members_change(history: History) -> None:
    """R-MEMBER-1 to R-MEMBER-6."""
    compare(history)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(agreed_histories())
def test_kernel_and_reference_say_the_same_while_agreements_are_voted_on(history: History) -> None:
    """R-AGREE-4 to R-AGREE-6."""
    compare(history)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(stating_histories())
def test_kernel_and_reference_say_the_same_of_statements(history: History) -> None:
    """R-COMPLETE-1 to R-COMPLETE-5."""
    compare(history)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(people_histories())
def test_kernel_and_reference_say_the_same_while_people_decide(history: History) -> None:
    """R-DISPUTE-1 to R-DISPUTE-3, R-DECIDE-1 to R-DECIDE-4, R-REVERSE-1 to R-REVERSE-3."""
    compare(history)


@pytest.mark.parametrize("seed", range(3))
def test_kernel_and_reference_say_the_same_of_a_long_day(seed: int) -> None:
    """Many pages of slots, an index that grows, batches of hundreds of rows, several cut-offs."""
    compare(long_day(random.Random(seed)))


def long_day(generator: random.Random) -> History:
    """Thousands of transactions, published in random order in batches of up to 700 rows."""
    genesis = workbench_genesis()
    sender = Sender(genesis.ledger_id())
    dice = Dice(generator.randbytes(300_000))
    agreement = parse_agreement(to_toml(choose_tree(dice, max_fields=5)))
    parties = range(1, 1 + len(agreement.roles))
    body = Enact(agreement.canonical, tuple((party,) for party in parties))
    waiting = [sender.operation(party, OperationKind.ENACT, body) for party in parties]
    statements = choose_statements(dice, agreement, transaction_count=2_500)
    generator.shuffle(statements)
    state = reference.initial_state(genesis)
    blocks, results, time_us = [], [], START_US
    while waiting:
        block = Block(len(blocks) + 1, time_us, tuple(waiting))
        state, result = reference.apply_block(state, block)
        blocks.append(block)
        results.append(result)
        time_us += generator.choice((0, 1_000, 1_000_000, 60_000_000, 3_600_000_000))
        part, statements = statements[:2_000], statements[2_000:]
        waiting = []
        for role in range(len(agreement.roles)):
            rows = [statement.row for statement in part if statement.role == role][:700]
            if rows:
                waiting.append(sender.batch(agreement, 1 + role, role, rows))
        if waiting and generator.random() < 0.5:
            close = CloseCutoff(agreement.name, time_us)
            waiting.append(sender.operation(1, OperationKind.CLOSE_CUTOFF, close))
    return History(genesis, tuple(blocks), tuple(results), state, agreement.name)
