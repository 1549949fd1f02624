"""What must hold of every history: R-ORDER-1, R-ITEM-3, R-ADJ-7, and that numbers add up."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tieout import reference
from tieout.agreement.breakrow import BreakRow
from tieout.agreement.model import Agreement
from tieout.agreement.parse import parse_agreement
from tieout.testing.agreements import Tree, choose_tree, to_toml
from tieout.testing.dice import Dice
from tieout.testing.governed import tell_governed
from tieout.testing.grouped import group, tell_grouped
from tieout.testing.histories import SCRIPT_BYTES, History, histories, tell
from tieout.testing.images import read_adjustments, read_slots
from tieout.testing.people import tell_of_people
from tieout.testing.rulebooks import RuleBook
from tieout.testing.staging import stage_tree
from tieout.testing.statements import Statement, choose_statements
from tieout.testing.stating import tell_stating
from tieout.testing.timely import tell_timely
from tieout.testing.workbench import Sender, Workbench, newest_genesis, row_bytes
from tieout.wire.block import Block
from tieout.wire.codes import (
    NO_ITEM,
    OPEN_ADJUSTMENTS,
    AdjustmentStatus,
    BenchmarkState,
    BreakKind,
    EventKind,
    ItemOutcome,
    OperationKind,
    RowOutcome,
)
from tieout.wire.operations import CloseCutoff

KEY_STAGE = 38
"""Where the stage stands in a row."""
ORDER_MATTERS = (BreakKind.DUPLICATE, BreakKind.CHANGED_AFTER_MATCH)
scripts = st.binary(min_size=SCRIPT_BYTES, max_size=SCRIPT_BYTES)


# ---------------------------------------------------------------- any order, any batching


def notifying_agreement(dice: Dice) -> Agreement:
    """An agreement under which nothing is approved, so that nothing is frozen (R-ORDER-1)."""
    tree = choose_tree(dice, max_fields=4)
    if dice.happens(50):
        tree = group(dice, tree)
    return parse_agreement(to_toml({**tree, "adjustment": {"mode": "notify"}}))


def breaks_after_cutoff(
    rules: RuleBook, agreement: Agreement, statements: Sequence[Statement], dice: Dice
) -> list[BreakRow]:
    """Publish statements in this order, cut into batches and blocks as the dice fall, and close."""
    bench = Workbench(rules, newest_genesis())
    bench.enact(agreement, [[1 + role] for role in range(len(agreement.roles))])
    items: list[bytes] = []
    rest = list(statements)
    while rest:
        role = rest[0].role
        count = 1
        while count < len(rest) and rest[count].role == role and not dice.happens(30):
            count += 1
        rows = [statement.row for statement in rest[:count]]
        items.append(bench.sender.batch(agreement, 1 + role, role, rows))
        rest = rest[count:]
        if dice.happens(40):
            bench.time_us += dice.pick((0, 1, 1_000_000, 7_200_000_001))
            bench.apply(*items)
            items = []
    close = CloseCutoff(agreement.name, bench.time_us)
    bench.apply(*items, bench.sender.operation(1, OperationKind.CLOSE_CUTOFF, close))
    return rules.breaks(bench.state, agreement.name)


@given(scripts, st.randoms(use_true_random=False))
def test_any_order_and_any_batching_ends_in_the_same_breaks(
    rules: RuleBook, script: bytes, shuffler: random.Random
) -> None:
    """R-ORDER-1, of agreements with groups too (R-GROUP-4, R-GROUP-5)."""
    dice = Dice(script)
    agreement = notifying_agreement(dice)
    statements = choose_statements(dice, agreement, transaction_count=3)
    shuffled = list(statements)
    shuffler.shuffle(shuffled)
    expected = breaks_after_cutoff(rules, agreement, statements, Dice(b""))
    actual = breaks_after_cutoff(rules, agreement, shuffled, dice)
    assert [row for row in expected if row.kind not in ORDER_MATTERS] == [
        row for row in actual if row.kind not in ORDER_MATTERS
    ]


@given(scripts, st.randoms(use_true_random=False))
def test_any_order_of_stages_ends_in_the_same_breaks(
    rules: RuleBook, script: bytes, shuffler: random.Random
) -> None:
    """R-ORDER-1, R-STAGE-7: what comes ahead of its time ends as if it had not."""
    dice = Dice(script)
    tree: Tree = {**choose_tree(dice, max_fields=3), "adjustment": {"mode": "notify"}}
    agreement = parse_agreement(to_toml(stage_tree(dice, tree)))
    statements = choose_statements(dice, agreement, transaction_count=2)
    statements = [each for each in statements if not dice.happens(20)]
    statements.sort(key=lambda each: each.row[KEY_STAGE])
    shuffled = list(statements)
    shuffler.shuffle(shuffled)
    expected = breaks_after_cutoff(rules, agreement, statements, Dice(b""))
    actual = breaks_after_cutoff(rules, agreement, shuffled, dice)
    assert [row for row in expected if row.kind not in ORDER_MATTERS] == [
        row for row in actual if row.kind not in ORDER_MATTERS
    ]


# ---------------------------------------------------------------- refusals


@given(histories())
def test_a_history_without_what_was_refused_is_the_same_history(
    rules: RuleBook, history: History
) -> None:
    """R-ITEM-3: but for the log and the sequence numbers."""
    state = rules.initial_state(history.genesis)
    for block, result in zip(history.blocks, history.results, strict=True):
        kept = [
            index for index, item in enumerate(result.items) if item.outcome is ItemOutcome.ACCEPTED
        ]
        items = tuple(block.items[index] for index in kept)
        state, now = rules.apply_block(state, replace(block, items=items))
        # Without the numbers that refusals used up, a later number may be too far ahead.
        assume(all(item.outcome is not ItemOutcome.OUT_OF_WINDOW for item in now.items))
        assert [item.rows for item in now.items] == [result.items[index].rows for index in kept]
        assert told(now.events, range(len(kept))) == told(result.events, kept)
    for number, agreement in enumerate(history.agreements, start=1):
        images = [
            read_slots(agreement, rules.slot_images(state, number)).copy(),
            read_slots(agreement, reference.slot_images(history.state, number)).copy(),
        ]
        for slots in images:
            slots["roles"]["place"] = 0
        assert images[0].tobytes() == images[1].tobytes()


def told(events: NDArray[np.void], items: Sequence[int]) -> list[tuple[int, ...]]:
    """The events that are not about sequence numbers, with the places of items among `items`."""
    places = {item: place for place, item in enumerate(items)}
    rows = events[~np.isin(events["kind"], (EventKind.EQUIVOCATION, EventKind.SEQUENCE_GAP))].copy()
    rows["item"] = [places.get(int(item), NO_ITEM) for item in rows["item"]]
    return [tuple(row) for row in rows.tolist()]


@given(histories(script_bytes=500))
def test_what_was_sent_before_changes_nothing(rules: RuleBook, history: History) -> None:
    """R-SEQ-3, R-BLOCK-3, R-ITEM-2: unless it was kept, or may be heard by now."""
    state = replayed(rules, history)
    before = rules.app_hash(state), rules.state_digest(state)
    other_by_now = (
        ItemOutcome.EQUIVOCATION,
        ItemOutcome.KEY_NOT_VALID,
        ItemOutcome.OUT_OF_WINDOW,
    )
    sent = [
        (data, item.outcome)
        for block, result in zip(history.blocks, history.results, strict=True)
        for data, item in zip(block.items, result.items, strict=True)
    ]
    left_out = [data for data, outcome in sent if outcome in other_by_now]
    items = tuple(data for data, _ in sent if data not in left_out)
    last = history.blocks[-1]
    state, result = rules.apply_block(state, Block(last.height + 1, last.time_us, items))
    assert all(item.leaf is None for item in result.items)
    assert (rules.app_hash(state), rules.state_digest(state)) == before


def replayed(rules: RuleBook, history: History) -> Any:
    state = rules.initial_state(history.genesis)
    for block in history.blocks:
        state, _ = rules.apply_block(state, block)
    return state


# ---------------------------------------------------------------- adjusting


@given(histories())
def test_reported_less_difference_is_the_benchmark(rules: RuleBook, history: History) -> None:
    """R-MATCH-2, R-MATCH-4: nothing is rounded, and nothing wraps."""
    for row in rules.breaks(replayed(rules, history), history.name):
        decided = row.state is BenchmarkState.DECIDED
        assert (row.benchmark is not None) == decided == (row.basis is not None)
        if isinstance(row.reported, int) and isinstance(row.difference, int):
            assert row.reported - row.difference == row.benchmark
        else:
            assert row.difference is None


@given(histories())
def test_who_follows_its_adjustment_ties_out(rules: RuleBook, history: History) -> None:
    """R-ADJ-1, R-ADJ-7: the next record with the benchmarks in it verifies the adjustment."""
    state = replayed(rules, history)
    sender = Sender(history.genesis.ledger_id())
    block = history.blocks[-1]
    for stream, (number, index) in enumerate(open_adjustments(rules, history, state), start=9_000):
        agreement = history.agreements[number - 1]
        adjustment = read_adjustments(agreement, rules.adjustment_images(state, number))[index]
        if adjustment["status"] not in OPEN_ADJUSTMENTS:
            continue  # what was followed before has changed more than its own role
        slot = read_slots(agreement, rules.slot_images(state, number))[int(adjustment["serial"])]
        item = follow(sender, agreement, slot, adjustment, stream)
        block = Block(block.height + 1, block.time_us, (item,))
        state, result = rules.apply_block(state, block)
        assert result.items[0].rows[RowOutcome.ACCEPTED] == 1
        adjustment = read_adjustments(agreement, rules.adjustment_images(state, number))[index]
        assert adjustment["status"] == AdjustmentStatus.VERIFIED


def open_adjustments(rules: RuleBook, history: History, state: Any) -> list[tuple[int, int]]:
    """Book and index of every open adjustment whose record can still be followed by another."""
    found = []
    for number, agreement in enumerate(history.agreements, start=1):
        slots = read_slots(agreement, rules.slot_images(state, number))
        for index, adjustment in enumerate(
            read_adjustments(agreement, rules.adjustment_images(state, number))
        ):
            role = slots[int(adjustment["serial"])]["roles"][adjustment["role"]]
            if adjustment["status"] in OPEN_ADJUSTMENTS and role["revision"] < (1 << 32) - 1:
                found.append((number, index))
    return found


def follow(
    sender: Sender, agreement: Agreement, slot: np.void, adjustment: np.void, stream: int
) -> bytes:
    """The batch of a party that has put its books right, exactly as it was told."""
    role = int(adjustment["role"])
    block = slot["roles"][role]
    values: dict[int, int | bytes] = {}
    for f, field in enumerate(agreement.fields):
        asked = is_asked_for(agreement, int(adjustment["fields"]), f)
        stated = adjustment["benchmarks"] if asked else block["values"]
        value = stated[field.name].item()
        if (asked and value != b"") or (not asked and int(block["presence"]) >> f & 1):
            values[f] = value
    row = row_bytes(
        agreement,
        bytes(slot["id"]),
        int(block["revision"]) + 1,
        values,
        originator=int(slot["originator"]),
    )
    return sender.batch(agreement, int(block["party"]), role, [row], stream=stream)


def is_asked_for(agreement: Agreement, fields: int, f: int) -> bool:
    """Whether an adjustment has a value for a field: its own, or the currency of another's."""
    holders = [
        each.currency_field for place, each in enumerate(agreement.fields) if fields >> place & 1
    ]
    return bool(fields >> f & 1) or f in holders


# ---------------------------------------------------------------- the histories themselves


def test_histories_come_across_everything_that_can_become_of_something() -> None:
    generator = random.Random(20)
    items: set[ItemOutcome] = set()
    rows: set[RowOutcome] = set()
    kinds: set[int] = set()
    for told_by in (
        tell,
        tell_governed,
        tell_of_people,
        tell_stating,
        tell_timely,
        tell_grouped,
    ) * 250:
        for result in told_by(generator.randbytes(SCRIPT_BYTES)).results:
            items |= {item.outcome for item in result.items}
            rows |= {
                RowOutcome(outcome)
                for item in result.items
                for outcome, count in enumerate(item.rows)
                if count
            }
            kinds |= set(result.events["kind"].tolist())
    assert set(ItemOutcome) - items == set()
    assert set(RowOutcome) - rows == set()
    assert set(EventKind) - kinds == set()
