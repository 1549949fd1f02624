"""The audit: agrees with what is so, and names the block where something is not."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.evidence.ledgers import RecordedLedger, act, certificate_of, signers_of
from tests.evidence.scripts import AGREEMENT, EVERYTHING, NAME, NEXT_AGREEMENT, TRANSACTIONS
from tieout.evidence.audit import Held, audit
from tieout.evidence.checkpoint import make_checkpoint
from tieout.evidence.pack import build_pack, verify_pack
from tieout.evidence.reader import JournalReader
from tieout.journal.errors import JournalDamaged
from tieout.journal.journal import Journal
from tieout.wire.block import Block, BlockResult
from tieout.wire.codes import EventKind, ItemOutcome

LAST = 31
Kept = list[tuple[Block, BlockResult]]


@cache
def ledger() -> RecordedLedger:
    return act(EVERYTHING, AGREEMENT, NEXT_AGREEMENT)[0]


def kept() -> Kept:
    return list(zip(ledger().blocks, ledger().results, strict=True))


def test_a_sound_ledger_is_found_sound() -> None:
    seen: list[int] = []
    held = Held(
        checkpoints=[ledger().checkpoint(height).to_bytes() for height in (1, 7, LAST)],
        certificates=[certificate_of(ledger(), ledger().checkpoint()).to_bytes()],
    )
    report = audit(kept(), ledger().genesis, held, seen.append)
    assert report.difference is None
    assert report.is_sound
    assert (report.blocks, report.transactions, report.broken) == (LAST, 6, 2)
    assert (report.checkpoints, report.certificates) == (3, 1)
    assert report.app_hash == ledger().results[-1].app_hash
    assert seen == list(range(1, LAST + 1))


def tampered(height: int, **changes: object) -> Kept:
    blocks = kept()
    block, result = blocks[height - 1]
    blocks[height - 1] = (block, replace(result, **changes))  # type: ignore[arg-type]
    return blocks


def flip_event(height: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    events = ledger().results[height - 1].events.copy()
    events["kind"][0] = EventKind.TRANSACTION_MATCHED
    return events


def test_a_changed_outcome_is_named_with_its_block() -> None:
    items = ledger().results[3].items
    wrong = (replace(items[0], outcome=ItemOutcome.TOO_LATE), *items[1:])
    report = audit(tampered(4, items=wrong), ledger().genesis)
    assert report.difference is not None
    assert report.difference.height == 4
    assert "item 0" in report.difference.what
    assert report.blocks == 3


def test_a_changed_event_is_named_with_its_block() -> None:
    report = audit(tampered(5, events=flip_event(5)), ledger().genesis)
    assert report.difference is not None
    assert report.difference.height == 5
    assert "event 0" in report.difference.what


def test_an_event_that_was_left_out_is_named() -> None:
    events = ledger().results[4].events[:-1]
    report = audit(tampered(5, events=events), ledger().genesis)
    assert report.difference is not None
    assert "by the rules it is" in report.difference.what


def test_another_app_hash_is_named() -> None:
    report = audit(tampered(6, app_hash=bytes(32)), ledger().genesis)
    assert report.difference is not None
    assert (report.difference.height, report.difference.what[:8]) == (6, "app hash")


def test_a_block_out_of_order_is_named() -> None:
    blocks = kept()
    del blocks[2]
    report = audit(blocks, ledger().genesis)
    assert report.difference is not None
    assert report.difference.height == 4


def test_a_changed_item_is_named() -> None:
    blocks = kept()
    block, result = blocks[1]
    item = bytearray(block.items[0])
    item[-1] ^= 1
    blocks[1] = (replace(block, items=(bytes(item), *block.items[1:])), result)
    report = audit(blocks, ledger().genesis)
    assert report.difference is not None
    assert report.difference.height == 2


def test_removed_blocks_show_against_a_checkpoint_that_is_held() -> None:
    held = Held(checkpoints=[ledger().checkpoint().to_bytes()])
    report = audit(kept()[:20], ledger().genesis, held)
    assert report.difference is not None
    assert "blocks were removed" in report.difference.what


def test_a_checkpoint_of_another_history_is_named() -> None:
    signed = ledger().checkpoint(9).checkpoint
    other = make_checkpoint(replace(signed, log_size=3), signers_of(ledger().genesis))
    report = audit(kept(), ledger().genesis, Held(checkpoints=[other.to_bytes()]))
    assert report.difference is not None
    assert report.difference.height == 9


def test_a_certificate_that_tells_another_story_is_named() -> None:
    said = "registrar T5 r1 2.00 CNY"
    script = EVERYTHING.replace(said, f"{said} & T6 r1 2.00 CNY")
    other, _ = act(script, AGREEMENT, NEXT_AGREEMENT)
    content = certificate_of(other, ledger().checkpoint())
    report = audit(kept(), ledger().genesis, Held(certificates=[content.to_bytes()]))
    assert report.difference is not None
    assert report.difference.height == LAST
    assert "certificate" in report.difference.what


def test_what_is_held_must_itself_hold() -> None:
    report = audit(kept(), ledger().genesis, Held(checkpoints=[b"trust me\n"]))
    assert report.difference is not None
    assert report.difference.height == 0


def test_damage_of_the_journal_is_named() -> None:
    def damaged() -> Iterator[tuple[Block, BlockResult]]:
        yield from kept()[:7]
        raise JournalDamaged(8, 4711, Path("1.seg"), "the frame does not fit its hash")

    report = audit(damaged(), ledger().genesis)
    assert report.difference is not None
    assert (report.blocks, report.difference.height) == (7, 8)


# ---------------------------------------------------------------- from a journal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path, ledger().genesis.ledger_id()) as opened:
        for block, result in kept():
            opened.append(block, result)
        opened.sync()
        yield opened


def test_a_journal_can_be_audited(journal: Journal) -> None:
    entries = ((entry.block, entry.result) for entry in journal.entries())
    assert audit(entries, ledger().genesis).is_sound


def test_a_journal_gives_the_same_checkpoints_and_packs(journal: Journal) -> None:
    reader = JournalReader(journal, ledger().genesis)
    for height in range(1, LAST + 1):
        assert reader.checkpoint(height) == ledger().checkpoint(height).checkpoint
    for transaction_id in TRANSACTIONS:
        pack = build_pack(reader, ledger().checkpoint(), NAME, 0, transaction_id)
        assert pack == build_pack(ledger(), ledger().checkpoint(), NAME, 0, transaction_id)
        assert verify_pack(pack, ledger().genesis).verdict == "verified"
