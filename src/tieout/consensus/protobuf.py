"""The few protobuf encodings that CometBFT hashes and signs, written by hand.

Deterministic by construction: fields in the order of their numbers, a scalar that is zero or empty
left out, as gogoproto writes them. That is all of the wire format that a verifier needs, in fifty
lines; the protobuf runtime promises no one form of a message, and a verifier would have to load it.
Nothing is ever parsed from protobuf here.

Source: Protocol Buffers, "Encoding"; CometBFT v0.38 `proto/tendermint`.
"""

import struct
from typing import Final

from tieout.consensus.errors import MalformedError

_VARINT, _FIXED64, _LENGTH = 0, 1, 2
_NS_PER_SECOND: Final = 1_000_000_000
_MORE: Final = 0x80
_LOW: Final = 0x7F


def uvarint(value: int) -> bytes:
    """An unsigned number, seven bits a byte, the lowest first. Raises MalformedError beyond 64."""
    if not 0 <= value < 1 << 64:
        raise MalformedError("number", f"{value} does not fit 64 bits without a sign")
    out = bytearray()
    while value > _LOW:
        out.append(value & _LOW | _MORE)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """A field that is an unsigned number, or a signed one that is not negative."""
    return _key(field, _VARINT) + uvarint(value) if value else b""


def fixed64(field: int, value: int) -> bytes:
    """A field that is a signed number of eight bytes (sfixed64)."""
    if not -(1 << 63) <= value < 1 << 63:
        raise MalformedError("number", f"{value} does not fit 64 bits with a sign")
    return _key(field, _FIXED64) + struct.pack("<q", value) if value else b""


def data(field: int, value: bytes) -> bytes:
    """A field that is bytes, or the UTF-8 of a string."""
    return message(field, value) if value else b""


def message(field: int, encoded: bytes) -> bytes:
    """A field that is a message, already encoded; it is there even when it is empty."""
    return _key(field, _LENGTH) + uvarint(len(encoded)) + encoded


def timestamp(time_ns: int) -> bytes:
    """`google.protobuf.Timestamp` of nanoseconds since 1970."""
    seconds, nanos = divmod(time_ns, _NS_PER_SECOND)
    return number(1, seconds) + number(2, nanos)


def delimited(encoded: bytes) -> bytes:
    """A message with its length before it."""
    return uvarint(len(encoded)) + encoded


def _key(field: int, wire_type: int) -> bytes:
    return uvarint(field << 3 | wire_type)
