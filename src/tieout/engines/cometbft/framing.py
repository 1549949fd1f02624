"""Frames on the socket: an unsigned varint length, then a protobuf message of that many bytes.

Bytes come in pieces that say nothing about where a frame ends, and may come from anybody who can
open the socket. `FrameReader` cuts them: it believes no length beyond the limit, allocates nothing
ahead, and once something does not fit it takes no more, as nobody can say where the next frame
would begin.
"""

from collections.abc import Iterator
from typing import Final

from google.protobuf.message import Message

from tieout.engines.cometbft import abci_pb2 as abci
from tieout.engines.cometbft.limits import MAX_FRAME_BYTES, MAX_LENGTH_BYTES
from tieout.engines.errors import EngineError

_MORE: Final = 0x80
_SEVEN_BITS: Final = 0x7F
_LENGTH_DELIMITED: Final = 2


class FramingError(EngineError):
    """Bytes that are no frames: the connection they came by cannot go on."""


def encode_frame(message: Message) -> bytes:
    """A message as it goes over the socket."""
    body = message.SerializeToString()
    return encode_length(len(body)) + body


def encode_response(kind: str, response: Message) -> bytes:
    """The frame of a Response that holds `response` as its `kind`.

    The same bytes as encoding the one within the other, without copying a block's worth of items.
    """
    body = response.SerializeToString()
    number = abci.Response.DESCRIPTOR.fields_by_name[kind].number
    head = encode_length(number << 3 | _LENGTH_DELIMITED) + encode_length(len(body))
    return b"".join((encode_length(len(head) + len(body)), head, body))


def encode_length(length: int) -> bytes:
    """An unsigned varint, in its shortest form."""
    encoded = bytearray()
    while length > _SEVEN_BITS:
        encoded.append(length & _SEVEN_BITS | _MORE)
        length >>= 7
    encoded.append(length)
    return bytes(encoded)


class FrameReader:
    """Cuts a stream of bytes into frames. For one connection."""

    def __init__(self, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_bytes = max_bytes
        self._waiting = bytearray()
        self._failed = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that `data` completes, without their lengths, in order.

        Iterate to the end before the next call. Raises FramingError, after the frames before the
        fault, and at every call after that.
        """
        if self._failed:
            raise FramingError("this connection sent something that is no frame before")
        self._waiting += data
        at = 0
        try:
            while (found := self._length(at)) is not None:
                start, length = found
                if start + length > len(self._waiting):
                    break
                yield bytes(memoryview(self._waiting)[start : start + length])
                at = start + length
        except FramingError:
            self._failed = True
            self._waiting.clear()
            raise
        del self._waiting[:at]

    @property
    def is_between_frames(self) -> bool:
        """Whether no frame has begun and is not complete yet."""
        return not self._waiting

    def _length(self, at: int) -> tuple[int, int] | None:
        """Where the frame behind the length at `at` begins, and its length; None: too few bytes."""
        value = 0
        for place, byte in enumerate(self._waiting[at : at + MAX_LENGTH_BYTES]):
            value |= (byte & _SEVEN_BITS) << 7 * place
            if value > self._max_bytes:
                raise FramingError(f"a frame of more than {self._max_bytes} bytes")
            if byte < _MORE:
                return at + place + 1, value
        if len(self._waiting) - at >= MAX_LENGTH_BYTES:
            raise FramingError("a length that does not end")
        return None
