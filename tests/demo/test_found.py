"""The faults' promises, held against the readable rules: no engine, no books, no screen."""

from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tieout.agreement.model import Agreement
from tieout.agreement.parse import parse_agreement
from tieout.demo.cast import INSTITUTIONS, Role
from tieout.demo.day import MAX_BLOCK_GAP_US, Day, fund_day
from tieout.demo.faults import Fault, FaultKind
from tieout.demo.rows import rows_of
from tieout.demo.tally import Score, Tally
from tieout.engines.keyfile import HeldKeys
from tieout.engines.keyring import KeyRing, found_parties
from tieout.engines.publisher import Publisher
from tieout.reference import State, apply_block, initial_state
from tieout.reference.adjusting import id_of
from tieout.wire.block import Block, BlockResult
from tieout.wire.codes import EventKind, ItemOutcome, OperationKind, Purpose
from tieout.wire.operations import AdjustmentStep, CloseCutoff, Enact


@dataclass
class Stage:
    """A ledger under the readable rules, and parties that adjust at once what they are told to."""

    day: Day
    agreement: Agreement
    state: State
    publishers: dict[int, Publisher]
    tally: Tally = field(default_factory=Tally)
    next_items: list[tuple[bytes, npt.NDArray[np.void] | None]] = field(default_factory=list)

    def apply(self, time_us: int, items: list[tuple[bytes, Any]]) -> BlockResult:
        block = Block(self.state.height + 1, time_us, tuple(item for item, _ in items))
        self.state, result = apply_block(self.state, block)
        assert {item.outcome for item in result.items} <= {ItemOutcome.ACCEPTED}
        self.tally.take(result.events, [rows for _, rows in items])
        return result

    def batch(self, party: int, role: int, rows: npt.NDArray[np.uint8]) -> tuple[bytes, Any]:
        signed = self.publishers[party].batch(self.agreement, role, rows)
        return signed, rows.reshape(-1).view(self.agreement.layout.dtype())

    def adjust(self, result: BlockResult) -> None:
        """Persons approve what is proposed; what is approved is published with the next block."""
        book = self.state.books[0]
        for event in result.events.tolist():
            kind, role, _, _, _, _, _, index, serial = event
            party = INSTITUTIONS[Role(role)].number if role in tuple(Role) else 0
            if kind == EventKind.ADJUSTMENT_PROPOSED:
                adjustment = book.adjustments[index]
                if adjustment.approved_at_once:
                    continue
                step = AdjustmentStep(
                    "fund-subscription",
                    0,
                    book.transactions[serial].transaction_id.rstrip(b"\0").decode(),
                    role,
                    id_of(self.state.ledger_id, book, adjustment),
                    "",
                )
                for person in ("approver-1", "approver-2"):
                    operation = self.publishers[party].operation(
                        OperationKind.APPROVE, Purpose.APPROVE, step, person
                    )
                    self.next_items.append((operation, None))
            elif kind == EventKind.ADJUSTMENT_APPROVED:
                self.next_items.append(self.batch(party, role, self.adjusted(serial, role, index)))

    def adjusted(self, serial: int, role: int, index: int) -> npt.NDArray[np.uint8]:
        """The role's standing record with the benchmarks in it, as the next revision."""
        book = self.state.books[0]
        adjustment, transaction = book.adjustments[index], book.transactions[serial]
        record = transaction.roles[role].record
        assert record is not None
        row = np.zeros(1, self.agreement.layout.dtype())
        row["id"] = transaction.transaction_id.rstrip(b"\0")
        row["revision"] = record.revision + 1
        row["presence"] = record.presence
        raw = row.view(np.uint8).reshape(1, -1)
        values = bytearray(record.values_bytes)
        for bit, column in enumerate(self.agreement.layout.columns):
            if adjustment.fields >> bit & 1:
                start = column.offset - 68
                place = slice(start, start + column.width)
                values[place] = adjustment.benchmark_bytes[place]
        raw[0, 68:] = np.frombuffer(bytes(values), np.uint8)
        return raw

    def play(self, block_gap_us: int) -> Score:
        records = self.day.records
        for until in range(self.day.opens_us, self.day.cutoff_us + 1, block_gap_us):
            due = records[(records["at_us"] <= until) & (records["at_us"] > until - block_gap_us)]
            items, self.next_items = self.next_items, []
            senders = zip(due["party"].tolist(), due["role"].tolist(), strict=True)
            for party, role in sorted(set(senders)):
                mine = due[(due["party"] == party) & (due["role"] == role)]
                items.append(self.batch(party, role, rows_of(self.agreement, mine)))
            self.adjust(self.apply(until, items))
        assert self.next_items == []
        close = CloseCutoff("fund-subscription", self.day.cutoff_us)
        operation = self.publishers[1].operation(OperationKind.CLOSE_CUTOFF, Purpose.PUBLISH, close)
        self.apply(self.day.cutoff_us, [(operation, None)])
        return self.tally.score(self.day.faults)


def stage(day: Day) -> Stage:
    text = (files("tieout.demo") / "fund-subscription.toml").read_text(encoding="utf-8")
    agreement = parse_agreement(text)
    genesis, stored = found_parties(["seller", "registrar", "bank"], day.opens_us, "demo")
    ring = KeyRing(genesis, HeldKeys(stored))
    publishers = {party: Publisher(ring, party, 0, 1) for party in (1, 2, 3)}
    made = Stage(day, agreement, initial_state(genesis), publishers)
    holders = ((1, 3), (2,), (3,))
    enact = Enact(agreement.canonical, holders)
    operations = [
        publisher.operation(OperationKind.ENACT, Purpose.GOVERN, enact)
        for publisher in publishers.values()
    ]
    made.apply(day.opens_us - 1, [(operation, None) for operation in operations])
    return made


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_rules_find_exactly_what_was_seeded(seed: int) -> None:
    score = stage(fund_day(seed, transactions=600)).play(MAX_BLOCK_GAP_US)
    assert score.exact, score
    assert score.found == score.seeded > 20


def test_shorter_blocks_find_the_same() -> None:
    score = stage(fund_day(4, transactions=500)).play(MAX_BLOCK_GAP_US // 4)
    assert score.exact, score


def test_a_seeded_break_that_the_rules_do_not_find_is_missed() -> None:
    played = stage(fund_day(5, transactions=500))
    played.play(MAX_BLOCK_GAP_US)
    broken = next(fault for fault in played.day.faults if fault.kind == FaultKind.WRONG_FEE)
    clean = sorted({*played.tally.transaction_ids} - {f.transaction_id for f in played.day.faults})
    misplaced = Fault(clean[0], broken.kind, broken.role, broken.field, broken.breaks)
    faults = [misplaced if fault is broken else fault for fault in played.day.faults]
    score = played.tally.score(faults)
    assert score.missed == ((clean[0], broken.breaks[0]),)
    assert score.invented == ((broken.transaction_id, broken.breaks[0]),)
