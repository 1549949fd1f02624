"""Which rows are well formed (R-ROW-1), stated a second time with Python's own decoder."""

import unicodedata

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tieout.agreement.parse import parse_agreement
from tieout.kernel.plan import make_plan
from tieout.kernel.rowcheck import check_rows
from tieout.kernel.words import HASH_WORDS
from tieout.testing.workbench import row_bytes

AGREEMENT = parse_agreement(
    """
    name = "rows"
    version = 1
    roles = ["left", "right"]
    [fields.code]
    type = "code"
    length = 11
    [fields.short]
    type = "code"
    length = 3
    [fields.text]
    type = "text"
    length = 13
    [fields.number]
    type = "quantity"
    scale = 2
    [fields.day]
    type = "date"
    [fields.time]
    type = "time"
    [fields.not_left]
    type = "integer"
    roles = ["right"]
    """
)
PLAN = make_plan(1, AGREEMENT)
SECRET = np.ones(HASH_WORDS, np.uint64)
CODE, SHORT, TEXT, NUMBER, DAY, TIME, NOT_LEFT = range(7)
LARGEST = (1 << 62) - 1

# What decoders and padding disagree about, and plain letters so that much is well formed.
PIECES = (
    *(b"A", b"b", b"7", b"~", b" ", b"\0", b"\x1f", b"\x7f", b"\x80", b"\xbf", b"\xff"),
    *("ü".encode(), "€".encode(), "𝄞".encode(), "\x85".encode(), "\xa0".encode()),
    *(b"\xc0\x80", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xf0\x8f\xbf\xbf"),
    *(b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\xed\x9f\xbf", b"\xee\x80\x80"),
    b"ABCDEFGH",
)


def contents(width: int) -> st.SearchStrategy[bytes]:
    pieces = st.lists(st.sampled_from(PIECES), max_size=width)
    return pieces.map(lambda parts: b"".join(parts)[:width].ljust(width, b"\0"))


def check(row: bytes, role: int = 0) -> bool:
    hashes = np.zeros(1, np.int64)
    return check_rows(PLAN, np.frombuffer(row, np.uint8), 1, role, SECRET, hashes) == -1


def is_text(padded: bytes, *, outer_spaces: bool = True, ascii_only: bool = False) -> bool:
    content = padded.rstrip(b"\0")
    try:
        text = content.decode("ascii" if ascii_only else "utf-8")
    except UnicodeDecodeError:
        return False
    if not text or any(unicodedata.category(character) == "Cc" for character in text):
        return False
    return outer_spaces or text == text.strip(" ")


@given(contents(36))
def test_ids(raw: bytes) -> None:
    expected = is_text(raw, outer_spaces=False)
    assert check(row_bytes(AGREEMENT, raw, 1, {NUMBER: 1})) == expected


@given(contents(11), contents(3))
def test_codes(code: bytes, short: bytes) -> None:
    expected = all(is_text(raw, outer_spaces=False, ascii_only=True) for raw in (code, short))
    assert check(row_bytes(AGREEMENT, "T1", 1, {CODE: code, SHORT: short})) == expected


@given(contents(13))
def test_texts(text: bytes) -> None:
    assert check(row_bytes(AGREEMENT, "T1", 1, {TEXT: text})) == is_text(text)


@given(st.sampled_from((NUMBER, TIME)), st.integers(-(1 << 63), (1 << 63) - 1))
def test_numbers_and_times(field: int, number: int) -> None:
    assert check(row_bytes(AGREEMENT, "T1", 1, {field: number})) == (abs(number) <= LARGEST)


def test_the_largest_numbers_and_days() -> None:
    first, last = -719_162, 2_932_896
    numbers = {n: check(row_bytes(AGREEMENT, "T1", 1, {NUMBER: n})) for n in (LARGEST, -LARGEST)}
    days = {
        day: check(row_bytes(AGREEMENT, "T1", 1, {DAY: day}))
        for day in (first - 1, first, last, last + 1)
    }
    assert numbers == {LARGEST: True, -LARGEST: True}
    assert days == {first - 1: False, first: True, last: True, last + 1: False}


@given(st.integers(0, AGREEMENT.layout.row_bytes - 1), st.integers(1, 255))
def test_a_withdrawal_says_nothing_else(place: int, byte: int) -> None:
    row = bytearray(row_bytes(AGREEMENT, "T1", 1, {}, action=1))
    assert check(bytes(row))
    row[place] ^= byte
    is_value = 44 <= place < 52 or place >= 68
    is_kind = place in (38, 39)
    assert not ((is_value or is_kind) and check(bytes(row)))


@given(st.integers(0, 63))
def test_presence_only_for_reported_fields(bit: int) -> None:
    row = bytearray(row_bytes(AGREEMENT, "T1", 1, {}))
    row[44 + bit // 8] = 1 << bit % 8
    row_of_left = check(bytes(row))
    row_of_right = check(bytes(row), role=1)
    is_zero_a_value = bit in (NUMBER, DAY, TIME)
    assert (row_of_left, row_of_right) == (is_zero_a_value, is_zero_a_value or bit == NOT_LEFT)


@given(st.integers(68, AGREEMENT.layout.row_bytes - 1), st.integers(1, 255))
def test_absent_fields_are_zero(place: int, byte: int) -> None:
    row = bytearray(row_bytes(AGREEMENT, "T1", 1, {}))
    row[place] = byte
    assert not check(bytes(row))


def test_revision_zero_and_the_first_bad_row_is_named() -> None:
    rows = [row_bytes(AGREEMENT, f"T{n}", n, {NUMBER: n}) for n in (3, 2, 1, 0, 0)]
    flat = np.frombuffer(b"".join(rows), np.uint8)
    assert check_rows(PLAN, flat, 5, 0, SECRET, np.zeros(5, np.int64)) == 3
