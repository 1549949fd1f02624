"""A batch has one form; what its writer would not have written is refused."""

import struct
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire import golden
from tieout.wire.batch import (
    HEADER_BYTES,
    SIGNATURE_BYTES,
    Batch,
    BatchHeader,
    parse_batch,
    parse_header,
)
from tieout.wire.ed25519 import verify
from tieout.wire.errors import WireError
from tieout.wire.limits import MAX_BATCH_BYTES, MAX_BATCH_ROWS, MAX_ROW_BYTES, NAME_BYTES
from tieout.wire.rows import PREFIX_BYTES, ColumnKind, row_layout
from tieout.wire.signing import sign_batch

WHOLE = sign_batch(golden.KEY, golden.header(), golden.rows())
ROWS_AT = HEADER_BYTES + SIGNATURE_BYTES
# Offsets as docs/formats/batch.md has them.
AGREEMENT_AT, ROW_COUNT_AT, ROW_BYTES_AT, RESERVED_AT = 72, 144, 148, 150

headers = st.builds(
    BatchHeader,
    ledger_id=st.binary(min_size=32, max_size=32),
    party=st.integers(0, 0xFFFF),
    key=st.integers(0, 0xFFFF),
    purpose=st.integers(0, 0xFF),
    role=st.integers(0, 0xFF),
    stream=st.integers(0, 0xFFFF),
    sequence=st.integers(0, (1 << 64) - 1),
    valid_until_us=st.integers(-(1 << 63), (1 << 63) - 1),
    agreement=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=36),
    version=st.integers(0, 0xFFFFFFFF),
    agreement_hash=st.binary(min_size=32, max_size=32),
    row_count=st.integers(0, 0xFFFFFFFF),
    row_bytes=st.integers(0, 0xFFFF),
    rows_root=st.binary(min_size=32, max_size=32),
)


def patched(at: int, data: bytes) -> bytes:
    return WHOLE[:at] + data + WHOLE[at + len(data) :]


def with_rows(count: int, width: int) -> bytes:
    head = patched(ROW_COUNT_AT, struct.pack("<IH", count, width))[:ROWS_AT]
    return head + bytes(count * width)


REFUSED: dict[str, bytes] = {
    "nothing": b"",
    "a header cut short": WHOLE[: HEADER_BYTES - 1],
    "no signature": WHOLE[:HEADER_BYTES],
    "another domain tag": patched(0, b"tieout/batch/2"),
    "an operation's tag": patched(0, b"tieout/op/1\0\0\0\0\0"),
    "reserved bytes that are not zero": patched(RESERVED_AT, b"\1"),
    "a name that is empty": patched(AGREEMENT_AT, bytes(NAME_BYTES)),
    "a name with something behind its padding": patched(AGREEMENT_AT + NAME_BYTES - 1, b"x"),
    "a name with a control character": patched(AGREEMENT_AT, b"\n"),
    "a name beyond ASCII": patched(AGREEMENT_AT, b"\xe4"),
    "the last byte missing": WHOLE[:-1],
    "a byte too many": WHOLE + b"\0",
    "a row missing": WHOLE[: -golden.LAYOUT.row_bytes],
    "no row at all": with_rows(0, golden.LAYOUT.row_bytes),
    "more rows than a batch may have": with_rows(MAX_BATCH_ROWS + 1, PREFIX_BYTES),
    "more bytes than a batch may have": with_rows(MAX_BATCH_BYTES // MAX_ROW_BYTES, MAX_ROW_BYTES),
    "rows narrower than their prefix": with_rows(3, PREFIX_BYTES - 1),
    "rows of no bytes": with_rows(3, 0),
    "rows that are too wide": with_rows(3, MAX_ROW_BYTES + 1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_batch_in_any_other_form_is_refused(name: str) -> None:
    with pytest.raises(WireError):
        parse_batch(REFUSED[name])


def test_a_batch_comes_back_as_it_was_signed() -> None:
    batch = parse_batch(WHOLE)
    assert batch.header == golden.header()
    assert batch.to_bytes() == WHOLE
    assert bytes(batch.rows) == golden.rows()
    assert verify(golden.KEY.public, batch.header_bytes, batch.signature)


def test_rows_are_not_copied() -> None:
    whole = bytearray(WHOLE)
    batch = parse_batch(memoryview(whole))
    whole[-1] ^= 1
    assert batch.rows[-1] == whole[-1]


@pytest.mark.parametrize(("count", "width"), [(MAX_BATCH_ROWS, 80), (4095, MAX_ROW_BYTES)])
def test_a_batch_at_its_limits_is_taken(count: int, width: int) -> None:
    assert parse_batch(with_rows(count, width)).header.row_count == count


@given(header=headers)
def test_a_header_has_184_bytes_and_one_form(header: BatchHeader) -> None:
    data = header.to_bytes()
    assert len(data) == HEADER_BYTES == 184
    assert parse_header(data) == header
    assert parse_header(data).to_bytes() == data


@given(header=headers, at=st.integers(0, HEADER_BYTES - 1), flip=st.integers(1, 255))
def test_a_changed_byte_of_the_header_is_refused_or_another_header(
    header: BatchHeader, at: int, flip: int
) -> None:
    changed = bytearray(header.to_bytes())
    changed[at] ^= flip
    try:
        parsed = parse_header(changed)
    except WireError:
        return
    assert parsed.to_bytes() == bytes(changed)
    assert parsed.digest() != header.digest()


@given(data=st.binary(max_size=400))
def test_strangers_bytes_are_refused_or_come_back_as_they_were(data: bytes) -> None:
    for candidate in (data, WHOLE[:16] + data, WHOLE[:ROWS_AT] + data):
        try:
            batch: Batch = parse_batch(candidate)
        except WireError:
            continue
        assert batch.to_bytes() == candidate


UNFIT: dict[str, Callable[[BatchHeader], BatchHeader]] = {
    "a short ledger id": lambda header: replace(header, ledger_id=b"short"),
    "a long root": lambda header: replace(header, rows_root=bytes(33)),
    "a party that is no 16-bit number": lambda header: replace(header, party=1 << 16),
    "a negative sequence number": lambda header: replace(header, sequence=-1),
    "a name that is too long": lambda header: replace(header, agreement="x" * 37),
    "a name beyond ASCII": lambda header: replace(header, agreement="fönds"),
    "an empty name": lambda header: replace(header, agreement=""),
    "rows of another size": lambda header: replace(header, row_bytes=header.row_bytes + 1),
    "another number of rows": lambda header: replace(header, row_count=4),
}


@pytest.mark.parametrize("name", UNFIT)
def test_nothing_is_signed_that_would_be_refused(name: str) -> None:
    with pytest.raises(WireError):
        sign_batch(golden.KEY, UNFIT[name](golden.header()), golden.rows())


def test_a_row_is_its_prefix_and_then_the_fields_without_gaps() -> None:
    layout = golden.LAYOUT
    assert [column.offset for column in layout.columns] == [68, 80, 88, 92, 100]
    assert layout.row_bytes == layout.dtype().itemsize == 120
    assert layout.values_bytes == 52
    (first, *_) = np.frombuffer(golden.rows(), dtype=layout.dtype())
    assert (first["id"], first["f_amount"], first["f_trade_date"]) == (b"A-1", 123_456, 20_454)


@pytest.mark.parametrize(
    "fields",
    [
        [(f"n{number}", ColumnKind.NUMBER, 8) for number in range(65)],
        [(f"t{number}", ColumnKind.TEXT, 256) for number in range(4)],
    ],
    ids=["65 fields", "1,092 bytes"],
)
def test_a_row_that_is_too_wide_is_refused(fields: list[tuple[str, ColumnKind, int]]) -> None:
    with pytest.raises(WireError):
        row_layout(fields)
