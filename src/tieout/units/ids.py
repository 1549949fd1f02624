"""Identities, codes and texts: from what people type to the bytes of a row, and back.

Nothing is normalised, folded or cut here; what does not fit is refused (R-ROW-1). A control
character is one of Unicode's category Cc: U+0000 to U+001F and U+007F to U+009F.
"""

import re
from typing import Final

from tieout.units.errors import UnitsError
from tieout.units.numbers import shown

TRANSACTION_ID_BYTES: Final = 36
"""ISO 20022 Max35Text and the 36 characters of a UUID fit."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def check_transaction_id(text: str) -> bytes:
    """Return the UTF-8 bytes (1 to 36, not padded) of a transaction id.

    Raises UnitsError for an empty or too long id, control characters, and spaces at either end.
    """
    if text != text.strip(" "):
        raise UnitsError(f"the id {shown(text)} begins or ends with a space")
    return _encode(text, TRANSACTION_ID_BYTES, "id")


def check_code(text: str, length: int) -> bytes:
    """Return the bytes (1 to `length`, not padded) of a code.

    A code is printable ASCII without spaces at either end. Raises UnitsError.
    """
    if not (text.isascii() and text.isprintable()):
        raise UnitsError(f"the code {shown(text)} has characters other than printable ASCII")
    if text != text.strip(" "):
        raise UnitsError(f"the code {shown(text)} begins or ends with a space")
    return _encode(text, length, "code")


def check_text(text: str, length: int) -> bytes:
    """Return the UTF-8 bytes (1 to `length`, not padded) of a text without control characters.

    Raises UnitsError.
    """
    return _encode(text, length, "text")


def pad(data: bytes, width: int) -> bytes:
    """Return `data` with NUL bytes behind it, `width` bytes long. Raises UnitsError if longer."""
    if len(data) > width:
        raise UnitsError(f"{len(data)} bytes do not fit into {width}")
    return data.ljust(width, b"\0")


def unpad(padded: bytes) -> str:
    """Return the text of NUL padded UTF-8. Raises UnitsError when it is not UTF-8."""
    try:
        return padded.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnitsError(f"not UTF-8: {error.reason} at byte {error.start}") from error


def _encode(text: str, length: int, what: str) -> bytes:
    if not text:
        raise UnitsError(f"an empty {what}")
    if _CONTROL.search(text):
        raise UnitsError(f"the {what} {shown(text)} has a control character")
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UnitsError(f"the {what} {shown(text)} has half a surrogate pair") from error
    if len(data) > length:
        raise UnitsError(f"the {what} {shown(text)} has {len(data)} bytes, at most {length} fit")
    return data
