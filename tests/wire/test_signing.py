"""A batch signed where its rows stand is the batch that is signed over a copy of them."""

import pytest

from tests.wire import golden
from tieout.wire.batch import HEAD_BYTES, parse_batch
from tieout.wire.errors import WireError
from tieout.wire.signing import sign_batch, sign_batch_in_place


def test_both_ways_give_the_same_bytes() -> None:
    room = bytearray(HEAD_BYTES) + golden.rows()
    sign_batch_in_place(golden.KEY, golden.header(), memoryview(room))
    assert bytes(room) == sign_batch(golden.KEY, golden.header(), golden.rows())
    assert parse_batch(room).header == golden.header()


def test_room_for_other_rows_than_the_header_says_is_refused() -> None:
    room = bytearray(HEAD_BYTES) + golden.rows() + b"\0"
    with pytest.raises(WireError, match="bytes follow"):
        sign_batch_in_place(golden.KEY, golden.header(), memoryview(room))
