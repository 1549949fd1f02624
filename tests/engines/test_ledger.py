"""The embedded ledger: founded once, kept, and the same again after every start."""

import re
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest

from tests.engines.ledgers import AGREEMENT, BANK, SELLER, START_US, founded, opened, publish, rows
from tieout import kernel
from tieout.agreement.parse import parse_agreement
from tieout.engines.embedded.ledger import EmbeddedLedger, found_ledger, read_genesis
from tieout.engines.errors import EngineError, LedgerDamaged, NoLedger, Refused
from tieout.journal.errors import JournalDamaged, JournalLocked
from tieout.wire.batch import HEAD_BYTES
from tieout.wire.codes import ItemOutcome, OperationKind, Purpose
from tieout.wire.errors import BlockError
from tieout.wire.operations import CloseCutoff


def filled(directory: Path) -> bytes:
    """A ledger with a few blocks and a break; its app hash. It is closed."""
    with opened(directory) as ledger:
        publish(ledger, SELLER, ("A", 100), ("B", 200), ("C", 300))
        publish(ledger, BANK, ("A", 100), ("B", 250))
        body = CloseCutoff(AGREEMENT.name, ledger.time_us)
        party = ledger.party("bank")
        ledger.operate(party, OperationKind.CLOSE_CUTOFF, Purpose.PUBLISH, body, ledger.time_us + 1)
        return kernel.app_hash(ledger.state)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_private_keys_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    directory = founded(tmp_path / "ledger")
    assert mode_of(directory / "keys.json") == 0o600
    assert "Test keys" in (directory / "keys.json").read_text()


def test_genesis_holds_no_private_key(tmp_path: Path) -> None:
    directory = founded(tmp_path / "ledger")
    seeds = re.findall(r'"seed": ?"([0-9a-f]{64})"', (directory / "keys.json").read_text())
    assert len(seeds) == 7
    assert not any(seed in (directory / "genesis.json").read_text() for seed in seeds)


def test_every_ledger_has_its_own_keys(tmp_path: Path) -> None:
    one, two = founded(tmp_path / "one"), founded(tmp_path / "two")
    assert read_genesis(one).ledger_id() != read_genesis(two).ledger_id()
    shutil.copy(one / "keys.json", two / "keys.json")
    with EmbeddedLedger.open(two) as ledger, pytest.raises(EngineError, match="not the one in"):
        ledger.enact(AGREEMENT, START_US)


def test_a_ledger_is_founded_once(tmp_path: Path) -> None:
    directory = founded(tmp_path / "ledger")
    before = (directory / "keys.json").read_bytes()
    with pytest.raises(EngineError, match="already"):
        found_ledger(directory, AGREEMENT.roles, START_US)
    assert (directory / "keys.json").read_bytes() == before


def test_one_that_was_half_founded_is_founded_again(tmp_path: Path) -> None:
    directory = founded(tmp_path / "ledger")
    (directory / "genesis.json").unlink()
    founded(directory)
    with opened(directory) as ledger:
        publish(ledger, SELLER, ("A", 100))


def test_a_journal_without_its_genesis_is_not_founded_over(tmp_path: Path) -> None:
    directory = tmp_path / "ledger"
    filled(directory)
    (directory / "genesis.json").unlink()
    keys = (directory / "keys.json").read_bytes()
    with pytest.raises(EngineError, match=re.escape("genesis.json")):
        founded(directory)
    assert (directory / "keys.json").read_bytes() == keys


def test_where_there_is_no_ledger_there_is_none_to_open(tmp_path: Path) -> None:
    with pytest.raises(NoLedger) as raised:
        EmbeddedLedger.open(tmp_path)
    assert raised.value.path == tmp_path
    assert raised.value.advice


def test_a_restart_replays_to_the_same_app_hash(tmp_path: Path) -> None:
    app_hash = filled(tmp_path / "ledger")
    for _ in range(2):
        with EmbeddedLedger.open(tmp_path / "ledger") as ledger:
            assert kernel.app_hash(ledger.state) == app_hash
            assert (ledger.height, ledger.replayed_bytes > 0) == (4, True)


def test_a_restart_from_a_snapshot_replays_what_came_after_it(tmp_path: Path) -> None:
    filled(tmp_path / "ledger")
    with EmbeddedLedger.open(tmp_path / "ledger") as ledger:
        ledger.snapshot()
        after_snapshot = ledger.replayed_bytes
        publish(ledger, BANK, ("C", 300))
        publish(ledger, BANK, ("B", 200), revision=2)
        app_hash = kernel.app_hash(ledger.state)
        table = kernel.break_table(ledger.state, "pay")
    assert len(table) == 0
    with EmbeddedLedger.open(tmp_path / "ledger") as ledger:
        assert kernel.app_hash(ledger.state) == app_hash
        assert 0 < ledger.replayed_bytes < after_snapshot
        publish(ledger, SELLER, ("D", 400))
        app_hash = kernel.app_hash(ledger.state)
    shutil.rmtree(tmp_path / "ledger" / "journal" / "snapshots")
    with EmbeddedLedger.open(tmp_path / "ledger") as ledger:
        assert kernel.app_hash(ledger.state) == app_hash


def test_a_restart_goes_on_with_the_next_sequence_number(tmp_path: Path) -> None:
    filled(tmp_path / "ledger")
    with EmbeddedLedger.open(tmp_path / "ledger") as ledger:
        party = ledger.party("seller")
        assert ledger.publisher(party).next_sequence == 3
        assert ledger.publisher(party, stream=5).next_sequence == 1


def test_what_was_not_synced_when_the_process_died_did_not_happen(tmp_path: Path) -> None:
    filled(tmp_path / "ledger")
    ledger = EmbeddedLedger.open(tmp_path / "ledger")
    height = ledger.height
    item = ledger.publisher(ledger.party("bank")).batch(AGREEMENT, BANK, rows(("C", 300)))
    ledger.judge([item], ledger.time_us)
    ledger.journal.close()
    with EmbeddedLedger.open(tmp_path / "ledger") as ledger:
        assert ledger.height == height


def test_an_agreement_is_enacted_once(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger") as ledger:
        height = ledger.height
        ledger.enact(AGREEMENT, ledger.time_us)
        assert ledger.height == height
        assert ledger.agreement("pay") is not None
        assert ledger.agreement("fees") is None
        assert ledger.agreement_names() == ["pay"]


def test_what_cannot_be_enacted_changes_nothing_and_says_what_to_do(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger") as ledger:
        height = ledger.height
        for wrong in (
            _toml('name = "pay"\nversion = 1\nroles = ["seller", "bank"]', scale=3),
            _toml('name = "pay"\nversion = 3\nroles = ["seller", "bank"]', scale=2),
            _toml('name = "tax"\nversion = 1\nroles = ["seller", "office"]', scale=2),
        ):
            with pytest.raises(EngineError) as raised:
                ledger.enact(parse_agreement(wrong), ledger.time_us)
            assert raised.value.advice
            assert ledger.height == height


def _toml(head: str, *, scale: int) -> str:
    return f'{head}\n[fields.amount]\ntype = "money"\nscale = {scale}\n'


def test_a_refused_operation_is_kept_and_said(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger") as ledger:
        body = CloseCutoff("fees", ledger.time_us)
        kind, purpose = OperationKind.CLOSE_CUTOFF, Purpose.PUBLISH
        with pytest.raises(Refused) as raised:
            ledger.operate(ledger.party("bank"), kind, purpose, body, ledger.time_us)
        assert raised.value.outcome == "unknown_agreement"
        height, app_hash = ledger.height, kernel.app_hash(ledger.state)
    with EmbeddedLedger.open(tmp_path / "ledger") as ledger:
        assert (ledger.height, kernel.app_hash(ledger.state)) == (height, app_hash)


def test_a_person_that_there_is_no_key_of_cannot_sign(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger") as ledger:
        party = ledger.party("seller")
        for purpose, person in ((Purpose.APPROVE, "nobody"), (Purpose.CHECKPOINT, None)):
            with pytest.raises(EngineError, match="there is no key of seller"):
                ledger.ring.signer(party, purpose, person)


def test_time_does_not_run_backwards(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger") as ledger:
        before = ledger.height
        with pytest.raises(BlockError):
            ledger.apply([], ledger.time_us - 1)
        assert ledger.height == before
        publish(ledger, SELLER, ("A", 100))


def test_a_ledger_has_one_writer_and_many_readers(tmp_path: Path) -> None:
    app_hash = filled(tmp_path / "ledger")
    with EmbeddedLedger.open(tmp_path / "ledger") as writer:
        with pytest.raises(JournalLocked) as raised:
            EmbeddedLedger.open(tmp_path / "ledger")
        assert raised.value.advice
        with EmbeddedLedger.open(tmp_path / "ledger", read_only=True) as reader:
            publish(writer, BANK, ("C", 300))
            assert kernel.app_hash(reader.state) == app_hash
        with EmbeddedLedger.open(tmp_path / "ledger", read_only=True) as reader:
            assert kernel.app_hash(reader.state) == kernel.app_hash(writer.state)


def test_a_journal_of_another_ledger_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "one")
    filled(tmp_path / "two")
    shutil.rmtree(tmp_path / "two" / "journal")
    shutil.copytree(tmp_path / "one" / "journal", tmp_path / "two" / "journal")
    with pytest.raises(JournalDamaged):
        EmbeddedLedger.open(tmp_path / "two")


def test_blocks_that_do_not_give_the_app_hash_of_the_journal_are_named(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger") as ledger:
        item = ledger.publisher(ledger.party("seller")).batch(AGREEMENT, SELLER, rows(("A", 100)))
        block, result = ledger.judge([item], ledger.time_us)
        wrong = type(result)(result.height, bytes(32), result.items, result.events)
        ledger.keep(block, wrong)
        ledger.sync()
    with pytest.raises(LedgerDamaged) as raised:
        EmbeddedLedger.open(tmp_path / "ledger")
    assert "block 2" in str(raised.value)


def test_a_snapshot_of_another_state_is_never_gone_on_from(tmp_path: Path) -> None:
    filled(tmp_path / "one")
    filled(tmp_path / "two")
    for name in ("one", "two"):
        with EmbeddedLedger.open(tmp_path / name) as ledger:
            ledger.snapshot()
    expected = _app_hash(tmp_path / "two")
    snapshots = tmp_path / "two" / "journal" / "snapshots"
    shutil.rmtree(snapshots)
    shutil.copytree(tmp_path / "one" / "journal" / "snapshots", snapshots)
    assert _app_hash(tmp_path / "two") == expected


def _app_hash(directory: Path) -> bytes:
    with EmbeddedLedger.open(directory, read_only=True) as ledger:
        return kernel.app_hash(ledger.state)


def test_nobody_vouches_for_rows_that_are_malformed(tmp_path: Path) -> None:
    stated = rows(("T-1", 1), ("T-2", 2))
    stated[1, 0] = ord(" ")
    room = np.concatenate([np.zeros(HEAD_BYTES, np.uint8), stated.reshape(-1)])
    with opened(tmp_path / "ledger") as ledger:
        publisher = ledger.publisher(ledger.party("seller"), vouch=True)
        signed = publisher.batch_in_place(AGREEMENT, SELLER, room)
        assert not ledger.state.vouched
        (result,) = ledger.apply([signed], ledger.time_us).items
        assert (result.outcome, result.bad_row) == (ItemOutcome.MALFORMED_ROW, 1)


def test_a_batch_is_the_same_whether_it_was_signed_in_its_place_or_not(tmp_path: Path) -> None:
    """And it is applied as any other; its rows are vouched for as they stand."""
    stated = rows(*((f"T-{number:03}", number) for number in range(40)))
    room = np.concatenate([np.zeros(HEAD_BYTES, np.uint8), stated.reshape(-1)])
    with opened(tmp_path / "ledger") as ledger:
        seller = ledger.party("seller")
        copied = ledger.publisher(seller).batch(AGREEMENT, SELLER, stated)
        in_place = ledger.publisher(seller, vouch=True).batch_in_place(AGREEMENT, SELLER, room)
        assert bytes(in_place) == copied
        assert in_place.readonly
        (result,) = ledger.apply([in_place], ledger.time_us).items
        assert (result.outcome, sum(result.rows)) == (ItemOutcome.ACCEPTED, 40)
        assert not ledger.state.vouched
    with opened(tmp_path / "ledger") as ledger:
        assert kernel.counts(ledger.state, AGREEMENT.name).transactions == 40
