"""Cursors: where a list goes on, as a text that only this database gives and takes.

A cursor holds the position behind the last item, which is the key by which the list is ordered, and
is bound to the list and its filters by a keyed hash. So nobody can make one, change one, or go on
in another list with it; and since it is a position and no count, items that come or go meanwhile
neither repeat others nor hide them.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

import msgspec

from tieout.projections.errors import BadCursor
from tieout.projections.limits import MAX_CURSOR_CHARACTERS

Position = tuple[int | str, ...]
_MARK_BYTES: Final = 16
_ADVICE: Final = "ask for the list again from its beginning"


def encode_cursor(secret: bytes, scope: Sequence[object], position: Position) -> str:
    """A cursor for a list; `scope` is its name and everything that chooses and orders its items."""
    body = msgspec.json.encode(position)
    return base64.urlsafe_b64encode(_mark(secret, scope, body) + body).decode().rstrip("=")


def decode_cursor(secret: bytes, scope: Sequence[object], cursor: str) -> Position:
    """The position that a cursor holds. Raises BadCursor."""
    if len(cursor) > MAX_CURSOR_CHARACTERS:
        raise BadCursor("the cursor is too long", _ADVICE)
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        raw = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError) as error:
        raise BadCursor("the cursor is not one of ours", _ADVICE) from error
    mark, body = raw[:_MARK_BYTES], raw[_MARK_BYTES:]
    if not hmac.compare_digest(mark, _mark(secret, scope, body)):
        raise BadCursor("the cursor was changed, or belongs to another list", _ADVICE)
    return msgspec.json.decode(body, type=Position)


def _mark(secret: bytes, scope: Sequence[object], body: bytes) -> bytes:
    told = msgspec.json.encode([list(scope), body.decode("latin-1")])
    return hmac.new(secret, told, hashlib.sha256).digest()[:_MARK_BYTES]
