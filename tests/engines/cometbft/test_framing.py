import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.engines.cometbft import abci_pb2 as abci
from tieout.engines.cometbft.framing import (
    FrameReader,
    FramingError,
    encode_frame,
    encode_length,
    encode_response,
)

LIMIT = 300


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    """The bytes in pieces that end at these places."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


def read(pieces: list[bytes], limit: int = LIMIT) -> tuple[list[bytes], bool]:
    """The frames, and whether the connection had to be ended."""
    reader, frames = FrameReader(limit), []
    try:
        for piece in pieces:
            frames += reader.feed(piece)
    except FramingError:
        return frames, True
    return frames, False


@given(st.lists(st.binary(max_size=LIMIT), max_size=6), st.lists(st.integers(0)))
def test_frames_come_out_as_they_were_put_in_however_they_are_cut(
    frames: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(encode_length(len(frame)) + frame for frame in frames)
    assert read(pieces_of(stream, cuts)) == (frames, False)


@given(st.binary(), st.lists(st.integers(0)))
def test_any_bytes_give_the_same_frames_and_the_same_end_however_they_are_cut(
    stream: bytes, cuts: list[int]
) -> None:
    whole = read([stream])
    assert read(pieces_of(stream, cuts)) == whole
    assert all(len(frame) <= LIMIT for frame in whole[0])


@pytest.mark.parametrize(
    "stream",
    [
        encode_length(LIMIT + 1),
        b"\xff\xff\xff\xff\xff",
        b"\x80\x80\x80\x80\x80\x80",
        b"\xac\x02" * 0 + b"\xff\xff\x7f",
    ],
)
def test_a_length_beyond_the_limit_ends_the_connection(stream: bytes) -> None:
    reader = FrameReader(LIMIT)
    with pytest.raises(FramingError):
        list(reader.feed(stream))
    with pytest.raises(FramingError, match="before"):
        list(reader.feed(b"\x00"))


def test_what_came_before_a_fault_is_still_read() -> None:
    assert read([b"\x02ab" + b"\xff\xff\xff\xff\xff"]) == ([b"ab"], True)


def test_an_unfinished_frame_is_waited_for() -> None:
    reader = FrameReader()
    assert list(reader.feed(b"\x03ab")) == []
    assert not reader.is_between_frames
    assert list(reader.feed(b"c")) == [b"abc"]
    assert reader.is_between_frames


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_a_response_is_encoded_as_protobuf_would(items: list[bytes]) -> None:
    inner = abci.ResponsePrepareProposal(txs=items)
    outer = abci.Response(prepare_proposal=inner)
    assert encode_response("prepare_proposal", inner) == encode_frame(outer)
