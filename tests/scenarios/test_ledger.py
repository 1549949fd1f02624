"""Ledger, items and sequences: R-BLOCK-1 to R-BLOCK-3, R-ITEM-1 to R-ITEM-3, R-SEQ-1 to R-SEQ-4."""

import hashlib
from typing import Any

import msgspec
import pytest

from tests.scenarios.agreements import pair
from tieout.agreement.model import Agreement
from tieout.agreement.parse import parse_agreement
from tieout.merkle.tree import leaf_hash, root
from tieout.testing.rulebooks import RuleBook
from tieout.testing.workbench import (
    ADA,
    LEAVER,
    LEAVER_FROM,
    LEAVER_UNTIL,
    NOTARY,
    START_US,
    Workbench,
    row_bytes,
    workbench_genesis,
)
from tieout.wire import ids
from tieout.wire.batch import BATCH_TAG, HEADER_BYTES, SIGNATURE_BYTES
from tieout.wire.block import Block
from tieout.wire.codes import EventKind, ItemOutcome, OperationKind, Purpose
from tieout.wire.errors import BlockError
from tieout.wire.leaf import leaf_bytes
from tieout.wire.limits import SEQUENCE_GAP_US
from tieout.wire.operations import CloseCutoff, Enact

AGREEMENT = parse_agreement(pair('[deadlines]\nbank = "30s"\n'))
ROWS_AT = HEADER_BYTES + SIGNATURE_BYTES


def opened(rules: RuleBook, agreement: Agreement = AGREEMENT) -> Workbench:
    bench = Workbench(rules)
    bench.enact(agreement, [[1], [2]])
    return bench


def batch(bench: Workbench, transaction_id: str = "T1", **changes: Any) -> bytes:
    row = row_bytes(AGREEMENT, transaction_id, 1, {0: 10_000})
    return bench.sender.batch(AGREEMENT, 1, 0, [row], **changes)


def outcomes(bench: Workbench, *items: bytes) -> list[str]:
    return [item.outcome.name.lower() for item in bench.apply(*items).items]


# ---------------------------------------------------------------- blocks


@pytest.mark.parametrize(
    ("height", "time_us"),
    [
        (1, START_US),
        (3, START_US),
        (0, START_US),
        (2, START_US - 1),
        (2, 1 << 62),
    ],
)
def test_a_block_that_does_not_follow_changes_nothing(
    rules: RuleBook, height: int, time_us: int
) -> None:
    """R-BLOCK-1."""
    bench = opened(rules)
    before = rules.app_hash(bench.state), rules.state_digest(bench.state)
    with pytest.raises(BlockError):
        rules.apply_block(bench.state, Block(height, time_us, (batch(bench, sequence=2),)))
    assert (rules.app_hash(bench.state), rules.state_digest(bench.state)) == before
    assert outcomes(bench, batch(bench, sequence=2)) == ["accepted"]


def test_the_first_block_is_number_one_at_any_time_after_the_beginning(rules: RuleBook) -> None:
    """R-BLOCK-1."""
    genesis = workbench_genesis()
    with pytest.raises(BlockError):
        rules.apply_block(rules.initial_state(genesis), Block(0, START_US, ()))
    with pytest.raises(BlockError):
        rules.apply_block(rules.initial_state(genesis), Block(1, 0, ()))
    _, result = rules.apply_block(rules.initial_state(genesis), Block(1, 1, ()))
    assert result.height == 1


def test_items_come_first_then_deadlines_then_gaps_then_the_digest(rules: RuleBook) -> None:
    """R-BLOCK-2."""
    bench = opened(rules)
    bench.apply(batch(bench), batch(bench, "T2", sequence=9))
    bench.time_us += SEQUENCE_GAP_US + 1
    cutoff = CloseCutoff(AGREEMENT.name, START_US - 1)
    close = bench.sender.operation(2, OperationKind.CLOSE_CUTOFF, cutoff)
    result = bench.apply(close)
    assert result.events["kind"].tolist() == [
        EventKind.CUTOFF_CLOSED,
        EventKind.BREAK_OPENED,
        EventKind.TRANSACTION_BROKEN,
        EventKind.ALARM_RAISED,
        EventKind.BREAK_OPENED,
        EventKind.TRANSACTION_BROKEN,
        EventKind.ALARM_RAISED,
        EventKind.SEQUENCE_GAP,
    ]


def test_the_app_hash_covers_log_events_members_agreements_and_state(rules: RuleBook) -> None:
    """R-BLOCK-2, R-ITEM-2: computed here once more from the formats alone."""
    bench = Workbench(rules)
    body = Enact(AGREEMENT.canonical, ((1,), (2,)))
    enacted = [bench.sender.operation(party, OperationKind.ENACT, body) for party in (1, 2)]
    close = CloseCutoff(AGREEMENT.name, START_US)
    late = batch(bench, valid_until_us=START_US - 1)
    blocks = [
        [*enacted, b"no item"],
        [batch(bench), late, batch(bench, "T2", stream=1)],
        [bench.sender.operation(2, OperationKind.CLOSE_CUTOFF, close)],
    ]
    leaf_hashes, chain = [], ids.NO_EVENTS
    for height, items in enumerate(blocks, start=1):
        result = bench.apply(*items)
        chain = ids.next_events_chain(chain, result.events.tobytes())
        for index, (item, became) in enumerate(zip(items, result.items, strict=True)):
            if became.leaf is not None:
                assert became.leaf == len(leaf_hashes)
                signed, signature = split(item)
                leaf = leaf_bytes(height, START_US, index, became.outcome, signed, signature)
                leaf_hashes.append(leaf_hash(leaf))
    assert len(leaf_hashes) == 6
    assert bench.results[-1].app_hash == ids.app_hash(
        bench.genesis.ledger_id(),
        len(leaf_hashes),
        root(leaf_hashes),
        chain,
        ids.members_hash(bench.genesis),
        ids.agreements_hash([hashlib.sha256(msgspec.msgpack.encode(body)).digest()]),
        rules.state_digest(bench.state),
    )


def split(item: bytes) -> tuple[bytes, bytes]:
    """What is signed of an item, and the signature."""
    if item.startswith(BATCH_TAG):
        return item[:HEADER_BYTES], item[HEADER_BYTES:ROWS_AT]
    return item[:-SIGNATURE_BYTES], item[-SIGNATURE_BYTES:]


def test_a_block_without_effect_leaves_the_app_hash_as_it_was(rules: RuleBook) -> None:
    """R-BLOCK-3."""
    bench = opened(rules)
    item = batch(bench)
    bench.apply(item)
    before = bench.results[-1].app_hash
    bench.time_us += 1
    spoilt = bytes([item[0] ^ 1]) + item[1:]
    assert outcomes(bench) == []
    assert outcomes(bench, item, spoilt, b"") == ["repeated", "malformed", "malformed"]
    assert bench.results[-1].app_hash == before
    assert len(bench.results[-1].events) == 0


# ---------------------------------------------------------------- items


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"ledger_id": bytes(32), "party": 99}, "wrong_ledger"),
        ({"party": 0}, "unknown_party"),
        ({"party": 99, "key": 99}, "unknown_party"),
        ({"key": 99, "purpose": 0}, "unknown_key"),
        ({"key": LEAVER, "purpose": Purpose.GOVERN}, "key_not_valid"),
        ({"purpose": Purpose.GOVERN}, "wrong_purpose"),  # the key has it, a batch needs another
        ({"key": ADA}, "wrong_purpose"),  # the header has it, the key does not
        ({"key": NOTARY}, "wrong_purpose"),
        ({"sequence": 0, "valid_until_us": 0}, "out_of_window"),
        ({"sequence": 5_000, "valid_until_us": 0}, "out_of_window"),
    ],
)
def test_an_item_that_may_not_speak_leaves_no_trace(
    rules: RuleBook, changes: dict[str, Any], outcome: str
) -> None:
    """R-ITEM-1, R-ITEM-2, R-OP-1: the first check that fails is the outcome."""
    bench = opened(rules)
    before = bench.results[-1].app_hash
    assert outcomes(bench, batch(bench, **changes)) == [outcome]
    assert bench.results[-1].items[0].leaf is None
    assert bench.results[-1].app_hash == before
    assert outcomes(bench, batch(bench, sequence=2)) == ["accepted"]


def test_a_bad_signature_comes_before_anything_that_is_said(rules: RuleBook) -> None:
    """R-ITEM-1."""
    bench = opened(rules)
    item = bytearray(batch(bench, sequence=1, valid_until_us=0))
    item[HEADER_BYTES] ^= 1
    assert outcomes(bench, bytes(item)) == ["bad_signature"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sequence": 0},
        {"sequence": 5_000},
        {"sequence": 1},  # that of the enactment: an equivocation otherwise
        {"valid_until_us": 0},
        {"agreement": "unheard-of"},
        {"role": 1},
    ],
)
def test_rows_without_the_signed_root_come_before_anything_about_numbers(
    rules: RuleBook, changes: dict[str, Any]
) -> None:
    """R-ITEM-1, R-ITEM-2: such a batch is nobody's word."""
    bench = opened(rules)
    before = bench.results[-1].app_hash, rules.state_digest(bench.state)
    result = bench.apply(batch(bench, rows_root=bytes(32), **changes))
    assert [(item.outcome, item.leaf) for item in result.items] == [(ItemOutcome.WRONG_ROOT, None)]
    assert len(result.events) == 0
    assert (result.app_hash, rules.state_digest(bench.state)) == before


def test_a_bad_signature_comes_before_the_root(rules: RuleBook) -> None:
    """R-ITEM-1."""
    bench = opened(rules)
    item = bytearray(batch(bench, rows_root=bytes(32)))
    item[HEADER_BYTES] ^= 1
    assert outcomes(bench, bytes(item)) == ["bad_signature"]


def test_whoever_swaps_the_rows_of_a_batch_takes_nothing_from_its_sender(rules: RuleBook) -> None:
    """R-ITEM-2: the batch as it was signed is taken afterwards, as if the other had not come."""
    bench, undisturbed = opened(rules), opened(rules)
    signed, other = batch(bench), batch(bench, "T2", sequence=9)
    swapped = signed[:ROWS_AT] + other[ROWS_AT:]
    spoilt = signed[:-1] + bytes([signed[-1] ^ 1])
    assert outcomes(bench, swapped, spoilt) == ["wrong_root", "wrong_root"]
    assert outcomes(undisturbed) == []
    assert outcomes(bench, signed) == outcomes(undisturbed, signed) == ["accepted"]
    assert bench.results[-1].app_hash == undisturbed.results[-1].app_hash
    assert outcomes(bench, swapped, signed) == ["wrong_root", "repeated"]


def test_a_key_is_valid_from_its_first_to_its_last_height(rules: RuleBook) -> None:
    """R-ITEM-1."""
    bench = opened(rules)
    seen = {}
    for height in range(2, 9):
        item = batch(bench, f"T{height}", key=LEAVER, sequence=height)
        seen[height] = outcomes(bench, item) == ["accepted"]
    assert [height for height, valid in seen.items() if valid] == list(
        range(LEAVER_FROM, LEAVER_UNTIL + 1)
    )


def test_what_passed_the_signature_is_kept_and_uses_its_number_up(rules: RuleBook) -> None:
    """R-ITEM-2, R-ITEM-3, R-SEQ-2: refused for what it says, or for being too late."""
    bench = opened(rules)
    late = batch(bench, valid_until_us=START_US - 1, agreement="unheard-of")
    wrong = batch(bench, role=1)
    result = bench.apply(late, wrong)
    assert [(item.outcome, item.leaf) for item in result.items] == [
        (ItemOutcome.TOO_LATE, 2),
        (ItemOutcome.NOT_ENTITLED, 3),
    ]
    assert len(result.events) == 0
    assert rules.slot_images(bench.state, 1) == b""
    assert outcomes(bench, late, wrong) == ["repeated", "repeated"]


def test_valid_until_is_the_last_moment(rules: RuleBook) -> None:
    """R-ITEM-1."""
    bench = opened(rules)
    assert outcomes(bench, batch(bench, valid_until_us=START_US)) == ["accepted"]
    assert outcomes(bench, batch(bench, valid_until_us=START_US - 1)) == ["too_late"]


MALFORMED_ROWS = {
    "empty id": (0, bytes(36)),
    "leading space": (0, b" T1".ljust(36, b"\0")),
    "trailing space": (0, b"T1 ".ljust(36, b"\0")),
    "control character": (0, b"T\n1".ljust(36, b"\0")),
    "C1 control character": (0, b"T\xc2\x851".ljust(36, b"\0")),
    "byte behind the padding": (0, b"T1\0x".ljust(36, b"\0")),
    "no UTF-8": (0, b"T\xff".ljust(36, b"\0")),
    "overlong UTF-8": (0, b"T\xc0\xaf".ljust(36, b"\0")),
    "half a surrogate pair": (0, b"T\xed\xa0\x80".ljust(36, b"\0")),
    "cut UTF-8": (0, b"T\xe2\x82".ljust(36, b"\0")),
    "a stage": (38, b"\x01"),
    "unknown action": (39, b"\x02"),
    "withdrawal with values": (39, b"\x01"),
    "revision zero": (40, bytes(4)),
    "field that is not reported": (44, b"\x41"),
    "field that does not exist": (51, b"\x80"),
    "absent but not zero": (44, b"\x3e"),
    "number too large": (68, (1 << 62).to_bytes(8, "little")),
    "number too small": (68, (-(1 << 62)).to_bytes(8, "little", signed=True)),
    "smallest of all": (68, (-(1 << 63)).to_bytes(8, "little", signed=True)),
    "day before the year 1": (76, (-719_163).to_bytes(4, "little", signed=True)),
    "day after the year 9999": (76, (2_932_897).to_bytes(4, "little")),
    "time too large": (80, (1 << 62).to_bytes(8, "little")),
    "empty code": (88, bytes(3)),
    "code with a space in front": (88, b" A\0"),
    "code with a space behind": (88, b"A \0"),
    "code beyond ASCII": (88, b"\xc3\xa9\0"),
    "code with a control character": (88, b"A\x7f\0"),
    "code behind its padding": (88, b"A\0B"),
    "empty text": (91, bytes(5)),
    "text with a control character": (91, b"a\tb\0\0"),
    "text that is no UTF-8": (91, b"\xf8\x88\x80\x80\x80"),
    "text behind its padding": (91, b"a\0b\0\0"),
}
EVERYTHING = parse_agreement(
    """
name = "everything"
version = 1
roles = ["seller", "bank"]
[fields.number]
type = "price"
scale = 2
[fields.day]
type = "date"
[fields.at]
type = "time"
[fields.code]
type = "code"
length = 3
[fields.text]
type = "text"
length = 5
[fields.other]
type = "integer"
[fields.bank_only]
type = "integer"
roles = ["bank"]
"""
)
VALUES: dict[int, int | bytes] = {0: 1, 1: 2, 2: 3, 3: b"CNY", 4: " ü ".encode(), 5: 4}


@pytest.mark.parametrize("wrong", MALFORMED_ROWS)
def test_a_malformed_row_refuses_its_batch_and_is_named(rules: RuleBook, wrong: str) -> None:
    """R-ROW-1, R-BATCH-1, R-ITEM-3."""
    offset, damage = MALFORMED_ROWS[wrong]
    good = row_bytes(EVERYTHING, "T1", 1, VALUES)
    bad = good[:offset] + damage + good[offset + len(damage) :]
    assert bad != good
    bench = opened(rules, EVERYTHING)
    result = bench.apply(
        bench.sender.batch(EVERYTHING, 1, 0, [good, bad, bad]),
        bench.sender.batch(EVERYTHING, 1, 0, [good]),
    )
    assert [(item.outcome, item.bad_row, item.rows) for item in result.items] == [
        (ItemOutcome.MALFORMED_ROW, 1, ()),
        (ItemOutcome.ACCEPTED, None, (1, 0, 0, 0, 0, 0, 0)),
    ]
    assert len(rules.slot_images(bench.state, 1)) == 80 + 2 * (56 + 44)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (0, (1 << 62) - 1),
        (0, -(1 << 62) + 1),
        (1, -719_162),
        (1, 2_932_896),
        (2, -(1 << 62) + 1),
        (3, b"A B"),
        (3, b"~"),
        (4, b" x "),
        (4, "\U0010ffff".encode()),
        (4, b"\xc2\xa0"),
    ],
)
def test_the_edges_of_what_is_well_formed(rules: RuleBook, field: int, value: int | bytes) -> None:
    """R-ROW-1."""
    bench = opened(rules, EVERYTHING)
    row = row_bytes(EVERYTHING, "ünïcode id of 36 bytes, no more ü", 1, {**VALUES, field: value})
    assert outcomes(bench, bench.sender.batch(EVERYTHING, 1, 0, [row])) == ["accepted"]


def test_the_salt_may_be_anything_and_is_no_difference(rules: RuleBook) -> None:
    """R-ROW-1, R-SAME-1."""
    bench = opened(rules)
    salted = [row_bytes(AGREEMENT, "T1", 1, {0: 1}, salt=bytes([n]) * 16) for n in (0, 255)]
    result = bench.apply(bench.sender.batch(AGREEMENT, 1, 0, salted))
    assert result.items[0].rows == (1, 0, 0, 0, 0, 1, 0)


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"agreement": "unheard-of", "agreement_hash": bytes(32)}, "unknown_agreement"),
        ({"version": 2, "role": 9}, "unknown_agreement"),
        ({"agreement_hash": bytes(32), "role": 9}, "wrong_agreement_hash"),
        ({"role": 2}, "unknown_role"),
        ({"role": 1}, "not_entitled"),
    ],
)
def test_a_batch_is_refused_by_the_first_check_that_fails(
    rules: RuleBook, changes: dict[str, Any], outcome: str
) -> None:
    """R-BATCH-1."""
    bench = opened(rules)
    assert outcomes(bench, batch(bench, **changes)) == [outcome]


def test_rows_of_another_width_are_malformed_from_the_first(rules: RuleBook) -> None:
    """R-BATCH-1."""
    bench = opened(rules)
    row = row_bytes(AGREEMENT, "T1", 1, {0: 1})
    wide = bench.sender.batch(AGREEMENT, 1, 0, [row + bytes(8), row + bytes(8)])
    result = bench.apply(wide)
    assert [(item.outcome, item.bad_row) for item in result.items] == [
        (ItemOutcome.MALFORMED_ROW, 0),
    ]


# ---------------------------------------------------------------- sequences


def test_numbers_are_taken_in_any_order_within_the_window(rules: RuleBook) -> None:
    """R-SEQ-1: number 1 was the enactment, so 2 is the lowest that is not used."""
    bench = opened(rules)
    numbers = [3, 1_025, 1_026, 2, 1_026, 1_027, 1_028, 0, (1 << 64) - 1]
    items = [batch(bench, f"T{number}", sequence=number) for number in numbers]
    assert outcomes(bench, *items) == [
        "accepted",
        "accepted",  # 2 + 1,023
        "out_of_window",
        "accepted",  # now 4 is the lowest
        "accepted",
        "accepted",  # 4 + 1,023
        "out_of_window",
        "out_of_window",
        "out_of_window",
    ]


def test_each_stream_of_each_party_counts_for_itself(rules: RuleBook) -> None:
    """R-SEQ-1."""
    bench = opened(rules)
    rows = [row_bytes(AGREEMENT, "T1", 1, {0: 1})]
    items = [
        bench.sender.batch(AGREEMENT, 1, 0, rows, stream=7, sequence=1),
        bench.sender.batch(AGREEMENT, 2, 1, rows, stream=7, sequence=1),
        bench.sender.batch(AGREEMENT, 2, 1, rows, stream=65_535, sequence=1),
    ]
    assert outcomes(bench, *items) == ["accepted"] * 3


def test_the_same_bytes_again_are_a_repeat_and_other_bytes_an_equivocation(
    rules: RuleBook,
) -> None:
    """R-SEQ-3: the signed bytes count, not what becomes of them."""
    bench = opened(rules)
    first, other = batch(bench, sequence=2), batch(bench, "T2", sequence=2)
    body = CloseCutoff(AGREEMENT.name, START_US)
    operation = bench.sender.operation(1, OperationKind.CLOSE_CUTOFF, body, sequence=2)
    result = bench.apply(first, first, other, other, operation, first)
    assert [item.outcome.name.lower() for item in result.items] == [
        "accepted",
        "repeated",
        "equivocation",
        "equivocation",
        "equivocation",
        "repeated",
    ]
    assert [item.leaf for item in result.items] == [2, None, 3, 4, 5, None]
    told = result.events[result.events["kind"] == EventKind.EQUIVOCATION]
    assert told[["item", "extra", "serial"]].tolist() == [
        (2, 1 << 16, 2),
        (3, 1 << 16, 2),
        (4, 1 << 16, 2),
    ]


def test_after_the_window_a_used_number_is_out_of_it(rules: RuleBook) -> None:
    """R-SEQ-3: the last 1,024 numbers up to the highest are remembered."""
    bench = opened(rules)
    second, third = batch(bench, sequence=2), batch(bench, "T3", sequence=3)
    bench.apply(second, third, batch(bench, "T4", sequence=1_026))
    assert outcomes(bench, second, third) == ["out_of_window", "repeated"]
    conflicting = batch(bench, "T5", sequence=3)
    assert outcomes(bench, conflicting) == ["equivocation"]


def test_a_gap_is_named_once_when_it_stays_open(rules: RuleBook) -> None:
    """R-SEQ-4."""
    bench = opened(rules)
    bench.apply(batch(bench, "T1", sequence=4))
    assert gaps(bench, SEQUENCE_GAP_US) == []
    assert gaps(bench, 1) == [(1 << 16, 2)]
    assert gaps(bench, SEQUENCE_GAP_US) == []
    bench.apply(batch(bench, "T2", sequence=2))  # 3 is the lowest unused one now
    assert gaps(bench, SEQUENCE_GAP_US) == []
    assert gaps(bench, 1) == [(1 << 16, 3)]
    bench.apply(batch(bench, "T3", sequence=3))
    assert gaps(bench, 2 * SEQUENCE_GAP_US) == []


def test_gaps_are_named_in_the_order_of_party_and_stream(rules: RuleBook) -> None:
    """R-SEQ-4."""
    bench = opened(rules)
    rows = [row_bytes(AGREEMENT, "T1", 1, {0: 1})]
    for party, stream in ((2, 1), (1, 9), (2, 0), (1, 3)):
        numbers = {"stream": stream, "sequence": 5}
        bench.apply(bench.sender.batch(AGREEMENT, party, party - 1, rows, **numbers))
    assert gaps(bench, SEQUENCE_GAP_US + 1) == [
        (1 << 16 | 3, 1),
        (1 << 16 | 9, 1),
        (2 << 16 | 0, 2),
        (2 << 16 | 1, 1),
    ]


def gaps(bench: Workbench, wait_us: int) -> list[tuple[int, int]]:
    """The gaps (party and stream, lowest unused number) that are named after some time."""
    events = bench.wait(wait_us).events
    named = events[events["kind"] == EventKind.SEQUENCE_GAP]
    return [(int(event["extra"]), int(event["serial"])) for event in named]
