"""Text that the compiled way of CSV files takes needs no second look."""

import unicodedata

import numba
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tieout.connectors import csv_fast


@numba.njit
def is_settled(data: np.ndarray, size: int) -> bool:
    return csv_fast.settled_text(data, np.uint64(0), np.uint64(size))


def test_text_that_is_not_looked_at_twice_is_left_alone_by_nfc() -> None:
    """Over all characters: what the compiled way takes is composed, and no control or odd space."""
    settled = []
    for point in range(0x110000):
        if 0xD800 <= point <= 0xDFFF:
            continue
        data = np.frombuffer(chr(point).encode() + bytes(8), np.uint8)
        if is_settled(data, len(chr(point).encode())):
            settled.append(chr(point))
    assert len(settled) > 38_000
    for character in settled:
        assert unicodedata.combining(character) == 0
        assert unicodedata.category(character) != "Cc"
        assert character == " " or not character.isspace()
    # Starters that compose with nothing before them: any text of them is composed already.
    for probe in ("a", "e", "가", "か", "\u0391"):
        assert all(unicodedata.is_normalized("NFC", probe + each + probe) for each in settled)


@given(st.binary(max_size=6))
@settings(max_examples=300)
def test_only_utf8_is_settled(data: bytes) -> None:
    padded = np.frombuffer(data + bytes(8), np.uint8)
    if is_settled(padded, len(data)):
        text = data.decode()
        assert unicodedata.normalize("NFC", text) == text
