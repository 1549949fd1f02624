"""The journal's bytes are those of its manual, and stay those of the golden vectors."""

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.journal import golden
from tests.journal.ledgers import LEDGER_ID
from tests.wire.golden import subtree_root, text
from tieout.journal.check import CheckReport, check_journal
from tieout.wire.codes import ItemOutcome

WRITTEN: dict[str, Any] = json.loads(golden.FILE.read_bytes())
SEGMENT = bytes.fromhex(WRITTEN["segment"])


def test_golden_vectors_are_computed_anew(tmp_path: Path) -> None:
    assert text(golden.vectors(tmp_path)) == golden.FILE.read_text(encoding="utf-8")


def test_the_golden_journal_is_sound(tmp_path: Path) -> None:
    for folder, name, part in (("segments", 1, "seg"), ("snapshots", 3, "snap")):
        (tmp_path / folder).mkdir()
        data = SEGMENT if part == "seg" else bytes.fromhex(WRITTEN["snapshot"])
        (tmp_path / folder / f"{name:020d}.{part}").write_bytes(data)
    assert check_journal(tmp_path, LEDGER_ID) == CheckReport((), None, golden.BLOCKS)


def test_a_segment_begins_as_the_manual_says() -> None:
    assert SEGMENT[:48] == b"tieout/segment/1" + LEDGER_ID
    assert SEGMENT[48:136] == struct.pack("<Q32s32sqQ", 1, b"", b"", 0, 0)
    assert SEGMENT[136:168] == hashlib.sha256(SEGMENT[:136]).digest()
    assert WRITTEN["frames"][0]["offset"] == 168


@pytest.mark.parametrize("position", range(golden.BLOCKS))
def test_a_frame_is_hashed_as_the_manual_says(position: int) -> None:
    """A second reader, written from docs/formats/journal.md alone."""
    stated = WRITTEN["frames"][position]
    at = stated["offset"]
    begin, size, height, time_us, item_count, event_count, log_size, synced, previous, app_hash = (
        struct.unpack_from("<8sQQqIIQQ32s32s", SEGMENT, at)
    )
    frame = SEGMENT[at : at + size]
    assert (begin, frame[-8:]) == (b"[TIEOUT>", b"<TIEOUT]")
    assert frame[120:152] == hashlib.sha256(b"tieout/frame/1\0\0" + frame[:120]).digest()
    assert (height, time_us, synced) == (position + 1, stated["time_us"], position)
    before = bytes(32).hex() if position == 0 else WRITTEN["frames"][position - 1]["frame_hash"]
    assert (previous.hex(), app_hash.hex()) == (before, stated["app_hash"])
    assert (item_count, event_count) == (len(stated["items"]), stated["events"])
    digest = hashlib.sha256(frame[: 152 + 52 * item_count])
    item_at, leaves = 152 + 52 * item_count, 0
    for line, item_stated in enumerate(stated["items"]):
        item_size, covered, leaf, outcome = struct.unpack_from("<IIQH", frame, 152 + 52 * line)
        item = frame[item_at : item_at + item_size]
        digest.update(item[:covered])
        leaves = max(leaves, 0 if leaf == (1 << 64) - 1 else leaf + 1)
        assert ItemOutcome(outcome).name == item_stated["outcome"]
        if covered < item_size:
            assert covered == 248
            assert item[152:184] == subtree_root([item[248:]])
        item_at += item_size
    assert leaves == log_size
    assert size == item_at + 24 * event_count + 40
    digest.update(frame[item_at:-40])
    assert digest.digest() == frame[-40:-8] == bytes.fromhex(stated["frame_hash"])


def test_records_are_sorted_and_hashed_as_the_manual_says() -> None:
    stated = WRITTEN["records"]
    sidecar = bytes.fromhex(stated["sidecar"])
    magic, ledger, count, segment, digest = struct.unpack_from("<16s32sQ32s32s", sidecar)
    assert (magic, ledger) == (b"tieout/records/1", LEDGER_ID)
    assert segment.hex() == WRITTEN["frames"][-1]["frame_hash"]
    assert digest == hashlib.sha256(sidecar[:88] + sidecar[120:]).digest()
    values = struct.unpack_from(f"<{2 * count}Q", sidecar, 120)
    assert list(values[:count]) == sorted(values[:count])
    key = stated["transaction_id"].encode().ljust(36, b"\0") + bytes(4)
    seed = hashlib.sha256(b"tieout/ids/1\0" + stated["agreement"].encode()).digest()[:8]
    value = int.from_bytes(seed, "little")
    for word in struct.unpack("<5Q", key):
        value = (value ^ word) * 0x9E3779B97F4A7C15 % (1 << 64)
        value ^= value >> 32
    assert f"{value:016x}" == stated["hash"]
    places = sorted(values[count + i] for i in range(count) if values[i] == value)
    assert [[place >> 16, place & 0xFFFF] for place in places] == stated["places"]


def test_a_snapshot_is_hashed_as_the_manual_says() -> None:
    data = bytes.fromhex(WRITTEN["snapshot"])
    magic, ledger, height, app_hash, frame_hash, count, chunk = struct.unpack_from(
        "<16s32sQ32s32sII", data
    )
    last = WRITTEN["frames"][-1]
    assert (magic, ledger, height, chunk) == (b"tieout/snapshot1", LEDGER_ID, 3, 1 << 20)
    assert (app_hash.hex(), frame_hash.hex()) == (last["app_hash"], last["frame_hash"])
    parts = [struct.unpack_from("<48sQ", data, 128 + 56 * i) for i in range(count)]
    root_at = 128 + 56 * count
    chunks = sum(-(-size // chunk) for _, size in parts)
    hashes = data[root_at + 32 : root_at + 32 + 32 * chunks]
    assert data[root_at : root_at + 32] == hashlib.sha256(data[:root_at] + hashes).digest()
    at, found = root_at + 32 + 32 * chunks, b""
    for _, size in parts:
        found += hashlib.sha256(data[at : at + size]).digest() if size else b""
        at += size
    assert (found, at) == (hashes, len(data))
