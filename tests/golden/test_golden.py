"""Golden ledgers are replayed to the same hashes by every implementation, and from a journal."""

import json
from pathlib import Path

import pytest

from tests.golden.days import DAYS
from tests.golden.form import FOLDER, Form, blocks_of, computed, files, genesis_of, text_of
from tests.golden.make import kept
from tieout import reference
from tieout.journal.check import check_journal
from tieout.journal.journal import Journal
from tieout.testing.images import read_adjustments, read_slots
from tieout.testing.rulebooks import RULE_BOOKS, rule_book
from tieout.wire.codes import (
    AdjustmentStatus,
    AlarmState,
    BenchmarkState,
    BreakKind,
    EventKind,
    ItemOutcome,
    OperationKind,
    RowOutcome,
    Status,
)
from tieout.wire.operations import parse_operation

LARGEST_BYTES = 1_500_000
SMALL_SEGMENT_BYTES = 8_192


def read(name: str) -> Form:
    ledger: Form = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return ledger


@pytest.fixture(params=DAYS)
def ledger(request: pytest.FixtureRequest) -> Form:
    return read(request.param)


def test_every_day_has_its_file_and_all_of_them_are_small() -> None:
    assert sorted(path.stem for path in files()) == sorted(DAYS)
    assert sum(path.stat().st_size for path in files()) < LARGEST_BYTES


@pytest.mark.parametrize("rules", RULE_BOOKS)
def test_every_implementation_replays_it_to_the_same_bytes(ledger: Form, rules: str) -> None:
    """R-BLOCK-2, R-ITEM-2."""
    actual = computed(rule_book(rules), genesis_of(ledger), blocks_of(ledger))
    for was, now in zip(ledger["blocks"], actual["blocks"], strict=True):
        assert was == now
    assert ledger == actual


@pytest.mark.parametrize("rules", RULE_BOOKS)
def test_what_the_journal_kept_replays_to_the_same_bytes(
    ledger: Form, rules: str, tmp_path: Path
) -> None:
    """Half of it written, the journal closed and opened again, the rest written; then checked."""
    genesis, blocks = genesis_of(ledger), blocks_of(ledger)
    state = reference.initial_state(genesis)
    results = []
    for block in blocks:
        state, result = reference.apply_block(state, block)
        results.append(result)
    half = len(blocks) // 2
    for part in (slice(0, half), slice(half, None)):
        with Journal.open(
            tmp_path, genesis.ledger_id(), segment_bytes=SMALL_SEGMENT_BYTES
        ) as journal:
            for block, result in zip(blocks[part], results[part], strict=True):
                journal.append(block, result)
                journal.sync()
    with Journal.open(tmp_path, genesis.ledger_id(), read_only=True) as journal:
        entries = list(journal.entries())
    assert len(list((tmp_path / "segments").glob("*.seg"))) > 1
    assert check_journal(tmp_path, genesis.ledger_id()).is_sound
    assert [entry.result.items for entry in entries] == [result.items for result in results]
    assert ledger == computed(rule_book(rules), genesis, [entry.block for entry in entries])


def test_it_ends_with_a_cutoff_so_that_the_last_digest_covers_it(ledger: Form) -> None:
    """R-BLOCK-2."""
    state = rule_book("reference").initial_state(genesis_of(ledger))
    for block in blocks_of(ledger):
        state, _ = reference.apply_block(state, block)
    assert ledger["blocks"][-1]["state_digest"] == reference.state_digest(state).hex()


@pytest.mark.parametrize("name", DAYS)
def test_the_file_is_written_as_the_command_writes_it(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == text_of(read(name))


@pytest.mark.parametrize("name", [name for name in DAYS if not name.startswith("chance")])
def test_the_day_is_still_told_in_the_same_blocks(name: str) -> None:
    """What chance decides depends on who draws; what a script says does not."""
    keeper = kept(name)
    assert keeper.genesis == genesis_of(read(name))
    assert keeper.blocks == blocks_of(read(name))


# ---------------------------------------------------------------- together they show everything


@pytest.fixture(scope="module")
def ledgers() -> list[Form]:
    return [read(name) for name in DAYS]


def test_every_outcome_of_items_and_rows_is_among_them(ledgers: list[Form]) -> None:
    items = [item for each in ledgers for block in each["blocks"] for item in block["items"]]
    outcomes = {ItemOutcome[item["outcome"]] for item in items}
    rows = {
        RowOutcome(outcome)
        for item in items
        for outcome, count in enumerate(item["rows"].split())
        if int(count)
    }
    assert set(ItemOutcome) - outcomes == set()
    assert set(RowOutcome) - rows == set()


def test_every_kind_of_operation_took_effect(ledgers: list[Form]) -> None:
    kinds = set()
    for each in ledgers:
        for block, form in zip(blocks_of(each), each["blocks"], strict=True):
            for data, item in zip(block.items, form["items"], strict=True):
                if item["outcome"] == "ACCEPTED" and not item["rows"]:
                    kinds.add(parse_operation(data).kind)
    assert set(OperationKind) - kinds == set()


def test_every_kind_of_event_is_among_them(ledgers: list[Form]) -> None:
    kinds = {
        bytes.fromhex(event)[0]
        for each in ledgers
        for block in each["blocks"]
        for event in block["events"]
    }
    assert set(EventKind) - kinds == set()


def test_every_kind_of_break_is_open_at_the_end_of_one(ledgers: list[Form]) -> None:
    rows = [row for each in ledgers for rows in each["breaks"].values() for row in rows]
    assert {row["kind"] for row in rows} == {kind.name for kind in BreakKind}
    assert {row["basis"] is None for row in rows} == {True, False}
    assert {row["difference"] is None for row in rows} == {True, False}


def test_every_status_stands_at_some_block(ledgers: list[Form]) -> None:
    statuses: set[int] = set()
    alarms: set[int] = set()
    benchmarks: set[int] = set()
    adjustments: set[int] = {AdjustmentStatus.NONE}
    for each in ledgers:
        state = reference.initial_state(genesis_of(each))
        for block in blocks_of(each):
            state, result = reference.apply_block(state, block)
            opened = result.events[result.events["kind"] == EventKind.BREAK_OPENED]
            benchmarks |= set(opened["extra"].tolist())
            for book in state.books:
                slots = read_slots(book.agreement, reference.slot_images(state, book.number))
                statuses |= set(slots["status"].tolist())
                alarms |= set(slots["alarm"].tolist())
                changes = reference.adjustment_images(state, book.number)
                found = read_adjustments(book.agreement, changes)
                adjustments |= set(found["status"].tolist())
    assert set(Status) - statuses == set()
    assert set(AlarmState) - alarms == set()
    assert set(BenchmarkState) - benchmarks == set()
    assert set(AdjustmentStatus) - adjustments == set()
