"""One form for every document: the same content is always the same bytes, and nothing else is read.

JSON in the order of the fields, without spaces, one newline at the end. Bytes are base64 (RFC 4648,
section 4), hashes that people compare are hexadecimal. What decodes but does not encode to the very
same bytes is refused, so no byte of a document is free.
"""

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from tieout.evidence.errors import FormError

U16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
U32 = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
Count = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
TimeUs = Annotated[int, Meta(ge=1, le=(1 << 62) - 1)]
Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
HexHash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]

Document = TypeVar("Document", bound=msgspec.Struct)


def to_one_form(document: msgspec.Struct) -> bytes:
    """The bytes of a document."""
    return msgspec.json.encode(document) + b"\n"


def from_one_form(data: bytes, form: type[Document], part: str, at_most: int) -> Document:
    """Read a document of at most `at_most` bytes. Raises FormError for any but its one form."""
    if len(data) > at_most:
        raise FormError(part, f"{len(data)} bytes; at most {at_most} are read")
    try:
        document = msgspec.json.decode(data, type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FormError(part, str(error)) from error
    if to_one_form(document) != data:
        raise FormError(part, "it is not in its one form (order, spaces, spelling of base64)")
    return document
