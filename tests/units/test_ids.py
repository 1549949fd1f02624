import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.units.errors import UnitsError
from tieout.units.ids import check_code, check_text, check_transaction_id, pad, unpad


def is_well_formed_id(text: str) -> bool:
    """R-ROW-1, with the tables of the Unicode standard."""
    categories = {unicodedata.category(character) for character in text}
    if "Cc" in categories or "Cs" in categories or text != text.strip(" "):
        return False
    return 1 <= len(text.encode()) <= 36


@given(st.text(st.characters(), max_size=40))
def test_an_id_is_taken_as_r_row_1_says(text: str) -> None:
    if is_well_formed_id(text):
        assert check_transaction_id(text) == text.encode()
    else:
        with pytest.raises(UnitsError):
            check_transaction_id(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "an empty id"),
        (" T1", "the id ' T1' begins or ends with a space"),
        ("T1 ", "the id 'T1 ' begins or ends with a space"),
        ("T\x851", "the id 'T\\x851' has a control character"),
        ("T\x001", "the id 'T\\x001' has a control character"),
        ("\ud800", "the id '\\ud800' has half a surrogate pair"),
        ("é" * 19, f"the id {'é' * 19!r} has 38 bytes, at most 36 fit"),
    ],
)
def test_an_id_that_does_not_fit_says_why(text: str, reason: str) -> None:
    with pytest.raises(UnitsError) as refused:
        check_transaction_id(text)
    assert str(refused.value) == reason


@given(st.text(st.characters(max_codepoint=0x100), max_size=6))
def test_a_code_is_taken_as_r_row_1_says(text: str) -> None:
    printable = all(" " <= character <= "~" for character in text)
    if printable and 1 <= len(text) <= 4 and text == text.strip(" "):
        assert check_code(text, 4) == text.encode("ascii")
    else:
        with pytest.raises(UnitsError):
            check_code(text, 4)


@given(st.text(st.characters(), max_size=6))
def test_a_text_is_taken_as_r_row_1_says(text: str) -> None:
    categories = {unicodedata.category(character) for character in text}
    if text and not categories & {"Cc", "Cs"} and len(text.encode()) <= 8:
        assert check_text(text, 8) == text.encode()
    else:
        with pytest.raises(UnitsError):
            check_text(text, 8)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=9))
def test_what_is_padded_is_unpadded(text: str) -> None:
    padded = pad(text.encode(), 36)
    assert len(padded) == 36
    assert unpad(padded) == text


def test_what_does_not_fit_is_not_padded() -> None:
    with pytest.raises(UnitsError):
        pad(b"12345", 4)


def test_bytes_that_are_no_utf_8_are_not_unpadded() -> None:
    with pytest.raises(UnitsError):
        unpad(b"\xff\0")
